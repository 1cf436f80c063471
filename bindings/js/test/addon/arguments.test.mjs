// What the addon does with arguments that are not what its contract says: it throws, whatever they are.

import assert from "node:assert/strict";
import { constants } from "node:os";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import {
  bytes,
  CLOSED,
  everything,
  hooks,
  listOptions,
  MISUSE,
  native,
  openDatabase,
  openOptions,
  u64,
  v8,
} from "./lib.mjs";

const ignore = () => {};

/** One of each kind of thing that somebody might pass. */
function wrongThings() {
  const throwing = new Proxy([], {
    get() {
      throw new Error("a trap");
    },
  });
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  const circular = [];
  circular.push(circular);
  return [
    undefined, null, true, false, 0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 32, -(2 ** 31), 0n, -1n, 2n ** 64n,
    2n ** 5000n, "", "x", "\0", "\ud800", "x".repeat(10_000), Symbol("x"), Symbol.iterator, {}, [], [[]], [[[]]],
    [undefined], [null, null, null, null], [{}, {}, {}, {}], new Array(5), new Array(2 ** 31), ["set"],
    [["a"], "x"], [["a"], "0".repeat(20)], [["a"], "0".repeat(5000)], [1, new Uint8Array(1)], [2, 1], [2, -1n], [3, "x"],
    [7, new Uint8Array(1)], [-1, new Uint8Array(1)], [1, detached], [3, new SharedArrayBuffer(4)],
    ["set", ["a"], [3, new Uint8Array(1)], -2], ["set", ["a"], [3, new Uint8Array(1)], NaN], ["nothing", ["a"], null, -1],
    ["min", ["a"], [1, new Uint8Array(1)], -1], ["sum", ["a"], [2, 2n ** 70n], -1], [[1, new Uint8Array(1)], -1, [], null],
    [[1, new Uint8Array(1)], 0, [[{}]], null], [[1, new Uint8Array(1)], 0, [], [-1, "x"]], circular, throwing,
    ignore, class {}, new Date(), /x/, new Map(), new Set(), new WeakMap(), Promise.resolve(1), new Error("x"),
    new Uint8Array(3), new Float64Array(2), new BigInt64Array(1), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4),
    new SharedArrayBuffer(4), new Uint8Array(new SharedArrayBuffer(4)), detached, Object.create(null),
    Object.freeze([]), new Proxy({}, {}), { prefix: 1 }, { prefix: [{}] }, { start: ["a"] }, { length: 3 }, globalThis,
    new String("x"), Object(1n), (function () { return arguments; })(1, 2),
  ]; // prettier-ignore
}

/** The right arguments of each function, with the open things among them. */
async function rightArguments(t) {
  const database = await openDatabase(t);
  const list = native.listOpen(database, everything, listOptions);
  const watch = native.watchOpen(database, [["a"]], false);
  const range = native.rangeWatchOpen(database, everything, 0);
  const messages = [];
  let arrived;
  const arrival = new Promise((resolve) => (arrived = resolve));
  const listener = await native.listen(database, 5, (message) => arrived(messages.push(message)), ignore);
  await native.enqueue(database, [v8("x"), 0, [], null]);
  await arrival;
  t.after(() => native.listenClose(listener));
  return {
    open: [":memory:", openOptions],
    path: [database],
    get: [database, ["a"], false, false],
    getMany: [database, [["a"]], false, false],
    listOpen: [database, everything, listOptions],
    listNext: [list],
    listCursor: [list],
    listClose: [list],
    set: [database, ["a"], bytes(1), -1],
    delete: [database, ["a"]],
    enqueue: [database, [v8(1), 0, [["a"]], [1]]],
    commit: [database, [[["a"], null]], [["set", ["a"], bytes(1), -1], ["sum", ["b"], u64(1n), -1]], []],
    watchOpen: [database, [["a"]], false],
    watchNext: [watch],
    watchClose: [watch],
    rangeWatchOpen: [database, everything, 0],
    rangeWatchNext: [range],
    rangeWatchClose: [range],
    listen: [database, 5, ignore, ignore],
    listenClose: [listener],
    payload: [messages[0]],
    finish: [messages[0], true],
    decodeV8: [v8(1)[1]],
    checkV8: [v8(1)[1]],
    recodeV8: [v8(1)[1]],
    setup: [{}],
    version: [],
    close: [database],
  };
}

/** Whatever comes of it; what was opened is ended. */
async function tryCall(name, args) {
  let result;
  try {
    result = native[name](...args);
    if (name === "watchNext" || name === "rangeWatchNext") {
      result?.catch?.(ignore);
      return;
    }
    result = await result;
  } catch (error) {
    assert.ok(error instanceof Error, `${name} threw ${String(error)}`);
    return;
  }
  if (result === undefined) return;
  if (name === "open") await native.close(result);
  if (name === "listen") await native.listenClose(result);
  if (name === "listOpen") native.listClose(result);
  if (name === "watchOpen") native.watchClose(result);
  if (name === "rangeWatchOpen") native.rangeWatchClose(result);
}

test("every function withstands every kind of wrong argument in every place", async (t) => {
  const right = await rightArguments(t);
  const paths = new Set(["x", "\ud800", "x".repeat(10_000)]); // files nobody wants
  assert.deepEqual(Object.keys(right).sort(), Object.keys(native).sort(), "this test names all functions");
  for (const [name, args] of Object.entries(right)) {
    if (name === "version" || name === "setup" || name === "close") continue;
    for (let place = 0; place < args.length; place++) {
      if (["listenClose", "finish", "watchClose", "rangeWatchClose", "listClose"].includes(name) && place > 0) continue;
      for (const wrong of wrongThings()) {
        if (name === "listen" && typeof wrong === "function") continue;
        if (name === "open" && place === 0 && (paths.has(wrong) || wrong === undefined || wrong === null)) continue;
        await tryCall(name, args.map((right, i) => i === place ? wrong : right));
      }
    }
    await tryCall(name, []);
  }
});

test("a handle of another kind is refused", async (t) => {
  const right = await rightArguments(t);
  const handles = [right.get[0], right.listNext[0], right.watchNext[0], right.rangeWatchNext[0], right.listenClose[0],
    right.payload[0]]; // prettier-ignore
  for (const [name, args] of Object.entries(right)) {
    if (!handles.includes(args[0])) continue;
    for (const handle of handles) {
      if (handle === args[0]) continue;
      assert.throws(() => native[name](handle, ...args.slice(1)), TypeError, name);
    }
  }
});

test("a handle of another copy of the addon is refused", async (t) => {
  const database = await openDatabase(t);
  const built = process.env.TUPLET_ADDON ?? fileURLToPath(new URL("../../build/bindings/js/tuplet.node", import.meta.url));
  const copy = { exports: {} };
  process.dlopen(copy, built, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_DEEPBIND);
  assert.throws(() => copy.exports.path(database), /setup\(\) comes first/);
  copy.exports.setup(hooks);
  assert.throws(() => copy.exports.path(database), TypeError);
  const other = await copy.exports.open(":memory:", openOptions);
  assert.throws(() => native.path(other), TypeError);
  await copy.exports.close(other);
});

test("setup refuses hooks that are not all there, and keeps those it has", async (t) => {
  const database = await openDatabase(t);
  for (const wrong of [undefined, null, 1, "x", {}, { decode: ignore }, { decode: 1 }])
    assert.throws(() => native.setup(wrong), TypeError);
  assert.deepEqual(native.get(database, ["a"], false, false), { key: ["a"], value: null, versionstamp: null });
});

test("an error of the library is what the hook makes of it", async (t) => {
  const database = await openDatabase(t);
  assert.throws(() => native.get(database, ["x".repeat(3000)], false, false), { status: -3, message: /Key too large/ });
  await assert.rejects(native.open("/nonexistent/folder/file", openOptions), { status: -12 });
  await native.set(database, ["a"], bytes(1), -1);
  await assert.rejects(native.commit(database, [], [["sum", ["a"], u64(1n), -1]], []), { status: -6 });
});

test("a getter of an argument may close the database", async (t) => {
  const closing = (database, array, index) =>
    Object.defineProperty(array, index, {
      get() {
        native.close(database).catch(ignore);
        return "a";
      },
    });
  for (const call of [
    (db) => native.get(db, closing(db, ["x"], 0), false, false),
    (db) => native.set(db, closing(db, ["x"], 0), bytes(1), -1),
    (db) => native.listOpen(db, { prefix: closing(db, ["x"], 0) }, listOptions),
    (db) => native.watchOpen(db, [closing(db, ["x"], 0)], false),
    (db) => native.commit(db, [], [["set", ["a"], bytes(1), -1], ["delete", closing(db, ["x"], 0), undefined, -1]], []),
  ]) {
    const database = await openDatabase(t);
    assert.throws(() => call(database), { status: CLOSED });
  }
});

test("a value whose bytes a getter takes away is not read any more", async (t) => {
  const database = await openDatabase(t);
  const data = new Uint8Array(1000).fill(7);
  const key = Object.defineProperty(["a", "b"], 1, {
    get() {
      structuredClone(data, { transfer: [data.buffer] });
      return "b";
    },
  });
  await native.set(database, key, [3, data], -1);
  assert.deepEqual(native.get(database, ["a", "b"], false, false).value, new Uint8Array(0));
});

test("only one call at a time waits for a watch", async (t) => {
  const database = await openDatabase(t);
  const watch = native.watchOpen(database, [["a"]], false);
  await native.watchNext(watch);
  const waiting = native.watchNext(watch);
  assert.throws(() => native.watchNext(watch), { status: MISUSE });
  native.watchClose(watch);
  assert.equal(await waiting, null);
});

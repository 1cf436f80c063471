// When things end: closing with work in flight, closing twice, using what is closed, garbage collection.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import {
  bytes,
  CLOSED,
  collect,
  everything,
  listOptions,
  native,
  openDatabase,
  openOptions,
  temporaryFolder,
  until,
  v8,
} from "./lib.mjs";

const ignore = () => {};

test("closing completes the writes that were accepted", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const database = await native.open(path, openOptions);
  const writes = Array.from({ length: 500 }, (_, i) => native.set(database, ["k", i], bytes(i % 256), -1));
  const closing = native.close(database);
  const versionstamps = await Promise.all(writes);
  await closing;
  assert.equal(new Set(versionstamps).size, 500);
  assert.equal((await collect(await openDatabase(t, path))).length, 500);
});

test("a closed database refuses every call, and closing it again", async (t) => {
  const database = await openDatabase(t);
  const list = native.listOpen(database, everything, listOptions);
  const closing = native.close(database);
  for (const call of [
    () => native.close(database),
    () => native.path(database),
    () => native.get(database, ["a"], false, false),
    () => native.getMany(database, [["a"]], false, false),
    () => native.set(database, ["a"], bytes(1), -1),
    () => native.delete(database, ["a"]),
    () => native.commit(database, [], [], []),
    () => native.enqueue(database, [v8(1), 0, [], null]),
    () => native.listOpen(database, everything, listOptions),
    () => native.listNext(list),
    () => native.listCursor(list),
    () => native.watchOpen(database, [["a"]], false),
    () => native.rangeWatchOpen(database, everything, 0),
    () => native.listen(database, 1, ignore, ignore),
  ])
    assert.throws(call, { status: CLOSED }, String(call));
  await closing;
  native.listClose(list);
});

test("closing the database ends its watches and its listeners", async (t) => {
  const database = await openDatabase(t);
  const watch = native.watchOpen(database, [["a"]], false);
  const range = native.rangeWatchOpen(database, everything, 0);
  await native.watchNext(watch);
  await native.rangeWatchNext(range);
  const waiting = [native.watchNext(watch), native.rangeWatchNext(range)];
  const ends = [];
  const listener = await native.listen(database, 1, ignore, (error) => ends.push(error));
  await native.close(database);
  assert.deepEqual(await Promise.all(waiting), [null, null]);
  assert.deepEqual(ends, [undefined]);
  assert.equal(await native.watchNext(watch), null);
  assert.equal(await native.rangeWatchNext(range), null);
  native.watchClose(watch);
  native.rangeWatchClose(range);
  await native.listenClose(listener);
});

test("everything may be closed twice", async (t) => {
  const database = await openDatabase(t);
  const list = native.listOpen(database, everything, listOptions);
  const watch = native.watchOpen(database, [["a"]], false);
  const range = native.rangeWatchOpen(database, everything, 0);
  let ends = 0;
  const listener = await native.listen(database, 1, ignore, () => ends++);
  for (let i = 0; i < 2; i++) {
    native.listClose(list);
    native.watchClose(watch);
    native.rangeWatchClose(range);
    await native.listenClose(listener);
  }
  assert.equal(ends, 1);
  assert.throws(() => native.listNext(list), { status: CLOSED });
  assert.equal(await native.watchNext(watch), null);
});

test("a watch that is closed at once, over and over, while its keys change", async (t) => {
  const database = await openDatabase(t);
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) await native.set(database, ["a"], bytes(i % 256), -1);
  })();
  for (let i = 0; i < 300; i++) {
    const watch = native.watchOpen(database, [["a"]], false);
    const range = native.rangeWatchOpen(database, everything, 0);
    const waiting = [native.watchNext(watch), native.rangeWatchNext(range)];
    if (i % 3 === 0) await waiting[0];
    native.watchClose(watch);
    native.rangeWatchClose(range);
    await Promise.all(waiting);
  }
  writing = false;
  await writer;
});

/** Runs `action` while the addon sets a property of that name on an object. */
async function whileSetting(name, action, run) {
  const set = (object, value) => Object.defineProperty(object, name, { value, enumerable: true });
  Object.defineProperty(Object.prototype, name, {
    configurable: true,
    set(value) {
      set(this, value);
      action();
    },
  });
  try {
    return await run();
  } finally {
    delete Object.prototype[name];
  }
}

/** Long enough for another thread to do what it was asked for. */
function block() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
}

test("a watch that is closed while its delivery is made, by itself or with its database", async (t) => {
  for (const close of [native.rangeWatchClose, native.close]) {
    const database = await openDatabase(t);
    const range = native.rangeWatchOpen(database, everything, 0);
    await native.rangeWatchNext(range);
    for (let i = 0; i < 50; i++) await native.set(database, ["a", i], bytes(i), -1);
    const closing = () => {
      close(close === native.close ? database : range);
      block();
    };
    const { entries } = await whileSetting("mustReread", closing, () => native.rangeWatchNext(range));
    assert.deepEqual(entries.map(({ key }) => key), Array.from({ length: 50 }, (_, i) => ["a", i]));
    assert.equal(await native.rangeWatchNext(range), null);
  }
});

test("a database that is closed by a key of an operation that is being committed", async (t) => {
  const database = await openDatabase(t);
  const key = Object.defineProperty(["a"], 0, {
    get() {
      native.close(database);
      return "a";
    },
  });
  assert.throws(() => native.commit(database, [], [["set", key, v8(1), 1000]], []), { status: CLOSED });
});

test("a listener that is closed while messages come gives back what it has", async (t) => {
  const database = await openDatabase(t);
  const handled = new Set();
  for (let i = 0; i < 200; i++) await native.enqueue(database, [v8(i), 0, [], [0, 0, 0, 0, 0]]);
  while (handled.size < 200) {
    const before = handled.size;
    const listener = await native.listen(
      database,
      10,
      async (message) => {
        const value = native.payload(message);
        if (await native.finish(message, true)) handled.add(value);
      },
      ignore,
    );
    await until(() => handled.size > before || handled.size === 200);
    await native.listenClose(listener);
  }
  assert.equal(handled.size, 200);
});

test("that a listener has ended is told before its closing is over, however fast that is", async (t) => {
  const database = await openDatabase(t);
  for (let round = 0; round < 300; round++) {
    const ends = [];
    const listener = await native.listen(database, 1, () => {}, (error) => ends.push(error));
    await native.listenClose(listener);
    assert.deepEqual(ends, [undefined], `round ${round}`);
  }
});

test("a message is finished once, and not after its listener has ended", async (t) => {
  const database = await openDatabase(t);
  const messages = [];
  const listener = await native.listen(database, 10, (message) => messages.push(message), ignore);
  for (let i = 0; i < 2; i++) await native.enqueue(database, [v8(i), 0, [], null]);
  await until(() => messages.length === 2);
  assert.equal(await native.finish(messages[0], true), true);
  assert.throws(() => native.finish(messages[0], true), { status: -1 });
  assert.throws(() => native.payload(messages[0]), { status: -1 });
  await native.listenClose(listener);
  assert.equal(await native.finish(messages[1], true), false, "it was given back");
  await native.close(database);
});

test("messages that are not handled come again, and go where they say in the end", async (t) => {
  const database = await openDatabase(t);
  const attempts = [];
  const listener = await native.listen(
    database,
    10,
    (message, id, attempt) => {
      attempts.push(attempt);
      native.finish(message, false);
    },
    ignore,
  );
  await native.enqueue(database, [v8("lost"), 0, [["dead"]], [0, 0]]);
  const entry = await until(() => native.get(database, ["dead"], false, false).versionstamp && native.get(database, ["dead"], false, false));
  assert.equal(entry.value, "lost");
  assert.deepEqual(attempts, [1, 2, 3]);
  await native.listenClose(listener);
});

test("opening fails with what is wrong, and leaves nothing behind", async (t) => {
  const folder = await temporaryFolder(t);
  for (let i = 0; i < 20; i++)
    await assert.rejects(native.open(join(folder, "none", "kv.sqlite"), openOptions), { status: -12 });
  await assert.rejects(native.open(join(folder, "kv.sqlite"), { ...openOptions, readOnly: true }));
});

test("many databases at once", async (t) => {
  const folder = await temporaryFolder(t);
  const databases = await Promise.all(
    Array.from({ length: 20 }, (_, i) => native.open(join(folder, `${i}.sqlite`), openOptions)),
  );
  await Promise.all(databases.map((database, i) => native.set(database, ["i"], bytes(i), -1)));
  databases.forEach((database, i) => assert.deepEqual(native.get(database, ["i"], false, false).value, bytes(i)[1]));
  await Promise.all(databases.map((database) => native.close(database)));
});

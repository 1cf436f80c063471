// What the package has beyond Deno's database: values as they are stored, watches of ranges, options of listeners and of
// opening, waiting for the end; the same over the network; calls that are under way when the database is closed.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { EncodedValue, KvError, KvU64, openKv, version } from "../dist/index.js";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "../../../test/clients/lib/harness.mjs";

const WAIT_MS = 30_000;

/** A database in memory, or the one that `path` names. */
async function open(t, path = ":memory:", options = {}) {
  const kv = await openKv(path, options);
  t.after(() => kv[Symbol.asyncDispose]());
  return kv;
}

async function newFile(t) {
  return join(await temporaryFolder(t), "kv.sqlite3");
}

/** Databases of each kind. On a server the messages of a listener take their time to be returned, hence one for each. */
const kinds = {
  "in memory": (t) => open(t),
  "in a file": async (t) => open(t, await newFile(t)),
  "on a server": async (t) => {
    const server = await startServer(t, await newFile(t));
    return open(t, server.url, { accessToken: TOKEN });
  },
  "on a server, over HTTP/2": async (t) => {
    const server = await startServer(t, await newFile(t));
    return open(t, server.url, { accessToken: TOKEN, http: 2 });
  },
};

async function keysOf(list) {
  const keys = [];
  for await (const { key } of list) keys.push(key);
  return keys;
}

for (const [kind, make] of Object.entries(kinds)) {
  test(`${kind}: reads, lists, writes and sums`, async (t) => {
    const kv = await make(t);
    assert.deepEqual(await kv.get(["a"]), { key: ["a"], value: null, versionstamp: null });
    const { ok, versionstamp } = await kv.set(["a"], { n: 1n });
    assert.equal(ok, true);
    assert.deepEqual(await kv.get(["a"]), { key: ["a"], value: { n: 1n }, versionstamp });
    assert.deepEqual(await kv.get(["a"], { consistency: "eventual" }), await kv.get(["a"]));

    const entry = await kv.get(["a"]);
    assert.equal((await kv.atomic().check(entry).set(["a"], 2).sum(["n"], 5n).delete(["b"]).commit()).ok, true);
    assert.deepEqual(await kv.atomic().check(entry).set(["a"], 3).commit(), { ok: false });
    const [a, n] = await kv.getMany([["a"], ["n"]]);
    assert.deepEqual([a.value, n.value], [2, new KvU64(5n)]);
    assert.equal(a.versionstamp, n.versionstamp);

    const stamped = await kv.set(["log", kv.commitVersionstamp()], "x");
    assert.equal((await kv.get(["log", stamped.versionstamp])).value, "x");
    await assert.rejects(kv.atomic().sum(["a"], 1n).commit(), TypeError);
    await kv.delete(["a"]);
    assert.equal((await kv.get(["a"])).versionstamp, null);
  });

  test(`${kind}: lists in pages, in both directions, on from a cursor`, async (t) => {
    const kv = await make(t);
    const fill = kv.atomic();
    for (let i = 0; i < 250; i++) fill.set(["a", i], i);
    await fill.commit();

    const all = await keysOf(kv.list({ prefix: ["a"] }));
    assert.deepEqual(all, Array.from({ length: 250 }, (_, i) => ["a", i]));
    assert.deepEqual(await keysOf(kv.list({ prefix: ["a"] }, { reverse: true, batchSize: 7 })), [...all].reverse());

    const paged = [];
    let cursor;
    do {
      const page = kv.list({ prefix: ["a"] }, { limit: 60, batchSize: 25, cursor });
      paged.push(...await keysOf(page));
      ({ cursor } = page);
    } while (cursor !== "");
    assert.deepEqual(paged, all);

    const list = kv.list({ prefix: ["a"] }, { batchSize: 2 });
    const together = await Promise.all(Array.from({ length: 5 }, () => list.next()));
    assert.deepEqual(together.map(({ value }) => value.value), [0, 1, 2, 3, 4]);
    const from = kv.list({ prefix: ["a"] }, { cursor: list.cursor, limit: 1 });
    assert.deepEqual(await keysOf(from), [["a", 5]]);

    const shared = kv.list({ prefix: ["a"] }, { batchSize: 2 });
    const seen = [];
    const takeAll = async () => {
      for await (const { value } of shared) seen.push(value);
    };
    await Promise.all([takeAll(), takeAll(), takeAll()]);
    assert.deepEqual(seen, all.map(([, i]) => i));
  });

  test(`${kind}: values as they are stored`, async (t) => {
    const kv = await make(t);
    await kv.atomic().set(["a"], "text").set(["b"], new KvU64(258n)).set(["c"], Uint8Array.of(1, 2)).commit();
    const { value } = await kv.get(["a"], { encoded: true });
    assert.ok(value instanceof EncodedValue);
    assert.equal(value.encoding, "v8");
    const many = await kv.getMany([["b"], ["c"], ["d"]], { encoded: true });
    assert.deepEqual(many.map((entry) => entry.value && [entry.value.encoding, ...entry.value.data]), [
      ["u64", 2, 1, 0, 0, 0, 0, 0, 0],
      ["bytes", 1, 2],
      null,
    ]);
    for await (const entry of kv.list({ prefix: [] }, { encoded: true })) {
      assert.ok(entry.value instanceof EncodedValue);
      await kv.set(["copy", ...entry.key], entry.value);
    }
    assert.deepEqual((await kv.getMany([["copy", "a"], ["copy", "b"], ["copy", "c"]])).map((entry) => entry.value), [
      "text",
      new KvU64(258n),
      Uint8Array.of(1, 2),
    ]);
  });

  test(`${kind}: watches keys`, async (t) => {
    const kv = await make(t);
    const reader = kv.watch([["a"], ["b"]]).getReader();
    assert.deepEqual((await reader.read()).value.map((entry) => entry.value), [null, null]);
    await kv.set(["b"], 1);
    assert.deepEqual((await within(WAIT_MS, "the set", reader.read())).value.map((entry) => entry.value), [null, 1]);
    await kv.set(["a"], 1, { expireIn: 50 });
    for (const wanted of [1, null]) {
      let value;
      do ({ value: [{ value }] } = await within(WAIT_MS, "the expiry", reader.read())); while (value !== wanted);
    }
    await reader.cancel();
  });

  test(`${kind}: watches a range`, async (t) => {
    const kv = await make(t);
    await kv.set(["room", 1], "before");
    const reader = kv.watchRange({ prefix: ["room"] }).getReader();
    const next = async () => (await within(WAIT_MS, "a change", reader.read())).value;

    const first = await next();
    assert.deepEqual([first.reread, first.entries], [true, []]);
    assert.match(first.versionstamp, /^[0-9a-f]{20}$/);
    assert.deepEqual(await keysOf(kv.list({ prefix: ["room"] })), [["room", 1]]);

    const { versionstamp } = await kv.atomic().set(["room", 2], { text: "hi" }).delete(["room", 1]).set(["x"], 1).commit();
    const second = await next();
    assert.deepEqual(second.entries, [
      { key: ["room", 1], value: null, versionstamp: null },
      { key: ["room", 2], value: { text: "hi" }, versionstamp },
    ]);
    assert.equal(second.reread, false);
    assert.ok(second.versionstamp >= versionstamp);
    await reader.cancel();
    assert.deepEqual(await reader.read(), { value: undefined, done: true });
  });

  test(`${kind}: a listener with its options, told id and attempt`, async (t) => {
    const kv = await make(t);
    const seen = [];
    let running = 0;
    let most = 0;
    const listening = kv.listenQueue(async (message, { id, attempt }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
      seen.push([message, id, attempt]);
      if (message === "twice" && attempt === 1) throw new Error("once more, as it should be");
    }, { maxInFlight: 2 });
    for (let i = 0; i < 6; i++) await kv.enqueue(i);
    await kv.enqueue("twice", { backoffSchedule: [1] });
    await eventually(WAIT_MS, "eight attempts", () => seen.length >= 8);
    assert.ok(most <= 2, `${most} at a time`);
    const twice = seen.filter(([message]) => message === "twice");
    assert.deepEqual(twice.map(([, , attempt]) => attempt), [1, 2]);
    assert.equal(twice[0][1], twice[1][1]);
    assert.equal(new Set(seen.map(([, id]) => id)).size, 7);
    kv.close();
    assert.equal(await within(WAIT_MS, "the end of the listener", listening), undefined);
  });

  test(`${kind}: what is under way when it is closed ends`, async (t) => {
    const kv = await make(t);
    for (let i = 0; i < 5; i++) await kv.set(["a", i], i);
    const watching = kv.watch([["a"]]).getReader();
    await watching.read();
    const ranging = kv.watchRange({ prefix: [] }).getReader();
    await ranging.read();
    const listening = kv.listenQueue(() => {});
    await kv.enqueue("x");
    const list = kv.list({ prefix: ["a"] }, { batchSize: 1 });
    await list.next();

    const ends = Promise.allSettled([
      watching.read(),
      ranging.read(),
      listening,
      ...Array.from({ length: 20 }, (_, i) => kv.set(["b", i], i)),
    ]);
    kv.close();
    const [watch, range, listener, ...writes] = await within(WAIT_MS, "everything", ends);
    assert.deepEqual([watch.value.done, range.value.done, listener.status], [true, true, "fulfilled"]);
    for (const { status, value, reason } of writes) {
      if (status === "fulfilled") assert.equal(value.ok, true);
      else if (kind.startsWith("on a server")) assert.match(reason.name, /^(BadResource|KvError)$/);
      else throw reason;
    }
    await assert.rejects(list.next(), { name: "BadResource", message: "Bad resource ID" });
    await assert.rejects(kv.get(["a"]), { name: "BadResource" });
    assert.throws(() => kv.watchRange({ prefix: [] }), { name: "BadResource" });
    assert.throws(() => kv.close(), { name: "BadResource" });
    await kv[Symbol.asyncDispose]();
  });
}

test("await using: the file is closed at the end of the block", async (t) => {
  const path = await newFile(t);
  const kv = await openKv(path);
  await kv.set(["a"], 1);
  assert.ok(existsSync(`${path}-wal`));
  await kv[Symbol.asyncDispose]();
  assert.ok(!existsSync(`${path}-wal`));
  await kv[Symbol.asyncDispose]();
  kv[Symbol.dispose]();
});

test("writes that were accepted are there after close", async (t) => {
  const path = await newFile(t);
  const first = await openKv(path);
  const writes = Array.from({ length: 100 }, (_, i) => first.set(["a", i], i));
  first.close();
  const done = await Promise.all(writes);
  assert.ok(done.every(({ ok }) => ok));
  const second = await open(t, path);
  assert.equal((await keysOf(second.list({ prefix: ["a"] }))).length, 100);
});

test("read-only: reads, and refuses to write", async (t) => {
  const path = await newFile(t);
  const writer = await open(t, path);
  await writer.set(["a"], 1);
  const reader = await open(t, path, { readOnly: true });
  assert.equal((await reader.get(["a"])).value, 1);
  for (const write of [
    () => reader.set(["a"], 2),
    () => reader.delete(["a"]),
    () => reader.enqueue(1),
    () => reader.atomic().sum(["n"], 1n).commit(),
    () => reader.listenQueue(() => {}),
  ]) {
    await assert.rejects(write, (error) => error instanceof KvError && error.code === "TUPLET_READ_ONLY");
  }
  await writer.set(["a"], 2);
  assert.equal((await reader.get(["a"])).value, 2);
});

test("relaxed durability writes all the same", async (t) => {
  const path = await newFile(t);
  const kv = await open(t, path, { durability: "relaxed", cacheSize: 512 });
  await kv.set(["a"], 1);
  const other = await open(t, path);
  assert.equal((await other.get(["a"])).value, 1);
});

test("a range that changed too much is to be read again", async (t) => {
  const kv = await open(t);
  const reader = kv.watchRange({ start: ["a"], end: ["b"] }, { maxChanges: 3 }).getReader();
  assert.equal((await reader.read()).value.reread, true);
  for (let i = 0; i < 10; i++) await kv.set(["a", i], i);
  const { value } = await reader.read();
  assert.deepEqual([value.reread, value.entries], [true, []]);
  await kv.set(["a", 1], "new");
  assert.deepEqual((await reader.read()).value.entries.map((entry) => entry.value), ["new"]);
  await reader.cancel();
});

test("a watched range is read no further than it is asked for", async (t) => {
  const kv = await open(t);
  const stream = kv.watchRange({ prefix: [] });
  for (let i = 0; i < 5; i++) await kv.set(["a"], i);
  const reader = stream.getReader();
  assert.equal((await reader.read()).value.reread, true);
  for (let i = 0; i < 5; i++) await kv.set(["a"], i);
  const { value } = await reader.read();
  assert.deepEqual(value.entries.map((entry) => entry.value), [4]);
  await reader.cancel();
});

test("a listener closes its database, and ends", async (t) => {
  const kv = await open(t);
  const listening = kv.listenQueue(() => kv.close());
  await kv.enqueue("last");
  await within(WAIT_MS, "the end", listening);
});

test("an unfinished message comes again when its listener is closed", async (t) => {
  const path = await newFile(t);
  const first = await openKv(path);
  let ids = [];
  const begun = new Promise((resolve) => {
    first.listenQueue((_message, { id }) => {
      ids.push(id);
      resolve();
      return new Promise(() => {});
    });
  });
  await first.enqueue("again");
  await within(WAIT_MS, "the first delivery", begun);
  await first[Symbol.asyncDispose]();
  const second = await open(t, path);
  const again = new Promise((resolve) => {
    second.listenQueue((message, { id }) => {
      ids.push(id);
      resolve(message);
    });
  });
  assert.equal(await within(WAIT_MS, "the second delivery", again), "again");
  assert.equal(ids[0], ids[1]);
});

test("the environment names the default database, and what stands before all paths", async (t) => {
  const folder = await temporaryFolder(t);
  t.after(() => {
    delete process.env.DENO_KV_DEFAULT_PATH;
    delete process.env.DENO_KV_PATH_PREFIX;
  });
  process.env.DENO_KV_DEFAULT_PATH = join(folder, "default.sqlite3");
  const byDefault = await openKv();
  t.after(() => byDefault[Symbol.asyncDispose]());
  delete process.env.DENO_KV_DEFAULT_PATH;
  await byDefault.set(["a"], "default");
  assert.ok(existsSync(join(folder, "default.sqlite3")));

  process.env.DENO_KV_PATH_PREFIX = `${folder}/`;
  const prefixed = await open(t, "default.sqlite3");
  assert.equal((await prefixed.get(["a"])).value, "default");
  delete process.env.DENO_KV_PATH_PREFIX;

  const byUrl = await open(t, `file://${folder}/default.sqlite3`);
  assert.equal((await byUrl.get(["a"])).value, "default");
});

test("the token of the environment opens a server", async (t) => {
  const server = await startServer(t, await newFile(t));
  t.after(() => delete process.env.DENO_KV_ACCESS_TOKEN);
  process.env.DENO_KV_ACCESS_TOKEN = TOKEN;
  const kv = await open(t, server.url);
  assert.equal((await kv.set(["a"], 1)).ok, true);
});

test("the version of the library", () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
});

// The addon and databases on servers: the same functions, whose answers come later.

import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { makeAuthority, makeCertificate } from "../../../../test/clients/lib/certificates.mjs";
import { startServer, TOKEN } from "../../../../test/clients/lib/harness.mjs";
import {
  bytes,
  CLOSED,
  collect,
  everything,
  listOptions,
  MISUSE,
  native,
  openDatabase,
  temporaryFolder,
  u64,
  until,
  v8,
} from "./lib.mjs";
import { runProgram } from "./program.mjs";

const ignore = () => {};

async function openFar(t, options = {}) {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), options);
  return { server, database: await openDatabase(t, server.url, { accessToken: TOKEN }) };
}

test("every operation does what it does locally", async (t) => {
  const { database, server } = await openFar(t);
  assert.equal(native.path(database), server.url);
  const versionstamp = await native.set(database, ["a", 1], bytes(1, 2), -1);
  assert.deepEqual(await native.get(database, ["a", 1], false, false), { key: ["a", 1], value: bytes(1, 2)[1], versionstamp });
  const absent = ["absent", new Uint8Array([1])];
  assert.equal((await native.get(database, absent, false, false)).key, absent, "what was asked for");
  const many = await native.getMany(database, [["a", 1], ["b"]], false, false);
  assert.deepEqual(many.map(({ value }) => value), [bytes(1, 2)[1], null]);
  assert.equal(await native.commit(database, [[["a", 1], null]], [], []), null);
  await native.commit(database, [[["a", 1], versionstamp]], [["sum", ["n"], u64(5n), -1]], [[v8("m"), 0, [], null]]);
  assert.deepEqual((await native.get(database, ["n"], false, false)).value, { value: 5n });
  await native.delete(database, ["n"]);
  await assert.rejects(async () => native.get(database, ["x".repeat(3000)], false, false), { status: -3 });
});

test("lists go on over many batches, several at once", async (t) => {
  const { database } = await openFar(t);
  for (let i = 0; i < 300; i += 100)
    await Promise.all(Array.from({ length: 100 }, (_, k) => native.set(database, ["k", i + k], bytes(1), -1)));
  const lists = await Promise.all(Array.from({ length: 5 }, () => collect(database, everything, { batchSize: 7 })));
  for (const entries of lists) assert.deepEqual(entries.map(({ key }) => key[1]), Array.from({ length: 300 }, (_, i) => i));
});

test("a list that is being asked may be closed, and is not asked twice", async (t) => {
  const { database } = await openFar(t);
  await native.set(database, ["k"], bytes(1), -1);
  for (let i = 0; i < 100; i++) {
    const list = native.listOpen(database, everything, listOptions);
    const next = native.listNext(list);
    if (next instanceof Promise) { // the answer was not that fast
      assert.throws(() => native.listNext(list), { status: MISUSE });
      assert.throws(() => native.listCursor(list), { status: MISUSE });
    }
    native.listClose(list);
    assert.equal((await next).key[0], "k");
  }
});

test("watches and messages come from the server", async (t) => {
  const { database } = await openFar(t);
  const watch = native.watchOpen(database, [["w"]], false);
  assert.equal((await native.watchNext(watch))[0].value, null);
  const changed = native.watchNext(watch);
  await native.set(database, ["w"], bytes(7), -1);
  assert.equal((await changed)[0].value[0], 7);
  const seen = [];
  const ends = [];
  const listener = await native.listen(
    database,
    5,
    async (message) => seen.push([native.payload(message), await native.finish(message, true)]),
    (error) => ends.push(error),
  );
  await native.enqueue(database, [v8("hello"), 0, [], null]);
  await until(() => seen.length === 1);
  assert.deepEqual(seen, [["hello", true]]);
  await native.listenClose(listener);
  assert.deepEqual(ends, [undefined]);
  native.watchClose(watch);
});

test("closing ends what is under way", async (t) => {
  const { database } = await openFar(t);
  const watch = native.watchOpen(database, [["w"]], false);
  await native.watchNext(watch);
  const waiting = native.watchNext(watch);
  const list = native.listOpen(database, everything, listOptions);
  const settled = Promise.allSettled([
    ...Array.from({ length: 50 }, (_, i) => native.set(database, ["k", i], bytes(1), -1)),
    ...Array.from({ length: 50 }, (_, i) => native.get(database, ["k", i], false, false)),
    native.listNext(list),
  ]);
  await native.close(database);
  assert.equal(await waiting, null);
  for (const { status, reason } of await settled) {
    if (status === "rejected") assert.ok([CLOSED, -18].includes(reason.status), reason.message);
  }
});

test("a server that is not there is an error, on opening and afterwards", async (t) => {
  const { server, database } = await openFar(t);
  const far = await openDatabase(t, server.url, { accessToken: TOKEN, timeoutMs: 500 });
  await assert.rejects(openDatabase(t, server.url, { accessToken: "wrong" }), { status: -17 });
  await server.stop();
  await assert.rejects(async () => native.get(far, ["a"], false, false));
  await native.close(database);
});

test("https, with the addon's OpenSSL beside the runtime's", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const { cert, key } = await makeCertificate(folder, "server", authority);
  const secure = await startServer(t, join(folder, "kv.sqlite"), { args: ["--tls-cert", cert, "--tls-key", key] });
  assert.match(secure.url, /^https:/);
  await assert.rejects(openDatabase(t, secure.url, { accessToken: TOKEN }), { status: -12 }, "an authority nobody knows");
  const database = await openDatabase(t, secure.url, { accessToken: TOKEN, caFile: authority.cert });
  await native.set(database, ["a"], bytes(1), -1);
  assert.deepEqual((await native.get(database, ["a"], false, false)).value, bytes(1)[1]);
});

test("process.exit in the midst of requests", async (t) => {
  const { server } = await openFar(t);
  process.env.DENO_KV_ACCESS_TOKEN = TOKEN;
  for (let i = 0; i < 5; i++) assert.equal((await runProgram("far.mjs", [server.url])).code, 7);
});

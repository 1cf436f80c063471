// A disk that is full, a real one: writes are refused with 507 and leave nothing behind, reads and watches go on, and
// writes go on by themselves as soon as there is room. What was acknowledged is there afterwards, whatever happens.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { exchange, request1, request2, Session, WatchStream } from "./lib/connect.mjs";
import {
  collectChecks,
  eventually,
  run,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tupletPath,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { holdSqlite } from "./lib/sqlite.mjs";
import { SmallDisk } from "./lib/small_disk.mjs";

const MIB = 1024 * 1024;
const FULL = 507;
const key = pb.stringKey;

/** A write of several keys at once, each time with other bytes: its answer's status. */
let fill = 0;
async function set(session, keys, size) {
  const value = { data: Buffer.alloc(size, fill++ & 255), encoding: pb.BYTES };
  const mutations = keys.map((each) => ({ key: each, value, type: pb.SET }));
  return (await session.call("atomic_write", pb.atomicWrite({ mutations }))).status;
}

async function remove(session, each) {
  return (await session.call(
    "atomic_write",
    pb.atomicWrite({ mutations: [{ key: each, type: pb.DELETE }] }),
  )).status;
}

/** The keys below a prefix, as text. */
async function keysOf(session, prefix) {
  const found = new Set();
  let start = prefix;
  for (;;) {
    const end = Buffer.concat([prefix, Buffer.from([255])]);
    const { ranges: [entries] } = await session.read({ start, end, limit: 500 });
    for (const entry of entries) found.add(entry.key.toString("latin1"));
    if (entries.length < 500) return found;
    start = Buffer.concat([entries.at(-1).key, Buffer.from([0])]);
  }
}

test("real Deno says why, goes on reading and watching, and its writes are done when there is room", async (t) => {
  const disk = await SmallDisk.mount(t, 8 * MIB);
  const server = await startServer(t, join(disk.folder, "kv.sqlite"), { behind: disk.enter });
  const program = spawnDeno("deno/full_disk.ts", [server.url]);
  let errors = "";
  program.stderr.on("data", (text) => (errors += text));
  await collectChecks(t, program, "deno/full_disk.ts", async (line) => {
    if (line === "ready") {
      disk.fill();
    } else {
      await eventually(20_000, "what Deno says", () => errors.includes("507"));
      await disk.makeRoom();
    }
    program.stdin.write("done\n");
  });
  assert.match(errors, /status=507 Insufficient Storage\): The database is full\./);
});

test("64 writers at once on a disk that fills and empties: each write is whole or not there, none is lost", async (t) => {
  const disk = await SmallDisk.mount(t, 24 * MIB);
  const path = join(disk.folder, "kv.sqlite");
  const server = await startServer(t, path, { behind: disk.enter });
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal(await set(session, [key("watched")], 10), 200);
  const watch = await WatchStream.open(session, key("watched"));
  t.after(() => watch.close());
  await watch.output();

  const acknowledged = [];
  const refused = [];
  const odd = [];
  let isOver = false;
  const writers = Array.from({ length: 64 }, async (_, writer) => {
    for (let i = 0; !isOver; i++) {
      const name = `${writer}-${i}`;
      const status = await set(session, [key("a", name), key("b", name)], 400).catch(() => null);
      if (status === 200) acknowledged.push(name);
      else if (status === FULL) refused.push(name);
      else if (status !== null || !isOver) odd.push(status); // null: the server was killed meanwhile
    }
  });
  for (let round = 0; round < 3; round++) {
    const [before, refusedBefore] = [acknowledged.length, refused.length];
    await eventually(20_000, "acknowledged writes", () => acknowledged.length > before + 300);
    disk.fill();
    await eventually(20_000, "refused writes", () => {
      disk.fill(); // what a checkpoint or a rollback has given back
      return refused.length > refusedBefore + 300;
    });
    assert.ok(await session.get(key("a", acknowledged[0])), "reads go on");
    await disk.makeRoom();
  }
  const before = acknowledged.length;
  await eventually(20_000, "writes that go on", () => acknowledged.length > before + 100);
  assert.equal(await set(session, [key("watched")], 20), 200);
  assert.equal((await watch.output()).keys[0].entry.value.length, 20, "the watch has gone on");
  isOver = true;
  await server.kill();
  await within(20_000, "the writers' end", Promise.all(writers));
  assert.deepEqual(odd, []);

  const again = await startServer(t, path, { behind: disk.enter });
  session.url = again.url;
  const [a, b] = [await keysOf(session, key("a")), await keysOf(session, key("b"))];
  const nameOf = (kind, name) => key(kind, name).toString("latin1");
  for (const name of acknowledged) assert.ok(a.has(nameOf("a", name)), `${name} was acknowledged`);
  for (const name of refused) assert.ok(!a.has(nameOf("a", name)), `${name} was refused`);
  assert.equal(a.size, b.size, "no write is there in part");
  t.diagnostic(`${acknowledged.length} acknowledged, ${refused.length} refused`);
});

test("deletes and overwrites go on where the log has room that it can use again", async (t) => {
  const disk = await SmallDisk.mount(t, 24 * MIB);
  const path = join(disk.folder, "kv.sqlite");
  const names = Array.from({ length: 20 }, (_, i) => key("value", String(i)));
  const first = await startServer(t, path, { behind: disk.enter });
  const session = await Session.open(request2, first.url, TOKEN);
  for (const name of [...names, key("spare")]) assert.equal(await set(session, [name], 60_000), 200);
  assert.equal(await remove(session, key("spare")), 200);
  await first.stop(); // the file has its size now, with some room, and the log is gone
  const server = await startServer(t, path, { behind: disk.enter });
  session.url = server.url;
  for (let i = 0; i < 100; i++) assert.equal(await set(session, [names[i % 20]], 60_000), 200);
  disk.fill();
  const eventuallyWritten = (write) =>
    eventually(20_000, "a write on the full disk", async () => {
      const status = await write();
      assert.ok(status === 200 || status === FULL, `answered ${status}`);
      return status === 200;
    });
  // Twice what the log had room for: it has to start over in its place.
  for (let i = 0; i < 200; i++) await eventuallyWritten(() => set(session, [names[i % 20]], 60_000));
  for (const name of names.slice(10)) await eventuallyWritten(() => remove(session, name));
  for (let i = 0; i < 5; i++) await eventuallyWritten(() => set(session, [key("new", String(i))], 60_000));
  assert.equal(disk.free, 0);
  assert.equal((await keysOf(session, key("value"))).size, 10);
  assert.equal((await keysOf(session, key("new"))).size, 5);
});

test("whatever the log and its index lack room for, it is 507, and the log is used up when there is room", async (t) => {
  const disk = await SmallDisk.mount(t, 48 * MIB);
  const path = join(disk.folder, "kv.sqlite");
  const server = await startServer(t, path, { behind: disk.enter });
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal(await set(session, [key("first")], 10), 200);
  // A reader that keeps its snapshot lets the log only grow.
  const program = 'db.exec("BEGIN"); db.prepare("SELECT count(*) FROM kv").get()';
  const endReader = await holdSqlite(t, path, program, disk.enter);
  // The index needs another 32 KiB at frame 4062: near there the disk has room for little more than the log.
  while (await set(session, [key("large")], 60_000) === 200 && disk.free > 32 * MIB);
  const statuses = new Map();
  for (let i = 0; i < 200; i++) {
    disk.fill((i % 10) * 4096);
    const status = await set(session, [key("small", String(i % 7))], 100);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    disk.fill(MIB);
    assert.equal(await set(session, [key("large")], 12_000), 200);
  }
  assert.deepEqual([...statuses.keys()].sort(), [200, FULL], JSON.stringify([...statuses]));
  await endReader();
  await disk.makeRoom();
  assert.ok(await session.get(key("first")));
  await server.kill();
  const again = await startServer(t, path, { behind: disk.enter });
  session.url = again.url;
  assert.equal((await keysOf(session, key("small"))).size, 7);
});

test("a server that starts on a full disk serves what is there, or says that the disk is full", async (t) => {
  const disk = await SmallDisk.mount(t, 8 * MIB);
  const path = join(disk.folder, "kv.sqlite");
  const tryToStart = async () => {
    const args = ["--sqlite-path", path, "serve", "--addr", "127.0.0.1:0", "--access-token", TOKEN];
    const [command, ...rest] = [...disk.enter, tupletPath(), ...args];
    return await run(command, rest);
  };

  disk.fill();
  const fresh = await tryToStart();
  assert.equal(fresh.code, 5, fresh.stderr);
  assert.match(fresh.stderr, /kv\.sqlite: .*(full|No space left on device)/);
  await disk.makeRoom();

  const first = await startServer(t, path, { behind: disk.enter });
  const session = await Session.open(request1, first.url, TOKEN);
  assert.equal(await set(session, [key("kept")], 1000), 200);
  await first.kill();
  disk.fill();
  const second = await startServer(t, path, { behind: disk.enter });
  session.url = second.url;
  assert.ok(await session.get(key("kept")), "reads are served");
  assert.equal(await set(session, [key("new")], 60_000), FULL);
  await disk.makeRoom();
  assert.equal(await set(session, [key("new")], 60_000), 200);
  assert.deepEqual(await second.stop(), { code: 0, signal: null });

  disk.fill(); // nothing of the log's is left now, and it cannot be made
  const third = await tryToStart();
  assert.equal(third.code, 5, third.stderr);
  assert.match(third.stderr, /kv\.sqlite: .*(full|No space left on device)/);
  await disk.makeRoom();
  const fourth = await startServer(t, path, { behind: disk.enter });
  session.url = fourth.url;
  assert.ok(await session.get(key("kept")) && await session.get(key("new")));
});

test("databases are not made on a full disk, nor in part; those that are there are served", async (t) => {
  const disk = await SmallDisk.mount(t, 8 * MIB);
  const data = join(disk.folder, "data");
  const args = ["--data-dir", data, "--create-databases", "--database-idle-timeout", "200ms"];
  const server = await startServer(t, join(disk.folder, "kv.sqlite"), { behind: disk.enter, args });
  const session = await Session.open(request1, server.url, TOKEN, "/there");
  assert.equal(await set(session, [key("kept")], 1000), 200);
  disk.fill();
  for (let i = 0; i < 3; i++) {
    for (const request of [request1, request2]) {
      const refused = await exchange(request, server.url, TOKEN, undefined, "/new");
      assert.equal(refused.status, FULL, String(refused.body));
    }
  }
  assert.equal((await exchange(request1, server.url, TOKEN)).status, 200, "the default one is served");
  await disk.makeRoom();
  const made = await Session.open(request2, server.url, TOKEN, "/new");
  assert.equal(await set(made, [key("first")], 1000), 200);
  assert.ok(await session.get(key("kept")), "the other one is served again");
  assert.deepEqual((await readdir(`${disk.outside}/data`)).sort(), ["new", "server.secrets", "there"]);
});

test("a database that may not grow any further is full, and the server lives on", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const behind = ["env", "--default-signal=XFSZ", "prlimit", `--fsize=${2 * MIB}`, "--"];
  const server = await startServer(t, path, { behind });
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal(await set(session, [key("first")], 10), 200);
  let status = 200;
  for (let i = 0; i < 100 && status === 200; i++) status = await set(session, [key(String(i))], 60_000);
  assert.equal(status, FULL);
  assert.ok(await session.get(key("first")));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

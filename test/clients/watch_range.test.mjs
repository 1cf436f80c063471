// Watching a range over the network (the extension watch-range/1): whoever lists the range when told to, and applies
// what comes, has what is in it. The changes are those of real clients.

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import test from "node:test";
import { exchange, request1, Session, WatchStream } from "./lib/connect.mjs";
import { eventually, spawnDeno, startServer, temporaryFolder, TOKEN, tuplet, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const PROGRAM_TIMEOUT_MS = 60_000;
const key = pb.stringKey;
const RANGE = { start: key("range"), end: Buffer.concat([key("range"), Buffer.from([255])]) };
const text = (value) => ({ data: Buffer.from(value), encoding: pb.BYTES });

async function start(t, { args = [], path } = {}) {
  path ??= join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args });
  return { path, server, session: await Session.open(request1, server.url, TOKEN) };
}

async function watch(t, session, options = {}) {
  const stream = await WatchStream.openRange(session, { ...RANGE, ...options });
  t.after(() => stream.close());
  assert.equal(stream.status, 200);
  return stream;
}

async function set(session, name, value) {
  const mutations = [{ key: key("range", name), type: pb.SET, value: text(value) }];
  return (await session.write({ mutations })).versionstamp;
}

async function runDeno(t, program, ...args) {
  const child = spawnDeno(program, args.map(String));
  t.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (data) => (errors += data));
  child.stdout.resume();
  const [code] = await within(PROGRAM_TIMEOUT_MS, `the end of ${program}`, once(child, "close"));
  assert.equal(code, 0, `${program}: ${errors}`);
}

/** A copy of the range, kept as docs/protocol.md says. */
class Copy {
  entries = new Map(); // key in hex -> versionstamp and value
  rereads = 0;
  deliveries = 0;
  versionstamp = "";

  constructor(session, stream) {
    this.session = session;
    this.stream = stream;
  }

  async list() {
    const { ranges } = await this.session.read({ ...RANGE, limit: 1000 });
    return new Map(ranges[0].map((entry) => [entry.key.toString("hex"), entry]));
  }

  async follow() {
    for (;;) {
      const { mustReread, changes, versionstamp } = await this.stream.changes();
      assert.ok(versionstamp >= this.versionstamp, "the versionstamps do not go back");
      this.deliveries++;
      if (mustReread) {
        this.rereads++;
        assert.equal(changes.length, 0);
        this.entries = await this.list();
      }
      const keys = changes.map((change) => change.key.toString("hex"));
      assert.deepEqual(keys, [...new Set(keys)].sort(), "each key once, in order");
      for (const change of changes) {
        const name = change.key.toString("hex");
        const known = this.entries.get(name)?.versionstamp ?? "";
        if (change.isDeleted) {
          if (known <= versionstamp) this.entries.delete(name);
        } else if (change.versionstamp >= known) {
          this.entries.set(name, change);
        }
      }
      this.versionstamp = versionstamp;
    }
  }

  /** Waits until it is what the range holds. */
  async settle() {
    const text = (entries) =>
      [...entries].map(([name, entry]) => `${name} ${entry.versionstamp} ${entry.value.toString("hex")}`)
        .sort().join("\n");
    let listed = "";
    await eventually(20_000, "a copy that is the same as the range", async () => {
      listed = text(await this.list());
      return text(this.entries) === listed;
    }).catch((error) => assert.equal(text(this.entries), listed, error.message));
    assert.equal(this.failure, undefined);
  }
}

test("a server says that it has the extension", async (t) => {
  const { server } = await start(t);
  const { headers } = await exchange(request1, server.url, TOKEN);
  assert.ok(headers["tuplet-extensions"].split(",").map((name) => name.trim()).includes("watch-range/1"));
});

test("sets, deletions and expiries in the range are told, and nothing else", async (t) => {
  const { session } = await start(t);
  const before = await set(session, "old", "1");
  const stream = await watch(t, session);
  assert.deepEqual(await stream.changes(), { mustReread: true, changes: [], versionstamp: before });

  await session.write({ mutations: [{ key: key("elsewhere"), type: pb.SET, value: text("no") }] });
  const versionstamp = await set(session, "new", "2");
  const told = await stream.changes();
  assert.equal(told.versionstamp, versionstamp);
  assert.deepEqual(told.changes, [{ key: key("range", "new"), value: Buffer.from("2"), encoding: pb.BYTES, versionstamp }]);

  await session.write({ mutations: [{ key: key("range", "old"), type: pb.DELETE }] });
  assert.deepEqual((await stream.changes()).changes, [{ key: key("range", "old"), isDeleted: true }]);

  const expiring = { key: key("range", "brief"), type: pb.SET, value: text("3"), expireAtMs: Date.now() + 500 };
  await session.write({ mutations: [expiring] });
  assert.equal((await stream.changes()).changes[0].value.toString(), "3");
  assert.deepEqual((await stream.changes()).changes, [{ key: key("range", "brief"), isDeleted: true }]);
  assert.ok(Date.now() >= expiring.expireAtMs);
});

test("a copy follows what Deno programs do through the server", async (t) => {
  const { server, session } = await start(t);
  const copies = [];
  for (const changesMax of [0, 3]) {
    const copy = new Copy(session, await watch(t, session, { changesMax }));
    copy.follow().catch((error) => (copy.failure = error));
    copies.push(copy);
  }
  await Promise.all([1, 2].map(() => runDeno(t, "deno/change_range.ts", server.url, 400)));
  for (const copy of copies) {
    await copy.settle();
    assert.ok(copy.deliveries > 2);
    t.diagnostic(`${copy.deliveries} deliveries, ${copy.rereads} of them to read again`);
  }
  assert.equal(copies[0].rereads, 1, "nothing has to be read again but at the beginning");
});

test("a copy follows what a Deno program does to the file, by reading again", async (t) => {
  const { path, session } = await start(t);
  const copy = new Copy(session, await watch(t, session));
  copy.follow().catch((error) => (copy.failure = error));
  await Promise.all([
    runDeno(t, "deno/change_range.ts", path, 300),
    (async () => {
      for (let i = 0; i < 200; i++) await set(session, `k${i % 30}`, `${i}`);
    })(),
  ]);
  await copy.settle();
  assert.ok(copy.rereads > 1);
  const rereads = copy.rereads;
  await set(session, "afterwards", "told as a change");
  await copy.settle();
  assert.equal(copy.rereads, rereads);
});

test("who reads slowly is told to read again, and the server holds little for it", async (t) => {
  const { session } = await start(t);
  const stream = await watch(t, session, { changesMax: 10 });
  assert.ok((await stream.changes()).mustReread);
  const value = "x".repeat(60_000);
  let last = "";
  for (let round = 0; round < 30; round++) {
    const mutations = [];
    for (let i = 0; i < 10; i++) mutations.push({ key: key("range", `${round}-${i}`), type: pb.SET, value: text(value) });
    last = (await session.write({ mutations })).versionstamp; // 18 MB in all, which nobody reads
  }
  let rereads = 0;
  for (let told = ""; told < last;) {
    const output = await stream.changes();
    if (output.mustReread) rereads++;
    told = output.versionstamp;
  }
  assert.ok(rereads > 0);
});

test("wrong requests are refused, and sessions that may only read may watch", async (t) => {
  const { session } = await start(t);
  const refused = async (options) => {
    const { status, body } = await session.call("watch_range", Buffer.isBuffer(options) ? options : pb.watchRange(options));
    return `${status} ${body}`;
  };
  assert.match(await refused(Buffer.from([0xff])), /^400 /);
  assert.match(await refused({ ...RANGE, changesMax: 10001 }), /^400 .*10000/);
  assert.match(await refused({ start: Buffer.alloc(3000, 2), end: RANGE.end }), /^400 .*too large/);

  const path = join(await temporaryFolder(t), "read-only.sqlite");
  assert.equal((await tuplet(["--db", path, "set", '["range", "k"]', "1"])).code, 0);
  const reading = await start(t, { path, args: ["--read-only"] });
  const copy = new Copy(reading.session, await watch(t, reading.session));
  copy.follow().catch((error) => (copy.failure = error));
  assert.equal((await tuplet(["--db", path, "set", '["range", "k2"]', "2"])).code, 0);
  await eventually(20_000, "what another process wrote", () => copy.entries.size === 2);
  await copy.settle();
});

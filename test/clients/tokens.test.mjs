// Tokens with rights of their own, as real clients meet them: read-only ones, ones for some databases, expired and
// revoked ones, sessions that last for seconds; and what failing again and again costs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { openKv } from "@deno/kv";
import { exchange, request1, request2, Session, TRANSPORTS, WatchStream } from "./lib/connect.mjs";
import {
  eventually,
  run,
  runDenoChecks,
  sleep,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const SOON_MS = 20_000;
const key = pb.stringKey;
const one = { mutations: [{ key: key("n"), value: { data: Buffer.from("1"), encoding: pb.BYTES }, type: pb.SET }] };
const WRITE_DISABLED = 5;
const SUCCESS = 1;

/** A folder with a file of tokens, and a server's database beside it. */
class Tokens {
  known = []; // every token that was made
  servers = [];

  static async make(t) {
    const tokens = new Tokens();
    tokens.folder = await temporaryFolder(t);
    tokens.file = join(tokens.folder, "tokens");
    tokens.database = join(tokens.folder, "kv.sqlite");
    t.after(() => tokens.#checkSilence());
    return tokens;
  }

  async run(...args) {
    const { code, stdout, stderr } = await tuplet(["token", ...args, "--tokens-file", this.file]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  async create(name, ...args) {
    const token = await this.run("create", name, ...args);
    assert.match(token, /^tuplet_[0-9a-f]{12}_[\w-]{44}$/);
    this.known.push(token);
    return token;
  }

  revoke(name) {
    return this.run("revoke", name);
  }

  async serve(t, options = {}) {
    const args = ["--tokens-file", this.file, ...(options.args ?? [])];
    const path = options.path === undefined ? this.database : options.path;
    const server = await startServer(t, path, { token: null, ...options, args });
    this.servers.push(server);
    return server;
  }

  /** Changes the line of a token by hand. */
  async edit(name, change) {
    const text = await readFile(this.file, "utf8");
    const lines = text.split("\n").map((line) => line.startsWith(`name=${name} `) ? change(line) : line);
    await writeFile(this.file, lines.join("\n"));
  }

  /** What a server says never holds a token, nor the hash of one, nor a session. */
  #checkSilence() {
    for (const { stdout, stderr } of this.servers) {
      for (const token of this.known) {
        assert.ok(!(stdout + stderr).includes(token.slice(-20)), "the server told a token");
      }
    }
  }
}

async function statusOf(server, token, path = "/", request = request1) {
  return (await exchange(request, server.url, token, undefined, path)).status;
}

function untilStatus(server, token, status) {
  return eventually(SOON_MS, `a ${status}`, async () => {
    if ((await statusOf(server, token)) === status) return true;
    await sleep(100);
    return false;
  });
}

test("a read-only token: real clients are told that writes are disabled", async (t) => {
  const tokens = await Tokens.make(t);
  const reader = await tokens.create("reader", "--read-only");
  const writer = await tokens.create("writer");
  const server = await tokens.serve(t);
  const kv = await openKv(server.url, { accessToken: writer });
  await kv.set(["there"], "from before");
  kv.close();

  await runDenoChecks(t, "deno/tokens_read_only.ts", [server.url], { DENO_KV_ACCESS_TOKEN: reader });

  await t.test("@deno/kv reads, and its writes fail", async () => {
    const reading = await openKv(server.url, { accessToken: reader });
    assert.equal((await reading.get(["there"])).value, "from before");
    await assert.rejects(reading.set(["new"], 1));
    await assert.rejects(reading.atomic().set(["new"], 1).commit());
    reading.close();
  });
  await t.test("nothing of it was written", async () => {
    const session = await Session.open(request2, server.url, writer);
    assert.equal(await session.get(key("new")), null);
    const answer = await (await Session.open(request2, server.url, reader)).write(one);
    assert.equal(answer.status, WRITE_DISABLED);
  });
});

test("a token opens the databases of its patterns, and is told the same of all others", async (t) => {
  const tokens = await Tokens.make(t);
  const all = await tokens.create("all");
  const here = await tokens.create("here", "--database", "def*");
  const elsewhere = await tokens.create("elsewhere", "--database", "orders", "--database", "team-*");
  const memory = await tokens.create("memory", "--database", ":memory:");
  const server = await tokens.serve(t, { args: ["--auth-failures-max", "1000"] }); // none of them waits

  for (const [transport, request] of Object.entries(TRANSPORTS)) {
    await t.test(transport, async () => {
      const expected = [
        ["/", { all: 200, here: 200, elsewhere: 403, memory: 403 }],
        ["/:memory:", { all: 200, here: 403, elsewhere: 403, memory: 200 }],
        ["/absent", { all: 404, here: 403, elsewhere: 403, memory: 403 }],
        ["/team-absent", { all: 404, here: 403, elsewhere: 404, memory: 403 }],
      ];
      for (const [path, statuses] of expected) {
        for (const [name, token] of Object.entries({ all, here, elsewhere, memory })) {
          assert.equal(await statusOf(server, token, path, request), statuses[name], `${name} of ${path}`);
        }
        for (const token of ["tuplet_000000000001_" + "A".repeat(44), "wrong-in-any-case"]) {
          assert.equal(await statusOf(server, token, path, request), 401);
        }
      }
      const present = await exchange(request, server.url, elsewhere, undefined, "/");
      const absent = await exchange(request, server.url, elsewhere, undefined, "/absent");
      assert.deepEqual(present.body, absent.body);
    });
  }

  await t.test("Deno shows the reason", async () => {
    const program = "try { await Deno.openKv(Deno.args[0]); } catch (e) { console.log(e.message); } Deno.exit(0);";
    const deno = join(import.meta.dirname, "node_modules", ".bin", "deno");
    const told = await run(deno, ["eval", "--unstable-kv", program, server.url], {
      env: { DENO_KV_ACCESS_TOKEN: elsewhere },
    });
    assert.match(told.stdout, /This access token may not open this database/, told.stderr);
  });
});

test("named databases: a token opens and makes its own, and goes with the name", async (t) => {
  const tokens = await Tokens.make(t);
  const orders = await tokens.create("orders", "--database", "orders");
  const team = await tokens.create("team", "--database", "team-*");
  const reader = await tokens.create("reader", "--read-only");
  const all = await tokens.create("all");
  const data = join(tokens.folder, "data");
  const server = await tokens.serve(t, { path: null, args: ["--data-dir", data, "--create-databases"] });
  assert.equal(await statusOf(server, reader, "/orders"), 404, "who may not write makes nothing");
  assert.equal(await statusOf(server, team, "/orders"), 403);

  const kv = await openKv(`${server.url}/orders`, { accessToken: orders });
  await kv.set(["n"], 1);
  kv.close();
  assert.equal(await statusOf(server, reader, "/orders"), 200);
  assert.equal(await statusOf(server, team, "/orders"), 403);
  for (const path of ["/", "/orders2", "/order", "/team-a"]) assert.equal(await statusOf(server, orders, path), 403);
  for (const path of ["/team-a", "/team-b"]) assert.equal(await statusOf(server, team, path), 200);

  const session = await Session.open(request1, server.url, orders, "/orders");
  const other = await Session.open(request1, server.url, all, "/orders");
  const watch = await WatchStream.open(session, key("n"));
  await watch.output();
  const renamed = await tuplet(["db", "rename", "--data-dir", data, "orders", "archive"]);
  assert.equal(renamed.code, 0, renamed.stderr);
  await assert.rejects(async () => {
    for (;;) await watch.frame();
  }, /the watch ended/);
  assert.equal((await other.call("snapshot_read", pb.snapshotRead())).status, 200, "the database is the same");
  const refused = await session.call("snapshot_read", pb.snapshotRead());
  assert.equal(refused.status, 403, String(refused.body));
});

test("an access token that is given may everything, besides those of the file", async (t) => {
  const tokens = await Tokens.make(t);
  const reader = await tokens.create("reader", "--read-only");
  const both = await tokens.serve(t, { token: TOKEN });
  assert.equal(await statusOf(both, TOKEN), 200);
  assert.equal((await (await Session.open(request1, both.url, TOKEN)).write(one)).status, SUCCESS);
  assert.equal(await statusOf(both, reader), 200);
  await both.stop();

  const server = await tokens.serve(t);
  assert.equal(await statusOf(server, TOKEN), 401);
  assert.equal(await statusOf(server, reader), 200);
  assert.doesNotMatch(server.stdout, /Access token/, "none is made");
});

test("a token ends at its time, and so does what it opened", async (t) => {
  const tokens = await Tokens.make(t);
  const brief = await tokens.create("brief", "--expires", "3s");
  const server = await tokens.serve(t);
  const made = Date.now();
  const session = await Session.open(request1, server.url, brief);
  assert.ok(Date.parse(session.metadata.expiresAt) <= made + 4000, session.metadata.expiresAt);
  const stream = await WatchStream.open(session, key("n"));
  await stream.output();
  await assert.rejects(async () => {
    for (;;) await stream.frame();
  }, /the watch ended/);
  await untilStatus(server, brief, 401);
  const refused = await exchange(request1, server.url, brief);
  assert.match(String(refused.body), /The access token has expired/);
  const late = await session.call("snapshot_read", pb.snapshotRead());
  assert.equal(late.status, 401);
  assert.match(String(late.body), /expired/);
});

test("a token that is revoked is over at once, with its sessions and its watches", async (t) => {
  const tokens = await Tokens.make(t);
  const leaving = await tokens.create("leaving");
  const staying = await tokens.create("staying");
  const server = await tokens.serve(t);
  const sessions = [];
  for (const request of Object.values(TRANSPORTS)) sessions.push(await Session.open(request, server.url, leaving));
  const kept = await Session.open(request1, server.url, staying);
  const watch = await WatchStream.open(sessions[0], key("n"));
  const keptWatch = await WatchStream.open(kept, key("n"));
  await watch.output();
  await keptWatch.output();
  assert.equal((await sessions[0].write(one)).status, SUCCESS);

  await tokens.revoke("leaving"); // the server notices by itself
  await within(
    SOON_MS,
    "the end of the watch",
    assert.rejects(async () => {
      for (;;) await watch.frame();
    }, /the watch ended/),
  );
  assert.equal(await statusOf(server, leaving), 401);
  for (const session of sessions) {
    for (const [what, body] of [["atomic_write", pb.atomicWrite(one)], ["watch", pb.watch(key("n"))]]) {
      const answer = await session.call(what, body);
      assert.equal(answer.status, 401);
      assert.match(String(answer.body), /revoked/);
    }
  }
  assert.equal((await kept.write(one)).status, SUCCESS);
  await keptWatch.output();
  keptWatch.close();
});

test("a program whose token is revoked while it works is told so, its watch too", async (t) => {
  const tokens = await Tokens.make(t);
  const token = await tokens.create("program");
  const server = await tokens.serve(t);
  const program = new Program(t, server, token);
  await eventually(SOON_MS, "some work", () => program.written > 5 && program.seen > 0);
  await tokens.revoke("program");
  await program.ended();
  assert.match(program.failures.join(), /Invalid access token/);
  assert.equal(program.watchFailures.length, 1);
  assert.match(program.watchFailures[0], /Invalid access token/);
});

test("what a token may less than before, its sessions may less, too", async (t) => {
  const tokens = await Tokens.make(t);
  const token = await tokens.create("narrowed");
  const server = await tokens.serve(t);
  const session = await Session.open(request2, server.url, token);
  const watch = await WatchStream.open(session, key("n"));
  await watch.output();
  assert.equal((await session.write(one)).status, SUCCESS);

  await tokens.edit("narrowed", (line) => line.replace("read-write", "read-only"));
  server.child.kill("SIGHUP");
  await eventually(SOON_MS, "read-only", async () => (await session.write(one)).status === WRITE_DISABLED);
  assert.ok((await session.get(key("n"))) !== null);

  await tokens.edit("narrowed", (line) => line.replace("databases=*", "databases=orders"));
  server.child.kill("SIGHUP");
  await eventually(SOON_MS, "403", async () => (await session.call("snapshot_read", pb.snapshotRead())).status === 403);
  await assert.rejects(async () => {
    for (;;) await watch.frame();
  }, /the watch ended/);
});

test("the file is read again on SIGHUP; one that cannot be read changes nothing", async (t) => {
  const tokens = await Tokens.make(t);
  const first = await tokens.create("first");
  const server = await tokens.serve(t);
  const second = await tokens.create("second");
  server.child.kill("SIGHUP");
  await untilStatus(server, second, 200);

  const good = await readFile(tokens.file, "utf8");
  await writeFile(tokens.file, good + "name=third rights=all\n");
  await eventually(SOON_MS, "a line about it", () => /Line \d+ of .*rights are read-only or read-write/.test(server.stderr));
  assert.equal(await statusOf(server, first), 200);
  await writeFile(tokens.file, good.split("\n").filter((line) => !line.includes("name=first ")).join("\n"));
  await untilStatus(server, first, 401);
  assert.equal(await statusOf(server, second), 200);
});

test("a server does not start with a file of tokens that is missing or not understood", async (t) => {
  const tokens = await Tokens.make(t);
  const start = () => tuplet(["serve", "--addr", "127.0.0.1:0", "--tokens-file", tokens.file, tokens.database]);
  const missing = await start();
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /is not there; make it with: tuplet token create/);
  await tokens.create("fine");
  await appendFile(tokens.file, "what is this\n");
  const wrong = await start();
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /Line 4 of .*tokens: fields look like name=value/);
});

/** deno/tokens_working.ts, while it runs. */
class Program {
  written = 0;
  seen = 0;
  failures = [];
  watchFailures = [];

  constructor(t, server, token) {
    this.child = spawnDeno("deno/tokens_working.ts", [server.url], { DENO_KV_ACCESS_TOKEN: token });
    this.exited = once(this.child, "close");
    t.after(() => this.child.kill("SIGKILL"));
    let errors = "";
    this.child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    this.errors = () => errors;
    createInterface({ input: this.child.stdout }).on("line", (line) => this.#take(JSON.parse(line)));
  }

  #take(message) {
    if (message.written) this.written = message.written;
    if (message.seen) this.seen = message.seen;
    if (message.failed) this.failures.push(message.failed);
    if (message.watchFailed) this.watchFailures.push(message.watchFailed);
  }

  async stop() {
    this.child.stdin.end();
    await this.ended();
  }

  async ended() {
    const [code] = await within(60_000, "the end of the program", this.exited);
    assert.equal(code, 0, this.errors());
  }
}

test("sessions that last for two seconds: programs go on for many of them, and notice nothing", async (t) => {
  const tokens = await Tokens.make(t);
  const token = await tokens.create("program");
  const server = await tokens.serve(t, { args: ["--session-lifetime", "2s"] });
  const session = await Session.open(request1, server.url, token);
  const stream = await WatchStream.open(session, key("n"));
  const program = new Program(t, server, token);
  const kv = await openKv(server.url, { accessToken: token });
  const end = Date.now() + 5_000;
  for (let i = 0; Date.now() < end; i++) {
    await kv.set(["node"], i);
    assert.equal((await kv.get(["node"])).value, i);
    await sleep(50);
  }
  kv.close();
  await assert.rejects(async () => {
    for (;;) await stream.frame();
  }, /the watch ended/, "streams end with their sessions");
  assert.equal((await session.call("snapshot_read", pb.snapshotRead())).status, 401);

  const before = program.written;
  await eventually(SOON_MS, "more work", () => program.written > before + 5);
  await eventually(SOON_MS, "a watch that goes on", () => program.seen > before);
  await program.stop();
  assert.deepEqual(program.failures, []);
  assert.deepEqual(program.watchFailures, []);
});

test("failing again and again takes longer and longer; a right token does not wait", async (t) => {
  const tokens = await Tokens.make(t);
  const right = await tokens.create("right");
  const server = await tokens.serve(t, { args: ["--auth-failures-max", "3"] });
  const timed = async (token, request) => {
    const begin = performance.now();
    const answer = await exchange(request, server.url, token);
    return { ms: performance.now() - begin, ...answer };
  };
  const body = Buffer.alloc(1_000_000, "x"); // is not kept while its answer waits
  for (let i = 0; i < 3; i++) assert.equal((await timed("wrong-token-of-a-guesser", request1)).status, 401);
  const delays = [];
  for (const request of [request1, request2, request1]) {
    const refused = await timed("wrong-token-of-a-guesser", request);
    assert.equal(refused.status, 401);
    assert.match(String(refused.body), /Invalid access token/);
    delays.push(refused.ms);
  }
  assert.ok(delays[0] >= 99 && delays[1] >= 199 && delays[2] >= 399, `${delays}`);

  const refused = []; // eight may wait at a time, for a second at least; the others need not
  const waiting = Array.from({ length: 20 }, async (_, i) => {
    const request = i % 2 === 0 ? request1 : request2;
    const answer = await request(server.url, { headers: { authorization: "Bearer wrong" }, body });
    if (answer.status === 429) refused.push(answer);
    return answer;
  });
  await eventually(SOON_MS, "those that need not wait", () => refused.length >= 8);
  for (const { headers, body } of refused) {
    assert.ok(Number(headers["retry-after"]) >= 1);
    assert.match(String(body), /too many failed/);
  }
  const fine = await timed(right, request2);
  assert.equal(fine.status, 200);
  const session = await Session.open(request1, server.url, right);
  assert.equal((await session.write(one)).status, SUCCESS);
  await eventually(SOON_MS, "a line about it", () => { // of which there is one a second
    waiting.push(exchange(request1, server.url, "wrong-token-of-a-guesser"));
    return sleep(250).then(() => /authentication failed from 127\.0\.0\.1 .*(delayed|refused)/.test(server.stderr));
  });
  assert.equal((await timed(right, request1)).status, 200);

  await t.test("a server that ends keeps nobody waiting", async () => {
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    for (const answer of await Promise.allSettled(waiting)) {
      if (answer.status === "fulfilled") assert.ok([401, 429, 503].includes(answer.value.status));
    }
  });
});

// `tuplet bench` when something is wrong: servers that die, refuse, hang up or answer nonsense, messages of others,
// signals. All of it is told and counted, and ends in order.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import test from "node:test";
import {
  answered,
  bench,
  checkResult,
  countEntries,
  ON_PRETENDERS,
  SHORT,
  SOON_MS,
  startPretender,
  startWatched,
  SYSTEM,
} from "./lib/bench.mjs";
import { cleanEnvironment, eventually, temporaryFolder, TOKEN, tuplet, tupletPath } from "./lib/harness.mjs";

test("who wants more watches than a server allows is told so", async (t) => {
  const server = await startWatched(t, ["--watches-per-connection-max", "5"]);
  const { stderr } = await bench(server.url, [...SHORT, "--in-flight", "6", "watch"], { code: SYSTEM });
  assert.match(stderr, /watching 127\.0\.0\.1:\d+: HTTP 429: /);
});

test("messages of others go back", async (t) => {
  const server = await startWatched(t);
  const file = join(await temporaryFolder(t), "kv.sqlite");
  const env = { DENO_KV_ACCESS_TOKEN: TOKEN };
  for (const db of [server.url, file]) {
    assert.equal((await tuplet(["enqueue", "--db", db, "'precious'"], { env })).code, 0);
    const { stderr } = await bench(db, [...SHORT, "queue"], { code: SYSTEM });
    assert.match(stderr, /there are messages of others in (its|the) queue/);
    const seen = await tuplet(["listen", "--db", db, "--count", "2", "--timeout", "2s"], { env });
    assert.equal(seen.code, 1, "nothing else was left in the queue");
    assert.match(seen.stdout, /^\S+\t1\t"precious"\n$/);
  }
});

test("a server without a queue for the network gets no messages", async (t) => {
  let count = 0;
  const url = await startPretender(t, (_request, response) => {
    count++;
    response.end();
  });
  const { stderr } = await bench(url, [...SHORT, "queue"], { code: SYSTEM });
  assert.match(stderr, /delivers no messages over the network/);
  assert.equal(count, 0);
});

test("a session that is about to end is replaced, and one that is too short told", async (t) => {
  const server = await startWatched(t, ["--session-lifetime", "30s"]);
  const { results } = await bench(server.url, [...SHORT, "mixed"]);
  checkResult(results[0], "mixed", "HTTP/2");
  const { stderr } = await bench(server.url, [...SHORT, "--duration", "31s", "get"], { code: SYSTEM });
  assert.match(stderr, /the server's sessions last \d+ s, less than is to be measured/);
  assert.equal(await countEntries(server.url), 0);
});

test("a server that dies ends the run", async (t) => {
  for (const protocol of ["1", "2"]) {
    const server = await startWatched(t);
    const run = bench(server.url, ["--duration", "60s", "--keys", "100", "--http", protocol, "get"], { code: SYSTEM });
    await eventually(SOON_MS, "the load", async () => await answered(server, "snapshot_read") > 100);
    await server.kill();
    const { results, stderr } = await run;
    assert.deepEqual(results, []);
    assert.match(stderr, /(connecting to|asking) 127\.0\.0\.1:\d+: connection (refused|reset)/i);
    assert.match(stderr, /is still there/);
  }
});

test("who may not", async (t) => {
  const server = await startWatched(t);
  const wrong = await bench(server.url, [...SHORT, "get"], { code: SYSTEM, env: { DENO_KV_ACCESS_TOKEN: "a-wrong-token" } });
  assert.match(wrong.stderr, /401/);
  const closed = await bench("http://127.0.0.1:1", [...SHORT, "get"], { code: SYSTEM });
  assert.match(closed.stderr, /connect/i);
});

test("refusals are counted and shown", async (t) => {
  let count = 0;
  const url = await startPretender(t, (_request, response) => {
    count++;
    response.writeHead(503).end("The server is shutting down.");
  });
  const { results, stderr } = await bench(url, ON_PRETENDERS, { code: SYSTEM });
  assert.equal(results[0].operations, 0);
  assert.equal(results[0].failed, count);
  assert.deepEqual(results[0].faults, [
    { status: "TUPLET_BUSY", count, message: "HTTP 503: The server is shutting down." },
  ]);
  assert.match(stderr, /operations of get failed/);
});

test("answers that are wrong are failures", async (t) => {
  for (const [body, pattern] of [["", /TUPLET_MALFORMED/], ["no message", /TUPLET_MALFORMED/]]) {
    const url = await startPretender(t, (_request, response) => response.end(body));
    const { results } = await bench(url, ON_PRETENDERS, { code: SYSTEM });
    assert.equal(results[0].operations, 0);
    assert.match(results[0].faults[0].status, pattern);
  }
});

test("connections that end are made anew, and what was lost is counted", async (t) => {
  let count = 0, lost = 0;
  const entry = Buffer.from("0a00400140012001", "hex"); // one range without entries, strong, SR_SUCCESS
  const url = await startPretender(t, (request, response) => {
    if (++count % 5 === 0) {
      lost++;
      request.socket.destroy();
    } else {
      if (count % 3 === 0) response.setHeader("connection", "close");
      response.end(entry);
    }
  });
  const { results } = await bench(url, ON_PRETENDERS, { code: SYSTEM });
  const faults = Object.fromEntries(results[0].faults.map(({ message, count }) => [message, count]));
  const broken = Object.entries(faults).filter(([message]) => /a connection was lost/.test(message));
  assert.equal(broken.reduce((sum, [, count]) => sum + count, 0), lost);
  assert.equal(results[0].failed, count);
});

test("a server that only hangs up", async (t) => {
  const url = await startPretender(t, (request) => request.socket.destroy());
  const { stderr } = await bench(url, ON_PRETENDERS, { code: SYSTEM });
  assert.match(stderr, /asking 127\.0\.0\.1:\d+: /);
});

test("a signal ends it early, and nothing stays behind", async (t) => {
  const server = await startWatched(t);
  const child = spawn(tupletPath(), ["bench", "--db", server.url, "--json", "--duration", "60s", "--keys", "100", "set"], {
    env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "close");
  let [out, errors] = ["", ""];
  child.stdout.on("data", (text) => (out += text));
  child.stderr.on("data", (text) => (errors += text));
  await eventually(SOON_MS, "the load", async () => await answered(server, "atomic_write") > 100);
  child.kill("SIGINT");
  const [code] = await exited;
  assert.equal(code, SYSTEM);
  assert.equal(errors, "tuplet: interrupted\n");
  assert.ok(JSON.parse(out).allOperations > 0);
  assert.equal(await countEntries(server.url), 0);
});

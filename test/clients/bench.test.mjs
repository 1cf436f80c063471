// `tuplet bench` against real servers: what it says it did is what the server counted, whatever is spoken; what goes
// wrong is told; and nothing stays behind.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { request1 } from "./lib/connect.mjs";
import { Metrics } from "./lib/exposition.mjs";
import {
  cleanEnvironment,
  eventually,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
} from "./lib/harness.mjs";

const SOON_MS = 20_000;
const SHORT = ["--duration", "200ms", "--warm-up", "50ms", "--keys", "200", "--connections", "3"];
const WORKLOADS = ["get", "getmany", "set", "mixed", "transfer", "sum", "list", "watch", "queue"];
const SYSTEM = 5;

/** A server that shows its numbers; its metricsUrl. */
async function startWatched(t, args = []) {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args: ["--metrics-addr", "127.0.0.1:0", ...args] });
  await eventually(SOON_MS, "the address of metrics", () => /Metrics are at http\S+"/.test(server.stderr));
  server.metricsUrl = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
  return server;
}

async function scrape(server) {
  const answer = await request1(server.metricsUrl, { method: "GET", path: "/metrics" });
  assert.equal(answer.status, 200);
  return new Metrics(answer.body.toString());
}

async function answered(server, operation) {
  return (await scrape(server)).sum("tuplet_requests_total", { operation, code: "200" });
}

/** Runs it with --json; the objects it printed. */
async function bench(url, args, { env = {}, code = 0 } = {}) {
  const settings = { env: { DENO_KV_ACCESS_TOKEN: TOKEN, ...env } };
  const done = await tuplet(["bench", "--db", url, "--json", ...args], settings);
  assert.equal(done.code, code, done.stderr);
  const lines = done.stdout.split("\n").filter((line) => line !== "");
  return { results: lines.map((line) => JSON.parse(line)), stderr: done.stderr };
}

async function countEntries(url, env = {}) {
  const done = await tuplet(["list", "--db", url], { env: { DENO_KV_ACCESS_TOKEN: TOKEN, ...env } });
  assert.equal(done.code, 0, done.stderr);
  return done.stdout.split("\n").length - 1;
}

function checkResult(result, workload, protocol) {
  assert.equal(result.workload, workload);
  assert.equal(result.protocol, protocol);
  assert.equal(result.failed, 0);
  assert.deepEqual(result.faults, []);
  assert.ok(result.operations > 0, workload);
  assert.ok(result.allOperations >= result.operations, workload);
  const { p50, p99, p999, max } = result.latencyUs;
  assert.ok(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max, workload);
}

for (const [name, args, protocol] of [
  ["HTTP/2 in clear", ["--in-flight", "4"], "HTTP/2"],
  ["HTTP/1.1 in clear", ["--http", "1"], "HTTP/1.1"],
]) {
  test(`every workload over ${name}`, async (t) => {
    const server = await startWatched(t);
    const { results } = await bench(server.url, [...SHORT, ...args, ...WORKLOADS]);
    assert.equal(results.length, WORKLOADS.length);
    results.forEach((result, i) => checkResult(result, WORKLOADS[i], protocol));
    assert.equal(results.find(({ workload }) => workload === "transfer").consistent, true);
    assert.equal(await countEntries(server.url), 0, "everything is removed");
  });
}

test("every workload on a file", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const { results } = await bench(path, [...SHORT, "--distribution", "zipf", ...WORKLOADS]);
  results.forEach((result, i) => checkResult(result, WORKLOADS[i], "library"));
  assert.equal(await countEntries(path), 0);
});

test("over TLS, by what ALPN chooses", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const { cert, key } = await makeCertificate(folder, "server", authority);
  const server = await startWatched(t, ["--tls-cert", cert, "--tls-key", key]);
  for (const [args, protocol] of [[[], "HTTP/2, TLS"], [["--http", "2"], "HTTP/2, TLS"], [["--http", "1"], "HTTP/1.1, TLS"]]) {
    const { results } = await bench(server.url, [...SHORT, ...args, "--ca-file", authority.cert, "mixed"]);
    checkResult(results[0], "mixed", protocol);
  }
  const trusting = await bench(server.url, [...SHORT, "get"], { env: { DENO_CERT: authority.cert } });
  checkResult(trusting.results[0], "get", "HTTP/2, TLS");
  const { stderr } = await bench(server.url, [...SHORT, "get"], { code: SYSTEM });
  assert.match(stderr, /certificate/, "a server that nobody vouches for is not talked to");
});

test("what it counts is what the server counted", async (t) => {
  const server = await startWatched(t);
  const more = ["--threads", "2", "--in-flight", "8"];

  await t.test("reads", async () => {
    const before = await answered(server, "snapshot_read");
    const { results } = await bench(server.url, [...SHORT, ...more, "get"]);
    assert.equal(await answered(server, "snapshot_read") - before, results[0].allOperations);
  });

  await t.test("sums, to the last one", async () => {
    const { results } = await bench(server.url, [...SHORT, ...more, "--name", "sums", "--keep", "sum"]);
    const { stdout } = await tuplet(["get", "--db", server.url, '["tuplet-bench", "sums", 0]'], {
      env: { DENO_KV_ACCESS_TOKEN: TOKEN },
    });
    assert.equal(stdout, `new Deno.KvU64(${results[0].allOperations}n)\n`);
  });

  await t.test("transfers on two accounts: each conflict is one", async () => {
    const conflicting = async () => (await scrape(server)).value("tuplet_writes_total", { result: "conflict" });
    const before = await conflicting();
    const { results } = await bench(server.url, [...SHORT, ...more, "--keys", "2", "transfer"]);
    assert.ok(results[0].conflicts > 0);
    assert.equal(results[0].consistent, true);
    assert.equal(await conflicting() - before, results[0].conflicts);
  });
});

test("watchers are told of each write, and of none twice", async (t) => {
  const server = await startWatched(t);
  const written = async () => (await scrape(server)).value("tuplet_writes_total", { result: "committed" });
  for (const [args, watchersOfAKey] of [[["--in-flight", "5"], 15], [["--http", "1", "--threads", "3"], 1]]) {
    const before = await written();
    const { results } = await bench(server.url, [...SHORT, ...args, "--name", "watched", "--keep", "watch"]);
    assert.equal(results[0].allOperations, (await written() - before) * watchersOfAKey);
    assert.equal(results[0].failed, 0);
  }
});

test("who wants more watches than a server allows is told so", async (t) => {
  const server = await startWatched(t, ["--watches-per-connection-max", "5"]);
  const { stderr } = await bench(server.url, [...SHORT, "--in-flight", "6", "watch"], { code: SYSTEM });
  assert.match(stderr, /watching 127\.0\.0\.1:\d+: HTTP 429: /);
});

test("each message is delivered and finished once", async (t) => {
  const server = await startWatched(t);
  for (const args of [["--in-flight", "5"], ["--http", "1"]]) {
    const [enqueued, finished] = [await answered(server, "atomic_write"), await answered(server, "queue_finish")];
    const { results } = await bench(server.url, [...SHORT, ...args, "queue"]);
    assert.equal(results[0].failed, 0);
    assert.equal(await answered(server, "atomic_write") - enqueued, results[0].allOperations);
    assert.equal(await answered(server, "queue_finish") - finished, results[0].allOperations);
  }
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

test("at a fixed rate", async (t) => {
  const server = await startWatched(t);
  await t.test("as many begin as should", async () => {
    const { results } = await bench(server.url, [...SHORT, "--rate", "200", "--duration", "1s", "get"]);
    checkResult(results[0], "get", "HTTP/2");
    assert.equal(results[0].rate, 200);
    assert.ok(results[0].operations <= 202 && results[0].allOperations + results[0].unsent >= 198);
  });
  await t.test("what cannot begin in time is told, and counts as slow", async () => {
    const { results } = await bench(server.url, [
      ...["--connections", "1", "--keys", "10", "--warm-up", "0", "--duration", "500ms"],
      ...["--rate", "10000000", "get"],
    ]);
    assert.ok(results[0].unsent > 0);
    assert.ok(results[0].latencyUs.max > 100_000, "the last ones were due long before they began");
  });
});

test("two databases by turns", async (t) => {
  const server = await startWatched(t);
  const file = join(await temporaryFolder(t), "kv.sqlite");
  const { results } = await bench(server.url, [...SHORT, "--duration", "900ms", "--versus", file, "--slices", "3", "get"]);
  assert.equal(results.length, 3);
  checkResult(results[0], "get", "HTTP/2");
  checkResult(results[1], "get", "library");
  assert.equal(results[2].slices.length, 3);
  const ratios = results[2].slices.map(({ first, second, ratio }) => {
    assert.ok(Math.abs(ratio - first / second) < 1e-9);
    return ratio;
  });
  assert.equal(results[2].medianRatio, ratios.sort((a, b) => a - b)[1]);
  assert.equal(await countEntries(server.url) + await countEntries(file), 0);
});

test("what was kept is used again", async (t) => {
  const server = await startWatched(t);
  const name = ["--name", "kept"];
  await bench(server.url, [...SHORT, ...name, "--keep", "set"]);
  assert.equal(await countEntries(server.url), 200);
  const before = await answered(server, "atomic_write");
  await bench(server.url, [...SHORT, ...name, "--keep", "--reuse", "get"]);
  assert.equal(await answered(server, "atomic_write"), before, "nothing was written");
  await bench(server.url, [...SHORT, ...name, "--reuse", "get"]);
  assert.equal(await countEntries(server.url), 0);
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

/** A server whose data path answers as `respond` says. */
async function startPretender(t, respond) {
  const server = http.createServer((request, response) => {
    request.resume().on("end", () => {
      if (request.url !== "/") return respond(request, response);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({
        version: 3,
        databaseId: "8f4a9d1c-6d2b-4d0c-a1ff-7b1f9fcb3d6a",
        endpoints: [{ url: "/v2", consistency: "strong" }],
        token: "session",
        expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
      }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

const ON_PRETENDERS = [...SHORT, "--http", "1", "--reuse", "--keep", "--name", "none", "get"];

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

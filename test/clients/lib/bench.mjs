// What the tests of `tuplet bench` share: running it, and servers that count or pretend.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import { request1 } from "./connect.mjs";
import { Metrics } from "./exposition.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, tuplet } from "./harness.mjs";

export const SOON_MS = 20_000;
export const SHORT = ["--duration", "200ms", "--warm-up", "50ms", "--keys", "200", "--connections", "3"];
export const SYSTEM = 5;

/** A server that shows its numbers; its metricsUrl. */
export async function startWatched(t, args = []) {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args: ["--metrics-addr", "127.0.0.1:0", ...args] });
  await eventually(SOON_MS, "the address of metrics", () => /Metrics are at http\S+"/.test(server.stderr));
  server.metricsUrl = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
  return server;
}

export async function scrape(server) {
  const answer = await request1(server.metricsUrl, { method: "GET", path: "/metrics" });
  assert.equal(answer.status, 200);
  return new Metrics(answer.body.toString());
}

export async function answered(server, operation) {
  return (await scrape(server)).sum("tuplet_requests_total", { operation, code: "200" });
}

/** Runs it with --json; the objects it printed. */
export async function bench(url, args, { env = {}, code = 0 } = {}) {
  const settings = { env: { DENO_KV_ACCESS_TOKEN: TOKEN, ...env } };
  const done = await tuplet(["bench", "--db", url, "--json", ...args], settings);
  assert.equal(done.code, code, done.stderr);
  const lines = done.stdout.split("\n").filter((line) => line !== "");
  return { results: lines.map((line) => JSON.parse(line)), stderr: done.stderr };
}

export async function countEntries(url, env = {}) {
  const done = await tuplet(["list", "--db", url], { env: { DENO_KV_ACCESS_TOKEN: TOKEN, ...env } });
  assert.equal(done.code, 0, done.stderr);
  return done.stdout.split("\n").length - 1;
}

export function checkResult(result, workload, protocol) {
  assert.equal(result.workload, workload);
  assert.equal(result.protocol, protocol);
  assert.equal(result.failed, 0);
  assert.deepEqual(result.faults, []);
  assert.ok(result.operations > 0, workload);
  assert.ok(result.allOperations >= result.operations, workload);
  const { p50, p99, p999, max } = result.latencyUs;
  assert.ok(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max, workload);
}

/** A server whose data path answers as `respond` says. */
export async function startPretender(t, respond) {
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

export const ON_PRETENDERS = [...SHORT, "--http", "1", "--reuse", "--keep", "--name", "none", "get"];

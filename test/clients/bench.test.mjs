// `tuplet bench` against real servers: what it says it did is what the server counted, whatever is spoken, and nothing
// stays behind. What goes wrong: bench_faults.test.mjs.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { answered, bench, checkResult, countEntries, scrape, SHORT, startWatched, SYSTEM } from "./lib/bench.mjs";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { temporaryFolder, TOKEN, tuplet } from "./lib/harness.mjs";

const WORKLOADS = ["get", "getmany", "set", "mixed", "transfer", "sum", "list", "watch", "queue"];

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

// What a server shows of itself: metrics whose numbers are those of what real clients did, in a form that a strict
// reader takes; health and readiness; and who may see them.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { dirname, join } from "node:path";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { exchange, request1, request2, Session, TRANSPORTS, WatchStream } from "./lib/connect.mjs";
import { Metrics } from "./lib/exposition.mjs";
import {
  CLIENTS,
  collectChecks,
  eventually,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { SmallDisk } from "./lib/small_disk.mjs";
import { holdSqlite, holdWriteLock } from "./lib/sqlite.mjs";

const SOON_MS = 20_000;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const WAITING = { state: "waiting" };
const key = pb.stringKey;
const bytes = (content) => ({ data: Buffer.from(content), encoding: pb.BYTES });
const set = (name, content) => ({ mutations: [{ key: key(name), value: bytes(content), type: pb.SET }] });

/** A server with an address for metrics; its metricsUrl. */
async function startWatched(t, { path, args = [], ...options } = {}) {
  path ??= join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args: ["--metrics-addr", "127.0.0.1:0", ...args], ...options });
  await eventually(SOON_MS, "the address of metrics", () => /Metrics are at http\S+"/.test(server.stderr));
  server.metricsUrl = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
  return server;
}

const get = (url, path, headers = {}, method = "GET") => request1(url, { method, path, headers });

async function scrape(server) {
  const answer = await get(server.metricsUrl, "/metrics");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], CONTENT_TYPE);
  return new Metrics(answer.body.toString());
}

test("the numbers are those of what real Deno did", async (t) => {
  const COUNT = 60;
  const server = await startWatched(t);
  const before = await scrape(server);
  assert.equal(before.sum("tuplet_requests_total", { operation: "atomic_write" }), 0);
  const program = spawnDeno("deno/metrics.ts", [server.url, String(COUNT)]);
  let during;
  await collectChecks(t, program, "deno/metrics.ts", async (line) => {
    if (line !== "done") return;
    during = await scrape(server);
    program.stdin.end();
  });
  const committed = COUNT + 3 + 1;
  const writes = (result) => during.value("tuplet_writes_total", { result });
  const requests = (operation, code) => during.sum("tuplet_requests_total", { operation, code });

  await t.test("requests, by operation and status", () => {
    assert.equal(requests("atomic_write", "200"), committed + 1);
    assert.equal(requests("atomic_write", "400"), 1);
    assert.equal(requests("snapshot_read", "200"), 6);
    assert.ok(requests("exchange", "200") >= 1);
    assert.equal(requests("watch"), 0, "a watch that goes on has not ended");
    assert.equal(during.sum("tuplet_requests_total", { operation: "unknown" }), 0);
  });

  await t.test("durations and sizes of as many", () => {
    for (const operation of ["exchange", "snapshot_read", "atomic_write"]) {
      const name = "tuplet_request_duration_seconds";
      assert.equal(
        during.value(`${name}_count`, { operation }),
        during.sum("tuplet_requests_total", { operation }),
      );
      assert.ok(during.value(`${name}_sum`, { operation }) > 0);
      assert.ok(during.value("tuplet_request_body_bytes_total", { operation }) > 0);
      assert.ok(during.value("tuplet_response_body_bytes_total", { operation }) > 0);
    }
  });

  await t.test("writes, and commits that they shared", () => {
    assert.equal(writes("committed"), committed);
    assert.equal(writes("conflict"), 1);
    assert.equal(writes("failed"), 1);
    assert.equal(during.value("tuplet_commit_writes_sum"), committed);
    const commits = during.value("tuplet_commit_writes_count");
    assert.ok(commits >= 1 && commits <= committed);
    assert.ok(during.value("tuplet_commit_duration_seconds_count") >= commits, "removing expired takes some");
    assert.ok(during.value("tuplet_commit_duration_seconds_sum") > 0);
    assert.equal(during.value("tuplet_commits_failed_total"), 0);
    assert.ok(during.value("tuplet_wal_bytes") > 0);
    assert.ok(during.value("tuplet_written_bytes_total") > committed * 8);
  });

  await t.test("watches and connections, while they are open and after", async () => {
    assert.equal(during.value("tuplet_watches_open"), 1);
    assert.equal(during.value("tuplet_watches_opened_total"), 1);
    assert.ok(during.value("tuplet_watch_messages_total") >= 2);
    assert.ok(during.value("tuplet_connections_open") >= 1);
    let after;
    await eventually(SOON_MS, "the end of the connections", async () => {
      after = await scrape(server);
      return after.value("tuplet_connections_open") === 0;
    });
    assert.equal(after.value("tuplet_watches_open"), 0);
    assert.equal(after.sum("tuplet_requests_total", { operation: "watch" }), 1);
    assert.ok(after.value("tuplet_connections_accepted_total") >= 1);
    assert.equal(after.value("tuplet_requests_in_flight"), 0);
  });

  await t.test("expired entries, once they are removed", async () => {
    const removed = async () => (await scrape(server)).value("tuplet_expired_keys_removed_total");
    await eventually(SOON_MS, "the removal", async () => await removed() === 3);
  });

  await t.test("no counter ever goes back", async () => {
    const last = (await scrape(server)).counters();
    for (const scraped of [before, during]) {
      for (const [name, value] of Object.entries(scraped.counters())) assert.ok(last[name] >= value, name);
    }
  });
});

test("the page about metrics names all there are, and no others", async (t) => {
  const page = await readFile(join(dirname(dirname(CLIENTS)), "docs", "metrics.md"), "utf8");
  const named = new Set([...page.matchAll(/^\| `((?:tuplet|process)_\w+)/gm)].map(([, name]) => name));
  const shown = new Set((await scrape(await startWatched(t))).families.keys());
  for (const name of named) if (name.startsWith("tuplet_tls_")) shown.add(name); // only with TLS
  assert.deepEqual([...shown].sort(), [...named].sort());
});

test("what is running: version, process, databases", async (t) => {
  const server = await startWatched(t);
  const metrics = await scrape(server);
  const [{ labels, value }] = metrics.families.get("tuplet_build_info").samples;
  const { stdout } = await tuplet(["--version"]);
  assert.equal(value, 1);
  assert.ok(stdout.includes(labels.version), stdout);
  assert.match(labels.sqlite, /^3\.\d+/);
  assert.ok(metrics.value("process_resident_memory_bytes") > 1e6);
  assert.ok(metrics.value("process_open_fds") > 5);
  assert.ok(metrics.value("process_cpu_seconds_total") > 0);
  assert.ok(Math.abs(metrics.value("process_start_time_seconds") - Date.now() / 1000) < 600);
  assert.equal(metrics.value("tuplet_databases_open"), 1);
  assert.equal(metrics.value("tuplet_databases_known"), 1);
  assert.equal(metrics.value("tuplet_memory_max_bytes"), 768 * 1024 * 1024);
});

test("queues: how long, and how late", async (t) => {
  const server = await startWatched(t);
  const session = await Session.open(request2, server.url, TOKEN);
  const empty = await scrape(server);
  assert.equal(empty.value("tuplet_queue_messages", WAITING), 0);
  assert.equal(empty.value("tuplet_queue_oldest_due_age_seconds"), 0);
  const payload = Buffer.from([0xff, 0x0f, 0x54]);
  const dueIn = (ms) => ({ payload, deadlineMs: Date.now() + ms, backoffSchedule: [] });
  assert.equal((await session.write({ enqueues: [dueIn(3_600_000), dueIn(-5_000), dueIn(-1_000)] })).status, 1);
  await eventually(
    SOON_MS,
    "the messages", // a look may be a second old
    async () => (await scrape(server)).value("tuplet_queue_messages", WAITING) === 3,
  );
  const metrics = await scrape(server);
  const age = metrics.value("tuplet_queue_oldest_due_age_seconds");
  assert.ok(age >= 5 && age < 300, String(age));
  assert.equal(metrics.value("tuplet_queue_messages", { state: "running" }), 0);
  assert.equal(metrics.value("tuplet_messages_enqueued_total"), 3);
});

test("what a database counted stays when it is closed", async (t) => {
  const folder = await temporaryFolder(t);
  const args = ["--data-dir", join(folder, "data"), "--create-databases", "--database-idle-timeout", "1s"];
  const server = await startWatched(t, { path: join(folder, "kv.sqlite"), args });
  const session = await Session.open(request1, server.url, TOKEN, "/orders");
  for (let i = 0; i < 5; i++) assert.equal((await session.write(set(`k${i}`, "v"))).status, 1);
  const committed = { result: "committed" };
  const open = await scrape(server);
  assert.equal(open.value("tuplet_writes_total", committed), 5);
  assert.equal(open.value("tuplet_databases_open"), 2);
  assert.equal(open.value("tuplet_databases_known"), 2);
  await eventually(
    SOON_MS,
    "the end of a database that nobody uses",
    async () => (await scrape(server)).value("tuplet_databases_open") === 1,
  );
  const closed = await scrape(server);
  assert.equal(closed.value("tuplet_writes_total", committed), 5);
  assert.equal(closed.value("tuplet_databases_known"), 2);
  assert.equal(closed.value("tuplet_wal_bytes"), 0);
  for (const [name, value] of Object.entries(open.counters())) assert.ok(closed.counters()[name] >= value, name);
});

test("metrics need a token that may open everything, health needs none", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "tokens");
  const token = async (...args) => {
    const { code, stdout, stderr } = await tuplet(["token", "create", ...args, "--tokens-file", file]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const all = await token("all", "--database", "*");
  const some = await token("some", "--database", "a*", "--database", "default");
  const server = await startWatched(t, { path: join(folder, "kv.sqlite"), args: ["--tokens-file", file] });
  for (const [transport, request] of Object.entries(TRANSPORTS)) {
    await t.test(transport, async () => {
      const ask = (bearer, path = "/metrics", method = "GET") => {
        const headers = bearer === null ? {} : { authorization: `Bearer ${bearer}` };
        return request(server.url, { method, path, headers });
      };
      assert.equal((await ask(null)).status, 401);
      assert.equal((await ask("wrong")).status, 401);
      assert.equal((await ask(some)).status, 403);
      for (const good of [TOKEN, all]) {
        const answer = await ask(good);
        assert.equal(answer.status, 200);
        assert.equal(answer.headers["content-type"], CONTENT_TYPE);
        new Metrics(answer.body.toString());
      }
      const head = await ask(TOKEN, "/metrics", "HEAD");
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.equal((await ask(null, "/healthz")).status, 200);
      assert.equal((await ask(null, "/readyz")).status, 200);
      assert.equal((await ask(TOKEN, "/metrics", "PUT")).status, 405);
    });
  }
  const failures = await scrape(server);
  assert.equal(failures.sum("tuplet_auth_failures_total"), 4);
  assert.equal(failures.sum("tuplet_requests_total", { operation: "metrics", code: "401" }), 4);
});

test("a body that nobody asked for changes nothing", async (t) => {
  const server = await startWatched(t);
  const body = Buffer.alloc(100_000);
  const headers = { "authorization": `Bearer ${TOKEN}`, "content-length": body.length };
  const session = http2.connect(server.url);
  t.after(() => session.destroy());
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    const answer = await request1(server.url, { method: "GET", path, headers, body });
    assert.equal(answer.status, 200, `HTTP/1.1 ${path}`);
    const stream = session.request({ ":method": "GET", ":path": path, ...headers }, { endStream: false });
    stream.on("error", () => {}).resume().end(body);
    const [head] = await within(SOON_MS, "the answer", once(stream, "response"));
    assert.equal(head[":status"], 200, `HTTP/2 ${path}`);
  }
  assert.equal((await scrape(server)).sum("tuplet_requests_total", { operation: "health", code: "200" }), 4);
});

test("TLS: handshakes, good and bad, and when the certificate expires", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const { cert, key: keyFile } = await makeCertificate(folder, "server", authority);
  const args = ["--tls-cert", cert, "--tls-key", keyFile];
  const server = await startWatched(t, { path: join(folder, "kv.sqlite"), args });
  const before = await scrape(server);
  assert.equal(before.sum("tuplet_tls_handshakes_total"), 0);
  const expires = new X509Certificate(await readFile(cert)).validTo;
  assert.equal(
    before.value("tuplet_tls_certificate_expiry_timestamp_seconds"),
    Date.parse(expires) / 1000,
  );
  const ca = await readFile(authority.cert);
  const status = new Promise((done, fail) => {
    https.get(`${server.url}/healthz`, { ca, agent: false }, (response) => {
      response.resume().on("end", () => done(response.statusCode));
    }).on("error", fail);
  });
  assert.equal(await status, 200);
  await get(server.url.replace("https:", "http:"), "/healthz").catch(() => {}); // in clear: refused, in whatever way
  await eventually(SOON_MS, "both handshakes", async () => {
    const metrics = await scrape(server);
    return metrics.value("tuplet_tls_handshakes_total", { result: "ok" }) === 1 &&
      metrics.value("tuplet_tls_handshakes_total", { result: "failed" }) === 1;
  });
});

test("the address of metrics has three paths and nothing else", async (t) => {
  const server = await startWatched(t);
  assert.equal((await get(server.metricsUrl, "/healthz")).body.toString(), "ok\n");
  assert.equal((await get(server.metricsUrl, "/readyz")).body.toString(), "ready\n");
  assert.equal((await get(server.metricsUrl, "/metrics?name=up")).status, 200);
  assert.equal((await get(server.metricsUrl, "/")).status, 404);
  assert.equal((await get(server.metricsUrl, "/v2/snapshot_read")).status, 404);
  assert.equal((await exchange(request1, server.metricsUrl, TOKEN, null)).status, 404);
  assert.equal((await get(server.metricsUrl, "/metrics", {}, "POST")).status, 405);
  assert.equal((await request1(server.metricsUrl, { path: "/metrics", body: "x" })).status, 413);
  assert.equal((await get(server.url, "/metrics")).status, 401);
});

test("a server that ends is not ready, and says so until it is gone", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startWatched(t, { path, args: ["--drain-timeout", "60s"] });
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal((await session.write(set("k", "v"))).status, 1);
  const release = await holdWriteLock(t, path);
  const written = session.write(set("k", "w")); /* waits for the lock, and so does the server's end */
  await eventually(
    SOON_MS,
    "the write",
    async () => (await scrape(server)).value("tuplet_requests_in_flight") === 1,
  );
  const stopped = server.stop();
  let answer;
  await eventually(SOON_MS, "readiness to end", async () => {
    answer = await get(server.metricsUrl, "/readyz");
    return answer.status === 503;
  });
  assert.equal(answer.body.toString(), "The server is shutting down.\n");
  assert.equal((await get(server.metricsUrl, "/healthz")).status, 200);
  await release();
  assert.equal((await written).status, 1);
  assert.deepEqual(await stopped, { code: 0, signal: null });
});

test("a server on a full disk is not ready, until there is room again", async (t) => {
  const disk = await SmallDisk.mount(t, 8 * 1024 * 1024);
  const path = join(disk.folder, "kv.sqlite");
  const server = await startWatched(t, { path, behind: disk.enter, args: ["--log-requests", "--requests-max", "1"] });
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal((await session.write(set("k", "v"))).status, 1);
  disk.fill();
  let refused;
  await eventually(SOON_MS, "a refusal", async () => {
    const mutations = Array.from({ length: 8 }, (_, i) => ({
      key: key(`k${i}`),
      value: { data: Buffer.alloc(60_000, 65), encoding: pb.BYTES },
      type: pb.SET,
    }));
    refused = await session.call("atomic_write", pb.atomicWrite({ mutations }));
    return refused.status === 507;
  });
  const unready = await get(server.metricsUrl, "/readyz");
  assert.equal(unready.status, 503);
  assert.equal(unready.body.toString(), "The default database is full: it cannot be written.\n");
  // Too busy to try, it says what it knows.
  const release = await holdSqlite(t, path, 'db.exec("BEGIN IMMEDIATE")', disk.enter);
  const waiting = session.call("atomic_write", pb.atomicWrite(set("k", "w")));
  await eventually(SOON_MS, "the write", async () => (await scrape(server)).value("tuplet_requests_in_flight") === 1);
  const busy = await get(server.url, "/readyz");
  assert.equal(`${busy.status} ${busy.body}`, `503 ${unready.body}`);
  await release();
  await waiting;
  assert.ok((await scrape(server)).value("tuplet_commits_failed_total") >= 1);
  const id = refused.headers["x-request-id"];
  await eventually(
    SOON_MS,
    "the line about it",
    () => server.stderr.includes(" id=") && server.stderr.includes("answered with 507"),
  );
  assert.ok(server.stderr.split("\n").some((line) => line.includes(`id=${id} `) && line.includes("status=507")));
  await disk.makeRoom();
  await eventually(SOON_MS, "readiness", async () => (await get(server.metricsUrl, "/readyz")).status === 200);
});

test("many scrapes at once hold nobody up", async (t) => {
  const server = await startWatched(t, { args: ["--num-workers", "1"] });
  const session = await Session.open(request1, server.url, TOKEN);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  t.after(() => agent.destroy());
  const scrapes = Array.from({ length: 200 }, () =>
    new Promise((done, fail) => {
      http.get(`${server.metricsUrl}/metrics`, { agent }, (response) => {
        response.resume().on("end", () => done(response.statusCode));
      }).on("error", fail);
    }));
  for (let i = 0; i < 20; i++) assert.equal((await session.write(set("k", String(i)))).status, 1);
  assert.ok((await Promise.all(scrapes)).every((status) => status === 200));
  const watch = await WatchStream.open(session, key("k"));
  await watch.output();
  watch.close();
});

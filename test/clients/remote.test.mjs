// The C library with a database on a server: test/process/remote.c against a real server, over HTTP and HTTPS, through
// restarts, through a proxy that loses answers, and against servers that misbehave.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { exchange, request1, Session } from "./lib/connect.mjs";
import {
  cleanEnvironment,
  CLIENTS,
  collectChecks,
  sleep,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
} from "./lib/harness.mjs";
import { enqueue } from "./lib/queue.mjs";
import { metadata, RemoteProgram, startFake } from "./lib/remote.mjs";

const remote = new RemoteProgram("remote");
const lastJson = (lines) => JSON.parse(lines.at(-1));

/** What ["count"] holds, as tuplet itself says, once nobody uses the file. */
async function countIn(path, key = "count") {
  const { code, stdout, stderr } = await tuplet(["get", "--db", path, `["${key}"]`]);
  assert.equal(code, 0, stderr);
  return Number(/\((\d+)n\)/.exec(stdout)[1]);
}

/**
 * A TCP proxy in front of a port. cuts(): asked whenever a client has sent something; true: what it sent is passed on,
 * the answer is not, and the client's connection ends.
 */
async function startProxy(t, port, cuts) {
  const sockets = new Set();
  const proxy = net.createServer((client) => {
    const server = net.connect(port, "127.0.0.1");
    let cut = false;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (data) => {
      if (!cut && cuts(data)) cut = true;
      server.write(data);
    });
    server.on("data", (data) => {
      if (cut) client.destroy();
      else client.write(data);
    });
    client.on("close", () => server.end());
    server.on("close", () => client.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return `http://127.0.0.1:${proxy.address().port}`;
}

// ---- Everything, over each transport ----

test("the C interface works over HTTP/1.1 in clear", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite3"));
  await collectChecks(t, remote.spawn(t, [server.url, "checks"]), "remote.c");
});

test("the C interface works over TLS, with HTTP/2", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const made = await makeCertificate(folder, "server", authority);
  const server = await startServer(t, join(folder, "kv.sqlite3"), {
    args: ["--tls-cert", made.cert, "--tls-key", made.key, "--log-requests"],
  });
  const url = `https://localhost:${server.port}`;
  await collectChecks(t, remote.spawn(t, [url, "checks"], { DENO_CERT: authority.cert }), "remote.c");
  assert.match(server.stderr, /snapshot_read.*HTTP\/2|HTTP\/2.*snapshot_read/);
  const refused = await remote.run(t, [url, "open"], { DENO_CERT: "" });
  assert.match(refused.at(-1), /^cannot open: TUPLET_IO: .*certificate/);
});

// ---- Opening ----

test("a wrong token, a missing one, a missing database and a missing server are told when opening", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite3"));
  const open = async (url, environment) =>
    (await remote.run(t, ["--timeout", 1500, url, "open"], environment)).at(-1);
  assert.match(await open(server.url), /^open$/);
  assert.equal(
    await open(server.url, { DENO_KV_ACCESS_TOKEN: "another-token" }),
    "cannot open: TUPLET_DENIED: Invalid access token.",
  );
  assert.match(await open(server.url, { DENO_KV_ACCESS_TOKEN: "" }), /TUPLET_DENIED: .*DENO_KV_ACCESS_TOKEN/);
  assert.match(await open(`${server.url}/nowhere`), /TUPLET_INVALID: There is no database at this path\./);
  assert.match(await open("http://user:password@127.0.0.1:1/"), /TUPLET_INVALID: .*password/);
  await server.stop();
  assert.match(await open(server.url), /TUPLET_IO: .*refused|Couldn't connect|Failed to connect/);
});

// ---- Sessions ----

test("sessions that last a second or two are renewed without a pause in the work", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  const server = await startServer(t, path, { args: ["--session-lifetime", "2s"] });
  const watching = remote.start(t, [server.url, "watch"]);
  await watching.line((line) => line === "absent");
  const counts = lastJson(await remote.run(t, [server.url, "count", 4000, 4]));
  assert.deepEqual({ unknown: counts.unknown, refused: counts.refused }, { unknown: 0, refused: 0 });
  assert.ok(counts.committed > 0);
  const write = await remote.run(t, [server.url, "many", 10]);
  assert.equal(lastJson(write).written, 10);
  await server.stop();
  assert.equal(await countIn(path), counts.committed);
});

test("a thousand operations at once all complete", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite3"));
  const { written, read } = lastJson(await remote.run(t, [server.url, "many", 1000]));
  assert.deepEqual({ written, read }, { written: 1000, read: 1000 });
});

// ---- Troubles ----

/** Counts while the server is killed and started again; what it reports must agree with what is there. */
async function countThroughKills(t, what, key) {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  let server = await startServer(t, path);
  const { port } = server;
  const counting = remote.start(t, [server.url, ...what]);
  await counting.line((line) => line === "counting");
  for (let i = 0; i < 2; i++) {
    await sleep(600);
    await server.kill();
    await sleep(300);
    server = await startServer(t, path, { port });
  }
  const counts = lastJson(await counting.end());
  await server.stop();
  const value = await countIn(path, key);
  assert.ok(counts.committed > 0);
  assert.equal(counts.refused, 0, "what could be tried again was");
  assert.ok(value >= counts.committed, `${value} are there, ${counts.committed} were reported`);
  assert.ok(value <= counts.committed + counts.unknown, `${value} are there; ${JSON.stringify(counts)}`);
  t.diagnostic(JSON.stringify({ value, ...counts }));
}

test("commits are reported right while the server is killed and started again", async (t) => {
  await countThroughKills(t, ["count", 3500, 8], "count");
});

test("commits with a check of what they change are repeated, and counted once", async (t) => {
  await countThroughKills(t, ["guarded", 3500], "guarded");
});

test("a write whose answer is lost is unknown, and was not sent twice", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  const server = await startServer(t, path);
  let writes = 0;
  let cut = 0;
  const url = await startProxy(t, server.port, (data) => {
    if (!data.includes("POST /v2/atomic_write")) return false;
    if (++writes % 7 !== 0) return false;
    cut++;
    return true;
  });
  const counts = lastJson(await remote.run(t, [url, "count", 1500, 1]));
  await server.stop();
  assert.ok(cut > 0);
  assert.equal(counts.unknown, cut, "each that was cut, and no other");
  assert.equal(counts.refused, 0);
  assert.equal(await countIn(path), counts.committed + cut, "each was carried out once");
});

test("a guarded write whose answer is lost is repeated", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  const server = await startServer(t, path);
  let writes = 0;
  const url = await startProxy(
    t,
    server.port,
    (data) => data.includes("POST /v2/atomic_write") && ++writes % 7 === 6,
  );
  const counts = lastJson(await remote.run(t, [url, "guarded", 1500]));
  await server.stop();
  assert.ok(counts.unknown > 0, "its repetition fails its check, from which nobody can know why");
  assert.equal(counts.refused, 0);
  assert.equal(await countIn(path, "guarded"), counts.committed + counts.unknown);
});

test("a watch loses no change while the server is killed and started again", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  let server = await startServer(t, path);
  const { port } = server;
  const watching = remote.start(t, [server.url, "watch"]);
  await watching.line((line) => line === "absent");
  const set = async (value) => {
    const done = await tuplet(["set", "--db", path, '["watched"]', "--raw", "--value-file", "-"], {
      input: value,
    });
    assert.equal(done.code, 0, done.stderr);
  };
  await set("one");
  await watching.line((line) => line === "state one");
  await server.kill();
  await set("two"); // while nobody serves
  server = await startServer(t, path, { port });
  await watching.line((line) => line === "state two");
  await set("end");
  const lines = await watching.end();
  assert.deepEqual(lines.filter((line) => line.startsWith("state")), ["state one", "state two", "state end"]);
  assert.deepEqual(lines.filter((line) => line.startsWith("failed")), []);
});

test("closing takes no more than seconds when the server does not answer, and completes everything", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite3"));
  const closing = remote.start(t, [server.url, "close-under-way"]);
  await closing.line((line) => line === "ready");
  server.child.kill("SIGSTOP");
  closing.input.write("\n");
  const { left, closing_ms } = lastJson(await closing.end());
  server.child.kill("SIGCONT");
  assert.equal(left, 0);
  assert.ok(closing_ms < 20_000, `${closing_ms} ms`);
});

test("each allocation may fail", async (t) => {
  const server = await startServer(t, ":memory:");
  const { allocations } = lastJson(await remote.run(t, [server.url, "out-of-memory"]));
  assert.ok(allocations > 20, `${allocations} were made`);
});

// ---- The queue ----

test("messages come to a listener, and again when they fail", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  const server = await startServer(t, path);
  const listening = remote.start(t, [server.url, "listen", 3]);
  await listening.line((line) => line === "listening");
  const node = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `import { openKv } from "@deno/kv";
     const kv = await openKv(process.argv[1], { accessToken: ${JSON.stringify(TOKEN)} });
     for (const payload of ["first", { second: 2n }, "to fail"]) await kv.enqueue(payload);
     kv.close();
     process.exit(0);`, // now: fetch would keep its connections for some seconds
    server.url,
  ], { cwd: CLIENTS, env: cleanEnvironment(), stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(node, "close");
  assert.equal(code, 0);
  const lines = (await listening.end()).filter((line) => line.startsWith("message"));
  assert.deepEqual(lines.sort(), [
    'message 1 TUPLET_OK "first"',
    'message 1 TUPLET_OK "to fail"',
    "message 1 TUPLET_OK {second: 2n}",
    'message 2 TUPLET_OK "to fail"',
  ]);
});

test("a nack whose answer is lost is repeated, and does not end the next attempt", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite3"));
  let finishes = 0;
  const isFinish = (data) => data.includes("POST /v2/queue_finish");
  const url = await startProxy(t, server.port, (data) => isFinish(data) && ++finishes === 1);
  const listening = remote.start(t, [url, "listen", 1]);
  await listening.line((line) => line === "listening");
  const session = await Session.open(request1, server.url, TOKEN);
  await enqueue(session, ["to fail"], { backoffSchedule: [1, 1, 1] }); // so it is there before the repetition
  const lines = (await listening.end()).filter((line) => line.startsWith("message"));
  assert.deepEqual(lines, ['message 1 TUPLET_NOT_FOUND "to fail"', 'message 2 TUPLET_OK "to fail"']);
  assert.equal(finishes, 3);
});

test("a server without a queue over the network says so", async (t) => {
  const url = await startFake(t, (request, response) => response.end(metadata()));
  const lines = await remote.run(t, [url, "listen", 1]);
  assert.match(lines.at(-1), /^failed TUPLET_UNSUPPORTED .*no queue over the network/);
});

// ---- Servers that misbehave ----

test("answers that are no answers are errors", async (t) => {
  const open = async (url) => (await remote.run(t, ["--timeout", 1000, url, "open"])).at(-1);
  const answering = (body) => startFake(t, (request, response) => response.end(body));
  assert.match(await open(await answering("no JSON")), /TUPLET_MALFORMED: .*not JSON/);
  assert.match(await open(await answering(metadata({ version: 9 }))), /TUPLET_UNSUPPORTED: .*version 9/);
  assert.match(await open(await answering(metadata({ endpoints: [] }))), /TUPLET_MALFORMED: .*endpoint/);
  assert.match(await open(await answering(metadata({ token: "a\r\nb: c" }))), /TUPLET_MALFORMED: .*token/);
  assert.match(await open(await answering(metadata({ expiresAt: "soon" }))), /TUPLET_MALFORMED: .*expires/);
  assert.match(await open(await answering("x".repeat(1 << 20))), /TUPLET_MALFORMED|TUPLET_IO/);
  assert.match(
    await open(`${await startFake(t, (request, response) => response.writeHead(500).end())}`),
    /TUPLET_IO/,
  );
});

test("the exchange follows redirects, the data path does not", async (t) => {
  const seen = [];
  const real = await startFake(t, (request, response) => {
    seen.push([request.method, request.url, request.headers.authorization]);
    if (request.url === "/db") response.end(metadata());
    else response.writeHead(307, { location: "/elsewhere" }).end();
  });
  const moved = await startFake(
    t,
    (request, response) => response.writeHead(308, { location: `${real}/db` }).end(),
  );
  assert.equal((await remote.run(t, [`${real}/db`, "open"])).at(-1), "open");
  const counts = lastJson(await remote.run(t, ["--timeout", 1000, `${real}/db`, "count", 300, 1]));
  assert.equal(counts.committed, 0);
  assert.ok(counts.refused > 0);
  assert.ok(!seen.some(([, url]) => url === "/elsewhere"));
  await remote.run(t, ["--timeout", 1000, moved, "open"]);
  const [method, url, authorization] = seen.at(-1);
  assert.deepEqual([method, url], ["POST", "/db"]);
  assert.equal(authorization, undefined, "another server does not get the token");
});

test("a write is sent again after a refusal that says when, and not after an error that does not", async (t) => {
  let writes = 0;
  const handle = (status, headers) => (request, response) => {
    if (request.url === "/") response.end(metadata());
    else if (++writes === 1) response.writeHead(status, headers).end("no");
    else response.end(Buffer.from([0x08, 0x01, 0x12, 0x0a, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]));
  };
  const count = async (status, headers) => {
    writes = 0;
    return lastJson(await remote.run(t, [await startFake(t, handle(status, headers)), "count", 300, 1]));
  };
  assert.equal((await count(503, { "retry-after": "0" })).unknown, 0);
  assert.equal((await count(429, { "retry-after": "0" })).unknown, 0);
  assert.equal((await count(503, {})).unknown, 1);
  assert.equal((await count(502, {})).unknown, 1);
  assert.equal((await count(507, {})).refused, 1);
  assert.equal((await count(400, {})).refused, 1);
});

test("a session that the server does not take any more is replaced", async (t) => {
  const server = await startServer(t, ":memory:");
  let exchanges = 0;
  const url = await startFake(t, async (request, response, body) => {
    if (request.url === "/") {
      const real = JSON.parse((await exchange(request1, server.url, TOKEN)).body);
      exchanges++;
      response.end(metadata({ ...real, token: exchanges === 1 ? "stale" : real.token }));
      return;
    }
    if (request.headers.authorization === "Bearer stale") { // the server itself would slow such clients down
      response.writeHead(401).end("The session token has expired.");
      return;
    }
    const { status, body: answer } = await request1(server.url, {
      path: request.url,
      headers: request.headers,
      body,
    });
    response.writeHead(status).end(answer);
  });
  const { written, read } = lastJson(await remote.run(t, [url, "many", 20]));
  assert.deepEqual({ written, read, exchanges }, { written: 20, read: 20, exchanges: 2 });
});

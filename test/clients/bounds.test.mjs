// Every bound of server/bounds.h, set small by its option: who goes beyond it is told so by the status that belongs to
// it, or loses the connection, and a neighbour is served as if nothing were.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { join } from "node:path";
import test from "node:test";
import { request1, request2, Session } from "./lib/connect.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, tuplet, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { connectRaw, requestBytes } from "./lib/raw.mjs";
import { holdWriteLock } from "./lib/sqlite.mjs";

const WAIT_MS = 20_000;
const KIB = 1024;
const MIB = 1024 * KIB;
const key = pb.stringKey;
const NOTHING = pb.snapshotRead({ start: key("nothing"), end: Buffer.from([255]), limit: 1 });

const setMessage = (name, size) =>
  pb.atomicWrite({
    mutations: [{
      key: key(name),
      value: { data: Buffer.alloc(size, 65), encoding: pb.BYTES },
      type: pb.SET,
    }],
  });

/** A server with some options, and a session on it. */
async function start(t, ...args) {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args });
  return { path, server, session: await Session.open(request1, server.url, TOKEN) };
}

/** A client over HTTP/2 with one connection. */
async function connect2(t, session) {
  const client = http2.connect(session.url);
  client.on("error", () => {});
  t.after(() => client.destroy());
  await within(WAIT_MS, "the settings", once(client, "remoteSettings"));
  return client;
}

/** A call over it: a stream whose `answer` is { status, headers, body } when all has come; body: null for "not yet". */
function call2(client, session, what, body, headers = {}) {
  const path = `${session.endpoint}/${what}`;
  const stream = client.request({ ":method": "POST", ":path": path, ...session.headers, ...headers });
  const chunks = [];
  stream.on("error", () => {}).on("data", (chunk) => chunks.push(chunk));
  stream.head = within(WAIT_MS, "the head", once(stream, "response")).then(([head]) => head);
  stream.head.catch(() => {});
  stream.answer = (async () => {
    const head = await stream.head;
    if (!stream.closed) await within(WAIT_MS, "the answer's end", once(stream, "close"));
    return { status: head[":status"], headers: head, body: Buffer.concat(chunks) };
  })();
  stream.answer.catch(() => {});
  if (body !== null) stream.end(body);
  return stream;
}

const isServed = async (session) => (await session.call("snapshot_read", NOTHING)).status === 200;

/** What a connection over HTTP/1.1 has got, if it is of that status and, where it says so, tells when to come again. */
async function assertTold(connection, status, isClosed = true) {
  await eventually(WAIT_MS, `the ${status}`, () => connection.text.includes(`HTTP/1.1 ${status} `));
  if (status === 503 || status === 429) assert.match(connection.text, /\r\nretry-after: \d+\r\n/i);
  if (isClosed) await eventually(WAIT_MS, `the end after the ${status}`, () => connection.isClosed);
}

/** A connection over HTTP/1.1 that is served. The one that opened the session may count for a moment longer, so that
 * the first try is refused. */
async function connectServed(t, session) {
  let connection;
  await eventually(WAIT_MS, "a connection that is served", async () => {
    connection = await connectRaw(t, session.url);
    connection.socket.write(requestBytes(session, "snapshot_read", NOTHING));
    await eventually(WAIT_MS, "an answer", () => connection.isClosed || /HTTP\/1.1 \d+ /.test(connection.text));
    return connection.text.includes("HTTP/1.1 200 ");
  });
  return connection;
}

function assertComeAgain(answer, status) {
  assert.equal(answer.status, status, String(answer.body));
  assert.match(String(answer.headers["retry-after"]), /^\d+$/);
}

test("--connections-max: one more is told 503, until another one has gone", async (t) => {
  const { server, session } = await start(t, "--connections-max", "3");
  const connections = [];
  for (let i = 0; i < 3; i++) connections.push(await connectServed(t, session));
  await assertTold(await connectRaw(t, server.url), 503);
  connections[0].socket.write(requestBytes(session, "watch", pb.watch(key("watched"))));
  await eventually(WAIT_MS, "a neighbour's watch", () => connections[0].text.includes("octet-stream"));
  connections[1].socket.end();
  await eventually(WAIT_MS, "room", () => isServed(session).catch(() => false));
});

test("--connections-per-address-max: one more is told 429, another address is not", async (t) => {
  const { server, session } = await start(t, "--connections-per-address-max", "3");
  const connections = [];
  for (let i = 0; i < 3; i++) connections.push(await connectServed(t, session));
  await assertTold(await connectRaw(t, server.url), 429);
  const elsewhere = await connectRaw(t, server.url, { localAddress: "127.0.0.2" });
  elsewhere.socket.write(requestBytes(session, "snapshot_read", NOTHING));
  await assertTold(elsewhere, 200, false);
  connections[0].socket.destroy();
  await eventually(WAIT_MS, "room", () => isServed(session).catch(() => false));
});

test("--requests-per-connection-max: HTTP/2 clients are told how many, and wait for their turn", async (t) => {
  const { session } = await start(t, "--requests-per-connection-max", "3");
  const client = await connect2(t, session);
  assert.equal(client.remoteSettings.maxConcurrentStreams, 3);
  const watches = Array.from({ length: 3 }, () => call2(client, session, "watch", pb.watch(key("watched"))));
  for (const watch of watches) assert.equal((await watch.head)[":status"], 200);
  const waiting = call2(client, session, "snapshot_read", NOTHING);
  let isAnswered = false;
  waiting.on("response", () => (isAnswered = true));
  for (let i = 0; i < 10; i++) assert.ok(await isServed(session));
  assert.equal(isAnswered, false);
  watches[0].close(http2.constants.NGHTTP2_CANCEL);
  assert.equal((await waiting.answer).status, 200);
});

test("--requests-max: one more is told 503, on whatever connection; open watches do not count", async (t) => {
  const { path, server, session } = await start(t, "--requests-max", "3", "--metrics-addr", "127.0.0.1:0");
  const client = await connect2(t, session);
  for (let i = 0; i < 5; i++) {
    const watch = call2(client, session, "watch", pb.watch(key("watched")));
    await within(WAIT_MS, "the first state", once(watch, "data"));
  }
  const release = await holdWriteLock(t, path);
  const writes = ["a", "b", "c"].map((name) => call2(client, session, "atomic_write", setMessage(name, 10)));
  // What comes behind them on their connection is handled behind them.
  assertComeAgain(await call2(client, session, "snapshot_read", NOTHING).answer, 503);
  for (const request of [request1, request2]) {
    const other = new Session(request, session.url, "/", session.metadata);
    assertComeAgain(await other.call("snapshot_read", NOTHING), 503);
  }
  // Who asks whether the server is well hears that it is: it is busy, and nothing else.
  const metricsUrl = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
  const get = (request, url, path) => request(url, { method: "GET", path, headers: {} });
  for (const [request, url] of [[request1, server.url], [request2, server.url], [request1, metricsUrl]]) {
    for (const [path, text] of [["/healthz", "ok\n"], ["/readyz", "ready\n"]]) {
      const answer = await get(request, url, path);
      assert.equal(`${answer.status} ${answer.body}`, `200 ${text}`);
    }
  }
  assertComeAgain(await get(request1, server.url, "/metrics"), 503);
  assert.match(String((await get(request1, metricsUrl, "/metrics")).body), /^tuplet_requests_in_flight 3$/m);
  await release();
  for (const write of writes) assert.equal((await write.answer).status, 200);
  assert.ok(await isServed(session));
});

test("--header-size-max: longer headers are told 431, a longer target 414", async (t) => {
  const { server, session } = await start(t, "--header-size-max", "2K");
  const long = "x".repeat(3 * KIB);
  for (const request of [request1, request2]) {
    const other = new Session(request, session.url, "/", session.metadata);
    assert.equal((await other.call("snapshot_read", NOTHING, { "x-long": long })).status, 431);
    const answer = await request(server.url, { path: `/${long}`, headers: session.headers, body: NOTHING });
    assert.ok(answer.status === 414 || answer.status === 431, `a long target was answered ${answer.status}`);
    assert.ok(await isServed(other));
  }
  const endless = await connectRaw(t, server.url);
  endless.socket.write(`GET / HTTP/1.1\r\nhost: a\r\nx: ${long}`);
  await assertTold(endless, 431);
});

test("--body-size-max: a longer body is told 413, as soon as its length is known", async (t) => {
  const { server, session } = await start(t, "--body-size-max", "4K");
  assert.equal((await session.call("atomic_write", setMessage("fits", 3 * KIB))).status, 200);

  const announced = await connectRaw(t, server.url);
  announced.socket.write(
    requestBytes(session, "atomic_write", Buffer.alloc(0), { "content-length": 5 * KIB }),
  );
  await assertTold(announced, 413);
  const chunked = await connectRaw(t, server.url);
  const headers = { "content-length": undefined, "transfer-encoding": "chunked" };
  chunked.socket.write(requestBytes(session, "atomic_write", Buffer.alloc(0), headers));
  chunked.socket.write(`1400\r\n${"x".repeat(5 * KIB)}\r\n`);
  await assertTold(chunked, 413);

  const client = await connect2(t, session);
  const declared = call2(client, session, "atomic_write", null, { "content-length": 5 * KIB });
  assert.equal((await declared.head)[":status"], 413);
  const streamed = call2(client, session, "atomic_write", null);
  streamed.write(Buffer.alloc(5 * KIB));
  assert.equal((await streamed.head)[":status"], 413);
  assert.equal(
    (await call2(client, session, "snapshot_read", NOTHING).answer).status,
    200,
    "the connection stays",
  );
  assert.ok(await isServed(session));
});

/** A client that writes a request of HTTP/2 by hand, up to a half of its headers. */
const HALF_OF_HTTP2 = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), // SETTINGS
  Buffer.from([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83]), // HEADERS without END_HEADERS: ":method: POST", and no more
]);

test("--header-timeout: who takes longer is told 408 and cut off", async (t) => {
  const { server, session } = await start(t, "--header-timeout", "500ms");
  const silent = await connectRaw(t, server.url);
  const half = await connectRaw(t, server.url);
  half.socket.write("POST /v2/snapshot_read HTTP/1.1\r\nhost: a\r\n");
  const drip = await connectRaw(t, server.url);
  drip.socket.write("GET / HTTP/1.1\r\nx: ");
  const dripping = setInterval(() => drip.socket.write("y"), 20);
  t.after(() => clearInterval(dripping));
  const half2 = await connectRaw(t, server.url);
  half2.socket.write(HALF_OF_HTTP2);
  await assertTold(half, 408);
  await assertTold(drip, 408);
  await eventually(WAIT_MS, "the end of one that says nothing", () => silent.isClosed);
  await eventually(WAIT_MS, "the end of one that stops in its headers", () => half2.isClosed);
  assert.ok(await isServed(session));
});

test("--body-timeout: who takes longer is told 408; over HTTP/2 the connection goes on", async (t) => {
  const { server, session } = await start(t, "--body-timeout", "500ms");
  const half = await connectRaw(t, server.url);
  half.socket.write(requestBytes(session, "atomic_write", Buffer.from("a"), { "content-length": 100 }));
  const drip = await connectRaw(t, server.url);
  drip.socket.write(requestBytes(session, "atomic_write", Buffer.from("a"), { "content-length": 100_000 }));
  const dripping = setInterval(() => drip.socket.write("y"), 20);
  t.after(() => clearInterval(dripping));
  const client = await connect2(t, session);
  const stream = call2(client, session, "atomic_write", null);
  stream.write("a");
  await assertTold(half, 408);
  await assertTold(drip, 408);
  assert.equal((await stream.head)[":status"], 408);
  assert.equal((await call2(client, session, "snapshot_read", NOTHING).answer).status, 200);
  assert.ok(await isServed(session));
});

test("--idle-timeout: connections without a request are ended, those with a watch are not", async (t) => {
  const { server, session } = await start(t, "--idle-timeout", "500ms");
  const watching = await connectRaw(t, server.url);
  watching.socket.write(requestBytes(session, "watch", pb.watch(key("watched"))));
  await eventually(WAIT_MS, "the first state", () => watching.text.includes("octet-stream"));
  const idle = await connectRaw(t, server.url);
  idle.socket.write(requestBytes(session, "snapshot_read", NOTHING));
  await assertTold(idle, 200, false);
  const client = await connect2(t, session);
  const told = once(client, "goaway");
  const closed = once(client, "close");
  assert.equal((await call2(client, session, "snapshot_read", NOTHING).answer).status, 200);
  await eventually(WAIT_MS, "the end of the idle one", () => idle.isClosed);
  assert.equal(idle.error, null);
  await within(WAIT_MS, "the GOAWAY", told);
  await within(WAIT_MS, "the end of the idle one over HTTP/2", closed);
  const before = watching.size;
  assert.equal((await session.call("atomic_write", setMessage("watched", 10))).status, 200);
  await eventually(WAIT_MS, "the change", () => watching.size > before);
});

test("--watches-per-connection-max: one more is told 429, on another connection it is not", async (t) => {
  const { session } = await start(t, "--watches-per-connection-max", "2");
  const client = await connect2(t, session);
  const watches = [];
  for (let i = 0; i < 2; i++) {
    watches.push(call2(client, session, "watch", pb.watch(key("watched"))));
    assert.equal((await watches[i].head)[":status"], 200);
  }
  assertComeAgain(await call2(client, session, "watch", pb.watch(key("watched"))).answer, 429);
  assert.equal((await call2(client, session, "snapshot_read", NOTHING).answer).status, 200);
  const other = await connect2(t, session);
  assert.equal((await call2(other, session, "watch", pb.watch(key("watched"))).head)[":status"], 200);
  watches[0].close(http2.constants.NGHTTP2_CANCEL);
  await eventually(WAIT_MS, "room", async () => {
    const again = call2(client, session, "watch", pb.watch(key("watched")));
    return (await again.head)[":status"] === 200;
  });
});

test("--watches-max: one more is told 503, on whatever connection", async (t) => {
  const { session } = await start(t, "--watches-max", "2");
  const clients = [];
  for (let i = 0; i < 3; i++) clients.push(await connect2(t, session));
  const watches = [];
  for (let i = 0; i < 2; i++) {
    watches.push(call2(clients[i], session, "watch", pb.watch(key("watched"))));
    assert.equal((await watches[i].head)[":status"], 200);
  }
  assertComeAgain(await call2(clients[2], session, "watch", pb.watch(key("watched"))).answer, 503);
  assert.equal((await call2(clients[2], session, "snapshot_read", NOTHING).answer).status, 200);
  watches[0].close(http2.constants.NGHTTP2_CANCEL);
  await eventually(WAIT_MS, "room", async () => {
    const again = call2(clients[2], session, "watch", pb.watch(key("watched")));
    return (await again.head)[":status"] === 200;
  });
});

test("--memory-max: bodies beyond it are told 503, small requests are served", async (t) => {
  const { server, session } = await start(t, "--memory-max", "16M");
  const size = 1400 * KIB; // of 16 of them 12 fit at most
  const connections = [];
  for (let i = 0; i < 16; i++) {
    const connection = await connectRaw(t, server.url);
    connection.socket.write(
      requestBytes(session, "atomic_write", Buffer.alloc(size), { "content-length": size + 1 }),
    );
    connections.push(connection);
  }
  const refused = () => connections.filter((connection) => connection.text.includes("HTTP/1.1 503 "));
  await eventually(WAIT_MS, "refusals", () => refused().length >= 4);
  for (const connection of refused()) assert.match(connection.text, /\r\nretry-after: \d+\r\n/i);
  assert.ok(refused().length < 16, "those that fit are kept");
  for (const request of [request1, request2]) {
    assert.ok(await isServed(new Session(request, session.url, "/", session.metadata)));
  }
  for (const connection of connections) connection.socket.destroy();
  const large = pb.atomicWrite({
    mutations: Array.from({ length: 10 }, (_, i) => ({
      key: key("large", String(i)),
      value: { data: Buffer.alloc(60_000), encoding: pb.BYTES },
      type: pb.SET,
    })),
  });
  await eventually(WAIT_MS, "room", async () => (await session.call("atomic_write", large)).status === 200);
});

test("--memory-max: answers beyond it that are not taken are told 503, small requests are served", async (t) => {
  const { server, session } = await start(t, "--memory-max", "16M", "--send-timeout", "10m");
  for (let i = 0; i < 10; i++) {
    const mutations = Array.from({ length: 10 }, (_, j) => ({
      key: key("large", String(i), String(j)),
      value: { data: Buffer.alloc(60_000, 65), encoding: pb.BYTES },
      type: pb.SET,
    }));
    assert.equal((await session.write({ mutations })).status, 1);
  }
  const everything = pb.snapshotRead({ start: key("large"), end: Buffer.from([255]), limit: 100 }); // 6 MB
  const readers = [];
  let isRefused = false;
  for (let i = 0; i < 20 && !isRefused; i++) {
    const reader = await connectRaw(t, server.url);
    reader.socket.write(requestBytes(session, "snapshot_read", everything));
    await eventually(WAIT_MS, "an answer's beginning", () => reader.size > 0);
    reader.socket.pause();
    isRefused = reader.text.startsWith("HTTP/1.1 503 ");
    if (isRefused) assert.match(reader.text, /\r\nretry-after: \d+\r\n/i);
    readers.push(reader);
  }
  assert.ok(isRefused, "nobody was refused");
  assert.ok(readers.length > 2, "those that fit are answered");
  for (const request of [request1, request2]) {
    assert.ok(await isServed(new Session(request, session.url, "/", session.metadata)));
  }
  for (const reader of readers) reader.socket.destroy();
  await eventually(
    WAIT_MS,
    "room",
    async () => (await session.call("snapshot_read", everything)).status === 200,
  );
});

test("what is no bound is refused at the start, with what is allowed", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const bad = [["--connections-max", "0"], ["--header-timeout", "1"], ["--memory-max", "1K"], [
    "--body-size-max",
    "9G",
  ]];
  for (const [option, value] of bad) {
    const { code, stderr } = await tuplet(["serve", "--addr", "127.0.0.1:0", option, value, path]);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(option) && stderr.includes(value), stderr);
  }
});

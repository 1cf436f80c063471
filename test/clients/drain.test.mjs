// The end of a server: what was accepted is answered, watches end in the order of their protocol, clients go on with
// another server, nobody can hold it up for longer than it says, and a second signal ends it at once.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { request1, request2, requestOver, Session, WatchStream } from "./lib/connect.mjs";
import { eventually, spawnDeno, startServer, temporaryFolder, TOKEN, tuplet, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { connectRaw, requestBytes } from "./lib/raw.mjs";
import { holdSqlite, holdWriteLock } from "./lib/sqlite.mjs";

const WAIT_MS = 20_000;
const key = pb.stringKey;
const bytes = (content) => ({ data: Buffer.from(content), encoding: pb.BYTES });
const setMessage = (name, content) =>
  pb.atomicWrite({ mutations: [{ key: key(name), value: bytes(content), type: pb.SET }] });

async function startSession(t, args = []) {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args });
  return { path, server, session: await Session.open(request1, server.url, TOKEN) };
}

/** Entries whose answer is far more than sockets and windows take: 16 MiB. */
async function fillWithLarge(session) {
  const value = { data: Buffer.alloc(60_000, 65), encoding: pb.BYTES };
  for (let i = 0; i < 300; i += 10) {
    const mutations = Array.from({ length: 10 }, (_, j) => ({
      key: key("large", String(i + j).padStart(3, "0")),
      value,
      type: pb.SET,
    }));
    assert.equal((await session.write({ mutations })).status, 1);
  }
  return pb.snapshotRead({
    start: key("large"),
    end: Buffer.concat([key("large"), Buffer.from([255])]),
    limit: 300,
  });
}

/** A connection over HTTP/1.1 that asks for the large answer and takes none of it. */
async function connectSlowReader(t, session) {
  const body = await fillWithLarge(session);
  const reader = await connectRaw(t, session.url);
  reader.socket.write(requestBytes(session, "snapshot_read", body));
  await eventually(WAIT_MS, "the answer's beginning", () => reader.size > 0);
  reader.socket.pause();
  return reader;
}

test("a watch over HTTP/1.1 ends with its last chunk, and the connection in order", async (t) => {
  const { server, session } = await startSession(t);
  const watcher = await connectRaw(t, server.url);
  watcher.socket.write(requestBytes(session, "watch", pb.watch(key("watched"))));
  await eventually(WAIT_MS, "the first state", () => watcher.size > 100);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await eventually(WAIT_MS, "the connection's end", () => watcher.isClosed);
  assert.equal(watcher.error, null);
  assert.match(watcher.text, /\r\n0\r\n\r\n$/);
});

test("a watch over HTTP/2 ends with END_STREAM, after a GOAWAY that refuses nothing it accepted", async (t) => {
  const { server, session } = await startSession(t);
  const client = http2.connect(server.url);
  t.after(() => client.destroy());
  const events = [];
  client.on("goaway", (code, last) => events.push({ goaway: code, last }));
  client.on("error", (error) => events.push({ error: error.message }));
  const stream = client.request({
    ":method": "POST",
    ":path": `${session.endpoint}/watch`,
    ...session.headers,
  });
  stream.on("error", (error) => events.push({ error: error.message }));
  stream.on("end", () => events.push("end")).on("close", () => events.push({ reset: stream.rstCode }))
    .resume();
  stream.end(pb.watch(key("watched")));
  await within(WAIT_MS, "the answer", once(stream, "response"));
  await within(WAIT_MS, "the first state", once(stream, "data"));
  const closed = once(client, "close");
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await within(WAIT_MS, "the connection's end", closed);
  assert.deepEqual(events.filter((event) => event.error), []);
  assert.ok(events.some((event) => event.goaway === 0 && event.last >= stream.id), JSON.stringify(events));
  assert.ok(events.indexOf("end") >= 0, JSON.stringify(events));
  assert.ok(events.some((event) => event.reset === 0), JSON.stringify(events));
});

test("over TLS watches end the same way", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const { cert, key: tlsKey } = await makeCertificate(folder, "server", authority);
  const args = ["--tls-cert", cert, "--tls-key", tlsKey];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  const ca = await readFile(authority.cert);
  const session = await Session.open(requestOver(ca), server.url, TOKEN);
  const client = http2.connect(server.url, { ca });
  t.after(() => client.destroy());
  const events = [];
  client.on("goaway", (code) => events.push(`goaway ${code}`)).on(
    "error",
    (error) => events.push(error.message),
  );
  const path = `${session.endpoint}/watch`;
  const stream = client.request({ ":method": "POST", ":path": path, ...session.headers });
  stream.on("end", () => events.push("end")).on("error", (error) => events.push(error.message)).resume();
  stream.end(pb.watch(key("watched")));
  await within(WAIT_MS, "the first state", once(stream, "data"));
  const whole = session.call("watch", pb.watch(key("watched"))); // over HTTP/1.1: comes when the stream has ended
  await eventually(WAIT_MS, "both watches", async () => {
    const metrics = await requestOver(ca)(server.url, {
      method: "GET",
      path: "/metrics",
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return /^tuplet_watches_open 2$/m.test(String(metrics.body));
  });
  const closed = once(client, "close");
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await within(WAIT_MS, "the connection's end", closed);
  // The end is announced by one GOAWAY and sealed by another, which the client may see or not.
  assert.equal(events[0], "goaway 0");
  assert.deepEqual([...new Set(events)], ["goaway 0", "end"]);
  const answer = await whole;
  assert.equal(answer.status, 200);
  assert.ok(answer.body.length > 4, "it was not cut");
});

/** Hands connections on to a port that can be changed; those that are open stay where they are. */
async function startSwitch(t, port) {
  const sockets = new Set();
  const self = { port, count: 0 };
  const listener = net.createServer((near) => {
    self.count++;
    const far = net.connect(self.port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => sockets.delete(one));
      one.pipe(other);
    }
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  self.url = `http://127.0.0.1:${listener.address().port}`;
  return self;
}

test("real Deno programs with open watches go on with another server and miss no last change", async (t) => {
  const { path, server: first, session } = await startSession(t);
  const second = await startServer(t, path);
  const address = await startSwitch(t, first.port);
  const programs = Array.from({ length: 3 }, () => {
    const child = spawnDeno("deno/reconnect.ts", [address.url]);
    const program = { states: [], isFinished: false, errors: "", ended: once(child, "close") };
    t.after(() => child.kill("SIGKILL"));
    child.stderr.on("data", (text) => (program.errors += text));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.finished) program.isFinished = true;
      else program.states.push(message.state);
    });
    return program;
  });
  const eventuallyAll = (state) =>
    eventually(60_000, `the state ${state}`, () => programs.every(({ states }) => states.at(-1) === state));
  const setText = (name) => {
    // As Deno writes a string, by way of its own serializer.
    const data = Buffer.concat([Buffer.from([0xff, 0x0f, 0x22, name.length]), Buffer.from(name)]);
    return session.write({
      mutations: [{ key: key("watched"), value: { data, encoding: pb.V8 }, type: pb.SET }],
    });
  };
  await setText("first");
  await eventuallyAll("first");
  address.port = second.port;
  const stopped = first.stop();
  session.url = second.url;
  await setText("while they are without a server");
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await eventuallyAll("while they are without a server");
  await setText("last");
  await eventuallyAll("last");
  for (const program of programs) {
    assert.deepEqual(await within(60_000, "the program's end", program.ended), [0, null], program.errors);
    assert.ok(program.isFinished);
  }
  assert.ok(await session.get(key("from the program")));
});

test("a second signal ends a server at once that drains for a slow reader", async (t) => {
  for (
    const [first, second, code] of [["SIGTERM", "SIGTERM", 143], ["SIGINT", "SIGTERM", 143], [
      "SIGTERM",
      "SIGINT",
      130,
    ]]
  ) {
    const { path, server, session } = await startSession(t, [
      "--drain-timeout",
      "10m",
      "--send-timeout",
      "10m",
    ]);
    await connectSlowReader(t, session);
    server.expected = true;
    server.child.kill(first);
    await eventually(WAIT_MS, "the end of listening", async () => {
      const isRefused = await connectRaw(t, server.url).then(() => false, () => true);
      return isRefused;
    });
    const ended = await server.stop(second);
    assert.deepEqual(ended, { code, signal: null }, `${first}, then ${second}`);
    server.finish = async () => {}; // which asks for 0

    const again = await startServer(t, path);
    session.url = again.url;
    assert.ok(await session.get(key("large", "299")), "what was acknowledged is there");
  }
});

test("a reader that is slow, but reads, gets all of its answer before the server ends", async (t) => {
  const { server, session } = await startSession(t, ["--drain-timeout", "10m"]);
  const reader = await connectSlowReader(t, session);
  const stopped = server.stop();
  reader.socket.resume();
  assert.deepEqual(await stopped, { code: 0, signal: null });
  await eventually(WAIT_MS, "the connection's end", () => reader.isClosed);
  assert.equal(reader.error, null);
  assert.ok(reader.size > 300 * 60_000, `${reader.size} bytes`);
});

test("readers that do not read hold a server up for the drain timeout and no longer", async (t) => {
  const { server, session } = await startSession(t, ["--drain-timeout", "700ms", "--send-timeout", "10m"]);
  const reader = await connectSlowReader(t, session);
  const other = http2.connect(server.url);
  other.on("error", () => {});
  t.after(() => other.destroy());
  const stream = other.request({
    ":method": "POST",
    ":path": `${session.endpoint}/snapshot_read`,
    ...session.headers,
  });
  stream.on("error", () => {});
  stream.end(pb.snapshotRead({ start: key("large"), end: Buffer.from([255]), limit: 300 })); // its window stays shut
  await within(WAIT_MS, "the answer over HTTP/2", once(stream, "response"));
  const began = performance.now();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - began >= 600, "it waited for them");
  reader.socket.resume();
  await eventually(WAIT_MS, "the cut", () => reader.isClosed);
  assert.ok(reader.size < 300 * 60_000, "the answer was cut");
});

test("SIGHUP does not end it", async (t) => {
  const { server, session } = await startSession(t);
  const watch = await WatchStream.open(session, key("watched"));
  t.after(() => watch.close());
  await watch.output();
  for (let i = 0; i < 3; i++) {
    server.child.kill("SIGHUP");
    assert.equal((await session.call("atomic_write", setMessage("watched", String(i)))).status, 200);
    assert.equal(String((await watch.output()).keys[0].entry.value), String(i));
  }
  watch.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

test("writes that wait for another program when the signal comes are answered, and are there", async (t) => {
  const { path, server, session } = await startSession(t, ["--drain-timeout", "10m"]);
  const release = await holdWriteLock(t, path);
  const answers = [];
  for (const [i, request] of [request1, request2, request1, request2].entries()) {
    const other = new Session(request, session.url, "/", session.metadata);
    answers.push(other.call("atomic_write", setMessage(`waiting ${i}`, "x")));
  }
  // They have been accepted once the server has read them; a read that comes later on is answered after that.
  for (let i = 0; i < 20; i++) assert.equal(await session.get(key("nothing")), null);
  const stopped = server.stop();
  await release();
  for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
  assert.deepEqual(await stopped, { code: 0, signal: null });
  const again = await startServer(t, path);
  session.url = again.url;
  for (let i = 0; i < 4; i++) assert.ok(await session.get(key(`waiting ${i}`)));
});

test("writes that wait for another program do not hold the end up for longer than the drain timeout", async (t) => {
  const { path, server, session } = await startSession(t, ["--drain-timeout", "500ms"]);
  const release = await holdWriteLock(t, path);
  const written = session.call("atomic_write", setMessage("waiting", "x")).catch(() => null);
  for (let i = 0; i < 20; i++) assert.equal(await session.get(key("nothing")), null);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  const answer = await within(WAIT_MS, "the end of the write", written);
  assert.ok(answer === null || answer.status === 503);
  await release();
  const again = await startServer(t, path);
  session.url = again.url;
  assert.equal(await session.get(key("waiting")), null, "it was not acknowledged, and is not there");
});

test("a database that another program has for itself does not hold the end up either", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  assert.equal((await tuplet(["db", "create", "--data-dir", folder, "held"])).code, 0);
  const lock = 'db.exec("PRAGMA locking_mode = EXCLUSIVE"); db.exec("BEGIN EXCLUSIVE"); db.exec("DELETE FROM queue")';
  await holdSqlite(t, join(folder, "held", "kv.sqlite3"), lock);
  const args = ["--data-dir", folder, "--drain-timeout", "500ms", "--metrics-addr", "127.0.0.1:0"];
  const server = await startServer(t, null, { args: [...args, "--queue-webhook", "held=http://127.0.0.1:9/"] });
  const metricsUrl = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
  const session = await Session.open(request1, server.url, TOKEN, "/held");
  const answered = session.call("snapshot_read", pb.snapshotRead({ start: key("a"), end: key("b"), limit: 1 }));
  answered.catch(() => {});
  await eventually(WAIT_MS, "the request", async () => {
    const { body } = await request1(metricsUrl, { method: "GET", path: "/metrics" });
    return /^tuplet_requests_in_flight 1$/m.test(String(body));
  });
  // The opening alone would wait for fifteen seconds.
  assert.deepEqual(await within(10_000, "the end", server.stop()), { code: 0, signal: null });
  const answer = await answered.catch(() => null);
  assert.ok(answer === null || answer.status === 503);
});

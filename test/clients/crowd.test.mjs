// A crowd: ten thousand connections that say nothing and ten thousand watches, held at once, with the server's own
// defaults but for the time that a connection may be idle. One change reaches all that watch its key; those that never
// read hold up nobody; what a connection and a watch cost in memory is measured; and when all have gone, so has what
// they held.
//
// The idle connections and those that never read are written by hand, byte by byte, so that it is the server that is
// measured and not a client; the watches are Node's own HTTP/2 client's.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "./lib/connect.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const IDLE_HTTP1 = 8_000;
const IDLE_HTTP2 = 2_000;
const WATCHES = 10_000;
const WATCHES_PER_CONNECTION = 100;
const SLOW_CONNECTIONS = 20; // with
const SLOW_WATCHES = 20; // each, that never read
const AT_A_TIME = 250;
const STEP_TIMEOUT_MS = 45_000;

// What each may cost the server, in bytes: well above what is measured, far below what would hurt.
const IDLE1_SIZE_MAX = 8 * 1024;
const IDLE2_SIZE_MAX = 32 * 1024;
const WATCH_SIZE_MAX = 12 * 1024;

const key = pb.stringKey("watched");

// No address has a share of more than 4096 connections, as the server has it; the whole of 127.0.0.0/8 is this machine.
let addressNumber = 0;
const nextAddress = () => `127.0.0.${1 + (addressNumber++ % 8)}`;

const memoryOf = (pid) => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
const descriptorsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/** Open sockets: a loop's first read opens a file besides, whenever it comes. */
function socketsOf(pid) {
  const isSocket = (name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`).startsWith("socket:");
    } catch {
      return false; // it has been closed meanwhile
    }
  };
  return readdirSync(`/proc/${pid}/fd`).filter(isSocket).length;
}

/** Runs an asynchronous task for 0 up to below count, some at a time. */
async function forEach(count, task) {
  let next = 0;
  const results = new Array(count);
  const work = async () => {
    while (next < count) {
      const number = next++;
      results[number] = await task(number);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, AT_A_TIME) }, work));
  return results;
}

/** A connection on which `bytes` were sent and of which so much was read that `isEnough` of it. */
function open(server, bytes, isEnough) {
  return new Promise((done, fail) => {
    const socket = net.connect({ port: server.port, host: "127.0.0.1", localAddress: nextAddress() });
    let received = Buffer.alloc(0);
    const onData = (data) => {
      received = Buffer.concat([received, data]);
      if (!isEnough(received)) return;
      socket.off("data", onData).pause();
      done(socket);
    };
    socket.once("connect", () => socket.write(bytes)).on("data", onData).on("error", fail);
    socket.once("close", () => fail(new Error(`closed after ${JSON.stringify(received.toString("latin1"))}`)));
  });
}

// ---- HTTP/2, as far as it is needed here (RFC 9113, RFC 7541) ----

const SETTINGS = 4;
const HEADERS = 1;
const DATA = 0;
const END_STREAM = 1;
const END_HEADERS = 4;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string of a header block: its length in seven bits or, beyond them, in further ones of seven bits each. */
function string(value) {
  const bytes = [];
  let rest = value.length - 127;
  for (; rest >= 128; rest = rest >> 7) bytes.push((rest & 127) | 128);
  const length = value.length < 127 ? [value.length] : [127, ...bytes, rest];
  return Buffer.concat([Buffer.from(length), Buffer.from(value)]);
}

/** A header block without compression: each field a literal that is not remembered. */
function fields(headers) {
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), string(name), string(String(value))]),
  );
}

/** Whether a frame of that type is among the bytes, for that stream. */
function hasFrame(bytes, type, stream) {
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes.readUInt8(at + 3) === type && bytes.readUInt32BE(at + 5) === stream) return true;
  }
  return false;
}

const get2 = Buffer.concat([
  Buffer.from(PREFACE),
  frame(SETTINGS, 0, 0),
  frame(SETTINGS, 1, 0),
  frame(HEADERS, END_STREAM | END_HEADERS, 1, fields({ ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "h" })),
]);

/** Watches of a client that gives the server no room for any answer: its windows are closed. */
function slowWatches(session) {
  const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);
  const body = pb.watch(key);
  const parts = [Buffer.from(PREFACE), frame(SETTINGS, 0, 0, noWindow), frame(SETTINGS, 1, 0)];
  for (let i = 0; i < SLOW_WATCHES; i++) {
    const stream = 2 * i + 1;
    const headers = { ":method": "POST", ":scheme": "http", ":path": `${session.endpoint}/watch`, ":authority": "h" };
    parts.push(frame(HEADERS, END_HEADERS, stream, fields({ ...headers, ...session.headers })));
    parts.push(frame(DATA, END_STREAM, stream, body));
  }
  return Buffer.concat(parts);
}

// ---- Watches ----

/** A watch whose latest value is known, and how often there was one. */
class Watch {
  #buffered = Buffer.alloc(0);
  value = null;

  constructor(connection, session, failures) {
    const path = `${session.endpoint}/watch`;
    const stream = connection.request({ ":method": "POST", ":path": path, ...session.headers });
    stream.on("data", (data) => this.#receive(data)).on("error", (error) => failures.push(error));
    stream.on("response", (headers) => headers[":status"] === 200 || failures.push(headers[":status"]));
    stream.end(pb.watch(key));
  }

  #receive(data) {
    this.#buffered = this.#buffered.length === 0 ? data : Buffer.concat([this.#buffered, data]);
    while (this.#buffered.length >= 4 && this.#buffered.length >= 4 + this.#buffered.readUInt32LE(0)) {
      const size = this.#buffered.readUInt32LE(0);
      if (size > 0) this.value = String(pb.decodeWatchOutput(this.#buffered.subarray(4, 4 + size)).keys[0].entry?.value);
      this.#buffered = this.#buffered.subarray(4 + size);
    }
  }
}

const set = (session, value) =>
  session.write({ mutations: [{ key, value: { data: Buffer.from(value), encoding: pb.BYTES }, type: pb.SET }] });

/** A connection of Node's client, with that many watches. */
async function openWatches(t, server, session, count, failures) {
  const createConnection = () =>
    net.connect({ port: server.port, host: "127.0.0.1", localAddress: nextAddress() });
  const connection = http2.connect(server.url, { createConnection });
  t.after(() => connection.destroy());
  connection.on("error", (error) => failures.push(error));
  await new Promise((done) => connection.once("connect", done));
  return { connection, watches: Array.from({ length: count }, () => new Watch(connection, session, failures)) };
}

/** How long it took until all watches knew the value. */
async function spread(session, watches, value) {
  const started = performance.now();
  await set(session, value);
  await eventually(STEP_TIMEOUT_MS, `"${value}" at all watches`, () => watches.every((watch) => watch.value === value));
  return Math.round(performance.now() - started);
}

test("ten thousand idle connections and ten thousand watches are held at once", async (t) => {
  const limit = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "latin1"))[1]);
  assert.ok(limit >= 12_000, `the hard limit on open files is ${limit}; this test needs 12000 (ulimit -Hn)`);
  const folder = await temporaryFolder(t);
  const args = ["--idle-timeout", "10m", "--send-timeout", "10m"];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  const pid = server.child.pid;
  const session = await Session.open(request1, server.url, TOKEN);
  const failures = [];
  const report = (what) => t.diagnostic(what);
  const sockets = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));

  // What is made once and stays is not what the crowd costs.
  const get1 = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
  const isAnswer1 = (bytes) => bytes.includes("\r\n\r\n");
  const isAnswer2 = (bytes) => hasFrame(bytes, HEADERS, 1);
  await set(session, "at first");
  const first = await openWatches(t, server, session, 1, failures);
  await eventually(STEP_TIMEOUT_MS, "the first watch", () => first.watches[0].value === "at first");
  sockets.push(await open(server, get1, isAnswer1), await open(server, get2, isAnswer2));
  const socketsBefore = socketsOf(pid);
  const filesBefore = descriptorsOf(pid) - socketsBefore;
  let memory = memoryOf(pid);
  const memoryBefore = memory;
  const grown = () => {
    const before = memory;
    memory = memoryOf(pid);
    return memory - before;
  };

  const started = performance.now();
  sockets.push(...await forEach(IDLE_HTTP1, () => open(server, get1, isAnswer1)));
  const idle1 = Math.round(grown() / IDLE_HTTP1);
  sockets.push(...await forEach(IDLE_HTTP2, () => open(server, get2, isAnswer2)));
  const idle2 = Math.round(grown() / IDLE_HTTP2);
  report(`${sockets.length} idle connections after ${Math.round(performance.now() - started)} ms`);
  report(`an idle connection: ${idle1} bytes with HTTP/1.1, ${idle2} with HTTP/2`);
  assert.ok(idle1 <= IDLE1_SIZE_MAX && idle2 <= IDLE2_SIZE_MAX);

  const opened = await forEach(
    WATCHES / WATCHES_PER_CONNECTION,
    () => openWatches(t, server, session, WATCHES_PER_CONNECTION, failures),
  );
  const watches = opened.flatMap((one) => one.watches);
  await eventually(
    STEP_TIMEOUT_MS,
    "the first state at all watches",
    () => failures.length > 0 || watches.every((watch) => watch.value === "at first"),
  );
  assert.deepEqual(failures, []);
  const perWatch = Math.round(grown() / WATCHES);
  report(`a watch: ${perWatch} bytes, its share of ${WATCHES / WATCHES_PER_CONNECTION} connections included`);
  assert.ok(perWatch <= WATCH_SIZE_MAX);
  report(`a change reached all ${watches.length} watches after ${await spread(session, watches, "changed")} ms`);

  const isAllHeads = (bytes) => hasFrame(bytes, HEADERS, 2 * SLOW_WATCHES - 1);
  const slow = await forEach(SLOW_CONNECTIONS, () => open(server, slowWatches(session), isAllHeads));
  sockets.push(...slow);
  report(`with ${SLOW_CONNECTIONS * SLOW_WATCHES} that never read: ${await spread(session, watches, "again")} ms`);
  for (let i = 0; i < 10; i++) await set(session, `in passing ${i}`);
  report(`and after 10 more in a row: ${await spread(session, watches, "in the end")} ms`);
  assert.deepEqual(failures, []);
  assert.ok(slow.every((socket) => !socket.destroyed));
  const connections = socketsBefore + sockets.length - 2 + opened.length;
  // The last write's own connection may be about to go.
  await eventually(STEP_TIMEOUT_MS, `${connections} sockets`, () => socketsOf(pid) === connections);
  report(`in all: ${Math.round(memoryOf(pid) / 1024 / 1024)} MiB, ${descriptorsOf(pid)} descriptors`);

  // Somebody new is served beside them as ever.
  assert.equal(String((await session.get(key)).value), "in the end");

  for (const { connection } of opened) connection.destroy();
  for (const socket of sockets.slice(2)) socket.destroy();
  await eventually(STEP_TIMEOUT_MS, "the end of all connections", () => socketsOf(pid) <= socketsBefore);
  assert.ok(descriptorsOf(pid) - socketsOf(pid) <= filesBefore + availableParallelism()); // each loop's log, no more
  const left = () => (memoryOf(pid) - memoryBefore) / (memory - memoryBefore);
  await eventually(STEP_TIMEOUT_MS, "the return of the memory", () => left() < 0.25);
  report(`afterwards: ${Math.round(memoryOf(pid) / 1024 / 1024)} MiB, ${Math.round(100 * left())} % of what was added`);
  await within(STEP_TIMEOUT_MS, "a write", spread(session, first.watches, "after them"));
});

// What the transports allow beyond one request and its answer: pipelining, bodies in chunks, connections kept, many
// streams at once; and that both are told apart by their first bytes on one port.

import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "./lib/connect.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const ANSWER_TIMEOUT_MS = 20_000;
const bytes = (text) => ({ data: Buffer.from(text), encoding: pb.BYTES });

async function startSession(t) {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  return { server, session: await Session.open(request1, server.url, TOKEN) };
}

/** A connection on which bytes are written by hand, and all that comes is kept. */
async function connect(t, port) {
  const socket = net.connect(port, "127.0.0.1");
  const connection = { socket, received: "", ended: false };
  socket.on("data", (data) => (connection.received += data.toString("latin1")));
  socket.on("close", () => (connection.ended = true)).on("error", () => {});
  t.after(() => socket.destroy());
  await within(ANSWER_TIMEOUT_MS, "the connection", new Promise((done) => socket.once("connect", done)));
  return connection;
}

function requestText(session, what, body, more = "") {
  const headers = Object.entries(session.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = more.includes("transfer-encoding") ? "" : `content-length: ${body.length}\r\n`;
  return `POST ${session.endpoint}/${what} HTTP/1.1\r\nhost: localhost\r\n${headers}${length}${more}\r\n`;
}

const set = (name, value) =>
  pb.atomicWrite({ mutations: [{ key: pb.stringKey(name), value: bytes(value), type: pb.SET }] });

test("pipelined requests are answered in their order", async (t) => {
  const { server, session } = await startSession(t);
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const keyOf = (i) => pb.stringKey("pipelined", String(i).padStart(2, "0"));
  await session.write({
    mutations: numbers.map((i) => ({ key: keyOf(i), value: bytes(`value ${i}`), type: pb.SET })),
  });
  const shuffled = numbers.map((i) => (i * 7) % 40);
  const requests = shuffled.map((i) => {
    const body = pb.snapshotRead({ start: keyOf(i), end: Buffer.from([255]), limit: 1 });
    return Buffer.concat([Buffer.from(requestText(session, "snapshot_read", body)), body]);
  });
  const connection = await connect(t, server.port);
  connection.socket.write(Buffer.concat(requests));
  const values = () => [...connection.received.matchAll(/value (\d+)/g)].map((found) => Number(found[1]));
  await eventually(ANSWER_TIMEOUT_MS, "forty answers", () => values().length === 40);
  assert.deepEqual(values(), shuffled);
});

test("a body in chunks, and one that waits for the go-ahead, are taken", async (t) => {
  const { server, session } = await startSession(t);
  const body = set("chunked", "in pieces");

  const chunked = await connect(t, server.port);
  chunked.socket.write(requestText(session, "atomic_write", body, "transfer-encoding: chunked\r\n"));
  for (const byte of body) {
    chunked.socket.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.from([byte, 13, 10])]));
  }
  chunked.socket.write("0\r\n\r\n");
  await eventually(ANSWER_TIMEOUT_MS, "the answer", () => chunked.received.includes("HTTP/1.1 200"));
  assert.equal(String((await session.get(pb.stringKey("chunked"))).value), "in pieces");

  const waiting = await connect(t, server.port);
  waiting.socket.write(requestText(session, "atomic_write", body, "expect: 100-continue\r\n"));
  await eventually(ANSWER_TIMEOUT_MS, "the go-ahead", () => waiting.received.includes("HTTP/1.1 100"));
  waiting.socket.write(body);
  await eventually(ANSWER_TIMEOUT_MS, "the answer", () => waiting.received.includes("HTTP/1.1 200"));
});

test("a connection is kept for many requests", async (t) => {
  const { server, session } = await startSession(t);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set();
  const body = set("kept", "x");
  for (let i = 0; i < 20; i++) {
    const path = `${session.endpoint}/atomic_write`;
    const options = {
      hostname: "127.0.0.1",
      port: server.port,
      method: "POST",
      path,
      headers: session.headers,
      agent,
    };
    const status = await new Promise((done, fail) => {
      const request = http.request(options, (response) => {
        ports.add(request.socket.localPort);
        response.on("end", () => done(response.statusCode)).resume();
      });
      request.on("error", fail).end(body);
    });
    assert.equal(status, 200);
  }
  assert.equal(ports.size, 1);
});

test("two hundred streams on one HTTP/2 connection are all answered", async (t) => {
  const { server, session } = await startSession(t);
  const connection = http2.connect(server.url);
  t.after(() => connection.destroy());
  const call = (i) =>
    new Promise((done, fail) => {
      const path = `${session.endpoint}/atomic_write`;
      const stream = connection.request({ ":method": "POST", ":path": path, ...session.headers });
      stream.on("response", (headers) => done(headers[":status"])).on("error", fail).resume();
      stream.end(set(`stream ${i}`, "x".repeat(1000)));
    });
  const statuses = await within(
    ANSWER_TIMEOUT_MS,
    "the answers",
    Promise.all(Array.from({ length: 200 }, (_, i) => call(i))),
  );
  assert.deepEqual(new Set(statuses), new Set([200]));
});

test("bytes that are neither protocol, or stop in the middle, harm nobody", async (t) => {
  const { server, session } = await startSession(t);
  const beginnings = {
    "nothing at all": "",
    "a TLS greeting": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "half of HTTP/2's preface": "PRI * HTTP/2.0\r\n\r\n",
    "the preface and then text": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "zeros": "\0".repeat(1000),
    "a header that never ends": `POST / HTTP/1.1\r\nx: ${"y".repeat(200_000)}`,
    "two lengths": "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length and chunks":
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  };
  for (const text of Object.values(beginnings)) {
    const connection = await connect(t, server.port);
    connection.socket.write(Buffer.from(text, "latin1"));
  }
  const broken = await connect(t, server.port);
  broken.socket.write(Buffer.from("\0".repeat(1000)));
  await eventually(ANSWER_TIMEOUT_MS, "the end of a connection that speaks neither", () => broken.ended);
  assert.equal((await session.write({ mutations: [] })).status, 1);
});

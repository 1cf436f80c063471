// Watches that are read more slowly than their key changes, over both protocols: the server holds one message for each,
// whatever comes in between is merged, and the reader sees the newest state as soon as it reads again.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "./lib/connect.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const WAIT_MS = 60_000;
const VALUE_SIZE = 60_000;
const CHANGES = 400; // 24 MB: more than the sockets of both sides take
const WATCHERS = 100;
const MEMORY_MAX_KB = 64 * 1024; // for all of them; a message each is 6 MB, all changes would be 2.4 GB

const key = pb.stringKey("busy");

const valueOf = (number) => {
  const data = Buffer.alloc(VALUE_SIZE, 65);
  data.writeUInt32LE(number, 0);
  return { data, encoding: pb.BYTES };
};

const change = (session, number) => session.write({ mutations: [{ key, value: valueOf(number), type: pb.SET }] });

/** Takes a watch's stream apart as it comes; numbers are those of the values seen, in their order. */
class WatchReader {
  numbers = [];
  #rest = Buffer.alloc(0);

  take(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4 && this.#rest.length >= 4 + this.#rest.readUInt32LE(0)) {
      const size = this.#rest.readUInt32LE(0);
      const { keys } = size > 0 ? pb.decodeWatchOutput(this.#rest.subarray(4, 4 + size)) : { keys: [] };
      for (const { entry } of keys) this.numbers.push(entry.value.readUInt32LE(0));
      this.#rest = this.#rest.subarray(4 + size);
    }
  }
}

const WAYS = {
  "HTTP/1.1": async (t, session) => {
    const { hostname, port } = new URL(session.url);
    const path = `${session.endpoint}/watch`;
    const request = http.request({ hostname, port, method: "POST", path, headers: session.headers, agent: false });
    t.after(() => request.destroy());
    request.on("error", () => {}).end(pb.watch(key));
    return (await within(WAIT_MS, "the head", once(request, "response")))[0];
  },
  "HTTP/2": (t, session) => watch2(t, session, connect2(t, session)),
};

function connect2(t, session) {
  const connection = http2.connect(session.url);
  t.after(() => connection.destroy());
  return connection.on("error", () => {});
}

async function watch2(t, session, connection) {
  const stream = connection.request({
    ":method": "POST",
    ":path": `${session.endpoint}/watch`,
    ...session.headers,
  });
  stream.on("error", () => {}).end(pb.watch(key));
  const [head] = await within(WAIT_MS, "the head", once(stream, "response"));
  assert.equal(head[":status"], 200);
  return stream;
}

async function start(t) {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), {
    args: ["--send-timeout", "10m"], // so that slowness is all there is to it
  });
  const session = await Session.open(request1, server.url, TOKEN);
  await change(session, 0);
  return { server, session };
}

for (const [name, open] of Object.entries(WAYS)) {
  test(`over ${name} a slow reader misses what is in between, and not the end`, async (t) => {
    const { session } = await start(t);
    const stream = await open(t, session);
    const reader = new WatchReader();
    stream.on("data", (chunk) => reader.take(chunk));
    await eventually(WAIT_MS, "the first state", () => reader.numbers.length === 1);
    stream.pause();
    for (let i = 1; i <= CHANGES; i++) await change(session, i);
    assert.ok(!reader.numbers.includes(CHANGES));
    stream.resume();
    await eventually(WAIT_MS, "the newest state", () => reader.numbers.at(-1) === CHANGES);
    const { numbers } = reader;
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b)); // never back, nothing twice
    assert.ok(numbers.length < CHANGES / 2, `${numbers.length} messages`);
    await change(session, CHANGES + 1);
    await eventually(WAIT_MS, "a further change", () => numbers.at(-1) === CHANGES + 1);
  });
}

test("a hundred watchers that do not read make the server hold a message each", async (t) => {
  const { server, session } = await start(t);
  const memoryKb = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, "utf8"))[1]);
  for (let i = 1; i <= 10; i++) await change(session, i); // what writing takes by itself
  const before = memoryKb();
  const readers = [];
  for (let i = 0; i < WATCHERS; i += 10) {
    const connection = connect2(t, session);
    for (let j = 0; j < 10; j++) {
      const stream = await watch2(t, session, connection); // nobody listens to its data: its window stays shut
      readers.push(stream);
    }
  }
  for (let i = 1; i <= CHANGES; i++) await change(session, i);
  const grown = memoryKb() - before;
  assert.ok(grown < MEMORY_MAX_KB, `${grown} KiB more than before`);
  const last = new WatchReader();
  readers.at(-1).on("data", (chunk) => last.take(chunk));
  await eventually(WAIT_MS, "the newest state", () => last.numbers.at(-1) === CHANGES);
  assert.ok(last.numbers.length <= 4, `${last.numbers.length} messages`);
});

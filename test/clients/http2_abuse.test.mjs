// What HTTP/2 offers to those who mean harm, against the server: each abuse costs the abusers their connections, the
// server little memory, and a neighbour on the same loop nothing.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import test from "node:test";
import * as h2 from "./lib/frames.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "./lib/harness.mjs";

const END_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 20_000;
const ABUSERS = 4;
const MEMORY_MAX_KB = 64 * 1024; // more than before the abuse

const HEAD = h2.headerBlock({ ":method": "GET", ":scheme": "http", ":authority": "h", ":path": "/" });
const POST = h2.headerBlock({
  ":method": "POST",
  ":scheme": "http",
  ":authority": "h",
  ":path": "/",
  "authorization": `Bearer ${TOKEN}`,
});
const EMPTY_BLOCK = h2.headerBlock({ x: "" });

const many = (count, one) => Buffer.concat(Array.from({ length: count }, (_, i) => one(i)));
const ask = (stream) => h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, HEAD);
const askWithBody = (stream) => h2.frame(h2.HEADERS, h2.END_HEADERS, stream, POST);
const goOn = (step) => async (connection) => {
  for (let i = 0; !connection.ended; i++) await connection.send(step(i));
};
const onceAndWait = (frames) => async (connection) => await connection.send(frames);
const HELLO = h2.frame(h2.SETTINGS);
const HELLO_ACKED = Buffer.concat([HELLO, h2.frame(h2.SETTINGS, h2.ACK)]);

/** A header of 4000 bytes that is put into the table, and then named by one byte, again and again. */
const BOMB = Buffer.concat([
  h2.headerBlock({ ":method": "GET", ":scheme": "http", ":authority": "h", ":path": "/" }),
  Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]),
  Buffer.alloc(4000, 0x79),
  Buffer.alloc(12_000, 0xbe),
]);

// Each: what an abuser sends first, and then; `reads: false` for one who takes nothing.
const abuses = {
  "requests that are taken back at once": {
    then: goOn((i) =>
      many(100, (k) => {
        const stream = 200 * i + 2 * k + 1;
        return Buffer.concat([ask(stream), h2.frame(h2.RST_STREAM, 0, stream, h2.numbers(8))]);
      })
    ),
  },
  "requests that the server is made to reset": {
    then: goOn((i) =>
      many(100, (k) => {
        const stream = 200 * i + 2 * k + 1;
        const overflow = h2.frame(h2.WINDOW_UPDATE, 0, stream, h2.numbers(0x7fffffff));
        return Buffer.concat([askWithBody(stream), overflow]);
      })
    ),
  },
  "settings": { then: goOn(() => many(500, () => h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 1000)))) },
  "pings": { then: goOn(() => many(500, () => h2.frame(h2.PING, 0, 0, Buffer.alloc(8)))) },
  "pings by one who does not read": {
    reads: false,
    then: goOn(() => many(500, () => h2.frame(h2.PING, 0, 0, Buffer.alloc(8)))),
  },
  "headers that never end": {
    first: h2.frame(h2.HEADERS, h2.END_STREAM, 1, HEAD),
    then: goOn(() => h2.frame(h2.CONTINUATION, 0, 1, many(1000, () => EMPTY_BLOCK))),
  },
  "bodies of nothing": {
    first: askWithBody(1),
    then: goOn(() => many(500, () => h2.frame(h2.DATA, 0, 1))),
  },
  "headers without a name": {
    then: goOn((i) => {
      const block = Buffer.concat([HEAD, many(5000, () => Buffer.from([0, 0, 0]))]);
      return h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 2 * i + 1, block);
    }),
  },
  "headers that HPACK blows up": {
    then: goOn((i) => h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 2 * i + 1, BOMB)),
  },
  "priorities": {
    then: goOn(() => many(500, () => h2.frame(h2.PRIORITY, 0, 5, Buffer.from([0, 0, 0, 3, 16])))),
  },
  "frames that nobody knows": { then: goOn(() => many(500, () => h2.frame(0xee, 0, 0, Buffer.alloc(3)))) },
  "windows that overflow": {
    then: onceAndWait(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.numbers(0x7fffffff))),
  },
  "windows that open byte by byte": {
    first: Buffer.concat([h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 1)), many(100, (i) => ask(2 * i + 1))]),
    then: goOn(() => many(500, () => h2.frame(h2.WINDOW_UPDATE, 0, 1, h2.numbers(1)))),
  },
  "windows that never open": {
    first: h2.frame(h2.SETTINGS, 0, 0, h2.setting(4, 0)),
    then: onceAndWait(many(200, (i) => ask(2 * i + 1))),
  },
  "settings that are not acknowledged": { hello: HELLO, then: onceAndWait(ask(1)) },
  "a head without an end": { then: onceAndWait(h2.frame(h2.HEADERS, 0, 1, HEAD)) },
};

/** Asks the server as fast as it answers, on one connection. */
class Neighbour {
  answers = 0;
  slowestMs = 0;
  #stopped = false;

  constructor(t, url) {
    this.session = http2.connect(url);
    t.after(() => this.session.destroy());
    this.done = this.#run();
    this.done.catch(() => {}); // stop() tells
  }

  async #run() {
    while (!this.#stopped) {
      const start = performance.now();
      const stream = this.session.request({ ":path": "/" });
      const answer = new Promise((done, fail) => {
        stream.on("response", (headers) => stream.on("end", () => done(headers[":status"])).resume());
        stream.on("error", fail);
      });
      assert.equal(await within(ANSWER_TIMEOUT_MS, "the neighbour's answer", answer), 200);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
      this.answers++;
    }
  }

  async stop() {
    this.#stopped = true;
    await this.done;
  }
}

function memoryKb(server) {
  const status = readFileSync(`/proc/${server.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
}

async function abuse(t, port, { hello = HELLO_ACKED, first = Buffer.alloc(0), then, reads = true }) {
  const connection = new h2.FrameConnection(t, port, { reads });
  await connection.send(hello, first);
  await then(connection);
  await eventually(END_TIMEOUT_MS, "the end of the abuser's connection", () => connection.ended);
}

test("abusers lose their connections, and nobody else loses anything", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), {
    args: ["--num-workers", "1", "--header-timeout", "2s", "--send-timeout", "2s"],
  });
  const neighbour = new Neighbour(t, server.url);
  await eventually(ANSWER_TIMEOUT_MS, "the neighbour's first answer", () => neighbour.answers > 0);
  const before = memoryKb(server);
  for (const [name, what] of Object.entries(abuses)) {
    await t.test(name, async (t) => {
      const answers = neighbour.answers;
      await Promise.all(Array.from({ length: ABUSERS }, () => abuse(t, server.port, what)));
      assert.ok(memoryKb(server) < before + MEMORY_MAX_KB, `${memoryKb(server)} KiB after ${before}`);
      await eventually(ANSWER_TIMEOUT_MS, "the neighbour's next answer", () => neighbour.answers > answers);
    });
  }
  await neighbour.stop();
  t.diagnostic(`the neighbour had ${neighbour.answers} answers, the slowest in ${neighbour.slowestMs.toFixed(1)} ms`);
});

test("a stream without an end is ended, and its connection goes on", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), {
    args: ["--num-workers", "1", "--body-timeout", "1s"],
  });
  const connection = new h2.FrameConnection(t, server.port);
  await connection.send(HELLO_ACKED, many(200, (i) => askWithBody(2 * i + 1)));
  await eventually(END_TIMEOUT_MS, "the resets", () => connection.counts.get(h2.RST_STREAM) === 200);
  assert.equal(connection.counts.get(h2.HEADERS), 200); // each with a 408
  await connection.send(ask(401));
  await eventually(END_TIMEOUT_MS, "an answer", () => connection.counts.get(h2.HEADERS) === 201);
  assert.equal(connection.goaway, null);
});

// Clients that take their answers slowly, or not at all, over both protocols: they are cut off after the send timeout,
// what is held for them is bounded, and nobody else notices.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import { join } from "node:path";
import test from "node:test";
import { request1, Session, WatchStream } from "./lib/connect.mjs";
import { eventually, sleep, startServer, temporaryFolder, TOKEN, within } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { connectRaw, requestBytes } from "./lib/raw.mjs";

const WAIT_MS = 20_000;
const MIB = 1024 * 1024;
const VALUE_SIZE = 60_000;
const VALUES = 300; // 18 MB: more than sockets on both sides take
const key = pb.stringKey;

const LARGE = pb.snapshotRead({
  start: key("large"),
  end: Buffer.concat([key("large"), Buffer.from([255])]),
  limit: VALUES,
});

async function start(t, ...args) {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), { args });
  const session = await Session.open(request1, server.url, TOKEN);
  const value = { data: Buffer.alloc(VALUE_SIZE, 65), encoding: pb.BYTES };
  for (let i = 0; i < VALUES; i += 10) {
    const mutations = Array.from({ length: 10 }, (_, j) => ({
      key: key("large", String(i + j).padStart(4, "0")),
      value,
      type: pb.SET,
    }));
    assert.equal((await session.write({ mutations })).status, 1);
  }
  return { server, session };
}

/** Connections that both sides hold open, as the kernel counts them. */
async function countConnections(server) {
  const port = server.port.toString(16).toUpperCase().padStart(4, "0");
  const established = new RegExp(`^ *\\d+: 0100007F:${port} \\S+ 01 `, "gm");
  return (await readFile("/proc/net/tcp", "utf8")).match(established)?.length ?? 0;
}

async function residentBytes(server) {
  const status = await readFile(`/proc/${server.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
}

/** Takes one byte a second, and what libraries and kernels take by themselves. */
function takeSlowly(t, socket) {
  socket.pause();
  const timer = setInterval(() => socket.read(1), 1000);
  t.after(() => clearInterval(timer));
}

/** Each begins to fetch the large answer in its way, and resolves once a part of it has come; or throws when the server
 *  refuses. */
const WAYS = {
  "HTTP/1.1, never reads": async (t, session) => {
    const reader = await connectRaw(t, session.url);
    reader.socket.pause();
    reader.socket.write(requestBytes(session, "snapshot_read", LARGE));
    await eventually(WAIT_MS, "the beginning", () => reader.socket.bytesRead > 0);
  },
  "HTTP/1.1, stops in the middle": async (t, session) => {
    const reader = await fetch1(t, session);
    await eventually(WAIT_MS, "a part", () => reader.size > MIB);
    reader.socket.pause();
  },
  "HTTP/1.1, a byte a second": async (t, session) => takeSlowly(t, (await fetch1(t, session)).socket),
  "HTTP/2, whose window stays shut": async (t, session) => {
    await call2(t, session, LARGE); // nothing consumes the stream's data
  },
  "HTTP/2, stops in the middle": async (t, session) => {
    const stream = await call2(t, session, LARGE);
    let size = 0;
    stream.on("data", (chunk) => {
      size += chunk.length;
      if (size > MIB) stream.pause();
    });
    await eventually(WAIT_MS, "a part", () => size > MIB);
  },
  "HTTP/2, a byte a second": async (t, session) => takeSlowly(t, await call2(t, session, LARGE)),
};

async function fetch1(t, session) {
  const reader = await connectRaw(t, session.url);
  reader.socket.write(requestBytes(session, "snapshot_read", LARGE));
  await eventually(WAIT_MS, "the beginning", () => reader.size > 0);
  if (reader.text.startsWith("HTTP/1.1 503 ")) throw new Error("refused");
  return reader;
}

async function call2(t, session, body, what = "snapshot_read") {
  const client = http2.connect(session.url);
  t.after(() => client.destroy());
  client.on("error", () => {});
  const path = `${session.endpoint}/${what}`;
  const stream = client.request({ ":method": "POST", ":path": path, ...session.headers });
  stream.on("error", () => {});
  stream.end(body);
  const [head] = await within(WAIT_MS, "the head", once(stream, "response"));
  if (head[":status"] !== 200) throw new Error("refused");
  return stream;
}

test("who does not take answers is cut off after the send timeout", async (t) => {
  const { server, session } = await start(t, "--send-timeout", "1s");
  for (const [way, begin] of Object.entries(WAYS)) {
    await t.test(way, async (t) => {
      await eventually(WAIT_MS, "quiet", async () => await countConnections(server) === 0);
      const begunMs = Date.now();
      await begin(t, session);
      const count = await countConnections(server);
      if (Date.now() - begunMs < 1000) assert.equal(count, 1); // a busy machine may have taken longer
      await eventually(WAIT_MS, "the cut", async () => await countConnections(server) === 0);
    });
  }
});

test("watchers that stop reading are cut off, too, when there is something to tell them", async (t) => {
  const { server, session } = await start(t, "--send-timeout", "1s");
  const busy = key("busy");
  const watch1 = await WatchStream.open(session, busy);
  t.after(() => watch1.close());
  watch1.response.pause();
  await call2(t, session, pb.watch(busy), "watch");
  const value = { data: Buffer.alloc(VALUE_SIZE, 66), encoding: pb.BYTES };
  const write = async () => {
    for (let i = 0; i < 10; i++) await session.write({ mutations: [{ key: busy, value, type: pb.SET }] });
  };
  await eventually(60_000, "the cut of both", async () => {
    await write();
    await sleep(10); // for the connections of these writes to be closed
    return await countConnections(server) === 0;
  });
});

/** How long a small read takes, in the middle of 200, in milliseconds. */
async function medianLatency(session) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(session.url);
  const body = pb.snapshotRead({ start: key("nothing"), end: Buffer.from([255]), limit: 1 });
  const path = `${session.endpoint}/snapshot_read`;
  const times = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    await within(
      WAIT_MS,
      "a neighbour's answer",
      new Promise((done, fail) => {
        const options = { hostname, port, method: "POST", path, agent, headers: session.headers };
        const request = http.request(options, (response) => response.on("end", done).resume());
        request.on("error", fail).end(body);
      }),
    );
    times.push(performance.now() - began);
  }
  agent.destroy();
  return times.sort((a, b) => a - b)[100];
}

test("a crowd of slow readers takes bounded memory and nobody else's time", async (t) => {
  const { server, session } = await start(t, "--send-timeout", "10m", "--memory-max", "128M");
  const quiet = await medianLatency(session);
  const before = await residentBytes(server);
  const { "HTTP/1.1, never reads": _, ...ways } = WAYS; // who never reads does not see that it is refused
  let refused = 0;
  for (let i = 0; i < 6; i++) {
    for (const begin of Object.values(ways)) {
      await begin(t, session).catch((error) => {
        assert.equal(error.message, "refused");
        refused++;
      });
    }
  }
  const crowded = await medianLatency(session);
  assert.ok(crowded < 10 * quiet + 25, `${crowded} ms instead of ${quiet} ms`);
  const grown = (await residentBytes(server)) - before;
  // 30 answers of 18 MB are 540 MB. Beside what the bound counts there is what is read and written at the moment.
  assert.ok(grown < 224 * MIB, `${Math.round(grown / MIB)} MiB more`);
  assert.ok(refused > 0, "those that do not fit are refused");
  const crowd = `in a crowd of ${30 - refused}, with ${Math.round(grown / MIB)} MiB more`;
  t.diagnostic(`median ${quiet.toFixed(2)} ms; ${crowded.toFixed(2)} ms ${crowd}`);
});

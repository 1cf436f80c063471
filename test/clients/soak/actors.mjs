// What goes on in the soak test's own process: clients that count what was acknowledged, and clients that behave badly.
// Each is a function that goes on until `soak.isOver()`.

import { randomBytes } from "node:crypto";
import http2 from "node:http2";
import net from "node:net";
import { request1, request2, Session, WatchStream } from "../lib/connect.mjs";
import { sleep } from "../lib/harness.mjs";
import * as pb from "../lib/protobuf.mjs";
import { requestBytes } from "../lib/raw.mjs";

const key = pb.stringKey;
const ONE = { data: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), encoding: pb.LE64 };
const EVERYTHING = pb.snapshotRead({ start: Buffer.from([0]), end: Buffer.from([255]), limit: 1000 });

const LITTLE = pb.snapshotRead({ start: key("count"), end: key("counu"), limit: 10 });

/** Adds one to the counter of any of many databases, and keeps count of what was acknowledged for each. */
export async function countInDatabases(soak, names) {
  const sessions = new Map();
  while (!soak.isOver()) {
    const name = names[Math.floor(Math.random() * names.length)];
    const request = Math.random() < 0.5 ? request1 : request2;
    try {
      const session = sessions.get(name) ?? await Session.open(request, soak.url, soak.token(), `/${name}`);
      sessions.set(name, session);
      const mutations = [{ key: key("n"), value: ONE, type: pb.SUM }];
      const answer = await session.call("atomic_write", pb.atomicWrite({ mutations }));
      if (answer.status === 200) soak.acknowledge(name);
      else if (answer.status === 401) sessions.delete(name); // its token was revoked
      else soak.note(`databases: ${answer.status} ${answer.body}`);
    } catch (error) {
      sessions.delete(name);
      // A token may be revoked between its choice and its use.
      if (!/answered 401/.test(error.message)) soak.note(`databases: ${error.message}`);
    }
  }
}

/** Values of all sizes over a bounded set of keys: set, overwritten, expiring, deleted, listed. */
export async function writeAndRead(soak) {
  const session = await Session.open(request2, soak.url, soak.accessToken);
  while (!soak.isOver()) {
    const number = String(Math.floor(Math.random() * 500));
    const size = Math.floor(Math.random() ** 3 * 60_000);
    const value = { data: randomBytes(size), encoding: pb.BYTES };
    const expireAtMs = Math.random() < 0.3
      ? BigInt(Date.now() + Math.floor(Math.random() * 3000))
      : undefined;
    const isDelete = Math.random() < 0.2;
    const mutation = isDelete
      ? { key: key("blob", number), type: pb.DELETE }
      : { key: key("blob", number), value, type: pb.SET, expireAtMs };
    const written = await session.call("atomic_write", pb.atomicWrite({ mutations: [mutation] }));
    if (written.status !== 200) soak.note(`blobs: ${written.status} ${written.body}`);
    const read = await session.call(
      "snapshot_read",
      pb.snapshotRead({ start: key("blob", number), end: key("c"), limit: 10 }),
    );
    if (read.status !== 200) soak.note(`blobs: ${read.status} ${read.body}`);
    soak.count("reads and writes");
  }
}

/** Opens watches over HTTP/1.1, waits for a state or two, and is gone. */
export async function watchAndLeave(soak) {
  const session = await Session.open(request1, soak.url, soak.accessToken);
  while (!soak.isOver()) {
    const streams = await Promise.all(
      [1, 2, 3].map(() => WatchStream.open(session, key("count"), key("blob", "7"))),
    );
    for (const stream of streams) {
      await stream.output();
      stream.close();
    }
    soak.count("watches left");
    await sleep(20);
  }
}

/** A connection that is torn down by a reset in the middle of what it has sent. */
export async function reset(soak) {
  const session = await Session.open(request1, soak.url, soak.accessToken);
  const write = pb.atomicWrite({
    mutations: [{
      key: key("reset"),
      value: { data: randomBytes(20_000), encoding: pb.BYTES },
      type: pb.SET,
    }],
  });
  const requests = [
    requestBytes(session, "atomic_write", write),
    requestBytes(session, "snapshot_read", EVERYTHING),
    requestBytes(session, "watch", pb.watch(key("count"))),
  ];
  while (!soak.isOver()) {
    const bytes = Buffer.concat([0, 1, 2].map(() => requests[Math.floor(Math.random() * 3)]));
    await withSocket(soak, async (socket) => {
      socket.write(bytes.subarray(0, Math.floor(Math.random() * bytes.length)));
      await sleep(Math.random() * 20);
      socket.resetAndDestroy();
    });
    soak.count("resets");
  }
}

/** Asks for much and does not read it, or sends half of a request and waits: until the server has enough. */
export async function stall(soak) {
  const session = await Session.open(request1, soak.url, soak.accessToken);
  const half = requestBytes(session, "atomic_write", Buffer.from("half"), { "content-length": 1000 });
  const attempts = [
    requestBytes(session, "snapshot_read", EVERYTHING),
    half,
    half.subarray(0, 100),
    Buffer.concat([requestBytes(session, "watch", pb.watch(key("count"))), half]),
    randomBytes(100),
  ];
  while (!soak.isOver()) {
    const bytes = attempts[Math.floor(Math.random() * attempts.length)];
    await withSocket(soak, async (socket) => {
      socket.pause();
      socket.write(bytes);
      await Promise.race([new Promise((done) => socket.once("close", done)), sleep(3000)]);
      socket.destroy();
    });
    soak.count("stalls");
  }
}

async function withSocket(soak, use) {
  const { hostname, port } = new URL(soak.url);
  const socket = net.connect(Number(port), hostname);
  socket.on("error", () => {});
  await new Promise((done) => socket.once("connect", done).once("close", done));
  await use(socket);
  socket.destroy();
}

/** Streams of HTTP/2 that are cancelled at once or soon, and sessions that vanish with streams open. */
export async function cancel(soak) {
  const session = await Session.open(request2, soak.url, soak.accessToken);
  while (!soak.isOver()) {
    const client = http2.connect(soak.url);
    client.on("error", () => {});
    const streams = Array.from({ length: 20 }, (_, i) => {
      const what = ["watch", "snapshot_read", "atomic_write"][i % 3];
      const body = i === 1 ? EVERYTHING : [pb.watch(key("count")), LITTLE, pb.atomicWrite({})][i % 3];
      const stream = client.request({
        ":method": "POST",
        ":path": `${session.endpoint}/${what}`,
        ...session.headers,
      });
      stream.on("error", () => {}).resume();
      if (i % 4 > 0) stream.end(body);
      return stream;
    });
    await sleep(Math.random() * 30);
    for (const stream of streams) if (Math.random() < 0.5) stream.close(http2.constants.NGHTTP2_CANCEL);
    await sleep(Math.random() * 10);
    client.destroy();
    soak.count("cancelled connections");
  }
}

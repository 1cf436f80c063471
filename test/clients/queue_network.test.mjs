// The queue over the network: messages for listeners on other machines, and the ends of their handling.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { deserialize } from "node:v8";
import { Session, TRANSPORTS } from "./lib/connect.mjs";
import { eventually, sleep, startServer, temporaryFolder, TOKEN, tuplet } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { enqueue, finish, Listener } from "./lib/queue.mjs";

const SOON_MS = 20_000;
const { "HTTP/1.1": request1, "HTTP/2": request2 } = TRANSPORTS;

async function startSession(t, { args = [], request = request1, path } = {}) {
  path ??= join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args });
  return { path, server, session: await Session.open(request, server.url, TOKEN) };
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const payloads = (messages) => messages.map(({ payload }) => payload);

for (const [name, request] of Object.entries(TRANSPORTS)) {
  test(`messages come to a listener over ${name}, in the order they are due, and once they are finished no more`, async (t) => {
    const { session } = await startSession(t, { request });
    await enqueue(session, ["before"]);
    const listener = await Listener.open(t, session);
    assert.equal(listener.status, 200);
    const first = await listener.next();
    assert.equal(first.payload, "before");
    assert.equal(first.attempt, 1);
    assert.ok(first.leaseMs > 0);
    await enqueue(session, ["late"], { delayMs: 300 });
    await enqueue(session, ["soon"], { delayMs: 100 });
    await enqueue(session, [{ id: 1n, list: [1, "two", new Date(3)] }]);
    assert.deepEqual((await listener.next()).payload, { id: 1n, list: [1, "two", new Date(3)] });
    assert.equal((await listener.next()).payload, "soon");
    const late = await listener.next();
    assert.equal(late.payload, "late");
    assert.equal(await listener.finish(first), 200);
    assert.equal(await listener.finish(late), 200);
    assert.equal(await listener.finish(late), 404, "it was finished already");
    assert.equal(await finish(session, "no such message"), 404);
  });
}

test("an enqueue reaches a waiting listener at once", async (t) => {
  const { session } = await startSession(t, { request: request2 });
  const listener = await Listener.open(t, session);
  const times = [];
  for (const i of numbers(50)) {
    const began = performance.now();
    await enqueue(session, [i]);
    const message = await listener.next();
    times.push(message.at - began);
    await listener.finish(message);
  }
  times.sort((a, b) => a - b);
  t.diagnostic(`enqueue to message: median ${times[25].toFixed(2)} ms, largest ${times[49].toFixed(2)} ms`);
  assert.ok(times[25] < 1000);
});

test("a failed message comes again as its schedule says, and at its end stands under its keys", async (t) => {
  const { session } = await startSession(t);
  const listener = await Listener.open(t, session);
  const keysIfUndelivered = [pb.stringKey("dead", "1"), pb.stringKey("dead", "2")];
  await enqueue(session, ["stubborn"], { keysIfUndelivered, backoffSchedule: [50, 300] });
  const attempts = [];
  for (const i of numbers(3)) {
    const message = await listener.next();
    attempts.push(message);
    assert.equal(message.attempt, i + 1);
    assert.equal(await listener.finish(message, false), 200);
  }
  assert.equal(new Set(attempts.map(({ id }) => id)).size, 1, "it is the same message");
  assert.ok(attempts[1].at - attempts[0].at >= 45);
  assert.ok(attempts[2].at - attempts[1].at >= 295);
  for (const key of keysIfUndelivered) {
    const entry = await session.get(key);
    assert.equal(deserialize(entry.value), "stubborn");
    assert.equal(entry.encoding, pb.V8);
  }
  assert.equal(listener.messages.length, 0);
});

test("a finish that is repeated does not end the next attempt, when it says which it means", async (t) => {
  const { session } = await startSession(t);
  const listener = await Listener.open(t, session);
  await enqueue(session, ["twice told"], { backoffSchedule: [1, 1] });
  const first = await listener.next();
  assert.equal(await finish(session, first.id, false, 1), 200);
  const second = await listener.next();
  assert.deepEqual([second.id, second.attempt], [first.id, 2]);
  for (const success of [false, true]) assert.equal(await finish(session, first.id, success, 1), 404);
  assert.equal(await finish(session, first.id, false, 3), 404);
  assert.equal(await finish(session, second.id, false, 2), 200, "it was left alone");
  const third = await listener.next();
  assert.equal(third.attempt, 3);
  assert.equal(await finish(session, third.id), 200, "who does not say means the one that is under way");
});

test("who may only read cannot listen, and cannot finish what others have", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "tokens");
  const make = async (...args) => {
    const made = await tuplet(["token", "create", "--quiet", "--tokens-file", file, ...args]);
    assert.equal(made.code, 0, made.stderr);
    return made.stdout.trim();
  };
  const reader = await make("--read-only", "reader");
  const one = await make("one");
  const other = await make("other");
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--tokens-file", file] });
  for (const request of Object.values(TRANSPORTS)) {
    const [reading, first, second] = await Promise.all(
      [reader, one, other].map((token) => Session.open(request, server.url, token)),
    );
    const refused = await Listener.open(t, reading);
    await eventually(SOON_MS, "the refusal", () => refused.isEnded);
    assert.equal(refused.status, 403);
    assert.match(refused.refusal, /only read/);
    const listener = await Listener.open(t, first);
    await enqueue(first, ["mine"]);
    const message = await listener.next();
    assert.equal(await finish(second, message.id), 404, "another token's");
    assert.equal(await finish(reading, message.id), 403);
    const renewed = await Session.open(request, server.url, one);
    assert.equal(await finish(renewed, message.id), 200, "the same token's, with a newer session");
  }
});

test("a server that serves read-only has no listeners", async (t) => {
  const { path, server } = await startSession(t);
  await server.stop();
  const again = await startServer(t, path, { args: ["--read-only"] });
  const listener = await Listener.open(t, await Session.open(request1, again.url, TOKEN));
  assert.equal(listener.status, 403);
});

test("what is no request of these is refused with a reason", async (t) => {
  const { session } = await startSession(t);
  for (const body of [pb.queueListen({ maxInFlight: 1001 }), Buffer.from([0xff])]) {
    assert.equal((await session.call("queue_listen", body)).status, 400);
  }
  const tooMany = await session.call("queue_listen", pb.queueListen({ maxInFlight: 1001 }));
  assert.match(tooMany.body.toString(), /1001/);
  assert.equal((await session.call("queue_finish", Buffer.from([0xff]))).status, 400);
  assert.equal((await session.call("queue_finish", pb.queueFinish({ success: true }))).status, 400);
});

for (const [name, request] of Object.entries(TRANSPORTS)) {
  test(`a listener that does not read has its window and no more (${name})`, async (t) => {
    const { session } = await startSession(t, { request });
    const slow = await Listener.open(t, session, { maxInFlight: 20, isPaused: true });
    const large = "x".repeat(60_000);
    await enqueue(session, numbers(60).map((i) => `${i} ${large}`));
    const quick = await Listener.open(t, session, { maxInFlight: 5 });
    const seen = new Set();
    await eventually(SOON_MS, "the other 40", async () => {
      for (const message of quick.messages.splice(0)) {
        seen.add(message.payload.split(" ", 1)[0]);
        await quick.finish(message);
      }
      return seen.size >= 40;
    });
    assert.ok(seen.size >= 40 && seen.size <= 60);
    slow.resume();
    await eventually(SOON_MS, "its window", () => seen.size + slow.messages.length === 60);
    assert.equal(slow.messages.length, 20);
    for (const message of slow.messages) assert.equal(await slow.finish(message), 200);
  });

  test(`when its connection is cut, a listener's messages are due again at once (${name})`, async (t) => {
    const { session } = await startSession(t, { request });
    const first = await Listener.open(t, session);
    await enqueue(session, ["a", "b", "c"]);
    await eventually(SOON_MS, "the messages", () => first.messages.length === 3);
    const finished = first.messages.shift();
    assert.equal(await first.finish(finished), 200);
    const second = await Listener.open(t, session);
    const cut = performance.now();
    first.kill();
    const again = [await second.next(), await second.next()];
    assert.deepEqual(payloads(again).sort(), payloads(first.messages).sort());
    const took = Math.max(...again.map(({ at }) => at)) - cut;
    t.diagnostic(`${took.toFixed(1)} ms after the cut`);
    assert.ok(took < 4000, `${took} ms, so that no lease had to run out`);
    assert.ok(again.every(({ attempt }) => attempt === 1), "it was no attempt");
    for (const message of again) assert.equal(await second.finish(message), 200);
  });
}

test("listeners on several connections of several clients share the work", async (t) => {
  const { server } = await startSession(t);
  const sessions = await Promise.all(
    [request1, request1, request2, request2].map((request) => Session.open(request, server.url, TOKEN)),
  );
  const seen = new Map();
  const counts = [];
  for (const [i, session] of sessions.entries()) {
    counts.push(0);
    const listener = await Listener.open(t, session, { maxInFlight: 3 });
    listener.handleAll(({ payload }) => {
      counts[i]++;
      seen.set(payload, (seen.get(payload) ?? 0) + 1);
    });
  }
  await enqueue(sessions[0], numbers(400));
  await eventually(60_000, "all messages", () => seen.size === 400);
  assert.ok([...seen.values()].every((times) => times === 1));
  t.diagnostic(`shares: ${counts}`);
  assert.ok(counts.every((count) => count >= 40), `shares: ${counts}`);
});

test("listeners of two servers on one file share the work, and each takes what the other enqueued", async (t) => {
  const { path, session } = await startSession(t);
  const other = await startServer(t, path);
  const second = await Session.open(request2, other.url, TOKEN);
  const seen = new Map();
  const counts = [0, 0];
  for (const [i, from] of [session, second].entries()) {
    const listener = await Listener.open(t, from, { maxInFlight: 2 });
    listener.handleAll(({ payload }) => {
      counts[i]++;
      seen.set(payload, (seen.get(payload) ?? 0) + 1);
    });
  }
  await Promise.all([
    enqueue(session, numbers(150).map((i) => `one ${i}`)),
    enqueue(second, numbers(150).map((i) => `two ${i}`)),
  ]);
  await eventually(60_000, "all messages", () => seen.size === 300);
  assert.ok([...seen.values()].every((times) => times === 1));
  t.diagnostic(`shares: ${counts}`);
  assert.ok(counts.every((count) => count > 0), `shares: ${counts}`);
});

test("with its session a listener ends, and its messages go to others", async (t) => {
  const { server, session } = await startSession(t, { args: ["--session-lifetime", "2s"] });
  const listener = await Listener.open(t, session);
  await enqueue(session, ["held"]);
  await listener.next();
  await eventually(SOON_MS, "the listener's end", () => listener.isEnded);
  const again = await Listener.open(t, await Session.open(request2, server.url, TOKEN));
  assert.equal((await again.next()).payload, "held");
});

test("with its token's right to write a listener ends", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "tokens");
  const token = (await tuplet(["token", "create", "--quiet", "--tokens-file", file, "one"])).stdout.trim();
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--tokens-file", file] });
  const session = await Session.open(request1, server.url, token);
  const listener = await Listener.open(t, session);
  await writeFile(file, (await readFile(file, "utf8")).replaceAll("read-write", "read-only"));
  server.child.kill("SIGHUP");
  await eventually(SOON_MS, "the listener's end", () => listener.isEnded);
  assert.equal((await Listener.open(t, session)).status, 403);
});

test("with its token a listener ends", async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, "tokens");
  const token = (await tuplet(["token", "create", "--quiet", "--tokens-file", file, "one"])).stdout.trim();
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--tokens-file", file] });
  const listener = await Listener.open(t, await Session.open(request1, server.url, token));
  const other = await Session.open(request1, server.url, TOKEN);
  await enqueue(other, ["held"]);
  const message = await listener.next();
  const revoked = await tuplet(["token", "revoke", "--tokens-file", file, "one"]);
  assert.equal(revoked.code, 0, revoked.stderr);
  server.child.kill("SIGHUP");
  await eventually(SOON_MS, "the listener's end", () => listener.isEnded);
  assert.equal(await listener.finish(message), 401);
  assert.equal((await (await Listener.open(t, other)).next()).payload, "held");
});

test("a database that is listened to stays open, and a listener ends when it is renamed", async (t) => {
  const folder = await temporaryFolder(t);
  const db = async (...words) => {
    const done = await tuplet(["db", ...words, "--data-dir", folder]);
    assert.equal(done.code, 0, done.stderr);
  };
  await db("create", "one");
  const args = ["--data-dir", folder, "--database-idle-timeout", "100ms", "--open-databases-max", "2"];
  const server = await startServer(t, null, { args });
  const session = await Session.open(request1, server.url, TOKEN, "/one");
  const listener = await Listener.open(t, session);
  await enqueue(session, ["later"], { delayMs: 1500 });
  assert.equal((await listener.next()).payload, "later");
  await db("rename", "one", "two");
  await eventually(SOON_MS, "the listener's end", () => listener.isEnded);
  const again = await Listener.open(t, await Session.open(request2, server.url, TOKEN, "/two"));
  assert.equal((await again.next()).payload, "later");
});

for (const [name, request] of Object.entries(TRANSPORTS)) {
  test(`a server that ends returns what its listeners have (${name})`, async (t) => {
    const { path, server, session } = await startSession(t, { request });
    const other = await startServer(t, path);
    const elsewhere = await Session.open(request, other.url, TOKEN);
    const listener = await Listener.open(t, session);
    await enqueue(session, numbers(30));
    await eventually(SOON_MS, "the messages", () => listener.messages.length === 30);
    const second = await Listener.open(t, elsewhere);
    assert.equal(second.messages.length, 0);
    const began = performance.now();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.ok(listener.isEnded, "in order");
    await eventually(SOON_MS, "the messages elsewhere", () => second.messages.length === 30);
    assert.ok(performance.now() - began < 4500, "no lease had to run out");
    assert.deepEqual(payloads(second.messages).sort((a, b) => a - b), numbers(30));
  });
}

test("a server that is killed loses its listeners' leases in seconds, and no message", async (t) => {
  const { path, server, session } = await startSession(t);
  const listener = await Listener.open(t, session);
  await enqueue(session, numbers(20), { backoffSchedule: [10] });
  await eventually(SOON_MS, "the messages", () => listener.messages.length === 20);
  await server.kill();
  const other = await startServer(t, path);
  const again = await Listener.open(t, await Session.open(request1, other.url, TOKEN));
  await eventually(SOON_MS, "the messages again", () => again.messages.length === 20);
  assert.ok(again.messages.every(({ attempt }) => attempt === 2));
});

test("a handler that takes longer than a lease keeps its message", async (t) => {
  const { path, session } = await startSession(t);
  const other = await startServer(t, path);
  const listener = await Listener.open(t, session, { maxInFlight: 1 });
  await enqueue(session, ["long"]);
  const message = await listener.next();
  const second = await Listener.open(t, await Session.open(request1, other.url, TOKEN));
  await sleep(message.leaseMs + 1500);
  assert.equal(second.messages.length, 0);
  assert.equal(await listener.finish(message), 200);
});

test("an idle listener hears that it is still connected", async (t) => {
  const { session } = await startSession(t);
  const listener = await Listener.open(t, session);
  await eventually(SOON_MS, "a keep-alive", () => listener.keepAlives > 0);
});

test("listeners count as watches do, in what there may be and in what is told", async (t) => {
  const args = ["--watches-max", "2", "--metrics-addr", "127.0.0.1:0"];
  const { server, session } = await startSession(t, { args });
  const metric = async (name) => {
    const url = /Metrics are at (http:\/\/[^\s"]+)/.exec(server.stderr)[1];
    const page = (await request1(url, { method: "GET", path: "/metrics" })).body.toString();
    return Number(new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (\\S+)$`, "m").exec(page)?.[1]);
  };
  const listeners = [await Listener.open(t, session), await Listener.open(t, session)];
  assert.equal((await session.call("queue_listen", pb.queueListen({}))).status, 503);
  assert.equal(await metric("tuplet_queue_listeners_open"), 2);
  assert.equal(await metric("tuplet_watches_open"), 0);
  await enqueue(session, ["done", "failed", "returned"]);
  const of = {};
  await eventually(SOON_MS, "the messages", () => {
    for (const listener of listeners) {
      for (const message of listener.messages.splice(0)) of[message.payload] = { listener, message };
    }
    return Object.keys(of).length === 3;
  });
  await finish(session, of.done.message.id, true);
  await finish(session, of.failed.message.id, false);
  of.returned.listener.kill();
  const finished = (outcome) => metric(`tuplet_queue_messages_finished_total{outcome="${outcome}"}`);
  await eventually(SOON_MS, "the listener's end", async () => (await finished("returned")) >= 1);
  assert.equal(await finished("done"), 1);
  assert.equal(await finished("failed"), 1);
  assert.ok((await metric("tuplet_queue_messages_sent_total")) >= 3);
  assert.equal(await metric("tuplet_queue_listeners_opened_total"), 2);
  assert.ok((await metric('tuplet_requests_total{operation="queue_finish",code="200"}')) >= 2);
});

test("what listeners have not finished counts as memory, which is bounded", async (t) => {
  const { server, session } = await startSession(t, {
    args: ["--memory-max", "16M", "--metrics-addr", "127.0.0.1:0"],
  });
  const large = "x".repeat(60_000);
  await enqueue(session, numbers(300).map((i) => `${i} ${large}`));
  const greedy = await Listener.open(t, session, { maxInFlight: 1000 });
  await eventually(SOON_MS, "the end of what asks for too much", () => greedy.isClosed);
  await eventually(SOON_MS, "the log's line", () => /a listener was ended/.test(server.stderr));
  const modest = await Listener.open(t, session, { maxInFlight: 10 });
  const seen = new Set();
  await eventually(60_000, "all messages", async () => {
    for (const message of modest.messages.splice(0)) {
      seen.add(message.payload.split(" ", 1)[0]);
      assert.equal(await modest.finish(message), 200);
    }
    return seen.size === 300;
  });
});

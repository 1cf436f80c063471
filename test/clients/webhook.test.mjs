// Messages that a server posts to a URL: a real HTTP server at the other end, which takes them, refuses them, is slow,
// is gone.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { deserialize } from "node:v8";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { request1, Session } from "./lib/connect.mjs";
import { eventually, startServer, temporaryFolder, TOKEN, tuplet } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { enqueue, Listener } from "./lib/queue.mjs";

const SOON_MS = 20_000;
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

/** A consumer: it keeps what is posted to it, and answers as `answer(request, response, post)` does. */
class Consumer {
  posts = [];
  answer = (_request, response) => response.writeHead(204).end();

  static async start(t, { port = 0, tls } = {}) {
    const consumer = new Consumer();
    const handle = async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const post = { headers: request.headers, method: request.method, path: request.url };
      consumer.posts.push(Object.assign(post, { body: Buffer.concat(chunks), at: performance.now() }));
      consumer.answer(request, response, post);
    };
    consumer.server = tls ? https.createServer(tls, handle) : http.createServer(handle);
    await new Promise((done) => consumer.server.listen(port, "127.0.0.1", done));
    t.after(() => consumer.stop());
    consumer.port = consumer.server.address().port;
    consumer.url = `${tls ? "https" : "http"}://127.0.0.1:${consumer.port}`;
    return consumer;
  }

  /** Waits until there are so many. */
  async count(count) {
    await eventually(SOON_MS, `${count} posts`, () => this.posts.length >= count);
    return this.posts;
  }

  async stop() {
    if (!this.server.listening) return;
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

async function startPosting(t, url, args = [], { path } = {}) {
  path ??= join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { args: ["--queue-webhook", url, ...args] });
  return { path, server, session: await Session.open(request1, server.url, TOKEN) };
}

/** A Uint8Array as Deno writes it; Node's v8.serialize() has a form of its own. */
async function enqueueBytes(session, bytes) {
  const payload = Buffer.from([0xff, 15, 0x42, bytes.length, ...bytes, 0x56, 0x42, 0, bytes.length, 0]);
  assert.equal((await session.write({ enqueues: [{ payload, deadlineMs: Date.now() }] })).status, 1);
}

/** The number of messages in the queue, waiting or with somebody. */
async function left(server) {
  const page = await request1(server.url, {
    method: "GET",
    path: "/metrics",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const counts = [...page.body.toString().matchAll(/^tuplet_queue_messages\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

const emptied = (server) => eventually(SOON_MS, "the queue's end", async () => await left(server) === 0);

test("each message is posted once, in a form that its consumer can read", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, `${consumer.url}/hooks/one?key=value`);
  await enqueue(session, [{ text: "Zoë", list: [1, null, true] }]);
  const [post] = await consumer.count(1);
  assert.equal(post.method, "POST");
  assert.equal(post.path, "/hooks/one?key=value");
  assert.equal(post.headers["content-type"], "application/json");
  assert.equal(post.headers["tuplet-payload"], "json");
  assert.equal(post.headers["tuplet-database"], "default");
  assert.equal(post.headers["tuplet-attempt"], "1");
  assert.match(post.headers["tuplet-message-id"], /^[0-9a-f-]{36}$/);
  assert.match(post.headers["user-agent"], /^tuplet\/\d/);
  assert.equal(post.headers.authorization, undefined);
  assert.deepEqual(JSON.parse(post.body), { text: "Zoë", list: [1, null, true] });

  await enqueueBytes(session, [0, 1, 255]);
  const bytes = (await consumer.count(2))[1];
  assert.equal(bytes.headers["content-type"], "application/octet-stream");
  assert.equal(bytes.headers["tuplet-payload"], "bytes");
  assert.deepEqual([...bytes.body], [0, 1, 255]);

  await enqueue(session, [new Map([[1n, new Date(2)]])]);
  const v8 = (await consumer.count(3))[2];
  assert.equal(v8.headers["content-type"], "application/octet-stream");
  assert.equal(v8.headers["tuplet-payload"], "v8");
  assert.deepEqual(deserialize(v8.body), new Map([[1n, new Date(2)]]));

  await enqueue(session, [""]);
  await enqueueBytes(session, []);
  const empty = (await consumer.count(5)).slice(3).map(({ body }) => body.toString()).sort();
  assert.deepEqual(empty, ["", '""']);
  let manyTimes = ["many times over"];
  for (let i = 0; i < 19; i++) manyTimes = [manyTimes, manyTimes];
  await enqueue(session, [manyTimes]);
  assert.equal((await consumer.count(6))[5].headers["tuplet-payload"], "v8", "as JSON it has 10 MB");
  assert.ok(consumer.posts[5].body.length < 1000);
  await emptied(server);
  assert.equal(consumer.posts.length, 6);
});

test("what is not answered with 2xx comes again as its schedule says, and at its end stands under its keys", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, consumer.url);
  const statuses = [500, 404, 200];
  consumer.answer = (_request, response) => response.writeHead(statuses.shift()).end("some words");
  await enqueue(session, ["twice refused"], { backoffSchedule: [50, 200, 1000] });
  const posts = await consumer.count(3);
  assert.deepEqual(posts.map(({ headers }) => headers["tuplet-attempt"]), ["1", "2", "3"]);
  assert.equal(new Set(posts.map(({ headers }) => headers["tuplet-message-id"])).size, 1);
  assert.ok(posts[1].at - posts[0].at >= 45 && posts[2].at - posts[1].at >= 195);
  await emptied(server);

  consumer.answer = (_request, response) => response.writeHead(503).end();
  await enqueue(session, ["refused"], { backoffSchedule: [10], keysIfUndelivered: [pb.stringKey("dead")] });
  await eventually(SOON_MS, "the dead letter", async () => await session.get(pb.stringKey("dead")));
  assert.equal(consumer.posts.length, 5);
  const told = () => /was not taken by its webhook.*reason="the answer was 5\d\d"/.test(server.stderr);
  await eventually(SOON_MS, "the log's line", told);
});

test("a redirect is not followed", async (t) => {
  const consumer = await Consumer.start(t);
  const { session } = await startPosting(t, consumer.url);
  consumer.answer = (_request, response) =>
    response.writeHead(307, { location: `${consumer.url}/other` }).end();
  await enqueue(session, ["one"], { backoffSchedule: [10], keysIfUndelivered: [pb.stringKey("dead")] });
  await eventually(SOON_MS, "the dead letter", async () => await session.get(pb.stringKey("dead")));
  assert.deepEqual(consumer.posts.map(({ path }) => path), ["/", "/"]);
});

test("an answer that does not come in time is none", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, consumer.url, ["--queue-webhook-timeout", "300ms"]);
  let isSlow = true;
  consumer.answer = (_request, response) => {
    if (!isSlow) response.writeHead(200).end();
    isSlow = false;
  };
  await enqueue(session, ["slow"], { backoffSchedule: [10] });
  const [first, second] = await consumer.count(2);
  assert.ok(second.at - first.at >= 250);
  assert.equal(second.headers["tuplet-attempt"], "2");
  await emptied(server);
});

test("a handler that takes longer than a lease keeps its message", async (t) => {
  const consumer = await Consumer.start(t);
  const { path, server, session } = await startPosting(t, consumer.url);
  const other = await startServer(t, path);
  let finish;
  consumer.answer = (_request, response) => (finish = () => response.writeHead(200).end());
  await enqueue(session, ["long"]);
  await consumer.count(1);
  const listener = await Listener.open(t, await Session.open(request1, other.url, TOKEN));
  await new Promise((done) => setTimeout(done, 6500));
  assert.equal(listener.messages.length, 0);
  finish();
  await emptied(server);
  assert.equal(consumer.posts.length, 1);
});

test("many messages are posted in parallel, and no more than so many at a time", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, consumer.url, ["--queue-webhook-concurrency", "5"]);
  let running = 0;
  let most = 0;
  consumer.answer = (_request, response) => {
    most = Math.max(most, ++running);
    setTimeout(() => {
      running--;
      response.writeHead(200).end();
    }, 5);
  };
  await enqueue(session, numbers(500));
  await consumer.count(500);
  await emptied(server);
  assert.equal(consumer.posts.length, 500);
  assert.deepEqual(consumer.posts.map(({ body }) => JSON.parse(body)).sort((a, b) => a - b), numbers(500));
  assert.equal(most, 5);
});

test("large payloads arrive whole, and long answers are cut", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, consumer.url);
  consumer.answer = (_request, response) => {
    response.on("error", () => {}).writeHead(200);
    const write = () => response.destroyed || response.write(Buffer.alloc(65536), write);
    write(); // for ever
  };
  const text = "é".repeat(60_000); // one byte each in V8's format, two as JSON
  await enqueue(session, [text]);
  await consumer.count(1);
  assert.equal(JSON.parse(consumer.posts[0].body), text);
  await emptied(server);
  assert.equal(consumer.posts.length, 1, "its status counts");
});

test("a consumer that dies and comes back misses nothing", async (t) => {
  const first = await Consumer.start(t);
  const { server, session } = await startPosting(t, first.url);
  const handled = new Set();
  const take = (_request, response, post) => {
    handled.add(JSON.parse(post.body));
    response.writeHead(200).end();
  };
  first.answer = (request, response, post) => {
    if (handled.size < 100) take(request, response, post);
    else request.socket.destroy();
  };
  await enqueue(session, numbers(300), {
    backoffSchedule: [200, 500, 1000, 1000, 1000, 1000, 1000, 1000, 5000],
  });
  await eventually(SOON_MS, "the first hundred", () => handled.size === 100);
  await first.stop();
  const second = await Consumer.start(t, { port: first.port });
  second.answer = take;
  await eventually(SOON_MS, "all of them", () => handled.size === 300);
  await emptied(server);
});

test("a server that ends lets posts end, and returns those that do not", async (t) => {
  const consumer = await Consumer.start(t);
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const { server, session } = await startPosting(t, consumer.url, ["--drain-timeout", "1s"], { path });
  consumer.answer = (_request, response, post) => {
    if (JSON.parse(post.body) === "quick") setTimeout(() => response.writeHead(200).end(), 300);
  };
  await enqueue(session, ["quick", "never answered"]);
  await consumer.count(2);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  const again = await startServer(t, path);
  const listener = await Listener.open(t, await Session.open(request1, again.url, TOKEN));
  const message = await listener.next(3000); // before any lease would run out
  assert.equal(message.payload, "never answered");
  assert.equal(message.attempt, 1);
  assert.equal(listener.messages.length, 0);
});

test("two servers on one file, each with a webhook, share the work with a listener", async (t) => {
  const [one, other] = [await Consumer.start(t), await Consumer.start(t)];
  const { path, server, session } = await startPosting(t, one.url, ["--queue-webhook-concurrency", "2"]);
  await startPosting(t, other.url, ["--queue-webhook-concurrency", "2"], { path });
  const listener = await Listener.open(t, session, { maxInFlight: 2 });
  const heard = [];
  listener.handleAll(({ payload }) => heard.push(payload));
  await enqueue(session, numbers(300));
  const all = () => [...one.posts, ...other.posts].map(({ body }) => JSON.parse(body)).concat(heard);
  await eventually(SOON_MS, "all of them", () => all().length >= 300);
  await emptied(server);
  assert.deepEqual(all().sort((a, b) => a - b), numbers(300));
  t.diagnostic(`shares: ${one.posts.length}, ${other.posts.length}, ${heard.length}`);
  assert.ok(one.posts.length > 0 && other.posts.length > 0 && heard.length > 0);
});

test("a webhook of a named database waits for it, and lets go of it when it is renamed or deleted", async (t) => {
  const folder = await temporaryFolder(t);
  const consumer = await Consumer.start(t);
  const args = ["--data-dir", folder, "--queue-webhook", `orders=${consumer.url}`];
  const server = await startServer(t, null, { args });
  await eventually(SOON_MS, "the complaint", () => /waits for its database/.test(server.stderr));
  const db = async (...words) => {
    const done = await tuplet(["db", ...words, "--data-dir", folder]);
    assert.equal(done.code, 0, done.stderr);
  };
  await db("create", "orders");
  await eventually(SOON_MS, "the webhook", () => /messages go to a webhook/.test(server.stderr));
  const session = await Session.open(request1, server.url, TOKEN, "/orders");
  await enqueue(session, ["first"]);
  assert.equal((await consumer.count(1))[0].headers["tuplet-database"], "orders");
  await db("rename", "orders", "former");
  await db("create", "orders");
  const second = await Session.open(request1, server.url, TOKEN, "/orders");
  await enqueue(second, ["second"]);
  assert.equal(JSON.parse((await consumer.count(2))[1].body), "second");
  await db("delete", "orders");
});

test("over TLS the consumer shows that it is the one, and the token goes to it alone", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const files = await makeCertificate(folder, "consumer", authority);
  const tls = { cert: await readFile(files.cert), key: await readFile(files.key) };
  const consumer = await Consumer.start(t, { tls });
  const secret = "a-secret-of-the-tests";
  const trusting = ["--queue-webhook-ca", authority.cert, "--queue-webhook-token", secret];
  const { server, session } = await startPosting(t, consumer.url, trusting);
  await enqueue(session, ["hello"]);
  const [post] = await consumer.count(1);
  assert.equal(post.headers.authorization, `Bearer ${secret}`);
  await emptied(server);
  assert.ok(!server.stderr.includes(secret));

  const wary = await startPosting(t, consumer.url, ["--queue-webhook-token", secret]);
  await enqueue(wary.session, ["not for anybody"], {
    backoffSchedule: [10],
    keysIfUndelivered: [pb.stringKey("dead")],
  });
  await eventually(
    SOON_MS,
    "the failure",
    () => /was not taken by its webhook.*certificate/i.test(wary.server.stderr),
  );
  assert.equal(consumer.posts.length, 1);
});

test("what cannot be meant is refused at the start", async (t) => {
  const folder = await temporaryFolder(t);
  const refuse = async (pattern, ...args) => {
    const { code, stderr } = await tuplet([
      "serve",
      "--db",
      join(folder, "kv"),
      "--addr",
      "127.0.0.1:0",
      ...args,
    ]);
    assert.notEqual(code, 0, args.join(" "));
    assert.match(stderr, pattern, args.join(" "));
  };
  await refuse(/http:\/\/ or https:\/\//, "--queue-webhook", "ftp://example.org/");
  await refuse(/must not hold a user/, "--queue-webhook", "https://me:secret@example.org/");
  await refuse(/URL of a webhook/, "--queue-webhook", "not a url");
  await refuse(/needs --data-dir/, "--queue-webhook", "orders=https://example.org/");
  await refuse(/name/, "--queue-webhook", "Orders!=https://example.org/");
  await refuse(/--read-only/, "--read-only", "--queue-webhook", "https://example.org/");
  await refuse(/needs --queue-webhook/, "--queue-webhook-token", "long-enough-token");
  await refuse(
    /cannot be read/,
    "--queue-webhook",
    "https://example.org/",
    "--queue-webhook-ca",
    join(folder, "no"),
  );
  const told = await tuplet(["serve", "--queue-webhook", "https://me:sesame@example.org/"]);
  assert.ok(!told.stderr.includes("sesame"));
});

test("its numbers are told", async (t) => {
  const consumer = await Consumer.start(t);
  const { server, session } = await startPosting(t, consumer.url);
  consumer.answer = (_request, response, post) => {
    response.writeHead(post.headers["tuplet-attempt"] === "1" && JSON.parse(post.body) ? 500 : 200).end();
  };
  await enqueue(session, [0, 1], { backoffSchedule: [10] });
  await consumer.count(3);
  await emptied(server);
  const page = await request1(server.url, {
    method: "GET",
    path: "/metrics",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const value = (name) => new RegExp(`^${name} (\\d+)$`, "m").exec(page.body.toString())?.[1];
  assert.equal(value('tuplet_webhook_messages_total\\{outcome="done"\\}'), "2");
  assert.equal(value('tuplet_webhook_messages_total\\{outcome="failed"\\}'), "1");
  assert.equal(value("tuplet_webhook_messages_in_flight"), "0");
});

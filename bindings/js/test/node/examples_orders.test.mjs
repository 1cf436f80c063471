// The order management server: real HTTP requests, its stream of events read while an order changes, and a warehouse
// that answers when the test wants it to. With one server in memory, and with one in Node and one in Deno that share a
// database.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import test from "node:test";
import {
  eventually,
  startServer as startDatabase,
  temporaryFolder,
  within,
} from "../../../../test/clients/lib/harness.mjs";
import { RunningExample, RUNTIMES, SHARED_DATABASES, WAIT_MS } from "../lib/examples.mjs";

const ITEMS = [{ product: "servo", quantity: 2, cents: 899 }, {
  product: "sensor",
  quantity: 1,
  cents: 1000,
}];

/** Where orders are sent: each waits in `requests` for its answer. */
class Warehouse {
  requests = [];

  static async start(t) {
    const warehouse = new Warehouse();
    const server = http.createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { order } = JSON.parse(body);
      warehouse.requests.push({ order, answer: (status) => response.writeHead(status).end() });
    });
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    warehouse.url = `http://127.0.0.1:${server.address().port}/`;
    return warehouse;
  }

  async next() {
    await eventually(WAIT_MS, "a request to the warehouse", () => this.requests.length > 0);
    return this.requests.shift();
  }
}

async function startServer(t, runtime, database, warehouse) {
  const server = RunningExample.start(t, runtime, "orders/server.mjs", database === null ? [] : [database], {
    PORT: "0",
    WAREHOUSE_URL: warehouse.url,
  });
  server.url = (await server.printed(/Listening on (\S+)\n/))[1];
  return server;
}

/** The status and the JSON of an answer. */
async function ask(server, method, path, body) {
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  const answer = await fetch(server.url + path, { method, body: text, signal: AbortSignal.timeout(WAIT_MS) });
  return [answer.status, await answer.json()];
}

/** An order's stream of events, as a browser reads it. */
class Events {
  statuses = []; // what the order was, one after the other
  isDone = false; // the stream said so
  isEnded = false;

  static async open(server, id) {
    const controller = new AbortController();
    const answer = await fetch(`${server.url}/orders/${id}/events`, { signal: controller.signal });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "text/event-stream");
    return new Events(answer.body, controller, id);
  }

  constructor(body, controller, id) {
    this.controller = controller;
    this.id = id;
    this.#read(body).catch(() => {}).finally(() => (this.isEnded = true));
  }

  async #read(body) {
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        this.#take(Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/))));
      }
    }
  }

  #take({ event, id, data }) {
    if (event === "done") {
      this.isDone = true;
      return;
    }
    const order = JSON.parse(data);
    assert.equal(order.id, this.id);
    assert.match(id, /^[0-9a-f]{20}$/);
    this.statuses.push(order.status);
  }

  shows(status) {
    return eventually(WAIT_MS, `"${status}" in the stream`, () => this.statuses.includes(status));
  }

  ended() {
    return eventually(WAIT_MS, "the end of the stream", () => this.isEnded);
  }
}

/** An order's whole life, taken at one server and watched and delivered at another, which may be the same. */
async function runOrder(taker, watcher, warehouse) {
  const customer = `${randomUUID()}@example.org`;
  const [created, order] = await ask(taker, "POST", "/orders", { customer, items: ITEMS });
  assert.equal(created, 201);
  assert.equal(order.totalCents, 2798);

  const attempt = await warehouse.next();
  assert.equal(attempt.order, order.id);
  attempt.answer(503); // the job comes again
  const second = await warehouse.next();
  assert.equal(second.order, order.id);

  const events = await Events.open(watcher, order.id);
  await events.shows("processing");
  assert.deepEqual((await ask(watcher, "GET", "/orders?status=processing"))[1].map(({ id }) => id), [
    order.id,
  ]);
  second.answer(200);
  await events.shows("shipped");
  assert.equal(events.isDone, false);

  assert.equal((await ask(watcher, "PUT", `/orders/${order.id}/status`, { status: "cancelled" }))[0], 409);
  const [delivered, { status }] = await ask(watcher, "PUT", `/orders/${order.id}/status`, {
    status: "delivered",
  });
  assert.deepEqual([delivered, status], [200, "delivered"]);
  await events.ended();
  assert.deepEqual(events.statuses, ["processing", "shipped", "delivered"]);
  assert.ok(events.isDone);

  const [, orders] = await ask(taker, "GET", `/orders?customer=${encodeURIComponent(customer)}`);
  assert.deepEqual(orders.map(({ id, status }) => [id, status]), [[order.id, "delivered"]]);
  const mails = () =>
    [...new Set([taker, watcher])].flatMap(({ lines }) => lines).filter((line) => line.startsWith("mail"));
  await eventually(WAIT_MS, "the mail", () => mails().length > 0);
  assert.deepEqual(mails(), [`mail to ${customer}: order-shipped ${order.id}`]);
}

async function cancelOrder(server, warehouse) {
  const [, order] = await ask(server, "POST", "/orders", { customer: "grace", items: ITEMS });
  const request = await warehouse.next();
  const events = await Events.open(server, order.id);
  await events.shows("processing");
  assert.equal((await ask(server, "PUT", `/orders/${order.id}/status`, { status: "cancelled" }))[0], 200);
  await events.ended();
  assert.deepEqual(events.statuses, ["processing", "cancelled"]);
  request.answer(200); // too late
  assert.equal((await ask(server, "GET", `/orders/${order.id}`))[1].status, "cancelled");
}

async function refuse(server) {
  const [bad, { error }] = await ask(server, "POST", "/orders", "{");
  assert.deepEqual([bad, error], [400, "the body is not JSON"]);
  assert.equal(
    (await ask(server, "POST", "/orders", { customer: "ada", items: [{ product: "servo" }] }))[0],
    400,
  );
  assert.equal((await ask(server, "POST", "/orders", `"${"x".repeat(70_000)}"`))[0], 413);
  assert.equal((await ask(server, "GET", "/orders?status=lost"))[0], 400);
  assert.equal((await ask(server, "GET", "/orders/none"))[0], 404);
  assert.equal((await ask(server, "GET", "/orders/none/events"))[0], 404);
  assert.equal((await ask(server, "PUT", "/orders/none/status", { status: "cancelled" }))[0], 404);
  assert.equal((await ask(server, "DELETE", "/orders"))[0], 404);
}

/** A server that is told to end does so although somebody reads events. */
async function stopWhileWatched(server, warehouse, signal) {
  const [, order] = await ask(server, "POST", "/orders", { customer: "ada", items: ITEMS });
  (await warehouse.next()).answer(200);
  const events = await Events.open(server, order.id);
  await events.shows("shipped");
  await server.stop(signal);
  await within(WAIT_MS, "the end of the events", events.ended());
  assert.equal(events.isDone, false);
}

for (const runtime of Object.keys(RUNTIMES)) {
  test(`orders in ${runtime}, in memory: from the order to the parcel`, async (t) => {
    const warehouse = await Warehouse.start(t);
    const server = await startServer(t, runtime, null, warehouse);
    await runOrder(server, server, warehouse);
    await cancelOrder(server, warehouse);
    await refuse(server);
    await stopWhileWatched(server, warehouse, "SIGINT");
  });
}

for (const [name, open] of Object.entries(SHARED_DATABASES)) {
  test(`orders on ${name}: one server in Node and one in Deno share the work`, async (t) => {
    const warehouse = await Warehouse.start(t);
    const database = await open(t);
    const [node, deno] = await Promise.all(
      Object.keys(RUNTIMES).map((runtime) => startServer(t, runtime, database, warehouse)),
    );
    await runOrder(node, deno, warehouse);
    await deno.stop();
    await node.stop();

    // Orders outlive the servers, and so do jobs: what one was at when it was told to end, the next one does.
    const next = await startServer(t, "Deno", database, warehouse);
    assert.equal((await ask(next, "GET", "/orders?status=delivered"))[1].length, 1);
    const [, order] = await ask(next, "POST", "/orders", { customer: "ada", items: ITEMS });
    assert.equal((await warehouse.next()).order, order.id);
    await next.stop();
    const last = await startServer(t, "Node", database, warehouse);
    const request = await warehouse.next();
    assert.equal(request.order, order.id);
    request.answer(200);
    const events = await Events.open(last, order.id);
    await events.shows("shipped");
    await stopWhileWatched(last, warehouse, "SIGTERM");
  });
}

test("orders on a server: who stops reading events takes the watch along, in Node and in Deno", async (t) => {
  const warehouse = await Warehouse.start(t);
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const database = await startDatabase(t, path, { args: ["--metrics-addr", "127.0.0.1:0"] });
  const [, metrics] = /Metrics are at (http:[^\s"]+)/.exec(database.stderr);
  const countWatches = async () => {
    const text = await (await fetch(`${metrics}/metrics`)).text();
    return Number(/^tuplet_watches_open (\d+)$/m.exec(text)[1]);
  };
  for (const runtime of Object.keys(RUNTIMES)) {
    const server = await startServer(t, runtime, database.url, warehouse);
    const [, order] = await ask(server, "POST", "/orders", { customer: "ada", items: ITEMS });
    const readers = await Promise.all([1, 2, 3].map(() => Events.open(server, order.id)));
    for (const events of readers) await events.shows("processing");
    assert.equal(await countWatches(), 3);
    for (const { controller } of readers) controller.abort();
    await eventually(WAIT_MS, "the end of the watches", async () => await countWatches() === 0);
    (await warehouse.next()).answer(200);
    await server.stop();
  }
});

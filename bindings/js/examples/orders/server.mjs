// An order management server: HTTP in front, a queue behind, and a stream of events for whoever waits for a parcel.
//
//   PORT=8000 node server.mjs [DATABASE]
//   PORT=8000 deno run -A server.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
// PORT: 8000 unless given; 0 for any. It ends at SIGINT (Ctrl-C) and SIGTERM.
// WAREHOUSE_URL: where orders are posted that are to be sent. Without it they are "sent" after a second.
//
//   POST /orders               {"customer", "items": [{"product", "quantity", "cents"}]}; answers with the order
//   GET  /orders?customer=...  a customer's orders, the newest first
//   GET  /orders?status=...    the orders in a status
//   GET  /orders/ID            an order
//   PUT  /orders/ID/status     {"status": "cancelled" or "delivered"}
//   GET  /orders/ID/events     the order as it is, and again whenever it changes, until it is delivered or cancelled
//
// Any number of such servers may share a database, on one machine by its path, on several by a URL: an order taken by
// one is fulfilled by another and watched at a third.

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer } from "node:http";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { openKv } from "tuplet";
import { startFulfilment } from "./fulfilment.mjs";
import * as orders from "./orders.mjs";

const BODY_SIZE_MAX = 64 * 1024;

const kv = await openKv(process.argv[2] ?? ":memory:");

/** An answer that is not what was asked for. */
class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function readJson(request) {
  let size = 0;
  const chunks = [];
  for await (const chunk of request) {
    if ((size += chunk.length) > BODY_SIZE_MAX) throw new HttpError(413, "the body is too long");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new HttpError(400, "the body is not JSON");
  }
}

function sendJson(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(value)}\n`);
}

/** @returns {import("./orders.mjs").Order} */
function found(order) {
  if (order === null) throw new HttpError(404, "there is no such order");
  return order;
}

const isCount = (number) => Number.isSafeInteger(number) && number >= 0;

function isItem(item) {
  return typeof item?.product === "string" && isCount(item.quantity) && item.quantity > 0 &&
    isCount(item.cents);
}

async function create(request, response) {
  const { customer, items } = await readJson(request) ?? {};
  if (typeof customer !== "string" || !Array.isArray(items) || items.length === 0 || !items.every(isItem)) {
    throw new HttpError(400, "an order has a customer and items, each with product, quantity and cents");
  }
  const order = await orders.createOrder(kv, customer, items);
  response.setHeader("location", `/orders/${order.id}`);
  sendJson(response, 201, order);
}

async function list(_request, response, { searchParams }) {
  const [customer, status] = [searchParams.get("customer"), searchParams.get("status")];
  if (customer !== null) return sendJson(response, 200, await orders.listByCustomer(kv, customer));
  if (!orders.isStatus(status)) throw new HttpError(400, "ask for a customer or a status");
  sendJson(response, 200, await orders.listByStatus(kv, status));
}

async function read(_request, response, _url, id) {
  sendJson(response, 200, found(await orders.getOrder(kv, id)));
}

/** What a customer may do; the other statuses are the fulfilment's. */
async function changeStatus(request, response, _url, id) {
  const { status } = await readJson(request) ?? {};
  if (status !== "cancelled" && status !== "delivered") throw new HttpError(400, "cancelled or delivered?");
  try {
    sendJson(response, 200, found(await orders.changeStatus(kv, id, status)));
  } catch (error) {
    throw error instanceof orders.StatusError ? new HttpError(409, error.message) : error;
  }
}

/**
 * Server-sent events. A watch begins with what is there, so a browser that connects again is up to date at once; it
 * shows the newest state and may skip some before, so a slow reader costs no memory. When the browser goes, pipeline()
 * cancels the stream and with it the watch.
 */
async function stream(_request, response, _url, id) {
  found(await orders.getOrder(kv, id));
  const events = new TransformStream({
    transform([{ value: order, versionstamp }], controller) {
      if (order === null) return controller.terminate(); // somebody deleted it
      const { status, updatedAt } = order;
      controller.enqueue(`id: ${versionstamp}\ndata: ${JSON.stringify({ id, status, updatedAt })}\n\n`);
      if (!orders.isFinal(status)) return;
      controller.enqueue("event: done\ndata: {}\n\n");
      controller.terminate();
    },
  });
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
  const changes = kv.watch([orders.orderKey(id)]).pipeThrough(events).pipeThrough(new TextEncoderStream());
  await pipeline(Readable.fromWeb(changes), response);
}

const ROUTES = [
  ["POST", /^\/orders$/, create],
  ["GET", /^\/orders$/, list],
  ["GET", /^\/orders\/([^/]+)$/, read],
  ["PUT", /^\/orders\/([^/]+)\/status$/, changeStatus],
  ["GET", /^\/orders\/([^/]+)\/events$/, stream],
];

async function answer(request, response) {
  const url = new URL(request.url, "http://localhost");
  for (const [method, pattern, handle] of ROUTES) {
    const match = method === request.method && pattern.exec(url.pathname);
    if (match) return await handle(request, response, url, ...match.slice(1));
  }
  throw new HttpError(404, "there is nothing here");
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (response.destroyed) return; // the client has gone, that is all
    if (!(error instanceof HttpError)) console.error(error);
    if (response.headersSent) response.destroy();
    else sendJson(response, error.status ?? 500, { error: error.status ? error.message : "this went wrong" });
  });
});

const stopping = new AbortController();

/** Has an order sent; any answer but a good one means that it was not, and the job comes again. */
async function send(order) {
  const { signal } = stopping;
  if (process.env.WAREHOUSE_URL === undefined) return await setTimeout(1000, undefined, { signal });
  const answer = await fetch(process.env.WAREHOUSE_URL, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": order.id },
    body: JSON.stringify({ order: order.id, items: order.items }),
    signal,
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`the warehouse answered ${answer.status}`);
}

/** Here a mail service would be asked. */
function mail(to, template, order) {
  console.log(`mail to ${to}: ${template} ${order}`);
}

const fulfilment = startFulfilment(kv, send, mail);
server.listen(Number(process.env.PORT ?? 8000), "127.0.0.1");
await once(server, "listening");
console.log(`Listening on http://127.0.0.1:${server.address().port}`);

async function stop() {
  stopping.abort();
  server.close();
  server.closeAllConnections(); // also those that listen to events
  kv.close(); // a job that is not done comes again, to whoever listens then
  await fulfilment;
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);

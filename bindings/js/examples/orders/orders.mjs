// Orders: what is stored, and every way in which it changes. Nothing here knows of HTTP or of the warehouse, so all of
// it can be tested with a database in memory (orders.test.mjs).
//
//   ["orders", id]                               the order
//   ["orders_by_customer", customer, time, id]   the id, in the order of time
//   ["orders_by_status", status, id]             the id
//
// The statuses: pending -> processing -> shipped -> delivered, and cancelled from either of the first two.

import { randomUUID } from "node:crypto";

/**
 * @typedef {"pending" | "processing" | "shipped" | "delivered" | "cancelled"} Status
 * @typedef {{ product: string, quantity: number, cents: number }} Item
 * @typedef {{ id: string, customer: string, status: Status, items: Item[], totalCents: number,
 *   createdAt: string, updatedAt: string }} Order
 */

/** Which status may follow which. @type {Record<Status, Status[]>} */
const NEXT = {
  pending: ["processing", "cancelled"],
  processing: ["shipped", "cancelled"],
  shipped: ["delivered"],
  delivered: [],
  cancelled: [],
};

/** Whether an order in this status will never change again. @param {Status} status */
export const isFinal = (status) => NEXT[status].length === 0;

export const isStatus = (text) => Object.hasOwn(NEXT, text);

export const orderKey = (id) => ["orders", id];

/** A change that an order's status does not allow. */
export class StatusError extends Error {}

/**
 * Makes an order, and in the same commit the job of sending it: there is no order that nobody works on, and no job
 * without its order.
 * @param {string} customer
 * @param {Item[]} items
 * @returns {Promise<Order>}
 */
export async function createOrder(kv, customer, items) {
  const id = randomUUID();
  const now = new Date().toISOString();
  const totalCents = items.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0);
  const order = { id, customer, status: "pending", items, totalCents, createdAt: now, updatedAt: now };
  await kv.atomic()
    .set(orderKey(id), order)
    .set(["orders_by_customer", customer, now, id], id)
    .set(["orders_by_status", "pending", id], id)
    .enqueue({ type: "fulfilment", order: id }, { keysIfUndelivered: [["undelivered", "fulfilment", id]] })
    .commit();
  return order;
}

/** @returns {Promise<Order | null>} */
export async function getOrder(kv, id) {
  return (await kv.get(orderKey(id))).value;
}

/**
 * Gives an order its next status, and moves it in the index. Who was overtaken by somebody else looks again: perhaps
 * the change is not allowed any more. more(operation): what else belongs into the commit.
 * @param {Status} status
 * @returns {Promise<Order | null>} as it is then; null: there is no such order
 * @throws {StatusError} when the status it has does not allow it
 */
export async function changeStatus(kv, id, status, more = () => {}) {
  for (;;) {
    const entry = await kv.get(orderKey(id));
    const order = entry.value;
    if (order === null) return null;
    if (!NEXT[order.status].includes(status)) {
      throw new StatusError(`an order that is ${order.status} cannot become ${status}`);
    }
    const changed = { ...order, status, updatedAt: new Date().toISOString() };
    const operation = kv.atomic()
      .check(entry)
      .set(orderKey(id), changed)
      .delete(["orders_by_status", order.status, id])
      .set(["orders_by_status", status, id], id);
    more(operation);
    if ((await operation.commit()).ok) return changed;
  }
}

/** A customer's orders, the newest first. @returns {Promise<Order[]>} */
export function listByCustomer(kv, customer, limit = 20) {
  return readIndex(kv, { prefix: ["orders_by_customer", customer] }, { limit, reverse: true });
}

/** The orders that are in a status. @param {Status} status @returns {Promise<Order[]>} */
export function listByStatus(kv, status, limit = 100) {
  return readIndex(kv, { prefix: ["orders_by_status", status] }, { limit });
}

/** Follows an index to the orders, ten at a time: so many keys getMany() takes. */
async function readIndex(kv, selector, options) {
  const ids = [];
  for await (const { value } of kv.list(selector, options)) ids.push(value);
  const orders = [];
  for (let i = 0; i < ids.length; i += 10) {
    const entries = await kv.getMany(ids.slice(i, i + 10).map(orderKey));
    orders.push(...entries.map(({ value }) => value).filter((order) => order !== null));
  }
  return orders;
}

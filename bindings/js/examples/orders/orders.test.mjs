// Unit tests with a database in memory: new and empty for each test, gone with it, and of no other test's concern.
//
//   node --test orders.test.mjs
//   deno test -A --no-check orders.test.mjs

import assert from "node:assert/strict";
import test from "node:test";
import { openKv } from "tuplet";
import { startFulfilment } from "./fulfilment.mjs";
import { changeStatus, createOrder, getOrder, listByCustomer, listByStatus, StatusError } from "./orders.mjs";

const ITEMS = [
  { product: "servo", quantity: 2, cents: 899 },
  { product: "sensor", quantity: 1, cents: 1000 },
];

/** A test that gets a database of its own. */
function testWithDatabase(name, run) {
  test(name, async () => {
    const kv = await openKv(":memory:");
    try {
      await run(kv);
    } finally {
      kv.close();
    }
  });
}

/** The first state of an entry that fits; a watch tells when to look. */
async function until(kv, key, fits) {
  for await (const [{ value }] of kv.watch([key])) {
    if (fits(value)) return value;
  }
}

testWithDatabase(
  "an order is stored with its total, and found by its id, customer and status",
  async (kv) => {
    const order = await createOrder(kv, "ada", ITEMS);
    assert.equal(order.totalCents, 2798);
    assert.equal(order.status, "pending");
    assert.deepEqual(await getOrder(kv, order.id), order);
    assert.deepEqual(await listByCustomer(kv, "ada"), [order]);
    assert.deepEqual(await listByStatus(kv, "pending"), [order]);
    assert.deepEqual(await listByCustomer(kv, "grace"), []);
    assert.equal(await getOrder(kv, "no such order"), null);
  },
);

testWithDatabase("a customer's orders come with the newest first", async (kv) => {
  const ids = [];
  for (let i = 0; i < 12; i++) {
    ids.unshift((await createOrder(kv, "ada", ITEMS)).id);
    await new Promise((done) => setTimeout(done, 2)); // another millisecond, so another time
  }
  assert.deepEqual((await listByCustomer(kv, "ada")).map(({ id }) => id), ids);
  assert.deepEqual((await listByCustomer(kv, "ada", 3)).map(({ id }) => id), ids.slice(0, 3));
});

testWithDatabase("an order changes only as its status allows, and its index with it", async (kv) => {
  const { id } = await createOrder(kv, "ada", ITEMS);
  await assert.rejects(changeStatus(kv, id, "delivered"), StatusError);
  await changeStatus(kv, id, "processing");
  assert.deepEqual(await listByStatus(kv, "pending"), []);
  assert.deepEqual((await listByStatus(kv, "processing")).map((order) => order.id), [id]);
  await changeStatus(kv, id, "cancelled");
  await assert.rejects(
    changeStatus(kv, id, "processing"),
    /an order that is cancelled cannot become processing/,
  );
  assert.equal(await changeStatus(kv, "no such order", "cancelled"), null);
});

testWithDatabase("of two that change an order at once neither undoes the other", async (kv) => {
  const { id } = await createOrder(kv, "ada", ITEMS);
  const results = await Promise.allSettled([
    changeStatus(kv, id, "processing"),
    changeStatus(kv, id, "cancelled"),
  ]);
  assert.equal(results[1].status, "fulfilled");
  assert.equal((await getOrder(kv, id)).status, "cancelled"); // whichever came first
  assert.deepEqual(await listByStatus(kv, "processing"), []);
  assert.deepEqual((await listByStatus(kv, "cancelled")).map((order) => order.id), [id]);
});

testWithDatabase(
  "an order is sent although the warehouse was busy at first, and the customer is told",
  async (kv) => {
    const seen = [];
    const send = ({ status }) => {
      seen.push(status);
      if (seen.length === 1) throw new Error("the warehouse is busy");
    };
    const mail = async (to, template, order) => {
      await kv.set(["mailed", order], { to, template });
    };
    startFulfilment(kv, send, mail);
    const { id } = await createOrder(kv, "ada", ITEMS);
    const mailed = await until(kv, ["mailed", id], (value) => value !== null);
    assert.deepEqual(mailed, { to: "ada", template: "order-shipped" });
    assert.deepEqual(seen, ["processing", "processing"]);
    assert.equal((await getOrder(kv, id)).status, "shipped");
  },
);

testWithDatabase("an order that was cancelled is not sent", async (kv) => {
  const cancelled = await createOrder(kv, "ada", ITEMS);
  await changeStatus(kv, cancelled.id, "cancelled");
  const sent = [];
  startFulfilment(kv, ({ id }) => void sent.push(id), () => {});
  const other = await createOrder(kv, "grace", ITEMS); // its job comes after the other
  await until(kv, ["orders", other.id], ({ status }) => status === "shipped");
  assert.deepEqual(sent, [other.id]);
});

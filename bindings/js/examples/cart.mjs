// Shopping carts that know their total, their cheapest and their dearest item.
//
//   node cart.mjs [DATABASE]
//   deno run -A cart.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// sum, min and max are worked out where the data is: nothing is read first, so items put in at the same moment cannot
// overwrite each other's sums, and no commit fails. What they keep is a KvU64, a whole number below 2^64; money is
// therefore counted in cents.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { KvU64, openKv } from "tuplet";

/** @typedef {{ name: string, cents: number }} Item */

const kv = await openKv(process.argv[2] ?? ":memory:");

/** Puts an item into a cart; it and the three numbers change together. Returns its id. @param {Item} item */
async function add(cart, item) {
  const id = randomUUID(); // somebody may want two of the same
  await kv.atomic()
    .set(["cart", cart, id], item)
    .sum(["cart_stats", cart, "total"], BigInt(item.cents))
    .min(["cart_stats", cart, "cheapest"], BigInt(item.cents))
    .max(["cart_stats", cart, "dearest"], BigInt(item.cents))
    .commit();
  return id;
}

/**
 * Takes an item out. The numbers can only be counted again from what is left, for a smallest number does not say which
 * was the second smallest. The check makes sure that nothing was added meanwhile, since every add changes the total.
 */
async function remove(cart, id) {
  for (;;) {
    const total = await kv.get(["cart_stats", cart, "total"]);
    const prices = [];
    for await (const { key, value } of kv.list({ prefix: ["cart", cart] })) {
      if (key[2] !== id) prices.push(value.cents);
    }
    const operation = kv.atomic().check(total).delete(["cart", cart, id]);
    const stats = {
      total: prices.reduce((sum, price) => sum + price, 0),
      cheapest: Math.min(...prices),
      dearest: Math.max(...prices),
    };
    for (const [stat, cents] of Object.entries(stats)) {
      const key = ["cart_stats", cart, stat];
      if (prices.length > 0) operation.set(key, new KvU64(BigInt(cents)));
      else operation.delete(key);
    }
    if ((await operation.commit()).ok) return;
  }
}

/** The three numbers, read from one moment. An entry's value is a KvU64, whose own value is the bigint. */
async function stats(cart) {
  const names = ["total", "cheapest", "dearest"];
  const entries = await kv.getMany(names.map((name) => ["cart_stats", cart, name]));
  const euros = (entry) => entry.value === null ? "-" : (Number(entry.value.value) / 100).toFixed(2);
  return names.map((name, i) => `${name} ${euros(entries[i])}`).join(", ");
}

const cart = randomUUID();
const items = [
  { name: "microcontroller kit", cents: 6000 },
  { name: "temperature sensor", cents: 1000 },
  { name: "humidity sensor", cents: 1550 },
  { name: "power supply", cents: 1875 },
  { name: "servo", cents: 899 },
];
const ids = await Promise.all(items.map((item) => add(cart, item)));
const [kit, servo] = [ids[0], ids[4]];
console.log(`five items:      ${await stats(cart)}`);

await remove(cart, servo);
console.log(`without servo:   ${await stats(cart)}`);

await Promise.all([remove(cart, kit), add(cart, { name: "jumper wires", cents: 425 })]);
console.log(`wires, no kit:   ${await stats(cart)}`);

for await (const { key } of kv.list({ prefix: ["cart", cart] })) await remove(cart, key[2]);
console.log(`nothing is left: ${await stats(cart)}`);

kv.close();

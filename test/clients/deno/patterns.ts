// What guides and applications build on the store: secondary indexes, unique constraints, history, sorting,
// pagination, statistics, orders. Each check is a small program of the kind that people write.

import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { all, committed, keysOf, open, valuesOf } from "./open.ts";

const kv = await open();
const u64 = (number: bigint) => new Deno.KvU64(number);

// ---- Users with a unique e-mail address ----------------------------------------------------------------------------

interface User {
  id: string;
  name: string;
  email: string;
}

/** Registers a user unless the address is taken. */
async function register(user: User): Promise<boolean> {
  const result = await kv.atomic()
    .check({ key: ["user", user.id], versionstamp: null })
    .check({ key: ["user_by_email", user.email], versionstamp: null })
    .set(["user", user.id], user)
    .set(["user_by_email", user.email], user.id)
    .commit();
  return result.ok;
}

async function findByEmail(email: string): Promise<User | null> {
  const id = await kv.get<string>(["user_by_email", email]);
  return id.value === null ? null : (await kv.get<User>(["user", id.value])).value;
}

/** Changes the address: the record and its index move together, and only to a free address. */
async function changeEmail(id: string, email: string): Promise<boolean> {
  const entry = await kv.get<User>(["user", id]);
  const result = await kv.atomic()
    .check(entry)
    .check({ key: ["user_by_email", email], versionstamp: null })
    .set(["user", id], { ...entry.value!, email })
    .delete(["user_by_email", entry.value!.email])
    .set(["user_by_email", email], id)
    .commit();
  return result.ok;
}

await check("a user is found by id and by e-mail address", async () => {
  const joan = { id: crypto.randomUUID(), name: "Joan Smith", email: "joan@example.com" };
  ok(await register(joan));
  equal((await kv.get(["user", joan.id])).value, joan);
  equal(await findByEmail("joan@example.com"), joan);
  equal(await findByEmail("nobody@example.com"), null);
});

await check("an address that is taken refuses a second registration, and leaves nothing of it", async () => {
  equal(await register({ id: "second", name: "Another", email: "joan@example.com" }), false);
  equal((await kv.get(["user", "second"])).value, null);
  equal((await findByEmail("joan@example.com"))!.name, "Joan Smith");
});

await check("of thirty who register one address at once, exactly one gets it", async () => {
  const ids = Array.from({ length: 30 }, (_, i) => `racer-${i}`);
  const outcomes = await Promise.all(ids.map((id) => register({ id, name: id, email: "race@example.com" })));
  equal(outcomes.filter(Boolean).length, 1);
  equal((await findByEmail("race@example.com"))!.id, ids[outcomes.indexOf(true)]);
});

await check("an update moves the index along; a taken address leaves both alone", async () => {
  ok(await register({ id: "u1", name: "One", email: "one@example.com" }));
  ok(await register({ id: "u2", name: "Two", email: "two@example.com" }));
  equal(await changeEmail("u1", "two@example.com"), false);
  equal((await kv.get<User>(["user", "u1"])).value!.email, "one@example.com");
  equal(await changeEmail("u1", "uno@example.com"), true);
  equal(await findByEmail("one@example.com"), null);
  equal((await findByEmail("uno@example.com"))!.id, "u1");
});

await check("a deletion takes the record and its index together", async () => {
  const entry = await kv.get<User>(["user", "u2"]);
  const remove = () =>
    kv.atomic().check(entry).delete(["user", "u2"]).delete(["user_by_email", "two@example.com"]).commit();
  await committed(remove());
  equal(await findByEmail("two@example.com"), null);
  equal(await remove(), { ok: false });
});

await check("a user, address and phone are stored as one", async () => {
  const keys = [["user", "p1"], ["address", "p1"], ["phone", "p1"]];
  const records = await kv.getMany(keys);
  const atomic = kv.atomic();
  for (const record of records) atomic.check({ key: record.key, versionstamp: record.versionstamp });
  for (const key of keys) atomic.set(key, { userId: "p1", kind: key[0] });
  const versionstamp = await committed(atomic.commit());
  ok((await kv.getMany(keys)).every((entry) => entry.versionstamp === versionstamp));
});

await check("preferences are found by user name and by e-mail address", async () => {
  const preferences = { username: "ada", email: "ada@example.com", theme: "dark", language: "en-US" };
  const primary = ["preferences", preferences.username];
  await committed(
    kv.atomic().set(primary, preferences).set(["preferencesByEmail", preferences.email], primary).commit(),
  );
  const key = await kv.get<Deno.KvKey>(["preferencesByEmail", "ada@example.com"]);
  equal((await kv.get(key.value!)).value, preferences);
});

// ---- Groups, sorting, history --------------------------------------------------------------------------------------

await check("players are listed by their position on the pitch", async () => {
  const players = [
    "Keeper Goalkeeper",
    "Back Defender",
    "Six Midfielder",
    "Eight Midfielder",
    "Nine Forward",
  ];
  for (const [id, player] of players.entries()) {
    const [name, position] = player.split(" ");
    const record = { id, name, position };
    await committed(
      kv.atomic().set(["players", id], record).set(["players_by_position", position, id], record).commit(),
    );
  }
  const midfielders = await valuesOf<{ name: string }>(
    kv.list({ prefix: ["players_by_position", "Midfielder"] }),
  );
  equal(midfielders.map((player) => player.name), ["Six", "Eight"]);
  equal((await all(kv.list({ prefix: ["players_by_position"] }))).length, 5);
});

await check("an index sorts by name, and namesakes stay apart by their id", async () => {
  const names = [["Smith", "John", 3], ["Doe", "Jane", 2], ["Smith", "John", 1], ["Abel", "Zoe", 4], [
    "Smith",
    "Ann",
    5,
  ]] as const;
  for (const [last, first, id] of names) await kv.set(["user_by_name", last, first, id], { id, first, last });
  const sorted = await valuesOf<{ id: number }>(kv.list({ prefix: ["user_by_name"] }));
  equal(sorted.map((user) => user.id), [4, 2, 5, 1, 3]);
  const smiths = await valuesOf<{ id: number }>(
    kv.list({ prefix: ["user_by_name", "Smith"] }, { reverse: true }),
  );
  equal(smiths.map((user) => user.id), [3, 1, 5]);
  const range = kv.list<{ id: number }>({
    start: ["user_by_name", "Doe"],
    end: ["user_by_name", "Smith", "John"],
  });
  equal((await valuesOf(range)).map((user) => user.id), [2, 5]);
});

await check("without the id in the key, the later namesake replaces the earlier", async () => {
  await kv.set(["by_name", "John Smith"], 1);
  await kv.set(["by_name", "John Smith"], 2);
  equal(await valuesOf(kv.list({ prefix: ["by_name"] })), [2]);
});

await check("dates as key parts list the most recent first", async () => {
  const dates = ["2023-05-14", "2021-01-01", "2024-12-31", "2023-05-13"];
  for (const date of dates) {
    await kv.set(["by_date", date], date);
    await kv.set(["by_time", Date.parse(date)], date);
  }
  const recent = ["2024-12-31", "2023-05-14", "2023-05-13", "2021-01-01"];
  equal(await valuesOf(kv.list({ prefix: ["by_date"] }, { reverse: true })), recent);
  equal(await valuesOf(kv.list({ prefix: ["by_time"] }, { reverse: true })), recent);
});

await check("the versionstamps of a record, as key parts, are its history", async () => {
  const id = crypto.randomUUID();
  const stamps: string[] = [];
  for (const name of ["Joan Smith", "Joan Doe", "Joan Roe"]) {
    const versionstamp = await committed(kv.atomic().set(["account", id], { id, name }).commit());
    await kv.set(["account_versionstamp", id, versionstamp], { version: versionstamp, name });
    stamps.push(versionstamp);
  }
  const history = await valuesOf<{ name: string; version: string }>(
    kv.list({ prefix: ["account_versionstamp", id] }, { reverse: true }),
  );
  equal(history.map((version) => version.name), ["Joan Roe", "Joan Doe", "Joan Smith"]);
  equal(history.map((version) => version.version), stamps.reverse());
  equal((await kv.get(["account", id])).versionstamp, history[0].version);
});

await check("a web page's pages: cursors handed from request to request, by age", async () => {
  for (let i = 0; i < 23; i++) {
    await kv.set(["user_by_age", 20 + (i * 7) % 23, i], { age: 20 + (i * 7) % 23 });
  }
  const ages: number[][] = [];
  let cursor = "";
  do {
    const options = cursor === "" ? { limit: 5 } : { limit: 5, cursor };
    const iterator = kv.list<{ age: number }>({ prefix: ["user_by_age"] }, options);
    const page: number[] = [];
    for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
      page.push(result.value.value.age);
    }
    ages.push(page);
    cursor = iterator.cursor;
  } while (cursor !== "");
  equal(ages.map((page) => page.length), [5, 5, 5, 5, 3]);
  equal(ages.flat(), Array.from({ length: 23 }, (_, i) => 20 + i));
});

// ---- Statistics ----------------------------------------------------------------------------------------------------

await check("a hit counter counts every visit, however they come", async () => {
  const visit = (page: string) =>
    kv.atomic()
      .mutate({ type: "sum", key: ["hit_counter"], value: u64(1n) })
      .sum(["hits", page], 1n)
      .commit();
  for (let i = 0; i < 10; i++) await visit("home");
  await Promise.all(Array.from({ length: 90 }, (_, i) => visit(i % 3 === 0 ? "about" : "home")));
  equal((await kv.get(["hit_counter"])).value, u64(100n));
  equal(await valuesOf(kv.list({ prefix: ["hits"] })), [u64(30n), u64(70n)]);
});

await check("a shopping cart keeps its total, its cheapest and its dearest item", async () => {
  const cart = [["Arduino Uno kit", 60], ["Temp sensor", 10], ["Humidity sensor", 15], ["Power cord", 18], [
    "Servo",
    8,
  ]] as const;
  for (const [itemDesc, price] of cart) {
    await committed(
      kv.atomic()
        .set(["cart", "100", itemDesc], { itemDesc, price })
        .mutate({ type: "min", key: ["cart_min"], value: u64(BigInt(price)) })
        .mutate({ type: "max", key: ["cart_max"], value: u64(BigInt(price)) })
        .sum(["cart_sum"], BigInt(price))
        .commit(),
    );
  }
  const [least, most, total] = await kv.getMany([["cart_min"], ["cart_max"], ["cart_sum"]]);
  equal([least.value, most.value, total.value], [u64(8n), u64(60n), u64(111n)]);
  equal((await keysOf(kv.list({ prefix: ["cart", "100"] }))).length, 5);
});

await check("transfers between accounts keep the sum, whoever else transfers", async () => {
  const accounts = ["a", "b", "c", "d"];
  for (const account of accounts) await kv.set(["balance", account], 100);
  const transfer = async (from: string, to: string, amount: number) => {
    for (;;) {
      const [source, target] = await kv.getMany<[number, number]>([["balance", from], ["balance", to]]);
      if (source.value! < amount) return false;
      const result = await kv.atomic().check(source, target)
        .set(source.key, source.value! - amount)
        .set(target.key, target.value! + amount)
        .commit();
      if (result.ok) return true;
    }
  };
  await Promise.all(
    Array.from(
      { length: 40 },
      (_, i) => transfer(accounts[i % 4], accounts[(i + 1 + i % 3) % 4], 1 + i % 30),
    ),
  );
  const balances = await valuesOf<number>(kv.list({ prefix: ["balance"] }));
  equal(balances.reduce((sum, balance) => sum + balance, 0), 400);
  ok(balances.every((balance) => balance >= 0));
});

// ---- Orders --------------------------------------------------------------------------------------------------------

interface Order {
  id: string;
  customerId: string;
  status: string;
  totalCents: number;
}

async function createOrder(customerId: string, at: string, totalCents: number): Promise<Order> {
  const order = { id: crypto.randomUUID(), customerId, status: "pending", totalCents };
  await committed(
    kv.atomic()
      .set(["orders", order.id], order)
      .set(["orders_by_customer", customerId, at, order.id], { id: order.id })
      .set(["orders_by_status", "pending", order.id], { id: order.id })
      .commit(),
  );
  return order;
}

async function updateStatus(id: string, status: string): Promise<void> {
  for (;;) {
    const entry = await kv.get<Order>(["orders", id]);
    const result = await kv.atomic()
      .check(entry)
      .set(["orders", id], { ...entry.value!, status })
      .delete(["orders_by_status", entry.value!.status, id])
      .set(["orders_by_status", status, id], { id })
      .commit();
    if (result.ok) return;
  }
}

await check("orders: newest first by customer, and by status wherever they have got to", async () => {
  const first = await createOrder("cust-123", "2024-01-01T00:00:00Z", 1998);
  const second = await createOrder("cust-123", "2024-02-01T00:00:00Z", 500);
  await createOrder("cust-9", "2024-03-01T00:00:00Z", 1);
  const ids = await valuesOf<{ id: string }>(
    kv.list({ prefix: ["orders_by_customer", "cust-123"] }, { limit: 20, reverse: true }),
  );
  equal(ids.map((order) => order.id), [second.id, first.id]);
  await updateStatus(first.id, "shipped");
  equal(await valuesOf(kv.list({ prefix: ["orders_by_status", "shipped"] })), [{ id: first.id }]);
  equal((await all(kv.list({ prefix: ["orders_by_status", "pending"] }))).length, 2);
});

await check("orders: concurrent updates leave one status and one index entry", async () => {
  const order = await createOrder("cust-7", "2024-04-01T00:00:00Z", 999);
  await Promise.all(
    ["processing", "cancelled", "shipped", "delivered"].map((status) => updateStatus(order.id, status)),
  );
  const final = await kv.get<Order>(["orders", order.id]);
  const entries = await keysOf(kv.list({ prefix: ["orders_by_status"] }));
  equal(entries.filter((key) => key[2] === order.id), [["orders_by_status", final.value!.status, order.id]]);
});

await check("a chat: what came since the last message seen", async () => {
  for (let i = 1; i <= 5; i++) {
    const id = String(i).padStart(4, "0");
    await committed(
      kv.atomic().set(["messages", "room", id], `message ${i}`).set(["last_message_id", "room"], id).commit(),
    );
  }
  const [latest] = (await kv.watch<[string]>([["last_message_id", "room"]]).getReader().read()).value!;
  equal(latest.value, "0005");
  const since = kv.list({
    start: ["messages", "room", "0003", ""],
    end: ["messages", "room", latest.value!, ""],
  });
  equal(await valuesOf(since), ["message 4", "message 5"]);
});

await check(
  "a wrong type in the middle of a statistics update leaves the statistics as they were",
  async () => {
    await kv.set(["stat", "label"], "not a number");
    await fails(
      () => kv.atomic().sum(["stat", "count"], 1n).sum(["stat", "label"], 1n).commit(),
      "non-U64 value",
    );
    equal((await kv.get(["stat", "count"])).value, null);
  },
);

finish();

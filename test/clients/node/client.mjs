// Deno KV's package for Node against the server: HTTP/1.1 through fetch, a client that leaves nearly every limit to the
// server, queues that it does send, and key ranges of its own making (a get is the range from the key to FF).

import { openKv } from "@deno/kv";
import process from "node:process";
import { assertSame } from "../lib/compare.mjs";
import { check, equal, eventually, fails, finish, ok, sleep, within } from "../lib/report.mjs";

const url = process.argv[2];
const open = (options = {}) => openKv(url, { maxRetries: 1, ...options });
const kv = await open();

const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const all = async (list) => {
  const entries = [];
  for await (const entry of list) entries.push(entry);
  return entries;
};
const values = async (list) => (await all(list)).map((entry) => entry.value);
const committed = async (atomic) => {
  const result = await atomic.commit();
  ok(result.ok, "the commit failed a check");
  return result.versionstamp;
};
const KvU64 = await kv.atomic().sum(["u64"], 1n).commit().then(async () =>
  (await kv.get(["u64"])).value.constructor
);

await check("set, get, getMany and delete", async () => {
  const { versionstamp } = await kv.set(["user", 1], { name: "Ada" });
  equal(await kv.get(["user", 1]), { key: ["user", 1], value: { name: "Ada" }, versionstamp });
  equal(await kv.get(["user", 2]), { key: ["user", 2], value: null, versionstamp: null });
  const many = await kv.getMany([["user", 2], ["user", 1]]);
  equal(many.map((entry) => entry.value), [null, { name: "Ada" }]);
  await kv.delete(["user", 1]);
  equal((await kv.get(["user", 1])).value, null);
});

await check("a get answers its own key only, though it asks for a range", async () => {
  await kv.set(["range", "b"], 1);
  equal((await kv.get(["range", "a"])).versionstamp, null);
  equal((await kv.get(["range"])).versionstamp, null);
});

await check("both consistency levels", async () => {
  await kv.set(["level"], 1);
  equal((await kv.get(["level"], { consistency: "strong" })).value, 1);
  equal((await kv.get(["level"], { consistency: "eventual" })).value, 1);
});

await check("lists: prefix, start, end, limit, batches, reverse", async () => {
  const atomic = kv.atomic();
  for (const i of numbers(250)) atomic.set(["n", i], i);
  await committed(atomic);
  await kv.set(["n"], "the prefix itself");
  equal(await values(kv.list({ prefix: ["n"] })), numbers(250));
  equal(await values(kv.list({ prefix: ["n"] }, { batchSize: 30 })), numbers(250));
  equal(await values(kv.list({ prefix: ["n"] }, { limit: 3 })), [0, 1, 2]);
  equal(await values(kv.list({ prefix: ["n"] }, { reverse: true, limit: 2 })), [249, 248]);
  equal(await values(kv.list({ prefix: ["n"], start: ["n", 248] })), [248, 249]);
  equal(await values(kv.list({ prefix: ["n"], end: ["n", 2] })), [0, 1]);
  equal(await values(kv.list({ start: ["n", 5], end: ["n", 8] }, { consistency: "eventual" })), [5, 6, 7]);
  await kv.delete(["n"]); // this client's ranges begin at the prefix itself, which it shows when a page begins there
});

await check("pages by cursor, in both directions", async () => {
  for (const reverse of [false, true]) {
    const found = [];
    let cursor;
    for (;;) {
      const iterator = kv.list({ prefix: ["n"] }, { limit: 60, reverse, ...(cursor && { cursor }) });
      const page = await values(iterator);
      if (page.length === 0) break;
      found.push(...page);
      cursor = iterator.cursor;
    }
    equal(found, reverse ? numbers(250).reverse() : numbers(250));
  }
});

await check("atomic: checks that hold, checks that fail, one versionstamp for all", async () => {
  const insert = () =>
    kv.atomic().check({ key: ["once"], versionstamp: null }).set(["once"], 1).set(["twice"], 2).commit();
  const first = await insert();
  ok(first.ok);
  equal(await insert(), { ok: false });
  const entry = await kv.get(["once"]);
  equal([entry.versionstamp, (await kv.get(["twice"])).versionstamp], [
    first.versionstamp,
    first.versionstamp,
  ]);
  await committed(kv.atomic().check(entry).delete(["once"]).set(["twice"], 3));
  equal(await kv.atomic().check(entry).set(["once"], 9).commit(), { ok: false });
  equal((await kv.getMany([["once"], ["twice"]])).map((found) => found.value), [null, 3]);
});

await check("sum, min and max, and KvU64 as a value", async () => {
  for (const price of [60n, 8n, 15n]) {
    await committed(
      kv.atomic().sum(["cart", "sum"], price).min(["cart", "min"], price).max(["cart", "max"], price),
    );
  }
  equal(await values(kv.list({ prefix: ["cart"] })), [new KvU64(60n), new KvU64(8n), new KvU64(83n)]);
  await kv.set(["counter"], new KvU64(2n ** 64n - 1n));
  await committed(kv.atomic().mutate({ type: "sum", key: ["counter"], value: new KvU64(2n) }));
  equal((await kv.get(["counter"])).value, new KvU64(1n));
});

await check(
  "a sum of the wrong type shows the sentence, and nothing of its operation is applied",
  async () => {
    await kv.set(["wrong"], "text");
    const commit = () => kv.atomic().set(["earlier"], 1).sum(["wrong"], 1n).set(["later"], 1).commit();
    await fails(commit, "Failed to perform 'sum' mutation on a non-U64 value in the database");
    equal((await kv.getMany([["earlier"], ["wrong"], ["later"]])).map((entry) => entry.value), [
      null,
      "text",
      null,
    ]);
  },
);

await check("sums of numbers and of bigints", async () => {
  const sum = (key, value) => committed(kv.atomic().mutate({ type: "sum", key: [key], value }));
  await sum("number", 1.25);
  await sum("number", 2);
  await sum("bigint", 2n ** 80n);
  await sum("bigint", 1n);
  equal((await kv.get(["number"])).value, 3.25);
  equal((await kv.get(["bigint"])).value, 2n ** 80n + 1n);
});

await check("every kind of key part, in order", async () => {
  const parts = [
    new Uint8Array([0, 1]),
    "",
    "a\u0000b",
    "日本",
    -(2n ** 70n),
    -1n,
    0n,
    2n ** 64n,
    -1.5,
    0,
    1e300,
    false,
    true,
  ];
  for (const part of [...parts].reverse()) await kv.set(["part", part], 1);
  equal((await all(kv.list({ prefix: ["part"] }))).map((entry) => entry.key[1]), parts);
});

await check("values of every kind that Node can store", async () => {
  const cyclic = { list: [1, , undefined] };
  cyclic.self = cyclic;
  const stored = [
    undefined,
    null,
    true,
    -0,
    NaN,
    1e21,
    -(2n ** 100n),
    "",
    "日本 😀",
    "\ud800",
    cyclic,
    new Date(1700000000123),
    new Map([["a", new Set([1n])]]),
    /a.b/giu,
    new Uint8Array([1, 2]),
    new Float64Array([1.5, -0]).buffer,
    Object("boxed"),
    Object(5n),
    new Array(5),
  ];
  for (const [i, value] of stored.entries()) {
    await kv.set(["kind", i], value);
    assertSame((await kv.get(["kind", i])).value, value);
  }
  // Node writes views as host objects of its own: a store must hand them back untouched.
  await kv.set(["kind", "view"], { view: new Uint16Array([1, 2, 65535]) });
  const { view } = (await kv.get(["kind", "view"])).value;
  equal([view.constructor, [...view]], [Uint16Array, [1, 2, 65535]]);
  const error = new TypeError("bad", { cause: 1 });
  await kv.set(["kind", "error"], error);
  assertSame((await kv.get(["kind", "error"])).value, error);
});

await check("an entry that expires is gone in its millisecond", async () => {
  await kv.set(["short"], 1, { expireIn: 200 });
  const latest = Date.now() + 200;
  equal((await kv.get(["short"])).value, 1);
  while (Date.now() < latest + 40) {
    const asked = Date.now();
    const { value } = await kv.get(["short"]);
    if (asked > latest) equal(value, null, `${asked - latest} ms past the expiry`);
  }
  equal((await kv.get(["short"])).value, null);
});

await check("a watch shows the present state and each change after it", async () => {
  await kv.set(["watched"], 0);
  const reader = kv.watch([["watched"], ["absent"]]).getReader();
  const next = async () =>
    (await within(20_000, "a change", reader.read())).value.map((entry) => entry.value);
  equal(await next(), [0, null]);
  await kv.set(["watched"], 1);
  equal(await next(), [1, null]);
  await kv.atomic().delete(["watched"]).set(["absent"], "there").commit();
  equal(await next(), [null, "there"]);
  await reader.cancel();
});

await check("messages are accepted, alone and in an atomic operation", async () => {
  ok((await kv.enqueue({ job: 1 }, { delay: 3_600_000, keysIfUndelivered: [["failed", 1]] })).ok);
  ok((await kv.atomic().set(["with message"], 1).enqueue("plain").commit()).ok);
  const entry = await kv.get(["with message"]);
  equal(await kv.atomic().check({ key: ["with message"], versionstamp: null }).enqueue("never").commit(), {
    ok: false,
  });
  ok((await kv.atomic().check(entry).enqueue("again").commit()).ok);
});

// What this client does not check, the server must.
const refusals = {
  "a key of more than 2,048 bytes": [() => kv.set(["k".repeat(2047)], 1), /key.*(size|large|2048)/i],
  "a value of more than 65,536 bytes": [
    () => kv.set(["v"], new Uint8Array(65537)),
    /value.*(size|large|65536)/i,
  ],
  "more than 100 checks": [
    () => atomicOf(101, (atomic, i) => atomic.check({ key: [i], versionstamp: null })),
    /too many checks/i,
  ],
  "more than 1,000 mutations": [
    () => atomicOf(1001, (atomic, i) => atomic.set(["m", i], 1)),
    /too many mutations/i,
  ],
  "more than 819,200 bytes at once": [
    () => atomicOf(13, (atomic, i) => atomic.set(["t", i], new Uint8Array(65000))),
    /size.*(large|819200)/i,
  ],
  "more than 10 keys read at once": [() => kv.getMany(numbers(11).map((i) => [i])), /too many.*ranges/i],
  "a message of more than 65,536 bytes": [
    () => kv.enqueue(new Uint8Array(70000)),
    /payload|value|size|large/i,
  ],
  "a min of something that is no KvU64": [
    () => kv.atomic().mutate({ type: "min", key: ["min"], value: 1 }).commit(),
    "Failed to perform 'min' mutation on a non-U64 operand",
  ],
};
for (const [what, [call, message]] of Object.entries(refusals)) {
  await check(`${what}: refused with 400 and a reason`, async () => {
    const error = await fails(call, message);
    ok(error.message.includes("400"), error.message);
  });
}

function atomicOf(count, add) {
  const atomic = kv.atomic();
  for (const i of numbers(count)) add(atomic, i);
  return atomic.commit();
}

await check("a watch of more than 10 keys is refused", async () => {
  const reader = kv.watch(numbers(11).map((i) => ["w", i]), { raw: true }).getReader();
  await fails(() => within(20_000, "the refusal", reader.read()), /too many keys/i);
});

await check("100 checks and 1,000 mutations are taken", async () => {
  ok((await atomicOf(100, (atomic, i) => atomic.check({ key: ["c", i], versionstamp: null }))).ok);
  ok((await atomicOf(1000, (atomic, i) => atomic.set(["thousand", i], i))).ok);
  equal((await values(kv.list({ prefix: ["thousand"] }, { batchSize: 500 }))).length, 1000);
});

await check("three hundred requests at once are all answered", async () => {
  const results = await Promise.all(numbers(300).map((i) => kv.set(["burst", i], i)));
  equal(new Set(results.map((result) => result.versionstamp)).size, 300);
  equal((await values(kv.list({ prefix: ["burst"] }))).length, 300);
});

await check(
  "protocol versions 2 and 3, as the client asks for them; a client of version 1 alone is told why not",
  async () => {
    for (const supportedVersions of [[2], [3], [1, 2], [2, 3]]) {
      const other = await open({ supportedVersions });
      await other.set(["version"], supportedVersions);
      equal((await other.get(["version"])).value, supportedVersions);
      other.close();
    }
  },
);

await check("a wrong token is refused with a reason", async () => {
  await fails(() => open({ accessToken: "not-the-right-token" }), /401/);
});

await check("a private database in memory", async () => {
  const memory = () => openKv(`${url}/:memory:`, { maxRetries: 1 });
  const [a, b] = [await memory(), await memory()];
  await a.set(["who"], "a");
  equal([(await a.get(["who"])).value, (await b.get(["who"])).value], ["a", null]);
});

await check("a second client sees what the first wrote", async () => {
  const other = await open();
  await kv.set(["between"], "clients");
  equal((await other.get(["between"])).value, "clients");
  const reader = other.watch([["between"]]).getReader();
  equal((await reader.read()).value[0].value, "clients");
  await kv.set(["between"], "watched");
  await eventually(20_000, "the change", async () => (await reader.read()).value[0].value === "watched");
  await reader.cancel();
  await sleep(0);
});

finish();

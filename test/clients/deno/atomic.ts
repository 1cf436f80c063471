// Atomic operations: checks, every mutation in every form, arithmetic, and that an operation is whole or not at all.

import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { all, committed, keysOf, open, VERSIONSTAMP } from "./open.ts";

const kv = await open();
const u64 = (number: bigint) => new Deno.KvU64(number);
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const valueOf = async (...key: Deno.KvKeyPart[]) => (await kv.get(key)).value;

await check("a check for absence lets the first writer in and keeps the second out", async () => {
  const insert = () =>
    kv.atomic().check({ key: ["once"], versionstamp: null }).set(["once"], "mine").commit();
  equal((await insert()).ok, true);
  equal(await insert(), { ok: false });
  equal(await valueOf("once"), "mine");
});

await check("a check takes an entry as it was read, and fails once it has changed", async () => {
  await kv.set(["user", 123], { phone: "1" });
  const entry = await kv.get<{ phone: string }>(["user", 123]);
  const write = (phone: string) =>
    kv.atomic().check(entry).set(["user", 123], { ...entry.value, phone }).commit();
  equal((await write("2070987654")).ok, true);
  equal(await write("0"), { ok: false });
  equal(await valueOf("user", 123), { phone: "2070987654" });
});

await check("a check of a deleted entry fails, for its old versionstamp", async () => {
  const { versionstamp } = await kv.set(["gone"], 1);
  await kv.delete(["gone"]);
  equal(await kv.atomic().check({ key: ["gone"], versionstamp }).set(["gone"], 2).commit(), { ok: false });
  equal(await valueOf("gone"), null);
});

await check("one failed check among many keeps everything out", async () => {
  await kv.set(["taken"], 1);
  const atomic = kv.atomic();
  for (const i of numbers(9)) atomic.check({ key: ["free", i], versionstamp: null });
  atomic.check({ key: ["taken"], versionstamp: null });
  for (const i of numbers(9)) atomic.set(["free", i], i);
  atomic.delete(["taken"]).sum(["free-count"], 9n);
  equal(await atomic.commit(), { ok: false });
  equal(await all(kv.list({ prefix: ["free"] })), []);
  equal(await valueOf("taken"), 1);
  equal(await valueOf("free-count"), null);
});

await check("several checks in one call, and a check without versionstamp, mean absence", async () => {
  const [a, b] = [{ key: ["several", 1], versionstamp: null }, { key: ["several", 2], versionstamp: null }];
  equal((await kv.atomic().check(a, b).set(["several", 1], 1).commit()).ok, true);
  equal(await kv.atomic().check(a, b).set(["several", 2], 2).commit(), { ok: false });
  const bare = { key: ["several", 3] } as unknown as Deno.AtomicCheck;
  equal((await kv.atomic().check(bare).commit()).ok, true);
});

await check("an operation of checks alone answers whether they hold, one of nothing succeeds", async () => {
  const { versionstamp } = await kv.set(["checked"], 1);
  equal((await kv.atomic().check({ key: ["checked"], versionstamp }).commit()).ok, true);
  equal(await kv.atomic().check({ key: ["checked"], versionstamp: null }).commit(), { ok: false });
  equal((await kv.atomic().commit()).ok, true);
});

await check("all writes of an operation carry its one versionstamp", async () => {
  const versionstamp = await committed(
    kv.atomic().set(["one", 1], 1).set(["one", 2], 2).sum(["one", 3], 3n).commit(),
  );
  ok(VERSIONSTAMP.test(versionstamp));
  const entries = await all(kv.list({ prefix: ["one"] }));
  equal(entries.map((entry) => entry.versionstamp), [versionstamp, versionstamp, versionstamp]);
});

await check("mutations of one key apply in their order", async () => {
  await committed(kv.atomic().set(["order"], 1).delete(["order"]).set(["order"], 3).commit());
  equal(await valueOf("order"), 3);
  await committed(kv.atomic().set(["order"], 4).delete(["order"]).commit());
  equal((await kv.get(["order"])).versionstamp, null);
  await committed(
    kv.atomic().sum(["order"], 5n).sum(["order"], 6n).max(["order"], 2n).min(["order"], 100n).commit(),
  );
  equal(await valueOf("order"), u64(11n));
});

await check("sum, min and max start from the operand and go on from there", async () => {
  for (const price of [60n, 10n, 15n, 18n, 8n]) {
    await committed(
      kv.atomic().sum(["cart_sum"], price).min(["cart_min"], price).max(["cart_max"], price).commit(),
    );
  }
  equal(await valueOf("cart_sum"), u64(111n));
  equal(await valueOf("cart_min"), u64(8n));
  equal(await valueOf("cart_max"), u64(60n));
});

await check("sum wraps at 64 bits; min and max are unsigned", async () => {
  const largest = 2n ** 64n - 1n;
  await committed(kv.atomic().sum(["wrap"], largest).sum(["wrap"], 3n).commit());
  equal(await valueOf("wrap"), u64(2n));
  await committed(kv.atomic().max(["unsigned"], 2n ** 63n).max(["unsigned"], 1n).commit());
  equal(await valueOf("unsigned"), u64(2n ** 63n));
  await committed(kv.atomic().min(["least"], largest).min(["least"], 2n ** 63n).commit());
  equal(await valueOf("least"), u64(2n ** 63n));
});

await check("mutate takes each type of mutation, and several at once", async () => {
  await committed(
    kv.atomic().mutate(
      { type: "set", key: ["mutate", "set"], value: "a" },
      { type: "set", key: ["mutate", "gone"], value: "b" },
      { type: "sum", key: ["mutate", "sum"], value: u64(4n) },
      { type: "min", key: ["mutate", "min"], value: u64(4n) },
      { type: "max", key: ["mutate", "max"], value: u64(4n) },
      { type: "delete", key: ["mutate", "gone"] },
    ).commit(),
  );
  await committed(kv.atomic().mutate({ type: "sum", key: ["mutate", "sum"], value: u64(1n) }).commit());
  const entries = await all(kv.list({ prefix: ["mutate"] }));
  equal(entries.map(({ key, value }) => [key[1], value]), [
    ["max", u64(4n)],
    ["min", u64(4n)],
    ["set", "a"],
    ["sum", u64(5n)],
  ]);
});

await check("a KvU64 that was set is what sum continues from", async () => {
  await kv.set(["kvu64"], u64(41n));
  await committed(kv.atomic().sum(["kvu64"], 1n).commit());
  equal(await valueOf("kvu64"), u64(42n));
});

await check("sum adds numbers and bigints of any size too", async () => {
  const sum = (key: string, value: unknown) => {
    const mutation = { type: "sum", key: [key], value } as unknown as Deno.KvMutation & { key: Deno.KvKey };
    return kv.atomic().mutate(mutation).commit();
  };
  await committed(sum("sum-number", 1.5));
  await committed(sum("sum-number", 2));
  equal(await valueOf("sum-number"), 3.5);
  await committed(sum("sum-bigint", 2n ** 100n));
  await committed(sum("sum-bigint", -(2n ** 101n)));
  equal(await valueOf("sum-bigint"), -(2n ** 100n));
  await fails(() => sum("sum-number", 1n), "Cannot sum Number with BigInt");
  await fails(() => sum("sum-bigint", 1), "Cannot sum BigInt with Number");
});

const WRONG_TYPE = [
  ["sum", "Failed to perform 'sum' mutation on a non-U64 value in the database"],
  ["min", "Failed to perform 'min' mutation on a non-U64 value in the database"],
  ["max", "Failed to perform 'max' mutation on a non-U64 value in the database"],
] as const;

for (const [type, sentence] of WRONG_TYPE) {
  await check(
    `${type} of a value of the wrong type says so, and nothing of its operation is applied`,
    async () => {
      await kv.set([type, "wrong"], "a string");
      await kv.set([type, "deleted"], "still here");
      const atomic = kv.atomic().set([type, "earlier"], 1).delete([type, "deleted"]).sum(
        [type, "counter"],
        1n,
      );
      atomic[type]([type, "wrong"], 1n).set([type, "later"], 1);
      await fails(() => atomic.commit(), sentence);
      const entries = await all(kv.list({ prefix: [type] }));
      equal(entries.map(({ key, value }) => [key[1], value]), [["deleted", "still here"], [
        "wrong",
        "a string",
      ]]);
    },
  );
}

await check("an operation that fails does not harm those committed beside it", async () => {
  await kv.set(["beside", "wrong"], "a string");
  const outcomes = await Promise.allSettled(
    numbers(60).map((i) => {
      const atomic = kv.atomic().set(["beside", i], i);
      return (i % 3 === 0 ? atomic.sum(["beside", "wrong"], 1n) : atomic).commit();
    }),
  );
  equal(
    outcomes.map((outcome) => outcome.status),
    numbers(60).map((i) => i % 3 === 0 ? "rejected" : "fulfilled"),
  );
  const kept = (await keysOf(kv.list({ prefix: ["beside"] }))).map((key) => key[1]);
  equal(kept, ["wrong", ...numbers(60).filter((i) => i % 3 !== 0)]);
});

await check("a hundred checks and a thousand mutations fit one operation", async () => {
  const checks = kv.atomic();
  for (const i of numbers(100)) checks.check({ key: ["checks", i], versionstamp: null });
  await committed(checks.set(["checks", 0], 0).commit());
  const again = kv.atomic();
  for (const i of numbers(100)) again.check({ key: ["checks", 99 - i], versionstamp: null });
  equal(await again.commit(), { ok: false });

  const mutations = kv.atomic();
  for (const i of numbers(1000)) mutations.set(["thousand", i], i);
  const versionstamp = await committed(mutations.commit());
  const entries = await all(kv.list({ prefix: ["thousand"] }, { batchSize: 1000 }));
  equal(entries.map((entry) => entry.value), numbers(1000));
  ok(entries.every((entry) => entry.versionstamp === versionstamp));
});

await check("a key that ends in the versionstamp of its own commit", async () => {
  const stamps: string[] = [];
  for (const i of numbers(5)) {
    const atomic = kv.atomic().set(["log", kv.commitVersionstamp()], i);
    stamps.push(await committed(atomic.set(["log-count"], i + 1).commit()));
  }
  const entries = await all(kv.list({ prefix: ["log"] }));
  equal(entries.map((entry) => entry.key), stamps.map((stamp) => ["log", stamp]));
  equal(entries.map((entry) => entry.versionstamp), stamps);
  equal(entries.map((entry) => entry.value), numbers(5));
  const plain = await kv.set(["log", "plain", kv.commitVersionstamp()], "set");
  equal(await valueOf("log", "plain", (plain as Deno.KvCommitResult).versionstamp), "set");
});

await check("of twenty who read, check and write one counter, none overwrites another", async () => {
  await kv.set(["contended"], 0);
  const increment = async () => {
    for (;;) {
      const entry = await kv.get<number>(["contended"]);
      const result = await kv.atomic().check(entry).set(["contended"], entry.value! + 1).commit();
      if (result.ok) return;
    }
  };
  await Promise.all(numbers(20).map(increment));
  equal(await valueOf("contended"), 20);
});

await check("five hundred sums at once add up", async () => {
  await Promise.all(numbers(500).map((i) => kv.atomic().sum(["sums"], BigInt(i)).commit()));
  equal(await valueOf("sums"), u64(124750n));
});

await check("an operation without commit does nothing, and says so when it is awaited", async () => {
  const atomic = kv.atomic().set(["never"], 1);
  await fails(
    async () => await atomic,
    "'Deno.AtomicOperation' is not a promise: did you forget to call 'commit()'",
  );
  equal(await valueOf("never"), null);
});

finish();

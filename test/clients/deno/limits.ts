// Every limit at its edge: what just fits is kept, what does not is refused with its message. Deno's client checks
// most of them itself, so that nothing leaves it; what a client that does not check is told, protocol.test.mjs shows.

import { check, equal, fails, finish } from "../lib/report.mjs";
import { all, committed, open } from "./open.ts";

const kv = await open();
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
// A string part costs its length and two bytes.
const keyOfSize = (bytes: number) => ["k".repeat(bytes - 2)];

await check("a key of 2,048 bytes is kept, one more is too many", async () => {
  await kv.set(keyOfSize(2048), "fits");
  equal((await kv.get(keyOfSize(2048))).value, "fits");
  equal((await all(kv.list({ start: keyOfSize(2048), end: ["l"] }))).length, 1);
  await fails(() => kv.set(keyOfSize(2049), 1), "Key too large for write (max 2048 bytes)", "TypeError");
  await fails(() => kv.delete(keyOfSize(2049)), "Key too large for write (max 2048 bytes)");
  await fails(
    () => kv.atomic().check({ key: keyOfSize(2050), versionstamp: null }).commit(),
    "Key too large for",
  );
  await fails(() => kv.get(keyOfSize(2050)), "Key too large for read (max 2049 bytes)");
  await kv.delete(keyOfSize(2048));
  equal((await kv.get(keyOfSize(2048))).value, null);
});

await check("a value of 65,536 bytes is kept, one more is too many", async () => {
  const largest = crypto.getRandomValues(new Uint8Array(65536));
  await kv.set(["value"], largest);
  equal((await kv.get(["value"])).value, largest);
  await fails(
    () => kv.set(["value"], new Uint8Array(65537)),
    "Value too large (max 65536 bytes)",
    "TypeError",
  );
  await fails(() => kv.set(["value"], "x".repeat(65536)), "Value too large (max 65536 bytes)");
  equal((await kv.get(["value"])).value, largest);
});

await check("an empty value is a value", async () => {
  await kv.set(["empty"], new Uint8Array());
  equal((await kv.get(["empty"])).value, new Uint8Array());
});

await check("100 checks and 1,000 mutations fit, one more does not", async () => {
  const checks = (count: number) => {
    const atomic = kv.atomic();
    for (const i of numbers(count)) atomic.check({ key: ["check", i], versionstamp: null });
    return atomic.commit();
  };
  equal((await checks(100)).ok, true);
  await fails(() => checks(101), "Too many checks (max 100)", "TypeError");

  const mutations = (count: number) => {
    const atomic = kv.atomic();
    for (const i of numbers(count)) atomic.set(["mutation", i], count);
    return atomic.commit();
  };
  await committed(mutations(1000));
  await fails(() => mutations(1001), "Too many mutations (max 1000)", "TypeError");
  equal((await kv.get(["mutation", 0])).value, 1000);
});

await check("an operation of close to 819,200 bytes is kept, a larger one is refused", async () => {
  const write = (blocks: number) => {
    const atomic = kv.atomic();
    for (const i of numbers(blocks)) atomic.set(["total", i], new Uint8Array(65000).fill(blocks));
    return atomic.commit();
  };
  await committed(write(12));
  await fails(() => write(13), "Total mutation size too large (max 819200 bytes)", "TypeError");
  equal((await kv.get(["total", 11])).value, new Uint8Array(65000).fill(12));
});

await check("keys of close to 81,920 bytes together are kept, more are refused", async () => {
  const write = (count: number) => {
    const atomic = kv.atomic();
    for (const i of numbers(count)) atomic.set(["t".repeat(2020), i], count);
    return atomic.commit();
  };
  await committed(write(39));
  await fails(() => write(41), "Total key size too large (max 81920 bytes)", "TypeError");
});

await check("a bigint of 255 bytes is a key part, a longer one is not", async () => {
  const largest = 2n ** 2040n - 1n;
  for (const part of [largest, -largest]) {
    await kv.set(["bigint", part], "fits");
    equal((await kv.get(["bigint", part])).key, ["bigint", part]);
    equal((await kv.get(["bigint", part])).value, "fits");
  }
  await fails(() => kv.set([2n ** 2040n], 1), "BigUint requires more than 255 bytes to be represented");
});

await check("parts that are no key parts are refused", async () => {
  for (const part of [null, undefined, {}, [], Symbol("s"), () => 1]) {
    await fails(
      () => kv.set([part as unknown as string], 1),
      "expected string, number, bigint, ArrayBufferView, boolean",
    );
  }
});

await check("1,000 entries are read at once, and 500 by default at most", async () => {
  const atomic = kv.atomic();
  for (const i of numbers(1000)) atomic.set(["many", i], i);
  await committed(atomic.commit());
  equal((await all(kv.list({ prefix: ["many"] }, { batchSize: 1000 }))).length, 1000);
  equal((await all(kv.list({ prefix: ["many"] }, { limit: 1000 }))).length, 1000);
  await fails(() => all(kv.list({ prefix: ["many"] }, { batchSize: 1001 })), "Too many entries (max 1000)");
});

await check("ten keys are read or watched at once, an eleventh is refused", async () => {
  const keys = numbers(11).map((i) => ["eleven", i]);
  equal((await kv.getMany(keys.slice(1))).length, 10);
  await fails(() => kv.getMany(keys), "Too many ranges (max 10)", "TypeError");
  await fails(() => kv.watch(keys).getReader().read(), "Too many keys (max 10)", "TypeError");
});

await check("values that cannot be cloned are refused, and leave what was there", async () => {
  await kv.set(["clone"], "before");
  for (const value of [() => 1, Symbol("x"), new WeakMap(), Promise.resolve(1)]) {
    await fails(() => kv.set(["clone"], value), "could not be cloned");
  }
  await fails(() => kv.set(["clone"], new SharedArrayBuffer(3)), "could not be cloned");
  equal((await kv.get(["clone"])).value, "before");
});

await check("numbers out of their range are refused", async () => {
  await fails(() => new Deno.KvU64(-1n), "Value must be a positive bigint: received -1", "RangeError");
  await fails(() => new Deno.KvU64(2n ** 64n), "Value must fit in a 64-bit unsigned integer", "RangeError");
  await fails(() => kv.atomic().sum(["u64"], -1n), "Value must be a positive bigint: received -1");
  await fails(
    () => kv.set(["e"], 1, { expireIn: -1 }),
    "expireIn must be a non-negative integer: received -1",
  );
  await fails(
    () => kv.set(["e"], 1, { expireIn: 1.5 }),
    "expireIn must be a non-negative integer: received 1.5",
  );
});

await check("malformed checks and mutations are refused", async () => {
  await fails(() => kv.atomic().check({ key: ["a"], versionstamp: "abc" }).commit(), "Invalid check");
  const mutate = (mutation: unknown) => () =>
    kv.atomic().mutate(mutation as Deno.KvMutation & { key: Deno.KvKey }).commit();
  await fails(mutate({ type: "append", key: ["a"], value: 1 }), "Invalid mutation type");
  await fails(mutate({ type: "delete", key: ["a"], value: 1 }), "Invalid mutation 'delete' with value");
  await fails(mutate({ type: "set", key: ["a"] }), "Invalid mutation 'set' without value");
  await fails(
    mutate({ type: "min", key: ["a"], value: 1 }),
    "Failed to perform 'min' mutation on a non-U64 operand",
  );
});

finish();

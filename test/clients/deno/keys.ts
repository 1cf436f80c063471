// Key parts: every type and every value of the vectors goes through the server and comes back as it was, in the
// order that the bytes have: Uint8Array < string < bigint < number < false < true.

import { difference } from "../lib/compare.mjs";
import { Random, seed } from "../lib/random.mjs";
import { check, equal, finish, ok } from "../lib/report.mjs";
import { all, keysOf, open, vectors } from "./open.ts";
import { keyVectors } from "./vectors.ts";

const kv = await open();

/** What a key may hold; the symbol that Deno knows as well stands for a commit's versionstamp. */
type Part = Exclude<Deno.KvKeyPart, symbol>;

const vectorKeys = await keyVectors(vectors);

await check(
  `all ${vectorKeys.length} keys of the vectors are set, found and listed in the order of their bytes`,
  async () => {
    ok(vectorKeys.length > 200, "the vectors are there");
    for (let at = 0; at < vectorKeys.length; at += 50) {
      const atomic = kv.atomic();
      for (let i = at; i < Math.min(at + 50, vectorKeys.length); i++) {
        atomic.set(["vector", ...vectorKeys[i]], i);
      }
      equal((await atomic.commit()).ok, true);
    }
    const entries = await all(kv.list({ prefix: ["vector"] }));
    equal(entries.map((entry) => entry.value), vectorKeys.map((_, i) => i), "the order");
    entries.forEach((entry, i) => equal(entry.key, ["vector", ...vectorKeys[i]]));
    for (const [i, key] of vectorKeys.entries()) equal((await kv.get(["vector", ...key])).value, i);
  },
);

await check("the types of parts are in their order", async () => {
  const parts = [
    new Uint8Array([255, 255]),
    "",
    "zzz",
    -(2n ** 70n),
    0n,
    2n ** 70n,
    -Infinity,
    0,
    Infinity,
    false,
    true,
  ];
  for (const part of parts.toReversed()) await kv.set(["types", part], "x");
  equal((await keysOf(kv.list({ prefix: ["types"] }))).map((key) => key[1]), parts);
  equal(
    (await keysOf(kv.list({ prefix: ["types"] }, { reverse: true }))).map((key) => key[1]),
    parts.toReversed(),
  );
});

await check("bytes and strings sort by their bytes, the shorter first, zeros included", async () => {
  const byBytes = [[], [0], [0, 0], [0, 1], [0, 255], [1], [1, 0], [254], [255], [255, 0], [255, 255]];
  for (const bytes of byBytes.toReversed()) await kv.set(["bytes", new Uint8Array(bytes)], bytes);
  equal((await all(kv.list({ prefix: ["bytes"] }))).map((entry) => entry.value), byBytes);

  // U+FFFF sorts before U+1F600 in UTF-8, though not in UTF-16.
  const byText = [
    "",
    "\u0000",
    "\u0000a",
    "a",
    "a\u0000",
    "a\u0000b",
    "aa",
    "b",
    "é",
    "日本",
    "\uffff",
    "😀",
  ];
  for (const text of byText.toReversed()) await kv.set(["text", text], text);
  equal((await all(kv.list({ prefix: ["text"] }))).map((entry) => entry.value), byText);
});

await check("bigints sort by their value over all lengths", async () => {
  const magnitudes = [
    1n,
    255n,
    256n,
    65535n,
    65536n,
    2n ** 63n,
    2n ** 64n - 1n,
    2n ** 64n,
    2n ** 64n + 1n,
    2n ** 1000n,
  ];
  const sorted = [...magnitudes.map((n) => -n).reverse(), 0n, ...magnitudes];
  for (const n of sorted.toReversed()) await kv.set(["bigints", n], n);
  equal((await keysOf(kv.list({ prefix: ["bigints"] }))).map((key) => key[1]), sorted);
});

await check("numbers sort by their value; minus zero is a key of its own, NaN is one key", async () => {
  const sorted = [
    -Infinity,
    -1.7976931348623157e308,
    -1.5,
    -1,
    -5e-324,
    -0,
    0,
    5e-324,
    0.1,
    1,
    1.5,
    2 ** 53,
    Infinity,
    NaN,
  ];
  for (const n of sorted.toReversed()) await kv.set(["numbers", n], n);
  equal((await keysOf(kv.list({ prefix: ["numbers"] }))).map((key) => key[1]), sorted);
  await kv.set(["numbers", NaN], "the same NaN");
  equal((await all(kv.list({ prefix: ["numbers"] }))).length, sorted.length);
});

await check('1, 1n, "1", true and the byte 1 are different keys', async () => {
  const parts = [1, 1n, "1", true, new Uint8Array([1])];
  for (const part of parts) await kv.set(["one", part], typeof part);
  for (const part of parts) equal((await kv.get(["one", part])).value, typeof part);
  equal((await all(kv.list({ prefix: ["one"] }))).length, 5);
});

await check('[1, "user"] is not ["user", 1], and a longer key sorts after its prefix', async () => {
  await kv.set(["nest", 1, "user"], "a");
  await kv.set(["nest", "user", 1], "b");
  await kv.set(["nest", "user"], "c");
  await kv.set(["nest", "user", 1, false], "d");
  equal((await all(kv.list({ prefix: ["nest"] }))).map((entry) => entry.value), ["c", "b", "d", "a"]);
});

await check("a prefix matches whole parts only", async () => {
  await kv.set(["part", "ab"], 1);
  await kv.set(["part", "a", "b"], 2);
  await kv.set(["part", new Uint8Array([97]), "b"], 3);
  equal((await all(kv.list({ prefix: ["part", "a"] }))).map((entry) => entry.value), [2]);
  equal((await all(kv.list({ prefix: ["part", new Uint8Array([97])] }))).map((entry) => entry.value), [3]);
});

await check("views of every kind are byte parts, and come back as Uint8Array", async () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  await kv.set(["view", new Uint16Array(bytes.buffer) as unknown as Uint8Array], "u16");
  equal((await kv.get(["view", bytes])).value, "u16");
  await kv.set(["view", bytes.subarray(1, 3)], "slice");
  equal((await keysOf(kv.list({ prefix: ["view"] }))).map((key) => key[1]), [bytes, new Uint8Array([2, 3])]);
});

await check("a lone surrogate becomes U+FFFD", async () => {
  await kv.set(["surrogate", "a\ud800b"], "lone");
  equal(await keysOf(kv.list({ prefix: ["surrogate"] })), [["surrogate", "a\ufffdb"]]);
});

await check(`random keys come back in the order of an independent comparison (seed ${seed})`, async () => {
  const random = new Random(seed);
  const keys = Array.from({ length: 400 }, () => randomKey(random));
  const unique = keys.filter((key, i) => keys.findIndex((other) => compareKeys(key, other) === 0) === i);
  for (let at = 0; at < unique.length; at += 100) {
    const atomic = kv.atomic();
    for (const key of unique.slice(at, at + 100)) atomic.set(["random", ...key], null);
    await atomic.commit();
  }
  const listed = (await keysOf(kv.list({ prefix: ["random"] }))).map((key) => key.slice(1));
  const sorted = unique.toSorted(compareKeys);
  equal(listed.length, sorted.length);
  sorted.forEach((key, i) =>
    ok(difference(listed[i], key) === null, `place ${i}: ${difference(listed[i], key)}`)
  );
});

function randomKey(random: Random): Part[] {
  const below = (limit: number) => random.below(limit);
  const makers: (() => Part)[] = [
    () => Uint8Array.from({ length: below(4) }, () => [0, 1, 127, 255][below(4)]),
    () => Array.from({ length: below(4) }, () => ["\u0000", "a", "b", "ÿ", "日", "😀"][below(6)]).join(""),
    () => (BigInt(below(2)) * 2n - 1n) * (BigInt(below(300)) << BigInt(below(12) * 8)),
    () => (random.next() - 0.5) * 10 ** (below(40) - 20),
    () => random.chance(0.5),
  ];
  return Array.from({ length: 1 + below(3) }, () => makers[below(makers.length)]());
}

/** Key order, from the description of it and not from the encoding. */
function compareKeys(a: readonly Part[], b: readonly Part[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: Part, b: Part): number {
  const rank = (part: Part) => ["object", "string", "bigint", "number", "boolean"].indexOf(typeof part);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === "object") return compareBytes(a, b as Uint8Array);
  if (typeof a === "string") {
    return compareBytes(new TextEncoder().encode(a), new TextEncoder().encode(b as string));
  }
  return a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : at >= b.length ? 1 : a[at] - b[at];
}

finish();

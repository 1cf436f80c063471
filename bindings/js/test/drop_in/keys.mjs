// Keys: what can be one, in every place that takes one; how they come back; their order.

import { describe, outcomeOf } from "./describe.mjs";

class Parts extends Array {}
class Bytes extends Uint8Array {}

/** Things in the place of a key, each made anew for each case. The symbol of versionstamps comes from the database. */
const candidates = {
  undefined: () => undefined,
  null: () => null,
  "a number": () => 1,
  "a bigint": () => 1n,
  "a boolean": () => true,
  "a string": () => "abc",
  "an empty string": () => "",
  "a symbol": () => Symbol("s"),
  "a function": () => function key() {},
  "an object": () => ({}),
  "an array-like": () => ({ length: 1, 0: "a" }),
  "a Set": () => new Set(["a"]),
  "a Map": () => new Map([["a", 1]]),
  "a Uint8Array": () => new Uint8Array([1, 2]),
  "a Date": () => new Date(0),
  "an ArrayBuffer": () => new ArrayBuffer(2),
  "a RegExp": () => /a/,
  "a Promise": () => Promise.resolve(["a"]),
  "a String object": () => new String("a"),
  "no part": () => [],
  "an array with a property": () => Object.assign(["a"], { x: 1 }),
  "a frozen array": () => Object.freeze(["a"]),
  "a subclass of Array": () => Parts.of("z", "y"),
  "a hole": () => [, "a"],
  "a hole at the end": () => ["a", ,],
  "a part: undefined": () => [undefined],
  "a part: null": () => [null],
  "a part: an object": () => ["a", {}],
  "a part: an array": () => [["a"]],
  "a part: a function": () => [() => 1],
  "a part: a symbol": () => ["a", Symbol("s")],
  "a part: a well-known symbol": () => [Symbol.iterator],
  "a part: a Date": () => [new Date(0)],
  "a part: an ArrayBuffer": () => [new ArrayBuffer(2)],
  "a part: a String object": () => [new String("x")],
  "a part: a Number object": () => [new Number(1)],
  "a part: a Boolean object": () => [new Boolean(true)],
  "a part: a BigInt object": () => [Object(1n)],
  "a part: a Set": () => [new Set()],
  "a part: a proxy": () => [new Proxy({}, {})],
  "a part: a Promise": () => [Promise.resolve("a")],
  "a part: a RegExp": () => [/a/],
  "parts: the second is bad": () => ["a", undefined, "b"],
  "parts of every type": () => [new Uint8Array([0, 255]), "a", 1n, 1, true, false],
  "an empty string as a part": () => [""],
  "a string with NUL": () => ["a\0b"],
  "a string with a lone surrogate": () => ["\ud800x"],
  "a string with an emoji": () => ["😀é"],
  "no bytes": () => [new Uint8Array()],
  "bytes with zeros": () => [new Uint8Array([0, 0, 255])],
  "bytes of a part of a buffer": () => [new Uint8Array([1, 2, 3, 4]).subarray(1, 3)],
  "bytes of a subclass": () => [Bytes.of(1, 2)],
  "a Buffer": () => [globalThis.Buffer ? Buffer.from([1, 2]) : new Uint8Array([1, 2])],
  "a Uint8ClampedArray": () => [new Uint8ClampedArray([1, 300])],
  "an Int8Array": () => [new Int8Array([-1, 1])],
  "a Uint16Array": () => [new Uint16Array([258, 3])],
  "a Float64Array": () => [new Float64Array([1.5])],
  "a BigInt64Array": () => [new BigInt64Array([-1n])],
  "a DataView": () => [new DataView(new ArrayBuffer(3), 1)],
  "a resizable buffer's view": () => [new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 }))],
  "shared memory": () => [new Uint8Array(new SharedArrayBuffer(2))],
  "zero": () => [0],
  "minus zero": () => [-0],
  "NaN": () => [NaN],
  "infinities": () => [Infinity, -Infinity],
  "extreme numbers": () => [Number.MAX_VALUE, Number.MIN_VALUE, -Number.EPSILON, 2 ** 53],
  "bigints around zero": () => [-1n, 0n, 1n],
  "bigints of 8 and 9 bytes": () => [2n ** 64n - 1n, 2n ** 64n, -(2n ** 64n - 1n), -(2n ** 64n)],
  "bigints of one to eight bytes": () => [255n, 256n, 65535n, 65536n, -255n, -256n, 2n ** 56n, -(2n ** 56n)],
  "a bigint of 255 bytes": () => [2n ** 2040n - 1n],
  "a negative bigint of 255 bytes": () => [-(2n ** 2040n - 1n)],
  "a bigint of 256 bytes": () => [2n ** 2040n],
  "a negative bigint of 256 bytes": () => [-(2n ** 2040n)],
  "2048 bytes": () => ["x".repeat(2046)],
  "2049 bytes": () => ["x".repeat(2047)],
  "2050 bytes": () => ["x".repeat(2048)],
  "2048 bytes, escaped": () => ["\0".repeat(1023)],
  "2050 bytes, escaped": () => ["\0".repeat(1024)],
  "a thousand parts": () => Array(1000).fill(true),
  "three thousand parts": () => Array(3000).fill(true),
  "a string of a mebibyte": () => ["x".repeat(2 ** 20)],
};

/** The places that take a key. */
const places = {
  get: ({ kv }, key) => kv.get(key),
  getMany: ({ kv }, key) => kv.getMany([["a"], key]),
  set: ({ kv }, key) => kv.set(key, 1),
  delete: ({ kv }, key) => kv.delete(key),
  check: ({ kv }, key) => kv.atomic().check({ key, versionstamp: null }).commit(),
  "atomic set": ({ kv }, key) => kv.atomic().set(key, 1).commit(),
  "atomic delete": ({ kv }, key) => kv.atomic().delete(key).commit(),
  sum: ({ kv }, key) => kv.atomic().sum(key, 1n).commit(),
  mutate: ({ kv }, key) => kv.atomic().mutate({ type: "set", key, value: 1 }).commit(),
  "list prefix": ({ kv }, key) => kv.list({ prefix: key }).next(),
  "list from": ({ kv }, key) => kv.list({ start: key, end: [true, true] }).next(),
  "list before": ({ kv }, key) => kv.list({ start: [], end: key }).next(),
  "keysIfUndelivered": ({ kv }, key) => kv.enqueue(1, { keysIfUndelivered: [key] }),
  watch: async ({ kv }, key) => {
    const reader = kv.watch([key]).getReader();
    const first = await reader.read();
    await reader.cancel();
    return first;
  },
};

const cases = {};
for (const [what, make] of Object.entries(candidates)) {
  for (const [where, use] of Object.entries(places)) cases[`${what} for ${where}`] = (t) => use(t, make());
  cases[`${what}, written, read back`] = async ({ kv }) => {
    const done = [];
    done.push(await outcomeOf(() => kv.set(make(), "value")));
    done.push(await outcomeOf(() => kv.get(make())));
    for await (const entry of kv.list({ prefix: [] })) done.push(describe(entry));
    return done;
  };
}

const ordered = [
  new Uint8Array(), new Uint8Array([0]), new Uint8Array([0, 0]), new Uint8Array([0, 1]), new Uint8Array([1]),
  new Uint8Array([255]), "", "\0", "\0\0", "\0a", "A", "a", "a\0", "aa", "b", "é", "ﬀ", "😀", -(2n ** 2039n), -(2n ** 72n),
  -(2n ** 64n), -(2n ** 64n) + 1n, -(2n ** 32n), -256n, -255n, -1n, 0n, 1n, 255n, 256n, 2n ** 32n, 2n ** 64n - 1n, 2n ** 64n,
  2n ** 72n, 2n ** 2039n, -Infinity, -Number.MAX_VALUE, -1.5, -1, -Number.MIN_VALUE, -0, 0, Number.MIN_VALUE, 1, 1.5,
  Number.MAX_VALUE, Infinity, NaN, false, true,
];

export default {
  ...cases,

  "the order of parts of all types": async ({ kv }) => {
    for (const part of [...ordered].reverse()) await kv.set([part], 1);
    const found = [];
    for await (const { key } of kv.list({ prefix: [] })) found.push(key[0]);
    return [found.length === ordered.length, found];
  },
  "the order of keys of several parts": async ({ kv }) => {
    const keys = [["a"], ["a", 1], ["a", 1, 2], ["a", "b"], ["a\0"], ["ab"], ["a", true], ["a", ""], [1, "a"], [1n, "a"]];
    for (const key of keys) await kv.set(key, 1);
    const found = [];
    for await (const { key } of kv.list({ prefix: [] })) found.push(key);
    return found;
  },
  "minus zero and zero are two keys": async ({ kv }) => {
    await kv.set([-0], "minus");
    await kv.set([0], "plus");
    return [await kv.get([-0]), await kv.get([0])];
  },
  "all NaNs are one key": async ({ kv }) => {
    await kv.set([NaN], 1);
    return [await kv.get([0 / 0]), await kv.get([new Float64Array(new BigUint64Array([0x7ff8000000000001n]).buffer)[0]])];
  },
  "1 and 1n are two keys": async ({ kv }) => {
    await kv.set([1], "number");
    return [await kv.get([1]), await kv.get([1n])];
  },
  "the key of a missing entry is the array that was given": async ({ kv }) => {
    const key = ["a"];
    return [(await kv.get(key)).key === key, (await kv.getMany([key]))[0].key === key];
  },
  "the key of an entry is another array": async ({ kv }) => {
    const key = ["a"];
    await kv.set(key, 1);
    return [(await kv.get(key)).key === key, Object.isFrozen((await kv.get(key)).key)];
  },
  "a key that is changed after the call": async ({ kv }) => {
    const key = ["a", new Uint8Array([1])];
    const writing = kv.set(key, 1);
    key[1][0] = 2;
    key.push("b");
    await writing;
    const found = [];
    for await (const entry of kv.list({ prefix: [] })) found.push(entry.key);
    return found;
  },
  "a key that is changed between set() and commit()": async ({ kv }) => {
    const key = ["a"];
    const operation = kv.atomic().set(key, 1);
    key.push("b");
    await operation.commit();
    return [await kv.get(["a"]), await kv.get(["a", "b"])];
  },
  "a key with a getter for a part": async ({ kv }) => {
    const key = Object.defineProperty(["x"], 0, { get: () => "from a getter", enumerable: true });
    await kv.set(key, 1);
    return kv.get(["from a getter"]);
  },
  "a key with a getter that throws": ({ kv }) =>
    kv.get(Object.defineProperty(["x"], 0, { get: () => { throw new RangeError("no part"); }, enumerable: true })),
  "a proxy of an array": ({ kv }) => kv.get(new Proxy(["a"], {})),
  "the bytes of a key that are read are a copy": async ({ kv }) => {
    await kv.set([new Uint8Array([1, 2])], 1);
    const { key } = await kv.get([new Uint8Array([1, 2])]);
    key[0][0] = 9;
    return kv.get([new Uint8Array([1, 2])]);
  },

  "a versionstamp at the end": async ({ kv }) => {
    const { versionstamp } = await kv.set(["a", kv.commitVersionstamp()], 1);
    return kv.get(["a", versionstamp]);
  },
  "a versionstamp alone": ({ kv }) => kv.set([kv.commitVersionstamp()], 1),
  "a versionstamp in the middle": ({ kv }) => kv.set(["a", kv.commitVersionstamp(), "b"], 1),
  "two versionstamps": ({ kv }) => kv.set(["a", kv.commitVersionstamp(), kv.commitVersionstamp()], 1),
  "a versionstamp after a bad part": ({ kv }) => kv.set([{}, kv.commitVersionstamp()], 1),
  "a versionstamp to get": ({ kv }) => kv.get(["a", kv.commitVersionstamp()]),
  "a versionstamp to getMany": ({ kv }) => kv.getMany([["a", kv.commitVersionstamp()]]),
  "a versionstamp to delete": ({ kv }) => kv.delete(["a", kv.commitVersionstamp()]),
  "a versionstamp to sum": ({ kv }) => kv.atomic().sum(["a", kv.commitVersionstamp()], 1n).commit(),
  "a versionstamp to check": ({ kv }) =>
    kv.atomic().check({ key: ["a", kv.commitVersionstamp()], versionstamp: null }).commit(),
  "a versionstamp to list": ({ kv }) => kv.list({ prefix: [kv.commitVersionstamp()] }).next(),
  "a versionstamp to watch": ({ kv }) => kv.watch([["a", kv.commitVersionstamp()]]),
  "a versionstamp in keysIfUndelivered": ({ kv }) =>
    kv.enqueue(1, { keysIfUndelivered: [["a", kv.commitVersionstamp()]] }),
  "two versionstamped keys in one operation": async ({ kv }) => {
    const stamp = kv.commitVersionstamp();
    const done = await kv.atomic().set(["a", stamp], 1).mutate({ type: "set", key: ["b", stamp], value: 2 }).commit();
    const found = [done];
    for await (const entry of kv.list({ prefix: [] })) found.push(entry);
    return found;
  },
  "versionstamped keys that expire": async ({ kv }) => {
    const done = await kv.set(["a", kv.commitVersionstamp()], 1, { expireIn: 3_600_000 });
    return kv.get(["a", done.versionstamp]);
  },
  "versionstamped keys are in the order of the commits": async ({ kv }) => {
    for (let i = 0; i < 5; i++) await kv.set(["log", kv.commitVersionstamp()], i);
    const found = [];
    for await (const { value } of kv.list({ prefix: ["log"] })) found.push(value);
    return found;
  },
  "a versionstamped key that becomes too large": ({ kv }) =>
    kv.set(["x".repeat(2030), kv.commitVersionstamp()], 1),
  "the symbol is the same for all databases": async ({ kv, open }) => {
    const other = await open(":memory:");
    return [kv.commitVersionstamp() === other.commitVersionstamp(), kv.commitVersionstamp()];
  },
};

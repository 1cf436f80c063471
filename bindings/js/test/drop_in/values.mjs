// Values: what comes back of each, and what cannot be stored.

class Point {
  constructor(x) {
    this.x = x;
  }
  get double() {
    return this.x * 2;
  }
}

function cyclic() {
  const object = { name: "cycle" };
  object.self = object;
  object.list = [object, new Map([[object, object]])];
  return object;
}

function shared() {
  const inner = { x: 1 };
  return [inner, inner, { inner }];
}

/** Values and what is not one, each made anew. */
const values = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  zero: () => 0,
  "minus zero": () => -0,
  "small integers": () => [1, -1, 2 ** 30, 2 ** 31, 2 ** 32, -(2 ** 31)],
  fractions: () => [0.1, -1.5, 1e300, 5e-324],
  NaN: () => NaN,
  infinities: () => [Infinity, -Infinity],
  "bigints": () => [0n, 1n, -1n, 2n ** 64n, -(2n ** 200n)],
  "a bigint": () => 12345678901234567890n,
  "an empty string": () => "",
  "Latin-1": () => "café",
  "two-byte strings": () => "日本語 😀",
  "a lone surrogate": () => "a\ud800b",
  "a string with NUL": () => "a\0b",
  "a Date": () => new Date(1_700_000_000_123),
  "an invalid Date": () => new Date(NaN),
  "a RegExp": () => /a\/b[^/]*/giu,
  "a RegExp with lastIndex": () => Object.assign(/a/g, { lastIndex: 3 }),
  "boxed values": () => [new Boolean(false), new Number(-0), new String("x"), Object(5n)],
  "an object": () => ({ b: 1, a: { c: [1, "2", null, undefined] } }),
  "an object with index-like keys": () => ({ b: 1, 2: "two", 1: "one", "-1": 0, "1.5": 1 }),
  "an object without a prototype": () => Object.assign(Object.create(null), { a: 1 }),
  "an object with a __proto__ property": () => JSON.parse('{"__proto__": 1, "a": 2}'),
  "an object with a getter": () => ({ get a() { return "got"; } }),
  "an object with a getter that throws": () => ({ get a() { throw new RangeError("no a"); } }),
  "an object with what is not enumerable": () => Object.defineProperty({ a: 1 }, "hidden", { value: 2 }),
  "an object with a symbol for a key": () => ({ [Symbol("s")]: 1, a: 2 }),
  "an object of a class": () => new Point(3),
  "an array": () => [1, "a", [true]],
  "an empty array": () => [],
  "an array with holes": () => [1, , 3, ,],
  "an array with many holes": () => Object.assign(new Array(5000), { 4000: "x" }),
  "an array with properties": () => Object.assign([1, 2], { name: "list" }),
  "a subclass of Array": () => (class List extends Array {}).of(1, 2),
  "a Map": () => new Map([["a", 1], [{ k: 1 }, new Map()], [NaN, -0]]),
  "a Set": () => new Set([1, "1", { a: 1 }, NaN]),
  "a cycle": cyclic,
  "a shared object": shared,
  "a Uint8Array": () => new Uint8Array([0, 1, 255]),
  "an empty Uint8Array": () => new Uint8Array(),
  "a part of a Uint8Array": () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  "a subclass of Uint8Array": () => (class Bytes extends Uint8Array {}).of(1, 2),
  "a Buffer": () => globalThis.Buffer ? Buffer.from("hi") : new Uint8Array([104, 105]),
  "a Uint8Array in an object": () => ({ bytes: new Uint8Array([1, 2]) }),
  "an ArrayBuffer": () => new Uint8Array([1, 2, 3]).buffer,
  "two views of one buffer": () => {
    const { buffer } = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    return [new Uint8Array(buffer, 1, 2), new Uint16Array(buffer, 2, 2), new DataView(buffer, 4)];
  },
  "typed arrays": () => [
    new Int8Array([-1]), new Uint8ClampedArray([300]), new Int16Array([-2]), new Uint16Array([65535]),
    new Int32Array([-3]), new Uint32Array([4294967295]), new Float32Array([1.5]), new Float64Array([0.1]),
    new BigInt64Array([-5n]), new BigUint64Array([2n ** 64n - 1n]),
  ],
  "a Float64Array": () => new Float64Array([1.5, NaN, -0]),
  "a DataView": () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
  "a resizable buffer": () => new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 })),
  "a resizable buffer in an object": () => ({ buffer: new ArrayBuffer(2, { maxByteLength: 8 }) }),
  "a resizable buffer's view in an object": () => ({ view: new Uint16Array(new ArrayBuffer(4, { maxByteLength: 8 })) }),
  "an Error": () => new Error("bad"),
  "errors of all classes": () =>
    [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Class) => new Class("bad")),
  "an error with a cause": () => new Error("outer", { cause: { code: 5 } }),
  "an error with properties": () => Object.assign(new TypeError("bad"), { code: "E" }),
  "an AggregateError": () => new AggregateError([new Error("a")], "many"),
  "an error of a class": () => new (class Own extends Error {})("own"),
  "deep nesting": () => {
    let value = "bottom";
    for (let i = 0; i < 500; i++) value = [value];
    return value;
  },
  "a function": () => function f() {},
  "an arrow": () => () => 1,
  "a class": () => class Thing {},
  "a symbol": () => Symbol("s"),
  "a function in an object": () => ({ a: [() => 1] }),
  "a symbol in an object": () => ({ a: Symbol("deep") }),
  "a Promise": () => Promise.resolve(1),
  "a WeakMap": () => new WeakMap(),
  "a WeakSet": () => new WeakSet(),
  "a WeakRef": () => new WeakRef({}),
  "a generator": () => (function* () {})(),
  "a proxy": () => new Proxy({}, {}),
  "shared memory": () => new SharedArrayBuffer(4),
  "a view of shared memory": () => new Uint16Array(new SharedArrayBuffer(4)),
  "bytes of shared memory": () => new Uint8Array(new SharedArrayBuffer(4)),
  "globalThis.Math": () => Math,
  "arguments": () => (function () { return arguments; })(1, 2),
  "an iterator": () => [1].values(),
  "65536 bytes": () => new Uint8Array(65536),
  "65537 bytes": () => new Uint8Array(65537),
  "a string that just fits": () => "x".repeat(65529),
  "a string that just does not": () => "x".repeat(65535),
  "a mebibyte": () => "x".repeat(2 ** 20),
};

const cases = {};
for (const [name, make] of Object.entries(values)) {
  cases[`${name}, stored and read`] = async ({ kv }) => {
    await kv.set(["a"], make());
    return (await kv.get(["a"])).value;
  };
  cases[`${name}, in an atomic operation`] = ({ kv }) => {
    const operation = kv.atomic().set(["a"], make());
    return operation.commit();
  };
  cases[`${name}, by mutate`] = ({ kv }) => {
    const operation = kv.atomic().mutate({ type: "set", key: ["a"], value: make() });
    return operation.commit();
  };
  cases[`${name}, enqueued`] = ({ kv }) => kv.enqueue(make(), { delay: 3_600_000 });
}

export default {
  ...cases,

  "a counter": async ({ kv, KvU64 }) => {
    await kv.set(["a"], new KvU64(5n));
    const { value } = await kv.get(["a"]);
    return [value, value instanceof KvU64, value.value, Object.isFrozen(value)];
  },
  "a counter in an object": async ({ kv, KvU64 }) => {
    await kv.set(["a"], { counter: new KvU64(5n) });
    return kv.get(["a"]);
  },
  "an object that looks like a counter": async ({ kv }) => {
    await kv.set(["a"], { value: 5n });
    return kv.get(["a"]);
  },
  "a database": async ({ kv }) => {
    await kv.set(["a"], kv);
    return kv.get(["a"]);
  },
  "an entry": async ({ kv }) => {
    await kv.set(["a"], 1);
    await kv.set(["b"], await kv.get(["a"]));
    return kv.get(["b"]);
  },
  "a value that is changed after the call": async ({ kv }) => {
    const value = { list: [1] };
    const bytes = new Uint8Array([1]);
    const writing = [kv.set(["a"], value), kv.set(["b"], bytes)];
    value.list.push(2);
    bytes[0] = 2;
    await Promise.all(writing);
    return kv.getMany([["a"], ["b"]]);
  },
  "a value that is changed between set() and commit()": async ({ kv }) => {
    const value = { list: [1] };
    const bytes = new Uint8Array([1]);
    const operation = kv.atomic().set(["a"], value).set(["b"], bytes);
    value.list.push(2);
    bytes[0] = 2;
    await operation.commit();
    return kv.getMany([["a"], ["b"]]);
  },
  "values that are read are copies": async ({ kv }) => {
    await kv.set(["a"], { list: [1] });
    await kv.set(["b"], new Uint8Array([1]));
    (await kv.get(["a"])).value.list.push(2);
    (await kv.get(["b"])).value[0] = 2;
    return kv.getMany([["a"], ["b"]]);
  },
  "a detached buffer": async ({ kv }) => {
    const bytes = new Uint8Array([1, 2]);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    await kv.set(["a"], bytes);
    return kv.get(["a"]);
  },
};

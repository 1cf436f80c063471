// Values: every vector, what is refused, what is stored as it is, KvU64.

import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { Serializer } from "node:v8";
import { gzipSync } from "node:zlib";
import { EncodedValue, KvU64, openKv } from "../dist/index.js";
import { native } from "../dist/native.js";
import { describe } from "./values/describe.mjs";
import { randomOf, randomValue } from "./values/random.mjs";
import { evaluate, lackOf, refused, vectors } from "./values/vectors.mjs";

const ENCODINGS = { 1: "v8", 2: "u64", 3: "bytes" };
const HOST_OBJECT = Uint8Array.of(0xff, 16, 0x5c, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x6f, 0x7b, 0);

async function open(t) {
  const kv = await openKv(":memory:");
  t.after(() => kv.close());
  return kv;
}

/** What comes back of a value. */
async function stored(kv, value) {
  await kv.set(["value"], value);
  return (await kv.get(["value"])).value;
}

test("every value that Deno stores reads as the value of its expression", async (t) => {
  const kv = await open(t);
  let read = 0;
  for (const vector of vectors) {
    const { js, encoding, bytes } = vector;
    const lack = lackOf(vector);
    await kv.set(["value"], new EncodedValue(ENCODINGS[encoding], bytes));
    if (lack !== undefined) {
      const message = `The value cannot be made in this runtime (${lack}); read it with { encoded: true }`;
      await assert.rejects(kv.get(["value"]), { name: "KvError", code: "TUPLET_UNSUPPORTED", message });
      assert.deepEqual((await kv.get(["value"], { encoded: true })).value.data, bytes);
      continue;
    }
    const { value } = await kv.get(["value"]);
    const written = evaluate(vector, KvU64);
    const expected = encoding === 3 ? new Uint8Array(written) : written; // of a view its bytes alone
    assert.deepEqual(describe(value, { stacks: false }), describe(expected, { stacks: false }), js);
    read++;
  }
  assert.ok(read > 170);
});

test("the runtime and libtuplet's codec read the same, stacks included", async (t) => {
  const kv = await open(t);
  for (const vector of vectors.filter((vector) => vector.encoding === 1 && lackOf(vector) === undefined)) {
    await kv.set(["value"], new EncodedValue("v8", vector.bytes));
    assert.deepEqual(describe(native.decodeV8(vector.bytes)), describe((await kv.get(["value"])).value), vector.js);
  }
});

test("a value comes back as it was, by the runtime and by libtuplet's codec", async (t) => {
  const kv = await open(t);
  const random = randomOf(7);
  for (let i = 0; i < 1000; i++) {
    const value = [randomValue(random)]; // a bare Uint8Array would lose its buffer
    const lines = describe(value);
    assert.deepEqual(describe(await stored(kv, value)), lines, `value ${i}`);
    const { data } = (await kv.get(["value"], { encoded: true })).value;
    assert.deepEqual(describe(native.decodeV8(data)), lines, `value ${i}`);
  }
});

test("primitives are written as the runtime writes them", async (t) => {
  const kv = await open(t);
  const random = randomOf(11);
  const integers = Array.from({ length: 300 }, () => (random(2) ? 1 : -1) * random(2 ** (1 + random(30))));
  const strings = [0, 1, 127, 128, 255, 256, 257].flatMap((n) => ["x".repeat(n), "\u00e9".repeat(n), "\u0100".repeat(n)]);
  const others = [undefined, null, true, false, 0, -0, NaN, Infinity, 0.5, 2 ** 31, -(2 ** 40), 2 ** 30 - 1, -(2 ** 30), ""];
  for (const value of [...integers, ...strings, ...others, "a\0b", "\ud800", 5n, -(2n ** 64n)]) {
    const serializer = new Serializer();
    serializer.writeHeader();
    serializer.writeValue(value);
    assert.deepEqual(describe(await stored(kv, value)), describe(value));
    const { data } = (await kv.get(["value"], { encoded: true })).value;
    assert.equal(Buffer.from(data).toString("hex"), serializer.releaseBuffer().toString("hex"), inspect(value));
  }
});

test("what cannot be cloned is refused with a TypeError that says so", async (t) => {
  const kv = await open(t);
  const others = [
    ...refused.filter(({ js }) => js !== "globalThis").map((vector) => [evaluate(vector, KvU64), vector.error]),
    [{ deep: [new Map([[1, () => 1]])] }, "()=>1 could not be cloned."],
    [new Uint8Array(new SharedArrayBuffer(2)), "#<SharedArrayBuffer> could not be cloned."],
    [[new Uint8Array(new SharedArrayBuffer(2))], "#<SharedArrayBuffer> could not be cloned."],
    [new Blob(["x"]), "#<Blob> could not be cloned."],
    [{ files: [new Set([new Blob(["x"])])] }, "#<Blob> could not be cloned."],
    [new DOMException("x", "SyntaxError"), "#<DOMException> could not be cloned."],
    [new Error("x", { cause: new DOMException("x") }), "#<DOMException> could not be cloned."],
    [new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)), "Wasm modules cannot be stored"],
  ];
  assert.ok(others.length > 12);
  for (const [value, error] of others) {
    const expected = { name: "TypeError", message: error.replace("()=>1", String(() => 1)) };
    await assert.rejects(kv.set(["value"], value), expected);
    await assert.rejects(kv.enqueue(value), expected);
    assert.throws(() => kv.atomic().set(["value"], value), expected);
  }
  await assert.rejects(kv.set(["value"], globalThis), { name: "TypeError", message: /^#<\w+> could not be cloned\.$/ });
});

test("what a getter throws comes through", async (t) => {
  const kv = await open(t);
  const mine = new RangeError("mine");
  await assert.rejects(kv.set(["value"], { get a() { throw mine; } }), (error) => error === mine);
});

test("a value is taken as it is when it is given", async (t) => {
  const kv = await open(t);
  const bytes = Uint8Array.of(1, 2, 3);
  const object = { a: 1 };
  const atomic = kv.atomic().set(["bytes"], bytes).set(["object"], object);
  bytes[0] = 9;
  object.a = 9;
  await atomic.commit();
  assert.deepEqual((await kv.get(["bytes"])).value, Uint8Array.of(1, 2, 3));
  assert.deepEqual((await kv.get(["object"])).value, { a: 1 });
});

test("Uint8Arrays are stored as bytes, other views are cloned", async (t) => {
  const kv = await open(t);
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const encodingOf = async (value) => {
    await kv.set(["value"], value);
    return (await kv.get(["value"], { encoded: true })).value.encoding;
  };
  for (const value of [bytes, bytes.subarray(1, 3), Buffer.from(bytes), new (class extends Uint8Array {})(3)]) {
    assert.equal(await encodingOf(value), "bytes");
    const { value: read } = await kv.get(["value"]);
    assert.equal(Object.getPrototypeOf(read), Uint8Array.prototype);
    assert.deepEqual([...read], [...value]);
    assert.equal(read.buffer.byteLength, value.byteLength);
  }
  for (const value of [new Uint8ClampedArray(2), new Int8Array(2), new DataView(bytes.buffer), bytes.buffer, [bytes]]) {
    assert.equal(await encodingOf(value), "v8");
  }
});

test("a Buffer in a value is stored without its neighbours in the pool", async (t) => {
  const kv = await open(t);
  const buffer = Buffer.from("abc");
  const shared = { buffer, again: [buffer, , "x"], map: new Map([[buffer, new Set([buffer])]]) };
  shared.self = shared;
  const plain = new Uint8Array(buffer);
  const expected = { buffer: plain, again: [plain, , "x"], map: new Map([[plain, new Set([plain])]]) };
  expected.self = expected;
  assert.deepEqual(describe(await stored(kv, shared)), describe(expected));
  assert.equal((await stored(kv, [Buffer.alloc(9000)]))[0].buffer.byteLength, 9000);
  const slab = Buffer.alloc(1000, "neighbours");
  for (const part of [slab.subarray(0, 3), slab.subarray(1), slab.subarray(5, 5), gzipSync("text"), buffer]) {
    assert.equal((await stored(kv, [part]))[0].buffer.byteLength, part.byteLength);
  }
  const many = Array.from({ length: 4000 }, (_, i) => ({ buffer: Buffer.from(String(i)) }));
  await assert.rejects(kv.set(["value"], many), { name: "TypeError", message: "Value too large (max 65536 bytes)" });
  await assert.rejects(kv.set(["value"], Array(10 ** 6).fill(many[0])), { message: "Value too large (max 65536 bytes)" });
});

test("a host object is refused on reading, and its bytes can be had", async (t) => {
  const kv = await open(t);
  await kv.set(["a"], 1);
  await kv.set(["b"], new EncodedValue("v8", HOST_OBJECT));
  await kv.set(["c"], { c: 3 });
  const error = {
    name: "KvError",
    code: "TUPLET_UNSUPPORTED",
    message: "The value holds an object that only the runtime that wrote it understands; read it with { encoded: true }",
  };
  await assert.rejects(kv.get(["b"]), error);
  await assert.rejects(kv.getMany([["a"], ["b"]]), error);
  const seen = [];
  await assert.rejects(async () => {
    for await (const { key } of kv.list({ prefix: [] })) seen.push(key[0]);
  }, error);
  assert.deepEqual(seen, ["a"]);

  assert.deepEqual((await kv.get(["b"], { encoded: true })).value, new EncodedValue("v8", HOST_OBJECT));
  const [, many] = await kv.getMany([["a"], ["b"]], { encoded: true });
  assert.deepEqual(many.value.data, HOST_OBJECT);
  const listed = [];
  for await (const { key, value } of kv.list({ prefix: [] }, { encoded: true })) listed.push([key[0], value.encoding]);
  assert.deepEqual(listed, [["a", "v8"], ["b", "v8"], ["c", "v8"]]);
});

test("what was read as it is stored can be stored elsewhere", async (t) => {
  const kv = await open(t);
  for (const value of [{ a: [1, "x"] }, new KvU64(5n), Uint8Array.of(1, 2), "text"]) {
    await kv.set(["from"], value);
    const { value: encoded } = await kv.get(["from"], { encoded: true });
    assert.ok(encoded instanceof EncodedValue);
    await kv.set(["to"], encoded);
    assert.deepEqual(describe((await kv.get(["to"])).value), describe(value));
  }
  await kv.set(["counter"], new EncodedValue("u64", Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x80)));
  assert.equal((await kv.get(["counter"])).value.value, 0x8000_0000_0000_0001n);
});

test("an EncodedValue that is none is refused", async (t) => {
  const kv = await open(t);
  const cases = [
    ["v8", Uint8Array.of(), /^The data of an EncodedValue of "v8" cannot be decoded: /],
    ["v8", Uint8Array.of(0xff, 15, 0x6f), /cannot be decoded: malformed V8 value: /],
    ["v8", Uint8Array.of(0xff, 15, 0x5f, 0x5f), /cannot be decoded: malformed V8 value: there are bytes behind the value/],
    ["v8", Uint8Array.of(0xff, 0x7f, 0x5f), /cannot be decoded: /],
    ["u64", Uint8Array.of(1, 2, 3), /^The data of an EncodedValue of "u64" must be 8 bytes: received 3$/],
    ["unknown", Uint8Array.of(1), /^The encoding of an EncodedValue must be "v8", "u64" or "bytes": received unknown$/],
    ["bytes", "text", /^The data of an EncodedValue must be a Uint8Array$/],
    ["bytes", new Uint8Array(new SharedArrayBuffer(1)), /^#<SharedArrayBuffer> could not be cloned\.$/],
  ];
  for (const [encoding, data, message] of cases) {
    const value = new EncodedValue(encoding, data);
    await assert.rejects(kv.set(["value"], value), { name: "TypeError", message });
  }
});

test("KvU64 takes the bigints of 64 bits", async (t) => {
  const kv = await open(t);
  assert.throws(() => new KvU64(-1n), { name: "RangeError", message: "Value must be a positive bigint: received -1" });
  assert.throws(() => new KvU64(2n ** 64n), { name: "RangeError", message: "Value must fit in a 64-bit unsigned integer" });
  assert.throws(() => new KvU64(1), { name: "TypeError", message: "Value must be a bigint: received number" });
  const counter = await stored(kv, new KvU64(2n ** 64n - 1n));
  assert.ok(counter instanceof KvU64);
  assert.ok(Object.isFrozen(counter));
  assert.equal(inspect([counter], { colors: true }), "[ \x1b[33m[Deno.KvU64: 18446744073709551615n]\x1b[39m ]");
  assert.equal(String(counter), "18446744073709551615");
  assert.ok(counter > new KvU64(1n));
  assert.equal(counter + 1n, 2n ** 64n);
});

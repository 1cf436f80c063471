// Values of a damaged file: an error or a value, and no more memory than they take; and those that are only extreme.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { KvError } from "../dist/index.js";
import { native } from "../dist/native.js";
import { describe } from "./values/describe.mjs";
import { damaged, randomOf } from "./values/random.mjs";
import { vectors } from "./values/vectors.mjs";

const SIZE_MAX = 65_536;
const RSS_GROWTH_MAX = 600 * 2 ** 20;

let database;

before(async () => {
  const options = { readOnly: false, relaxed: true, cacheKib: 0, accessToken: null, caFile: null, timeoutMs: 0, http: 0 };
  database = await native.open(":memory:", options);
});
after(() => native.close(database));

/** Reads stored bytes as `get` does, though nobody would have written them. */
async function read(bytes, encoding = 1) {
  await native.set(database, ["value"], [encoding, bytes], -1);
  return (await native.get(database, ["value"], false, false)).value;
}

async function fails(promise, code) {
  await assert.rejects(promise, (error) => error instanceof KvError && (code === undefined || error.code === code));
}

/** n times what opens a container, what stands in the innermost, n times what closes it. */
function nested(open, inner, close, n) {
  return Uint8Array.from([0xff, 15, ...Array(n).fill(open).flat(), ...inner, ...Array(n).fill(close).flat()]);
}

test("damaged values give an error or a value", async () => {
  const random = randomOf(Number(process.env.SEED ?? 1));
  const counts = { values: 0, errors: 0 };
  const count = async (make) => {
    try {
      await make();
      counts.values++;
    } catch (error) {
      assert.ok(error instanceof KvError, String(error));
      counts.errors++;
    }
  };
  const v8 = vectors.filter(({ encoding }) => encoding === 1);
  const rss = process.memoryUsage().rss;
  for (let round = 0; round < Number(process.env.ROUNDS ?? 15); round++) {
    for (const vector of v8) {
      const bytes = damaged(vector.bytes, random);
      await count(() => native.decodeV8(bytes));
      if (random(2)) bytes[1] = 13 + random(5);
      await count(() => read(bytes));
    }
  }
  assert.ok(counts.values > 200, `${counts.values} values`);
  assert.ok(counts.errors > 1000, `${counts.errors} errors`);
  assert.ok(process.memoryUsage().rss - rss < RSS_GROWTH_MAX);
});

test("bytes at random behind a header give an error or a value", async () => {
  const random = randomOf(5);
  const tags = Buffer.from("_0TFIUNZ\"cSDyxnzsRoaA;'BV~r^\\utwp{@$:,.-");
  for (let i = 0; i < 3000; i++) {
    const bytes = Uint8Array.from({ length: 2 + random(30) }, () => (random(2) ? tags[random(tags.length)] : random(256)));
    bytes.set([0xff, 13 + random(4)]);
    await read(bytes).then(describe, (error) => assert.ok(error instanceof KvError, String(error)));
  }
});

test("every tag alone is survived", async () => {
  for (let tag = 0; tag < 256; tag++) {
    for (const rest of [[], [0], [1], [0, 0], [1, 1, 1], [0xff, 0xff, 0xff, 0xff, 0x0f]]) {
      const bytes = Uint8Array.of(0xff, 15, tag, ...rest);
      await read(bytes).then(() => {}, (error) => assert.ok(error instanceof KvError, String(error)));
    }
  }
});

test("arrays that claim many elements take no room for them", async () => {
  const rss = process.memoryUsage().rss;
  for (const length of [0x7f, 0x3fff, 0x1fffff, 0xfffffff, 0xffffffff]) {
    const digits = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 128)) digits.push(rest % 128 | (rest >= 128 ? 128 : 0));
    const array = [0x61, ...digits, 0x40, 0, ...digits];
    const count = Math.floor((SIZE_MAX - 16) / array.length);
    const claims = Uint8Array.from([
      ...[0xff, 15, 0x41, count & 0x7f | 0x80, count >> 7 & 0x7f | 0x80, count >> 14],
      ...Array(count).fill(array).flat(),
      ...[0x24, 0, count & 0x7f | 0x80, count >> 7 & 0x7f | 0x80, count >> 14],
    ]);
    const value = await read(claims);
    assert.equal(value.length, count);
    assert.ok(value.every((each) => each.length === length));
    value[0][length - 1] = "x";
    assert.equal(value[0].length, length);
  }
  assert.ok(process.memoryUsage().rss - rss < RSS_GROWTH_MAX);
});

test("values are read however deep they are", async () => {
  const n = 10_000;
  const kinds = [
    [nested([0x41, 1], [0x5f], [0x24, 0, 1], n), (value) => value[0]],
    [nested([0x6f, 0x22, 1, 0x61], [0x5f], [0x7b, 1], n), (value) => value.a],
    [nested([0x27], [0x5f], [0x2c, 1], n), (value) => [...value][0]],
    [nested([0x3b, 0x54], [0x5f], [0x3a, 2], n), (value) => value.get(true)],
    [nested([0x72, 0x63], [0x5f], [0x2e], n), (value) => value.cause],
  ];
  for (const [bytes, inner] of kinds) {
    for (const value of [await read(bytes), native.decodeV8(bytes)]) {
      let depth = 0;
      for (let at = value; at !== undefined; at = inner(at)) depth++;
      assert.equal(depth, n);
    }
  }
  await fails(read(nested([0x41, 1], [], [], 32_000)), "TUPLET_MALFORMED");
});

test("a value of the greatest size is read", async () => {
  const count = 30_000;
  const varint = [count & 0x7f | 0x80, count >> 7 & 0x7f | 0x80, count >> 14];
  const items = Array.from({ length: count }, (_, i) => [0x49, i & 0x3f]).flat();
  const bytes = Uint8Array.from([0xff, 16, 0x41, ...varint, ...items, 0x24, 0, ...varint]);
  for (const value of [await read(bytes), native.decodeV8(bytes)]) {
    assert.equal(value.length, count);
    assert.deepEqual(value.slice(0, 4), [0, -1, 1, -2]);
  }
});

test("a program that replaces constructors harms itself alone", async (t) => {
  const real = { ArrayBuffer, Map, Uint16Array };
  t.after(() => Object.assign(globalThis, real));
  const resizable = Uint8Array.of(0xff, 16, 0x7e, 5, 16, 1, 2, 3, 4, 5, 0x56, 0x57, 0, 0, 3);
  if ("resizable" in ArrayBuffer.prototype) assert.equal(native.decodeV8(resizable).buffer.byteLength, 5);
  const replacements = [
    { ArrayBuffer: function () { return new real.ArrayBuffer(1, { maxByteLength: 2 }); } },
    { ArrayBuffer: function () { return { resizable: true }; } },
    { ArrayBuffer: () => {}, Map: undefined },
    { Uint16Array: function () { throw new Error("mine"); } },
    { Map: Array },
  ];
  for (const replacement of replacements) {
    Object.assign(globalThis, replacement);
    for (const bytes of [resizable, Uint8Array.of(0xff, 15, 0x3b, 0x5f, 0x5f, 0x3a, 2)]) {
      try {
        native.decodeV8(bytes);
      } catch (error) {
        assert.ok(error instanceof KvError, String(error));
      }
    }
    Object.assign(globalThis, real);
  }
});

test("__proto__ is a property like any other", async () => {
  const bytes = Uint8Array.from([0xff, 15, 0x6f, 0x22, 9, ...Buffer.from("__proto__"), 0x6f, 0x7b, 0, 0x7b, 1]);
  for (const value of [await read(bytes), native.decodeV8(bytes)]) {
    assert.deepEqual(Object.keys(value), ["__proto__"]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  }
});

test("an expression that is none, and a newer version, are errors", async () => {
  await fails(Promise.resolve().then(() => native.decodeV8(Uint8Array.of(0xff, 15, 0x52, 0x22, 1, 0x28, 0))));
  await fails(read(Uint8Array.of(0xff, 15, 0x52, 0x22, 1, 0x28, 0)));
  await fails(read(Uint8Array.of(0xff, 0x7f, 0x5f)), "TUPLET_MALFORMED");
  await fails(read(Uint8Array.of()), "TUPLET_MALFORMED");
  await fails(read(Uint8Array.of(0xff)), "TUPLET_MALFORMED");
});

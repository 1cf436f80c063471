// Values in Deno: the KvU64 that Deno has itself.

import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { KvU64, openKv } from "../../dist/index.js";

function throwsSame(a, b, message) {
  const caught = (f) => {
    try {
      return f();
    } catch (error) {
      return `${error.constructor.name}: ${error.message}`;
    }
  };
  assert.equal(caught(a), caught(b), message);
}

test("KvU64 is what Deno.KvU64 is", () => {
  const real = Deno.KvU64;
  for (const argument of [-1n, 2n ** 64n, 1, "1", null, undefined, true, {}, Symbol("x"), Object(1n)]) {
    throwsSame(() => new KvU64(argument), () => new real(argument), inspect(argument));
  }
  for (const number of [0n, 1n, 2n ** 64n - 1n]) {
    const [ours, theirs] = [new KvU64(number), new real(number)];
    for (const options of [{ colors: true }, { colors: false }]) {
      assert.equal(Deno.inspect({ a: [ours] }, options), Deno.inspect({ a: [theirs] }, options));
    }
    assert.deepEqual(Object.getOwnPropertyDescriptors(ours), Object.getOwnPropertyDescriptors(theirs));
    assert.equal(`${ours}`, `${theirs}`);
    assert.equal(Object.prototype.toString.call(ours), Object.prototype.toString.call(theirs));
  }
});

test("a Deno.KvU64 is stored as a counter", async (t) => {
  const kv = await openKv(":memory:");
  t.after(() => kv.close());
  await kv.set(["counter"], new Deno.KvU64(7n));
  await kv.atomic().sum(["counter"], 1n).commit();
  const { value } = await kv.get(["counter"]);
  assert.ok(value instanceof KvU64);
  assert.equal(value.value, 8n);
});

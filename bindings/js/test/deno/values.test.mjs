// Values in Deno: the KvU64 that Deno has itself; entries that somebody has damaged with the SQLite that Deno has.

import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { inspect } from "node:util";
import { temporaryFolder } from "../../../../test/clients/lib/harness.mjs";
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

test("an entry of an encoding that nobody knows can be listed as it is stored", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const kv = await openKv(path);
  t.after(() => kv[Symbol.asyncDispose]());
  for (const key of ["a", "b", "c", "d"]) await kv.set([key], Uint8Array.of(1, 2, 3));
  const sqlite = new DatabaseSync(path);
  sqlite.exec("UPDATE kv SET v_encoding = 7 WHERE hex(k) = '026200'");
  sqlite.exec("UPDATE kv SET v_encoding = 2 WHERE hex(k) = '026300'");
  sqlite.close();

  await assert.rejects(kv.get(["b"]), { message: "The value encoding 7 is unknown." });
  await assert.rejects(kv.get(["c"]), { code: "TUPLET_MALFORMED" });
  const seen = [];
  for await (const { key, value } of kv.list({ prefix: [] }, { encoded: true })) {
    seen.push([...key, value.encoding, value.data.join()]);
  }
  assert.deepEqual(seen, [["a", "bytes"], ["b", "unknown"], ["c", "u64"], ["d", "bytes"]].map((each) => [...each, "1,2,3"]));
  for (const key of ["b", "c"]) {
    const { value } = await kv.get([key], { encoded: true });
    await assert.rejects(kv.set(["copy"], value), TypeError);
  }
});

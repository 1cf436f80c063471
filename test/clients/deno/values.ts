// Values: every type that Deno can store goes through the server and comes back strictly equal, and the server keeps
// the very bytes that it was given.

import { assertSame } from "../lib/compare.mjs";
import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { all, open, vectors } from "./open.ts";
import { evaluate, evaluateStored, storableVectors, valueVectors } from "./vectors.ts";

const kv = await open();
const storable = await storableVectors(vectors);

await check(`each of the ${storable.length} values of the vectors is read back as it was set`, async () => {
  ok(storable.length > 100, "the vectors are there");
  const failures: string[] = [];
  for (const [i, { js }] of storable.entries()) {
    await kv.set(["value", i], evaluate(js));
    try {
      assertSame((await kv.get(["value", i])).value, evaluateStored(js));
    } catch (error) {
      failures.push(`${js}: ${(error as Error).message}`);
    }
  }
  equal(failures, []);
});

await check("all of them in one list, from one read", async () => {
  const entries = await all(kv.list({ prefix: ["value"] }, { batchSize: 500 }));
  equal(entries.length, storable.length);
  entries.forEach((entry, i) => assertSame(entry.value, evaluateStored(storable[i].js)));
});

await check("what cannot be stored is refused before it is sent", async () => {
  const refused = (await valueVectors(vectors)).filter((vector) => vector.error !== undefined);
  ok(refused.length > 0);
  for (const { js, error } of refused) await fails(() => kv.set(["refused"], evaluate(js)), error!);
  equal((await kv.get(["refused"])).versionstamp, null);
});

await check("an error keeps its message, its class, its cause and its stack", async () => {
  Error.stackTraceLimit = 10;
  const error = new RangeError("too far", { cause: { code: 42n } });
  Error.stackTraceLimit = 0;
  ok(error.stack!.includes("\n    at "), error.stack);
  await kv.set(["error"], error);
  const back = (await kv.get<RangeError>(["error"])).value!;
  ok(back instanceof RangeError);
  assertSame(back, structuredClone(error));
});

await check("shared references stay shared, cycles stay cycles", async () => {
  const shared = { name: "shared" };
  const value: Record<string, unknown> = {
    list: [shared, shared],
    map: new Map([[shared, new Set([shared])]]),
  };
  value.self = value;
  await kv.set(["graph"], value);
  const back = (await kv.get<typeof value>(["graph"])).value!;
  ok(back.self === back);
  assertSame(back, value);
  const list = back.list as unknown[];
  ok(list[0] === list[1] && (back.map as Map<unknown, unknown>).has(list[0]));
});

await check("class instances become plain objects of their own properties", async () => {
  class Point {
    x = 1;
    #hidden = 2;
    get sum() {
      return this.x + this.#hidden;
    }
  }
  await kv.set(["point"], new Point());
  equal((await kv.get(["point"])).value, { x: 1 });
});

await check("host objects pass through untouched", async () => {
  const text = "a host object of Deno's own";
  await kv.set(["host", "blob"], { blob: new Blob([text], { type: "text/plain" }) });
  const { blob } = (await kv.get<{ blob: Blob }>(["host", "blob"])).value!;
  equal([await blob.text(), blob.type], [text, "text/plain"]);

  await kv.set(["host", "exception"], new DOMException("stop", "AbortError"));
  const exception = (await kv.get<DOMException>(["host", "exception"])).value!;
  equal([exception instanceof DOMException, exception.name, exception.message], [true, "AbortError", "stop"]);
});

await check("strings of every kind of character, up to the limit", async () => {
  const strings = [
    "",
    "a".repeat(65000),
    "é".repeat(65000),
    "日".repeat(32000),
    "😀".repeat(16000),
    "\ud800 alone",
    "\u0000",
  ];
  for (const [i, text] of strings.entries()) await kv.set(["string", i], text);
  equal((await all(kv.list({ prefix: ["string"] }))).map((entry) => entry.value), strings);
});

await check("views and buffers: each kind, its offset, its shared and its resizable buffer", async () => {
  const buffer = Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
  const kinds = [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
  ];
  const views: unknown[] = kinds.map((kind) => new kind(buffer, 8, 2));
  views.push(
    new Float64Array(buffer, 8, 1),
    new BigInt64Array(buffer),
    new BigUint64Array(buffer, 8),
    new DataView(buffer, 3, 5),
  );
  const resizable = new ArrayBuffer(8, { maxByteLength: 32 });
  const value = {
    views,
    buffer,
    resizable,
    tracking: new Uint8Array(resizable),
    fixed: new Uint8Array(resizable, 2, 2),
  };
  await kv.set(["views"], value);
  assertSame((await kv.get(["views"])).value, value);
});

await check("deep nesting comes back as deep", async () => {
  let nested: unknown = "bottom";
  for (let i = 0; i < 500; i++) nested = i % 2 ? [nested] : { nested };
  await kv.set(["deep"], nested);
  assertSame((await kv.get(["deep"])).value, nested);
});

await check("KvU64 from 0 to its largest", async () => {
  for (const number of [0n, 1n, 255n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]) {
    await kv.set(["u64"], new Deno.KvU64(number));
    const { value } = await kv.get<Deno.KvU64>(["u64"]);
    ok(value instanceof Deno.KvU64);
    equal(value!.value, number);
  }
});

finish();

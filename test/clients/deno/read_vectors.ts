// Reads what write_vectors.ts wrote, through whatever program and from whichever side, and reports what differs.
//
//   read_vectors.ts PATH-OR-URL VECTORS [STRICT-EXPIRY]

import { assertSame } from "../lib/compare.mjs";
import { check, equal, finish } from "../lib/report.mjs";
import { all, open, vectors } from "./open.ts";
import { evaluateStored, keyVectors, storableVectors } from "./vectors.ts";

const kv = await open();
const strictExpiry = Deno.args[2] === "strict-expiry";

await check("every value is there and strictly equal", async () => {
  const storable = await storableVectors(vectors);
  for (const [i, { js }] of storable.entries()) {
    try {
      assertSame((await kv.get(["value", i])).value, evaluateStored(js));
    } catch (error) {
      throw new Error(`${js}: ${(error as Error).message}`);
    }
  }
  equal((await all(kv.list({ prefix: ["value"] }))).length, storable.length);
});

await check("every key is there, in its place", async () => {
  const keys = await keyVectors(vectors);
  const entries = await all(kv.list({ prefix: ["key"] }));
  equal(entries.map((entry) => entry.value), keys.map((_, i) => i));
  equal(entries.map((entry) => entry.key), keys.map((key) => ["key", ...key]));
});

await check("counters are counters on both sides", async () => {
  const entries = await kv.getMany([["sum"], ["max"], ["min"]]);
  equal(entries.map((entry) => entry.value), [new Deno.KvU64(42n), new Deno.KvU64(7n), new Deno.KvU64(3n)]);
  await kv.atomic().sum(["sum"], 8n).commit();
  equal((await kv.get(["sum"])).value, new Deno.KvU64(50n));
  await kv.set(["sum"], new Deno.KvU64(42n));
});

await check("expiries are kept on both sides", async () => {
  equal((await kv.get(["expires", "far"])).value, "there");
  if (strictExpiry) equal((await kv.get(["expires", "now"])).versionstamp, null);
});

finish();

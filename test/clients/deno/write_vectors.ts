// Writes every key and value of the vectors into a database (a file in this process, or a server): values under
// ["value", i], keys as ["key", …parts] with their place as value. Deno's own counters and expiries with them.
//
//   write_vectors.ts PATH-OR-URL VECTORS

import { open, vectors } from "./open.ts";
import { evaluate, keyVectors, storableVectors } from "./vectors.ts";

const kv = await open();
for (const [i, { js }] of (await storableVectors(vectors)).entries()) {
  await kv.set(["value", i], evaluate(js));
}

const keys = await keyVectors(vectors);
for (let at = 0; at < keys.length; at += 50) {
  const atomic = kv.atomic();
  for (let i = at; i < Math.min(at + 50, keys.length); i++) atomic.set(["key", ...keys[i]], i);
  await atomic.commit();
}

await kv.atomic().sum(["sum"], 40n).sum(["sum"], 2n).max(["max"], 7n).min(["min"], 3n).commit();
await kv.set(["expires", "far"], "there", { expireIn: 3_600_000 });
await kv.set(["expires", "now"], "never seen", { expireIn: 1 });
kv.close();
Deno.exit(0);

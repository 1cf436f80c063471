// Counts, by Deno KV's package for Node: one commit at a time, and a line for each that was acknowledged. Is killed at
// any moment. Reads, lists and enqueues in between.
//
//   node counter.mjs URL

import { openKv } from "@deno/kv";
import process from "node:process";

const kv = await openKv(process.argv[2], { maxRetries: 1 });
for (let i = 0;; i++) {
  await kv.atomic().sum(["count"], 1n).commit();
  process.stdout.write("+\n");
  if (i % 10 === 0) await kv.set(["object", i % 100], { text: "x".repeat(i % 5000), at: new Date() });
  if (i % 25 === 0) { for await (const _ of kv.list({ prefix: ["object"] }, { limit: 50 })); }
  if (i % 50 === 0) await kv.delete(["object", Math.floor(Math.random() * 100)]);
  if (i % 200 === 0) await kv.enqueue({ number: i });
}

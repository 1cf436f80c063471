// A known number of each operation, for whoever counts along; then it stays, with a watch open, until its input ends.
//
//   metrics.ts URL COUNT

import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { open } from "./open.ts";

const kv = await open();
const count = Number(Deno.args[1]);
let watch: ReadableStreamDefaultReader<Deno.KvEntryMaybe<unknown>[]>;

await check("writes at once", async () => {
  await Promise.all(Array.from({ length: count }, (_, i) => kv.set(["n", i], i)));
});

await check("a write that conflicts and one that cannot be", async () => {
  const outcome = await kv.atomic().check({ key: ["n", 0], versionstamp: null }).set(["n", 0], 1).commit();
  ok(!outcome.ok);
  await fails(() => kv.atomic().sum(["n", 0], 1n).commit(), /./);
});

await check("entries that expire", async () => {
  for (let i = 0; i < 3; i++) await kv.set(["expires", i], i, { expireIn: 50 });
});

await check("reads", async () => {
  for (let i = 0; i < 5; i++) equal((await kv.get(["n", i])).value, i);
  equal((await Array.fromAsync(kv.list({ prefix: ["none"] }))).length, 0);
});

await check("a watch", async () => {
  watch = kv.watch([["watched"]]).getReader();
  equal((await watch.read()).value?.[0].value, null);
  await kv.set(["watched"], 1);
  equal((await watch.read()).value?.[0].value, 1);
});

console.log("done");
for await (const _ of Deno.stdin.readable) {
  // until it ends
}
finish();

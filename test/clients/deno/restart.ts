// A program that is running while its server ends and comes back: the same handle and the same watch go on.
// Standard input: a line when the server is back.

import { check, equal, eventually, finish, sleep, within } from "../lib/report.mjs";
import { open } from "./open.ts";

const kv = await open();
const states: unknown[] = [];
await kv.set(["watched"], "before");
(async () => {
  for await (const [entry] of kv.watch([["watched"]])) states.push(entry.value);
})();
await eventually(20_000, "the watch's first state", () => states.length === 1);
console.log("ready");
await within(60_000, "the server's return", Deno.stdin.read(new Uint8Array(100)));

await check("what was written before is read after", async () => {
  equal((await kv.get(["watched"])).value, "before");
});

await check("writes go on with the same handle", async () => {
  equal((await kv.atomic().sum(["count"], 1n).commit()).ok, true);
  equal((await kv.get(["count"])).value, new Deno.KvU64(1n));
});

await check("the watch goes on, too", async () => {
  await kv.set(["watched"], "after");
  await eventually(60_000, "the new state", () => states.at(-1) === "after");
  await sleep(0);
});

finish();

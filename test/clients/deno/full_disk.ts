// A program that is running while its server's disk is full. Standard output says "ready" when the disk is to be
// filled and "refused" when there is to be room again; standard input answers each.

import { check, equal, eventually, finish, ok, within } from "../lib/report.mjs";
import { open } from "./open.ts";

const answer = () => within(60_000, "the orchestrator", Deno.stdin.read(new Uint8Array(100)));
const kv = await open();
await kv.set(["there"], "before");
await kv.set(["watched"], 1);
const states: unknown[] = [];
(async () => {
  for await (const [entry] of kv.watch([["watched"]])) states.push(entry.value);
})();
await eventually(20_000, "the watch's first state", () => states.length === 1);
console.log("ready");
await answer();

let isDone = false;
const large = kv.set(["large"], new Uint8Array(60_000)).then((result) => {
  isDone = true;
  return result;
});
const watched = kv.set(["watched"], 2);

await check("on a full disk reads are answered", async () => {
  for (let i = 0; i < 20; i++) equal((await kv.get(["there"])).value, "before");
  equal((await Array.fromAsync(kv.list({ prefix: [] }))).length, 2);
  equal((await kv.get(["large"])).value, null);
});

console.log("refused");
await answer();

await check(
  "a write that met the full disk is done when there is room, without the program's doing",
  async () => {
    const result = await within(60_000, "the write", large);
    ok(result.ok && isDone);
    equal(((await kv.get(["large"])).value as Uint8Array).length, 60_000);
  },
);

await check("the watch went on through it all", async () => {
  await within(60_000, "the other write", watched);
  await eventually(20_000, "the change", () => states.at(-1) === 2);
  equal(states, [1, 2]);
});

finish();

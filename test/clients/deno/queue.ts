// Deno at the other end of messages that reached the file through a tuplet server: its own listenQueue must deliver
// them, and give up on those that keep failing, as if it had enqueued them itself.
//
//   queue.ts PATH COUNT

import { check, equal, eventually, finish } from "../lib/report.mjs";
import { open } from "./open.ts";

const kv = await open();
const count = Number(Deno.args[1]);
const delivered: unknown[] = [];
let failures = 0;

kv.listenQueue((message) => {
  if ((message as { fails?: boolean }).fails) {
    failures++;
    throw new Error("this message always fails");
  }
  delivered.push(message);
});

await check("Deno delivers each message once, with its value", async () => {
  await eventually(30_000, `${count} messages`, () => delivered.length === count);
  const sorted = delivered.map((message) => (message as { job: number }).job).sort((a, b) => a - b);
  equal(sorted, Array.from({ length: count }, (_, i) => i));
});

await check(
  "a message that keeps failing is tried again by its schedule, then put under its keys",
  async () => {
    await eventually(
      30_000,
      "the undelivered message",
      async () => (await kv.get(["undelivered", 2])).value !== null,
    );
    equal(failures, 5, "once, and once more for each of the client's four intervals");
    equal((await kv.get(["undelivered", 1])).value, { fails: true, list: [1n, new Date(5)] });
    equal((await kv.get(["undelivered", 2])).value, { fails: true, list: [1n, new Date(5)] });
  },
);

finish();

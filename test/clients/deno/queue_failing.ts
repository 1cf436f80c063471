// Deno fails to handle a message of its own, twice, and leaves it in the file with what is left of its schedule.
//
//   queue_failing.ts PATH

import { open } from "./open.ts";

const kv = await open();
const failedTwice = Promise.withResolvers<void>();
let failures = 0;
kv.listenQueue((message) => {
  if (++failures === 2) failedTwice.resolve();
  throw new Error(`no use for ${message}`);
});
await kv.enqueue("retried", { backoffSchedule: [10, 2000, 10], keysIfUndelivered: [["undelivered", "retried"]] });
await failedTwice.promise;
await new Promise((done) => setTimeout(done, 500)); // Deno puts it back when the handler has failed
kv.close();
console.log(JSON.stringify({ failures }));
Deno.exit(0);

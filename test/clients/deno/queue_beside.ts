// A Deno process that listens to a file's queue beside others, and enqueues messages of its own: COUNT at first, and
// one for each byte of its standard input, until that ends. It prints what it handles, one in a line.
//
//   queue_beside.ts PATH COUNT

import { open } from "./open.ts";

const kv = await open();
kv.listenQueue((message) => {
  console.log(JSON.stringify({ handled: message }));
});
for (let i = 0; i < Number(Deno.args[1]); i++) await kv.enqueue(`deno ${i}`);
console.log(JSON.stringify({ enqueued: true }));
for await (const bytes of Deno.stdin.readable) {
  for (const _ of bytes) await kv.enqueue("deno again");
}
kv.close();
Deno.exit(0);

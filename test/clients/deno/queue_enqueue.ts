// Deno enqueues "deno 0", "deno 1", … on a file, and prints when each was there.
//
//   queue_enqueue.ts PATH COUNT

import { open } from "./open.ts";

const kv = await open();
for (let i = 0; i < Number(Deno.args[1]); i++) {
  await kv.enqueue(`deno ${i}`);
  console.log(JSON.stringify({ message: `deno ${i}`, timeMs: Date.now() }));
}
kv.close();

// Sets one key to 1, 2, 3 … in a file of this process, at a pace that a watcher can follow.
//
//   write_watched.ts PATH COUNT

import { sleep } from "../lib/time.mjs";
import { open } from "./open.ts";

const kv = await open();
for (let i = 1; i <= Number(Deno.args[1]); i++) {
  await kv.set(["watched"], i);
  await sleep(100);
}
kv.close();
Deno.exit(0);

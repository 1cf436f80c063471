// Watches a key through a server and prints each value as a JSON line, until it has seen the last one.
//
//   watch_until.ts URL LAST

import { open } from "./open.ts";

const kv = await open();
const last = Number(Deno.args[1]);
for await (const [entry] of kv.watch<[number]>([["watched"]])) {
  console.log(JSON.stringify(entry.value));
  if (entry.value === last) break;
}
Deno.exit(0);

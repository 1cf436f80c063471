// A program with an open watch whose server ends while another one takes over behind the same address. Prints every
// state that the watch shows, one in a line; ends when it has shown the one that is called "last".

import { open } from "./open.ts";

const kv = await open();
for await (const [entry] of kv.watch<string[]>([["watched"]])) {
  console.log(JSON.stringify({ state: entry.value }));
  if (entry.value === "last") break;
}
await kv.set(["from the program"], "still there");
console.log(JSON.stringify({ finished: true }));
Deno.exit(0);

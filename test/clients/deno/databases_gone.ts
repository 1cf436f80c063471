// A program whose database is deleted while it watches and reads it. Prints what it sees, one JSON object in a line.

import { open } from "./open.ts";
import { sleep } from "../lib/report.mjs";

const kv = await open();
await kv.set(["a"], "there");
const reader = kv.watch<string[]>([["a"]]).getReader();
console.log(JSON.stringify({ watched: (await reader.read()).value![0].value }));
for (;;) {
  try {
    await kv.get(["a"]);
  } catch (error) {
    console.log(JSON.stringify({ error: (error as Error).message }));
    Deno.exit(0);
  }
  await sleep(20);
}

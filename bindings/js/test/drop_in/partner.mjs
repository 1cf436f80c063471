// The other process of node/drop_in_files.test.mjs: has a file open with Deno's built-in database, and does with it what
// each line of standard input says, a function's body in JavaScript, which has `kv` and, for what is to last, `memory`.
// Answers each with a line of JSON, what was returned or the error.
//
//     deno run -A --unstable-kv partner.mjs FILE

import { createInterface } from "node:readline";
import process from "node:process";

const kv = await globalThis.Deno.openKv(process.argv[2]);
const memory = {};
const AsyncFunction = (async () => {}).constructor;

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: await new AsyncFunction("kv", "memory", JSON.parse(line))(kv, memory) };
  } catch (error) {
    answer = { error: `${error}` };
  }
  console.log(JSON.stringify(answer));
}
process.exit(0);

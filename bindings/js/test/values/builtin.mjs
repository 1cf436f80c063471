// A program for Deno with its built-in KV: writes every vector, and objects of Deno's own, into a file, or tells what it
// reads in one. Prints JSON.
//
//   deno run -A --unstable-kv builtin.mjs write PATH     what it then reads: [key, description or null for an error][]
//   deno run -A --unstable-kv builtin.mjs read PATH      the same, without writing

import { describe } from "./describe.mjs";
import { evaluate, vectors } from "./vectors.mjs";

const [command, path] = Deno.args;
const kv = await Deno.openKv(path);

if (command === "write") {
  for (const [i, vector] of vectors.entries()) await kv.set(["vector", i], evaluate(vector, Deno.KvU64));
  await kv.set(["host", "exception"], new DOMException("message", "DataError"));
  await kv.set(["host", "nested"], { error: new DOMException("nested", "AbortError") });
}

const seen = [];
for await (const { key, value } of kv.list({ prefix: [] })) {
  seen.push([key, value instanceof DOMException ? `${value.name}: ${value.message}` : describe(value)]);
}
console.log(JSON.stringify(seen));
kv.close();

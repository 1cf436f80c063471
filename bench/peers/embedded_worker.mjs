// Deno's built-in KV, or @deno/kv on Node, doing what it is told: one program for both.
//
//   embedded_worker.mjs PATH MODULE ROWS VALUE_SIZE
//
// MODULE is the URL of a module with openKv, "" for Deno's own. The file PATH is filled with ROWS rows. Then each line
// of standard input, { workload, inFlight, seconds, warmUp }, is answered with a line { rate }, operations a second.

import { performance } from "node:perf_hooks";
import process from "node:process";
import { createInterface } from "node:readline";

const ROWS_PER_COMMIT = 500;

const [path, moduleUrl, rows, valueSize] = process.argv.slice(2);
const openKv = moduleUrl === "" ? globalThis.Deno.openKv : (await import(moduleUrl)).openKv;
const kv = await openKv(path);
let state = 1;

/** The next of a fixed sequence of keys. */
function nextKey() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return ["users", state % Number(rows)];
}

async function fill() {
  for (let row = 0; row < rows; row += ROWS_PER_COMMIT) {
    const operation = kv.atomic();
    for (let i = row; i < Math.min(row + ROWS_PER_COMMIT, rows); i++) {
      operation.set(["users", i], new Uint8Array(Number(valueSize)).fill(i));
    }
    await operation.commit();
  }
}

const OPERATIONS = {
  get: async () => {
    const { value } = await kv.get(nextKey());
    if (value?.length !== Number(valueSize)) throw new Error("a value of another size");
  },
  set: async () => {
    const { ok } = await kv.set(nextKey(), new Uint8Array(Number(valueSize)).fill(state));
    if (!ok) throw new Error("a set failed");
  },
};

/** Has loops that each await their operation run for a time: operations a second. */
async function run(operation, inFlight, seconds) {
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let count = 0;
  const loop = async () => {
    while (performance.now() < end) {
      await operation();
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return count / ((performance.now() - begun) / 1000);
}

await fill();
for await (const line of createInterface({ input: process.stdin })) {
  const { workload, inFlight, seconds, warmUp } = JSON.parse(line);
  await run(OPERATIONS[workload], inFlight, warmUp);
  console.log(JSON.stringify({ rate: await run(OPERATIONS[workload], inFlight, seconds) }));
}
kv.close();

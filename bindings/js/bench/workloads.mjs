// What is measured: each workload with this package and with its peer, in one process. main.mjs runs this file in Deno,
// whose own KV is the peer, and in Node, where @deno/kv is.
//
//   workloads.mjs DIRECTORY PAIRS SLICE_MS PEER_MODULE SIDE [WORKLOAD]
//
// PEER_MODULE is the URL of a module with openKv, "" for Deno's own. SIDE is "both", "tuplet" or "peer". It prints a line
// of JSON for each workload: { name, tuplet, peer }, the microseconds of an operation, slice by slice.

import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import process from "node:process";

const ROWS = 10_000;
const GET_MANY = 10;
const IN_FLIGHT = 64;
const SETS_EACH = 8; // of each of those in a call
const POPULATE_BATCH = 500;

const bytes = (seed) => new Uint8Array(100).map((_, i) => seed + i);
const person = (seed) => ({ name: `user ${seed}`, mail: `user${seed}@example.com`, visits: seed, tags: ["a", "b"] });

/** The same keys in the same order for both sides: each has a sequence of its own. */
function* keys(prefix) {
  for (let state = 1;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield [prefix, state % ROWS];
  }
}

/** Calls operation until the time is over: the microseconds each took. */
async function timed(sliceMs, times, operation) {
  const begun = performance.now();
  let count = 0;
  let elapsed = 0;
  do {
    for (let i = 0; i < times; i++) await operation();
    count += times;
    elapsed = performance.now() - begun;
  } while (elapsed < sliceMs);
  return (elapsed / count) * 1000;
}

function get(kv, prefix) {
  const next = keys(prefix);
  return () => kv.get(next.next().value);
}

function getMany(kv) {
  const next = keys("bytes");
  return () => kv.getMany(Array.from({ length: GET_MANY }, () => next.next().value));
}

function list(kv) {
  return async () => {
    let count = 0;
    for await (const _ of kv.list({ prefix: ["bytes"] })) count++;
    if (count !== ROWS) throw new Error(`a list of ${count} entries`);
  };
}

function set(kv) {
  const next = keys("bytes");
  const value = bytes(7);
  return () => kv.set(next.next().value, value);
}

function setInFlight(kv) {
  const setOne = set(kv);
  const writer = async () => {
    for (let i = 0; i < SETS_EACH; i++) await setOne();
  };
  return () => Promise.all(Array.from({ length: IN_FLIGHT }, writer));
}

/** make: gives the operation. times: how often it is called between looks at the clock. count: what a call counts as. */
const WORKLOADS = [
  { name: "get", make: (kv) => get(kv, "bytes"), times: 100 },
  { name: "get of an object", make: (kv) => get(kv, "objects"), times: 100 },
  { name: "getMany(10)", make: getMany, times: 20 },
  { name: "list", make: list, times: 1, count: ROWS },
  { name: "set", make: set, times: 5 },
  { name: "set, 64 in flight", make: setInFlight, times: 1, count: IN_FLIGHT * SETS_EACH },
];

async function populate(kv) {
  for (let i = 0; i < ROWS; i += POPULATE_BATCH) {
    const operation = kv.atomic();
    for (let row = i; row < i + POPULATE_BATCH; row++) {
      operation.set(["bytes", row], bytes(row)).set(["objects", row], person(row));
    }
    await operation.commit();
  }
}

/** Brings to the disk what a side wrote, so that the other does not wait for it. */
function settle(path) {
  for (const file of [path, `${path}-wal`].filter(existsSync)) {
    const descriptor = openSync(file);
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
}

async function openSides(directory, peerModule, side) {
  const openers = {
    tuplet: async () => (await import("../dist/index.js")).openKv,
    peer: async () => peerModule === "" ? globalThis.Deno.openKv : (await import(peerModule)).openKv,
  };
  const sides = [];
  for (const name of Object.keys(openers).filter((name) => side === "both" || side === name)) {
    const path = join(directory, `${name}.sqlite3`);
    const openKv = await openers[name]();
    sides.push({ name, path, kv: await openKv(path) });
  }
  return sides;
}

async function main(directory, pairs, sliceMs, peerModule, side, only) {
  const sides = await openSides(directory, peerModule, side);
  for (const { kv } of sides) await populate(kv);

  for (const { name, make, times, count = 1 } of WORKLOADS) {
    if (only !== undefined && only !== name) continue;
    const results = { tuplet: [], peer: [] };
    for (const each of sides) each.operation = make(each.kv);
    for (const { operation } of sides) await timed(sliceMs * 2, times, operation); // compiled, cached
    for (let pair = 0; pair < pairs; pair++) {
      for (const each of pair % 2 === 0 ? sides : [...sides].reverse()) {
        for (const { path } of sides) settle(path);
        results[each.name].push(await timed(sliceMs, times, each.operation) / count);
      }
    }
    console.log(JSON.stringify({ name, ...results }));
  }
  for (const { kv } of sides) kv.close();
}

const [directory, pairs, sliceMs, peerModule, side, only] = process.argv.slice(2);
await main(directory, Number(pairs), Number(sliceMs), peerModule, side, only);

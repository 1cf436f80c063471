// One side of the differential test: runs every case against a database and prints each outcome as a line of JSON.
//
//     deno run -A --unstable-kv report.mjs built-in
//     deno run -A report.mjs package
//     node report.mjs package
//     deno run -A report.mjs replaced          the package in the place of Deno's own, by "tuplet/deno"
//
// More arguments are the areas to run, which are otherwise all.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import cases from "./cases.mjs";
import { outcomeOf, ranked } from "./describe.mjs";

const AT_ONCE = 8;

const sides = {
  "built-in": () => globalThis.Deno,
  "package": () => import("../../dist/index.js"),
  "replaced": async () => {
    await import("../../dist/deno.js");
    return globalThis.Deno;
  },
};

const [side, ...areas] = process.argv.slice(2);
const { openKv, KvU64, Kv, AtomicOperation, KvListIterator } = await sides[side]();
const folder = await mkdtemp(join(tmpdir(), "tuplet-drop-in-"));
let file = 0;

/** A case with a database of its own, in memory. */
async function run(test) {
  const opened = [];
  const open = async (...path) => {
    const kv = await openKv(...path);
    opened.push(kv);
    return kv;
  };
  const context = {
    open,
    path: () => join(folder, `${++file}.sqlite3`),
    kv: await open(":memory:"),
    KvU64,
    Kv,
    AtomicOperation,
    KvListIterator,
    openKv,
  };
  try {
    return ranked(await outcomeOf(() => test(context)));
  } finally {
    for (const kv of opened) kv[Symbol.dispose]();
  }
}

// What a case leaves behind is not what it is about.
process.on("unhandledRejection", () => {});
// Handlers that fail are reported on standard error, by the built-in database too.
console.error = () => {};

const wanted = Object.entries(cases).filter(([name]) => areas.length === 0 || areas.includes(name.split(":")[0]));
const waiting = [...wanted];
const outcomes = {};
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let next; (next = waiting.shift()) !== undefined;) outcomes[next[0]] = await run(next[1]);
}));
await rm(folder, { recursive: true, force: true });
const lines = wanted.map(([name]) => `${JSON.stringify([name, outcomes[name]])}\n`);
process.stdout.write(lines.join(""), () => process.exit(0));

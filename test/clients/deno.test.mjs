// The remote client that is built into Deno, against a tuplet server: one program of checks for each topic, each with
// a server and a database file of its own.

import { join } from "node:path";
import test from "node:test";
import { runDenoChecks, startServer, temporaryFolder, VECTORS } from "./lib/harness.mjs";

const TOPICS = {
  "entries, one and several": "crud.ts",
  "lists: selectors, options, pagination": "list.ts",
  "atomic operations": "atomic.ts",
  "limits and their messages": "limits.ts",
  "the patterns that programs are made of": "patterns.ts",
  "watching keys": "watch.ts",
  "key parts and their order": "keys.ts",
  "values of every type": "values.ts",
  "expiry, to the millisecond": "expiry.ts",
  "private databases in memory": "memory.ts",
  "random operations, beside Deno's own database": "model.ts",
};

for (const [topic, program] of Object.entries(TOPICS)) {
  test(`Deno: ${topic}`, async (t) => {
    const folder = await temporaryFolder(t);
    const server = await startServer(t, join(folder, "kv.sqlite"));
    await runDenoChecks(t, `deno/${program}`, [server.url, VECTORS]);
  });
}

// Takes the JSON lines of `tuplet list --json` from standard input and compares each with what Deno itself reads from
// the same file: the texts of key and value, evaluated, must be strictly equal to it.
//
//   read_listing.ts PATH VECTORS

import { assertSame } from "../lib/compare.mjs";
import { check, equal, finish, ok } from "../lib/report.mjs";
import { all, open } from "./open.ts";
import { evaluate } from "./vectors.ts";

interface Line {
  keyText: string;
  valueText: string;
  versionstamp: string;
}

const kv = await open();
const input = await new Response(Deno.stdin.readable).text();
const lines: Line[] = input.trim().split("\n").map((line) => JSON.parse(line));
// Deno still shows what has expired.
const entries = (await all(kv.list({ prefix: [] }, { batchSize: 500 }))).filter(({ value }) =>
  value !== "never seen"
);

await check("there is a line for each entry, in the same order", () => {
  ok(lines.length > 400, `${lines.length} lines`);
  equal(lines.map((line) => line.versionstamp), entries.map((entry) => entry.versionstamp));
});

await check("the text of each key means the key", () => {
  lines.forEach((line, i) => equal(evaluate(line.keyText), entries[i].key, line.keyText));
});

await check("the text of each value means the value", () => {
  const failures: string[] = [];
  lines.forEach((line, i) => {
    try {
      assertSame(evaluate(line.valueText), entries[i].value);
    } catch (error) {
      failures.push(`${line.valueText}: ${(error as Error).message}`);
    }
  });
  equal(failures, []);
});

finish();

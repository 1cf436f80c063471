// What values_text.test.mjs stored, looked at by Deno: under ["vector", n] the bytes of vector n, under ["text", n] what
// `tuplet set` made of that vector's text. Standard input has a JSON line for each vector: its expression and its text.

import { assertSame } from "../lib/compare.mjs";
import { check, equal, finish, ok } from "../lib/report.mjs";
import { all, open } from "./open.ts";
import { evaluate, evaluateStored } from "./vectors.ts";

const kv = await open();
const input = await new Response(Deno.stdin.readable).text();
const lines: { js: string; text: string }[] = input.trim().split("\n").map((line) => JSON.parse(line));
const stored = async (name: string) => (await all(kv.list({ prefix: [name] }))).map((entry) => entry.value);
const [vectors, texts] = await Promise.all(["vector", "text"].map(stored));

/** Compares for every line, and tells all that differ at once. */
function compareAll(left: (i: number) => unknown, right: (i: number) => unknown) {
  const failures: string[] = [];
  for (const [i, { js, text }] of lines.entries()) {
    try {
      assertSame(left(i), right(i));
    } catch (error) {
      failures.push(`${js} as ${text}: ${(error as Error).message}`);
    }
  }
  equal(failures, []);
}

await check("Deno reads every vector's bytes, and they mean the vector's expression", () => {
  ok(lines.length > 100);
  equal([vectors.length, texts.length], [lines.length, lines.length]);
  compareAll((i) => vectors[i], (i) => evaluateStored(lines[i].js));
});

await check("the text of each vector, evaluated by Deno, is the value that its bytes are", () => {
  compareAll((i) => evaluate(lines[i].text), (i) => vectors[i]);
});

await check("the bytes that tuplet makes of each text are the value of that text", () => {
  compareAll((i) => texts[i], (i) => vectors[i]);
});

finish();

// A million operations leave nothing behind.

import assert from "node:assert/strict";
import test from "node:test";
import { runProgram } from "./program.mjs";

const GROWTH_MIB_MAX = 40;

test("memory stays flat over a million operations", async () => {
  const { code, lines } = await runProgram("endures.mjs", [], { collects: true });
  assert.equal(code, 0);
  const [count, growth] = lines[0].split(" ").map(Number);
  assert.ok(count >= 1_000_000, `${count} operations`);
  assert.ok(growth < GROWTH_MIB_MAX, `${growth} MiB more than before`);
});

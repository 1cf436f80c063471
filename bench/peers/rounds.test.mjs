// Measuring by turns.

import assert from "node:assert/strict";
import test from "node:test";
import { byTurns } from "./rounds.mjs";

const noProblem = (name, error) => assert.fail(`${name}: ${error.message}`);

test("each round begins with another side", async () => {
  const log = [];
  const sides = ["a", "b", "c"].map((name) => ({ name, run: async () => log.push(name) }));
  await byTurns(sides, 4, { onProblem: noProblem });
  assert.equal(log.join(""), "abc" + "bca" + "cab" + "abc");
});

test("each side has a result for each round, in the rounds' order, and waits for what comes before", async () => {
  let prepared = 0;
  let [a, b] = [0, 100];
  const sides = [{ name: "a", run: async () => ++a }, { name: "b", run: async () => ++b }];
  const before = async () => prepared++;
  assert.deepEqual(await byTurns(sides, 3, { before, onProblem: noProblem }), { a: [1, 2, 3], b: [101, 102, 103] });
  assert.equal(prepared, 6);
});

test("a slice that fails once is repeated, and told", async () => {
  const problems = [];
  let calls = 0;
  const run = async () => {
    if (++calls === 2) throw new Error("hiccup");
    return calls;
  };
  const results = await byTurns([{ name: "a", run }], 2, {
    onProblem: (name, { message }) => problems.push([name, message]),
  });
  assert.deepEqual(results, { a: [1, 3] });
  assert.deepEqual(problems, [["a", "hiccup"]]);
});

test("a side that keeps failing is left out, and the others go on", async () => {
  const problems = [];
  const failing = { name: "a", run: async () => Promise.reject(new Error("gone")) };
  const fine = { name: "b", run: async () => 1 };
  const results = await byTurns([failing, fine], 3, { onProblem: (name) => problems.push(name) });
  assert.deepEqual(results, { b: [1, 1, 1] });
  assert.deepEqual(problems, ["a", "a"], "and is not tried any more");
});

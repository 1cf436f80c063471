// What slices come to.

import assert from "node:assert/strict";
import test from "node:test";
import { median, ratio, spread } from "./statistics.mjs";

test("a median is the middle one, or the mean of the two in the middle", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 2, 4, 1]), 3);
  assert.equal(median([100, 20, 3]), 20, "as numbers, not as text");
  assert.equal(median([]), undefined);
});

test("a spread has the median, the smallest and the largest", () => {
  assert.deepEqual(spread([4, 1, 2]), { median: 2, min: 1, max: 4 });
  assert.equal(spread([]), undefined);
});

test("a ratio is the median of the rounds' ratios, not the ratio of medians", () => {
  assert.deepEqual(ratio([1, 10, 3], [1, 5, 9]), { median: 1, min: 1 / 3, max: 2 });
});

test("there is no ratio to what was not measured", () => {
  assert.equal(ratio([1], undefined), undefined);
  assert.equal(ratio(undefined, [1]), undefined);
  assert.equal(ratio([1], []), undefined);
});

test("rounds that do not belong together are no ratio", () => {
  assert.throws(() => ratio([1, 2], [1]), /2 rounds beside 1/);
});

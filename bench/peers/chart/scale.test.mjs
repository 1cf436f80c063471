// The scale of an axis.

import assert from "node:assert/strict";
import test from "node:test";
import { makeScale } from "./scale.mjs";
import { formatNumber } from "./text.mjs";

const scale = (values, options = {}) =>
  makeScale({ values, log: false, format: formatNumber, size: 12, start: 0, end: 400, ...options });
const names = ({ ticks }) => ticks.map(({ text }) => text).filter(Boolean);

test("a linear axis begins at zero, in steps of 1, 2 or 5 times a power of ten", () => {
  assert.deepEqual(names(scale([3, 97])), ["0", "20", "40", "60", "80", "100"]);
  assert.deepEqual(names(scale([12_000, 98_000])), ["0", "20k", "40k", "60k", "80k", "100k"]);
  assert.deepEqual(names(scale([0.1, 0.3])), ["0", "0.1", "0.2", "0.3"]);
  assert.deepEqual(names(scale([-30, 50])), ["−40", "−20", "0", "20", "40", "60"]);
});

test("the steps follow the room", () => {
  assert.ok(names(scale([97], { end: 1600 })).length > names(scale([97], { end: 200 })).length);
});

test("an axis of nothing but zeros still has a height", () => {
  const { ticks, at } = scale([0, 0]);
  assert.deepEqual(ticks.map(({ value }) => value), [0, 1]);
  assert.equal(at(0), 0);
});

test("a tight axis ends where the values do", () => {
  const tight = scale([110_000], { tight: true });
  assert.deepEqual(names(tight), ["0", "50k", "100k"]);
  assert.equal(tight.at(110_000), 400);
  assert.equal(scale([0], { tight: true }).at(0), 0);
  assert.equal(scale([-30, -10], { tight: true }).at(0), 400);
  const log = scale([15, 700], { log: true, tight: true });
  assert.deepEqual(names(log), ["20", "50", "100", "200", "500"]);
  assert.deepEqual([log.at(15), log.at(700)], [0, 400]);
  assert.deepEqual(names(scale([15, 17], { log: true, tight: true })), ["10", "20"]);
});

test("a logarithmic axis has 1, 2 and 5 of each power of ten while they are few", () => {
  const { ticks, at } = scale([12, 900], { log: true });
  assert.deepEqual(ticks.map(({ text }) => text), ["10", "20", "50", "100", "200", "500", "1k"]);
  assert.equal(at(10), 0);
  assert.equal(at(1000), 400);
  assert.ok(Math.abs(at(100) - 200) < 1e-9);
});

test("a logarithmic axis names powers of ten only where all were too many", () => {
  assert.deepEqual(names(scale([150, 900_000], { log: true })), ["100", "1k", "10k", "100k", "1M"]);
  const unnamed = scale([150, 900_000], { log: true }).ticks.filter(({ text }) => text === "");
  assert.deepEqual(unnamed.slice(0, 3).map(({ value }) => value), [200, 500, 2000]);
  const wide = names(scale([1e-12, 1e12], { log: true }));
  assert.ok(wide.length >= 2 && wide.length <= 10, wide.join(" "));
});

test("a single value on a logarithmic axis lies between two ticks", () => {
  for (const value of [1, 7, 1000, 0.003]) {
    const { at } = scale([value], { log: true });
    assert.ok(at(value) > 0 && at(value) < 400, String(value));
  }
});

test("few measured values are the ticks of a logarithmic axis that allows it", () => {
  const own = { log: true, own: true };
  const { ticks, at } = scale([1, 4, 16, 64, 4, 1024], own);
  assert.deepEqual(ticks.map(({ text }) => text), ["1", "4", "16", "64", "1,024"]);
  assert.equal(at(1), 0);
  assert.equal(at(1024), 400);
  assert.deepEqual(names(scale([1, 100, 101], own)), ["1", "2", "5", "10", "20", "50", "100", "200"]);
});

test("every tick and every value lies on the axis, whatever the values are", () => {
  const wide = [[1e-15, 1e15], [1e15], [-1e15, 1e15], [1e-15]];
  const sets = [...wide, [0, 3e-7], [999, 1000, 1001], [1 / 3, 2 / 3], [7e6, 7.1e6]];
  for (const values of sets) {
    for (const log of [false, true].slice(0, values.some((value) => value <= 0) ? 1 : 2)) {
      const { ticks, at } = scale(values, { log });
      assert.ok(ticks.length >= 2 && ticks.length < 200, `${values}: ${ticks.length} ticks`);
      for (const value of [...values, ...ticks.map((tick) => tick.value)]) {
        assert.ok(at(value) >= -1e-6 && at(value) <= 400 + 1e-6, `${value} of ${values}, log ${log}, at ${at(value)}`);
      }
    }
  }
});

// Numbers and tables as readers see them.

import assert from "node:assert/strict";
import test from "node:test";
import * as format from "./format.mjs";

test("rates have no fraction, and their thousands apart", () => {
  assert.equal(format.formatRate(1234567.8), "1,234,568");
  assert.equal(format.formatRate(12.4), "12");
});

test("numbers have three digits that count", () => {
  assert.deepEqual([0.8974, 1, 12.345, 1234].map(format.formatNumber), ["0.897", "1.00", "12.3", "1,230"]);
});

test("a spread shows its ends where there are several", () => {
  assert.equal(format.formatSpread({ median: 1, min: 0.5, max: 20 }), "1.00 (0.500 to 20.0)");
  assert.equal(format.formatSpread({ median: 0.5, min: 0.5, max: 0.5 }), "0.500");
});

test("times have a fitting unit", () => {
  assert.equal(format.formatMicroseconds(123.4), "123 µs");
  assert.equal(format.formatMicroseconds(12345), "12.3 ms");
});

test("what was not measured is a dash", () => {
  for (const name of ["formatRate", "formatNumber", "formatSpread", "formatMicroseconds", "formatMebibytes"]) {
    assert.equal(format[name](undefined), "-", name);
  }
});

test("a table of Markdown has its numbers on the right", () => {
  assert.deepEqual(format.markdownTable(["what", ">1/s"], [["get", "5"]]), [
    "| what | 1/s |",
    "| --- | ---: |",
    "| get | 5 |",
  ]);
});

test("a table of text has columns of equal width", () => {
  assert.deepEqual(format.plainTable(["what", ">1/s"], [["get", "5,000"], ["µ", "7"]]), [
    "what    1/s",
    "get   5,000",
    "µ         7",
  ]);
});

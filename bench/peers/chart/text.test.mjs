// Text in a chart: numbers, widths, lines, escapes.

import assert from "node:assert/strict";
import test from "node:test";
import { escaped, formatMicroseconds, formatNumber, shortened, textWidth, wrapped } from "./text.mjs";

test("numbers have three digits and a unit, small whole ones all their digits", () => {
  const cases = [
    [0, "0"], [-0, "0"], [1, "1"], [64, "64"], [1000, "1k"], [1024, "1,024"], [5000, "5k"], [1234.5, "1.23k"],
    [65_536, "65,536"], [99_999, "99,999"], [123_456, "123k"], [150_000, "150k"], [999_499, "999k"], [999_999, "1M"],
    [1_500_000, "1.5M"], [2e9, "2G"], [1e12, "1T"], [0.05, "0.05"], [0.123456, "0.123"], [-2500, "−2.5k"],
    [-20_000, "−20k"],
  ];
  for (const [number, text] of cases) assert.equal(formatNumber(number), text, String(number));
});

test("microseconds are told in the unit that fits", () => {
  const cases = [
    [0, "0"], [0.5, "0.5 µs"], [20, "20 µs"], [999.9, "1 ms"], [1000, "1 ms"], [1500, "1.5 ms"],
    [200_000, "200 ms"], [999_999, "1 s"], [2e6, "2 s"], [6e8, "600 s"],
  ];
  for (const [number, text] of cases) assert.equal(formatMicroseconds(number), text, String(number));
});

test("a text is as wide as its characters", () => {
  assert.equal(textWidth("", 12), 0);
  assert.ok(textWidth("iiii", 12) < textWidth("aaaa", 12));
  assert.ok(textWidth("aaaa", 12) < textWidth("WWWW", 12));
  assert.equal(textWidth("abc", 24), 2 * textWidth("abc", 12));
});

test("what is too wide is cut, and says so", () => {
  assert.equal(shortened("short", 12, 100), "short");
  const cut = shortened("a text that is far too wide for so little room", 12, 100);
  assert.match(cut, /^a text that.*…$/);
  assert.ok(textWidth(cut, 12) <= 100);
  assert.equal(shortened("word", 12, 1), "…");
});

test("lines break between words, and end with the last one allowed", () => {
  assert.deepEqual(wrapped("", 12, 100, 2), []);
  assert.deepEqual(wrapped("one two", 12, 100, 2), ["one two"]);
  const lines = wrapped("one two three four five six seven eight nine ten", 12, 100, 2);
  assert.equal(lines.length, 2);
  assert.match(lines[0], /^one two/);
  assert.match(lines[1], /…$/);
  for (const line of lines) assert.ok(textWidth(line, 12) <= 100, line);
});

test("nothing in a text is taken for markup", () => {
  assert.equal(escaped(`<a b="c">&'`), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  assert.equal(escaped("a\u0000b\u001bc\ud800d\uffffe\u{1f600}"), "a\ufffdb\ufffdc\ufffdd\ufffde\u{1f600}");
});

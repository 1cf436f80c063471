// Line charts: what a reader finds in the picture, and what is said about input that is none.

import assert from "node:assert/strict";
import test from "node:test";
import { lineChart } from "./chart.mjs";

const CONNECTIONS = [1, 4, 16, 64, 256];

const chart = (changes = {}) => ({
  title: "Gets a second",
  subtitle: "one request in flight on each connection",
  x: { label: "Connections", log: true },
  y: { label: "Gets a second" },
  series: [
    { name: "tuplet", points: CONNECTIONS.map((x, i) => [x, 9000 * (i + 1)]) },
    { name: "denokv", points: CONNECTIONS.map((x, i) => [x, 2000 * (i + 1)]) },
  ],
  ...changes,
});
const one = (points, changes = {}) => chart({ series: [{ name: "a", points }], ...changes });
const clustered = (count, name = (i) => `peer ${i}`) =>
  chart({ series: Array.from({ length: count }, (_, i) => ({ name: name(i), points: [[1, 5 + i], [64, 1000 + i]] })) });

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const plain = (text) => text.replace(/&[^;]*;/g, (entity) => ENTITIES[entity]);

/** The elements of a well-formed document in their order, [{name, attributes, text}]; anything else fails. */
function elements(svg) {
  const found = [];
  const open = [];
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
  while (token.lastIndex < svg.length) {
    const at = token.lastIndex;
    const match = token.exec(svg);
    assert.ok(match, `not well-formed at ${JSON.stringify(svg.slice(at, at + 60))}`);
    const [, closing, name, attributes, empty, text] = match;
    if (text !== undefined) {
      assert.ok(!/&(?!(amp|lt|gt|quot|#39);)/.test(text), text);
      for (const element of open) element.text += plain(text);
    } else if (closing) {
      assert.equal(open.pop()?.name, name, "elements are nested");
    } else {
      const element = { name, attributes: {}, text: "" };
      for (const [, key, value] of attributes.matchAll(/ ([a-zA-Z-]+)="([^"]*)"/g)) {
        element.attributes[key] = plain(value);
      }
      found.push(element);
      if (!empty) open.push(element);
    }
  }
  assert.equal(open.length, 0, "every element is closed");
  return found;
}

const ofClass = (svg, name) => elements(svg).filter(({ attributes }) => attributes.class?.split(" ").includes(name));
const texts = (svg, name) => ofClass(svg, name).map(({ text }) => text);
const numbersOf = (text) => text.match(/-?\d+(\.\d+)?/g).map(Number);

test("the picture has its title, its axes, its lines and their names", () => {
  const svg = lineChart(chart());
  assert.deepEqual(texts(svg, "title"), ["Gets a second"]);
  assert.deepEqual(texts(svg, "subtitle"), ["one request in flight on each connection"]);
  assert.deepEqual(texts(svg, "label"), ["Gets a second", "Connections (logarithmic)"]);
  assert.deepEqual(texts(svg, "tick"), ["1", "4", "16", "64", "256", "0", "20k", "40k", "60k"]);
  assert.deepEqual(texts(svg, "name"), ["tuplet", "denokv"]);
  assert.equal(ofClass(svg, "path").length, 2);
  assert.equal(ofClass(svg, "marker").length, 10);
});

test("the picture is described in words", () => {
  const root = elements(lineChart(chart()));
  assert.equal(root[0].attributes.role, "img");
  const told = (name) => root.find((element) => element.attributes.id === name).text;
  assert.deepEqual(root[0].attributes["aria-labelledby"].split(" ").map(told), [
    "Gets a second",
    "A line chart of Gets a second against Connections (logarithmic). tuplet: 9k at 1 first, 45k at 256 last; " +
    "denokv: 2k at 1 first, 10k at 256 last.",
  ]);
  const peaked = lineChart(one([[1, 10], [4, 50], [16, 30]]));
  assert.match(peaked, /a: 10 at 1 first, 30 at 16 last, highest 50 at 4\./);
});

test("the same input gives the same bytes, another input others", () => {
  assert.equal(lineChart(chart()), lineChart(structuredClone(chart())));
  assert.notEqual(lineChart(chart()), lineChart(one([[1, 2]])));
});

test("the picture needs nothing but itself and runs nothing", () => {
  const svg = lineChart(chart()).replace("http://www.w3.org/2000/svg", "");
  assert.doesNotMatch(svg, /https?:|url\(|@import|<script|<foreignObject| on[a-z]+=|href/i);
});

test("it fits light and dark readers", () => {
  const svg = lineChart(chart());
  assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
  assert.equal(ofClass(svg, "card").length, 1);
});

test("text is never markup", () => {
  const hostile = `</svg><script>alert("&amp;")</script>'`;
  const svg = lineChart(chart({
    title: hostile,
    subtitle: hostile,
    x: { label: hostile },
    y: { label: hostile, format: (value) => `<${value}>` },
    series: [{ name: hostile, points: [[1, 1], [2, 2]] }],
  }));
  assert.deepEqual(texts(svg, "subtitle"), [hostile]);
  assert.deepEqual(texts(svg, "name"), [hostile]);
  assert.ok(!elements(svg).some(({ name }) => name === "script"));
});

test("a higher value is higher up, and a larger one farther right", () => {
  for (const log of [false, true]) {
    const svg = lineChart(one([[1, 10], [10, 100], [100, 50]], { x: { label: "x", log }, y: { label: "y", log } }));
    const [x1, y1, x2, y2, x3, y3] = numbersOf(ofClass(svg, "path")[0].attributes.d);
    assert.ok(x1 < x2 && x2 < x3, "x rises");
    assert.ok(y2 < y3 && y3 < y1, "y falls on the screen as the value rises");
  }
});

test("names at the lines' ends do not overlap, however close the ends are", () => {
  for (const count of [2, 5, 8]) {
    const svg = lineChart(clustered(count));
    const places = ofClass(svg, "name").map(({ attributes }) => Number(attributes.y)).sort((a, b) => a - b);
    assert.equal(places.length, count);
    places.slice(1).forEach((y, i) => assert.ok(y - places[i] >= 17.9, `${places}`));
    assert.ok(places[0] > 0 && places.at(-1) < Number(elements(svg)[0].attributes.height));
  }
});

test("names are in the order of the lines' ends", () => {
  const names = ofClass(lineChart(clustered(8)), "name");
  const byHeight = names.sort((a, b) => a.attributes.y - b.attributes.y).map(({ text }) => text);
  assert.deepEqual(byHeight, [7, 6, 5, 4, 3, 2, 1, 0].map((i) => `peer ${i}`));
});

test("a line that ends early has its name beside its end", () => {
  const svg = lineChart(chart({
    series: [{ name: "long", points: [[1, 100], [256, 100]] }, { name: "short", points: [[1, 50], [16, 50]] }],
  }));
  const [long, short] = ofClass(svg, "name").map(({ attributes }) => Number(attributes.x));
  const end = numbersOf(ofClass(svg, "line1").find(({ attributes }) => attributes.class.includes("path")).attributes.d);
  assert.ok(short > end[2] && short < end[2] + 20, `${short} beside ${end[2]}`);
  assert.ok(long > short + 100);
  assert.equal(ofClass(svg, "leader").length, 0);
});

test("a name that has no room beside its line's end is led to from there", () => {
  // The end lies in a thicket: every place beside it would cover a line.
  const thicket = Array.from({ length: 40 }, (_, i) => [i % 2 ? 100 : 20, 400 + i * 5]);
  const svg = lineChart(chart({
    x: { label: "x" },
    series: [
      { name: "thicket", points: [...thicket, [200, 500]] },
      { name: "a line that ends within", points: [[0, 500], [60, 500]] },
    ],
  }));
  assert.equal(ofClass(svg, "leader").filter(({ attributes }) => attributes.class.includes("line1")).length, 1);
});

test("names too wide for the margin become a legend", () => {
  const svg = lineChart(clustered(3, (i) => `a peer whose name is far too wide for the margin, number ${i}`));
  const names = ofClass(svg, "name");
  assert.deepEqual(names.map(({ text }) => text.slice(-1)), ["0", "1", "2"]);
  assert.equal(new Set(names.map(({ attributes }) => `${attributes.x},${attributes.y}`)).size, 3);
  const huge = lineChart(clustered(2, (i) => `${i} ${"endless ".repeat(50)}`));
  for (const name of texts(huge, "name")) assert.match(name, /…$/);
});

test("a line of many points has one marker, at its end", () => {
  const svg = lineChart(one(Array.from({ length: 500 }, (_, i) => [i, i * i]), { x: { label: "x" } }));
  assert.equal(ofClass(svg, "marker").length, 1);
});

test("a single point, zeros and negative numbers are drawn", () => {
  const linear = { x: { label: "x" } };
  for (const points of [[[0, 0]], [[1, 5]], [[0, 0], [0, 0]], [[-3, -7], [2, -1]], [[-5, 1e15], [1e15, -1e15]]]) {
    const svg = lineChart(one(points, linear));
    assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/);
    assert.equal(ofClass(svg, "marker").length, points.length);
    const { width, height } = elements(svg)[0].attributes;
    for (const { attributes } of ofClass(svg, "marker")) {
      const [x, y] = numbersOf(attributes.transform);
      assert.ok(x >= 0 && x <= width && y >= 0 && y <= height, attributes.transform);
    }
  }
  assert.doesNotMatch(lineChart(one([[7, 3]], { y: { label: "y", log: true } })), /NaN|Infinity/);
});

test("bad input is named", () => {
  const cases = [
    [chart({ series: [] }), /series is empty/],
    [chart({ series: undefined }), /series is empty/],
    [one([]), /series "a" has no points/],
    [one(undefined), /series "a" has no points/],
    [one([[1, 2], [3]]), /series "a": point 2 is no \[x, y\]/],
    [one([[1, 2], [2, NaN]]), /series "a": y of point 2 is NaN, not a number/],
    [one([[1, Infinity]]), /y of point 1 is Infinity/],
    [one([["1", 2]]), /x of point 1 is 1, not a number/],
    [one([[0, 2]]), /x of point 1 is 0; a logarithmic axis has no place for it/],
    [one([[-1, 2]]), /x of point 1 is -1; a logarithmic/],
    [one([[1, 0]], { y: { label: "y", log: true } }), /y of point 1 is 0; a logarithmic/],
    [one([[1, 1e16]]), /y of point 1 is 10000000000000000; a chart's numbers/],
    [one([[1, 1e-300]]), /y of point 1 is 1e-300; a chart's numbers/],
    [chart({ title: "" }), /title has to be a text/],
    [chart({ title: undefined }), /title has to be a text, not undefined/],
    [chart({ x: undefined }), /x.label has to be a text/],
    [chart({ y: { label: "y", format: "miles" } }), /y.format is "miles"; it has to be number, micros/],
    [chart({ series: [{ points: [[1, 1]] }] }), /series 1's name has to be a text/],
    [chart({ series: [null] }), /series 1's name has to be a text, not undefined/],
    [clustered(9), /9 series: a chart keeps at most 8 lines apart/],
    [clustered(2, () => "same"), /series "same" is there twice/],
  ];
  for (const [input, message] of cases) assert.throws(() => lineChart(input), { message });
});

test("a format is one of those named, or a function", () => {
  const points = [[1, 1500], [4, 3000]];
  const withFormat = (format) => texts(lineChart(one(points, { y: { label: "y", format } })), "tick").slice(-2);
  assert.deepEqual(withFormat("number"), ["2k", "3k"]);
  assert.deepEqual(withFormat("microseconds"), ["2 ms", "3 ms"]);
  assert.deepEqual(withFormat((value) => `${value} B`), ["2000 B", "3000 B"]);
});

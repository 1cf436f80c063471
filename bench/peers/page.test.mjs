// The page of a run: every target has a row, whatever was measured.

import assert from "node:assert/strict";
import test from "node:test";
import { drawCharts } from "./curves.mjs";
import { renderPage, renderText, replacePart } from "./page.mjs";
import { judge, TARGETS } from "./targets.mjs";

const RUN = {
  machine: ["a machine", "a disk"],
  versions: [["tuplet", "1.2.3"]],
  missing: [],
  problems: [],
  parts: [],
  peers: [],
  settings: { seconds: 1, warmUp: 1, rounds: 2, roundsEmbedded: 3, roundsCurves: 4 },
  command: "make bench",
  date: "2026-01-31",
};
const slices = (...rates) => rates.map((rate) => ({ rate, p50: rate, p99: 2 * rate }));
const target = (what, against) =>
  TARGETS.find((each) => each.what.startsWith(what) && each.against.startsWith(against));
const MISSING_REDIS = { name: "redis", title: "Redis", lacks: ["redis-server"], install: "make setup-peers" };

test("a target is met from its bound on", () => {
  const get = target("server: get, 64", "Redis");
  const verdict = (ours) =>
    judge(get, { ...RUN, servers: { "get 64x1": { tuplet: slices(ours), redis: slices(1000) } } });
  assert.deepEqual(verdict(800), {
    what: get.what,
    against: get.against,
    goal: "≥ 0.8",
    measured: "0.800",
    verdict: "met",
  });
  assert.equal(verdict(799).verdict, "not met");
  assert.equal(verdict(799).measured, "0.799");
});

test("a target for less is met up to its bound", () => {
  const memory = target("server: memory", "denokv");
  const verdict = (ours) =>
    judge(memory, { ...RUN, memory: { tuplet: { resident: ours }, denokv: { resident: 100 } } }).verdict;
  assert.equal(verdict(50), "met");
  assert.equal(verdict(51), "not met");
});

test("latency is judged round by round, by its 99th percentile", () => {
  const results = { ...RUN, latency: { rate: 10, slices: { tuplet: slices(1, 9, 1), denokv: slices(10, 10, 2) } } };
  assert.equal(judge(target("server: p99", "denokv"), results).measured, "0.500 (0.100 to 0.900)");
});

test("the library is judged beside its bare side", () => {
  const library = { workloads: [{ name: "set-sync", tuplet: [5, 6], bare: [10, 10] }] };
  assert.equal(judge(target("library: durable set, one", "bare"), { ...RUN, library }).verdict, "not met");
});

test("a row that could not be measured says why", () => {
  const get = target("server: get, 64", "Redis");
  const because = (changes) => judge(get, { ...RUN, ...changes }).verdict;
  assert.equal(because({}), "not measured: left out");
  assert.equal(because({ parts: ["servers"] }), "not measured: left out");
  assert.equal(because({ parts: ["servers"], peers: ["redis"] }), "not measured: it failed");
  assert.equal(because({ parts: ["servers"], missing: [MISSING_REDIS] }), "not measured: it is not installed");
});

test("no row is dropped, whatever is missing, on the page as in the text", () => {
  const lines = renderPage({ ...RUN, missing: [MISSING_REDIS] }, {}, "charts");
  const text = renderText(RUN);
  for (const { what, against } of TARGETS) {
    assert.equal(lines.filter((line) => line.startsWith(`| ${what} | ${against} |`)).length, 1, `${what}, ${against}`);
    assert.ok(text.some((line) => line.startsWith(what) && line.includes(against)), `${what}, ${against}`);
  }
});

test("a peer that is missing is named, with how to get it; so is what failed", () => {
  const lines = renderPage({ ...RUN, missing: [MISSING_REDIS], problems: ["etcd: gone"] }, {}, "charts");
  assert.ok(lines.includes("- not installed: Redis (redis-server): make setup-peers"));
  assert.ok(lines.includes("- failed: etcd: gone"));
});

const MEASURED = {
  ...RUN,
  embedded: { "set, 64 in flight": { tuplet: slices(900, 1000), deno: slices(100, 100) } },
  servers: { "get 64x1": { "tuplet": slices(5000), "tuplet-h2load": slices(6000), "nghttpd": slices(7000) } },
  connections: {
    get: [1, 4].map((connections) => ({ connections, slices: { tuplet: slices(100 * connections) } })),
    set: [],
  },
  load: [10, 20].map((rate) => ({ rate, part: 0.5, of: "tuplet", slices: { tuplet: slices(7 * rate) } })),
};

test("what was measured is in the tables, a side that was not as a dash", () => {
  const lines = renderPage(MEASURED, {}, "charts");
  assert.ok(lines.includes("| set, 64 in flight | 950 | 100 | 9.50 (9.00 to 10.0) | - | - |"));
  assert.ok(lines.includes("| tuplet, loaded by h2load | 6,000 |"));
  assert.ok(lines.includes("| gets a second, by connections | 1 | 4 |") && lines.includes("| tuplet | 100 | 400 |"));
  assert.ok(lines.includes("| 10 | 50 % of tuplet's top | 70.0 µs | 140 µs |"));
});

test("what an operation costs is the seconds of either side over the operations of the whole slice", () => {
  const slice = { rate: 1000, serverSeconds: 0.5, clientSeconds: 0.25 };
  const lines = renderPage({ ...RUN, servers: { "get 64x1": { tuplet: [slice] } } }, {}, "charts");
  assert.ok(lines.includes("| tuplet | 250 µs | 125 µs |"));
});

test("each chart that is drawn is on the page", () => {
  const charts = drawCharts(MEASURED);
  assert.deepEqual(Object.keys(charts), ["get_connections.svg", "get_load.svg"]);
  const lines = renderPage(MEASURED, charts, "charts").join("\n");
  for (const [file, { text, alt }] of Object.entries(charts)) {
    assert.match(text, /^<svg /);
    assert.ok(lines.includes(`![${alt}](charts/${file})`));
  }
});

test("only the part between the markers is replaced", () => {
  const page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
  assert.equal(replacePart(page, "x", ["new", "lines"]), "a\n<!-- x: begin -->\nnew\nlines\n<!-- x: end -->\nb\n");
  assert.throws(() => replacePart(page, "y", []), /lacks the lines <!-- y: begin -->/);
});

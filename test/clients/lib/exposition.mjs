// Prometheus' text format, version 0.0.4, read strictly: whatever a scraper might stumble over is an error here.

import assert from "node:assert/strict";

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/y;
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];
const SUFFIXES = ["_bucket", "_sum", "_count"];

/** The metrics of an answer. */
export class Metrics {
  families = new Map(); // name: { type, help, samples: [{ name, labels, value }] }

  constructor(text) {
    assert.ok(text.endsWith("\n"), "the last line ends");
    let family = null;
    for (const line of text.slice(0, -1).split("\n")) {
      family = line.startsWith("#") ? this.#comment(line, family) : this.#sample(line, family);
    }
    for (const [name, each] of this.families) {
      assert.ok(each.help && each.type, `${name} has a HELP and a TYPE`);
      assert.ok(each.samples.length > 0, `${name} has samples`);
      if (each.type === "counter") assert.match(name, /_total$/, "counters are named so");
      if (each.type === "histogram") checkHistogram(name, each.samples);
    }
  }

  /** The value of the one sample of that name with these labels and no others. */
  value(name, labels = {}) {
    const found = this.#samples(name).filter((sample) => isSame(sample.labels, labels));
    assert.equal(found.length, 1, `${found.length} samples are ${name} ${JSON.stringify(labels)}`);
    return found[0].value;
  }

  /** The sum of all samples of that name that have these labels; 0 when there are none. */
  sum(name, labels = {}) {
    const fits = (sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
    return this.#samples(name).filter(fits).reduce((sum, sample) => sum + sample.value, 0);
  }

  /** All counters, as one would compare them with those of another scrape: { "name{labels}": value }. */
  counters() {
    const all = {};
    for (const { type, samples } of this.families.values()) {
      for (const { name, labels, value } of samples) {
        if (type === "counter" || type === "histogram") all[name + JSON.stringify(labels)] = value;
      }
    }
    return all;
  }

  #samples(name) {
    const family = this.families.get(name) ?? this.families.get(name.replace(/_(bucket|sum|count)$/, ""));
    assert.ok(family, `there is no metric ${name}`);
    return family.samples.filter((sample) => sample.name === name);
  }

  #comment(line, family) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    assert.ok(keyword, `no HELP and no TYPE: ${line}`);
    assert.match(name, NAME);
    if (keyword === "HELP") {
      assert.ok(!this.families.has(name), `${name} comes twice`);
      assert.doesNotMatch(rest, /\\[^\\n]/, "only these are escaped");
      const made = { name, help: rest, type: null, samples: [] };
      this.families.set(name, made);
      return made;
    }
    assert.equal(family?.name, name, "a TYPE stands below its HELP");
    assert.equal(family.type, null, `${name} has one TYPE`);
    assert.equal(family.samples.length, 0, `${name} has its TYPE before its samples`);
    assert.ok(TYPES.includes(rest), rest);
    family.type = rest;
    return family;
  }

  #sample(line, family) {
    const [, name, labelText, valueText] = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    assert.ok(name, `no sample: ${line}`);
    assert.match(name, NAME);
    const allowed = family?.type === "histogram"
      ? SUFFIXES.map((suffix) => family.name + suffix)
      : [family?.name];
    assert.ok(allowed.includes(name), `${name} stands below ${family?.name}`);
    assert.match(valueText, /^([+-]?\d+(\.\d+)?(e[+-]?\d+)?|[+-]Inf|NaN)$/, line);
    const labels = labelText === undefined ? {} : parseLabels(labelText);
    const isTwice = family.samples.some((other) => other.name === name && isSame(other.labels, labels));
    assert.ok(!isTwice, `twice: ${line}`);
    family.samples.push({ name, labels, value: parseNumber(valueText) });
    return family;
  }
}

function parseNumber(text) {
  return text.endsWith("Inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
}

function parseLabels(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const start = LABEL.lastIndex;
    const found = LABEL.exec(text);
    assert.ok(found, `labels: ${text.slice(start)}`);
    assert.ok(!(found[1] in labels), `a label twice: ${text}`);
    labels[found[1]] = found[2].replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
    if (LABEL.lastIndex === text.length) break;
    assert.equal(text[LABEL.lastIndex], ",", `labels: ${text}`);
    LABEL.lastIndex++;
  }
  return labels;
}

function isSame(labels, others) {
  const names = Object.keys(labels);
  return names.length === Object.keys(others).length && names.every((name) => labels[name] === others[name]);
}

/** Each series of a histogram: buckets that ascend up to +Inf, which is the count, and a sum. */
function checkHistogram(name, samples) {
  const series = new Map();
  for (const { name: full, labels: { le, ...labels }, value } of samples) {
    const key = JSON.stringify(labels);
    if (!series.has(key)) series.set(key, { buckets: [] });
    const one = series.get(key);
    if (full === `${name}_bucket`) {
      assert.ok(le !== undefined, `${name} has buckets with bounds`);
      one.buckets.push({ bound: parseNumber(le.replace(/^\+/, "")), value });
    } else {
      assert.equal(le, undefined);
      one[full.slice(name.length + 1)] = value;
    }
  }
  for (const [labels, { buckets, sum, count }] of series) {
    const what = `${name}${labels}`;
    assert.ok(buckets.length > 1, what);
    for (let i = 1; i < buckets.length; i++) {
      assert.ok(buckets[i].bound > buckets[i - 1].bound, `${what}: bounds ascend`);
      assert.ok(buckets[i].value >= buckets[i - 1].value, `${what}: counts add up`);
    }
    assert.equal(buckets.at(-1).bound, Infinity, what);
    assert.equal(buckets.at(-1).value, count, what);
    assert.ok(sum >= 0 && (count > 0 || sum === 0), what);
  }
}

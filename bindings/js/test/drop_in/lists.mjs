// list: selectors, options, cursors, the iterator.

import { outcomeOf } from "./describe.mjs";

const selectors = {
  undefined: () => undefined,
  null: () => null,
  "an empty object": () => ({}),
  "a number": () => 5,
  "a string": () => "abc",
  "a key": () => ["a"],
  "everything": () => ({ prefix: [] }),
  "a prefix": () => ({ prefix: ["a"] }),
  "a prefix of two parts": () => ({ prefix: ["a", 1] }),
  "a prefix that is a whole key": () => ({ prefix: ["a", 1, "x"] }),
  "a prefix that nothing has": () => ({ prefix: ["zz"] }),
  "a prefix of undefined": () => ({ prefix: undefined }),
  "a prefix of null": () => ({ prefix: null }),
  "a prefix of a number": () => ({ prefix: 5 }),
  "a prefix of a string": () => ({ prefix: "ab" }),
  "a prefix of an object": () => ({ prefix: {} }),
  "a prefix of an array-like": () => ({ prefix: { length: 1, 0: "a" } }),
  "a prefix of a bad part": () => ({ prefix: [{}] }),
  "an inherited prefix": () => Object.create({ prefix: [] }),
  "a prefix by a getter": () => ({ get prefix() { return ["a"]; } }),
  "a prefix and an unknown member": () => ({ prefix: ["a"], bogus: 1 }),
  "prefix and start": () => ({ prefix: ["a"], start: ["a", 2] }),
  "prefix and end": () => ({ prefix: ["a"], end: ["a", 2] }),
  "prefix and both": () => ({ prefix: ["a"], start: ["a", 1], end: ["a", 2] }),
  "prefix and a start outside": () => ({ prefix: ["a"], start: ["b"] }),
  "prefix and a start before": () => ({ prefix: ["b"], start: ["a"] }),
  "prefix and itself for a start": () => ({ prefix: ["a"], start: ["a"] }),
  "prefix and an end outside": () => ({ prefix: ["a"], end: ["b"] }),
  "prefix and itself for an end": () => ({ prefix: ["a"], end: ["a"] }),
  "prefix and a start of undefined": () => ({ prefix: ["a"], start: undefined }),
  "prefix and an end of undefined": () => ({ prefix: ["a"], start: ["a", 2], end: undefined }),
  "prefix and a start of null": () => ({ prefix: ["a"], start: null }),
  "prefix and a bad start": () => ({ prefix: ["a"], start: ["a", {}] }),
  "everything from a start on": () => ({ prefix: [], start: ["b"] }),
  "everything before an end": () => ({ prefix: [], end: ["b"] }),
  "start alone": () => ({ start: ["a"] }),
  "end alone": () => ({ end: ["a"] }),
  "start and end": () => ({ start: ["a", 1], end: ["b"] }),
  "start and end of one key": () => ({ start: ["a"], end: ["a"] }),
  "start after end": () => ({ start: ["b"], end: ["a"] }),
  "start and end of nothing": () => ({ start: [], end: [] }),
  "start of nothing": () => ({ start: [], end: ["b"] }),
  "start and an end of null": () => ({ start: ["a"], end: null }),
  "start and end of different types": () => ({ start: [1], end: [true] }),
};

const options = {
  undefined: undefined,
  null: null,
  "a number": 5,
  "a string": "x",
  "limit 1": { limit: 1 },
  "limit 3": { limit: 3 },
  "limit 0": { limit: 0 },
  "limit -1": { limit: -1 },
  "limit 1.5": { limit: 1.5 },
  "limit NaN": { limit: NaN },
  "limit Infinity": { limit: Infinity },
  "limit null": { limit: null },
  "limit undefined": { limit: undefined },
  "limit as a string": { limit: "3" },
  "limit as a bigint": { limit: 3n },
  "limit 501": { limit: 501 },
  "limit 1000": { limit: 1000 },
  "limit 1001": { limit: 1001 },
  "limit 2 ** 32": { limit: 2 ** 32 },
  "limit 2 ** 53": { limit: 2 ** 53 },
  "limit 1e300": { limit: 1e300 },
  "batchSize 1": { batchSize: 1 },
  "batchSize 2, limit 3": { batchSize: 2, limit: 3 },
  "batchSize 3, limit 2": { batchSize: 3, limit: 2 },
  "batchSize 0": { batchSize: 0 },
  "batchSize -1": { batchSize: -1 },
  "batchSize 1.5": { batchSize: 1.5 },
  "batchSize null": { batchSize: null },
  "batchSize as a string": { batchSize: "1" },
  "batchSize 500": { batchSize: 500 },
  "batchSize 501": { batchSize: 501 },
  "batchSize 1000": { batchSize: 1000 },
  "batchSize 1001": { batchSize: 1001 },
  "batchSize 2 ** 32": { batchSize: 2 ** 32 },
  "batchSize 2 ** 32 + 5": { batchSize: 2 ** 32 + 5 },
  "reverse": { reverse: true },
  "reverse with a limit": { reverse: true, limit: 2 },
  "reverse in batches": { reverse: true, batchSize: 2 },
  "reverse null": { reverse: null },
  "eventual": { consistency: "eventual" },
  "no such consistency": { consistency: "weak" },
  "a consistency of null": { consistency: null },
  "a consistency of a number": { consistency: 1 },
  "an empty cursor": { cursor: "" },
  "a cursor of null": { cursor: null },
  "a cursor of a number": { cursor: 5 },
  "a cursor that is no base64": { cursor: "!" },
  "a cursor of one digit": { cursor: "A" },
  "a cursor with unused bits": { cursor: "Ag" },
  "a cursor of bytes that are no key": { cursor: "_wA" },
  "a cursor with padding": { cursor: "AmIA" + "AA==" },
  "a cursor of standard base64": { cursor: "////" },
  "a good cursor": { cursor: "AmFiAA==" },
  "an unknown option": { bogus: 1 },
};

async function fill(kv) {
  for (const key of [["a"], ["a", 1], ["a", 1, "x"], ["a", 1, "y"], ["a", 2], ["a", "s"], ["ab"], ["b"], ["b", 1], [1], [true]]) {
    await kv.set(key, "value");
  }
}

/** Everything about a list: what it gives, with the cursor at each step. */
async function walk(list, steps = 20) {
  const cursor = () => outcomeOf(() => list().cursor);
  const iterator = list;
  const found = [await cursor()];
  for (let i = 0; i < steps; i++) {
    const step = await outcomeOf(() => iterator().next());
    found.push(step, await cursor());
    if (!step.includes("done: false")) break;
  }
  return found;
}

const cases = {};
for (const [name, make] of Object.entries(selectors)) {
  cases[`of ${name}: begun`] = ({ kv }) => {
    kv.list(make());
    return "begun";
  };
  cases[`of ${name}`] = async ({ kv }) => {
    await fill(kv);
    const list = kv.list(make());
    return walk(() => list);
  };
  cases[`of ${name}, in reverse`] = async ({ kv }) => {
    await fill(kv);
    const list = kv.list(make(), { reverse: true });
    return walk(() => list);
  };
  cases[`of ${name}, page by page`] = async ({ kv }) => {
    await fill(kv);
    const pages = [];
    let cursor;
    do {
      const list = kv.list(make(), { limit: 2, cursor });
      const page = [];
      for await (const { key } of list) page.push(key);
      ({ cursor } = list);
      pages.push(page, cursor);
    } while (cursor !== "" && pages.length < 30);
    return pages;
  };
}
for (const [name, option] of Object.entries(options)) {
  cases[`with ${name}: begun`] = ({ kv }) => {
    kv.list({ prefix: [] }, option);
    return "begun";
  };
  cases[`with ${name}`] = async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: ["a"] }, option);
    return walk(() => list);
  };
}
for (const n of [2045, 2046, 2047, 2048, 2049, 2050]) {
  const part = (letter) => [letter.repeat(n - 2)];
  cases[`of a prefix of ${n} bytes`] = ({ kv }) => kv.list({ prefix: part("x") }).next();
  cases[`of a range of ${n} bytes`] = ({ kv }) => kv.list({ start: part("x"), end: part("y") }).next();
}

export default {
  ...cases,

  "without arguments": ({ kv }) => kv.list(),
  "the iterator is its own": ({ kv }) => {
    const list = kv.list({ prefix: [] });
    return list[Symbol.asyncIterator]() === list;
  },
  "the iterator's methods": ({ kv }) => {
    const list = kv.list({ prefix: [] });
    return [typeof list.return, typeof list.throw, typeof list.next, typeof list[Symbol.asyncDispose]];
  },
  "goes on where break left it": async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: [] });
    const found = [];
    for await (const { key } of list) {
      found.push(key);
      if (found.length === 2) break;
    }
    found.push(list.cursor);
    for await (const { key } of list) found.push(key);
    return found;
  },
  "next after the end": async ({ kv }) => {
    const list = kv.list({ prefix: [] });
    return [await list.next(), await list.next(), list.cursor];
  },
  "next after the limit": async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: [] }, { limit: 1 });
    return [await list.next(), await list.next(), list.cursor, await list.next()];
  },
  "next after a mistake": async ({ kv }) => {
    const list = kv.list({ start: ["b"], end: ["a"] });
    return [await outcomeOf(() => list.next()), await outcomeOf(() => list.next()), await outcomeOf(() => list.cursor)];
  },
  "what is written behind it is seen, what is written before it is not": async ({ kv }) => {
    for (let i = 0; i < 10; i++) await kv.set(["a", i], i);
    const found = [];
    for await (const { value } of kv.list({ prefix: ["a"] }, { batchSize: 2 })) {
      found.push(value);
      if (value === 3) {
        await kv.set(["a", 0.5], "before");
        await kv.set(["a", 20], "behind");
        await kv.delete(["a", 7]);
      }
    }
    return found;
  },
  "what is written into a batch is not seen": async ({ kv }) => {
    for (let i = 0; i < 10; i++) await kv.set(["a", i], i);
    const found = [];
    for await (const { value } of kv.list({ prefix: ["a"] })) {
      found.push(value);
      if (value === 3) await kv.delete(["a", 7]);
    }
    return found;
  },
  "what is written before the first entry is asked for": async ({ kv }) => {
    const list = kv.list({ prefix: ["a"] });
    await kv.set(["a", 1], 1);
    return list.next();
  },
  "a selector that is changed after the call": async ({ kv }) => {
    await fill(kv);
    const selector = { prefix: ["a"] };
    const list = kv.list(selector);
    selector.prefix.push(1);
    selector.prefix = ["b"];
    return walk(() => list);
  },
  "options that are changed after the call": async ({ kv }) => {
    await fill(kv);
    const option = { limit: 2 };
    const list = kv.list({ prefix: [] }, option);
    option.limit = 5;
    option.reverse = true;
    return walk(() => list);
  },
  "250 entries": async ({ kv }) => {
    for (let i = 0; i < 250; i += 50) {
      const operation = kv.atomic();
      for (let j = i; j < i + 50; j++) operation.set(["a", j], j);
      await operation.commit();
    }
    const found = [];
    for await (const { value } of kv.list({ prefix: ["a"] })) found.push(value);
    return [found.length, found.every((value, i) => value === i)];
  },
  "1200 entries in reverse, in batches": async ({ kv }) => {
    for (let i = 0; i < 1200; i += 400) {
      const operation = kv.atomic();
      for (let j = i; j < i + 400; j++) operation.set(["a", j], j);
      await operation.commit();
    }
    const found = [];
    for await (const { value } of kv.list({ prefix: ["a"] }, { reverse: true, batchSize: 333, limit: 1100 })) {
      found.push(value);
    }
    return [found.length, found[0], found.at(-1)];
  },
  "two iterators at once": async ({ kv }) => {
    await fill(kv);
    const [one, two] = [kv.list({ prefix: ["a"] }), kv.list({ prefix: ["a"] }, { reverse: true })];
    const found = [];
    for (let i = 0; i < 3; i++) found.push((await one.next()).value.key, (await two.next()).value.key);
    return found;
  },
  "cursors of a prefix hold what is behind it only": async ({ kv }) => {
    await kv.set(["some", "long", "prefix", "a"], 1);
    const list = kv.list({ prefix: ["some", "long", "prefix"] });
    await list.next();
    return list.cursor;
  },
  "cursors of a range hold what start and end do not share": async ({ kv }) => {
    await kv.set(["a", "b", "c"], 1);
    const list = kv.list({ start: ["a", "b", "a"], end: ["a", "b", "d"] });
    await list.next();
    return list.cursor;
  },
  "a cursor of another selector": async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: ["a"] });
    await list.next();
    return kv.list({ start: ["b"], end: ["c"] }, { cursor: list.cursor }).next();
  },
  "a cursor of a key that is gone": async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: ["a"] });
    await list.next();
    await kv.delete(["a", 1]);
    return kv.list({ prefix: ["a"] }, { cursor: list.cursor }).next();
  },
  "a cursor of the other direction": async ({ kv }) => {
    await fill(kv);
    const list = kv.list({ prefix: ["a"] });
    await list.next();
    await list.next();
    const back = kv.list({ prefix: ["a"] }, { cursor: list.cursor, reverse: true });
    return walk(() => back);
  },
  "an iterator of all entries, gathered": async ({ kv }) => {
    await fill(kv);
    const found = [];
    for await (const entry of kv.list({ prefix: ["a"] })) found.push(entry);
    return found.map(({ key }) => key);
  },
};

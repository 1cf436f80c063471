// get and getMany: options, numbers of keys, unusual arguments.

import { describe, outcomeOf } from "./describe.mjs";

const options = {
  undefined: undefined,
  null: null,
  "an empty object": {},
  "a number": 5,
  "a string": "strong",
  "strong": { consistency: "strong" },
  "eventual": { consistency: "eventual" },
  "no such consistency": { consistency: "weak" },
  "an empty consistency": { consistency: "" },
  "a consistency of null": { consistency: null },
  "a consistency of undefined": { consistency: undefined },
  "a consistency of a number": { consistency: 5 },
  "a consistency of an object": { consistency: {} },
  "an unknown option": { bogus: true },
};

const lists = {
  undefined: () => undefined,
  null: () => null,
  "no key": () => [],
  "a number": () => 5,
  "a string": () => "ab",
  "an object": () => ({}),
  "an array-like": () => ({ length: 1, 0: ["a"] }),
  "an array-like of nothing": () => ({ length: 2 }),
  "a Set": () => new Set([["a"]]),
  "a generator": () => (function* () { yield ["a"]; })(),
  "a key": () => ["a"],
  "undefined among the keys": () => [["a"], undefined],
  "a hole among the keys": () => [["a"], , ["b"]],
  "a bad key among the keys": () => [["a"], ["b", {}]],
  "a key without parts": () => [["a"], []],
  "the same key twice": () => [["a"], ["a"]],
  "ten keys": () => Array.from({ length: 10 }, (_, i) => ["a", i]),
  "eleven keys": () => Array.from({ length: 11 }, (_, i) => ["a", i]),
  "a thousand keys": () => Array.from({ length: 1000 }, (_, i) => ["a", i]),
  "a key that is too large": () => [["x".repeat(2048)]],
};

const cases = {};
for (const [name, option] of Object.entries(options)) {
  cases[`get with ${name} for options`] = ({ kv }) => kv.get(["a"], option);
  cases[`getMany with ${name} for options`] = ({ kv }) => kv.getMany([["a"], ["b"]], option);
}
for (const [name, make] of Object.entries(lists)) {
  cases[`getMany of ${name}`] = async ({ kv }) => {
    await kv.set(["a"], "value");
    return kv.getMany(make());
  };
}

export default {
  ...cases,

  "get without arguments": ({ kv }) => kv.get(),
  "getMany without arguments": ({ kv }) => kv.getMany(),
  "get of nothing": ({ kv }) => kv.get(["a"]),
  "get of an entry": async ({ kv }) => {
    const { versionstamp } = await kv.set(["a"], "value");
    const entry = await kv.get(["a"]);
    return [entry, entry.versionstamp === versionstamp];
  },
  "get of undefined": async ({ kv }) => {
    await kv.set(["a"], undefined);
    return kv.get(["a"]);
  },
  "get after delete": async ({ kv }) => {
    await kv.set(["a"], 1);
    await kv.delete(["a"]);
    return kv.get(["a"]);
  },
  "get of the prefix of a key": async ({ kv }) => {
    await kv.set(["a", "b"], 1);
    return kv.get(["a"]);
  },
  "getMany of entries and of nothing": async ({ kv }) => {
    await kv.set(["a"], 1);
    await kv.set(["c"], { x: 1n });
    return kv.getMany([["c"], ["b"], ["a"], ["c"]]);
  },
  "an entry's properties": async ({ kv }) => {
    await kv.set(["a"], 1);
    const properties = (entry) => Object.entries(Object.getOwnPropertyDescriptors(entry)).map(describe);
    return [properties(await kv.get(["a"])), properties(await kv.get(["b"]))];
  },
  "a hundred reads at once": async ({ kv }) => {
    for (let i = 0; i < 10; i++) await kv.set(["a", i], i);
    const entries = await Promise.all(Array.from({ length: 100 }, (_, i) => kv.get(["a", i % 12])));
    return entries.map((entry) => entry.value);
  },
  "a read that is begun before a write and one after it": async ({ kv }) => {
    const before = kv.get(["a"]);
    await kv.set(["a"], 1);
    return [(await before).value, (await kv.get(["a"])).value];
  },
  "reads are promises at once": ({ kv }) => [kv.get(["a"]), kv.getMany([["a"]])].map((read) => read instanceof Promise),
  "a mistake rejects, and does not throw": async ({ kv }) => {
    const reading = kv.get([{}]);
    return [reading instanceof Promise, await outcomeOf(() => reading)];
  },
  "options with a getter that throws": ({ kv }) =>
    kv.get(["a"], { get consistency() { throw new RangeError("no consistency"); } }),
  "a method without its database": async ({ kv }) => {
    const { get } = kv;
    return (await outcomeOf(() => get(["a"]))).replace(/:.*/, "");
  },
};

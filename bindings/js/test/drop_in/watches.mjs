// watch: which keys, what is told and when, how it ends.

import { outcomeOf } from "./describe.mjs";

const keys = {
  undefined: () => undefined,
  null: () => null,
  "a number": () => 5,
  "a string": () => "ab",
  "an object": () => ({}),
  "an array-like": () => ({ length: 1, 0: ["a"] }),
  "a Set": () => new Set([["a"]]),
  "no key": () => [],
  "a key": () => ["a"],
  "a key without parts": () => [[]],
  "a bad key among others": () => [["a"], 5],
  "a bad part": () => [["a", {}]],
  "a hole": () => [, ["a"]],
  "undefined": () => [undefined],
  "ten keys": () => Array.from({ length: 10 }, (_, i) => ["a", i]),
  "eleven keys": () => Array.from({ length: 11 }, (_, i) => ["a", i]),
  "the same key twice": () => [["a"], ["a"]],
  "a key that is too large": () => [["x".repeat(2048)]],
};

const options = {
  undefined: undefined,
  null: null,
  "a number": 5,
  "an empty object": {},
  "raw": { raw: true },
  "not raw": { raw: false },
  "raw null": { raw: null },
  "raw 1": { raw: 1 },
  "an unknown option": { bogus: 1 },
};

const cases = {};
for (const [name, make] of Object.entries(keys)) {
  cases[`of ${name}: begun`] = ({ kv }) => {
    const stream = kv.watch(make());
    stream.cancel();
    return "begun";
  };
  cases[`of ${name}`] = async ({ kv }) => {
    await kv.set(["a"], 1);
    const reader = kv.watch(make()).getReader();
    const first = await reader.read();
    await reader.cancel();
    return first;
  };
}
for (const [name, option] of Object.entries(options)) {
  cases[`with ${name}`] = async ({ kv }) => {
    const reader = kv.watch([["a"]], option).getReader();
    const found = [await reader.read()];
    await kv.set(["a"], 1);
    found.push(await reader.read());
    await reader.cancel();
    return found;
  };
}

/** Reads until the newest value is there; what came in between depends on how fast it was. */
async function newest(reader, wanted) {
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return "done";
    if (JSON.stringify(value.map((entry) => entry.value)) === JSON.stringify(wanted)) return value;
  }
}

export default {
  ...cases,

  "without arguments": ({ kv }) => kv.watch(),
  "is a stream": ({ kv }) => {
    const stream = kv.watch([["a"]]);
    return [stream instanceof ReadableStream, stream.locked];
  },
  "tells a set, a change and a deletion": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    const found = [await reader.read()];
    await kv.set(["a"], { x: 1 });
    found.push(await newest(reader, [{ x: 1 }]));
    await kv.set(["a"], 2);
    found.push(await newest(reader, [2]));
    await kv.delete(["a"]);
    found.push(await newest(reader, [null]));
    return found;
  },
  "tells all of the keys": async ({ kv, KvU64 }) => {
    await kv.set(["b"], new Uint8Array([1]));
    const reader = kv.watch([["a"], ["b"], ["c"]]).getReader();
    const found = [await reader.read()];
    await kv.atomic().sum(["c"], 5n).set(["a"], new KvU64(1n)).commit();
    found.push(await reader.read());
    return found;
  },
  "does not tell of other keys": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    await kv.set(["b"], 1);
    await kv.set(["a", "b"], 1);
    const next = reader.read();
    await kv.set(["a"], 1);
    return next;
  },
  "the same value again is a change": async ({ kv }) => {
    await kv.set(["a"], 1);
    const reader = kv.watch([["a"]]).getReader();
    const { value: [first] } = await reader.read();
    await kv.set(["a"], 1);
    const { value: [second] } = await reader.read();
    return [first, second, first.versionstamp < second.versionstamp];
  },
  "a deletion of nothing is no change": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    await kv.delete(["a"]);
    const next = reader.read();
    await kv.set(["a"], 1);
    return next;
  },
  "with raw, comes to the newest state": async ({ kv }) => {
    const reader = kv.watch([["a"], ["b"]], { raw: true }).getReader();
    await reader.read();
    await kv.delete(["a"]);
    await kv.set(["a"], 1);
    await kv.set(["b"], 2);
    return newest(reader, [1, 2]);
  },
  "with raw, a deletion of nothing": async ({ kv }) => {
    const reader = kv.watch([["a"]], { raw: true }).getReader();
    await reader.read();
    const next = reader.read().then(() => "told");
    await kv.delete(["a"]);
    const told = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 500, "not told"))]);
    await reader.cancel();
    return told;
  },
  "changes are merged": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    for (let i = 0; i < 20; i++) await kv.set(["a"], i);
    return newest(reader, [19]);
  },
  "entries are made anew each time": async ({ kv }) => {
    await kv.set(["a"], { list: [1] });
    const reader = kv.watch([["a"], ["b"]]).getReader();
    const first = await reader.read();
    first.value[0].value.list.push(2);
    first.value[0].key.push("more");
    await kv.set(["b"], 1);
    return reader.read();
  },
  "keys that are changed after the call": async ({ kv }) => {
    const key = ["a"];
    const reader = kv.watch([key]).getReader();
    key.push("b");
    await reader.read();
    await kv.set(["a"], 1);
    return reader.read();
  },
  "by for await": async ({ kv }) => {
    const found = [];
    for await (const [entry] of kv.watch([["a"]])) {
      found.push(entry.value);
      if (found.length === 3) break;
      await kv.set(["a"], found.length);
    }
    return found;
  },
  "cancelled": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    return [await reader.cancel("enough"), await reader.read()];
  },
  "cancelled while it waits": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    const waiting = reader.read();
    await reader.cancel();
    return waiting;
  },
  "ends with close": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    const waiting = reader.read();
    kv.close();
    return [await waiting, await reader.read(), await reader.closed];
  },
  "ends with dispose": async ({ kv }) => {
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    const waiting = reader.read();
    kv[Symbol.dispose]();
    return waiting;
  },
  "after close": ({ kv }) => {
    kv.close();
    return kv.watch([["a"]]);
  },
  "after dispose": async ({ kv }) => {
    kv[Symbol.dispose]();
    return outcomeOf(() => kv.watch([["a"]]));
  },
  "two watches of one key": async ({ kv }) => {
    const readers = [1, 2].map(() => kv.watch([["a"]]).getReader());
    for (const reader of readers) await reader.read();
    await kv.set(["a"], 1);
    return Promise.all(readers.map((reader) => reader.read()));
  },
  "teed": async ({ kv }) => {
    await kv.set(["a"], 1);
    const readers = kv.watch([["a"]]).tee().map((stream) => stream.getReader());
    return Promise.all(readers.map((reader) => reader.read()));
  },
  "changes by another handle of the file": async ({ open, path }) => {
    const file = path();
    const [one, two] = [await open(file), await open(file)];
    const reader = one.watch([["a"]]).getReader();
    await reader.read();
    await two.set(["a"], 1);
    await one.set(["b"], 1);
    await one.set(["a"], 2);
    return newest(reader, [2]);
  },
};

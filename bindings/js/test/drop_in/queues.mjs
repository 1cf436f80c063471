// enqueue and listenQueue: options, delivery, retries, dead letters, ends.

import { outcomeOf } from "./describe.mjs";

const options = {
  undefined: () => undefined,
  null: () => null,
  "an empty object": () => ({}),
  "a number": () => 5,
  "delay 0": () => ({ delay: 0 }),
  "delay -0": () => ({ delay: -0 }),
  "delay -1": () => ({ delay: -1 }),
  "delay 1.5": () => ({ delay: 1.5 }),
  "delay NaN": () => ({ delay: NaN }),
  "delay Infinity": () => ({ delay: Infinity }),
  "delay -Infinity": () => ({ delay: -Infinity }),
  "delay null": () => ({ delay: null }),
  "delay undefined": () => ({ delay: undefined }),
  "delay as a string": () => ({ delay: "5" }),
  "delay as a bigint": () => ({ delay: 5n }),
  "delay as a negative bigint": () => ({ delay: -5n }),
  "delay as an object": () => ({ delay: {} }),
  "delay as a boolean": () => ({ delay: true }),
  "delay of 30 days": () => ({ delay: 30 * 86_400_000 }),
  "delay of 30 days and a millisecond": () => ({ delay: 30 * 86_400_000 + 1 }),
  "delay of 30 days and a half": () => ({ delay: 30 * 86_400_000 + 0.5 }),
  "an empty backoffSchedule": () => ({ backoffSchedule: [] }),
  "five intervals": () => ({ backoffSchedule: [1, 2, 3, 4, 5] }),
  "six intervals": () => ({ backoffSchedule: [1, 2, 3, 4, 5, 6] }),
  "an interval of -1": () => ({ backoffSchedule: [1, -1] }),
  "an interval of an hour": () => ({ backoffSchedule: [3_600_000] }),
  "an interval of more than an hour": () => ({ backoffSchedule: [1, 2, 3_600_001] }),
  "an interval of NaN": () => ({ backoffSchedule: [NaN] }),
  "an interval of Infinity": () => ({ backoffSchedule: [Infinity] }),
  "an interval of 1.5": () => ({ backoffSchedule: [1.5] }),
  "an interval as a string": () => ({ backoffSchedule: ["1"] }),
  "an interval as a bigint": () => ({ backoffSchedule: [1n] }),
  "an interval of undefined": () => ({ backoffSchedule: [undefined] }),
  "an interval of null": () => ({ backoffSchedule: [null] }),
  "a hole among the intervals": () => ({ backoffSchedule: [1, , 2] }),
  "a backoffSchedule of null": () => ({ backoffSchedule: null }),
  "a backoffSchedule of undefined": () => ({ backoffSchedule: undefined }),
  "a backoffSchedule of a number": () => ({ backoffSchedule: 5 }),
  "a backoffSchedule of a string": () => ({ backoffSchedule: "ab" }),
  "a backoffSchedule of a long string": () => ({ backoffSchedule: "abcdef" }),
  "a backoffSchedule of an array-like": () => ({ backoffSchedule: { length: 1, 0: 5 } }),
  "a backoffSchedule of a typed array": () => ({ backoffSchedule: new Uint32Array([1, 2]) }),
  "no key": () => ({ keysIfUndelivered: [] }),
  "one key": () => ({ keysIfUndelivered: [["a"]] }),
  "ten keys": () => ({ keysIfUndelivered: Array.from({ length: 10 }, (_, i) => ["a", i]) }),
  "eleven keys": () => ({ keysIfUndelivered: Array.from({ length: 11 }, (_, i) => ["a", i]) }),
  "keys of null": () => ({ keysIfUndelivered: null }),
  "keys of undefined": () => ({ keysIfUndelivered: undefined }),
  "keys of a number": () => ({ keysIfUndelivered: 5 }),
  "keys of a string": () => ({ keysIfUndelivered: "ab" }),
  "a key in the place of keys": () => ({ keysIfUndelivered: ["a", "b"] }),
  "undefined among the keys": () => ({ keysIfUndelivered: [["a"], undefined] }),
  "an unknown option": () => ({ bogus: 1 }),
  "everything": () => ({ delay: 1000, keysIfUndelivered: [["a"], ["b", 1n]], backoffSchedule: [10, 20] }),
};

/** Waits until `met` says so. */
async function until(met) {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    if (met()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("It did not come to it");
}

/** Waits until a key has an entry. */
async function entryOf(kv, key) {
  let entry;
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    entry = await kv.get(key);
    if (entry.versionstamp !== null) return entry;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("It was not stored");
}

const cases = {};
for (const [name, make] of Object.entries(options)) {
  cases[`enqueue with ${name}`] = ({ kv }) => kv.enqueue("message", make());
  cases[`atomic enqueue with ${name}, not committed`] = ({ kv }) => {
    kv.atomic().enqueue("message", make());
    return "accepted";
  };
  cases[`atomic enqueue with ${name}`] = ({ kv }) => kv.atomic().enqueue("message", make()).commit();
}

const payloads = {
  undefined: () => undefined,
  null: () => null,
  "a string": () => "text",
  "an object": () => ({ a: [1, 2n, new Date(0)], b: new Map([[1, 2]]) }),
  "an array with holes": () => [1, , 2],
  "a Uint8Array": () => new Uint8Array([1, 2]),
  "a KvU64": (U64) => new U64(5n),
  "a cycle": () => { const list = []; list.push(list); return list; },
};
for (const [name, make] of Object.entries(payloads)) {
  cases[`delivers ${name}`] = async ({ kv, KvU64 }) => {
    await kv.enqueue(make(KvU64));
    const { promise, resolve } = withResolvers();
    const listening = kv.listenQueue(resolve);
    const message = await promise;
    kv.close();
    await listening;
    return [message];
  };
  cases[`stores ${name} when it was not delivered`] = async ({ kv, KvU64 }) => {
    kv.listenQueue(() => {
      throw new Error("not delivered");
    });
    await kv.enqueue(make(KvU64), { keysIfUndelivered: [["dead", 1], ["dead", 2]], backoffSchedule: [1] });
    return [await entryOf(kv, ["dead", 1]), await kv.get(["dead", 2])];
  };
}

function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

export default {
  ...cases,

  "enqueue without arguments": ({ kv }) => kv.enqueue(),
  "enqueue is a promise at once": ({ kv }) => kv.enqueue(1) instanceof Promise,
  "a message of 65536 bytes": ({ kv }) => kv.enqueue("x".repeat(65_529)),
  "a message that is too large": ({ kv }) => kv.enqueue("x".repeat(65_536)),
  "a message that is too large, with others": ({ kv }) => kv.atomic().set(["a"], 1).enqueue("x".repeat(65_536)).commit(),
  "a message that was changed after the call": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue(resolve);
    const message = { list: [1] };
    const enqueuing = kv.enqueue(message);
    message.list.push(2);
    await enqueuing;
    return promise;
  },
  "messages enqueued before listening and after": async ({ kv }) => {
    const seen = [];
    await kv.enqueue("before");
    const listening = kv.listenQueue((message) => {
      seen.push(message);
    });
    await kv.enqueue("after");
    await until(() => seen.length === 2);
    kv.close();
    return [await listening, seen.sort()];
  },
  "a message of an atomic operation": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue(resolve);
    await kv.atomic().set(["a"], 1).enqueue("with it").commit();
    return [await promise, await kv.get(["a"])];
  },
  "a message of an operation whose check failed": async ({ kv }) => {
    const seen = [];
    kv.listenQueue((message) => {
      seen.push(message);
    });
    await kv.set(["a"], 1);
    await kv.atomic().check({ key: ["a"], versionstamp: null }).enqueue("never").commit();
    await kv.enqueue("this one");
    await until(() => seen.length > 0);
    return seen;
  },
  "an asynchronous handler": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue(async (message) => {
      await kv.set(["got"], message);
      resolve();
    });
    await kv.enqueue("x");
    await promise;
    return kv.get(["got"]);
  },
  "handlers run side by side": async ({ kv }) => {
    let running = 0;
    let most = 0;
    const { promise, resolve } = withResolvers();
    kv.listenQueue(async () => {
      most = Math.max(most, ++running);
      if (running === 3) resolve();
      await promise;
    });
    for (let i = 0; i < 3; i++) await kv.enqueue(i);
    await promise;
    return most;
  },
  "this in a handler": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue(function () {
      resolve(this);
    });
    await kv.enqueue("x");
    return promise;
  },
  "a handler that throws is called again": async ({ kv }) => {
    const seen = [];
    kv.listenQueue((message) => {
      seen.push(message);
      if (seen.length < 3) throw new TypeError("not yet");
    });
    await kv.enqueue({ a: 1 }, { backoffSchedule: [1, 1, 1, 1] });
    await until(() => seen.length === 3);
    return seen;
  },
  "a handler that rejects is called again": async ({ kv }) => {
    const seen = [];
    kv.listenQueue(async (message) => {
      seen.push(message);
      await null;
      if (seen.length < 2) throw new TypeError("not yet");
    });
    await kv.enqueue("x", { backoffSchedule: [1] });
    await until(() => seen.length === 2);
    return seen;
  },
  "as many attempts as the schedule says": async ({ kv }) => {
    let attempts = 0;
    kv.listenQueue(() => {
      attempts++;
      throw new Error("never");
    });
    await kv.enqueue("x", { backoffSchedule: [1, 1, 1], keysIfUndelivered: [["dead"]] });
    await entryOf(kv, ["dead"]);
    return attempts;
  },
  "one attempt with an empty schedule": async ({ kv }) => {
    let attempts = 0;
    kv.listenQueue(() => {
      attempts++;
      throw new Error("never");
    });
    await kv.enqueue("x", { backoffSchedule: [], keysIfUndelivered: [["dead"]] });
    await entryOf(kv, ["dead"]);
    return attempts;
  },
  "a handled message is stored nowhere": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue(resolve);
    await kv.enqueue("x", { keysIfUndelivered: [["dead"]] });
    await promise;
    return kv.get(["dead"]);
  },
  "a delayed message comes later": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    const begin = Date.now();
    kv.listenQueue(resolve);
    await kv.enqueue("later", { delay: 200 });
    return [await promise, Date.now() - begin >= 199];
  },
  "a delayed message does not hold others up": async ({ kv }) => {
    const seen = [];
    kv.listenQueue((message) => {
      seen.push(message);
    });
    await kv.enqueue("later", { delay: 300 });
    await kv.enqueue("now");
    await until(() => seen.length === 2);
    return seen;
  },
  "a handler that enqueues": async ({ kv }) => {
    const seen = [];
    kv.listenQueue(async (message) => {
      seen.push(message);
      if (message < 3) await kv.enqueue(message + 1);
    });
    await kv.enqueue(0);
    await until(() => seen.length === 4);
    return seen;
  },
  "two listeners share the messages": async ({ kv }) => {
    const seen = [];
    const listening = [1, 2].map(() => kv.listenQueue((message) => {
      seen.push(message);
    }));
    for (let i = 0; i < 10; i++) await kv.enqueue(i);
    await until(() => seen.length === 10);
    kv.close();
    return [await Promise.all(listening), seen.sort()];
  },
  "listening is a promise at once": ({ kv }) => kv.listenQueue(() => {}) instanceof Promise,
  "listening ends with close": async ({ kv }) => {
    const listening = kv.listenQueue(() => {});
    await kv.enqueue(1);
    kv.close();
    return listening;
  },
  "listening ends with dispose": async ({ kv }) => {
    const listening = kv.listenQueue(() => {});
    await kv.enqueue(1);
    kv[Symbol.dispose]();
    return listening;
  },
  "listening after close": ({ kv }) => {
    kv.close();
    return kv.listenQueue(() => {});
  },
  "listening after dispose": ({ kv }) => {
    kv[Symbol.dispose]();
    return kv.listenQueue(() => {});
  },
  "listening ends while a handler runs": async ({ kv }) => {
    const begun = withResolvers();
    const held = withResolvers();
    const listening = kv.listenQueue(() => {
      begun.resolve();
      return held.promise;
    });
    await kv.enqueue(1);
    await begun.promise;
    kv.close();
    const end = await outcomeOf(() => listening);
    held.resolve();
    return end;
  },
  "closed by its handler": async ({ kv }) => {
    const listening = kv.listenQueue(() => kv.close());
    await kv.enqueue(1);
    return listening;
  },
  "a handler that is no function": ({ kv }) => {
    const listening = kv.listenQueue(5);
    setTimeout(() => kv[Symbol.dispose](), 100);
    return listening;
  },
  "what a handler is given": async ({ kv }) => {
    const { promise, resolve } = withResolvers();
    kv.listenQueue((...given) => resolve(given.length));
    await kv.enqueue("x");
    return promise;
  },
};

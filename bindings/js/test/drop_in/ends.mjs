// Opening, closing, disposing; calls after it and while it happens; what a file keeps.

import { outcomeOf } from "./describe.mjs";

/** Everything that can be called. */
const calls = {
  get: (kv) => kv.get(["a"]),
  "get of a bad key": (kv) => kv.get([{}]),
  "get of no key": (kv) => kv.get(),
  "get of an empty key": (kv) => kv.get([]),
  getMany: (kv) => kv.getMany([["a"], ["b"]]),
  "getMany of nothing": (kv) => kv.getMany([]),
  set: (kv) => kv.set(["a"], 1),
  "set of a bad key": (kv) => kv.set([{}], 1),
  "set with a bad expiry": (kv) => kv.set(["a"], 1, { expireIn: -1 }),
  "set of a function": (kv) => kv.set(["a"], () => 1),
  "set of an empty key": (kv) => kv.set([], 1),
  "set of a large value": (kv) => kv.set(["a"], new Uint8Array(65_537)),
  delete: (kv) => kv.delete(["a"]),
  list: (kv) => kv.list({ prefix: [] }).next(),
  "a list, begun": (kv) => typeof kv.list({ prefix: [] }),
  "a bad list": (kv) => kv.list({}),
  "a list of a bad range": (kv) => kv.list({ start: ["b"], end: ["a"] }).next(),
  "an atomic operation, begun": (kv) => typeof kv.atomic().set(["a"], 1),
  "an atomic operation": (kv) => kv.atomic().set(["a"], 1).commit(),
  "an empty atomic operation": (kv) => kv.atomic().commit(),
  "an atomic operation of a bad key": (kv) => kv.atomic().set([{}], 1).commit(),
  enqueue: (kv) => kv.enqueue(1),
  "enqueue with a bad delay": (kv) => kv.enqueue(1, { delay: -1 }),
  watch: (kv) => kv.watch([["a"]]),
  "watch of bad keys": (kv) => kv.watch([[{}]]),
  commitVersionstamp: (kv) => kv.commitVersionstamp(),
  close: (kv) => kv.close(),
  dispose: (kv) => kv[Symbol.dispose](),
};

const paths = {
  "an empty path": "",
  "a number": 5,
  "a boolean": true,
  "an object": {},
  "an array": ["x.sqlite3"],
  "a String object": new String("x.sqlite3"),
  "a symbol": Symbol("path"),
  "a URL object": new URL("file:///tmp/x.sqlite3"),
  "a function": () => "x",
  "no URL": "https://",
  "no URL either": "http://:80/",
};

const cases = {};
for (const [name, call] of Object.entries(calls)) {
  cases[`${name} after close`] = ({ kv }) => {
    kv.close();
    return call(kv);
  };
  cases[`${name} after dispose`] = ({ kv }) => {
    kv[Symbol.dispose]();
    return call(kv);
  };
}
for (const [name, path] of Object.entries(paths)) cases[`opening ${name}`] = ({ openKv }) => openKv(path);

export default {
  ...cases,

  "opening is a promise at once": async ({ openKv }) => {
    const opening = openKv(":memory:");
    (await opening).close();
    return opening instanceof Promise;
  },
  "two databases in memory are two": async ({ open }) => {
    const [one, two] = [await open(":memory:"), await open(":memory:")];
    await one.set(["a"], 1);
    return [await one.get(["a"]), await two.get(["a"])];
  },
  "a file keeps what is written": async ({ open, path }) => {
    const file = path();
    const first = await open(file);
    await first.set(["a"], { x: 1 });
    first.close();
    const second = await open(file);
    return second.get(["a"]);
  },
  "a file is open twice": async ({ open, path }) => {
    const file = path();
    const [one, two] = [await open(file), await open(file)];
    await one.set(["a"], 1);
    return [await two.get(["a"]), await two.set(["a"], 2), await one.get(["a"])];
  },
  "close returns nothing": ({ kv }) => kv.close(),
  "close twice": ({ kv }) => {
    kv.close();
    kv.close();
  },
  "dispose twice": ({ kv }) => {
    kv[Symbol.dispose]();
    return kv[Symbol.dispose]();
  },
  "close after dispose": ({ kv }) => {
    kv[Symbol.dispose]();
    kv.close();
  },
  "dispose after close": ({ kv }) => {
    kv.close();
    return kv[Symbol.dispose]();
  },
  "a list that is under way when the database is closed": async ({ kv }) => {
    for (let i = 0; i < 5; i++) await kv.set(["a", i], i);
    const list = kv.list({ prefix: [] }, { batchSize: 1 });
    await list.next();
    kv.close();
    return [await outcomeOf(() => list.next()), list.cursor];
  },
  "an operation that was begun before and is committed after": async ({ kv }) => {
    const operation = kv.atomic().set(["a"], 1);
    kv.close();
    return operation.commit();
  },
  "the class of the error": async ({ kv }) => {
    kv.close();
    const error = await kv.get(["a"]).catch((error) => error);
    return [error instanceof Error, error.name, error.constructor.name, Object.keys(error)];
  },
};

// The classes themselves: how they are made, their names, their methods, how they print.

import * as util from "node:util";
import { describe, outcomeOf } from "./describe.mjs";

/** As the runtime prints it; Node has other quotation marks. */
const inspect = (value) => (globalThis.Deno?.inspect ?? util.inspect)(value).replaceAll("'", '"').split("\n");

const classes = ["Kv", "KvU64", "AtomicOperation", "KvListIterator"];

const numbers = {
  "zero": 0n,
  "one": 1n,
  "the largest": 2n ** 64n - 1n,
  "one too large": 2n ** 64n,
  "minus one": -1n,
  "a number": 1,
  "a string": "1",
  "undefined": undefined,
  "null": null,
  "a boolean": true,
  "an object": {},
  "a BigInt object": Object(1n),
};

const cases = {};
for (const [name, value] of Object.entries(numbers)) {
  cases[`new KvU64 of ${name}`] = ({ KvU64 }) => new KvU64(value);
}
for (const name of classes) {
  cases[`${name}: names`] = (t) => [
    t[name].name,
    Object.getOwnPropertyNames(t[name].prototype).filter((method) => method !== "watchRange").sort(),
  ];
  cases[`${name}: called without new`] = (t) => t[name]();
}

export default {
  ...cases,

  "new Kv": ({ Kv }) => new Kv(),
  "new Kv with something": ({ Kv }) => new Kv(1, 2),
  "instances": ({ kv, Kv, AtomicOperation, KvListIterator }) => [
    kv instanceof Kv,
    kv.constructor === Kv,
    kv.atomic() instanceof AtomicOperation,
    kv.list({ prefix: [] }) instanceof KvListIterator,
  ],
  "how they print": ({ kv, KvU64 }) => [
    inspect(kv),
    inspect(kv.list({ prefix: [] })),
    inspect(new KvU64(5n)),
    inspect({ counter: new KvU64(5n) }),
    inspect(kv.atomic()),
  ],
  "how an operation prints": ({ kv, KvU64 }) =>
    inspect(
      kv.atomic()
        .set(["a", 1n, true], { x: new Map([[1, "é"]]) }, { expireIn: 5 })
        .set(["b"], new Uint8Array([1, 2]))
        .set(["b"], undefined)
        .sum(["s"], 1n).min(["s"], 2n)
        .mutate({ type: "max", key: ["m"], value: new KvU64(3n) }, { type: "delete", key: ["m"] })
        .delete(["d"])
        .check({ key: ["c"], versionstamp: null }, { key: ["c"], versionstamp: "0a" })
        .enqueue("hi")
        .enqueue({ a: 1 }, { delay: 5, keysIfUndelivered: [["a"]], backoffSchedule: [1, 2] }),
    ),
  "own properties": ({ kv }) =>
    [kv, kv.atomic(), kv.list({ prefix: [] })].map((object) => Reflect.ownKeys(object).map(String)),
  "as strings": ({ kv, KvU64 }) =>
    [kv, kv.atomic(), kv.list({ prefix: [] }), new KvU64(7n)].map((object) => [
      Object.prototype.toString.call(object),
      String(object),
    ]),
  "as JSON": ({ kv }) => JSON.stringify([kv, kv.atomic(), kv.list({ prefix: [] })]),
  "KvU64 as JSON": ({ KvU64 }) => JSON.stringify(new KvU64(1n)),
  "KvU64 is frozen": ({ KvU64 }) => {
    const counter = new KvU64(5n);
    return [Object.isFrozen(counter), Reflect.set(counter, "value", 6n), counter.value];
  },
  "KvU64 counts as a bigint": ({ KvU64 }) => {
    const counter = new KvU64(5n);
    return [counter + 1n, counter > 4n, counter == 5n, `${counter}`, counter.valueOf(), counter.toString(), +Number(counter)];
  },
  "KvU64 as a number": ({ KvU64 }) => outcomeOf(() => +new KvU64(5n)),
  "KvU64's properties": ({ KvU64 }) =>
    Object.entries(Object.getOwnPropertyDescriptors(new KvU64(5n))).map((entry) => describe(entry)),
  "openKv's name": ({ openKv }) => openKv.name,
  "methods are functions of so many arguments": ({ kv }) =>
    ["get", "getMany", "set", "delete", "list", "enqueue", "listenQueue", "watch", "close", "atomic", "commitVersionstamp"]
      .map((name) => `${name} ${kv[name].length}`),
  "an operation's methods are functions of so many arguments": ({ kv }) =>
    ["check", "mutate", "sum", "min", "max", "set", "delete", "enqueue", "commit"]
      .map((name) => `${name} ${kv.atomic()[name].length}`),
  "the cursor is an accessor": ({ KvListIterator }) => {
    const { get, set, enumerable } = Object.getOwnPropertyDescriptor(KvListIterator.prototype, "cursor");
    return [typeof get, typeof set, enumerable];
  },
};

// Atomic operations: checks, mutations, sums, numbers of them, committing.

import { outcomeOf } from "./describe.mjs";

const mutations = {
  undefined: () => undefined,
  null: () => null,
  "a number": () => 5,
  "an empty object": () => ({}),
  "no type": () => ({ key: ["a"], value: 1 }),
  "an unknown type": () => ({ type: "append", key: ["a"], value: 1 }),
  "a type in capitals": () => ({ type: "SET", key: ["a"], value: 1 }),
  "set": () => ({ type: "set", key: ["a"], value: 1 }),
  "set of undefined": () => ({ type: "set", key: ["a"], value: undefined }),
  "set without a value": () => ({ type: "set", key: ["a"] }),
  "set with an inherited value": () => Object.assign(Object.create({ value: 1 }), { type: "set", key: ["a"] }),
  "set without a key": () => ({ type: "set", value: 1 }),
  "set of a function": () => ({ type: "set", key: ["a"], value: () => 1 }),
  "delete": () => ({ type: "delete", key: ["a"] }),
  "delete with a value": () => ({ type: "delete", key: ["a"], value: 1 }),
  "delete with a value of zero": () => ({ type: "delete", key: ["a"], value: 0 }),
  "delete with a value of undefined": () => ({ type: "delete", key: ["a"], value: undefined }),
  "delete with an expiry": () => ({ type: "delete", key: ["a"], expireIn: -5 }),
  "delete without a key": () => ({ type: "delete" }),
  "a getter that throws": () => ({ get type() { throw new RangeError("no type"); } }),
};
for (const type of ["sum", "min", "max"]) {
  mutations[`${type} without a value`] = () => ({ type, key: ["a"] });
  mutations[`${type} of a KvU64`] = (U64) => ({ type, key: ["a"], value: new U64(3n) });
  mutations[`${type} of a number`] = () => ({ type, key: ["a"], value: 3 });
  mutations[`${type} of a bigint`] = () => ({ type, key: ["a"], value: 3n });
  mutations[`${type} of a string`] = () => ({ type, key: ["a"], value: "3" });
  mutations[`${type} of bytes`] = () => ({ type, key: ["a"], value: new Uint8Array(8) });
  mutations[`${type} of undefined`] = () => ({ type, key: ["a"], value: undefined });
  mutations[`${type} with an expiry`] = (U64) => ({ type, key: ["a"], value: new U64(3n), expireIn: -5 });
}

/** What may be there before. */
const stored = {
  "nothing": () => undefined,
  "a KvU64": (U64) => new U64(2n),
  "the largest KvU64": (U64) => new U64(2n ** 64n - 1n),
  "a number": () => 2,
  "a fraction": () => 0.5,
  "a bigint": () => 2n,
  "a string": () => "2",
  "bytes": () => new Uint8Array(8),
  "null": () => null,
  "undefined": () => ({ undefined: true }),
};

const operands = {
  "1n": 1n,
  "0n": 0n,
  "-1n": -1n,
  "2n ** 64n - 1n": 2n ** 64n - 1n,
  "2n ** 64n": 2n ** 64n,
  "1": 1,
  "a string": "1",
  "undefined": undefined,
  "null": null,
  "true": true,
  "a BigInt object": Object(1n),
};

const checks = {
  undefined: () => undefined,
  null: () => null,
  "a number": () => 5,
  "an empty object": () => ({}),
  "no versionstamp": () => ({ key: ["a"] }),
  "a versionstamp of undefined": () => ({ key: ["a"], versionstamp: undefined }),
  "a versionstamp of null": () => ({ key: ["a"], versionstamp: null }),
  "an empty versionstamp": () => ({ key: ["a"], versionstamp: "" }),
  "a short versionstamp": () => ({ key: ["a"], versionstamp: "00ab" }),
  "a long versionstamp": () => ({ key: ["a"], versionstamp: "0".repeat(22) }),
  "a versionstamp of letters": () => ({ key: ["a"], versionstamp: "g".repeat(20) }),
  "a versionstamp of zeros": () => ({ key: ["a"], versionstamp: "0".repeat(20) }),
  "a versionstamp in capitals": () => ({ key: ["a"], versionstamp: "AB".repeat(10) }),
  "a versionstamp of a number": () => ({ key: ["a"], versionstamp: 5 }),
  "a versionstamp of an object": () => ({ key: ["a"], versionstamp: {} }),
  "no key": () => ({ versionstamp: null }),
  "what is more": () => ({ key: ["b"], value: 1, versionstamp: null, more: 2 }),
};

const cases = {};
for (const [name, make] of Object.entries(mutations)) {
  cases[`mutate with ${name}, not committed`] = ({ kv, KvU64 }) => {
    kv.atomic().mutate(make(KvU64));
    return "accepted";
  };
  for (const [before, value] of Object.entries(stored)) {
    if (before !== "nothing" && !/^(sum|min|max) of/.test(name)) continue;
    cases[`mutate with ${name}, where ${before} is stored`] = async ({ kv, KvU64 }) => {
      if (before !== "nothing") await kv.set(["a"], value(KvU64));
      const done = await outcomeOf(() => kv.atomic().mutate(make(KvU64)).commit());
      return [done, (await kv.get(["a"])).value];
    };
  }
}
for (const type of ["sum", "min", "max"]) {
  for (const [name, operand] of Object.entries(operands)) {
    cases[`${type} of ${name}, not committed`] = ({ kv }) => {
      kv.atomic()[type](["a"], operand);
      return "accepted";
    };
    for (const [before, value] of Object.entries(stored)) {
      if (typeof operand !== "bigint") continue;
      cases[`${type} of ${name}, where ${before} is stored`] = async ({ kv, KvU64 }) => {
        if (before !== "nothing") await kv.set(["a"], value(KvU64));
        const done = await outcomeOf(() => kv.atomic()[type](["a"], operand).commit());
        return [done, (await kv.get(["a"])).value];
      };
    }
  }
  cases[`${type} of a KvU64`] = ({ kv, KvU64 }) => {
    kv.atomic()[type](["a"], new KvU64(1n));
    return "accepted";
  };
}
for (const [name, make] of Object.entries(checks)) {
  cases[`check with ${name}, not committed`] = ({ kv }) => {
    kv.atomic().check(make());
    return "accepted";
  };
  cases[`check with ${name}`] = async ({ kv }) => {
    await kv.set(["a"], 1);
    return kv.atomic().check(make()).set(["a"], 2).commit();
  };
}

function many(kv, count, add) {
  const operation = kv.atomic();
  for (let i = 0; i < count; i++) add(operation, i);
  return operation.commit();
}

export default {
  ...cases,

  "nothing": ({ kv }) => kv.atomic().commit(),
  "nothing by name": ({ kv }) => kv.atomic().check().mutate().commit(),
  "each method returns the operation": ({ kv }) => {
    const operation = kv.atomic();
    return [
      operation.check({ key: ["a"], versionstamp: null }), operation.mutate({ type: "delete", key: ["a"] }),
      operation.sum(["b"], 1n), operation.min(["b"], 1n), operation.max(["b"], 1n), operation.set(["c"], 1),
      operation.delete(["c"]), operation.enqueue(1, { delay: 3_600_000 }),
    ].every((result) => result === operation);
  },
  "a check of an entry": async ({ kv }) => {
    await kv.set(["a"], 1);
    const entry = await kv.get(["a"]);
    const first = await kv.atomic().check(entry).set(["a"], 2).commit();
    const second = await kv.atomic().check(entry).set(["a"], 3).commit();
    return [first, second, await kv.get(["a"])];
  },
  "a check of a missing entry": async ({ kv }) => {
    const entry = await kv.get(["a"]);
    const first = await kv.atomic().check(entry).set(["a"], 1).commit();
    const second = await kv.atomic().check(entry).set(["a"], 2).commit();
    return [first, second, (await kv.get(["a"])).value];
  },
  "checks in one call": async ({ kv }) => {
    await kv.set(["a"], 1);
    return [
      await kv.atomic().check({ key: ["b"], versionstamp: null }, { key: ["c"], versionstamp: null }).commit(),
      await kv.atomic().check({ key: ["b"], versionstamp: null }, { key: ["a"], versionstamp: null }).commit(),
    ];
  },
  "a versionstamp that is upper case": async ({ kv }) => {
    let versionstamp = "";
    while (!/[a-f]/.test(versionstamp)) ({ versionstamp } = await kv.set(["a"], 1));
    return (await kv.atomic().check({ key: ["a"], versionstamp: versionstamp.toUpperCase() }).commit()).ok;
  },
  "a failed check leaves everything as it was": async ({ kv }) => {
    await kv.set(["a"], 1);
    const done = await kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], 2).set(["b"], 1).delete(["a"])
      .enqueue(1).commit();
    return [done, await kv.getMany([["a"], ["b"]])];
  },
  "one versionstamp for all": async ({ kv }) => {
    const done = await kv.atomic().set(["a"], 1).set(["b"], 2).sum(["c"], 1n).commit();
    return [done, await kv.getMany([["a"], ["b"], ["c"]])];
  },
  "mutations in their order": async ({ kv }) => {
    await kv.atomic().set(["a"], 1).set(["a"], 2).delete(["b"]).set(["b"], 1).set(["c"], 1).delete(["c"]).commit();
    return kv.getMany([["a"], ["b"], ["c"]]);
  },
  "sums of one key": async ({ kv, KvU64 }) => {
    await kv.atomic().sum(["a"], 1n).sum(["a"], 2n).max(["a"], 10n).min(["a"], 7n).sum(["a"], 1n).commit();
    await kv.atomic().set(["b"], new KvU64(5n)).sum(["b"], 5n).commit();
    await kv.atomic().sum(["c"], 5n).delete(["c"]).sum(["c"], 1n).commit();
    return kv.getMany([["a"], ["b"], ["c"]]);
  },
  "sum wraps around": async ({ kv }) => {
    await kv.atomic().sum(["a"], 2n ** 64n - 1n).commit();
    await kv.atomic().sum(["a"], 3n).commit();
    return (await kv.get(["a"])).value;
  },
  "sum drops the expiry": async ({ kv, KvU64 }) => {
    await kv.set(["a"], new KvU64(1n), { expireIn: 3_600_000 });
    return kv.atomic().sum(["a"], 1n).commit();
  },
  "a bad sum with a check that fails": async ({ kv }) => {
    await kv.set(["a"], "text");
    return kv.atomic().check({ key: ["a"], versionstamp: null }).sum(["a"], 1n).commit();
  },
  "a bad sum, after a good set": async ({ kv }) => {
    await kv.set(["a"], "text");
    return kv.atomic().set(["b"], 1).sum(["a"], 1n).commit();
  },
  "what a bad sum leaves behind": async ({ kv }) => {
    await kv.set(["a"], "text");
    await kv.atomic().set(["b"], 1).sum(["a"], 1n).commit().catch(() => {});
    return kv.getMany([["a"], ["b"]]);
  },
  "a min of a string with a check that fails": async ({ kv }) => {
    await kv.set(["a"], "text");
    return kv.atomic().check({ key: ["a"], versionstamp: null }).mutate({ type: "min", key: ["a"], value: "x" }).commit();
  },
  "commit twice": async ({ kv }) => {
    const operation = kv.atomic().sum(["a"], 1n);
    return [await operation.commit(), await operation.commit(), await kv.get(["a"])];
  },
  "commit after more was added": async ({ kv }) => {
    const operation = kv.atomic().sum(["a"], 1n);
    await operation.commit();
    await operation.sum(["b"], 1n).commit();
    return kv.getMany([["a"], ["b"]]);
  },
  "added while it is committed": async ({ kv }) => {
    const operation = kv.atomic().set(["a"], 1);
    const committing = operation.commit();
    operation.set(["b"], 1);
    await committing;
    return kv.getMany([["a"], ["b"]]);
  },
  "nothing is written without commit": async ({ kv }) => {
    kv.atomic().set(["a"], 1);
    return kv.get(["a"]);
  },
  "commit is a promise at once": ({ kv }) => kv.atomic().commit() instanceof Promise,
  "awaited without commit": async ({ kv }) => {
    await kv.atomic().set(["a"], 1);
  },
  "then": ({ kv }) => kv.atomic().then(() => 1),
  "returned from an async function": async ({ kv }) => kv.atomic(),
  "in Promise.all": ({ kv }) => Promise.all([kv.atomic()]),
  "100 checks": ({ kv }) => many(kv, 100, (op, i) => op.check({ key: ["a", i], versionstamp: null })),
  "101 checks": ({ kv }) => many(kv, 101, (op, i) => op.check({ key: ["a", i], versionstamp: null })),
  "1000 sets": ({ kv }) => many(kv, 1000, (op, i) => op.set(["a", i], i)),
  "1001 sets": ({ kv }) => many(kv, 1001, (op, i) => op.set(["a", i], i)),
  "1000 messages": ({ kv }) => many(kv, 1000, (op, i) => op.enqueue(i, { delay: 3_600_000 })),
  "1001 messages": ({ kv }) => many(kv, 1001, (op, i) => op.enqueue(i, { delay: 3_600_000 })),
  "500 sets and 500 messages": ({ kv }) =>
    many(kv, 500, (op, i) => op.set(["a", i], i).enqueue(i, { delay: 3_600_000 })),
  "501 sets and 500 messages": ({ kv }) =>
    many(kv, 500, (op, i) => (i === 0 ? op.delete(["b"]) : op).set(["a", i], i).enqueue(i, { delay: 3_600_000 })),
  "12 values of 64000 bytes": ({ kv }) => many(kv, 12, (op, i) => op.set(["a", i], new Uint8Array(64_000))),
  "13 values of 64000 bytes": ({ kv }) => many(kv, 13, (op, i) => op.set(["a", i], new Uint8Array(64_000))),
  "40 keys of 2000 bytes": ({ kv }) => many(kv, 40, (op, i) => op.set(["x".repeat(1990), i], 1)),
  "41 keys of 2000 bytes": ({ kv }) => many(kv, 41, (op, i) => op.set(["x".repeat(1990), i], 1)),
  "41 checks of 2000 bytes": ({ kv }) =>
    many(kv, 41, (op, i) => op.check({ key: ["x".repeat(1990), i], versionstamp: null })),
  "a value that is too large among others": ({ kv }) =>
    many(kv, 3, (op, i) => op.set(["a", i], new Uint8Array(i === 1 ? 65_537 : 1))),
  "increments by ten at once": async ({ kv }) => {
    const add = async () => {
      for (;;) {
        const entry = await kv.get(["a"]);
        if ((await kv.atomic().check(entry).set(["a"], (entry.value ?? 0) + 1).commit()).ok) return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, add));
    return (await kv.get(["a"])).value;
  },
  "set without arguments": ({ kv }) => {
    kv.atomic().set();
    return "accepted";
  },
  "delete without arguments": ({ kv }) => kv.atomic().delete().commit(),
  "sum without arguments": ({ kv }) => {
    kv.atomic().sum();
    return "accepted";
  },
};

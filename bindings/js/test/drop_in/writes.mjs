// set and delete: expiry, options, sizes, what they return.

const expiries = {
  undefined: undefined,
  null: null,
  "zero": 0,
  "one": 1,
  "an hour": 3_600_000,
  "minus one": -1,
  "minus zero": -0,
  "a fraction": 1.5,
  "NaN": NaN,
  "Infinity": Infinity,
  "minus infinity": -Infinity,
  "a string": "5",
  "a bigint": 5n,
  "true": true,
  "an object": {},
  "a Date": new Date(5),
  "2 ** 31": 2 ** 31,
  "2 ** 32": 2 ** 32,
  "2 ** 52": 2 ** 52,
  "2 ** 53 - 1": 2 ** 53 - 1,
  "2 ** 53": 2 ** 53,
  "2 ** 60": 2 ** 60,
  "2 ** 63": 2 ** 63,
  "2 ** 64": 2 ** 64,
  "1e300": 1e300,
  "what is just too large": 8_200_000_000_000_000,
};

const options = {
  null: null,
  "a number": 5,
  "a string": "x",
  "an unknown option": { bogus: 1 },
  "a getter": { get expireIn() { return 3_600_000; } },
  "an inherited option": Object.create({ expireIn: -1 }),
};

const cases = {};
for (const [name, expireIn] of Object.entries(expiries)) {
  cases[`set with an expiry of ${name}`] = ({ kv }) => kv.set(["a"], 1, { expireIn });
  cases[`atomic set with an expiry of ${name}, not committed`] = ({ kv }) => {
    kv.atomic().set(["a"], 1, { expireIn });
    return "accepted";
  };
  cases[`atomic set with an expiry of ${name}`] = ({ kv }) => kv.atomic().set(["a"], 1, { expireIn }).commit();
  cases[`mutate with an expiry of ${name}, not committed`] = ({ kv }) => {
    kv.atomic().mutate({ type: "set", key: ["a"], value: 1, expireIn });
    return "accepted";
  };
  cases[`mutate with an expiry of ${name}`] = ({ kv }) =>
    kv.atomic().mutate({ type: "set", key: ["a"], value: 1, expireIn }).commit();
}
for (const [name, option] of Object.entries(options)) {
  cases[`set with ${name} for options`] = ({ kv }) => kv.set(["a"], 1, option);
  cases[`atomic set with ${name} for options`] = ({ kv }) => kv.atomic().set(["a"], 1, option).commit();
}

export default {
  ...cases,

  "set without arguments": ({ kv }) => kv.set(),
  "set without a value": async ({ kv }) => [await kv.set(["a"]), await kv.get(["a"])],
  "set is a promise at once": ({ kv }) => [kv.set(["a"], 1) instanceof Promise, kv.delete(["a"]) instanceof Promise],
  "set over a value": async ({ kv }) => {
    const first = await kv.set(["a"], 1);
    const second = await kv.set(["a"], 2);
    return [first.versionstamp < second.versionstamp, await kv.get(["a"])];
  },
  "set with the same value": async ({ kv }) => [await kv.set(["a"], 1), await kv.set(["a"], 1), await kv.get(["a"])],
  "many sets at once": async ({ kv }) => {
    const done = await Promise.all(Array.from({ length: 50 }, (_, i) => kv.set(["a", i], i)));
    return [done.every(({ ok }) => ok), new Set(done.map(({ versionstamp }) => versionstamp)).size];
  },
  "sets of one key at once: the last one wins": async ({ kv }) => {
    await Promise.all([1, 2, 3, 4].map((value) => kv.set(["a"], value)));
    return (await kv.get(["a"])).value;
  },
  "a fresh expiry replaces an old one": async ({ kv }) => {
    await kv.set(["a"], 1, { expireIn: 3_600_000 });
    await kv.set(["a"], 2);
    return kv.get(["a"]);
  },
  "an entry that has expired": async ({ kv }) => {
    await kv.set(["a"], 1, { expireIn: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    return kv.get(["a"]);
  },
  "an entry that expires at once": async ({ kv }) => {
    await kv.set(["a"], 1, { expireIn: 0 });
    return kv.get(["a"]);
  },
  "an entry that has expired, for a check that there is none": async ({ kv }) => {
    await kv.set(["a"], 1, { expireIn: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    return kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], 2).commit();
  },
  "an entry that does not expire yet": async ({ kv }) => {
    await kv.set(["a"], 1, { expireIn: 3_600_000 });
    return kv.get(["a"]);
  },
  "delete without arguments": ({ kv }) => kv.delete(),
  "delete of nothing": ({ kv }) => kv.delete(["a"]),
  "delete of an entry": async ({ kv }) => {
    await kv.set(["a"], 1);
    return [await kv.delete(["a"]), await kv.get(["a"])];
  },
  "delete twice": async ({ kv }) => {
    await kv.set(["a"], 1);
    return [await kv.delete(["a"]), await kv.delete(["a"])];
  },
  "delete of the prefix of a key": async ({ kv }) => {
    await kv.set(["a", "b"], 1);
    await kv.delete(["a"]);
    return kv.get(["a", "b"]);
  },
  "delete with options": ({ kv }) => kv.delete(["a"], { expireIn: -1 }),
  "a versionstamp's form": async ({ kv }) => {
    const { versionstamp } = await kv.set(["a"], 1);
    return [typeof versionstamp, versionstamp.length, /^[0-9a-f]{20}$/.test(versionstamp)];
  },
  "versionstamps grow": async ({ kv }) => {
    const stamps = [];
    for (let i = 0; i < 20; i++) stamps.push((await kv.set(["a"], i)).versionstamp);
    return stamps.every((stamp, i) => i === 0 || stamps[i - 1] < stamp);
  },
};

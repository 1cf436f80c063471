// Setting, getting and deleting single entries, getting several at once, and what a versionstamp promises.

import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { committed, open, VERSIONSTAMP } from "./open.ts";

const kv = await open();

await check("a set value is there for get, with its key and versionstamp", async () => {
  const user = { id: "a12345", name: "Craig", role: "admin" };
  const result = await kv.set(["user", "a12345"], user);
  equal(result.ok, true);
  equal(await kv.get(["user", "a12345"]), {
    key: ["user", "a12345"],
    value: user,
    versionstamp: result.versionstamp,
  });
});

await check("get of an absent key gives nulls", async () => {
  equal(await kv.get(["user", "nobody"]), { key: ["user", "nobody"], value: null, versionstamp: null });
});

await check("an entry that holds undefined is there all the same", async () => {
  const { versionstamp } = await kv.set(["undefined"], undefined);
  equal(await kv.get(["undefined"]), { key: ["undefined"], value: undefined, versionstamp });
  const nothing = await kv.set(["null"], null);
  equal(await kv.get(["null"]), { key: ["null"], value: null, versionstamp: nothing.versionstamp });
});

await check("a second set replaces the value and moves the versionstamp up", async () => {
  const first = await kv.set(["env", "IS_PROD"], true);
  const second = await kv.set(["env", "IS_PROD"], false);
  ok(second.versionstamp > first.versionstamp, `${second.versionstamp} after ${first.versionstamp}`);
  equal(await kv.get(["env", "IS_PROD"]), {
    key: ["env", "IS_PROD"],
    value: false,
    versionstamp: second.versionstamp,
  });
});

await check("delete removes an entry, and is content when there is none", async () => {
  await kv.set(["preferences", "alan"], { theme: "dark" });
  equal(await kv.delete(["preferences", "alan"]), undefined);
  equal((await kv.get(["preferences", "alan"])).versionstamp, null);
  equal(await kv.delete(["preferences", "alan"]), undefined);
});

await check("a key set again after its deletion starts over", async () => {
  const before = await committed(kv.atomic().set(["phoenix"], 1).commit());
  await kv.delete(["phoenix"]);
  const after = await committed(
    kv.atomic().check({ key: ["phoenix"], versionstamp: null }).set(["phoenix"], 2).commit(),
  );
  ok(after > before);
  equal((await kv.get(["phoenix"])).value, 2);
});

await check("getMany answers in the order asked, absent entries and repetitions included", async () => {
  await kv.set(["env_var", "DISCORD"], "password1");
  await kv.set(["env_var", "GITHUB"], "password2");
  await kv.set(["env_var", "GOOGLE"], "password3");
  const keys = [["env_var", "GITHUB"], ["env_var", "NONE"], ["env_var", "GOOGLE"], ["env_var", "DISCORD"], [
    "env_var",
    "GITHUB",
  ]];
  const entries = await kv.getMany<string[]>(keys);
  equal(entries.map((entry) => entry.key), keys);
  equal(entries.map((entry) => entry.value), ["password2", null, "password3", "password1", "password2"]);
  equal(entries.map((entry) => entry.versionstamp === null), [false, true, false, false, false]);
  ok(entries[2].versionstamp! > entries[0].versionstamp!, "GOOGLE was set after GITHUB");
});

await check("getMany takes ten keys, no more, and none at all", async () => {
  const keys = Array.from({ length: 10 }, (_, i) => ["ten", i]);
  for (const key of keys) await kv.set(key, key[1]);
  equal((await kv.getMany(keys)).map((entry) => entry.value), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  equal(await kv.getMany([]), []);
  await fails(() => kv.getMany([...keys, ["ten", 10]]), "Too many ranges (max 10)", "TypeError");
});

await check("both consistency levels read what was just written", async () => {
  for (let round = 0; round < 20; round++) {
    await kv.set(["consistency"], round);
    equal((await kv.get(["consistency"], { consistency: "strong" })).value, round);
    equal((await kv.get(["consistency"], { consistency: "eventual" })).value, round);
    equal((await kv.getMany([["consistency"]], { consistency: "eventual" }))[0].value, round);
  }
});

await check("a get of the empty key is absent, a write to it is refused", async () => {
  equal(await kv.get([]), { key: [], value: null, versionstamp: null });
  await fails(() => kv.set([], 1), "key cannot be empty");
  await fails(() => kv.delete([]), "key cannot be empty");
});

await check("versionstamps strictly increase over every kind of write, and compare as strings", async () => {
  const stamps: string[] = [];
  for (let i = 0; i < 60; i++) {
    const atomic = kv.atomic();
    if (i % 4 === 0) atomic.set(["stamped", i], i);
    if (i % 4 === 1) atomic.delete(["stamped", i - 1]);
    if (i % 4 === 2) atomic.sum(["stamped"], 1n);
    if (i % 4 === 3) atomic.check({ key: ["stamped", i], versionstamp: null });
    stamps.push(await committed(atomic.commit()));
  }
  for (const stamp of stamps) ok(VERSIONSTAMP.test(stamp), stamp);
  for (let i = 1; i < stamps.length; i++) ok(stamps[i] > stamps[i - 1], `${stamps[i - 1]} then ${stamps[i]}`);
});

await check("two hundred writes at once are all there, each with a versionstamp of its own", async () => {
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  const results = await Promise.all(numbers.map((i) => kv.set(["burst", i], { i })));
  equal(new Set(results.map((result) => result.versionstamp)).size, 200);
  const entries = await Promise.all(numbers.map((i) => kv.get<{ i: number }>(["burst", i])));
  equal(entries.map((entry) => entry.value), numbers.map((i) => ({ i })));
  equal(entries.map((entry) => entry.versionstamp), results.map((result) => result.versionstamp));
});

await check("a second handle, opened later, sees the same data", async () => {
  await kv.set(["shared"], "between handles");
  const other = await open();
  equal((await other.get(["shared"])).value, "between handles");
  await other.set(["shared"], "and back");
  equal((await kv.get(["shared"])).value, "and back");
  other.close();
});

await check("a closed handle refuses every call", async () => {
  const other = await open();
  other.close();
  await fails(() => other.get(["a"]), "Bad resource ID", "BadResource");
  await fails(() => other.set(["a"], 1), "Bad resource ID", "BadResource");
});

await check("queues are refused by Deno's own remote client, not by the server", async () => {
  await fails(() => kv.enqueue("a message"), "not supported in KV Connect");
});

finish();

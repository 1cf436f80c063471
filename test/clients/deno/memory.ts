// http://host:port/:memory: gives every open a fresh database of its own, for tests that must not meet one another.

import { check, equal, finish, ok } from "../lib/report.mjs";
import { all, committed, url } from "./open.ts";

const fresh = () => Deno.openKv(`${url}/:memory:`);

await check("a database in memory begins empty and does everything", async () => {
  const kv = await fresh();
  equal(await all(kv.list({ prefix: [] })), []);
  await committed(
    kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], new Map([[1n, "x"]])).sum(["n"], 2n)
      .commit(),
  );
  equal((await kv.get(["a"])).value, new Map([[1n, "x"]]));
  equal((await all(kv.list({ prefix: [] }))).map((entry) => entry.key), [["a"], ["n"]]);
  const reader = kv.watch([["a"]]).getReader();
  equal((await reader.read()).value!.length, 1);
  await reader.cancel();
  kv.close();
});

await check("two of them, and the file beside them, never meet", async () => {
  const [a, b, file] = [await fresh(), await fresh(), await Deno.openKv(url)];
  await a.set(["who"], "a");
  await b.set(["who"], "b");
  await file.set(["who"], "file");
  for (let round = 0; round < 3; round++) {
    equal((await a.get(["who"])).value, "a");
    equal((await b.get(["who"])).value, "b");
    equal((await file.get(["who"])).value, "file");
  }
  for (const kv of [a, b, file]) kv.close();
});

await check("one opened after another was closed is empty again", async () => {
  const first = await fresh();
  await first.set(["left"], "behind");
  first.close();
  const second = await fresh();
  equal((await second.get(["left"])).value, null);
  second.close();
});

await check("twenty at once, each written and read concurrently", async () => {
  const databases = await Promise.all(Array.from({ length: 20 }, fresh));
  await Promise.all(databases.map(async (kv, i) => {
    await Promise.all(Array.from({ length: 10 }, (_, n) => kv.set(["n", n], i * 100 + n)));
  }));
  for (const [i, kv] of databases.entries()) {
    const values = (await all<number>(kv.list({ prefix: ["n"] }))).map((entry) => entry.value);
    equal(values, Array.from({ length: 10 }, (_, n) => i * 100 + n));
    kv.close();
  }
});

await check("a hundred opened and closed without use leave the server well", async () => {
  for (let i = 0; i < 100; i++) (await fresh()).close();
  const kv = await fresh();
  ok((await kv.set(["still"], "well")).ok);
  kv.close();
});

finish();

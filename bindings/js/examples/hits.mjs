// A hit counter: how often each page was looked at, and how often on which day.
//
//   node hits.mjs [DATABASE [PAGE...]]
//   deno run -A hits.mjs [DATABASE [PAGE...]]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
// PAGE: the pages that are looked at. Run it again, or several times at once, and the counters go on.
//
// A counter that is read, incremented and written loses hits as soon as two people come at once. The mutation "sum"
// loses none, and needs no check and no second try.

import process from "node:process";
import { KvU64, openKv } from "tuplet";

const [database = ":memory:", ...pages] = process.argv.slice(2);
if (pages.length === 0) pages.push("/", "/about", "/", "/news", "/", "/news");

const kv = await openKv(database);

/** Counts one look at a page. @param {string} page */
async function hit(page, date = new Date()) {
  const day = date.toISOString().slice(0, 10);
  await kv.atomic()
    .mutate(
      { type: "sum", key: ["hits", page], value: new KvU64(1n) },
      { type: "sum", key: ["hits_by_day", page, day], value: new KvU64(1n) },
    )
    .sum(["hits_in_all"], 1n) // the same, shorter
    .commit();
}

await Promise.all(pages.map((page) => hit(page)));

for await (const { key, value } of kv.list({ prefix: ["hits"] })) console.log(`${key[1]}: ${value}`);
console.log(`in all: ${(await kv.get(["hits_in_all"])).value}`);
for await (const { key, value } of kv.list({ prefix: ["hits_by_day", "/"] })) {
  console.log(`/ on ${key[2]}: ${value}`);
}

kv.close();

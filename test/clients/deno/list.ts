// Lists: every form of selector, every option, pagination by cursor, and what is refused.

import { check, equal, fails, finish, ok } from "../lib/report.mjs";
import { all, type Key, keysOf, open, valuesOf } from "./open.ts";

const kv = await open();

// 250 numbered entries (more than two default batches), between neighbours that no list of them may show.
const COUNT = 250;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
await kv.set(["n"], "the prefix itself");
await kv.set(["m", 0], "before");
await kv.set(["n\u0000", 0], "between");
await kv.set(["o", 0], "after");
for (let at = 0; at < COUNT; at += 125) {
  const atomic = kv.atomic();
  for (let i = at; i < at + 125; i++) atomic.set(["n", i], `value ${i}`);
  await atomic.commit();
}

await check("a prefix gives what is below it, in order, and not the key equal to it", async () => {
  const entries = await all(kv.list({ prefix: ["n"] }));
  equal(entries.map((entry) => entry.key), numbers(0, COUNT).map((i) => ["n", i]));
  equal(entries.map((entry) => entry.value), numbers(0, COUNT).map((i) => `value ${i}`));
  ok(entries.every((entry) => typeof entry.versionstamp === "string"));
});

await check("an empty prefix gives everything", async () => {
  equal((await all(kv.list({ prefix: [] }))).length, COUNT + 4);
});

await check("a prefix that nothing has gives nothing", async () => {
  equal(await all(kv.list({ prefix: ["nothing"] })), []);
});

await check("prefix and start: from the start on, the start included", async () => {
  equal(
    await keysOf(kv.list({ prefix: ["n"], start: ["n", 240] })),
    numbers(240, COUNT).map((i) => ["n", i]),
  );
  equal(
    await keysOf(kv.list({ prefix: ["n"], start: ["n", 239.5] })),
    numbers(240, COUNT).map((i) => ["n", i]),
  );
});

await check("prefix and end: up to the end, the end excluded", async () => {
  equal(await keysOf(kv.list({ prefix: ["n"], end: ["n", 5] })), numbers(0, 5).map((i) => ["n", i]));
});

await check("start and end: over prefixes, the end excluded", async () => {
  equal(await keysOf(kv.list({ start: ["m"], end: ["n", 2] })), [["m", 0], ["n"], ["n", 0], ["n", 1]]);
  equal(await keysOf(kv.list({ start: ["n", 248], end: ["p"] })), [["n", 248], ["n", 249], ["n\u0000", 0], [
    "o",
    0,
  ]]);
  equal(await keysOf(kv.list({ start: ["n", 7], end: ["n", 7] })), []);
});

await check("limit gives so many, and as many as there are", async () => {
  for (const limit of [1, 2, 99, 100, 101, 249, 250]) {
    equal((await all(kv.list({ prefix: ["n"] }, { limit }))).length, limit);
  }
  equal((await all(kv.list({ prefix: ["n"] }, { limit: 900 }))).length, COUNT);
});

await check("batchSize changes nothing but the number of requests", async () => {
  const expected = numbers(0, COUNT).map((i) => ["n", i]);
  for (const batchSize of [7, 100, 249, 250, 251, 500, 1000]) {
    equal(await keysOf(kv.list({ prefix: ["n"] }, { batchSize })), expected);
  }
  equal(await keysOf(kv.list({ prefix: ["n"] }, { batchSize: 1, limit: 5 })), expected.slice(0, 5));
  equal(await keysOf(kv.list({ prefix: ["n"] }, { batchSize: 7, limit: 20 })), expected.slice(0, 20));
});

await check("reverse gives the last first, with every selector", async () => {
  const down = (from: number, to: number) => numbers(from, to).reverse().map((i) => ["n", i]);
  equal(await keysOf(kv.list({ prefix: ["n"] }, { reverse: true })), down(0, COUNT));
  equal(await keysOf(kv.list({ prefix: ["n"] }, { reverse: true, limit: 3 })), down(247, 250));
  equal(await keysOf(kv.list({ prefix: ["n"] }, { reverse: true, batchSize: 9 })), down(0, COUNT));
  equal(await keysOf(kv.list({ prefix: ["n"], start: ["n", 248] }, { reverse: true })), down(248, 250));
  equal(await keysOf(kv.list({ prefix: ["n"], end: ["n", 3] }, { reverse: true })), down(0, 3));
  equal(
    await keysOf(kv.list({ start: ["n", 10], end: ["n", 14] }, { reverse: true, limit: 2 })),
    down(12, 14),
  );
});

await check("both consistency levels list", async () => {
  for (const consistency of ["strong", "eventual"] as const) {
    equal((await all(kv.list({ prefix: ["n"] }, { consistency }))).length, COUNT);
  }
});

/** Reads page after page, each from the cursor where the one before ended. */
async function pages(selector: Deno.KvListSelector, options: Deno.KvListOptions): Promise<Key[][]> {
  const found: Key[][] = [];
  let cursor = "";
  do {
    const iterator = kv.list(selector, cursor === "" ? options : { ...options, cursor });
    found.push(await keysOf(iterator));
    cursor = iterator.cursor;
    ok(found.length < 1000, "the pages never end");
  } while (cursor !== "");
  return found;
}

await check("pages by cursor cover a list once, in both directions, whatever the page size", async () => {
  for (const reverse of [false, true]) {
    const expected = await keysOf(kv.list({ prefix: ["n"] }, { reverse }));
    for (const limit of [1, 25, 100, 125, 249]) {
      if (limit === 1 && reverse) continue;
      const found = await pages({ prefix: ["n"] }, { limit, reverse });
      equal(found.flat(), expected);
      ok(found.slice(0, -2).every((page) => page.length === limit), "only the last page may be short");
    }
  }
});

await check("pages by cursor work with start and end too", async () => {
  const expected = numbers(20, 30).map((i) => ["n", i]);
  equal((await pages({ start: ["n", 20], end: ["n", 30] }, { limit: 3 })).flat(), expected);
  equal(
    (await pages({ prefix: ["n"], start: ["n", 240] }, { limit: 4 })).flat(),
    numbers(240, 250).map((i) => ["n", i]),
  );
  equal(
    (await pages({ prefix: ["n"], end: ["n", 9] }, { limit: 4, reverse: true })).flat(),
    numbers(0, 9).reverse().map((i) => ["n", i]),
  );
});

await check("the cursor moves with each entry, and a page after a change resumes at its place", async () => {
  const iterator = kv.list({ prefix: ["n"] }, { limit: 3 });
  const cursors = new Set<string>();
  for await (const _ of iterator) cursors.add(iterator.cursor);
  equal(cursors.size, 3);
  await kv.delete(["n", 2]);
  equal(await keysOf(kv.list({ prefix: ["n"] }, { limit: 2, cursor: iterator.cursor })), [["n", 3], [
    "n",
    4,
  ]]);
  await kv.set(["n", 2], "value 2");
});

await check("a cursor after the end gives nothing", async () => {
  const iterator = kv.list({ prefix: ["n"] }, { limit: COUNT });
  await all(iterator);
  ok(iterator.cursor !== "", "a full page cannot know that it was the last");
  equal(await keysOf(kv.list({ prefix: ["n"] }, { cursor: iterator.cursor })), []);
});

await check("a list stopped in the middle leaves the connection usable", async () => {
  let seen = 0;
  for await (const _ of kv.list({ prefix: ["n"] }, { batchSize: 10 })) if (++seen === 15) break;
  equal((await kv.get(["n", 0])).value, "value 0");
});

await check("large entries are listed whole, though a batch is megabytes", async () => {
  const block = (i: number) => new Uint8Array(65536).fill(i);
  for (let i = 0; i < 40; i++) await kv.set(["large", i], block(i));
  const values = await valuesOf<Uint8Array>(kv.list({ prefix: ["large"] }));
  equal(values.length, 40);
  values.forEach((value, i) => equal(value, block(i)));
});

await check("selectors that make no sense are refused", async () => {
  const list = (selector: unknown) => () => all(kv.list(selector as Deno.KvListSelector));
  await fails(list({}), "Selector must specify either 'prefix' or both 'start' and 'end' key", "TypeError");
  await fails(list({ start: ["n"] }), "Selector must specify either 'prefix' or both 'start' and 'end' key");
  await fails(
    list({ prefix: ["n"], start: ["n", 1], end: ["n", 2] }),
    "Selector can not specify both 'start' and 'end'",
  );
  await fails(list({ start: ["n", 2], end: ["n", 1] }), "Start key is greater than end key");
  await fails(list({ prefix: ["n"], start: ["o"] }), "Start key is not in the keyspace defined by prefix");
  await fails(list({ prefix: ["n"], end: ["o"] }), "End key is not in the keyspace defined by prefix");
});

await check("options that make no sense are refused", async () => {
  const list = (options: Deno.KvListOptions) => () => all(kv.list({ prefix: ["n"] }, options));
  await fails(list({ limit: 0 }), "Limit must be a positive integer: received 0");
  await fails(list({ limit: -1 }), "Limit must be a positive integer: received -1");
  await fails(list({ batchSize: 0 }), "batchSize must be a positive integer: received 0");
  await fails(list({ batchSize: 1001 }), "Too many entries (max 1000)");
  await fails(list({ cursor: "%%%" }), "invalid cursor");
  await fails(
    () => all(kv.list({ start: ["n", 1], end: ["n", 5] }, { cursor: btoa("zzz") })),
    "cursor out of bounds",
  );
});

await check("a list while others write shows each batch as one snapshot", async () => {
  await Promise.all(numbers(0, 50).map((i) => kv.set(["pair", i], 0)));
  let writing = true;
  const writer = (async () => {
    for (let round = 1; writing; round++) {
      const atomic = kv.atomic();
      for (const i of numbers(0, 50)) atomic.set(["pair", i], round);
      await atomic.commit();
    }
  })();
  for (let i = 0; i < 30; i++) {
    const values = await valuesOf(kv.list({ prefix: ["pair"] }, { batchSize: 100 }));
    equal(new Set(values).size, 1, "one batch holds the state of one moment");
  }
  writing = false;
  await writer;
});

finish();

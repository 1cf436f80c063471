// Watching keys: the present state first, every change after it in order of time, several keys in one picture,
// changes merged for a slow reader, and an end when the reader wants one.

import { check, equal, eventually, finish, ok, sleep, within } from "../lib/report.mjs";
import { committed, open } from "./open.ts";

const kv = await open();
const SOON_MS = 20_000; // far above what a notification takes, so that a busy machine fails nothing

/** A watch that is read step by step and ended for sure. */
async function watching<T>(
  keys: Deno.KvKey[],
  use: (next: () => Promise<Deno.KvEntryMaybe<unknown>[]>) => Promise<T>,
) {
  const reader = (kv.watch(keys) as ReadableStream<Deno.KvEntryMaybe<unknown>[]>).getReader();
  try {
    return await use(async () => {
      const { done, value } = await within(SOON_MS, "the next state of the watched keys", reader.read());
      ok(!done, "the watch ended");
      return value!;
    });
  } finally {
    await within(SOON_MS, "the end of the watch", reader.cancel());
  }
}

const values = (entries: Deno.KvEntryMaybe<unknown>[]) => entries.map((entry) => entry.value);

await check("a watch begins with the present state, in the order of its keys", async () => {
  const { versionstamp } = await kv.set(["w", "there"], "present");
  await watching([["w", "absent"], ["w", "there"]], async (next) => {
    equal(await next(), [
      { key: ["w", "absent"], value: null, versionstamp: null },
      { key: ["w", "there"], value: "present", versionstamp },
    ]);
  });
});

await check("a change, a replacement and a deletion each arrive", async () => {
  await kv.set(["life"], 0);
  await watching([["life"]], async (next) => {
    equal(values(await next()), [0]);
    for (const value of ["born", { grown: true }, 3n]) {
      const { versionstamp } = await kv.set(["life"], value);
      equal(await next(), [{ key: ["life"], value, versionstamp }]);
    }
    await kv.delete(["life"]);
    equal(await next(), [{ key: ["life"], value: null, versionstamp: null }]);
    await kv.set(["life"], "again");
    equal(values(await next()), ["again"]);
  });
});

await check("an entry set to the same value again is a change: its versionstamp moved", async () => {
  const before = await kv.set(["same"], 1);
  await watching([["same"]], async (next) => {
    equal((await next())[0].versionstamp, before.versionstamp);
    const after = await kv.set(["same"], 1);
    equal((await next())[0].versionstamp, after.versionstamp);
  });
});

await check("changes of other keys, and operations that failed, wake nobody", async () => {
  await kv.set(["quiet"], 0);
  await watching([["quiet"]], async (next) => {
    equal(values(await next()), [0]);
    await kv.set(["quiet", "below"], 1);
    await kv.set(["quieu"], 1);
    equal(await kv.atomic().check({ key: ["quiet"], versionstamp: null }).set(["quiet"], "no").commit(), {
      ok: false,
    });
    await kv.set(["quiet"], 1);
    equal(values(await next()), [1], "the first thing heard is the one real change");
  });
});

await check("keys written by one operation change in one picture", async () => {
  const keys = [["pair", "a"], ["pair", "b"]];
  await committed(kv.atomic().set(keys[0], 0).set(keys[1], 0).commit());
  await watching(keys, async (next) => {
    equal(values(await next()), [0, 0]);
    const writes = (async () => {
      for (let i = 1; i <= 40; i++) await committed(kv.atomic().set(keys[0], i).set(keys[1], i).commit());
    })();
    for (let seen = 0; seen < 40;) {
      const [a, b] = values(await next()) as number[];
      equal(a, b, "half of an operation was seen");
      ok(a > seen, `${a} after ${seen}`);
      seen = a;
    }
    await writes;
  });
});

await check("a reader that comes late finds the latest state, not every state between", async () => {
  await kv.set(["busy"], 0);
  await watching([["busy"]], async (next) => {
    equal(values(await next()), [0]);
    for (let i = 1; i <= 100; i++) await kv.set(["busy"], i);
    let states = 0;
    for (let last = 0; last !== 100; states++) {
      const [value] = values(await next()) as number[];
      ok(value > last, `${value} after ${last}`);
      last = value;
    }
    ok(states <= 100);
  });
});

await check("ten keys in one watch, each change shown with the nine others", async () => {
  const keys = Array.from({ length: 10 }, (_, i) => ["ten", i]);
  const expected: unknown[] = keys.map(() => null);
  await kv.set(keys[0], expected[0] = "first");
  await watching(keys, async (next) => {
    equal(values(await next()), expected);
    for (const i of [9, 3, 0, 5]) {
      await kv.set(keys[i], expected[i] = `changed ${i}`);
      equal(values(await next()), expected);
    }
  });
});

await check("a key watched by ten watches is told to each", async () => {
  await kv.set(["popular"], "before");
  let started = 0;
  const watches = Array.from({ length: 10 }, (_, i) =>
    watching([["popular"], ["own", i]], async (next) => {
      const first = values(await next());
      started++;
      return [...first, ...values(await next())];
    }));
  await eventually(SOON_MS, "the first state of each", () => started === 10);
  await kv.set(["popular"], "after");
  for (const seen of await Promise.all(watches)) equal(seen, ["before", null, "after", null]);
});

await check("sums are seen by watches", async () => {
  await committed(kv.atomic().sum(["counter"], 1n).commit());
  await watching([["counter"]], async (next) => {
    equal(values(await next()), [new Deno.KvU64(1n)]);
    await committed(kv.atomic().sum(["counter"], 41n).commit());
    equal(values(await next()), [new Deno.KvU64(42n)]);
  });
});

await check("an expiry is a change: the watch shows the key absent, and not late", async () => {
  await kv.set(["short"], "lived", { expireIn: 1500 });
  await watching([["short"]], async (next) => {
    equal(values(await next()), ["lived"]);
    equal(await next(), [{ key: ["short"], value: null, versionstamp: null }]);
  });
});

await check("a watch of an expired key begins absent", async () => {
  await kv.set(["over"], 1, { expireIn: 1 });
  await sleep(5);
  await watching([["over"]], async (next) => equal(values(await next()), [null]));
});

await check("a for-await loop over a watch ends with break, and the handle goes on working", async () => {
  await kv.set(["loop"], 0);
  const seen: unknown[] = [];
  for await (const [entry] of kv.watch([["loop"]])) {
    seen.push(entry.value);
    if (entry.value === 3) break;
    await kv.set(["loop"], (entry.value as number) + 1);
  }
  equal(seen, [0, 1, 2, 3]);
  equal((await kv.get(["loop"])).value, 3);
});

await check("forty watches opened and cancelled leave the server as quick as before", async () => {
  for (let i = 0; i < 40; i++) {
    await watching([["many", i]], async (next) => equal(values(await next()), [null]));
  }
  await kv.set(["many"], "still here");
  equal((await kv.get(["many"])).value, "still here");
});

finish();

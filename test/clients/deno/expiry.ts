// Expiry: from its millisecond on, an expired entry is absent to every operation; before it, present. The clock is the
// one of this machine, which the client and the server share, so nothing here depends on how long anything takes:
// each answer is judged by the moments at which it was asked for and received.

import { check, equal, finish, ok, sleep } from "../lib/report.mjs";
import { all, committed, open } from "./open.ts";

const kv = await open();

/**
 * Sets a key that expires, and asks about it without a pause until well past the instant. The expiry lies between
 * (clock before set) + expireIn and (clock after set) + expireIn; an answer that was asked for after the latter must
 * be "absent", one that arrived before the former must be "present".
 */
async function observe(expireIn: number, set: () => Promise<unknown>, isPresent: () => Promise<boolean>) {
  const earliest = Date.now() + expireIn;
  await set();
  const latest = Date.now() + expireIn;
  let asked = 0;
  let absent = 0;
  while (Date.now() < latest + 60) {
    const before = Date.now();
    const present = await isPresent();
    const after = Date.now();
    asked++;
    if (!present) absent++;
    if (before > latest) ok(!present, `still seen ${before - latest} ms after its last instant`);
    if (after < earliest) ok(present, `gone ${earliest - after} ms before its first instant`);
  }
  ok(asked > 1 && absent > 0, `asked ${asked} times, ${absent} of them past the instant`);
}

for (const expireIn of [1, 40, 150]) {
  await check(`an entry that lives ${expireIn} ms is never got after that, nor missed before`, async () => {
    const key = ["got", expireIn];
    await observe(
      expireIn,
      () => kv.set(key, 1, { expireIn }),
      async () => (await kv.get(key)).versionstamp !== null,
    );
  });

  await check(
    `an entry that lives ${expireIn} ms is never listed after that, nor missed before`,
    async () => {
      const key = ["listed", expireIn];
      const listed = async () =>
        (await all(kv.list({ prefix: ["listed"] }))).some((entry) => entry.key[1] === expireIn);
      await observe(expireIn, () => kv.set(key, 1, { expireIn }), listed);
    },
  );

  await check(
    `an entry that lives ${expireIn} ms is absent to checks after that, and only then`,
    async () => {
      const key = ["checked", expireIn];
      const exists = async () => !(await kv.atomic().check({ key, versionstamp: null }).commit()).ok;
      await observe(expireIn, () => kv.set(key, 1, { expireIn }), exists);
    },
  );
}

await check("getMany leaves out what has expired and keeps the rest", async () => {
  await kv.set(["some", 1], "stays");
  await kv.set(["some", 2], "goes", { expireIn: 1 });
  await kv.set(["some", 3], "stays long", { expireIn: 3_600_000 });
  await sleep(5);
  const entries = await kv.getMany([["some", 1], ["some", 2], ["some", 3]]);
  equal(entries.map((entry) => entry.value), ["stays", null, "stays long"]);
  equal(entries[1].versionstamp, null);
});

await check("expireIn 0 is expired at once", async () => {
  await kv.set(["zero"], "never seen", { expireIn: 0 });
  equal(await kv.get(["zero"]), { key: ["zero"], value: null, versionstamp: null });
  equal(await all(kv.list({ start: ["zero"], end: ["zerp"] })), []);
});

await check("a check with the versionstamp of an expired entry fails, one for absence holds", async () => {
  const { versionstamp } = await kv.set(["stale"], 1, { expireIn: 1 });
  await sleep(5);
  equal(await kv.atomic().check({ key: ["stale"], versionstamp }).set(["stale"], 2).commit(), { ok: false });
  equal(
    (await kv.atomic().check({ key: ["stale"], versionstamp: null }).set(["stale"], 3).commit()).ok,
    true,
  );
  equal((await kv.get(["stale"])).value, 3);
});

await check("a sum over an expired counter starts from nothing", async () => {
  for (const type of ["sum", "max", "min"] as const) {
    await kv.set([type], new Deno.KvU64(50n), { expireIn: 1 });
    await sleep(5);
    await committed(kv.atomic()[type]([type], 7n).commit());
    equal((await kv.get([type])).value, new Deno.KvU64(7n));
  }
});

await check("a sum over an expired value of another type is no error", async () => {
  await kv.set(["was text"], "text", { expireIn: 1 });
  await sleep(5);
  await committed(kv.atomic().sum(["was text"], 1n).commit());
  equal((await kv.get(["was text"])).value, new Deno.KvU64(1n));
});

await check("arithmetic drops the expiry of what it changes", async () => {
  await kv.set(["kept"], new Deno.KvU64(1n), { expireIn: 400 });
  await committed(kv.atomic().sum(["kept"], 1n).commit());
  await sleep(450);
  equal((await kv.get(["kept"])).value, new Deno.KvU64(2n));
});

await check("a set without expiry over one with it stays, and the other way round goes", async () => {
  await kv.set(["stays"], 1, { expireIn: 300 });
  await kv.set(["stays"], 2);
  await kv.set(["goes"], 1);
  await kv.set(["goes"], 2, { expireIn: 300 });
  await kv.set(["renewed"], 1, { expireIn: 300 });
  await kv.set(["renewed"], 2, { expireIn: 3_600_000 });
  await sleep(350);
  equal((await kv.get(["stays"])).value, 2);
  equal((await kv.get(["goes"])).versionstamp, null);
  equal((await kv.get(["renewed"])).value, 2);
});

await check("a limit counts living entries only, and pages run over the expired", async () => {
  const atomic = kv.atomic();
  for (let i = 0; i < 300; i++) {
    if (i % 10 === 9) atomic.set(["mixed", i], i);
    else atomic.set(["mixed", i], i, { expireIn: 1 });
  }
  await committed(atomic.commit());
  await sleep(5);
  const living = Array.from({ length: 30 }, (_, i) => i * 10 + 9);
  equal(
    (await all(kv.list({ prefix: ["mixed"] }, { limit: 7 }))).map((entry) => entry.value),
    living.slice(0, 7),
  );
  equal((await all(kv.list({ prefix: ["mixed"] }, { batchSize: 4 }))).map((entry) => entry.value), living);
  const reverse = kv.list({ prefix: ["mixed"] }, { reverse: true, limit: 3 });
  equal((await all(reverse)).map((entry) => entry.value), living.toReversed().slice(0, 3));
});

await check("each set of an atomic operation has an expiry of its own", async () => {
  await committed(
    kv.atomic()
      .set(["each", "short"], 1, { expireIn: 1 })
      .set(["each", "long"], 2, { expireIn: 3_600_000 })
      .mutate({ type: "set", key: ["each", "mutated"], value: 3, expireIn: 1 })
      .set(["each", "ever"], 4)
      .commit(),
  );
  await sleep(5);
  equal((await all(kv.list({ prefix: ["each"] }))).map((entry) => entry.value), [4, 2]);
});

await check("what expires far ahead is there", async () => {
  await kv.set(["far"], 1, { expireIn: 50 * 365 * 86_400_000 });
  equal((await kv.get(["far"])).value, 1);
});

finish();

// The same random operations on Deno's own database and on tuplet, step by step: each must answer as the other does.
// What is left out is where Deno is at fault: operations that fail half-way, and expiry.

import { difference } from "../lib/compare.mjs";
import { Random, seed } from "../lib/random.mjs";
import { check, equal, finish, ok } from "../lib/report.mjs";
import { all, open } from "./open.ts";

const STEPS = 1500;

const random = new Random(seed);
const model = await Deno.openKv(":memory:");
const tuplet = await open();

/** Few enough keys to meet again; they differ in type, in length, and in being prefixes of one another. */
const PARTS = [
  "a",
  "b",
  "a\u0000",
  "",
  0,
  -1.5,
  1n,
  -(2n ** 70n),
  true,
  false,
  new Uint8Array([97]),
  new Uint8Array(),
];

/** Counters live below "n", values below "v", so that arithmetic meets counters unless it is meant not to. */
function key(kind: string): Deno.KvKey {
  const length = random.below(3);
  return [kind, ...Array.from({ length }, () => random.pick(PARTS) as Deno.KvKeyPart)];
}

function value(): unknown {
  return random.pick([
    null,
    undefined,
    random.next(),
    `text ${random.below(100)}`,
    { list: [random.below(9), new Date(random.below(1e9))] },
    new Uint8Array(random.below(50)).fill(random.below(256)),
    new Map([[1n, new Set(["x"])]]),
  ]);
}

/** Versionstamps differ between the two; what must agree is which are equal. */
const stamps = new Map<string, string>();
const last = { model: "", tuplet: "" };

function assertStamps(theirs: string | null, ours: string | null, where: string) {
  if (theirs === null || ours === null) return equal(ours, theirs, where);
  const known = stamps.get(theirs);
  if (known !== undefined) return equal(ours, known, `${where}: the versionstamp of another write`);
  ok(theirs > last.model && ours > last.tuplet, `${where}: ${ours} after ${last.tuplet}`);
  stamps.set(theirs, ours);
  last.model = theirs;
  last.tuplet = ours;
}

function assertEntries(
  theirs: Deno.KvEntryMaybe<unknown>[],
  ours: Deno.KvEntryMaybe<unknown>[],
  where: string,
) {
  const plain = (entries: Deno.KvEntryMaybe<unknown>[]) => entries.map((entry) => [entry.key, entry.value]);
  const found = difference(plain(ours), plain(theirs));
  ok(found === null, `${where}: ${found}`);
  theirs.forEach((entry, i) => assertStamps(entry.versionstamp, ours[i].versionstamp, where));
}

type Call<T> = (kv: Deno.Kv, side: "model" | "tuplet") => Promise<T>;

/** Both sides' answers, or both sides' messages. */
async function both<T>(call: Call<T>): Promise<[T, T] | null> {
  const attempt = async (kv: Deno.Kv, side: "model" | "tuplet") => {
    try {
      return { answer: await call(kv, side) };
    } catch (error) {
      return { message: (error as Error).message };
    }
  };
  const [theirs, ours] = [await attempt(model, "model"), await attempt(tuplet, "tuplet")];
  if (theirs.message === undefined && ours.message === undefined) return [theirs.answer!, ours.answer!];
  // Over the network the sentence comes with the address and the status before it.
  ok(
    theirs.message !== undefined && ours.message?.endsWith(theirs.message),
    `"${ours.message}", not "${theirs.message}"`,
  );
  return null;
}

async function get() {
  const keys = Array.from({ length: 1 + random.below(10) }, () => key(random.pick(["v", "n"])));
  const answers = await both((kv) => kv.getMany(keys));
  assertEntries(...answers!, "getMany");
}

function selector(): Deno.KvListSelector {
  const [a, b] = [key(random.pick(["v", "n"])), key(random.pick(["v", "n"]))];
  const kinds = [
    () => ({ prefix: a }),
    () => ({ prefix: random.pick([[], ["v"], ["n"]]) }),
    () => ({ prefix: a.slice(0, 1), start: a }),
    () => ({ prefix: a.slice(0, 1), end: a }),
    () => ({ start: a, end: b }),
  ];
  return random.pick(kinds)();
}

async function list() {
  const chosen = selector();
  const options: Deno.KvListOptions = { reverse: random.chance(0.5) };
  if (random.chance(0.5)) options.limit = 1 + random.below(8);
  if (random.chance(0.5)) options.batchSize = 1 + random.below(8);
  const answers = await both(async (kv) => {
    const iterator = kv.list(chosen, options);
    const entries = await all(iterator);
    const cursor = entries.length === 0 ? "" : iterator.cursor;
    const rest = cursor === "" ? [] : await all(kv.list(chosen, { ...options, cursor }));
    return { entries, cursor, rest };
  });
  if (answers === null) return;
  const [theirs, ours] = answers;
  assertEntries(theirs.entries, ours.entries, "list");
  equal(ours.cursor, theirs.cursor, "the cursor");
  assertEntries(theirs.rest, ours.rest, "the list from the cursor on");
}

/** Adds one random mutation to the operations of both sides. */
function mutation(): (atomic: Deno.AtomicOperation) => void {
  const [at, stored, counter, number] = [key("v"), value(), key("n"), BigInt(random.below(1000))];
  return random.pick([
    (atomic: Deno.AtomicOperation) => atomic.set(at, stored),
    (atomic: Deno.AtomicOperation) => atomic.set(counter, new Deno.KvU64(number)),
    (atomic: Deno.AtomicOperation) => atomic.delete(at),
    (atomic: Deno.AtomicOperation) => atomic.delete(counter),
    (atomic: Deno.AtomicOperation) => atomic.sum(counter, 2n ** 64n - 1n - number),
    (atomic: Deno.AtomicOperation) => atomic.min(counter, number),
    (atomic: Deno.AtomicOperation) => atomic.max(counter, number),
  ]);
}

/** Checks that hold, checks of what was there once, and checks for absence. */
async function checks(): Promise<Record<"model" | "tuplet", Deno.AtomicCheck[]>> {
  const made = { model: [] as Deno.AtomicCheck[], tuplet: [] as Deno.AtomicCheck[] };
  for (let count = random.below(3); count > 0; count--) {
    const at = key(random.pick(["v", "n"]));
    if (random.chance(0.6)) {
      made.model.push(await model.get(at));
      made.tuplet.push(await tuplet.get(at));
    } else {
      const [theirs, ours] = random.pick([[null, null], ...stamps]);
      made.model.push({ key: at, versionstamp: theirs });
      made.tuplet.push({ key: at, versionstamp: ours });
    }
  }
  return made;
}

async function write() {
  const held = await checks();
  const mutations = Array.from({ length: random.below(6) }, mutation);
  const answers = await both((kv, side) => {
    const atomic = kv.atomic().check(...held[side]);
    for (const add of mutations) add(atomic);
    return atomic.commit();
  });
  const [theirs, ours] = answers!;
  equal(ours.ok, theirs.ok, "the commit");
  if (theirs.ok && ours.ok) assertStamps(theirs.versionstamp, ours.versionstamp, "the commit");
}

/** One mutation of the wrong type alone: there is no other half that Deno could leave behind. */
async function writeWrong() {
  const at = key("v");
  const type: "sum" | "min" | "max" = random.pick(["sum", "min", "max"]);
  const answers = await both((kv) => kv.atomic()[type](at, 1n).commit());
  if (answers === null) return;
  // It was absent, and is a counter now.
  assertStamps(
    (answers[0] as Deno.KvCommitResult).versionstamp,
    (answers[1] as Deno.KvCommitResult).versionstamp,
    type,
  );
}

await check(`${STEPS} random steps are answered as Deno itself answers them (seed ${seed})`, async () => {
  const done: Record<string, number> = {};
  for (let step = 0; step < STEPS; step++) {
    const kind: () => Promise<void> = random.pick([get, list, list, write, write, write, writeWrong]);
    done[kind.name] = (done[kind.name] ?? 0) + 1;
    try {
      await kind();
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}, ${kind.name}: ${(error as Error).message}`);
    }
  }
  ok(Object.keys(done).length === 4 && stamps.size > 300, JSON.stringify(done));
});

await check("both hold the same in the end", async () => {
  assertEntries(await all(model.list({ prefix: [] })), await all(tuplet.list({ prefix: [] })), "the end");
});

finish();

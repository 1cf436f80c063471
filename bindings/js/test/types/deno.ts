// Type-checked by node/types.test.mjs, never run: each of Deno's types and the package's stand for one another.

import type * as tuplet from "tuplet";

/** Type-checks when a value of either type can be given where the other one is wanted. */
declare function same<A, B>(there: (a: A) => B, back: (b: B) => A): void;

same<Deno.KvKeyPart, tuplet.KvKeyPart>((a) => a, (b) => b);
same<Deno.KvKey, tuplet.KvKey>((a) => a, (b) => b);
same<Deno.KvEntry<Date>, tuplet.KvEntry<Date>>((a) => a, (b) => b);
same<Deno.KvEntryMaybe<Date>, tuplet.KvEntryMaybe<Date>>((a) => a, (b) => b);
same<Deno.KvListSelector, tuplet.KvListSelector>((a) => a, (b) => b);
same<Deno.KvListOptions, tuplet.KvListOptions>((a) => a, (b) => b);
same<Deno.KvMutation, tuplet.KvMutation>((a) => a, (b) => b);
same<Deno.KvConsistencyLevel, tuplet.KvConsistencyLevel>((a) => a, (b) => b);
same<Deno.KvCommitResult, tuplet.KvCommitResult>((a) => a, (b) => b);
same<Deno.KvCommitError, tuplet.KvCommitError>((a) => a, (b) => b);
same<Deno.AtomicCheck, tuplet.AtomicCheck>((a) => a, (b) => b);
same<Deno.AtomicOperation, tuplet.AtomicOperation>((a) => a, (b) => b);
same<Deno.KvListIterator<Date>, tuplet.KvListIterator<Date>>((a) => a, (b) => b);
same<Deno.KvU64, tuplet.KvU64>((a) => a, (b) => b);
same<typeof Deno.KvU64, typeof tuplet.KvU64>((a) => a, (b) => b);
same<typeof Deno.AtomicOperation, typeof tuplet.AtomicOperation>((a) => a, (b) => b);
same<typeof Deno.KvListIterator, typeof tuplet.KvListIterator>((a) => a, (b) => b);
same<Parameters<typeof Deno.openKv>[0], Parameters<typeof tuplet.openKv>[0]>((a) => a, (b) => b);

/** What a database has beyond Deno's. */
type Beyond = "watchRange" | typeof Symbol.asyncDispose;
same<Deno.Kv, Omit<tuplet.Kv, Beyond | "listenQueue">>((a) => a, (b) => b as tuplet.Kv);
same<keyof Deno.Kv, Exclude<keyof tuplet.Kv, Beyond>>((a) => a, (b) => b);
/** A handler of ours is told more, so that a listener of Deno's is none of ours. */
declare const listen: tuplet.Kv["listenQueue"];
export const denosListen: Deno.Kv["listenQueue"] = listen;

declare const ours: Pick<typeof tuplet, "openKv" | "Kv" | "KvU64" | "AtomicOperation" | "KvListIterator">;
export const namespace: Pick<typeof Deno, "openKv" | "Kv" | "KvU64" | "AtomicOperation" | "KvListIterator"> = ours;

/** A program for Deno's database, given ours. */
export async function program(kv: tuplet.Kv): Promise<void> {
  const takesDenos = async (kv: Deno.Kv) => {
    const entry: Deno.KvEntryMaybe<number> = await kv.get<number>(["a"]);
    const [user, cart] = await kv.getMany<[string, Date]>([["a"], ["b"]]);
    user.value satisfies string | null;
    cart.value satisfies Date | null;
    const result = await kv.atomic().check(entry).mutate({ type: "sum", key: ["n"], value: new Deno.KvU64(1n) }).commit();
    if (result.ok) result.versionstamp satisfies string;
    for await (const { value } of kv.list<number>({ prefix: ["a"] })) value satisfies number;
    for await (const [first] of kv.watch<[number]>([["a"]])) first.value satisfies number | null;
    await kv.listenQueue((message: { id: number }) => void message.id);
  };
  await takesDenos(kv);
}

/** What the package adds. */
export async function beyond(kv: tuplet.Kv, open: typeof tuplet.openKv): Promise<void> {
  (await kv.get(["a"], { encoded: true })).value satisfies tuplet.EncodedValue | null;
  (await kv.getMany([["a"]], { encoded: true }))[0].value satisfies tuplet.EncodedValue | null;
  for await (const { value } of kv.list({ prefix: [] }, { encoded: true })) value satisfies tuplet.EncodedValue;
  for await (const { entries } of kv.watchRange<Date>({ prefix: [] })) entries[0].value satisfies Date | null;
  await kv.listenQueue((_message, { id, attempt }) => void (id satisfies string, attempt satisfies number), { maxInFlight: 5 });
  await using other = await open("x.sqlite3", { readOnly: true, durability: "relaxed", timeout: 1, http: 2 });
  using another: Disposable = other;
  void another;

  // @ts-expect-error: what is read is not known without being told
  (await kv.get(["a"])).value satisfies string | null;
  // @ts-expect-error: an object is no part of a key
  await kv.get([{}]);
  // @ts-expect-error: a selector needs a prefix, or both ends
  kv.list({ start: ["a"] });
  // @ts-expect-error: a counter is a bigint
  kv.atomic().sum(["a"], 1);
  // @ts-expect-error: there are two
  await open("x.sqlite3", { durability: "none" });
}

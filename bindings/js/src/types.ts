/// <reference lib="esnext.disposable" preserve="true" />
/** The types of a Deno KV database: those of Deno under their own names, and what this package adds to them.
 *
 * They are interfaces, without anything private, so that code which names Deno's types takes ours and the other way
 * round. test/types.test.mjs holds them against the ones that `deno types` prints.
 */
import { AtomicOperation as AtomicOperationClass } from "./atomic.js";
import type { EncodedValue } from "./codec.js";
import { Kv as KvClass } from "./kv.js";
import { KvListIterator as KvListIteratorClass } from "./list.js";
import type { KvU64 } from "./u64.js";

/** A part of a key. Keys are ordered by their parts, the parts by type and then by value: bytes, strings (by their
 * UTF-8), bigints, numbers, `false`, `true`. The only symbol that can be part of a key is the one that
 * {@link Kv.commitVersionstamp} returns. */
export type KvKeyPart = Uint8Array | string | number | bigint | boolean | symbol;

/** A key: its parts, the most significant first. At most 2,048 bytes when encoded; to be written it needs at least one
 * part.
 *
 * @example
 * ```ts
 * const key: KvKey = ["users", "alice", 1];
 * ```
 */
export type KvKey = readonly KvKeyPart[];

/** How new the answer of a read has to be. `"strong"`: as of now. `"eventual"`: a server may let the nearest replica
 * answer, a little behind. A local database knows no difference. */
export type KvConsistencyLevel = "strong" | "eventual";

/** Which keys to list: those that extend a prefix, all of them, from `start` on, or before `end`; or those from
 * `start` (included) to `end` (excluded). A prefix does not select the key that is equal to it; the prefix `[]`
 * selects everything. */
export type KvListSelector =
  | { prefix: KvKey }
  | { prefix: KvKey; start: KvKey }
  | { prefix: KvKey; end: KvKey }
  | { start: KvKey; end: KvKey };

/** A change, as {@link AtomicOperation.mutate} takes it.
 *
 * - `set` stores a value; with `expireIn` it is gone after so many milliseconds.
 * - `delete` removes an entry, if there is one.
 * - `sum` adds to a counter, modulo 2^64; `min` and `max` keep the smaller and the larger one. Where there is no entry
 *   the operand is stored. They drop the entry's expiry.
 */
export type KvMutation =
  & { key: KvKey }
  & (
    | { type: "set"; value: unknown; expireIn?: number }
    | { type: "delete" }
    | { type: "sum"; value: KvU64 }
    | { type: "max"; value: KvU64 }
    | { type: "min"; value: KvU64 }
  );

/** What is stored under a key. */
export interface KvEntry<T> {
  key: KvKey;
  value: T;
  /** Of the commit that wrote it: 20 hexadecimal digits, larger for each commit (compare them as strings). */
  versionstamp: string;
}

/** What is stored under a key, or that nothing is: then value and versionstamp are null. */
export type KvEntryMaybe<T> = KvEntry<T> | {
  key: KvKey;
  value: null;
  versionstamp: null;
};

/** How to list. */
export interface KvListOptions {
  /** How many entries to give at most, a positive integer. Without it: all. */
  limit?: number;
  /** Where to go on: the {@link KvListIterator.cursor} of an earlier list of the same selector and direction. */
  cursor?: string;
  /** From the last key to the first. */
  reverse?: boolean;
  /** For each batch by itself. */
  consistency?: KvConsistencyLevel;
  /** How many entries are fetched at a time, 1 to 1000. The entries of a batch are of one moment; what is written
   * between two batches may be seen by the later one. Without it: `limit`, or 100, at most 500; a long list goes on
   * in larger batches. */
  batchSize?: number;
}

/** How to read. */
export interface KvReadOptions {
  consistency?: KvConsistencyLevel;
  /** Leave the values as they are stored: bytes and how they are encoded. For what this runtime cannot decode, and for
   * passing values on. */
  encoded?: boolean;
}

/** That something was written. */
export interface KvCommitResult {
  ok: true;
  /** The versionstamp of everything that was written. */
  versionstamp: string;
}

/** That a check failed and nothing was written. */
export interface KvCommitError {
  ok: false;
}

/** A condition of an atomic operation: that the entry of a key still has this versionstamp, or, with null, that there
 * is none. An entry, as `get` returns it, can be given as it is. */
export interface AtomicCheck {
  key: KvKey;
  versionstamp: string | null;
}

/** How a message is to be delivered. */
export interface KvEnqueueOptions {
  /** Milliseconds until it is due, at most 30 days. */
  delay?: number;
  /** Where its value is stored when it was never handled (dead letters): at most ten keys. */
  keysIfUndelivered?: KvKey[];
  /** Milliseconds to wait before each further attempt after one that failed: at most five, each at most an hour.
   * Without it: 100, 1000, 5000, 30000, 60000. With `[]` there is one attempt. */
  backoffSchedule?: number[];
}

/** What a handler is told of a message besides its value. */
export interface KvMessageInfo {
  /** The same each time the message comes: for noticing what was done already. */
  readonly id: string;
  /** 1 at first. Attempts of Deno's own listeners are not counted. */
  readonly attempt: number;
}

/** How to listen. */
export interface KvListenOptions {
  /** How many messages are handled at a time, 1 to 1000; without it: 100. */
  maxInFlight?: number;
}

/** How to watch a range. */
export interface KvWatchRangeOptions {
  /** How many changed keys are remembered until they are read, 1 to 10000; without it: 1000. When more changed the
   * range is to be listed again. */
  maxChanges?: number;
}

/** What happened in a watched range since the delivery before. */
export interface KvRangeChanges<T> {
  /** What changed cannot be told (as at the beginning): list the range. There are no entries then. */
  reread: boolean;
  /** The changed keys in their order, each once, all as of one moment; value and versionstamp are null for those that
   * are gone. */
  entries: KvEntryMaybe<T>[];
  /** Whatever was committed up to it has been told. */
  versionstamp: string;
}

/** How to open. */
export interface OpenOptions {
  /** Refuse writes; the file must be there. */
  readOnly?: boolean;
  /** When a write counts as done. `"full"` (as without it): when it is on stable storage. `"relaxed"`: when the
   * operating system has it, so that a power cut may take the last writes, though never a part of one. */
  durability?: "full" | "relaxed";
  /** Memory for pages of the file, KiB for each connection; without it: 16384. */
  cacheSize?: number;
  /** Of a server; without it: DENO_KV_ACCESS_TOKEN of the environment. */
  accessToken?: string;
  /** A PEM file: authorities to trust besides the system's; without it: what DENO_CERT, or else SSL_CERT_FILE, of the
   * environment names. */
  caFile?: string;
  /** Milliseconds that an operation on a server may take, with all attempts; without it: 30000. */
  timeout?: number;
  /** How to speak to a server. Without it: over TLS whatever both sides know, in clear HTTP/1.1. `2` speaks HTTP/2 in
   * clear, too, to servers that are known to understand it, as tuplet's are. */
  http?: 1 | 2;
}

/** The entries of a list, one by one. Ends by itself and needs no closing; one that was left with `break` goes on
 * where it was when it is iterated again.
 *
 * @example
 * ```ts
 * const users = kv.list<User>({ prefix: ["users"] }, { limit: 50 });
 * for await (const { key, value } of users) console.log(key, value.name);
 * const next = kv.list<User>({ prefix: ["users"] }, { limit: 50, cursor: users.cursor });
 * ```
 */
export interface KvListIterator<T> extends AsyncIterableIterator<KvEntry<T>> {
  /** Where the iterator stands: text that a later list can go on from. `""` when it has come to its end. Throws an
   * Error before the first entry, unless the list was itself begun with a cursor. */
  get cursor(): string;
  /** The next entry. Rejects with a TypeError for a selector or cursor that cannot be, and as {@link Kv.get} does. */
  next(): Promise<IteratorResult<KvEntry<T>, undefined>>;
  [Symbol.asyncIterator](): AsyncIterableIterator<KvEntry<T>>;
}

/** Checks and changes that are committed together, or not at all. Gathered by the methods, each of which returns the
 * operation itself; nothing happens before {@link AtomicOperation.commit}. At most 100 checks, 1,000 changes and
 * messages, 800 KiB in all.
 *
 * @example
 * ```ts
 * const from = await kv.get<number>(["balance", "alice"]);
 * const done = await kv.atomic()
 *   .check(from)
 *   .set(from.key, (from.value ?? 0) - 10)
 *   .enqueue({ paid: 10 })
 *   .commit();
 * if (!done.ok) console.log("somebody was faster; read again");
 * ```
 */
export interface AtomicOperation {
  /** Commit only if these entries have not changed. */
  check(...checks: AtomicCheck[]): this;
  /** Adds changes. Throws a TypeError for a type that does not exist, for a change without the value it needs, and for
   * an expiry that cannot be. */
  mutate(...mutations: KvMutation[]): this;
  /** Adds `n` (0 to 2^64 − 1) to the counter of a key, modulo 2^64.
   *
   * @example
   * ```ts
   * await kv.atomic().sum(["visits"], 1n).commit();
   * ```
   */
  sum(key: KvKey, n: bigint): this;
  /** Makes the counter of a key `n` if it is larger. */
  min(key: KvKey, n: bigint): this;
  /** Makes the counter of a key `n` if it is smaller. */
  max(key: KvKey, n: bigint): this;
  /** Stores a value. `expireIn`: the milliseconds after which it is gone. The value is taken as it is now; changing it
   * later does not matter. */
  set(key: KvKey, value: unknown, options?: { expireIn?: number }): this;
  /** Removes an entry. */
  delete(key: KvKey): this;
  /** Puts a message into the queue. */
  enqueue(value: unknown, options?: KvEnqueueOptions): this;
  /** Commits. Resolves, when it is durable, to what {@link KvCommitResult} holds, or to `{ ok: false }` when a check
   * failed. Rejects with a TypeError when a key, a value or a number of them exceeds its limit, or when a counter
   * meets something else, otherwise as {@link Kv.set}; then nothing was written. May be called again: everything is
   * then done once more. */
  commit(): Promise<KvCommitResult | KvCommitError>;
}

/** An open database, as {@link openKv} returns it.
 *
 * Every method rejects with a `BadResource` error once it is closed, with a TypeError for an argument that cannot be,
 * and with a {@link KvError} whose `code` says what was wrong when the file, the disk or the server fails.
 */
export interface Kv extends Disposable {
  /** The entry of a key.
   *
   * @example
   * ```ts
   * const { value, versionstamp } = await kv.get<User>(["users", "alice"]);
   * if (versionstamp === null) console.log("no such user");
   * ```
   */
  get<T = unknown>(key: KvKey, options?: KvReadOptions & { encoded?: false }): Promise<KvEntryMaybe<T>>;
  /** The entry of a key with its value as it is stored. */
  get(key: KvKey, options: KvReadOptions & { encoded: true }): Promise<KvEntryMaybe<EncodedValue>>;

  /** The entries of up to ten keys, all of one moment, in the order of the keys.
   *
   * @example
   * ```ts
   * const [user, cart] = await kv.getMany<[User, Cart]>([["users", "alice"], ["carts", "alice"]]);
   * ```
   */
  getMany<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: KvKey }],
    options?: KvReadOptions & { encoded?: false },
  ): Promise<{ [K in keyof T]: KvEntryMaybe<T[K]> }>;
  /** The same with the values as they are stored. */
  getMany(
    keys: readonly KvKey[],
    options: KvReadOptions & { encoded: true },
  ): Promise<KvEntryMaybe<EncodedValue>[]>;

  /** Stores a value, whatever was there; resolves when it is durable.
   *
   * A value is anything that structured clone takes (functions, symbols and shared memory are refused with a
   * TypeError), at most 65,536 bytes when encoded. A `Uint8Array` is stored as its bytes, a {@link KvU64} as a
   * counter.
   *
   * `expireIn`: the milliseconds after which the entry is gone, a non-negative integer.
   *
   * @example
   * ```ts
   * await kv.set(["sessions", id], { user: "alice" }, { expireIn: 3_600_000 });
   * await kv.set(["log", kv.commitVersionstamp()], "a key that nobody had before");
   * ```
   */
  set(key: KvKey, value: unknown, options?: { expireIn?: number }): Promise<KvCommitResult>;

  /** Removes an entry, if there is one; resolves when that is durable. */
  delete(key: KvKey): Promise<void>;

  /** Goes through the entries that a selector selects, in the order of their keys. Throws a TypeError for something
   * that is no selector, and an Error for a limit or a batch size that is no positive integer; whatever else is wrong
   * rejects the first `next()`.
   *
   * @example
   * ```ts
   * for await (const entry of kv.list<User>({ prefix: ["users"] }, { reverse: true, limit: 10 })) {
   *   console.log(entry.key, entry.value);
   * }
   * ```
   */
  list<T = unknown>(selector: KvListSelector, options?: KvListOptions & { encoded?: false }): KvListIterator<T>;
  /** The same with the values as they are stored. */
  list(selector: KvListSelector, options: KvListOptions & { encoded: true }): KvListIterator<EncodedValue>;

  /** Puts a message into the database's queue; resolves when it is durable. A listener, of this process or another,
   * handles it, at least once. The value is anything that can be stored, at most 65,536 bytes.
   *
   * @example
   * ```ts
   * await kv.enqueue({ remind: "alice" }, { delay: 60_000, keysIfUndelivered: [["failed", "alice"]] });
   * ```
   */
  enqueue(value: unknown, options?: KvEnqueueOptions): Promise<KvCommitResult>;

  /** Has messages of the queue handled. A message whose handler throws or rejects comes again as its schedule says,
   * and is reported on standard error. Keeps the process alive. Resolves when the database is closed; rejects with an
   * Error when it was closed before, and with a {@link KvError} when listening fails for good.
   *
   * Over the network it needs a server that has a queue for it, as tuplet's has.
   *
   * @example
   * ```ts
   * kv.listenQueue(async (message: { remind: string }, { id, attempt }) => {
   *   const first = await kv.atomic().check({ key: ["done", id], versionstamp: null })
   *     .set(["done", id], true, { expireIn: 86_400_000 }).commit();
   *   if (first.ok) await remind(message.remind);
   * });
   * ```
   */
  listenQueue(
    // deno-lint-ignore no-explicit-any
    handler: (value: any, message: KvMessageInfo) => Promise<void> | void,
    options?: KvListenOptions,
  ): Promise<void>;

  /** Begins an atomic operation. */
  atomic(): AtomicOperation;

  /** Tells the entries of up to ten keys now, and whenever one of them has changed, by whomever: all of them, of one
   * moment. Changes that come faster than they are read are merged. Expiry is a change. The stream ends when the
   * database is closed; cancelling it (leaving a `for await`) ends the watch. With `raw` it also tells of writes that
   * changed nothing, such as the deletion of what is not there, and now and then without a reason; on a server as far
   * as that tells. Throws a TypeError for keys that cannot be.
   *
   * @example
   * ```ts
   * for await (const [stock, price] of kv.watch<[number, number]>([["stock", 1], ["price", 1]])) {
   *   console.log(stock.value, price.value);
   * }
   * ```
   */
  watch<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: KvKey }],
    options?: { raw?: boolean },
  ): ReadableStream<{ [K in keyof T]: KvEntryMaybe<T[K]> }>;

  /** Tells what changes among all the keys of a selector, those to come included. To keep a copy of a range, list it
   * whenever `reread` is true, as it is at first, and apply the entries of every other delivery. Throws a TypeError
   * for a selector that cannot be.
   *
   * Best used by the process that writes the range, or through a server: what another process writes into the file is
   * told as `reread` only.
   *
   * @example
   * ```ts
   * for await (const { reread, entries } of kv.watchRange<Message>({ prefix: ["room", "lobby"] })) {
   *   if (reread) await reload();
   *   for (const { key, value } of entries) value === null ? remove(key) : show(key, value);
   * }
   * ```
   */
  watchRange<T = unknown>(selector: KvListSelector, options?: KvWatchRangeOptions): ReadableStream<KvRangeChanges<T>>;

  /** Closes the database: watches, lists and listeners end, writes that were accepted are completed. Throws a
   * `BadResource` error when it is closed already. */
  close(): void;

  /** A symbol that stands for the versionstamp of the commit, as the last part of a key to `set`: the entry's key then
   * ends with the versionstamp as a string of 20 digits, larger than those of all commits before. */
  commitVersionstamp(): symbol;

  /** As {@link Kv.close}, but may be called again: `using kv = await openKv()`. */
  [Symbol.dispose](): void;

  /** As {@link Kv.close}, but may be called again; resolves when the file is closed: `await using kv = await
   * openKv()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The class of what {@link Kv.list} returns, for `instanceof`; not to be constructed. */
export const KvListIterator = KvListIteratorClass as unknown as {
  new <T>(): KvListIterator<T>;
  readonly prototype: KvListIterator<unknown>;
};

/** The class of what {@link Kv.atomic} returns, for `instanceof`; not to be constructed. */
export const AtomicOperation = AtomicOperationClass as unknown as {
  new (): AtomicOperation;
  readonly prototype: AtomicOperation;
};

/** The class of what {@link openKv} returns, for `instanceof`; not to be constructed. */
export const Kv = KvClass as unknown as { new (): Kv; readonly prototype: Kv };

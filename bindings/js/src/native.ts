/** What the addon (../addon, C over Node-API on libtuplet) exports: the seam between TypeScript and C.
 *
 * TypeScript checks what a user passes and says what is wrong in Deno's words; the addon turns keys and entries into
 * libtuplet's and back, and keeps the event loop alive while something is under way. Where an answer can be had on the
 * calling thread (reads of a local database) a function returns it; otherwise it returns a promise of it. Errors are
 * thrown, or rejected with, as `Hooks.error` makes them.
 */
import { existsSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { KvEntry, KvEntryMaybe, KvKey } from "./types.js";

/** A result that is there already when the database is local. */
export type Soon<T> = T | Promise<T>;

/** An open database, a list, a watch and so on: opaque; freed with the object at the latest. */
export interface Database {
  readonly database: unique symbol;
}
export interface List {
  readonly list: unique symbol;
}
export interface Watch {
  readonly watch: unique symbol;
}
export interface RangeWatch {
  readonly rangeWatch: unique symbol;
}
export interface Listener {
  readonly listener: unique symbol;
}
export interface Message {
  readonly message: unique symbol;
}

/** The encodings of stored values, with the numbers of the file and of the protocol. */
export const enum Encoding {
  V8 = 1,
  LE64 = 2,
  Bytes = 3,
}

/** A value as it is stored. `data` of LE64 is a bigint, of the others the bytes. */
export type Stored = readonly [encoding: Encoding, data: Uint8Array | bigint];

/** What the addon calls back for, set once for each environment (thread) that loads it. */
export interface Hooks {
  /** Where the addon puts the bytes of values for the hooks below, when they are not too many for it. */
  buffer: Uint8Array;
  /** The newest version of V8's format that the runtime reads. */
  versionMax: number;
  /** The value of V8 bytes that the addon does not decode by itself: of these, or of so many in the buffer. What it throws
   * rejects the read. */
  decode(data: Uint8Array | number): unknown;
  /** A copy of so many bytes in the buffer. */
  bytes(size: number): Uint8Array;
  /** Wraps a stored counter. */
  u64(value: bigint): unknown;
  /** Wraps a stored value that is wanted as it is (`encoded`). */
  encoded(encoding: number, data: Uint8Array): unknown;
  /** An entry. It is made in JavaScript because the runtimes make objects of a known shape faster than Node-API does. */
  entry(key: KvKey, value: unknown, versionstamp: string | null): KvEntryMaybe<unknown>;
  /** The error of a libtuplet status (TUPLET_LIMIT is -3, ...) with its message. */
  error(status: number, message: string): Error;
}

export interface OpenOptions {
  readOnly: boolean;
  relaxed: boolean;
  cacheKib: number;
  accessToken: string | null;
  caFile: string | null;
  timeoutMs: number;
  http: 0 | 1 | 2;
}

export interface Selector {
  prefix: KvKey | undefined;
  start: KvKey | undefined;
  end: KvKey | undefined;
}

export interface ListOptions {
  /** 0: no limit. */
  limit: number;
  /** 0: libtuplet's own choice. */
  batchSize: number;
  reverse: boolean;
  cursor: string;
  eventual: boolean;
  encoded: boolean;
}

export type Check = readonly [key: KvKey, versionstamp: string | null];

/** expireIn: milliseconds, or -1 for never. delete has no value; min and max have an LE64 one; sum has an LE64 one, or V8
 * bytes (tuplet_atomic_sum_value, without bounds). setVersionstamped: the key is what stands before the versionstamp. */
export type Mutation = readonly [
  type: "set" | "setVersionstamped" | "delete" | "sum" | "min" | "max",
  key: KvKey,
  value: Stored | undefined,
  expireIn: number,
];

/** delay: milliseconds. backoff: null for the usual schedule. */
export type Enqueue = readonly [
  payload: Stored,
  delay: number,
  keysIfUndelivered: readonly KvKey[],
  backoff: readonly number[] | null,
];

export interface Changes {
  mustReread: boolean;
  entries: KvEntryMaybe<unknown>[];
  versionstamp: string;
}

export interface Native {
  setup(hooks: Hooks): void;
  /** libtuplet's version. */
  version(): string;

  /** path null: the default database. Opens on another thread. */
  open(path: string | null, options: OpenOptions): Promise<Database>;
  path(database: Database): string;
  /** Ends watches, lists and listeners; writes that were accepted are completed first, on another thread. Every call
   * after it throws TUPLET_CLOSED. The promise settles when the file is closed. */
  close(database: Database): Promise<void>;

  get(database: Database, key: KvKey, eventual: boolean, encoded: boolean): Soon<KvEntryMaybe<unknown>>;
  getMany(
    database: Database,
    keys: readonly KvKey[],
    eventual: boolean,
    encoded: boolean,
  ): Soon<KvEntryMaybe<unknown>[]>;

  listOpen(database: Database, selector: Selector, options: ListOptions): List;
  /** The next entry, undefined after the last. */
  listNext(list: List): Soon<KvEntry<unknown> | undefined>;
  /** The cursor of the entry given last. */
  listCursor(list: List): string;
  listClose(list: List): void;

  /** The versionstamp. */
  set(database: Database, key: KvKey, value: Stored, expireIn: number): Promise<string>;
  delete(database: Database, key: KvKey): Promise<string>;
  enqueue(database: Database, message: Enqueue): Promise<string>;
  /** The versionstamp; null when a check failed. */
  commit(
    database: Database,
    checks: readonly Check[],
    mutations: readonly Mutation[],
    messages: readonly Enqueue[],
  ): Promise<string | null>;

  /** raw: also of writes that change nothing. */
  watchOpen(database: Database, keys: readonly KvKey[], raw: boolean): Watch;
  /** All the keys' entries when one of them has changed; null when the watch or the database is closed. One at a
   * time. */
  watchNext(watch: Watch): Promise<KvEntryMaybe<unknown>[] | null>;
  watchClose(watch: Watch): void;

  /** changesMax 0: libtuplet's own choice. */
  rangeWatchOpen(database: Database, selector: Selector, changesMax: number): RangeWatch;
  rangeWatchNext(watch: RangeWatch): Promise<Changes | null>;
  rangeWatchClose(watch: RangeWatch): void;

  /** Calls `deliver` with each message, on this thread, at most `inFlight` of them at a time, and keeps the event loop
   * alive until it is closed; `end` is called once when the listener has ended, with what ended it or undefined. A
   * listener on a server waits for its consent, hence the promise; the first messages may come before it settles. A
   * message that is never finished comes again once its object has been collected. */
  listen(
    database: Database,
    inFlight: number,
    deliver: (message: Message, id: string, attempt: number) => void,
    end: (error: Error | undefined) => void,
  ): Promise<Listener>;
  /** What a message says, until it is finished. Throws what decoding it throws. */
  payload(message: Message): unknown;
  /** Ends a message: handled or not. False when its lease had been lost. */
  finish(message: Message, handled: boolean): Promise<boolean>;
  listenClose(listener: Listener): Promise<void>;

  /** Any V8 bytes (versions 13 to 16) through the C codec. Host objects throw TUPLET_UNSUPPORTED. */
  decodeV8(data: Uint8Array): unknown;
  /** Throws TUPLET_MALFORMED for bytes that are no such value. */
  checkV8(data: Uint8Array): void;
  /** The bytes of the same value as libtuplet writes them, which every runtime reads. */
  recodeV8(data: Uint8Array): Uint8Array;
}

/** Both runtimes take libraries of their own along under the same names (OpenSSL, SQLite, nghttp2): the addon's are to
 * be looked up in its own dependencies first. */
function load(): Native {
  const built = process.env["TUPLET_ADDON"] ?? fileURLToPath(new URL("../build/bindings/js/tuplet.node", import.meta.url));
  if (!existsSync(built)) {
    const compile = fileURLToPath(new URL("../scripts/install.mjs", import.meta.url));
    throw new Error(`The addon of tuplet is not compiled (${built}); this does it: node ${compile}`);
  }
  const module = { exports: {} as Native };
  process.dlopen(module, built, constants.dlopen.RTLD_NOW | (constants.dlopen.RTLD_DEEPBIND ?? 0));
  return module.exports;
}

export const native: Native = load();

/**
 * A Deno KV database in Node and in Deno: the whole API of `Deno.Kv`, in a file, in memory, or on a server, with
 * queues and watches in all of them.
 *
 * @example
 * ```ts
 * import { openKv } from "tuplet";
 *
 * const kv = await openKv("app.sqlite3");
 * ```
 * @module
 */
import { native } from "./native.js";

export { EncodedValue, type KvEncoding } from "./codec.js";
export { BadResource, KvError } from "./errors.js";
export { openKv } from "./kv.js";
export type {
  AtomicCheck,
  KvCommitError,
  KvCommitResult,
  KvConsistencyLevel,
  KvEnqueueOptions,
  KvEntry,
  KvEntryMaybe,
  KvKey,
  KvKeyPart,
  KvListenOptions,
  KvListOptions,
  KvListSelector,
  KvMessageInfo,
  KvMutation,
  KvRangeChanges,
  KvReadOptions,
  KvWatchRangeOptions,
  OpenOptions,
} from "./types.js";
export { AtomicOperation, Kv, KvListIterator } from "./types.js";
export { KvU64 } from "./u64.js";

/** The version of this package's native library, as `"0.1.0"`. */
export const version: string = native.version();

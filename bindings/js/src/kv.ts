/** An open database, and opening one. */
import { AtomicOperation, type Change, checkExpiry, mutationOf } from "./atomic.js";
import { encodeValue, valueHooks } from "./codec.js";
import { errorOf, traced } from "./errors.js";
import { checkFullKey, checkKey, checkKeys, commitVersionstamp, isEventual, withOwnKeys } from "./keys.js";
import { KvListIterator } from "./list.js";
import { type Database, native, type Stored } from "./native.js";
import { nativeOptions, pathOf } from "./options.js";
import { draftOf, listenQueue, messageOf } from "./queue.js";
import type * as types from "./types.js";
import { watch, watchRange } from "./watch.js";

native.setup({
  ...valueHooks,
  entry: (key, value, versionstamp) => ({ key, value, versionstamp }) as types.KvEntryMaybe<unknown>,
  error: errorOf,
});

/** Whoever has it may construct a Kv. */
const permit = Symbol("permit");

function committed(versionstamp: string): types.KvCommitResult {
  return { ok: true, versionstamp };
}

export class Kv {
  #database: Database;
  #closed: Promise<void> | undefined;

  constructor(database: Database | undefined = undefined, given: symbol | undefined = undefined) {
    if (given !== permit) throw new TypeError("Deno.Kv can not be constructed: use Deno.openKv instead");
    this.#database = database as Database;
  }

  async get(key: types.KvKey, options?: types.KvReadOptions): Promise<types.KvEntryMaybe<unknown>> {
    checkKey(key);
    const reading = native.get(this.#database, key, isEventual(options?.consistency), Boolean(options?.encoded));
    return reading instanceof Promise ? await traced(reading) : reading;
  }

  async getMany(
    keys: readonly types.KvKey[],
    options?: types.KvReadOptions,
  ): Promise<types.KvEntryMaybe<unknown>[]> {
    const checked = checkKeys(keys);
    const { consistency, encoded } = options ?? {};
    const reading = native.getMany(this.#database, checked, isEventual(consistency), Boolean(encoded));
    const entries = reading instanceof Promise ? await traced(reading) : reading;
    return withOwnKeys(entries, checked);
  }

  async set(key: types.KvKey, value: unknown, options?: { expireIn?: number }): Promise<types.KvCommitResult> {
    const expireIn = options?.expireIn;
    checkExpiry(expireIn);
    return await this.#change({ type: "set", key, value: encodeValue(value), expireIn });
  }

  async delete(key: types.KvKey): Promise<void> {
    checkFullKey(key);
    await traced(native.delete(this.#database, key));
  }

  list(selector: types.KvListSelector, options: types.KvListOptions & { encoded?: boolean } = {}): KvListIterator {
    return new KvListIterator(this.#database, selector, options);
  }

  async enqueue(value: unknown, options?: types.KvEnqueueOptions): Promise<types.KvCommitResult> {
    return committed(await traced(native.enqueue(this.#database, messageOf(draftOf(value, options)))));
  }

  async listenQueue(
    handler: (value: unknown, message: types.KvMessageInfo) => Promise<void> | void,
    options: types.KvListenOptions = {},
  ): Promise<void> {
    if (this.#closed !== undefined) throw new Error("Queue already closed");
    return listenQueue(this.#database, handler, options);
  }

  atomic(): AtomicOperation {
    return new AtomicOperation(this.#database);
  }

  watch(keys: readonly types.KvKey[], options: { raw?: boolean } = {}): ReadableStream<types.KvEntryMaybe<unknown>[]> {
    return watch(this.#database, keys, options);
  }

  watchRange(
    selector: types.KvListSelector,
    options: types.KvWatchRangeOptions = {},
  ): ReadableStream<types.KvRangeChanges<unknown>> {
    return watchRange(this.#database, selector, options);
  }

  commitVersionstamp(): symbol {
    return commitVersionstamp;
  }

  close(): void {
    this.#closed = native.close(this.#database);
  }

  [Symbol.dispose](): void {
    if (this.#closed === undefined) this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    await this.#closed;
  }

  async #change(change: Change): Promise<types.KvCommitResult> {
    const mutation = mutationOf(change);
    const [type, key, value, expireIn] = mutation;
    if (type === "set") return committed(await traced(native.set(this.#database, key, value as Stored, expireIn)));
    return committed(await traced(native.commit(this.#database, [], [mutation], [])) as string);
  }
}

/** Opens a database, making it when it is not there.
 *
 * `path` is a file, `":memory:"` for a database that belongs to this object alone, or the URL (`http://`, `https://`)
 * of a server that speaks KV Connect. Without it: what DENO_KV_DEFAULT_PATH of the environment names; or else, in
 * Deno, the file that Deno's own openKv() opens (memory in a worker), and in Node a file in the user's data directory
 * that belongs to the working directory. DENO_KV_PATH_PREFIX of the environment is put in front of every path.
 *
 * Several processes, Deno with its built-in database among them, may have the same file open.
 *
 * Rejects with a TypeError for a path or an option that cannot be, and with a {@link KvError} when the database
 * cannot be opened: its code tells why (`TUPLET_IO`, `TUPLET_FORMAT`, `TUPLET_DENIED`, …).
 *
 * @example
 * ```ts
 * import { openKv } from "tuplet";
 *
 * const kv = await openKv("app.sqlite3");
 * await kv.set(["users", "alice"], { name: "Alice" });
 * console.log((await kv.get(["users", "alice"])).value);
 * kv.close();
 * ```
 * @example
 * ```ts
 * const kv = await openKv("https://kv.example.org/app", { accessToken: "…", timeout: 5000 });
 * ```
 */
export async function openKv(path?: string, options?: types.OpenOptions): Promise<types.Kv> {
  const database = await traced(native.open(pathOf(path), nativeOptions(options ?? {})));
  return new Kv(database, permit) as unknown as types.Kv;
}

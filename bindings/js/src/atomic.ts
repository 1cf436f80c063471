/** Atomic operations: checks, changes and messages, gathered until they are committed. */
import { encodeValue } from "./codec.js";
import { traced } from "./errors.js";
import { makeInspectable } from "./inspect.js";
import { checkFullKey, isVersionstamped } from "./keys.js";
import { type Check, type Database, Encoding, type Mutation, native, type Stored } from "./native.js";
import { type Draft, draftOf, messageOf } from "./queue.js";
import type {
  AtomicCheck,
  KvCommitError,
  KvCommitResult,
  KvEnqueueOptions,
  KvKey,
  KvMutation,
} from "./types.js";
import { KvU64 } from "./u64.js";

/** The last moment that Deno can store, in milliseconds of Unix. */
const expiryMsMax = 8_210_266_876_799_999;

/** A change as it was given: its value is taken at once, its key looked at when it is committed. */
export interface Change {
  readonly type: KvMutation["type"];
  readonly key: KvKey;
  readonly value: Stored | undefined;
  readonly expireIn: number | undefined;
}

/** Throws a TypeError for an expiry that cannot be. */
export function checkExpiry(expireIn: number | undefined): void {
  if (expireIn === undefined || (Number.isInteger(expireIn) && expireIn >= 0)) return;
  throw new TypeError(`expireIn must be a non-negative integer: received ${expireIn}`);
}

/** What mutate() was given. Throws a TypeError for what is no change. */
function changeOf(mutation: KvMutation): Change {
  const key = mutation.key;
  const { type, value, expireIn } = mutation as KvMutation & { value?: unknown; expireIn?: number };
  switch (type) {
    case "delete":
      if (value) throw new TypeError("Invalid mutation 'delete' with value");
      return { type, key, value: undefined, expireIn: undefined };
    case "set":
    case "sum":
    case "min":
    case "max": {
      const expiry = type === "set" && typeof expireIn === "number" ? expireIn : undefined;
      checkExpiry(expiry);
      if (!Object.hasOwn(mutation, "value")) throw new TypeError(`Invalid mutation '${type}' without value`);
      return { type, key, value: encodeValue(value), expireIn: expiry };
    }
    default:
      throw new TypeError("Invalid mutation type");
  }
}

/** The expiry as the addon takes it. */
function expiryOf(expireIn: number | undefined): number {
  if (expireIn === undefined) return -1;
  if (Date.now() + expireIn <= expiryMsMax) return expireIn;
  const received = BigInt(expireIn) < 2n ** 64n ? BigInt(expireIn) : 2n ** 64n - 1n;
  throw new TypeError(`Invalid mutation: expireIn is too large: ${received}`);
}

/** A change as the addon takes it. Throws a TypeError for a key, an expiry and an operand that cannot be. */
export function mutationOf({ type, key, value, expireIn }: Change): Mutation {
  if (type === "set" && isVersionstamped(key)) {
    const prefix = key.slice(0, -1);
    checkFullKey(prefix);
    return ["setVersionstamped", prefix, value, expiryOf(expireIn)];
  }
  checkFullKey(key);
  if ((type === "min" || type === "max") && value?.[0] !== Encoding.LE64) {
    throw new TypeError(`Failed to perform '${type}' mutation on a non-U64 operand`);
  }
  return [type, key, value, expiryOf(expireIn)];
}

function checkOf({ key, versionstamp = null }: AtomicCheck): Check {
  checkFullKey(key);
  if (versionstamp !== null && !/^[0-9a-fA-F]{20}$/.test(versionstamp)) throw new TypeError("Invalid check");
  return [key, versionstamp];
}

export class AtomicOperation {
  static {
    makeInspectable(AtomicOperation.prototype, (operation) => ({
      checks: operation.#checks,
      changes: operation.#changes,
      messages: operation.#messages,
    }));
  }

  #database: Database;
  #checks: AtomicCheck[] = [];
  #changes: Change[] = [];
  #messages: Draft[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  check(...checks: AtomicCheck[]): this {
    for (const check of checks) this.#checks.push({ key: check.key, versionstamp: check.versionstamp });
    return this;
  }

  mutate(...mutations: KvMutation[]): this {
    for (const mutation of mutations) this.#changes.push(changeOf(mutation));
    return this;
  }

  sum(key: KvKey, n: bigint): this {
    return this.#count("sum", key, n);
  }

  min(key: KvKey, n: bigint): this {
    return this.#count("min", key, n);
  }

  max(key: KvKey, n: bigint): this {
    return this.#count("max", key, n);
  }

  set(key: KvKey, value: unknown, options?: { expireIn?: number }): this {
    checkExpiry(options?.expireIn);
    this.#changes.push({ type: "set", key, value: encodeValue(value), expireIn: options?.expireIn });
    return this;
  }

  delete(key: KvKey): this {
    this.#changes.push({ type: "delete", key, value: undefined, expireIn: undefined });
    return this;
  }

  enqueue(value: unknown, options?: KvEnqueueOptions): this {
    this.#messages.push(draftOf(value, options));
    return this;
  }

  async commit(): Promise<KvCommitResult | KvCommitError> {
    const checks = this.#checks.map(checkOf);
    const changes = this.#changes.map(mutationOf);
    const messages = this.#messages.map(messageOf);
    const versionstamp = await traced(native.commit(this.#database, checks, changes, messages));
    return versionstamp === null ? { ok: false } : { ok: true, versionstamp };
  }

  /** Makes `await` on an operation that was not committed an error, and not a silent nothing. */
  then(): never {
    throw new TypeError("'Deno.AtomicOperation' is not a promise: did you forget to call 'commit()'");
  }

  #count(type: "sum" | "min" | "max", key: KvKey, n: bigint): this {
    this.#changes.push({ type, key, value: encodeValue(new KvU64(n)), expireIn: undefined });
    return this;
  }
}

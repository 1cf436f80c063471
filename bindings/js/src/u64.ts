/** KvU64: a counter. */

const MAX = 0xffff_ffff_ffff_ffffn;

/** An unsigned 64-bit integer, stored as such and not as a bigint is: what `sum`, `min` and `max` work on.
 *
 * The constructor throws a TypeError for anything but a bigint, and a RangeError for one below 0 or above 2^64 − 1.
 *
 * @example
 * ```ts
 * await kv.set(["visits"], new KvU64(0n));
 * await kv.atomic().sum(["visits"], 1n).commit();
 * const { value } = await kv.get<KvU64>(["visits"]);
 * console.log(value?.value); // 1n
 * ```
 */
export class KvU64 {
  /** The number. */
  readonly value: bigint;

  constructor(value: bigint) {
    if (typeof value !== "bigint") throw new TypeError(`Value must be a bigint: received ${typeof value}`);
    if (value < 0n) throw new RangeError(`Value must be a positive bigint: received ${value}`);
    if (value > MAX) throw new RangeError("Value must fit in a 64-bit unsigned integer");
    this.value = value;
    Object.freeze(this);
  }

  toString(): string {
    return String(this.value);
  }
}

type Inspect = (value: unknown, options: unknown) => string;

function inspected(counter: KvU64, options: unknown, inspect: Inspect): string {
  return inspect(Object(counter.value), options).replace("BigInt", "Deno.KvU64");
}

// Not declared in the class, so that its type stays that of Deno.KvU64.
Object.defineProperties(KvU64.prototype, {
  // So that counters compare and add as bigints do.
  valueOf: {
    configurable: true,
    writable: true,
    value(this: KvU64) {
      return this.value;
    },
  },
  [Symbol.toStringTag]: {
    configurable: true,
    get: () => "Deno.KvU64",
  },
  [Symbol.for("Deno.customInspect")]: {
    configurable: true,
    writable: true,
    value(this: KvU64, inspect: Inspect, options: unknown) {
      return inspected(this, options, inspect);
    },
  },
  [Symbol.for("nodejs.util.inspect.custom")]: {
    configurable: true,
    writable: true,
    value(this: KvU64, _depth: number, options: unknown, inspect: Inspect) {
      return inspected(this, options, inspect);
    },
  },
});

const denoKvU64 = (globalThis as { Deno?: { KvU64?: new (value: bigint) => KvU64 } }).Deno?.KvU64;

/** Whether a value is a counter: ours or, in Deno, Deno's own. */
export function isKvU64(value: unknown): value is KvU64 {
  return value instanceof KvU64 || denoKvU64 !== undefined && value instanceof denoKvU64;
}

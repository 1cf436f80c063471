/** How an atomic operation prints: as the calls that made it. */
import { Encoding, native, type Stored } from "./native.js";
import type { Change } from "./atomic.js";
import type { Draft } from "./queue.js";
import type { AtomicCheck } from "./types.js";
import { KvU64 } from "./u64.js";

type Inspect = (value: unknown, options: unknown) => string;

/** What an operation consists of. */
export interface Parts {
  readonly checks: readonly AtomicCheck[];
  readonly changes: readonly Change[];
  readonly messages: readonly Draft[];
}

function shown(stored: Stored, show: (value: unknown) => string): string {
  const [encoding, data] = stored;
  if (encoding === Encoding.LE64) return show(new KvU64(data as bigint));
  if (encoding === Encoding.Bytes) return show(data);
  try {
    return show(native.decodeV8(data as Uint8Array));
  } catch {
    return "[v8 value]";
  }
}

function describe({ checks, changes, messages }: Parts, show: (value: unknown) => string): string {
  const lines: string[] = [];
  for (const { key, versionstamp } of checks) {
    lines.push(`check({ key: ${show(key)}, versionstamp: ${versionstamp === null ? "null" : `"${versionstamp}"`} })`);
  }
  for (const { type, key, value, expireIn } of changes) {
    const given = [show(key)];
    if (value !== undefined) given.push(shown(value, show));
    if (expireIn !== undefined) given.push(`{ expireIn: ${expireIn} }`);
    lines.push(`${type}(${given.join(", ")})`);
  }
  for (const { payload, delay, keysIfUndelivered, backoff } of messages) {
    const options: string[] = [];
    if (delay !== 0) options.push(`delay: ${delay}`);
    if (keysIfUndelivered.length > 0) options.push(`keysIfUndelivered: ${show(keysIfUndelivered)}`);
    if (backoff !== null) options.push(`backoffSchedule: ${show(backoff)}`);
    const given = options.length === 0 ? [] : [`{ ${options.join(", ")} }`];
    lines.push(`enqueue(${[shown(payload, show), ...given].join(", ")})`);
  }
  return lines.length === 0 ? "AtomicOperation (empty)" : ["AtomicOperation", ...lines].join("\n  ");
}

/** Makes objects of a class print as `partsOf` says they were made, by both runtimes' inspection. */
export function makeInspectable<T extends object>(prototype: T, partsOf: (operation: T) => Parts): void {
  const methods = {
    "Deno.customInspect"(this: T, inspect: Inspect, options: unknown): string {
      return describe(partsOf(this), (value) => inspect(value, options));
    },
    "nodejs.util.inspect.custom"(this: T, _depth: number, options: unknown, inspect: Inspect): string {
      return describe(partsOf(this), (value) => inspect(value, options));
    },
  };
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, Symbol.for(name), { value, writable: true, configurable: true });
  }
}

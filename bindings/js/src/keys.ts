/** Keys and selectors as a user passes them: what is wrong with them, said as Deno says it. */
import type { Selector } from "./native.js";
import type { KvEntryMaybe, KvKey, KvKeyPart, KvListSelector } from "./types.js";

/** What kv.commitVersionstamp() returns. */
export const commitVersionstamp: symbol = Symbol("KvCommitVersionstamp");

/** A value in the words of an error message: its type, and no more of it. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? value.constructor?.name ?? "object" : typeof value;
}

function checkPart(part: KvKeyPart): void {
  switch (typeof part) {
    case "string":
    case "number":
    case "bigint":
    case "boolean":
      return;
    case "object":
      if (ArrayBuffer.isView(part)) {
        if (part.buffer instanceof ArrayBuffer) return;
        throw new TypeError("A key cannot hold a view of shared memory");
      }
  }
  throw new TypeError("expected string, number, bigint, ArrayBufferView, boolean");
}

/** Throws a TypeError unless `key` is an array of parts. Sizes are libtuplet's to judge. */
export function checkKey(key: KvKey): void {
  if (!Array.isArray(key)) throw new TypeError(`A key must be an array of its parts: received ${kindOf(key)}`);
  for (let i = 0; i < key.length; i++) checkPart(key[i] as KvKeyPart);
}

/** The same for a key that is to be written or checked, which needs a part. */
export function checkFullKey(key: KvKey): void {
  checkKey(key);
  if (key.length === 0) throw new TypeError("key cannot be empty");
}

export function isVersionstamped(key: KvKey): boolean {
  return Array.isArray(key) && key[key.length - 1] === commitVersionstamp;
}

/** An array-like of keys as an array, each of them checked. */
export function checkKeys(keys: readonly KvKey[]): readonly KvKey[] {
  const array = Array.isArray(keys) ? keys as KvKey[] : Array.prototype.map.call(keys, (key) => key) as KvKey[];
  for (let i = 0; i < array.length; i++) checkKey(array[i] as KvKey);
  return array;
}

/** Entries of which those that are missing have the keys that were asked for, and not ones that mean the same. */
export function withOwnKeys<T>(entries: KvEntryMaybe<T>[], keys: readonly KvKey[]): KvEntryMaybe<T>[] {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as KvEntryMaybe<T>;
    if (entry.versionstamp === null) entry.key = keys[i] as KvKey;
  }
  return entries;
}

/** A member of a selector that was given, as a copy. */
function memberOf(selector: KvListSelector, name: "prefix" | "start" | "end"): KvKey | undefined {
  if (!Object.hasOwn(selector, name)) return undefined;
  const key = (selector as Record<string, KvKey | undefined>)[name];
  return key === undefined ? undefined : Array.prototype.slice.call(key) as KvKey;
}

/** The selector that `selector` says now. Throws a TypeError when its members do not make one; its keys are not looked
 * at yet. */
export function selectorOf(selector: KvListSelector): Selector {
  const prefix = memberOf(selector, "prefix");
  const start = memberOf(selector, "start");
  const end = memberOf(selector, "end");
  if (prefix !== undefined && start !== undefined && end !== undefined) {
    throw new TypeError("Selector can not specify both 'start' and 'end' key when specifying 'prefix'");
  }
  if (prefix === undefined && (start === undefined || end === undefined)) {
    throw new TypeError("Selector must specify either 'prefix' or both 'start' and 'end' key");
  }
  return { prefix, start, end };
}

/** Throws a TypeError unless the keys of a selector are keys. */
export function checkSelector(selector: Selector): void {
  if (selector.prefix !== undefined) checkKey(selector.prefix);
  if (selector.start !== undefined) checkKey(selector.start);
  if (selector.end !== undefined) checkKey(selector.end);
}

/** Whether a read may be answered by a replica. */
export function isEventual(consistency: unknown): boolean {
  if (consistency === undefined || consistency === null || consistency === "strong") return false;
  if (consistency === "eventual") return true;
  const received =
    typeof consistency === "string" ? `unknown variant \`${consistency}\`` : `received ${kindOf(consistency)}`;
  throw new TypeError(`${received}, expected \`strong\` or \`eventual\``);
}

/** Structured clone: values in V8's format, written by the runtime itself (node:v8, which Deno has, too), in version 15,
 * which every current runtime reads. What structured clone would lose without a word is refused as Deno refuses it, or
 * mended.
 */
import { Buffer } from "node:buffer";
import { types } from "node:util";
import { Serializer } from "node:v8";
import { native } from "./native.js";

const HEADER = [0xff, 15];

// ---- Primitives --------------------------------------------------------------------------------------------------------
// Most values are small, and a Serializer costs more than writing them.

const INT_MAX = 2 ** 30; // what V8 writes as an integer wherever it runs
const STRING_MAX = 64; // longer ones are better left to the Serializer

function varint(bytes: number[], number: number): void {
  for (; number >= 0x80; number >>>= 7) bytes.push(number & 0x7f | 0x80);
  bytes.push(number);
}

function writeNumber(number: number): Uint8Array {
  if (Number.isInteger(number) && -INT_MAX <= number && number < INT_MAX && !Object.is(number, -0)) {
    const bytes = [...HEADER, 0x49];
    varint(bytes, (number << 1 ^ number >> 31) >>> 0);
    return Uint8Array.from(bytes);
  }
  const bytes = Uint8Array.of(...HEADER, 0x4e, 0, 0, 0, 0, 0, 0, 0, 0);
  new DataView(bytes.buffer).setFloat64(3, number, true);
  return bytes;
}

/** Undefined for a string that is long or not Latin-1. */
function writeString(string: string): Uint8Array | undefined {
  if (string.length > STRING_MAX) return undefined;
  const head = [...HEADER, 0x22];
  varint(head, string.length);
  const bytes = new Uint8Array(head.length + string.length);
  bytes.set(head);
  for (let i = 0; i < string.length; i++) {
    const unit = string.charCodeAt(i);
    if (unit > 0xff) return undefined;
    bytes[head.length + i] = unit;
  }
  return bytes;
}

/** Undefined for what is left to the Serializer. */
function writePrimitive(value: unknown): Uint8Array | undefined {
  switch (typeof value) {
    case "undefined":
      return Uint8Array.of(...HEADER, 0x5f);
    case "boolean":
      return Uint8Array.of(...HEADER, value ? 0x54 : 0x46);
    case "number":
      return writeNumber(value);
    case "string":
      return writeString(value);
    default:
      return value === null ? Uint8Array.of(...HEADER, 0x30) : undefined;
  }
}

// ---- What the Serializer does not do well --------------------------------------------------------------------------------

class ValueSerializer extends Serializer {
  /** Node calls it for its own objects that have nothing to clone. */
  _writeHostObject(object: object): never {
    throw uncloneable(object);
  }
}

/** How Deno marks objects that its own structured clone passes by other ways; its Serializer writes them as `{}`. */
const hostObjectBrand = "Deno" in globalThis
  ? Object.getOwnPropertySymbols(Blob.prototype).find(({ description }) => description === "Deno.core.hostObject")
  : undefined;

/** Whether the Serializer would lose what the object is. */
function isHostObject(object: object): boolean {
  return hostObjectBrand !== undefined && hostObjectBrand in object || object instanceof DOMException;
}

/** A Buffer that shares its memory with others, as short ones do in Node: all of the memory would be stored. */
function isPooled(object: object): boolean {
  return Buffer.isBuffer(object) && object.byteLength !== object.buffer.byteLength;
}

function uncloneable(object: object): TypeError {
  const name = typeof object.constructor === "function" ? object.constructor.name : "Object";
  return new TypeError(`#<${name}> could not be cloned.`);
}

function write(value: unknown): Uint8Array {
  const serializer = new ValueSerializer();
  serializer.writeHeader();
  try {
    serializer.writeValue(value);
  } catch (error) {
    // A plain Error says that something cannot be cloned; everything else a getter has thrown.
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
    if (error.message.endsWith(" could not be cloned.")) throw new TypeError(error.message);
    if (error.message.includes("wasm_module")) throw new TypeError("Wasm modules cannot be stored");
    throw error;
  }
  const bytes = serializer.releaseBuffer();
  if (bytes.length <= HEADER.length) throw new TypeError("Wasm modules cannot be stored"); // Node writes nothing at all
  return bytes;
}

/** Whether the Serializer writes the cause of an error before its stack, as older ones do, which newer ones do not read. */
const writesCauseEarly = (() => {
  const error = new Error("", { cause: "cause" });
  error.stack = "stack";
  const bytes = Buffer.from(write(error));
  return bytes.indexOf("cause") < bytes.indexOf("stack");
})();

/** Values of more bytes cannot be stored. */
const SIZE_MAX = 65_536;

/** Whether a string begins there. */
function isStringAt(bytes: Uint8Array, at: number): boolean {
  const tag = bytes[at];
  return tag === 0x22 || tag === 0x63 || tag === 0;
}

/** Whether it may be an error behind the tag `r` there that is to be looked at. */
function isSuspiciousError(bytes: Uint8Array, at: number): boolean {
  const type = bytes[at]!; // E F R S T U, or none
  const tag = bytes[type === 0x45 || type === 0x46 || type >= 0x52 && type <= 0x55 ? ++at : at];
  if (tag === 0x6d) return writesCauseEarly && isStringAt(bytes, at + 1); // m, its message
  if (tag === 0x63) return writesCauseEarly; // c, its cause
  return tag === 0x73 && hostObjectBrand !== undefined && isStringAt(bytes, at + 1); // s, its stack
}

/** The number there, and where it ends. */
function readVarint(bytes: Uint8Array, at: number): [number: number, end: number] {
  let number = 0;
  for (let unit = 1; at < bytes.length; unit *= 128) {
    const byte = bytes[at++]!;
    number += (byte & 0x7f) * unit;
    if (byte < 0x80) break;
  }
  return [number, at];
}

/** Whether it may be memory behind the tag `B` there of which a Uint8Array (the tags `VB`) shows but a part. */
function isShownInPart(bytes: Uint8Array, at: number): boolean {
  const [size, begin] = readVarint(bytes, at);
  const end = begin + size;
  if (bytes[end] !== 0x56 || bytes[end + 1] !== 0x42) return false;
  const [, afterOffset] = readVarint(bytes, end + 2);
  return readVarint(bytes, afterOffset)[0] !== size;
}

/** Whether there may be something in a value that is to be looked at, from its bytes alone, as nearly all values have
 * nothing of the kind: an object without properties or an error without a message, as host objects are written; an error
 * that may have a cause; the memory that Buffers share. */
function isSuspicious(bytes: Uint8Array): boolean {
  if (bytes.length > SIZE_MAX) return true;
  for (let i = HEADER.length; i < bytes.length - 2; i++) {
    const byte = bytes[i];
    if (byte === 0x6f && bytes[i + 1] === 0x7b && bytes[i + 2] === 0) return true; // o{, and no properties
    if (byte === 0x72 && isSuspiciousError(bytes, i + 1)) return true;
    if (byte === 0x42 && isShownInPart(bytes, i + 1)) return true;
  }
  return false;
}

/** The values directly in an object. Calls its getters, as cloning does. */
function childrenOf(object: object): Iterable<unknown> {
  if (types.isMap(object)) return [...object.keys(), ...object.values()];
  if (types.isSet(object)) return object;
  if (types.isNativeError(object)) return [object.cause];
  return ArrayBuffer.isView(object) ? [] : Object.values(object);
}

/** Every object in a value, once. */
function* objectsIn(value: unknown): Iterable<object> {
  const seen = new Set<object>();
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    yield next;
    for (const child of childrenOf(next)) {
      if (typeof child === "object") waiting.push(child);
    }
  }
}

/** Whether the properties of an object are all that is cloned of it. */
function isPlain(object: object): boolean {
  return !(ArrayBuffer.isView(object) || types.isAnyArrayBuffer(object) || types.isBoxedPrimitive(object) ||
    types.isDate(object) || types.isRegExp(object) || types.isNativeError(object) || types.isProxy(object));
}

/** The value with copies of its pooled Buffers, which as structured clone has it become Uint8Arrays. Whatever holds
 * others is copied with its order, its sharing and its circles; errors are not looked into. */
function withoutPools(root: unknown): unknown {
  const copies = new Map<object, object>();
  const waiting: (() => void)[] = [];
  const copyOf = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    let copy = copies.get(value);
    if (copy !== undefined) return copy;
    if (isPooled(value)) {
      copy = new Uint8Array(value as Uint8Array);
    } else if (types.isMap(value)) {
      const map = copy = new Map<unknown, unknown>();
      waiting.push(() => value.forEach((item, key) => map.set(copyOf(key), copyOf(item))));
    } else if (types.isSet(value)) {
      const set = copy = new Set<unknown>();
      waiting.push(() => value.forEach((item) => set.add(copyOf(item))));
    } else if (isPlain(value)) {
      const object: object = copy = Array.isArray(value) ? new Array(value.length) : {};
      waiting.push(() => {
        for (const [key, item] of Object.entries(value)) {
          Object.defineProperty(object, key, { value: copyOf(item), enumerable: true, configurable: true, writable: true });
        }
      });
    } else {
      copy = value;
    }
    copies.set(value, copy);
    return copy;
  };
  const copy = copyOf(root);
  for (let fill = waiting.pop(); fill !== undefined; fill = waiting.pop()) fill();
  return copy;
}

// ---- The whole ---------------------------------------------------------------------------------------------------------

/** The bytes of a value. Throws a TypeError for what cannot be cloned ("#<Promise> could not be cloned."). */
export function serialize(value: unknown): Uint8Array {
  const primitive = writePrimitive(value);
  if (primitive !== undefined) return primitive;
  const bytes = write(value);
  if (!isSuspicious(bytes)) return bytes;
  let hasPooled = false;
  let hasCause = false;
  for (const object of objectsIn(value)) {
    if (isHostObject(object)) throw uncloneable(object);
    hasPooled ||= isPooled(object);
    hasCause ||= types.isNativeError(object) && Object.hasOwn(object, "cause");
  }
  const mended = hasPooled ? write(withoutPools(value)) : bytes;
  return hasCause && writesCauseEarly ? native.recodeV8(mended) : mended;
}

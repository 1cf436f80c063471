/** Values: what is stored of them, and back.
 *
 * Structured clone is the runtime's own (node:v8, which Deno has, too), whose bytes every other runtime reads. What the
 * runtime cannot read (bytes of a newer version), libtuplet's codec reads.
 */
import { types } from "node:util";
import { Deserializer, Serializer } from "node:v8";
import { Encoding, native, type Stored } from "./native.js";
import { isKvU64, KvU64 } from "./u64.js";

/** How a value is stored: in V8's structured clone format, as a {@link KvU64}, as the bytes of a `Uint8Array`; or in a
 * way that is not known, which only a damaged database holds. */
export type KvEncoding = "v8" | "u64" | "bytes" | "unknown";

const encodings = { v8: Encoding.V8, u64: Encoding.LE64, bytes: Encoding.Bytes } as const;

/** A value as it is stored. Reading calls give it when asked with `encoded: true`; what takes values (`set`, `enqueue` and
 * so on) stores it as it is, provided that its bytes are what `encoding` says.
 *
 * @example
 * ```ts
 * for await (const { key, value } of from.list({ prefix: [] }, { encoded: true })) await to.set(key, value);
 * ```
 */
export class EncodedValue {
  readonly encoding: KvEncoding;
  /** The bytes; those of `"u64"` are eight, the least significant first. */
  readonly data: Uint8Array;

  constructor(encoding: KvEncoding, data: Uint8Array) {
    this.encoding = encoding;
    this.data = data;
  }
}

class ValueSerializer extends Serializer {
  /** Called by writeValue for what cannot be cloned, with the message. */
  _getDataCloneError(message: string): Error {
    return new TypeError(message);
  }
  /** Called for objects of the runtime that have no properties to clone. */
  _writeHostObject(object: object): never {
    throw uncloneable(object);
  }
}

function uncloneable(object: object): TypeError {
  return new TypeError(`#<${object.constructor?.name ?? "Object"}> could not be cloned.`);
}

function serialize(value: unknown): Uint8Array {
  const serializer = new ValueSerializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

function encodedAsItIs({ encoding, data }: EncodedValue): Stored {
  if (!types.isUint8Array(data)) throw new TypeError("The data of an EncodedValue must be a Uint8Array");
  const bytes = Uint8Array.prototype.slice.call(data);
  switch (encoding) {
    case "v8":
      native.decodeV8(bytes);
      return [Encoding.V8, bytes];
    case "u64":
      if (bytes.byteLength !== 8) {
        throw new TypeError(`The data of an EncodedValue of "u64" must be 8 bytes: received ${bytes.byteLength}`);
      }
      return [Encoding.LE64, new DataView(bytes.buffer).getBigUint64(0, true)];
    case "bytes":
      return [Encoding.Bytes, bytes];
    default:
      throw new TypeError(`The encoding of an EncodedValue must be "v8", "u64" or "bytes": received ${encoding}`);
  }
}

/** A value as it is stored: a copy, which later changes of the value do not touch. Throws a TypeError for what cannot be
 * stored. */
export function encodeValue(value: unknown): Stored {
  if (value instanceof EncodedValue) return encodedAsItIs(value);
  if (types.isUint8Array(value)) return [Encoding.Bytes, Uint8Array.prototype.slice.call(value)];
  if (isKvU64(value)) return [Encoding.LE64, value.value];
  return [Encoding.V8, serialize(value)];
}

/** A message as it is stored: always in V8's format, as Deno's are. */
export function encodePayload(value: unknown): Stored {
  if (value instanceof EncodedValue) return encodedAsItIs(value);
  return [Encoding.V8, serialize(value)];
}

/** `Hooks.decode`: the value of bytes in V8's format. */
export function decode(data: Uint8Array): unknown {
  try {
    const deserializer = new Deserializer(data);
    deserializer.readHeader();
    return deserializer.readValue();
  } catch {
    return native.decodeV8(data);
  }
}

/** `Hooks.u64`. */
export function u64(value: bigint): KvU64 {
  return new KvU64(value);
}

/** `Hooks.encoded`. */
export function encoded(encoding: number, data: Uint8Array): EncodedValue {
  for (const [name, number] of Object.entries(encodings)) {
    if (number === encoding) return new EncodedValue(name as KvEncoding, data);
  }
  return new EncodedValue("unknown", data);
}

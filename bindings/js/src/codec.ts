/** Values: what is stored of them, and back. The addon (../addon/value.c) decides who decodes what. */
import { types } from "node:util";
import { Deserializer } from "node:v8";
import { Encoding, native, type Stored } from "./native.js";
import { serialize } from "./serialize.js";
import { isKvU64, KvU64 } from "./u64.js";

/** How a value is stored: in V8's structured clone format, as a {@link KvU64}, as the bytes of a `Uint8Array`; or in a
 * way that nobody knows, which only a damaged database holds. */
export type KvEncoding = "v8" | "u64" | "bytes" | "unknown";

const names: Readonly<Record<number, KvEncoding>> = {
  [Encoding.V8]: "v8",
  [Encoding.LE64]: "u64",
  [Encoding.Bytes]: "bytes",
};

/** A value as it is stored. Reading calls give it when they are asked with `encoded: true`; what takes values (`set`,
 * `enqueue` and so on) stores it as it is, and throws a TypeError when its bytes are not what `encoding` says.
 *
 * @example
 * ```ts
 * for await (const { key, value } of from.list({ prefix: [] }, { encoded: true })) await to.set(key, value);
 * ```
 */
export class EncodedValue {
  readonly encoding: KvEncoding;
  /** The bytes. Those of `"u64"` are eight, the least significant first. */
  readonly data: Uint8Array;

  constructor(encoding: KvEncoding, data: Uint8Array) {
    this.encoding = encoding;
    this.data = data;
  }
}

// ---- Encoding ----------------------------------------------------------------------------------------------------------

function copyOf(bytes: Uint8Array): Uint8Array {
  if (types.isSharedArrayBuffer(bytes.buffer)) throw new TypeError("#<SharedArrayBuffer> could not be cloned.");
  return new Uint8Array(bytes);
}

/** Refuses bytes that nobody could read; those of host objects somebody can. */
function checkV8(bytes: Uint8Array): void {
  try {
    if (bytes.length > 1 && bytes[1]! > LIBRARY_VERSION_MAX) deserialize(bytes);
    else native.checkV8(bytes);
  } catch (error) {
    throw new TypeError(`The data of an EncodedValue of "v8" cannot be decoded: ${(error as Error).message}`);
  }
}

function encodeAsItIs({ encoding, data }: EncodedValue): Stored {
  if (!types.isUint8Array(data)) throw new TypeError("The data of an EncodedValue must be a Uint8Array");
  const bytes = copyOf(data);
  switch (encoding) {
    case "v8":
      checkV8(bytes);
      return [Encoding.V8, bytes];
    case "u64":
      if (bytes.length !== 8) {
        throw new TypeError(`The data of an EncodedValue of "u64" must be 8 bytes: received ${bytes.length}`);
      }
      return [Encoding.LE64, new DataView(bytes.buffer).getBigUint64(0, true)];
    case "bytes":
      return [Encoding.Bytes, bytes];
    default:
      throw new TypeError(`The encoding of an EncodedValue must be "v8", "u64" or "bytes": received ${String(encoding)}`);
  }
}

/** A value as it is stored: a copy, which later changes of the value do not touch. Throws a TypeError for what cannot be
 * stored. */
export function encodeValue(value: unknown): Stored {
  if (typeof value !== "object" || value === null) return [Encoding.V8, serialize(value)];
  if (value instanceof EncodedValue) return encodeAsItIs(value);
  if (types.isUint8Array(value)) return [Encoding.Bytes, copyOf(value)];
  if (isKvU64(value)) return [Encoding.LE64, value.value];
  return [Encoding.V8, serialize(value)];
}

/** A message as it is stored: in V8's format whatever it is, as Deno's are. */
export function encodePayload(value: unknown): Stored {
  return value instanceof EncodedValue ? encodeAsItIs(value) : [Encoding.V8, serialize(value)];
}

// ---- Decoding ----------------------------------------------------------------------------------------------------------

/** The newest version of V8's format that libtuplet reads. */
const LIBRARY_VERSION_MAX = 16;

function deserialize(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

/** The newest version of V8's format that the runtime reads: it is asked, since what it writes may be older. */
function versionMax(): number {
  for (let version = 15;; version++) {
    try {
      deserialize(Uint8Array.of(0xff, version + 1, 0x5f));
    } catch {
      return version;
    }
    if (version === 0x7e) return version;
  }
}

const buffer = new Uint8Array(65_536);

/** What a Hooks needs for values. */
export const valueHooks = {
  buffer,
  versionMax: versionMax(),

  decode(data: Uint8Array | number): unknown {
    const bytes = typeof data === "number" ? buffer.subarray(0, data) : data;
    try {
      return deserialize(bytes);
    } catch {
      return native.decodeV8(bytes); // or the error of one that knows what is wrong
    }
  },

  bytes(size: number): Uint8Array {
    return buffer.slice(0, size);
  },

  u64(value: bigint): KvU64 {
    return new KvU64(value);
  },

  encoded(encoding: number, data: Uint8Array): EncodedValue {
    return new EncodedValue(names[encoding] ?? "unknown", data);
  },
};

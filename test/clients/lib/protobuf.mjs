// The messages of the protocol's data path, written and read by hand: the tests must not share a codec with what they
// test. Only what the tests send and look at is here.

function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A field: numbers, bigints and booleans as varints, the rest (bytes, text, messages) with its length. */
function field(number, value) {
  if (value === undefined) return Buffer.alloc(0);
  if (Array.isArray(value)) return Buffer.concat(value.map((item) => field(number, item)));
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return Buffer.concat([varint(number << 3), varint(Number.isInteger(value) ? value : BigInt(value))]);
  }
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function message(fields) {
  return Buffer.concat(Object.entries(fields).map(([number, value]) => field(Number(number), value)));
}

export const SET = 1;
export const DELETE = 2;
export const SUM = 3;
export const MAX = 4;
export const MIN = 5;
export const SET_SUFFIX_VERSIONSTAMPED_KEY = 9;

export const V8 = 1;
export const LE64 = 2;
export const BYTES = 3;

export const readRange = ({ start, end, limit, reverse }) =>
  message({ 1: start, 2: end, 3: limit, 4: reverse });
export const snapshotRead = (...ranges) => message({ 1: ranges.map(readRange) });
export const check = ({ key, versionstamp }) => message({ 1: key, 2: versionstamp });
export const kvValue = ({ data, encoding }) => message({ 1: data, 2: encoding });

export const mutation = ({ key, value, type, expireAtMs, sumMin, sumMax, sumClamp }) =>
  message({ 1: key, 2: value && kvValue(value), 3: type, 4: expireAtMs, 5: sumMin, 6: sumMax, 7: sumClamp });

export const enqueue = ({ payload, deadlineMs, keysIfUndelivered, backoffSchedule }) =>
  message({ 1: payload, 2: deadlineMs, 3: keysIfUndelivered, 4: backoffSchedule });

export const atomicWrite = ({ checks = [], mutations = [], enqueues = [] }) =>
  message({ 1: checks.map(check), 2: mutations.map(mutation), 3: enqueues.map(enqueue) });

export const watch = (...keys) => message({ 1: keys.map((key) => message({ 1: key })) });

export const watchRange = ({ start, end, changesMax }) => message({ 1: start, 2: end, 3: changesMax });

/** What a server sends; deletedKey alone is told. */
export const watchRangeOutput = ({ mustReread, changes = [], versionstamp }) =>
  message({ 1: mustReread, 2: changes.map(({ deletedKey }) => message({ 2: deletedKey })), 3: versionstamp });

export const queueListen = ({ maxInFlight } = {}) => message({ 1: maxInFlight });
export const queueFinish = ({ id, success, attempt }) => message({ 1: id, 2: success, 3: attempt });

/** The fields of a message: { number: [values] }, a value being a bigint or a Buffer. */
export function decode(bytes) {
  const fields = {};
  let at = 0;
  const readVarint = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      if (at >= bytes.length) throw new Error("a varint is cut off");
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(readVarint());
    let value;
    if ((tag & 7) === 0) {
      value = readVarint();
    } else if ((tag & 7) === 2) {
      const size = Number(readVarint());
      if (at + size > bytes.length) throw new Error("a field is cut off");
      value = bytes.subarray(at, at += size);
    } else {
      throw new Error(`a field of wire type ${tag & 7}`);
    }
    (fields[tag >> 3] ??= []).push(value);
  }
  return fields;
}

const number = (fields, at) => Number(fields[at]?.[0] ?? 0n);

function decodeEntry(bytes) {
  const fields = decode(bytes);
  return {
    key: fields[1]?.[0] ?? Buffer.alloc(0),
    value: fields[2]?.[0] ?? Buffer.alloc(0),
    encoding: number(fields, 3),
    versionstamp: (fields[4]?.[0] ?? Buffer.alloc(0)).toString("hex"),
  };
}

export function decodeSnapshotReadOutput(bytes) {
  const fields = decode(bytes);
  return {
    ranges: (fields[1] ?? []).map((range) => (decode(range)[1] ?? []).map(decodeEntry)),
    readDisabled: number(fields, 2) === 1,
    isStronglyConsistent: number(fields, 4) === 1,
    status: number(fields, 8),
  };
}

export function decodeAtomicWriteOutput(bytes) {
  const fields = decode(bytes);
  const failedChecks = [];
  for (const item of fields[4] ?? []) {
    // Repeated numbers come packed into one field, or one by one.
    if (typeof item === "bigint") failedChecks.push(Number(item));
    else failedChecks.push(...item);
  }
  return {
    status: number(fields, 1),
    versionstamp: fields[2]?.[0]?.toString("hex") ?? "",
    failedChecks,
  };
}

export function decodeWatchOutput(bytes) {
  const fields = decode(bytes);
  const keys = (fields[2] ?? []).map((key) => {
    const output = decode(key);
    return { changed: number(output, 1) === 1, entry: output[2] ? decodeEntry(output[2][0]) : null };
  });
  return { status: number(fields, 1), keys };
}

export function decodeWatchRangeOutput(bytes) {
  const fields = decode(bytes);
  const changes = (fields[2] ?? []).map((change) => {
    const { 1: entry, 2: deletedKey } = decode(change);
    return entry ? decodeEntry(entry[0]) : { key: deletedKey[0], isDeleted: true };
  });
  return {
    mustReread: number(fields, 1) === 1,
    changes,
    versionstamp: (fields[3]?.[0] ?? Buffer.alloc(0)).toString("hex"),
  };
}

export function decodeQueueMessage(bytes) {
  const fields = decode(bytes);
  return {
    id: (fields[1]?.[0] ?? Buffer.alloc(0)).toString(),
    payload: fields[2]?.[0] ?? Buffer.alloc(0),
    attempt: number(fields, 3),
    leaseMs: number(fields, 4),
  };
}

/** An encoded key of string parts, as Deno's order has them. */
export function stringKey(...parts) {
  return Buffer.concat(parts.map((part) => Buffer.from(`\x02${part}\x00`)));
}

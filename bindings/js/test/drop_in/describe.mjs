// Values and outcomes as text that is the same in every runtime: what the programs of the differential test report.

/** A value as text: types, prototypes, holes, order of properties, signs of zero, sharing and cycles show. */
export function describe(value, seen = new Map()) {
  switch (typeof value) {
    case "string":
      return value.length > 200 ? `${JSON.stringify(value.slice(0, 20))}…${value.length}` : JSON.stringify(value);
    case "bigint": {
      const text = `${value}n`;
      return text.length > 50 ? `${text.slice(0, 20)}…${text.length}` : text;
    }
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "symbol":
      return String(value);
    case "function":
      return `[function ${value.name}]`;
    case "object":
      return value === null ? "null" : describeObject(value, seen);
    default:
      return String(value);
  }
}

function describeObject(value, seen) {
  if (seen.has(value)) return `<${seen.get(value)}>`;
  seen.set(value, seen.size);
  const inner = (item) => describe(item, seen);
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "null";
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return `${name}(${bytes.length > 64 ? `${bytes.length} bytes` : bytes.join(" ")})`;
  }
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${new Uint8Array(value).join(" ")})`;
  if (value instanceof Date) return `Date(${Number(value)})`;
  if (value instanceof RegExp) return String(value);
  if (value instanceof Map) return `Map(${[...value].map(([key, item]) => `${inner(key)} => ${inner(item)}`).join(", ")})`;
  if (value instanceof Set) return `Set(${[...value].map(inner).join(", ")})`;
  if (value instanceof Error) {
    const cause = Object.hasOwn(value, "cause") ? `, cause ${inner(value.cause)}` : "";
    return `${name} ${value.name}: ${value.message}${cause}`;
  }
  for (const Box of [Boolean, Number, String, BigInt]) {
    if (value instanceof Box) return `[${Box.name} ${inner(value.valueOf())}]`;
  }
  const entries = [];
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && i < 100; i++) entries.push(i in value ? inner(value[i]) : "hole");
    if (value.length > 100) entries.push(`…${value.length}`);
  }
  for (const key of Object.keys(value)) {
    if (!Array.isArray(value) || !/^\d+$/.test(key)) entries.push(`${key}: ${inner(value[key])}`);
  }
  const text = entries.join(", ");
  if (Array.isArray(value)) return name === "Array" ? `[${text}]` : `${name}[${text}]`;
  return name === "Object" ? `{${text}}` : `${name} {${text}}`;
}

/** An error: its class, as far as runtimes can agree on it, and its message. */
export function describeError(error) {
  if (!(error instanceof Error)) return `a thrown ${describe(error)}`;
  const name = Object.getPrototypeOf(error).constructor.name;
  return `${name === error.name ? name : `${name}/${error.name}`}: ${error.message}`;
}

const PATIENCE_MS = 30_000;

/** What became of a call: whether it threw, rejected, or what it gave, at once or later. */
export async function outcomeOf(call) {
  let result;
  try {
    result = call();
  } catch (error) {
    return `throws ${describeError(error)}`;
  }
  if (!(result instanceof Promise)) return `returns ${describe(result)}`;
  let timer;
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, "does not end");
  });
  const end = result.then((value) => `resolves ${describe(value)}`, (error) => `rejects ${describeError(error)}`);
  const outcome = await Promise.race([end, patience]);
  clearTimeout(timer);
  return outcome;
}

/** The same text with versionstamps by their rank among those of the text: which they are is the database's choice, their
 * order is not. */
export function ranked(text) {
  const stamps = [...new Set(text.match(/\b[0-9a-f]{16}0000\b/g) ?? [])].sort();
  return text.replace(/\b[0-9a-f]{16}0000\b/g, (stamp) => `stamp${stamps.indexOf(stamp) + 1}`);
}

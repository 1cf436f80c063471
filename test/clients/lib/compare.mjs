// Strict comparison of two JavaScript values, as a database has to keep them: same types, same prototypes,
// same property order, same holes, numbers by Object.is, same sharing and cycles, same buffers behind views.
// Runs in Deno and in Node; says where the first difference is, because "not equal" helps nobody.

/**
 * The first difference between two values as a sentence ("$.a[3]: 1 instead of 2"), or null when there is none.
 */
export function difference(actual, expected) {
  const context = { forward: new Map(), backward: new Map() };
  // A Uint8Array as a whole value is stored as its bytes alone: what buffer it looked into is not kept.
  if (actual instanceof Uint8Array && expected instanceof Uint8Array) {
    return differentBytes(actual, expected, "$");
  }
  return differentValues(actual, expected, "$", context);
}

/** Throws when two values differ. */
export function assertSame(actual, expected) {
  const found = difference(actual, expected);
  if (found !== null) throw new Error(`values differ at ${found}`);
}

/** A value in a few words, for messages. */
export function describe(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? value.slice(0, 80) + "…" : value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  return Object.prototype.toString.call(value);
}

function differentValues(actual, expected, path, context) {
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
    return Object.is(actual, expected)
      ? null
      : `${path}: ${describe(actual)} instead of ${describe(expected)}`;
  }
  // Each object of one side stands for exactly one object of the other: this ends cycles and compares sharing.
  if (context.forward.has(actual) || context.backward.has(expected)) {
    return context.forward.get(actual) === expected ? null : `${path}: other objects are shared here`;
  }
  context.forward.set(actual, expected);
  context.backward.set(expected, actual);

  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) {
    return `${path}: a ${constructorName(actual)} instead of a ${constructorName(expected)}`;
  }
  return differentInside(actual, expected, path, context) ??
    differentProperties(actual, expected, path, context);
}

/** What an object holds beside its properties. */
function differentInside(actual, expected, path, context) {
  if (ArrayBuffer.isView(expected)) return differentViews(actual, expected, path, context);
  switch (Object.prototype.toString.call(expected)) {
    case "[object Array]":
      return actual.length === expected.length
        ? null
        : `${path}.length: ${actual.length} instead of ${expected.length}`;
    case "[object Map]":
      return differentLists([...actual].flat(1), [...expected].flat(1), `${path}.entries`, context);
    case "[object Set]":
      return differentLists([...actual], [...expected], `${path}.items`, context);
    case "[object Date]":
    case "[object Boolean]":
    case "[object Number]":
    case "[object BigInt]":
    case "[object String]":
      return differentValues(actual.valueOf(), expected.valueOf(), `${path}.valueOf()`, context);
    case "[object RegExp]":
      return String(actual) === String(expected) ? null : `${path}: ${actual} instead of ${expected}`;
    case "[object ArrayBuffer]":
      return differentBuffers(actual, expected, path, context);
    case "[object Error]":
      return differentErrors(actual, expected, path, context);
    default:
      return null;
  }
}

function differentProperties(actual, expected, path, context) {
  if (ArrayBuffer.isView(expected)) return null;
  const actualKeys = Object.keys(actual);
  const expectedKeys = Object.keys(expected);
  const found = differentLists(actualKeys, expectedKeys, `${path}.<keys>`, context);
  if (found !== null) return found;
  for (const key of expectedKeys) {
    const found = differentValues(actual[key], expected[key], `${path}[${JSON.stringify(key)}]`, context);
    if (found !== null) return found;
  }
  return null;
}

function differentLists(actual, expected, path, context) {
  if (actual.length !== expected.length) {
    return `${path}: ${actual.length} of them instead of ${expected.length}`;
  }
  for (let i = 0; i < expected.length; i++) {
    const found = differentValues(actual[i], expected[i], `${path}[${i}]`, context);
    if (found !== null) return found;
  }
  return null;
}

function differentErrors(actual, expected, path, context) {
  for (const name of ["message", "cause", "stack"]) {
    if (Object.hasOwn(actual, name) !== Object.hasOwn(expected, name)) {
      return `${path}.${name}: ${Object.hasOwn(actual, name) ? "there" : "missing"}`;
    }
    const found = differentValues(actual[name], expected[name], `${path}.${name}`, context);
    if (found !== null) return found;
  }
  return null;
}

function differentBuffers(actual, expected, path, context) {
  const names = ["byteLength", "resizable", "maxByteLength"];
  for (const name of names) {
    const found = differentValues(actual[name], expected[name], `${path}.${name}`, context);
    if (found !== null) return found;
  }
  return differentBytes(new Uint8Array(actual), new Uint8Array(expected), path);
}

function differentViews(actual, expected, path, context) {
  for (const name of ["byteOffset", "byteLength", "buffer"]) {
    const found = differentValues(actual[name], expected[name], `${path}.${name}`, context);
    if (found !== null) return found;
  }
  return null;
}

function differentBytes(actual, expected, path) {
  if (actual.length !== expected.length) {
    return `${path}: ${actual.length} bytes instead of ${expected.length}`;
  }
  const at = expected.findIndex((byte, i) => actual[i] !== byte);
  return at < 0 ? null : `${path}: byte ${at} is ${actual[at]} instead of ${expected[at]}`;
}

function constructorName(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null ? "null-prototype object" : prototype.constructor?.name ?? "object of no class";
}

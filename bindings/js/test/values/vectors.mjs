// The vectors of values (test/vectors): JavaScript expressions, and the bytes that Deno stores of them.

import { readFileSync } from "node:fs";

const FOLDER = new URL("../../../../test/vectors/", import.meta.url);

function read(name) {
  return readFileSync(new URL(name, FOLDER), "utf8").trim().split("\n").map((line) => JSON.parse(line));
}

const all = ["values.jsonl", "values_more.jsonl"].flatMap(read);

/** {js, encoding, bytes} of what can be stored. */
export const vectors = all.filter(({ hex }) => hex !== undefined)
  .map(({ js, encoding, hex }) => ({ js, encoding, bytes: new Uint8Array(Buffer.from(hex, "hex")) }));

/** {js, error} of what cannot. */
export const refused = all.filter(({ error }) => error !== undefined);

/** What is thrown where a runtime lacks what a vector needs; undefined when it is all there. */
export function lackOf({ js }) {
  if (js.includes("Float16Array") && !("Float16Array" in globalThis)) return "TypeError: Float16Array is not known";
  if (js.includes("maxByteLength") && !("resizable" in ArrayBuffer.prototype)) {
    return "TypeError: maxByteLength is not known";
  }
  if (/\/[a-z]*v[a-z]*$/.test(js) && !("unicodeSets" in RegExp.prototype)) {
    return "SyntaxError: Invalid flags supplied to RegExp constructor 'v'";
  }
  return undefined;
}

/** The value of a vector's expression, with this class for Deno.KvU64. */
export function evaluate({ js }, KvU64) {
  return new Function("Deno", `return (${js})`)({ KvU64 });
}

// The vectors: keys in key order, and JavaScript expressions with what Deno makes of them.

// The vectors' errors have stacks of one line, since frames would name files of the machine that made them; so have the
// errors that are made here.
Error.stackTraceLimit = 0;

export interface ValueVector {
  js: string;
  encoding?: number;
  hex?: string;
  error?: string;
}

export async function valueVectors(folder: string): Promise<ValueVector[]> {
  const text = await Deno.readTextFile(`${folder}/values.jsonl`);
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

/** Those that can be stored. */
export async function storableVectors(folder: string): Promise<ValueVector[]> {
  return (await valueVectors(folder)).filter((vector) => vector.error === undefined);
}

/** The value that the expression means. */
export function evaluate(js: string): unknown {
  return (0, eval)(`(${js})`);
}

/** What a faithful store gives back for it: a clone, since prototypes and accessors of one's own cannot be kept. */
export function evaluateStored(js: string): unknown {
  const value = evaluate(js);
  return value instanceof Deno.KvU64 ? value : structuredClone(value);
}

/** The keys, in key order. */
export async function keyVectors(folder: string): Promise<Deno.KvKey[]> {
  const text = await Deno.readTextFile(`${folder}/keys.jsonl`);
  return text.trim().split("\n").map((line) => JSON.parse(line).key.map(partOf));
}

/** A part as the vectors' file spells it: {"bytes": hex}, {"number": "-0"}, {"boolean": true} … */
function partOf(spelled: Record<string, string | boolean>): Deno.KvKeyPart {
  const [[type, value]] = Object.entries(spelled);
  if (type === "bytes") return Uint8Array.fromHex(value as string);
  if (type === "bigint") return BigInt(value);
  if (type === "number") return value === "-0" ? -0 : Number(value);
  if (type === "string" || type === "boolean") return value;
  throw new Error(`the vectors have a part of type ${type}`);
}

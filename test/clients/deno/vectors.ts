// The value vectors: JavaScript expressions with what Deno makes of them, and what must come back from any store.

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

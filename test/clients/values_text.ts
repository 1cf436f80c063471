// Whether text that tuplet prints means the same value in Deno. Standard input: a line of JSON for each value,
// {"js": an expression, "text": what tuplet prints for what Deno stores for it}; or, with TUPLET set to the path of
// the binary, lines of test/vectors/values.jsonl ({"js", "encoding", "hex"}), whose text the binary is asked for.
// Prints every difference, then a summary; ends with 1 when there was any, or nothing to compare.
//
//   deno run --allow-env=TUPLET --allow-run --unstable-kv test/clients/values_text.ts < test/vectors/values.jsonl
//
// --unstable-kv is for Deno.KvU64, which some texts name.

import { difference } from "./lib/compare.mjs";

interface Line {
  js: string;
  text?: string;
  encoding?: number;
  hex?: string;
}

const ENCODING_NAMES = new Map([[1, "v8"], [2, "le64"], [3, "bytes"]]);
const tuplet = Deno.env.get("TUPLET");

// The vectors' errors were made without stack frames, which would name files of the machine that made them.
Error.stackTraceLimit = 0;

function run(source: string): unknown {
  return (0, eval)(`(${source})`); // indirect: global scope, nothing of this file in sight
}

async function print(line: Line): Promise<string> {
  const encoding = ENCODING_NAMES.get(line.encoding ?? 0);
  if (tuplet === undefined || encoding === undefined) throw new Error("no text, and no binary to ask for it");
  const command = new Deno.Command(tuplet, {
    args: ["codec", "value", "--encoding", encoding, "--from-hex", line.hex ?? ""],
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd();
}

/** What storing does to a value: a class instance becomes a plain object, a getter its value. */
function stored(value: unknown): unknown {
  return value instanceof Deno.KvU64 ? value : structuredClone(value);
}

async function check(line: Line): Promise<string | null> {
  try {
    const text = line.text ?? await print(line);
    const found = difference(run(text), stored(run(line.js)));
    return found === null ? null : `${found}\n  text ${text}`;
  } catch (error) {
    return String(error);
  }
}

let count = 0;
let failed = 0;
for (const source of (await new Response(Deno.stdin.readable).text()).split("\n")) {
  if (source === "") continue;
  const line: Line = JSON.parse(source);
  if (line.text === undefined && line.hex === undefined) continue; // a vector of what cannot be stored
  count++;
  const problem = await check(line);
  if (problem === null) continue;
  failed++;
  console.log(`${line.js}\n  ${problem}`);
}
console.log(`${count} values, ${failed} different`);
Deno.exit(failed > 0 || count === 0 ? 1 : 0);

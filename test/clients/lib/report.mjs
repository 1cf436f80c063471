// What a client program (Deno or Node) uses to run named checks and to tell the orchestrator about each: one JSON
// line per check on standard output, and a last line that says the program came to its end. lib/harness.mjs reads it.

import process from "node:process";
import { describe, difference } from "./compare.mjs";
import { within } from "./time.mjs";

export { eventually, sleep, within } from "./time.mjs";

// A check that takes this long hangs. Far above what any of them needs, even on a busy machine.
const CHECK_TIMEOUT_MS = 60_000;

/** Runs one check. Failures are reported, not thrown, so that the others run too. */
export async function check(name, run) {
  const started = performance.now();
  let error;
  try {
    await within(CHECK_TIMEOUT_MS, "the whole check", run());
  } catch (thrown) {
    error = thrown?.stack ?? String(thrown);
  }
  tell({ check: name, ms: Math.round(performance.now() - started), error });
}

/** The last call of every program. Ends the process: clients keep connections and watches open. */
export function finish() {
  tell({ finished: true });
  process.exit(0);
}

function tell(message) {
  console.log(JSON.stringify(message));
}

export function ok(condition, message) {
  if (!condition) throw new Error(message ?? "expected to be true");
}

/** Strict deep equality, see compare.mjs. */
export function equal(actual, expected, message) {
  const found = difference(actual, expected);
  if (found !== null) {
    throw new Error(
      `${message ? message + ": " : ""}differs at ${found}\n  got:  ${show(actual)}\n  want: ${
        show(expected)
      }`,
    );
  }
}

/** The call must fail with an error whose message contains a text or matches a pattern. Returns the error. */
export async function fails(call, message, errorName) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    const fits = typeof message === "string" ? error.message.includes(message) : message.test(error.message);
    ok(fits, `failed with "${error.message}" instead of ${message}`);
    ok(errorName === undefined || error.name === errorName, `a ${error.name} instead of a ${errorName}`);
    return error;
  }
  throw new Error(`did not fail but gave ${show(answer)}, expected ${message}`);
}

function show(value) {
  try {
    const text = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
    return text === undefined ? describe(value) : text.slice(0, 600);
  } catch {
    return describe(value);
  }
}

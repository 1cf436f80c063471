// writer.c's program, from JavaScript: writing until it is killed, and looking at what the file holds then.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, tuplet, tupletPath } from "../clients/lib/harness.mjs";

export const WRITERS = 6;

/** Where Meson puts writer.c's program: beside the binary under test, unless the environment says otherwise. */
function writerPath() {
  const path = process.env.TUPLET_WRITER ?? join(dirname(tupletPath()), "test", "process", "writer");
  assert.ok(existsSync(path), `${path} is not there: it is built from test/process/writer.c`);
  return path;
}

/** One round of the library's writer: its acknowledgements as read from a pipe that outlives it. */
export async function writeAndKill(path, round, delayMs) {
  const child = spawn(writerPath(), [path, String(round), String(WRITERS)], {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const ended = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
  const acknowledged = [];
  let timer = null;
  for await (const line of createInterface({ input: child.stdout })) {
    // The clock runs from the first acknowledgement, so that a slow start is not all that is killed.
    timer ??= setTimeout(() => child.kill("SIGKILL"), delayMs);
    const [thread, sequence] = line.split(" ").map(Number);
    acknowledged.push({ thread, sequence });
  }
  assert.deepEqual(await ended, { code: null, signal: "SIGKILL" }, errors);
  return acknowledged;
}

/** What the file holds of a round: for each writer the sequences that have an "a", those with a "b", and "last". */
export async function stateOf(path, round) {
  const { code, stdout, stderr } = await tuplet([
    "--db",
    path,
    "list",
    "--json",
    "--prefix",
    `["round", ${round}n]`,
  ]);
  assert.equal(code, 0, stderr);
  const writers = Array.from({ length: WRITERS }, () => ({ a: new Set(), b: new Set(), last: 0 }));
  for (const line of stdout.split("\n").filter(Boolean)) {
    const { keyText, valueText } = JSON.parse(line);
    const [, number, kind, sequence] = /^\["round", \d+n, (\d+)n, "(a|b|last)"(?:, (\d+)n)?\]$/.exec(keyText);
    const writer = writers[Number(number)];
    if (kind === "last") writer.last = Number(/(\d+)n/.exec(valueText)[1]);
    else writer[kind].add(Number(sequence));
  }
  return writers;
}

export function assertWhole(state, acknowledged, context) {
  for (const { thread, sequence } of acknowledged) {
    assert.ok(
      state[thread].a.has(sequence),
      `${context}: writer ${thread} lost ${sequence}, which was acknowledged`,
    );
  }
  for (const [number, { a, b, last }] of state.entries()) {
    assert.deepEqual([...a], [...b], `${context}: writer ${number} has an operation in part`);
    // Each writer waits for its commit before the next: what is there is 1 … last, without a gap.
    assert.deepEqual([...a], Array.from({ length: last }, (_, i) => i + 1), `${context}: writer ${number}`);
  }
}

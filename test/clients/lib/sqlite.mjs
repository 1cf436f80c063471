// Another program in a database's file: SQLite itself, by way of Deno's node:sqlite.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { DENO, run, within } from "./harness.mjs";

const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 20_000;
const OPEN = 'import { DatabaseSync } from "node:sqlite"; const db = new DatabaseSync(Deno.args[0]);';

/** What a few lines of JavaScript do with `db`, to the end. */
export async function withSqlite(path, program) {
  const { code, stderr } = await run(DENO, ["eval", `${OPEN} ${program}`, path]);
  assert.equal(code, 0, stderr);
}

/** The same, but then the program keeps what it holds until the returned function is called, or the test ends. behind:
 *  a command that runs it. */
export async function holdSqlite(t, path, program, behind = []) {
  const whole = `${OPEN} ${program}; console.log("held"); await Deno.stdin.read(new Uint8Array(1));`;
  const [command, ...args] = [...behind, DENO, "eval", whole, path];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  const release = async () => {
    child.stdin.end();
    await within(END_TIMEOUT_MS, "the end of the other program", ended);
  };
  t.after(release);
  await within(START_TIMEOUT_MS, "the other program", once(child.stdout, "data"));
  return release;
}

/** Takes the file's only right to write. */
export const holdWriteLock = (t, path) => holdSqlite(t, path, 'db.exec("BEGIN IMMEDIATE")');

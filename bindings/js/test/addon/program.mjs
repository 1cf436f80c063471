// Running the programs of programs/ in the runtime that runs the test.

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const isDeno = typeof globalThis.Deno === "object";
const SECONDS_MAX = 120;

function commandLine(name, collects) {
  const program = fileURLToPath(new URL(`programs/${name}`, import.meta.url));
  if (!isDeno) return [...(collects ? ["--expose-gc"] : []), program];
  const flags = collects ? ["--v8-flags=--expose-gc"] : [];
  return ["run", "-A", "--no-check", "--no-config", "--no-lock", ...flags, program];
}

/** Runs a program to its end: { code, signal, lines } of what it printed. One that does not end is killed, which fails
 * whoever looks at `code`. `onLine` may tell the child something. */
export function runProgram(name, args = [], { collects = false, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...commandLine(name, collects), ...args], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = [];
    let rest = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop();
      for (const line of parts) {
        lines.push(line);
        onLine?.(line, child);
      }
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), SECONDS_MAX * 1000);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, lines });
    });
  });
}

// What the tests of the examples share: running a program of examples/ in Node or in Deno, to its end or for a while,
// on each kind of database.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  cleanEnvironment,
  DENO,
  eventually,
  run,
  startServer,
  temporaryFolder,
  TOKEN,
  within,
} from "../../../../test/clients/lib/harness.mjs";

const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export const EXAMPLES = join(PACKAGE, "examples");
export const WAIT_MS = 30_000;

process.env.TUPLET ??= join(dirname(dirname(PACKAGE)), "build", "tuplet");

/** What runs a program: a command and the arguments before the program's name. */
export const RUNTIMES = {
  Node: [process.execPath],
  Deno: [DENO, "run", "-A", "--no-lock"],
};

/** Databases that several processes can share: what is given to a program, and to the command line. */
export const SHARED_DATABASES = {
  "a file": async (t) => join(await temporaryFolder(t), "kv.sqlite"),
  "a server": async (t) => (await startServer(t, join(await temporaryFolder(t), "kv.sqlite"))).url,
};

const environmentOf = (extra) => cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN, ...extra });

/** Runs an example to its end, and gives the lines it printed. It must end well. */
export async function runExample(runtime, program, args = []) {
  const [command, ...before] = RUNTIMES[runtime];
  const { code, stdout, stderr } = await run(command, [...before, join(EXAMPLES, program), ...args], {
    env: environmentOf(),
  });
  assert.equal(code, 0, `${program} in ${runtime}: ${stderr}`);
  return stdout.trimEnd().split("\n");
}

/** An example that goes on until it is told to end. */
export class RunningExample {
  stdout = "";
  stderr = "";

  /** It is killed at the end of the test if it has not ended before. */
  static start(t, runtime, program, args, environment = {}) {
    const [command, ...before] = RUNTIMES[runtime];
    const child = spawn(command, [...before, join(EXAMPLES, program), ...args], {
      env: environmentOf(environment),
    });
    t.after(() => child.kill("SIGKILL"));
    return new RunningExample(child, `${program} in ${runtime}`);
  }

  constructor(child, name) {
    this.child = child;
    this.name = name;
    this.exited = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
    this.exited.then((end) => (this.end = end));
    child.stdin.on("error", () => {}); // it may have ended
    child.stdout.setEncoding("utf8").on("data", (text) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
  }

  get lines() {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Waits until it has printed what is looked for, and gives that match. */
  async printed(pattern) {
    await eventually(WAIT_MS, `${pattern} of ${this.name}`, () => {
      if (this.end) throw new Error(`${this.name} ended with ${JSON.stringify(this.end)}: ${this.stderr}`);
      return pattern.test(this.stdout);
    });
    return pattern.exec(this.stdout);
  }

  /** It was told to end, by a signal or otherwise, and must end well. */
  async ended() {
    const end = await within(WAIT_MS, `the end of ${this.name}`, this.exited);
    assert.deepEqual(end, { code: 0, signal: null }, `${this.name}: ${this.stderr}`);
  }

  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    await this.ended();
  }
}

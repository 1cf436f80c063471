// What the test files share: starting and ending tuplet servers and client programs, and turning the lines that a
// client program reports (lib/report.mjs) into subtests of Node's test runner. Everything started here is ended with
// the test that started it, every wait is bounded, no port is fixed.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { eventually, within } from "./time.mjs";

export { eventually, sleep, within } from "./time.mjs";

export const CLIENTS = dirname(dirname(fileURLToPath(import.meta.url)));
export const VECTORS = join(dirname(CLIENTS), "vectors");
export const DENO = join(CLIENTS, "node_modules", ".bin", "deno");
export const TOKEN = "a-token-of-the-tests";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 20_000;
const PROGRAM_TIMEOUT_MS = 240_000;

/** The binary under test: the environment's TUPLET, made absolute. */
export function tupletPath() {
  assert.ok(process.env.TUPLET, "set TUPLET to the path of the tuplet binary");
  const path = resolve(process.env.TUPLET);
  assert.ok(existsSync(path), `TUPLET names ${path}, which is not there`);
  return path;
}

/** A new empty folder that goes away when the test ends. */
export async function temporaryFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), "tuplet-test-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** The environment for programs under test: ours, without what would change their behaviour. */
export function cleanEnvironment(extra = {}) {
  const environment = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...extra };
  const ours = Object.keys(environment).filter((name) => /^(DENO_KV_|NODE_TEST_CONTEXT$)/.test(name));
  for (const name of ours) if (!(name in extra)) delete environment[name];
  return environment;
}

/**
 * A running server. path: the database file; null: options.args say what is served. options.token: null for "make one"; options.port: if not any; options.args:
 * more arguments of serve; options.env: more environment; options.behind: a command and its arguments that run the
 * server's (nsenter, prlimit, …). Ends with the test, which fails when the server does not end well.
 */
export async function startServer(t, path, options = {}) {
  const token = options.token === undefined ? TOKEN : options.token;
  const file = path === null ? [] : ["--sqlite-path", path];
  const args = [...file, "serve", "--addr", `127.0.0.1:${options.port ?? 0}`];
  if (token !== null) args.push("--access-token", token);
  args.push(...(options.args ?? []));
  const [command, ...rest] = [...(options.behind ?? []), tupletPath(), ...args];
  const child = spawn(command, rest, {
    env: cleanEnvironment(options.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new Server(child, token);
  t.after(() => server.finish());
  await server.listening();
  return server;
}

/** Sends a signal to a process that may have ended. Not by child.kill(): Deno then says that the signal ended it,
 * however it did end. */
function tell(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

export class Server {
  stdout = "";
  stderr = "";
  expected = false; // whether it was told to end

  constructor(child, token) {
    this.child = child;
    this.token = token;
    this.exited = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
    child.stdout.setEncoding("utf8").on("data", (text) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
  }

  async listening() {
    let ended = null;
    this.exited.then((end) => (ended = end));
    await eventually(START_TIMEOUT_MS, "the Listening line", () => {
      if (ended) throw new Error(`the server ended with ${JSON.stringify(ended)}: ${this.stderr}`);
      return /Listening on https?:\/\/[^\s"]+"/.test(this.stderr);
    });
    this.url = /Listening on (https?:\/\/[^\s"]+)/.exec(this.stderr)[1].replace(/\/$/, "");
    this.port = Number(new URL(this.url).port);
  }

  /** Asks it to end as an operator does, and returns how it ended. */
  async stop(signal = "SIGTERM") {
    this.expected = true;
    tell(this.child, signal);
    return await within(STOP_TIMEOUT_MS, `the end after ${signal}`, this.exited);
  }

  async kill() {
    this.expected = true;
    this.child.kill("SIGKILL");
    await this.exited;
  }

  /** The end of a test: a server that is still there must end in order, one that is not must have been told to. */
  async finish() {
    try {
      if (!this.expected) await this.stop();
      const { code, signal } = await this.exited;
      const fine = code === 0 || signal === "SIGKILL";
      if (!fine) throw new Error(`the server ended with ${code ?? signal}:\n${this.stderr}`);
    } finally {
      await this.kill();
    }
  }
}

/** Runs a Deno program that reports checks; each becomes a subtest of t. input: what it finds on standard input. */
export async function runDenoChecks(t, program, args, environment = {}, input = "") {
  const child = spawnDeno(program, args, environment);
  child.stdin.end(input);
  await collectChecks(t, child, program);
}

/** The same for a Node program. */
export async function runNodeChecks(t, program, args, environment = {}) {
  const child = spawn(process.execPath, [join(CLIENTS, program), ...args], {
    env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN, ...environment }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  await collectChecks(t, child, program);
}

export function spawnDeno(program, args, environment = {}) {
  const child = spawn(DENO, [
    "run",
    "-A",
    "--unstable-kv",
    "--no-config",
    "--no-lock",
    join(CLIENTS, program),
    ...args,
  ], {
    env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN, ...environment }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {}); // most programs end without reading
  return child;
}

/** onText: what to do with a line that is no report. */
export async function collectChecks(t, child, program, onText = () => {}) {
  const exited = once(child, "close");
  const timer = setTimeout(() => child.kill("SIGKILL"), PROGRAM_TIMEOUT_MS);
  let errors = "";
  let finished = false;
  let count = 0;
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  for await (const line of createInterface({ input: child.stdout })) {
    const message = parseReport(line);
    if (message === null) {
      errors += `${line}\n`;
      await onText(line);
    } else if (message.finished) {
      finished = true;
    } else {
      count++;
      await t.test(message.check, () => {
        if (message.error) throw reported(message.error);
      });
    }
  }
  const [code, signal] = await exited;
  clearTimeout(timer);
  assert.ok(
    finished && code === 0,
    `${program} did not end well (exit ${code}, signal ${signal}):\n${errors}`,
  );
  assert.ok(count > 0, `${program} checked nothing`);
}

/** The failure of a check in another process, with the stack of that process instead of one of our own. */
function reported(stack) {
  const error = new Error(stack.split("\n", 1)[0]);
  error.stack = stack;
  return error;
}

function parseReport(line) {
  if (!line.startsWith("{")) return null;
  try {
    const message = JSON.parse(line);
    return message.finished || typeof message.check === "string" ? message : null;
  } catch {
    return null;
  }
}

/** Runs tuplet to its end. Resolves with { code, stdout, stderr } whatever the code is. */
export function tuplet(args, options = {}) {
  return run(tupletPath(), args, options);
}

export function run(file, args, options = {}) {
  return new Promise((done) => {
    const settings = {
      env: cleanEnvironment(options.env),
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 64 << 20,
      cwd: options.cwd,
    };
    const child = execFile(file, args, settings, (error, stdout, stderr) => {
      done({ code: error ? error.code ?? error.signal : 0, stdout, stderr });
    });
    child.stdin.on("error", () => {}); // it may have ended without reading
    child.stdin.end(options.input ?? "");
  });
}

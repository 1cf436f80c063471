// The processes of a run: what is started here ends with it, however it ends.

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const SAID_MAX = 1 << 20; // characters that are kept
const STOP_TIMEOUT_MS = 10_000;

// Servers with a thousand connections need more descriptors than a shell gives them.
const WITH_DESCRIPTORS = ["-c", 'ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$@"', "sh"];

/** The environment without what would change the programs' behaviour. */
function cleanEnvironment(extra) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(DENO_KV|TUPLET|ETCD|REDIS|RUST)/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", LC_ALL: "C.UTF-8", ...extra };
}

class Process {
  stdout = "";
  stderr = "";

  constructor(command, args, { cwd, env = {}, input, pipe = false }) {
    this.command = command;
    // A session of its own, so that a terminal's interrupt is for us alone, and all that it starts can be ended.
    this.child = spawn("sh", [...WITH_DESCRIPTORS, command, ...args], {
      cwd,
      env: cleanEnvironment(env),
      detached: true,
      stdio: [pipe || input !== undefined ? "pipe" : "ignore", "pipe", "pipe"],
    });
    for (const stream of ["stdout", "stderr"]) {
      this.child[stream].setEncoding("utf8").on("data", (text) => {
        this[stream] = (this[stream] + text).slice(-SAID_MAX);
      });
    }
    this.child.stdin?.on("error", () => {}); // it may end without reading
    if (input !== undefined) this.child.stdin.end(input);
    this.ended = new Promise((done) => {
      this.child.once("error", (error) => done({ error }));
      this.child.once("close", (code, signal) => done({ code, signal }));
    });
    this.ended.then((end) => (this.end = end));
  }

  get pid() {
    return this.child.pid;
  }

  /** Why it is no use: how it ended, and the last of what it said. */
  failure(what) {
    const { error, code, signal } = this.end ?? {};
    const how = error?.message ?? (this.end ? `ended with ${code ?? signal}` : what);
    const said = (this.stderr || this.stdout).trim().split("\n").slice(-5).join("\n");
    return new Error(`${this.command} ${how}${said && `:\n${said}`}`);
  }

  signal(name) {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, name);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }

  async stop() {
    this.signal("SIGTERM");
    if (this.end === undefined) await Promise.race([this.ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    this.signal("SIGKILL"); // also what it left behind
    await this.ended;
  }
}

export class Processes {
  #running = new Set();
  closed = false; // whether the run is over

  /**
   * Starts a program. cwd: where; env: added to a clean environment; input: for its standard input; pipe: whether that
   * is left open for more. It has .pid; .stdout and .stderr, what it said so far; .ended, a promise; .end once it has;
   * .failure(what).
   */
  start(command, args, options = {}) {
    if (this.closed) throw new Error("the run is over");
    const started = new Process(command, args, options);
    this.#running.add(started);
    started.ended.then(() => this.#running.delete(started));
    return started;
  }

  /** Runs a program to its end and gives what it printed. Throws when it fails or takes longer than timeoutMs. */
  async run(command, args, { timeoutMs = 60_000, ...options } = {}) {
    const started = this.start(command, args, options);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      started.signal("SIGKILL");
    }, timeoutMs);
    const { code } = await started.ended;
    clearTimeout(timer);
    if (late) throw new Error(`${command} took longer than ${timeoutMs / 1000} s`);
    if (code !== 0) throw started.failure();
    return started;
  }

  /** Ends everything; nothing can be started any more. */
  async close() {
    this.closed = true;
    await Promise.all([...this.#running].map((each) => each.stop()));
  }

  /** The same at once, for when this process is about to go. */
  kill() {
    this.closed = true;
    for (const each of this.#running) each.signal("SIGKILL");
  }
}

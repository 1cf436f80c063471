// queue_worker.c's program, from JavaScript.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, eventually, run, tupletPath } from "../clients/lib/harness.mjs";

/** Where Meson puts it: beside the binary under test. */
function workerPath() {
  const path = join(dirname(tupletPath()), "test", "process", "queue_worker");
  assert.ok(existsSync(path), `${path} is not there: it is built from test/process/queue_worker.c`);
  return path;
}

/** Enqueues "PREFIX 0" and so on; gives when each was durable. */
export async function enqueueMessages(path, prefix, count, backoffMs = []) {
  const args = ["enqueue", path, prefix, String(count), ...backoffMs.map(String)];
  const { code, stdout, stderr } = await run(workerPath(), args);
  assert.equal(code, 0, stderr);
  const lines = stdout.trim().split("\n").map(parseLine);
  assert.equal(lines.length, count);
  return new Map(lines.map(({ message, timeMs }) => [message, timeMs]));
}

/** What is in the file's two tables. */
export async function queueState(path) {
  const { code, stdout, stderr } = await run(workerPath(), ["state", path]);
  assert.equal(code, 0, stderr);
  const [waiting, running] = stdout.trim().split(" ").map(Number);
  return { waiting, running };
}

function parseLine(line) {
  const [what, attempt, timeMs, ...message] = line.split(" ");
  return { what, attempt: Number(attempt), timeMs: Number(timeMs), message: message.join(" ").replaceAll('"', "") };
}

/** A process that listens. `events` is what it told so far; `onEvent` hears of each. */
export class Worker {
  events = [];

  static async start(t, path, { inFlight = 4, handleMs = 0, threads = 2, failures = 0, onEvent = () => {} } = {}) {
    const worker = new Worker();
    const args = ["listen", path, inFlight, handleMs, threads, failures].map(String);
    worker.child = spawn(workerPath(), args, { env: cleanEnvironment(), stdio: ["pipe", "pipe", "inherit"] });
    worker.ended = once(worker.child, "close");
    worker.child.stdin.on("error", () => {});
    t.after(() => worker.child.kill("SIGKILL"));
    createInterface({ input: worker.child.stdout }).on("line", (line) => {
      const event = parseLine(line);
      worker.events.push(event);
      onEvent(event);
    });
    await eventually(60_000, "a listener", () => worker.events.length > 0 || worker.child.exitCode !== null);
    assert.equal(worker.child.exitCode, null);
    return worker;
  }

  of(what) {
    return this.events.filter((event) => event.what === what);
  }

  signal(name) {
    this.child.kill(name);
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async end() {
    this.child.stdin.end();
    assert.deepEqual(await this.ended, [0, null]);
  }
}

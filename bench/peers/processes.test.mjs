// The processes of a run.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { eventually } from "../../test/clients/lib/time.mjs";
import { Processes } from "./processes.mjs";

/** Whether a process runs; one that has ended and that nobody has asked about does not. */
function isRunning(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** A shell that has a child of its own, and tells its number. */
async function startFamily(processes, script) {
  const started = processes.start("sh", ["-c", script]);
  while (!/\d+\n/.test(started.stdout)) await new Promise((done) => started.child.stdout.once("data", done));
  return { started, child: Number(started.stdout) };
}

test("what a program prints is given when it has ended", async () => {
  const processes = new Processes();
  const { stdout } = await processes.run("cat", [], { input: "something" });
  assert.equal(stdout, "something");
});

test("a program that fails is an error with what it said", async () => {
  const processes = new Processes();
  await assert.rejects(processes.run("sh", ["-c", "echo no disk >&2; exit 3"]), /sh ended with 3:\nno disk/);
  await assert.rejects(processes.run("a-program-that-nobody-has", []), /ended with 127/);
});

test("a program that takes too long is ended", async () => {
  const processes = new Processes();
  await assert.rejects(processes.run("sleep", ["600"], { timeoutMs: 50 }), /sleep took longer than 0.05 s/);
});

test("the end of a run ends all that it started, and their children", async () => {
  const processes = new Processes();
  const { started, child } = await startFamily(processes, "sleep 600 & echo $!; wait");
  await processes.close();
  assert.notEqual(started.end, undefined);
  await eventually(10_000, "the end of both", () => !isRunning(started.pid) && !isRunning(child));
  assert.throws(() => processes.start("true", []), /the run is over/);
});

test("nothing of the environment changes what the programs do", async () => {
  process.env.DENO_KV_ACCESS_TOKEN = "of the tests";
  try {
    const { stdout } = await new Processes().run("env", [], { env: { ADDED: "yes" } });
    assert.doesNotMatch(stdout, /DENO_KV/);
    assert.match(stdout, /^ADDED=yes$/m);
  } finally {
    delete process.env.DENO_KV_ACCESS_TOKEN;
  }
});

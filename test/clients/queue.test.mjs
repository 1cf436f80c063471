// One file's queue between Deno and programs that use the library: what either enqueues the other handles, and nobody
// handles what another did.

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { enqueueMessages, queueState, Worker } from "../process/queue_worker.mjs";
import { eventually, spawnDeno, temporaryFolder, within } from "./lib/harness.mjs";

const SOON_MS = 60_000;

/** Runs a Deno program; `lines` is what it printed so far. */
function startDeno(t, program, args) {
  const child = spawnDeno(program, args);
  const lines = [];
  let errors = "";
  t.after(() => child.kill("SIGKILL"));
  child.stderr.on("data", (text) => (errors += text));
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  const closed = once(child, "close");
  const ended = async () => {
    child.stdin.end();
    assert.deepEqual(await within(SOON_MS, "Deno's end", closed), [0, null], errors);
  };
  return { lines, ended };
}

async function newPath(t) {
  return join(await temporaryFolder(t), "kv.sqlite");
}

test("what Deno enqueues a program that listens handles, soon", async (t) => {
  const COUNT = 50;
  const path = await newPath(t);
  const listener = await Worker.start(t, path);
  const deno = startDeno(t, "deno/queue_enqueue.ts", [path, String(COUNT)]);
  await deno.ended();
  await eventually(SOON_MS, "the messages", () => listener.of("done").length === COUNT);
  const begun = new Map(listener.of("begin").map(({ message, timeMs }) => [message, timeMs]));
  assert.equal(listener.of("begin").length, COUNT);
  const late = deno.lines.map(({ message, timeMs }) => begun.get(message) - timeMs).sort((a, b) => a - b);
  t.diagnostic(`noticed after ${late[COUNT / 2]} ms at the median, ${late.at(-1)} ms at most`);
  await listener.end();
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
});

test("Deno and a program both listen and enqueue, and none handles what the other did", async (t) => {
  const COUNT = 60;
  const path = await newPath(t);
  const listener = await Worker.start(t, path, { inFlight: 2, handleMs: 5 });
  const deno = startDeno(t, "deno/queue_beside.ts", [path, String(COUNT)]);
  await enqueueMessages(path, "tuplet", COUNT);
  const byDeno = () => deno.lines.filter(({ handled }) => handled).map(({ handled }) => handled);
  const byTuplet = () => listener.of("done").map(({ message }) => message);
  await eventually(SOON_MS, "all messages", () => byDeno().length + byTuplet().length >= 2 * COUNT);
  await eventually(SOON_MS, "the queue's end", async () => {
    const { waiting, running } = await queueState(path);
    return waiting + running === 0;
  });
  await deno.ended();
  await listener.end();
  const all = [...byDeno(), ...byTuplet()];
  assert.equal(all.length, 2 * COUNT);
  assert.equal(new Set(all).size, 2 * COUNT, "each once");
  assert.equal(listener.of("lost").length, 0);
  t.diagnostic(`${byDeno().length} by Deno, ${byTuplet().length} by the program`);
});

test("what Deno has failed to handle a program gets as the schedule says", async (t) => {
  const path = await newPath(t);
  const deno = startDeno(t, "deno/queue_failing.ts", [path]);
  await deno.ended();
  assert.deepEqual(deno.lines, [{ failures: 2 }]);
  assert.deepEqual(await queueState(path), { waiting: 1, running: 0 });
  const listener = await Worker.start(t, path, { failures: 1 });
  await eventually(SOON_MS, "its end", () => listener.of("done").length === 1);
  assert.deepEqual(listener.of("failed").map(({ message }) => message), ["retried"]); // the one delay that was left
  await listener.end();
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
});

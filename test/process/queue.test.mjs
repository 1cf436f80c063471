// The queue between processes: whatever dies, stops or is slow, each message is handled, by one at a time while its
// lease lives.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { eventually, sleep, temporaryFolder, within } from "../clients/lib/harness.mjs";
import { Random, seed } from "../clients/lib/random.mjs";
import { enqueueMessages, queueState, Worker } from "./queue_worker.mjs";

const SOON_MS = 60_000;

async function newPath(t) {
  return join(await temporaryFolder(t), "kv.sqlite");
}

/** The q-quantile of numbers. */
function quantile(numbers, q) {
  return [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(q * numbers.length))];
}

test("between processes", { concurrency: 3 }, async (t) => {
  const parts = [killed, stopped, slow, schedule, neighbours];
  await Promise.all(parts.map(([name, body]) => t.test(name, body)));
});

const killed = [`listeners killed every half second lose no message (seed ${seed})`, async (t) => {
  const COUNT = 200, LISTENERS = 3, KILL_EVERY_MS = 500;
  const path = await newPath(t);
  const random = new Random(seed);
  const handled = new Map();
  const done = new Set();
  const onEvent = ({ what, message }) => {
    if (what === "begin") handled.set(message, (handled.get(message) ?? 0) + 1);
    if (what === "done") done.add(message);
  };
  const start = () => Worker.start(t, path, { inFlight: 4, handleMs: 60, threads: 2, onEvent });
  await enqueueMessages(path, "job", COUNT, [50, 50, 50, 50, 50]);
  const listeners = await Promise.all(Array.from({ length: LISTENERS }, start));
  let kills = 0;
  const deadline = Date.now() + 2 * SOON_MS;
  // What a killed process had finished may not have been told: the file says whether all is done.
  for (let left = COUNT; left > 0;) {
    assert.ok(Date.now() < deadline, `${left} messages are left, ${kills} kills`);
    await sleep(KILL_EVERY_MS);
    const victim = random.below(LISTENERS);
    await listeners[victim].kill();
    kills++;
    listeners[victim] = await start();
    const { waiting, running } = await queueState(path);
    left = waiting + running;
  }
  for (const listener of listeners) await listener.end();
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
  assert.equal(handled.size, COUNT, "each message was handled");
  const repeats = [...handled.values()].reduce((sum, times) => sum + times - 1, 0);
  t.diagnostic(`${kills} kills, ${done.size} ends told, ${repeats} repeats`);
  assert.ok(kills > 5);
  assert.ok(repeats <= kills * 4, "no more than were in flight at the kills");
}];

const stopped = ["a process that is stopped for longer than its lease loses it, and goes on", async (t) => {
  const path = await newPath(t);
  const first = await Worker.start(t, path, { handleMs: 500 });
  await enqueueMessages(path, "job", 1);
  await eventually(SOON_MS, "the message", () => first.of("begin").length === 1);
  first.signal("SIGSTOP");
  const second = await Worker.start(t, path);
  const stoppedMs = Date.now();
  await eventually(SOON_MS, "the message at another's", () => second.of("done").length === 1);
  t.diagnostic(`taken over after ${Date.now() - stoppedMs} ms`);
  assert.ok(Date.now() - stoppedMs < 20_000, "a lease runs out within seconds");
  assert.equal(second.of("done")[0].attempt, 2);
  first.signal("SIGCONT");
  await eventually(SOON_MS, "the loss", () => first.of("lost").length === 1);
  assert.equal(first.of("done").length, 0);
  await second.end();
  await enqueueMessages(path, "next", 1);
  await eventually(SOON_MS, "the next message", () => first.of("done").length === 1);
  assert.equal(first.of("begin").length, 2);
  await first.end();
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
}];

const slow = ["a handler that takes longer than a lease lasts keeps its message", async (t) => {
  const path = await newPath(t);
  const listeners = [await Worker.start(t, path, { handleMs: 8000 }), await Worker.start(t, path, { handleMs: 8000 })];
  await enqueueMessages(path, "job", 1);
  const count = (what) => listeners.reduce((sum, listener) => sum + listener.of(what).length, 0);
  await eventually(SOON_MS, "the end", () => count("done") === 1);
  assert.equal(count("begin"), 1);
  for (const listener of listeners) await within(SOON_MS, "the listener's end", listener.end());
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
}];

const schedule = ["what fails comes again as its schedule says", async (t) => {
  const BACKOFF_MS = [100, 700, 2000];
  const OFF_MS_MAX = 500; // on a machine that others use; the intervals are further apart than this
  const path = await newPath(t);
  const listener = await Worker.start(t, path, { failures: 4 });
  await enqueueMessages(path, "job", 1, BACKOFF_MS);
  await eventually(SOON_MS, "the last failure", () => listener.of("failed").length === 4);
  const begun = listener.of("begin"), failed = listener.of("failed");
  assert.deepEqual(begun.map(({ attempt }) => attempt), [1, 2, 3, 4]);
  // "failed" is told when the failure is durable, a little after the moment that counts.
  const off = BACKOFF_MS.map((ms, i) => begun[i + 1].timeMs - failed[i].timeMs - ms);
  t.diagnostic(`late by ${off.join(", ")} ms`);
  for (const ms of off) assert.ok(ms > -OFF_MS_MAX && ms < OFF_MS_MAX, `off by ${off.join(", ")} ms`);
  await listener.end();
  assert.deepEqual(await queueState(path), { waiting: 0, running: 0 });
}];

const neighbours = ["what another process enqueues is noticed soon", async (t) => {
  const COUNT = 100;
  const path = await newPath(t);
  const listener = await Worker.start(t, path, { threads: 4, inFlight: 16 });
  const enqueued = await enqueueMessages(path, "job", COUNT);
  await eventually(SOON_MS, "the messages", () => listener.of("done").length === COUNT);
  const begun = listener.of("begin");
  assert.equal(begun.length, COUNT);
  const late = begun.map(({ message, timeMs }) => timeMs - enqueued.get(message));
  t.diagnostic(`after ${quantile(late, 0.5)} ms at the median, ${quantile(late, 0.99)} ms at the 99th percentile`);
  assert.ok(quantile(late, 0.5) < 250, "far sooner than by looking now and then");
  await listener.end();
}];

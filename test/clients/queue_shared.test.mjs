// One queue, and others beside tuplet's listeners over the network: Deno KV's package for Node enqueues, and Deno, on
// the same file, enqueues and listens.

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { request1, request2, Session } from "./lib/connect.mjs";
import {
  CLIENTS,
  eventually,
  run,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  within,
} from "./lib/harness.mjs";
import { enqueue, Listener } from "./lib/queue.mjs";

const SOON_MS = 60_000;

async function start(t) {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path);
  return { path, server, session: await Session.open(request2, server.url, TOKEN) };
}

test("what @deno/kv on Node enqueues comes to a listener", async (t) => {
  const { server, session } = await start(t);
  const listener = await Listener.open(t, session);
  const sent = await run(process.execPath, [join(CLIENTS, "node", "enqueue.mjs"), server.url, "20"], {
    env: { DENO_KV_ACCESS_TOKEN: TOKEN },
  });
  assert.equal(sent.stdout.trim(), "enqueued", sent.stderr);
  await eventually(SOON_MS, "the messages", () => listener.messages.length === 21);
  const jobs = listener.messages.filter(({ payload }) => !payload.fails);
  assert.deepEqual(jobs.map(({ payload }) => payload.job).sort((a, b) => a - b), [...Array(20).keys()]);
  const { payload } = listener.messages.find(({ payload }) => payload.fails);
  assert.deepEqual(payload, { fails: true, list: [1n, new Date(5)] });
  for (const message of listener.messages) assert.equal(await listener.finish(message), 200);
});

test("Deno on the file and listeners of a server share the queue, and none handles what another did", async (t) => {
  const COUNT = 100;
  const { path, server, session } = await start(t);
  const handled = new Map();
  const counts = { deno: 0, tuplet: 0 };
  const note = (who, message) => {
    counts[who]++;
    handled.set(message, [...handled.get(message) ?? [], who]);
  };
  const listeners = [session, await Session.open(request1, server.url, TOKEN)];
  for (const one of listeners) {
    const listener = await Listener.open(t, one, { maxInFlight: 2 });
    listener.handleAll(({ payload }) => note("tuplet", payload));
  }
  const deno = spawnDeno("deno/queue_beside.ts", [path, String(COUNT)]);
  t.after(() => deno.kill("SIGKILL"));
  const ended = once(deno, "close");
  let errors = "";
  let isListening = false;
  deno.stderr.on("data", (text) => (errors += text));
  createInterface({ input: deno.stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    if (message.enqueued) isListening = true;
    else note("deno", message.handled);
  });
  await eventually(SOON_MS, "Deno's messages", () => isListening);
  for (let i = 0; i < COUNT; i += 10) {
    await enqueue(session, Array.from({ length: 10 }, (_, j) => `tuplet ${i + j}`));
  }
  // Deno does not look by itself at what others enqueued, so tuplet's listeners take most of it.
  await eventually(SOON_MS, "all messages", () => handled.size === 2 * COUNT);
  deno.stdin.end();
  assert.deepEqual(await within(SOON_MS, "Deno's end", ended), [0, null], errors);
  const twice = [...handled].filter(([, by]) => by.length > 1);
  assert.deepEqual(twice, []);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.tuplet > 0);
});

test("what a tuplet listener leaves, Deno on the file takes, and the other way round", async (t) => {
  const { path, session } = await start(t);
  const listener = await Listener.open(t, session);
  await enqueue(session, ["left by tuplet"]);
  await listener.next();
  const deno = spawnDeno("deno/queue_beside.ts", [path, "0"]);
  t.after(() => deno.kill("SIGKILL"));
  const seen = [];
  createInterface({ input: deno.stdout }).on("line", (line) => seen.push(JSON.parse(line)));
  await eventually(SOON_MS, "Deno's listening", () => seen.length > 0);
  listener.kill();
  await new Promise((done) => setTimeout(done, 500));
  deno.stdin.write("."); // Deno looks when it enqueues something itself
  await eventually(SOON_MS, "the message", () => seen.some(({ handled }) => handled === "left by tuplet"));
  const ended = once(deno, "close");
  deno.stdin.end();
  await within(SOON_MS, "Deno's end", ended);
  const again = await Listener.open(t, session);
  await enqueue(session, ["after Deno"]);
  const left = () => again.messages.some(({ payload }) => payload === "after Deno");
  await eventually(SOON_MS, "the message after Deno", left);
});

// Everything at once over connections that cannot be relied on: programs with the C library count, enqueue, listen and
// watch through chaos_proxy.mjs, while the server behind it is killed and started again. In the end each was told the
// truth, and nothing is lost.
//
// CHAOS_SECONDS: for how long (5). TUPLET_SEED: what a failed run printed, to have the same choices once more.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { ChaosProxy } from "./lib/chaos_proxy.mjs";
import {
  cleanEnvironment,
  eventually,
  sleep,
  startServer,
  temporaryFolder,
  TOKEN,
  tupletPath,
  within,
} from "./lib/harness.mjs";
import { Random, seed } from "./lib/random.mjs";
import { queueState } from "../process/queue_worker.mjs";

const SECONDS = Number(process.env.CHAOS_SECONDS ?? 5);
const MESSAGES_PER_SECOND = 50; // so many are enqueued, more or less, whatever happens
const MESSAGES = 100 + MESSAGES_PER_SECOND * SECONDS;
const KILL_EVERY_MS = 2000;
const SETTLE_MS = 60_000; // from the end of the chaos; leases of a killed server last five seconds
const TIMEOUT_MS = 4000; // of the clients' operations

function chaosPath() {
  const path = join(dirname(tupletPath()), "test", "process", "chaos");
  assert.ok(existsSync(path), `${path} is not there: it is built from test/process/chaos.c`);
  return path;
}

/** The program, whose lines go to onLine as words. */
class Program {
  errors = "";

  constructor(t, args, environment, onLine) {
    this.child = spawn(chaosPath(), args.map(String), {
      env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN, ...environment }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.name = args.join(" ");
    this.child.stdin.on("error", () => {});
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.errors += text));
    t.after(() => this.child.kill("SIGKILL"));
    createInterface({ input: this.child.stdout }).on("line", (line) => onLine(line.split(" "), line));
    this.ended = once(this.child, "close");
  }

  /** Its end, which is asked for where it does not come by itself. */
  async end() {
    this.child.stdin.end();
    const [code, signal] = await within(SETTLE_MS, `the end of ${this.name}`, this.ended);
    assert.equal(signal ?? code, 0, `${this.name}: ${this.errors}`);
  }
}

/** How often each word came. */
function tally(words) {
  const counts = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** What is in the file in the end: the counter, what each step that took effect set it to, what was undelivered. */
async function readFile(t, path) {
  const found = { counter: 0, sum: 0, applied: new Map(), sent: 0, undelivered: 0 };
  await new Program(t, [path, "dump"], {}, (words, line) => {
    const [, key, value] = /^(\[.*\]) (.*)$/.exec(line);
    const [name, ...rest] = key.match(/[\w.]+/g);
    const number = Number(/\d+/.exec(value.replace("KvU64", "")));
    if (name === "counter") found.counter = number;
    if (name === "sum") found.sum = number;
    if (name === "marker") found.applied.set(`${rest[0]} ${parseInt(rest[1])}`, number);
    if (name === "sent") found.sent++;
    if (name === "undelivered") found.undelivered++;
  }).end();
  return found;
}

// ---- Counting ----

/** What the programs were told of each step, by "WORKER STEP". */
class Steps {
  told = new Map();
  unread = 0;

  note([what, worker, step, status]) {
    if (what === "unread") this.unread++;
    else this.told.set(`${worker} ${step}`, status);
  }

  /** applied: which steps the file says took effect, with what they set the counter to. */
  check(counter, applied) {
    const of = (status) => [...this.told].filter(([, told]) => told === status).map(([step]) => step);
    const committed = of("TUPLET_OK");
    const unknown = of("TUPLET_UNKNOWN");
    assert.deepEqual(committed.filter((step) => !applied.has(step)), [], "told to be committed, and lost");
    for (const [step, told] of this.told) {
      if (told === "TUPLET_OK" || told === "TUPLET_UNKNOWN") continue;
      assert.ok(!applied.has(step), `${step} was told to be ${told}, and took effect`);
    }
    const untold = [...applied.keys()].filter((step) => !this.told.has(step));
    assert.deepEqual(untold, [], "took effect, and nobody was told");
    // Each took effect once: they have set the counter to 1, 2, 3, … without a gap.
    assert.deepEqual([...applied.values()].sort((a, b) => a - b), Array.from({ length: counter }, (_, i) => i + 1));
    assert.ok(committed.length <= counter && counter <= committed.length + unknown.length);
    assert.ok(committed.length > 0);
    return unknown.filter((step) => applied.has(step)).length;
  }
}

// ---- The queue ----

class Messages {
  sends = [];
  begins = new Map(); // number -> how often
  ids = new Map();
  ends = [];

  noteSend([, number, status]) {
    this.sends.push(status);
    this.sent = Number(number) + (status === "TUPLET_OK" || status === "TUPLET_CONFLICT" ? 1 : 0);
  }

  note([what, number, ...rest]) {
    if (what === "begin") {
      const id = rest[1];
      this.begins.set(number, (this.begins.get(number) ?? 0) + 1);
      if (!this.ids.has(number)) this.ids.set(number, id);
      assert.equal(this.ids.get(number), id, `message ${number} is there once`);
    } else {
      this.ends.push(`${what} ${rest[0]}`);
    }
  }

  get repeats() {
    return [...this.begins.values()].reduce((sum, times) => sum + times - 1, 0);
  }
}

// ---- All of it ----

/** Runs all programs against the URL, and the server behind the proxy through its kills. */
async function runChaos(t, { url, environment = {}, server, restart, proxy, random, path }) {
  const steps = new Steps();
  const messages = new Messages();
  const watched = [];
  const sums = { committed: 0, unknown: 0, failed: 0 };
  const start = (args, onLine) => new Program(t, ["--timeout", TIMEOUT_MS, url, ...args], environment, onLine);
  const counting = ["a", "b", "c"].map((name) => start(["count", name, SECONDS, 2], (words) => steps.note(words)));
  const summing = start(["sum", SECONDS, 2], ([what]) => sums[what]++);
  const sending = start(["send", MESSAGES], (words) => messages.noteSend(words));
  const listening = [0, 1].map(() => start(["listen"], (words) => messages.note(words)));
  const watching = [0, 1].map((i) => start(["watch"], ([what, state]) => {
    if (what === "seen") (watched[i] ??= []).push(Number(state));
  }));

  const end = performance.now() + SECONDS * 1000;
  let kills = 0;
  while (performance.now() + KILL_EVERY_MS < end) {
    await sleep(KILL_EVERY_MS / 2 + random.below(KILL_EVERY_MS));
    await server.kill();
    kills++;
    await sleep(random.below(300));
    server = await restart();
  }
  for (const program of [...counting, summing]) await program.end();
  proxy.calm();
  await within(SETTLE_MS, `the last of ${MESSAGES} messages; ${messages.sent} are sent`, sending.ended);
  await eventually(SETTLE_MS, "an empty queue", async () => {
    const { waiting, running } = await queueState(path);
    return waiting + running === 0;
  });
  const found = await readFile(t, path);
  await eventually(SETTLE_MS, "the last state at each watch", () =>
    watching.every((_, i) => watched[i]?.at(-1) === found.counter));
  for (const program of [...listening, ...watching]) await program.end();
  await server.stop();

  const took = steps.check(found.counter, found.applied);
  const { committed, unknown } = sums;
  assert.ok(committed <= found.sum && found.sum <= committed + unknown, `${found.sum}: ${JSON.stringify(sums)}`);
  for (const states of watched)
    assert.ok(states.every((state, i) => i === 0 || state >= states[i - 1]), "no watch went back");
  assert.equal(found.sent, MESSAGES);
  assert.equal(messages.begins.size, MESSAGES, "each message was handled");
  t.diagnostic(`${JSON.stringify(proxy.counts)}, ${kills} kills`);
  t.diagnostic(`counter ${found.counter}: ${JSON.stringify(tally(steps.told.values()))}`);
  t.diagnostic(`${took} of the unknown took effect, ${steps.unread} reads failed`);
  t.diagnostic(`sum ${found.sum}: ${JSON.stringify(sums)}`);
  t.diagnostic(`${MESSAGES} messages sent: ${JSON.stringify(tally(messages.sends))}`);
  const { repeats, ends } = messages;
  t.diagnostic(`${repeats} handled again, ${found.undelivered} undelivered: ${JSON.stringify(tally(ends))}`);
  assert.ok(proxy.counts.cuts > 0 && kills > 0);
}

const http1 = [`over HTTP/1.1, with requests carried out twice (seed ${seed})`, async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite3");
  const random = new Random(seed);
  const server = await startServer(t, path);
  // What checks the version of what it changes takes effect once, however often it comes; a sum alone does not.
  const repeats = (request) => {
    const text = request.toString("latin1");
    return /^POST \/v2\/(atomic_write|queue_finish) /.test(text) && !text.includes("\x02sum\0");
  };
  const proxy = await ChaosProxy.start(t, { port: server.port, random, repeats });
  const restart = () => startServer(t, path, { port: server.port });
  await runChaos(t, { url: `http://127.0.0.1:${proxy.port}`, server, restart, proxy, random, path });
  assert.ok(proxy.counts.repetitions > 0);
}];

/** A server with TLS, and how to start it again. */
async function startSecure(t) {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite3");
  const authority = await makeAuthority(folder, "authority");
  const { cert, key } = await makeCertificate(folder, "server", authority);
  const start = (port) => startServer(t, path, { port, args: ["--tls-cert", cert, "--tls-key", key] });
  const server = await start(0);
  return { path, server, restart: () => start(server.port), environment: { DENO_CERT: authority.cert } };
}

const http2 = [`over TLS and HTTP/2 (seed ${seed})`, async (t) => {
  const { path, server, restart, environment } = await startSecure(t);
  const random = new Random(seed + 1);
  const proxy = await ChaosProxy.start(t, { port: server.port, random, cuts: 0.01 });
  await runChaos(t, { url: `https://localhost:${proxy.port}`, environment, server, restart, proxy, random, path });
}];

test("nothing is lost, doubled or told wrong through bad connections", { concurrency: 2 }, async (t) => {
  await Promise.all([http1, http2].map(([name, body]) => t.test(name, body)));
});

test("a connection of HTTP/2 that has gone dead is left", async (t) => {
  const { server, environment } = await startSecure(t);
  const still = { cuts: 0, delays: 0, stalls: 0, holes: 0, pieces: 0 };
  const proxy = await ChaosProxy.start(t, { port: server.port, random: new Random(seed), ...still });
  let committed = 0;
  const lost = [];
  const args = ["--timeout", 2000, `https://localhost:${proxy.port}`, "count", "only", 6, 1];
  const counting = new Program(t, args, environment, ([what, , , status]) => {
    if (what === "step" && status === "TUPLET_OK") committed++;
    else lost.push(`${what} ${status}`);
  });
  for (let i = 0; i < 2; i++) {
    const before = committed;
    await eventually(SETTLE_MS, "some commits", () => committed > before + 5);
    proxy.swallow();
  }
  const before = committed;
  await counting.end();
  assert.ok(committed > before + 5, `${committed} were committed, ${before} before the last one died; ${lost}`);
  assert.ok(lost.length <= 2, `one for each connection: ${lost}`);
});

// Durability: whatever was acknowledged survives a SIGKILL at any moment, and no atomic operation is ever seen in part.
// Twice: killing a program that writes through the library (writer.c), and killing the server under its clients. Each
// round writes below a key of its own; the file stays the same, so that later rounds start from what earlier kills left.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { request1, Session } from "../clients/lib/connect.mjs";
import {
  cleanEnvironment,
  sleep,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
  within,
} from "../clients/lib/harness.mjs";
import * as pb from "../clients/lib/protobuf.mjs";
import { Random, seed } from "../clients/lib/random.mjs";

const LIBRARY_ROUNDS = 50;
const SERVER_ROUNDS = 25;
const WRITERS = 6;
const KILL_AFTER_MS_MAX = 120;

/** Where Meson puts writer.c's program: beside the binary under test, unless the environment says otherwise. */
function writerPath() {
  const path = process.env.TUPLET_WRITER ?? join(dirname(tupletPath()), "test", "process", "writer");
  assert.ok(existsSync(path), `${path} is not there: it is built from test/process/writer.c`);
  return path;
}

/** One round of the library's writer: its acknowledgements as read from a pipe that outlives it. */
async function writeAndKill(path, round, delayMs) {
  const child = spawn(writerPath(), [path, String(round), String(WRITERS)], {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const ended = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
  const acknowledged = [];
  let timer = null;
  for await (const line of createInterface({ input: child.stdout })) {
    // The clock runs from the first acknowledgement, so that a slow start is not all that is killed.
    timer ??= setTimeout(() => child.kill("SIGKILL"), delayMs);
    const [thread, sequence] = line.split(" ").map(Number);
    acknowledged.push({ thread, sequence });
  }
  assert.deepEqual(await ended, { code: null, signal: "SIGKILL" }, errors);
  return acknowledged;
}

/** What the file holds of a round: for each writer the sequences that have an "a", those with a "b", and "last". */
async function stateOf(path, round) {
  const { code, stdout, stderr } = await tuplet([
    "--db",
    path,
    "list",
    "--json",
    "--prefix",
    `["round", ${round}n]`,
  ]);
  assert.equal(code, 0, stderr);
  const writers = Array.from({ length: WRITERS }, () => ({ a: new Set(), b: new Set(), last: 0 }));
  for (const line of stdout.split("\n").filter(Boolean)) {
    const { keyText, valueText } = JSON.parse(line);
    const [, number, kind, sequence] = /^\["round", \d+n, (\d+)n, "(a|b|last)"(?:, (\d+)n)?\]$/.exec(keyText);
    const writer = writers[Number(number)];
    if (kind === "last") writer.last = Number(/(\d+)n/.exec(valueText)[1]);
    else writer[kind].add(Number(sequence));
  }
  return writers;
}

function assertWhole(state, acknowledged, context) {
  for (const { thread, sequence } of acknowledged) {
    assert.ok(
      state[thread].a.has(sequence),
      `${context}: writer ${thread} lost ${sequence}, which was acknowledged`,
    );
  }
  for (const [number, { a, b, last }] of state.entries()) {
    assert.deepEqual([...a], [...b], `${context}: writer ${number} has an operation in part`);
    // Each writer waits for its commit before the next: what is there is 1 … last, without a gap.
    assert.deepEqual([...a], Array.from({ length: last }, (_, i) => i + 1), `${context}: writer ${number}`);
  }
}

test(`a program that writes through the library, killed ${LIBRARY_ROUNDS} times (seed ${seed})`, async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const random = new Random(seed);
  const rounds = [];
  let total = 0;
  for (let round = 0; round < LIBRARY_ROUNDS; round++) {
    const delayMs = random.below(KILL_AFTER_MS_MAX);
    const acknowledged = await writeAndKill(path, round, delayMs);
    const state = await stateOf(path, round);
    assertWhole(state, acknowledged, `seed ${seed}, round ${round}, killed after ${delayMs} ms`);
    rounds.push(state);
    total += acknowledged.length;
  }
  assert.ok(total > LIBRARY_ROUNDS * WRITERS, `only ${total} commits were acknowledged in all`);
  t.diagnostic(`${total} acknowledged commits in ${LIBRARY_ROUNDS} rounds`);

  await t.test("what earlier rounds left is still there after the last kill", async () => {
    for (const [round, state] of rounds.entries()) {
      assert.deepEqual(await stateOf(path, round), state, `round ${round}`);
    }
  });
});

/** Writes through a server until it is gone; each commit is noted once its answer has come. */
async function writeUntilGone(session, round, number, acknowledged) {
  const keyOf = (...parts) => Buffer.concat([encodedPrefix(round, number), ...parts]);
  const value = { data: Buffer.alloc(200, 120), encoding: pb.BYTES };
  for (let sequence = 1;; sequence++) {
    const last = Buffer.alloc(8);
    last.writeBigUInt64LE(BigInt(sequence));
    const body = pb.atomicWrite({
      mutations: [
        { key: keyOf(pb.stringKey("a"), bigintPart(sequence)), value, type: pb.SET },
        { key: keyOf(pb.stringKey("last")), value: { data: last, encoding: pb.LE64 }, type: pb.SET },
        { key: keyOf(pb.stringKey("b"), bigintPart(sequence)), value, type: pb.SET },
      ],
    });
    const answer = await session.call("atomic_write", body).catch(() => null);
    if (answer === null) return;
    assert.equal(answer.status, 200, String(answer.body));
    acknowledged.push({ thread: number, sequence });
  }
}

/** A small bigint as a key part: its tag is 0x14 and the number of its bytes. */
function bigintPart(value) {
  const bytes = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from([0x14 + bytes.length, ...bytes]);
}

function encodedPrefix(round, number) {
  return Buffer.concat([pb.stringKey("round"), bigintPart(round), bigintPart(number)]);
}

test(`the server under its clients, killed ${SERVER_ROUNDS} times (seed ${seed})`, async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const random = new Random(seed + 1);
  let total = 0;
  for (let round = 0; round < SERVER_ROUNDS; round++) {
    const server = await startServer(t, path);
    const session = await Session.open(request1, server.url, TOKEN);
    const acknowledged = [];
    const writers = Array.from(
      { length: WRITERS },
      (_, number) => writeUntilGone(session, round, number, acknowledged),
    );
    const delayMs = 5 + random.below(KILL_AFTER_MS_MAX);
    await sleep(delayMs);
    await server.kill();
    await within(20_000, "the writers' end", Promise.all(writers));
    assertWhole(
      await stateOf(path, round),
      acknowledged,
      `seed ${seed}, round ${round}, killed after ${delayMs} ms`,
    );
    total += acknowledged.length;
  }
  assert.ok(total > SERVER_ROUNDS, `only ${total} commits were acknowledged in all`);
  t.diagnostic(`${total} acknowledged commits in ${SERVER_ROUNDS} rounds`);
});

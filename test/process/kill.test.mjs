// Durability: whatever was acknowledged survives a SIGKILL at any moment, and no atomic operation is ever seen in part.
// Twice: killing a program that writes through the library (writer.c), and killing the server under its clients. Each
// round writes below a key of its own; the file stays the same, so that later rounds start from what earlier kills left.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "../clients/lib/connect.mjs";
import { sleep, startServer, temporaryFolder, TOKEN, within } from "../clients/lib/harness.mjs";
import * as pb from "../clients/lib/protobuf.mjs";
import { Random, seed } from "../clients/lib/random.mjs";
import { assertWhole, stateOf, writeAndKill, WRITERS } from "./writer.mjs";

const LIBRARY_ROUNDS = 50;
const SERVER_ROUNDS = 25;
const KILL_AFTER_MS_MAX = 120;

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

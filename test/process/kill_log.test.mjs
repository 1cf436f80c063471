// The write-ahead log while everything that writes to it is killed: it is lengthened ahead of commits, starts over, and
// others write to it at the same time. Nobody closes the file between two kills, so that each finds the log as the one
// before left it, and takes it up.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { sleep, spawnDeno, temporaryFolder, tuplet, within } from "../clients/lib/harness.mjs";
import { Random, seed } from "../clients/lib/random.mjs";
import { withSqlite } from "../clients/lib/sqlite.mjs";
import { assertWhole, stateOf, writeAndKill } from "./writer.mjs";

const KILL_AFTER_MS_MAX = 300;
const ROUNDS_MIN = 20;
const ROUNDS_MAX = 200;
const SHARED_ROUNDS = 12;
const DENO_ROUNDS = 4;
const ACKNOWLEDGED_TIMEOUT_MS = 60_000;

/** The log's file as it is: its size, and how often it has started over. */
function lookAtLog(path) {
  const log = readFileSync(`${path}-wal`);
  return { size: log.length, startedOver: log.length >= 16 ? log.readUInt32BE(12) : 0 };
}

async function assertSound(path) {
  await withSqlite(
    path,
    'if (db.prepare("PRAGMA integrity_check").get().integrity_check !== "ok") Deno.exit(1)',
  );
}

test(`a log that is lengthened and starts over, under a program that is killed (seed ${seed})`, async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const random = new Random(seed);
  const acknowledged = [];
  let lengthened = 0;
  let startedOver = 0;
  while (acknowledged.length < ROUNDS_MIN || startedOver === 0) {
    assert.ok(acknowledged.length < ROUNDS_MAX, `the log has not started over in ${ROUNDS_MAX} rounds`);
    acknowledged.push(await writeAndKill(path, acknowledged.length, random.below(KILL_AFTER_MS_MAX)));
    const log = lookAtLog(path);
    if (log.size % 65536 === 0) lengthened++;
    startedOver = Math.max(startedOver, log.startedOver);
  }
  assert.ok(lengthened > 0, "no kill found the log lengthened");
  t.diagnostic(`${acknowledged.length} kills, the log lengthened at ${lengthened}, over ${startedOver} times`);
  for (const [round, ofRound] of acknowledged.entries()) {
    assertWhole(await stateOf(path, round), ofRound, `seed ${seed}, round ${round}`);
  }
  await assertSound(path);
});

/** Deno writing to the file; `kill` gives how many entries it was told are there. */
async function startDeno(t, path, name) {
  const child = spawnDeno("deno/write_on.ts", [path, name]);
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "close");
  let errors = "";
  let count = 0;
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => (count = Number(line)));
  await within(ACKNOWLEDGED_TIMEOUT_MS, "Deno's first entry", once(lines, "line"));
  return {
    kill: async () => {
      child.kill("SIGKILL");
      assert.deepEqual(await ended, [null, "SIGKILL"], errors);
      return count;
    },
  };
}

/** The numbers that the file has of what Deno wrote under a name. */
async function writtenByDeno(path, name) {
  const { code, stdout, stderr } = await tuplet([
    "--db",
    path,
    "list",
    "--json",
    "--prefix",
    `["deno", "${name}"]`,
  ]);
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => Number(/, (\d+)\]$/.exec(JSON.parse(line).keyText)[1]));
}

test(`Deno and a program of the library write one file, each killed in turn (seed ${seed})`, async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const random = new Random(seed);
  const acknowledged = [];
  const counts = new Map();
  for (let round = 0; round < DENO_ROUNDS; round++) {
    const name = `round ${round}`;
    const deno = await startDeno(t, path, name);
    for (let i = 0; i < SHARED_ROUNDS / DENO_ROUNDS; i++) {
      acknowledged.push(await writeAndKill(path, acknowledged.length, random.below(KILL_AFTER_MS_MAX)));
    }
    // The next kill meets a program of the library that writes, too.
    const writing = writeAndKill(path, acknowledged.length, KILL_AFTER_MS_MAX);
    await sleep(random.below(KILL_AFTER_MS_MAX));
    counts.set(name, await deno.kill());
    acknowledged.push(await writing);
  }
  for (const [round, ofRound] of acknowledged.entries()) {
    assertWhole(await stateOf(path, round), ofRound, `seed ${seed}, round ${round}`);
  }
  for (const [name, count] of counts) {
    const numbers = await writtenByDeno(path, name);
    // One more may be there whose acknowledgement was not told any more.
    assert.ok(numbers.length === count || numbers.length === count + 1, `${name}: ${numbers.length} of ${count}`);
    assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, i) => i + 1), name);
  }
  await assertSound(path);
});

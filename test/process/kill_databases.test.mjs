// Durability of many databases at once: a server that keeps few of them open, and makes them as clients name them, is
// killed at any moment. Whatever was acknowledged is there afterwards, in the database that it was written to, and each
// database is the one that it was.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { request1, request2, Session } from "../clients/lib/connect.mjs";
import { eventually, sleep, startServer, temporaryFolder, TOKEN, within } from "../clients/lib/harness.mjs";
import * as pb from "../clients/lib/protobuf.mjs";
import { Random, seed } from "../clients/lib/random.mjs";

const ROUNDS = 12;
const WRITERS = 8;
const DATABASES = 60;
const KILL_AFTER_MS_MAX = 400;
const COUNTER = pb.stringKey("count");
const ADD_ONE = pb.atomicWrite({
  mutations: [{
    key: COUNTER,
    value: { data: Buffer.from("0100000000000000", "hex"), encoding: pb.LE64 },
    type: pb.SUM,
  }],
});

const start = (t, folder) =>
  startServer(t, join(folder, "kv.sqlite"), {
    args: ["--data-dir", join(folder, "data"), "--create-databases", "--open-databases-max", "8"],
  });

/** What is known of a database: its id, and how many additions were acknowledged and begun. */
class Known {
  id = null;
  acknowledged = 0;
  begun = 0;
}

/** Adds to counters here and there until the server is gone. */
async function addUntilGone(url, random, known) {
  for (;;) {
    const name = random.pick([...known.keys()]);
    const database = known.get(name);
    const request = random.chance(0.5) ? request1 : request2;
    try {
      const session = await Session.open(request, url, TOKEN, `/${name}`);
      database.id ??= session.metadata.databaseId;
      assert.equal(session.metadata.databaseId, database.id, `${name} has another id`);
      for (let i = random.below(5); i >= 0; i--) {
        database.begun++;
        const answer = await session.call("atomic_write", ADD_ONE);
        assert.equal(answer.status, 200, String(answer.body));
        database.acknowledged++;
      }
    } catch (error) {
      if (error.code === "ERR_ASSERTION" || /answered/.test(error.message)) throw error;
      return; // the connection broke
    }
  }
}

test(`a server of ${DATABASES} databases, killed ${ROUNDS} times (seed ${seed})`, async (t) => {
  const folder = await temporaryFolder(t);
  const random = new Random(seed);
  const known = new Map(Array.from({ length: DATABASES }, (_, i) => [`database-${i}`, new Known()]));
  const total = () => [...known.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  for (let round = 0; round < ROUNDS; round++) {
    const server = await start(t, folder);
    const before = total();
    const writers = Array.from({ length: WRITERS }, () => addUntilGone(server.url, random, known));
    const all = Promise.all(writers);
    all.catch(() => {}); // is awaited below
    await eventually(20_000, "acknowledged writes", () => total() > before + 10);
    const delayMs = random.below(KILL_AFTER_MS_MAX);
    await sleep(delayMs);
    await server.kill();
    await within(20_000, "the writers' end", all);
  }

  const server = await start(t, folder);
  for (const [name, { id, acknowledged, begun }] of known) {
    if (id === null) continue;
    const session = await Session.open(request2, server.url, TOKEN, `/${name}`);
    assert.equal(session.metadata.databaseId, id, name);
    const entry = await session.get(COUNTER);
    const count = entry === null ? 0 : Number(entry.value.readBigUInt64LE());
    assert.ok(count >= acknowledged, `${name} has ${count} of ${acknowledged} that were acknowledged`);
    assert.ok(count <= begun, `${name} has ${count}, of ${begun} that were begun`);
  }
  t.diagnostic(`${total()} acknowledged writes`);
});

// One file, two processes: what Deno's built-in KV stores, the package reads, and the other way round.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cleanEnvironment, DENO, temporaryFolder } from "../../../test/clients/lib/harness.mjs";
import { EncodedValue, KvU64, openKv } from "../dist/index.js";
import { describe } from "./values/describe.mjs";
import { randomOf, randomValue } from "./values/random.mjs";
import { evaluate, lackOf, vectors } from "./values/vectors.mjs";

const PROGRAM = fileURLToPath(new URL("values/builtin.mjs", import.meta.url));
const TIMEOUT_MS = 120_000;

/** What Deno's built-in KV sees in a file: from a key's JSON to the description of its value. */
async function builtin(command, path) {
  const args = ["run", "-A", "--unstable-kv", "--no-config", "--no-lock", "--no-check", PROGRAM, command, path];
  const { stdout } = await promisify(execFile)(DENO, args, {
    env: cleanEnvironment(),
    maxBuffer: 2 ** 28,
    timeout: TIMEOUT_MS,
  });
  return new Map(JSON.parse(stdout).map(([key, value]) => [JSON.stringify(key), value]));
}

async function open(t, path) {
  const kv = await openKv(path);
  t.after(() => kv[Symbol.asyncDispose]());
  return kv;
}

test("what Deno's built-in KV writes is read, host objects as they are stored", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const seen = await builtin("write", path);
  const kv = await open(t, path);
  for (const [i, vector] of vectors.entries()) {
    const key = ["vector", i];
    if (lackOf(vector) !== undefined) {
      await assert.rejects(kv.get(key), { code: "TUPLET_UNSUPPORTED" });
      continue;
    }
    assert.deepEqual(describe((await kv.get(key)).value), seen.get(JSON.stringify(key)), vector.js);
  }

  for (const name of ["exception", "nested"]) {
    await assert.rejects(kv.get(["host", name]), { code: "TUPLET_UNSUPPORTED" });
    const { value } = await kv.get(["host", name], { encoded: true });
    assert.equal(value.encoding, "v8");
    await kv.set(["copy", name], value);
  }
  const after = await builtin("read", path);
  assert.equal(after.get('["copy","exception"]'), "DataError: message");
  assert.equal(after.get('["host","exception"]'), "DataError: message");
  assert.equal(after.size, vectors.length + 4);
});

test("what the package writes is read by Deno's built-in KV", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const kv = await open(t, path);
  const expected = new Map();
  const put = async (key, value) => {
    await kv.set(key, value);
    expected.set(JSON.stringify(key), describe((await kv.get(key)).value));
  };
  for (const [i, vector] of vectors.entries()) {
    if (lackOf(vector) === undefined) await put(["vector", i], evaluate(vector, KvU64));
  }
  const random = randomOf(3);
  for (let i = 0; i < 300; i++) await put(["random", i], randomValue(random));
  await put(["buffer"], { buffer: Buffer.from("text") });
  await kv.atomic().sum(["sum"], 5n).commit();
  expected.set('["sum"]', describe(new KvU64(5n)));
  await put(["encoded"], new EncodedValue("v8", Uint8Array.of(0xff, 13, 0x6f, 0x7b, 0)));

  const seen = await builtin("read", path);
  assert.deepEqual([...seen.keys()].sort(), [...expected.keys()].sort());
  for (const [key, value] of seen) assert.deepEqual(value, expected.get(key), key);
});

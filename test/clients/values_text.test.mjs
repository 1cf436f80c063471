// The text of values and Deno's own JavaScript: what `tuplet codec value` prints for the bytes of a vector means, when
// Deno evaluates it, the value that Deno reads from those bytes; and what tuplet makes of a text, Deno reads as the
// value of that text.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "./lib/connect.mjs";
import { runDenoChecks, startServer, temporaryFolder, TOKEN, tuplet, VECTORS } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const ENCODINGS = { 1: "v8", 2: "le64", 3: "bytes" };

/** The lines that the codec answers to lines, each one to one. */
async function codec(lines, ...args) {
  const { code, stdout, stderr } = await tuplet(["codec", "value", "--lines", ...args], {
    input: `${lines.join("\n")}\n`,
  });
  assert.equal(code, 0, stderr);
  const answers = stdout.replace(/\n$/, "").split("\n");
  assert.equal(answers.length, lines.length);
  return answers;
}

test("values as text, and Deno", async (t) => {
  const file = await readFile(join(VECTORS, "values.jsonl"), "utf8");
  const vectors = file.trim().split("\n").map((line) => JSON.parse(line)).filter((vector) =>
    vector.hex !== undefined
  );
  assert.ok(vectors.length > 100);

  // Bytes to text, by encoding, since the option holds for all lines of a call.
  const texts = [];
  for (const [number, name] of Object.entries(ENCODINGS)) {
    const indexes = [...vectors.keys()].filter((i) => vectors[i].encoding === Number(number));
    const printed = await codec(indexes.map((i) => vectors[i].hex), "--from-hex", "--encoding", name);
    indexes.forEach((index, i) => (texts[index] = printed[i]));
  }
  const hexes = await codec(texts);

  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const server = await startServer(t, path);
  const session = await Session.open(request1, server.url, TOKEN);
  const keyOf = (name, i) => pb.stringKey(name, String(i).padStart(4, "0"));
  const stored = [];
  for (const [i, { js, hex, encoding }] of vectors.entries()) {
    const value = { data: Buffer.from(hex, "hex"), encoding };
    await session.write({ mutations: [{ key: keyOf("vector", i), value, type: pb.SET }] });
    const set = await tuplet(["--db", path, "set", `["text", "${String(i).padStart(4, "0")}"]`, texts[i]]);
    assert.equal(set.code, 0, `${js}: ${set.stderr}`);
    stored.push(await session.get(keyOf("text", i)));
  }

  await t.test("a text sets the bytes that the codec makes of it, in the vector's encoding", () => {
    assert.deepEqual(stored.map(({ value }) => value.toString("hex")), hexes);
    assert.deepEqual(stored.map(({ encoding }) => encoding), vectors.map(({ encoding }) => encoding));
  });

  await t.test("text, then bytes, then text again is the same text", async () => {
    for (const [number, name] of Object.entries(ENCODINGS)) {
      const indexes = [...vectors.keys()].filter((i) => vectors[i].encoding === Number(number));
      const again = await codec(indexes.map((i) => hexes[i]), "--from-hex", "--encoding", name);
      assert.deepEqual(again, indexes.map((i) => texts[i]));
    }
  });

  const lines = vectors.map(({ js }, i) => JSON.stringify({ js, text: texts[i] })).join("\n");
  await runDenoChecks(t, "deno/values_text.ts", [server.url, VECTORS], {}, lines);
});

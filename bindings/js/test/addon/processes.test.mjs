// How programs end, by themselves or not, and what keeps them.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { bytes, collect, native, openDatabase, temporaryFolder, v8 } from "./lib.mjs";
import { runProgram } from "./program.mjs";

test("process.exit in the midst of writing loses nothing that was acknowledged", async (t) => {
  for (const count of [1, 200, 1500]) {
    const path = join(await temporaryFolder(t), "kv.sqlite");
    const { code, lines } = await runProgram("exits.mjs", [path, String(count)]);
    assert.equal(code, 7);
    assert.ok(lines.length >= count);
    const stored = new Set((await collect(await openDatabase(t, path))).map(({ key }) => key[1]));
    for (const line of lines) assert.ok(stored.has(Number(line)), `${line} was acknowledged`);
  }
});

test("an open database, with lists and watches that nobody awaits, does not keep the program", async (t) => {
  for (const path of [":memory:", join(await temporaryFolder(t), "kv.sqlite")]) {
    const { code, lines } = await runProgram("idle.mjs", [path]);
    assert.deepEqual({ code, lines }, { code: 0, lines: ["idle"] });
  }
});

test("writes that nobody awaits are completed before the program ends", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const { code } = await runProgram("unfinished.mjs", [path, "1000"]);
  assert.equal(code, 0);
  assert.equal((await collect(await openDatabase(t, path))).length, 1000);
});

test("a listener keeps the program until it is closed", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const database = await openDatabase(t, path);
  const { code, lines } = await runProgram("listens.mjs", [path], {
    onLine: (line) => line === "listening" && native.enqueue(database, [v8("hello"), 300, [], null]),
  });
  assert.deepEqual({ code, lines }, { code: 0, lines: ["listening", "hello true", "ended undefined"] });
});

test("a watch that is awaited keeps the program", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const database = await openDatabase(t, path);
  const { code, lines } = await runProgram("waits.mjs", [path], {
    onLine: (line) =>
      line === "waiting" && setTimeout(() => native.set(database, ["k"], bytes(5), -1), 300),
  });
  assert.deepEqual({ code, lines }, { code: 0, lines: ["waiting", "seen 5"] });
});

test("what is collected with work in flight completes it, and closes itself", async (t) => {
  const { code, lines } = await runProgram("collects.mjs", [await temporaryFolder(t)], { collects: true });
  assert.deepEqual({ code, lines }, { code: 0, lines: ["collected"] });
});

test("workers may end at any moment", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const { code, lines } = await runProgram("terminates.mjs", [path, "20"]);
  assert.deepEqual({ code, lines }, { code: 0, lines: ["terminated"] });
  await native.set(await openDatabase(t, path), ["after"], bytes(1), -1);
});

// The package is Deno's own database: some thousand small programs (../drop_in/) come to the same end with the built-in
// Deno.openKv, with the package in Deno and in Node, and with the package in the place of the built-in one. What differs on
// purpose is in ../differences.mjs.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { DENO, run, temporaryFolder } from "../../../../test/clients/lib/harness.mjs";
import differences from "../differences.mjs";
import { isSame } from "../drop_in/compare.mjs";

const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const REPORT = join(PACKAGE, "test", "drop_in", "report.mjs");
const CASES_MIN = 3000;
const TIMEOUT_MS = 240_000; // they take ten seconds, on a machine that does nothing else
const DENO_RUN = [DENO, "run", "-A", "--no-config", "--no-lock"];

/** The outcomes of one side, by the name of the case. */
async function outcomesOf([command, ...args], side, ...areas) {
  const { code, stdout, stderr } = await run(command, [...args, REPORT, side, ...areas], { timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0, stderr);
  return new Map(stdout.trim().split("\n").map((line) => JSON.parse(line)));
}

/** Each area of the outcomes as a subtest. */
async function compare(t, builtIn, ours, met) {
  const areas = new Set([...ours.keys()].map((name) => name.split(":")[0]));
  for (const area of areas) {
    await t.test(area, () => {
      const wrong = [];
      for (const [name, outcome] of ours) {
        if (!name.startsWith(`${area}:`) || isSame(name, builtIn.get(name) ?? "", outcome, met)) continue;
        wrong.push(`${name}\n  Deno:   ${builtIn.get(name)}\n  tuplet: ${outcome}`);
      }
      assert.deepEqual(wrong, []);
    });
  }
}

test("the same outcomes as Deno's built-in database", async (t) => {
  const [builtIn, node] = await Promise.all([
    outcomesOf([...DENO_RUN, "--unstable-kv"], "built-in"),
    outcomesOf([process.execPath], "package"),
  ]);
  const [deno, replaced] = await Promise.all([
    outcomesOf(DENO_RUN, "package"),
    outcomesOf(DENO_RUN, "replaced", "reads", "ends", "objects"),
  ]);
  assert.ok(builtIn.size >= CASES_MIN, `${builtIn.size} cases`);
  assert.deepEqual([...node.keys()], [...builtIn.keys()]);
  assert.deepEqual([...deno.keys()], [...builtIn.keys()]);
  assert.ok(replaced.size > 0);

  const met = new Set();
  await t.test("in Node", (t) => compare(t, builtIn, node, met));
  await t.test("in Deno", (t) => compare(t, builtIn, deno, met));
  await t.test("in the place of Deno's own", (t) => compare(t, builtIn, replaced, met));
  await t.test("each difference is there, and has a reason", () => {
    for (const [number, { what, why, outcomes }] of differences.entries()) {
      assert.ok(met.has(number), `not met: ${what}`);
      assert.ok(why);
      for (const name of Object.keys(outcomes ?? {})) assert.ok(builtIn.has(name), `no case: ${name}`);
    }
  });
});

test('a whole program, with "tuplet/deno" loaded before it', async (t) => {
  const replacing = join(PACKAGE, "dist", "deno.js");
  const program = join(await temporaryFolder(t), "program.mjs");
  await writeFile(
    program,
    `const ours = await import(${JSON.stringify(join(PACKAGE, "dist", "index.js"))});
    using kv = await Deno.openKv(":memory:");
    await kv.atomic().sum(["n"], 5n).commit();
    const { value } = await kv.get(["n"]);
    const same = ["openKv", "Kv", "KvU64", "AtomicOperation", "KvListIterator"].map((name) => Deno[name] === ours[name]);
    console.log(JSON.stringify([value instanceof Deno.KvU64, kv instanceof Deno.Kv, ...same]));`,
  );
  for (const flags of [[], ["--unstable-kv"]]) {
    const [command, ...args] = [...DENO_RUN, ...flags, "--preload", replacing, program];
    const { code, stdout, stderr } = await run(command, args);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), Array(7).fill(true));
  }
});

test('"tuplet/deno" is refused in Node', async () => {
  await assert.rejects(import("../../dist/deno.js"), /"tuplet\/deno" is for Deno/);
});

test("an outcome that differs without a reason is noticed", () => {
  const met = new Set();
  assert.ok(!isSame("reads: get of an entry", "resolves 1", "resolves 2", met));
  assert.ok(!isSame("reads: get of an entry", "throws TypeError: x", "rejects TypeError: x", met));
  assert.ok(!isSame("atomics: what a bad sum leaves behind", "resolves 1", "resolves 2", met));
  for (const [name, { deno, tuplet }] of differences.flatMap(({ outcomes }) => Object.entries(outcomes ?? {}))) {
    assert.ok(!isSame(name, deno, `${tuplet}, and more`, met), name);
    assert.ok(!isSame(name, `${deno}, and more`, tuplet, met), name);
  }
  assert.equal(met.size, 0);
});

// The package's types are Deno's: types/deno.ts checks, in a program that has the package installed.

import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { DENO, run, temporaryFolder } from "../../../../test/clients/lib/harness.mjs";

const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TIMEOUT_MS = 240_000;

/** What `deno check` says of a program, which may be changed before. */
async function check(t, program, change = (text) => text) {
  const folder = await temporaryFolder(t);
  const installed = join(folder, "node_modules", "tuplet");
  await cp(join(PACKAGE, "package.json"), join(installed, "package.json"));
  await cp(join(PACKAGE, "dist"), join(installed, "dist"), { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies: { tuplet: "*" } }));
  const text = await readFile(join(PACKAGE, "test", "types", program), "utf8");
  await writeFile(join(folder, program), change(text));
  const args = ["check", "--no-lock", "--node-modules-dir=manual", program];
  return run(DENO, args, { cwd: folder, timeoutMs: TIMEOUT_MS });
}

test("Deno's types and the package's stand for one another", async (t) => {
  const { code, stderr } = await check(t, "deno.ts");
  assert.equal(code, 0, stderr);
});

test("a type that is another one is noticed", async (t) => {
  const { code, stderr } = await check(t, "deno.ts", (text) => text.replace("tuplet.KvEntry<Date>", "tuplet.KvEntry<string>"));
  assert.notEqual(code, 0);
  assert.match(stderr, /TS2322/);
});

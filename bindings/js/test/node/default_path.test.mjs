// openKv() without a path in Deno opens the file that Deno's own does, wherever Deno looks for its name.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { cleanEnvironment, DENO, run, temporaryFolder } from "../../../../test/clients/lib/harness.mjs";

const PACKAGE = new URL("../../dist/index.js", import.meta.url).href;

const PROGRAM = `
import { openKv } from "${PACKAGE}";
const theirs = await Deno.openKv();
await theirs.set(["from"], "Deno");
const ours = await openKv();
console.log((await ours.get(["from"])).value);
await ours.set(["from"], "tuplet");
console.log((await theirs.get(["from"])).value);
`;

/** A folder with a program two folders below, and with the files that are named. */
async function project(t, ...files) {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "src", "app"), { recursive: true });
  await writeFile(join(folder, "src", "app", "main.mjs"), PROGRAM);
  for (const file of files) await writeFile(join(folder, file), "{}\n");
  return folder;
}

async function runIn(folder, extra, environment = { DENO_DIR: join(folder, "deno") }) {
  const args = ["run", "-A", "--unstable-kv", ...extra, "src/app/main.mjs"];
  const { code, stdout, stderr } = await run(DENO, args, { cwd: folder, env: cleanEnvironment(environment) });
  assert.equal(code, 0, stderr);
  return stdout.trim().split("\n");
}

for (const [what, files, extra = []] of [
  ["the main module", []],
  ["deno.json beside it", ["src/app/deno.json"]],
  ["deno.jsonc above it", ["deno.jsonc"]],
  ["the nearer of two configuration files", ["deno.json", "src/deno.jsonc"]],
  ["deno.json, not deno.jsonc", ["deno.json", "deno.jsonc"]],
  ["--location", ["deno.json"], ["--location", "http://example.org:80/some/path"]],
]) {
  test(`the default database in Deno is Deno's: ${what}`, async (t) => {
    assert.deepEqual(await runIn(await project(t, ...files), extra), ["Deno", "tuplet"]);
  });
}

test("the default database in Deno is Deno's: in the user's cache", async (t) => {
  const folder = await project(t);
  const environment = { XDG_CACHE_HOME: join(folder, "cache") };
  assert.deepEqual(await runIn(folder, [], environment), ["Deno", "tuplet"]);
  assert.deepEqual(await runIn(folder, [], { HOME: join(folder, "home") }), ["Deno", "tuplet"]);
});

test("the default database in a worker in Deno is memory, as Deno's", async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "src", "app"), { recursive: true });
  await writeFile(
    join(folder, "src", "app", "main.mjs"),
    `const worker = new Worker(import.meta.resolve("./worker.mjs"), { type: "module" });
     worker.onmessage = ({ data }) => { console.log(data); worker.terminate(); };\n`,
  );
  await writeFile(
    join(folder, "src", "app", "worker.mjs"),
    `import { openKv } from "${PACKAGE}";
     const found = [];
     for (const open of [Deno.openKv, openKv]) {
       const [first, second] = [await open(), await open()];
       await first.set(["a"], 1);
       found.push((await second.get(["a"])).value);
     }
     postMessage(found.join());\n`,
  );
  assert.deepEqual(await runIn(folder, []), [","]);
});

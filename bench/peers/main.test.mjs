// The program that measures: what it says when peers are missing, and that it leaves nothing behind.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { tupletPath } from "../../test/clients/lib/harness.mjs";
import { findProgram } from "./programs.mjs";
import { TARGETS } from "./targets.mjs";

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));
const SHORT = ["--quick", "--rounds", "1", "--seconds", "0.1", "--peers", "denokv,redis,etcd"];

/** A folder on the disk that the build is on, for data has to be on one. */
function folderOf(t) {
  const folder = mkdtempSync(join(dirname(tupletPath()), "test-bench-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment of a machine that has none of the peers. */
function withoutPeers(folder) {
  const path = join(folder, "programs");
  const programs = mkdtempSync(path);
  for (const name of ["sh", "sync"]) symlinkSync(findProgram(name), join(programs, name));
  const { DENOKV: _, ...environment } = process.env;
  return { ...environment, PATH: programs };
}

function run(folder, args, env = process.env) {
  return new Promise((done) => {
    const all = [MAIN, "--dir", folder, "--build", dirname(tupletPath()), ...args];
    execFile(
      process.execPath,
      all,
      { env },
      (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

const dataOf = (folder) => readdirSync(folder).filter((name) => name.startsWith("bench-"));

test("without any peer it measures what there is, and names each that is missing", async (t) => {
  const folder = folderOf(t);
  const page = join(folder, "page.md");
  writeFileSync(page, "# Page\n<!-- measured: begin -->\n<!-- measured: end -->\nend\n");
  const args = [...SHORT, "--only", "servers", "--markdown", page, "--json", join(folder, "results.json")];
  const { code, stdout, stderr } = await run(folder, args, withoutPeers(folder));
  assert.equal(code, 0, stderr);
  assert.deepEqual(dataOf(folder), []);
  const text = readFileSync(page, "utf8");
  for (const name of ["denokv", "Redis", "etcd"]) {
    assert.match(stdout, new RegExp(`^not installed: ${name} `, "m"));
    assert.match(text, new RegExp(`^- not installed: ${name} `, "m"));
  }
  assert.equal(text.match(/^\|.*\| (met|\*\*not met\*\*|not measured: .*) \|$/gm).length, TARGETS.length);
  const { servers } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
  assert.ok(servers["get 64x1"].tuplet[0].rate > 0);

  await t.test("what was measured can be shown again", async () => {
    const again = await run(folder, ["--from", join(folder, "results.json")]);
    assert.equal(again.stdout, stdout);
  });
});

test("an interrupt ends the servers, and takes the data away", async (t) => {
  const folder = folderOf(t);
  const args = [
    MAIN,
    "--dir",
    folder,
    "--build",
    dirname(tupletPath()),
    ...SHORT,
    "--only",
    "servers",
    "--rounds",
    "100",
  ];
  const child = spawn(process.execPath, args, { env: withoutPeers(folder), stdio: ["ignore", "ignore", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  let said = "";
  for await (const text of child.stderr.setEncoding("utf8")) {
    said += text;
    if (said.includes("servers: get")) break;
  }
  child.kill("SIGINT");
  assert.deepEqual(await ended, [130, null], said);
  assert.deepEqual(dataOf(folder), []);
  const running = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
    } catch {
      return false; // it has just ended
    }
  });
  assert.deepEqual(running, []);
});

test("a page that it could not write is told before anything is measured", async (t) => {
  const folder = folderOf(t);
  const page = join(folder, "page.md");
  writeFileSync(page, "# Page\n");
  const { code, stderr } = await run(folder, ["--markdown", page]);
  assert.equal(code, 1);
  assert.match(stderr, /^bench: the page lacks the lines <!-- measured: begin -->/);
});

test("what it does not know is told, with what there is", async (t) => {
  const folder = folderOf(t);
  const { code, stderr } = await run(folder, ["--only", "speed"]);
  assert.equal(code, 2);
  assert.match(stderr, /--only speed: there are library, /);
  assert.equal((await run(folder, ["--rounds", "0"])).code, 2);
  assert.equal((await run(folder, ["--faster"])).code, 2);
});

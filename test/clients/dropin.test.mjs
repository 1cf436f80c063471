// tuplet in denokv's place: its command line and environment start it, under its name; files go from Deno's own
// hands into the server's and back; programs that are running stay so. What cannot be had is said.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { access, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import {
  cleanEnvironment,
  collectChecks,
  runDenoChecks,
  Server,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
} from "./lib/harness.mjs";

/** A server started by a shell line of somebody who knows denokv alone; `denokv` is on its PATH. */
async function startScript(t, folder, script, env = {}) {
  await symlink(tupletPath(), join(folder, "denokv"));
  const child = spawn("sh", ["-c", `exec ${script}`], {
    cwd: folder,
    env: cleanEnvironment({ PATH: `${folder}:${process.env.PATH}`, ...env }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new Server(child, TOKEN);
  t.after(() => server.finish());
  await server.listening();
  return server;
}

const both = async (t, url) => {
  await runDenoChecks(t, "deno/carried_over.ts", [url, "fill"]);
  await runDenoChecks(t, "deno/carried_over.ts", [url, "check"]);
};

test("denokv's command line starts it, and a Deno program works", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startScript(
    t,
    folder,
    `denokv --sqlite-path kv.sqlite serve --access-token ${TOKEN} --addr 127.0.0.1:0 ` +
      "--num-workers 2 --atomic-write-batch-timeout-ms 5",
  );
  await both(t, server.url);
  await access(join(folder, "kv.sqlite"));
});

test("denokv's options are taken with an equals sign, too", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startScript(
    t,
    folder,
    `denokv --sqlite-path=kv.sqlite serve --addr=127.0.0.1:0 --access-token=${TOKEN} --num-workers=1`,
  );
  await both(t, server.url);
});

test("denokv's environment starts it, and a Deno program works", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startScript(t, folder, "denokv serve --addr 127.0.0.1:0", {
    DENO_KV_SQLITE_PATH: "kv.sqlite",
    DENO_KV_ACCESS_TOKEN: TOKEN,
    DENO_KV_NUM_WORKERS: "1",
    DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS: "10",
    // denokv looks at these for --sync-from-s3 alone.
    DENO_KV_S3_BUCKET: "backups",
    DENO_KV_S3_PREFIX: "kv/",
    DENO_KV_S3_ENDPOINT: "https://storage.example",
  });
  await both(t, server.url);
  await access(join(folder, "kv.sqlite"));
});

for (const option of ["--sync-from-s3", "--s3-bucket=backups", "--s3-prefix=kv/", "--s3-endpoint=https://s3.example"]) {
  test(`denokv's ${option} is refused by its name, and nothing is made`, async (t) => {
    const folder = await temporaryFolder(t);
    const args = ["--sqlite-path", "kv.sqlite", "serve", "--access-token", TOKEN, "--addr", "127.0.0.1:0", option];
    const ended = await tuplet(args, { cwd: folder });
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, new RegExp(`${option.split("=")[0]} .*not supported`));
    assert.deepEqual(await readdir(folder), []);
  });
}

test("the file of a Deno program goes to the server and back, and keeps everything", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "app.sqlite3");
  await runDenoChecks(t, "deno/carried_over.ts", [path, "fill"]);
  const server = await startServer(t, path);
  await runDenoChecks(t, "deno/carried_over.ts", [server.url, "check"]);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await runDenoChecks(t, "deno/carried_over.ts", [path, "check"]);
});

test("a Deno program keeps working when another server, which knows nothing of its session, takes the place", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const first = await startServer(t, path);
  const program = spawnDeno("deno/restart.ts", [first.url]);
  await collectChecks(t, program, "deno/restart.ts", async (line) => {
    assert.equal(line, "ready");
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    await rm(`${path}.secrets`);
    await startServer(t, path, { port: first.port });
    program.stdin.end("back\n");
  });
});

// The package as a user gets it: packed, installed into an empty folder without any network, compiled there, and run in
// Node and in Deno, on a file and against a server; installed by Deno; compiled against in TypeScript. And what installing
// says when something is missing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { cleanEnvironment, DENO, startServer, temporaryFolder, TOKEN } from "../../../../test/clients/lib/harness.mjs";

const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TIMEOUT_MS = 240_000; // a machine that does much else compiles slowly

// What a program does first: a write that is checked, a counter, a list, a message, a watch.
const PROGRAM = `
import { KvU64, openKv } from "tuplet";

const kv = await openKv(process.argv[2]);
const { ok } = await kv.atomic()
  .check({ key: ["users", 1], versionstamp: null })
  .set(["users", 1], { name: "Ada", born: new Date(0) })
  .sum(["count"], 2n)
  .enqueue("hello")
  .commit();
const watched = await kv.watch([["count"]])[Symbol.asyncIterator]().next();
const entries = [];
for await (const entry of kv.list({ prefix: [] })) entries.push(entry);
const message = await new Promise((done) => kv.listenQueue(done));
kv.close();
console.log(JSON.stringify({
  ok,
  message,
  name: entries[1]?.value.name,
  count: String(watched.value[0].value),
  isU64: entries[0]?.value instanceof KvU64,
}));
`;

// What a user of TypeScript may expect of the types.
const TYPED = `
import { type Kv, type KvEntryMaybe, openKv } from "tuplet";

interface User {
  name: string;
}
await using kv: Kv = await openKv(":memory:");
const entry: KvEntryMaybe<User> = await kv.get<User>(["users", 1]);
const name: string | undefined = entry.value?.name;
// @ts-expect-error: a value that may not be there
const certain: string = entry.value.name;
for await (const { value } of kv.list<User>({ prefix: [] })) value.name.length;
console.log(name, certain);
`;

let folder;
let tarball;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tuplet-package-"));
});
after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

/** Runs a command, without what points at the tree: { code, stdout, stderr }. */
function execute(cwd, command, args, extra) {
  const env = cleanEnvironment(extra);
  for (const name of Object.keys(env)) if (/^(TUPLET_|npm_(lifecycle|package)_)/.test(name)) delete env[name];
  return new Promise((done) => {
    const child = execFile(command, args, { cwd, env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      done({ code: error ? error.code ?? error.signal : 0, stdout, stderr });
    });
    child.stdin.end();
  });
}

/** npm with a cache of its own, which is empty, and nobody to ask. */
async function npm(cwd, ...args) {
  const settings = { npm_config_cache: join(folder, "cache"), npm_config_offline: "true" };
  const { code, stdout, stderr } = await execute(cwd, "npm", args, settings);
  assert.equal(code, 0, `npm ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

async function filesBelow(where) {
  const entries = await readdir(where, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

test("the package installs into an empty folder, without a network", async () => {
  tarball = join(
    folder,
    (await npm(PACKAGE, "pack", "--silent", "--pack-destination", folder)).trim().split("\n").at(-1),
  );
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  await npm(folder, "install", "--no-audit", "--no-fund", tarball);
  await writeFile(join(folder, "main.mjs"), PROGRAM);
});

test("the package holds what it needs and nothing else", async () => {
  const installed = join(folder, "node_modules", "tuplet");
  const files = (await filesBelow(installed)).map((path) => path.slice(installed.length + 1));
  const known =
    /^(dist\/[\w/]+\.(js|d\.ts)|native\/.*|build\/bindings\/js\/tuplet\.node|scripts\/install\.mjs|package\.json|README\.md|LICENSE)$/;
  assert.deepEqual(files.filter((path) => !known.test(path)), []);
  assert.ok(files.includes("README.md") && files.includes("LICENSE"));
  const description = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  for (const { types, default: main } of [description.exports["."], description.exports["./deno"]]) {
    for (const path of [types, main]) assert.ok(files.includes(path.replace("./", "")), `${path} is there`);
  }
  assert.equal(description.dependencies, undefined);
  const left = await readdir(PACKAGE);
  assert.ok(!left.includes("native") && !left.includes("LICENSE"), "packing leaves nothing in the tree");
});

for (const [runtime, command, args] of [["Node", process.execPath, []], ["Deno", DENO, ["run", "-A"]]]) {
  for (const where of ["a file", "a server"]) {
    test(`a program in that folder runs in ${runtime}, on ${where}`, async (t) => {
      const path = join(await temporaryFolder(t), "kv.sqlite3");
      const target = where === "a file" ? path : (await startServer(t, path)).url;
      const environment = { DENO_KV_ACCESS_TOKEN: TOKEN };
      const { code, stdout, stderr } = await execute(folder, command, [...args, "main.mjs", target], environment);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), { ok: true, message: "hello", name: "Ada", count: "2", isU64: true });
    });
  }
}

test("a program in TypeScript finds the types, strictly checked, without any option of its own", async () => {
  await writeFile(join(folder, "typed.mts"), TYPED);
  const tsc = join(PACKAGE, "node_modules", "typescript", "bin", "tsc");
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"];
  const { code, stdout } = await execute(folder, process.execPath, [tsc, ...options, "typed.mts"]);
  assert.equal(code, 0, stdout);
  const checked = await execute(folder, DENO, ["check", "typed.mts"]);
  assert.equal(checked.code, 0, checked.stderr);
});

/** A registry that has this package alone. */
async function startRegistry(t) {
  const bytes = await readFile(tarball);
  const description = JSON.parse(await readFile(join(folder, "node_modules", "tuplet", "package.json"), "utf8"));
  const server = http.createServer(({ url }, response) => {
    if (url.endsWith(".tgz")) return response.end(bytes);
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const dist = { tarball: `http://127.0.0.1:${server.address().port}/tuplet.tgz`, integrity };
    const { name, version } = description;
    const versions = { [version]: { ...description, hasInstallScript: true, dist } };
    response.statusCode = url === "/tuplet" ? 200 : 404;
    response.end(JSON.stringify({ name, "dist-tags": { latest: version }, versions }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test("Deno installs it by itself, and runs a whole program with it in place of its own KV", async (t) => {
  const place = await temporaryFolder(t);
  await writeFile(join(place, "deno.json"), '{ "nodeModulesDir": "auto", "imports": { "tuplet": "npm:tuplet" } }\n');
  await writeFile(
    join(place, "main.ts"),
    `const kv = await Deno.openKv(":memory:");
     kv.listenQueue((message: unknown) => { console.log(message, kv instanceof Deno.Kv); kv.close(); });
     await kv.enqueue("hello");`,
  );
  const environment = {
    NPM_CONFIG_REGISTRY: await startRegistry(t),
    DENO_DIR: join(place, "cache"),
    CFLAGS: "-O0", // is sooner done
  };
  const installed = await execute(place, DENO, ["install", "--allow-scripts=npm:tuplet"], environment);
  assert.equal(installed.code, 0, installed.stderr);
  const ran = await execute(place, DENO, ["run", "-A", "--preload", "npm:tuplet/deno", "main.ts"], environment);
  assert.deepEqual([ran.code, ran.stdout], [0, "hello true\n"], ran.stderr);
});

test("installing says what the machine lacks, and how Debian calls it", async (t) => {
  const bare = await temporaryFolder(t);
  const installed = join(folder, "node_modules", "tuplet");
  const { code, stderr } = await execute(installed, process.execPath, ["scripts/install.mjs"], { PATH: bare });
  assert.equal(code, 1);
  assert.match(stderr, /lacks: cc, meson, ninja, pkg-config, the library sqlite3, .*protoc-c/);
  assert.match(stderr, /apt-get install gcc meson ninja-build pkgconf libsqlite3-dev .*protobuf-c-compiler/);
  assert.ok(existsSync(join(installed, "build", "bindings", "js", "tuplet.node")), "the one that is there stays");
});

test("a package whose addon is not compiled says how it is", async (t) => {
  const copy = await temporaryFolder(t);
  for (const part of ["dist", "package.json"]) {
    await cp(join(folder, "node_modules", "tuplet", part), join(copy, part), { recursive: true });
  }
  const { code, stderr } = await execute(copy, process.execPath, ["dist/index.js"]);
  assert.equal(code, 1);
  assert.match(stderr, /The addon of tuplet is not compiled .*scripts\/install\.mjs/);
});

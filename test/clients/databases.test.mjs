// Many databases in one server: what real Deno and Node see of them, and what an operator does to them while they are
// in use.

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { exchange, request1, request2, Session, TRANSPORTS, WatchStream } from "./lib/connect.mjs";
import {
  collectChecks,
  eventually,
  runDenoChecks,
  runNodeChecks,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { connectRaw } from "./lib/raw.mjs";
import { SmallDisk } from "./lib/small_disk.mjs";

const key = pb.stringKey;
const bytes = (text) => ({ data: Buffer.from(text), encoding: pb.BYTES });
const WAIT_MS = 20_000;

const serve = (t, folder, ...args) => startServer(t, null, { args: ["--data-dir", folder, ...args] });

async function db(folder, ...args) {
  const { code, stdout, stderr } = await tuplet(["db", args[0], "--data-dir", folder, ...args.slice(1)]);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function names(folder) {
  return (await readdir(folder)).filter((name) => name !== "server.secrets").sort();
}

async function idOf(server, name) {
  const answer = await exchange(request1, server.url, TOKEN, undefined, `/${name}`);
  assert.equal(answer.status, 200, String(answer.body));
  return JSON.parse(answer.body).databaseId;
}

const put = (session, text) =>
  session.call("atomic_write", pb.atomicWrite({ mutations: [{ key: key("a"), value: bytes(text), type: pb.SET }] }));

test("Deno uses several databases of one server, which it makes by opening them", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const server = await serve(t, folder, "--create-databases");
  await runDenoChecks(t, "deno/databases.ts", [server.url, "may create"]);
  assert.deepEqual((await names(folder)).slice(0, 2), ["blog", "default"]);
});

test("without leave to make databases Deno gets those that the operator made", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  await db(folder, "create", "shop");
  await db(folder, "create", "blog");
  await db(folder, "create", "default");
  const server = await serve(t, folder);
  await runDenoChecks(t, "deno/databases.ts", [server.url, "may not create"]);
  assert.deepEqual(await names(folder), ["blog", "default", "shop"]);
});

test("Node uses several, and more than may be open at a time", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const server = await serve(t, folder, "--create-databases", "--open-databases-max", "3");
  await runNodeChecks(t, "node/databases.mjs", [server.url]);
});

test("a fresh data directory has a database at /, one with databases gets none", async (t) => {
  const parent = await temporaryFolder(t);
  const fresh = join(parent, "not", "there", "yet");
  await serve(t, fresh);
  assert.deepEqual(await names(fresh), ["default"]);
  const used = join(parent, "used");
  await db(used, "create", "shop");
  const server = await serve(t, used);
  assert.equal((await exchange(request1, server.url, TOKEN)).status, 404);
  assert.deepEqual(await names(used), ["shop"]);
});

test("beside a data directory a file of its own is the database of /", async (t) => {
  const parent = await temporaryFolder(t);
  const folder = join(parent, "data");
  await db(folder, "create", "default");
  const shadowed = JSON.parse(await db(folder, "list", "--json")).id;
  const args = ["--data-dir", folder, "--create-databases"];
  const server = await startServer(t, join(parent, "own.sqlite3"), { args });
  assert.equal(await idOf(server, ""), await idOf(server, "default"));
  assert.notEqual(await idOf(server, ""), shadowed);
  assert.notEqual(await idOf(server, "shop"), await idOf(server, ""));
});

test("ids and sessions outlive a restart and a renaming", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const first = await serve(t, folder, "--create-databases");
  const session = await Session.open(request2, first.url, TOKEN, "/shop");
  assert.equal((await put(session, "kept")).status, 200);
  await db(folder, "rename", "shop", "store");
  assert.equal((await session.get(key("a"))).value.toString(), "kept");
  assert.equal(await idOf(first, "store"), session.metadata.databaseId);
  await first.stop();
  await db(folder, "rename", "store", "warehouse");
  const second = await serve(t, folder);
  session.url = second.url;
  assert.equal((await session.get(key("a"))).value.toString(), "kept");
  assert.equal(await idOf(second, "warehouse"), session.metadata.databaseId);
  assert.equal((await exchange(request1, second.url, TOKEN, undefined, "/store")).status, 404);
});

test("read-only, Deno reads and watches, and says that writes are disabled", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const file = join(folder, "shop", "kv.sqlite3");
  await db(folder, "create", "shop");
  assert.equal((await tuplet(["set", "-d", file, '["a"]', '"before"'])).code, 0);
  const server = await serve(t, folder, "--read-only", "--create-databases");
  const program = spawnDeno("deno/databases_read_only.ts", [server.url]);
  program.stdin.end();
  await collectChecks(t, program, "deno/databases_read_only.ts", async (line) => {
    if (line === "watching") await tuplet(["set", "-d", file, '["a"]', '"written elsewhere"']);
  });
  assert.deepEqual(await names(folder), ["shop"]);
});

test("a database is deleted while Deno reads and watches it: the program is told, the next of its name is empty", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  await db(folder, "create", "shop");
  await db(folder, "create", "blog");
  const server = await serve(t, folder);
  const blog = await Session.open(request1, server.url, TOKEN, "/blog");
  const neighbour = await WatchStream.open(blog, key("a"));
  await neighbour.output();

  const program = spawnDeno("deno/databases_gone.ts", [`${server.url}/shop`]);
  t.after(() => program.kill("SIGKILL"));
  program.stdin.end();
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await within(WAIT_MS, "a line", lines.next())).value);
  assert.deepEqual(await next(), { watched: "there" });
  const before = await idOf(server, "shop");
  assert.match(await db(folder, "delete", "shop"), /^Deleted shop /);
  assert.match((await next()).error, /404.*This database is gone/s);
  assert.deepEqual(await names(folder), ["blog"]);
  assert.equal((await exchange(request1, server.url, TOKEN, undefined, "/shop")).status, 404);
  await db(folder, "create", "shop");
  assert.notEqual(await idOf(server, "shop"), before);
  const shop = await Session.open(request1, server.url, TOKEN, "/shop");
  assert.equal(await shop.get(key("a")), null);

  // Nobody else noticed.
  assert.equal((await put(blog, "still there")).status, 200);
  assert.equal((await neighbour.output()).keys[0].entry.value.toString(), "still there");
  neighbour.close();
});

test("a database is renamed while Deno watches it: the watch goes on", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  await db(folder, "create", "shop");
  const server = await serve(t, folder);
  const set = async (name, value) => {
    const text = Buffer.from([0xff, 0x0f, 0x22, value.length, ...Buffer.from(value)]); // V8's form of a string
    const session = await Session.open(request1, server.url, TOKEN, `/${name}`);
    const mutation = { key: key("watched"), value: { data: text, encoding: pb.V8 }, type: pb.SET };
    await eventually(WAIT_MS, "the write", async () =>
      (await session.call("atomic_write", pb.atomicWrite({ mutations: [mutation] }))).status === 200);
  };
  const program = spawnDeno("deno/reconnect.ts", [`${server.url}/shop`]);
  t.after(() => program.kill("SIGKILL"));
  program.stdin.end();
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await within(WAIT_MS, "a line", lines.next())).value);
  assert.deepEqual(await next(), { state: null });
  await db(folder, "rename", "shop", "store");
  await set("store", "renamed");
  assert.deepEqual(await next(), { state: "renamed" });
  await set("store", "last");
  assert.deepEqual(await next(), { state: "last" });
  assert.deepEqual(await next(), { finished: true });
});

test("when all that may be open are in use, another one has to wait", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const server = await serve(t, folder, "--create-databases", "--open-databases-max", "2");
  const sessions = [];
  for (const name of ["one", "two", "three"]) {
    sessions.push(await Session.open(request1, server.url, TOKEN, `/${name}`));
  }
  const watches = [await WatchStream.open(sessions[0], key("a")), await WatchStream.open(sessions[1], key("a"))];
  for (const watch of watches) await watch.output();
  const refused = await put(sessions[2], "x");
  assert.equal(refused.status, 503);
  assert.equal(refused.headers["retry-after"], "1");
  watches[0].close();
  await eventually(WAIT_MS, "room for another", async () => (await put(sessions[2], "x")).status === 200);
  assert.equal((await put(sessions[1], "y")).status, 200);
  assert.equal((await watches[1].output()).keys[0].entry.value.toString(), "y");
  watches[1].close();
});

test("a database that is not used is closed, and opened when it is used again", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  const server = await serve(t, folder, "--create-databases", "--database-idle-timeout", "1s");
  const session = await Session.open(request1, server.url, TOKEN, "/shop");
  assert.equal((await put(session, "kept")).status, 200);
  const served = async () => JSON.parse(await db(folder, "stats", "--json", "shop")).served;
  assert.equal(await served(), true);
  await eventually(WAIT_MS, "the end of its use", async () => !(await served()));
  assert.equal((await session.get(key("a"))).value.toString(), "kept");
  assert.equal(await served(), true);
});

test("a damaged database is refused by its name, its file is told to the operator, and others are served", async (t) => {
  const folder = join(await temporaryFolder(t), "data");
  for (const name of ["bad", "foreign", "good", "default"]) await db(folder, "create", name);
  await writeFile(join(folder, "bad", "kv.sqlite3"), "no database ".repeat(1000));
  await writeFile(join(folder, "default", "kv.sqlite3"), "no database ".repeat(1000));
  await writeFile(join(folder, "foreign", "id"), "no id");
  await mkdir(join(folder, "empty"));
  const server = await serve(t, folder);
  const told = (pattern) => eventually(WAIT_MS, `${pattern} in the log`, () => pattern.test(server.stderr));
  await told(/level=error msg="?the default database cannot be served: .*default\/kv\.sqlite3/);
  await told(/foreign\/id does not hold a UUID/);
  await told(/empty is no database/);

  const bad = await Session.open(request1, server.url, TOKEN, "/bad");
  const refused = await bad.call("snapshot_read", pb.snapshotRead({ start: key("a"), end: key("b"), limit: 1 }));
  assert.equal(refused.status, 500);
  assert.equal(String(refused.body), "The server cannot use the database bad; its log tells why.");
  await told(/bad\/kv\.sqlite3/); // the answer may be here before the line is
  for (const name of ["foreign", "empty"]) {
    const answer = await exchange(request1, server.url, TOKEN, undefined, `/${name}`);
    assert.equal(answer.status, 500);
    assert.equal(String(answer.body), `The server cannot use the database ${name}; its log tells why.`);
  }
  const good = await Session.open(request1, server.url, TOKEN, "/good");
  assert.equal((await put(good, "fine")).status, 200);
});

test("on a full disk no database is made, none is left half made, and others go on", async (t) => {
  const disk = await SmallDisk.mount(t, 4 * 1024 * 1024);
  const args = ["--data-dir", join(disk.folder, "data"), "--create-databases"];
  const server = await startServer(t, null, { args, behind: disk.enter });
  const folder = join(disk.outside, "data");
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal((await put(session, "before")).status, 200);
  disk.fill();
  assert.equal((await exchange(request1, server.url, TOKEN, undefined, "/shop")).status, 507);
  assert.equal((await session.get(key("a"))).value.toString(), "before");
  assert.deepEqual(await names(folder), ["default"]);
  await disk.makeRoom();
  assert.equal((await exchange(request1, server.url, TOKEN, undefined, "/shop")).status, 200);
  assert.deepEqual(await names(folder), ["default", "shop"]);
});

test("no path reaches anything but a database of that very name", async (t) => {
  const parent = await temporaryFolder(t);
  const folder = join(parent, "data");
  const server = await serve(t, folder, "--create-databases");
  const secrets = await readFile(join(folder, "server.secrets"));
  const tricks = ["//", "//shop", "/shop/", "/shop//", "/./shop", "/../shop", "/..", "/.", "/..%2f", "/..%2fshop",
    "/%2e%2e/shop", "/%2e%2e%2fshop", "/%73hop", "/shop%00", "/shop%2f", "/shop%20", "/shop;a=b", "/Shop", "/SHOP",
    "/-shop", "/_shop", "/shop.db", "/server.secrets", "/.new-87005793-8b14-46b4-9858-5f5481c86e6c", "/default/id",
    "/default/kv.sqlite3", "/shop/../default", "/\\..\\shop", "/shop\\", "/~", "/*", "*", "/v2", "/v2/", "/v2/shop",
    "/metrics", "/healthz", "/readyz", "/:memory:/", "/:memory:x", "/:memory", "/\u00e4", "/sh\u00f6p",
    `/${"a".repeat(64)}`, `/${"a".repeat(9000)}`];

  for (const [protocol, request] of Object.entries(TRANSPORTS)) {
    await t.test(`over ${protocol}`, async () => {
      for (const path of tricks.filter((path) => /^[\x21-\x7e]+$/.test(path) && path !== "*")) {
        const { status } = await exchange(request, server.url, TOKEN, undefined, path);
        assert.ok([400, 404, 405].includes(status), `${path} was answered ${status}`);
      }
    });
  }
  await t.test("byte by byte", async (t) => {
    const raw = [...tricks, "shop", "", "/sh\0p", "/shop\x7f", "/shop\t", "/ shop", "http://localhost/../shop",
      `/${"a".repeat(60_000)}`];
    for (const path of raw) {
      const connection = await connectRaw(t, server.url);
      connection.socket.write(
        Buffer.from(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n` +
          `Connection: close\r\nContent-Length: 0\r\n\r\n`, "utf8"));
      await eventually(WAIT_MS, `the answer to ${path.slice(0, 80)}`, () => connection.isClosed);
      assert.match(connection.text, /^(HTTP\/1\.1 4(00|04|05|14|31) |$)/, path.slice(0, 80));
      connection.socket.destroy();
    }
  });
  assert.deepEqual(await names(folder), ["default"]);
  assert.deepEqual(await readdir(parent), ["data"]);
  assert.deepEqual(await readFile(join(folder, "server.secrets")), secrets);
  assert.equal((await exchange(request1, server.url, TOKEN, undefined, "/shop?x=/../y")).status, 200);
  assert.deepEqual(await names(folder), ["default", "shop"]);
});

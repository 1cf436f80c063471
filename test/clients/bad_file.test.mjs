// Files that are no databases, not ours, damaged, out of reach, or taken away: a refusal that names the file, or an
// answer that says so to the one client whom it concerns, while the server stays up.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod, chown, copyFile, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { exchange, request1, request2, Session } from "./lib/connect.mjs";
import {
  cleanEnvironment,
  eventually,
  run,
  Server,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { holdSqlite, holdWriteLock, withSqlite } from "./lib/sqlite.mjs";

const REFUSED = 5; // the exit code of a server that cannot serve
const PAGE_SIZE = 4096;
const NOBODY = 65534;
const key = pb.stringKey;
const bytes = (size) => ({ data: Buffer.alloc(size, 65), encoding: pb.BYTES });
const isRoot = process.getuid() === 0;

const serveArguments = (
  path,
) => ["--sqlite-path", path, "serve", "--addr", "127.0.0.1:0", "--access-token", TOKEN];

async function set(session, name, size = 10) {
  const body = pb.atomicWrite({ mutations: [{ key: key(name), value: bytes(size), type: pb.SET }] });
  return (await session.call("atomic_write", body)).status;
}

async function read(session, name) {
  const end = Buffer.concat([key(name), Buffer.from([0])]);
  return await session.call("snapshot_read", pb.snapshotRead({ start: key(name), end, limit: 1 }));
}

/** A database with some hundred entries of some pages each, closed. */
async function makeDatabase(t, path) {
  const server = await startServer(t, path);
  const session = await Session.open(request1, server.url, TOKEN);
  for (let i = 0; i < 100; i++) assert.equal(await set(session, `entry ${i}`, 9000), 200);
  await server.stop();
}

test("what is no database of ours is refused at the start, by name, and left as it was", async (t) => {
  const folder = await temporaryFolder(t);
  const good = join(folder, "good");
  await makeDatabase(t, good);
  const cases = {
    "a text": async (path) =>
      await writeFile(path, "not a database, and long enough to be seen as none ".repeat(30)),
    "zeros": async (path) => await writeFile(path, Buffer.alloc(3 * PAGE_SIZE)),
    "somebody else's SQLite database": (path) => withSqlite(path, 'db.exec("CREATE TABLE mine (a)")'),
    "a newer version": async (path) => {
      await copyFile(good, path);
      await withSqlite(path, 'db.exec("UPDATE migration_state SET version = 99")');
    },
    "a file cut off in the middle": async (path) => {
      await copyFile(good, path);
      const file = await open(path, "r+");
      await file.truncate(10 * PAGE_SIZE + 100);
      await file.close();
    },
    "a damaged schema": async (path) => {
      await copyFile(good, path);
      const file = await open(path, "r+");
      await file.write(Buffer.alloc(PAGE_SIZE - 100, 170), 0, PAGE_SIZE - 100, 100);
      await file.close();
    },
    "a folder": (path) => mkdir(path),
  };
  for (const [what, make] of Object.entries(cases)) {
    await t.test(what, async () => {
      const path = join(folder, what.replaceAll(/\W/g, "-"));
      await make(path);
      const isFile = (await stat(path)).isFile();
      const before = isFile ? await readFile(path) : null;
      const { code, stderr } = await tuplet(serveArguments(path));
      assert.equal(code, REFUSED, stderr);
      assert.ok(stderr.includes(path), stderr);
      assert.match(stderr, /^tuplet serve: .{20,}\n$/);
      if (isFile) assert.deepEqual(await readFile(path), before);
    });
  }
});

test("a path that cannot be reached is refused at the start, by name", async (t) => {
  const folder = await temporaryFolder(t);
  const closed = join(folder, "closed");
  await mkdir(closed);
  await makeDatabase(t, join(closed, "kv.sqlite"));
  // Root may do everything, so the server becomes somebody else, to whom the folder of the test is open.
  await chmod(folder, 0o755);
  const behind = isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"] : [];
  const binary = join(folder, "tuplet");
  await copyFile(tupletPath(), binary);
  await chmod(binary, 0o755);
  const tryToStart = async (path) => {
    const [command, ...args] = [...behind, binary, ...serveArguments(path)];
    return await run(command, args);
  };
  const assertRefused = async (path, reason) => {
    const { code, stderr } = await tryToStart(path);
    assert.equal(code, REFUSED, stderr);
    assert.ok(stderr.includes(path), stderr);
    assert.match(stderr, reason);
  };

  await t.test("a folder that is not there", async () => {
    await assertRefused(join(folder, "missing", "kv.sqlite"), /No such file or directory/);
  });
  await t.test("a folder that others may not enter", async () => {
    await chmod(closed, 0);
    await assertRefused(join(closed, "kv.sqlite"), /Permission denied/);
    await chmod(closed, 0o755);
  });
  await t.test("a file that may not be read", async () => {
    await chmod(join(closed, "kv.sqlite"), 0);
    await assertRefused(join(closed, "kv.sqlite"), /Permission denied|readonly/);
  });
  await t.test("a file that may only be read", async () => {
    await chmod(join(closed, "kv.sqlite"), 0o444);
    await assertRefused(join(closed, "kv.sqlite"), /Permission denied|readonly/);
  });
});

test("secrets that others could have made, or could read", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  await makeDatabase(t, path);
  const secrets = `${path}.secrets`;

  await t.test("readable by others: the server says so, and serves", async () => {
    await chmod(secrets, 0o644);
    const server = await startServer(t, path);
    await eventually(20_000, "the advice", () => server.stderr.includes(`chmod 600 '${secrets}'`));
    await server.stop();
    await chmod(secrets, 0o600);
  });
  await t.test("a link to somewhere: refused", async () => {
    await rename(secrets, `${folder}/elsewhere`);
    await run("ln", ["-s", `${folder}/elsewhere`, secrets]);
    const { code, stderr } = await tuplet(serveArguments(path));
    assert.equal(code, REFUSED, stderr);
    assert.ok(stderr.includes(secrets) && /symbolic link/.test(stderr), stderr);
    await rm(secrets);
  });
  // Only root can give a file away.
  if (isRoot) {
    await t.test("somebody else's: refused", async () => {
      await rename(`${folder}/elsewhere`, secrets);
      await chown(secrets, NOBODY, NOBODY);
      const { code, stderr } = await tuplet(serveArguments(path));
      assert.equal(code, REFUSED, stderr);
      assert.match(stderr, /secrets must belong to the server's user, 0; it belongs to 65534/);
    });
  }
});

test("a file that another program has for itself is waited for; meanwhile SIGTERM ends the start", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  await makeDatabase(t, path);
  const release = await holdSqlite(
    t,
    path,
    'db.exec("PRAGMA locking_mode = EXCLUSIVE"); db.exec("BEGIN EXCLUSIVE"); db.exec("DELETE FROM queue")',
  );
  const spawnServer = () => {
    const child = spawn(tupletPath(), serveArguments(path), {
      env: cleanEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new Server(child, TOKEN);
  };
  const impatient = spawnServer();
  t.after(() => impatient.kill());
  // It has taken the signals' default actions by then, or not yet: they end it either way.
  await eventually(
    20_000,
    "the wait",
    async () => (await readFile(`/proc/${impatient.child.pid}/stat`, "utf8")).includes(") S "),
  );
  const ended = await impatient.stop();
  assert.deepEqual(ended, { code: null, signal: "SIGTERM" });

  const patient = spawnServer();
  t.after(() => patient.finish());
  const listening = patient.listening();
  await release();
  await listening;
  const session = await Session.open(request1, patient.url, TOKEN);
  assert.equal((await read(session, "entry 5")).status, 200);
});

test("while another program writes for long, reads are answered and writes wait their turn", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const server = await startServer(t, path);
  const session = await Session.open(request2, server.url, TOKEN);
  assert.equal(await set(session, "before"), 200);
  const release = await holdWriteLock(t, path);
  let isWritten = false;
  const written = set(session, "after").then((status) => {
    isWritten = true;
    return status;
  });
  for (let i = 0; i < 50; i++) assert.equal((await read(session, "before")).status, 200);
  assert.equal(isWritten, false);
  await release();
  assert.equal(await within(20_000, "the write", written), 200);
});

test("damage in the middle of a file: who asks for it gets 500, everybody else is served", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  await makeDatabase(t, path);
  // Of some entries' pages (those that are full of their bytes) the way to the next one is lost.
  const file = await open(path, "r+");
  const content = await file.readFile();
  let found = 0;
  for (let at = 0; at < content.length; at += PAGE_SIZE) {
    if (!content.subarray(at + 100, at + PAGE_SIZE).every((byte) => byte === 65)) continue;
    if (++found % 5 === 0) await file.write(Buffer.alloc(4, 170), 0, 4, at);
  }
  await file.close();
  assert.ok(found >= 100, `${found} pages of entries`);

  const server = await startServer(t, path);
  for (const request of [request1, request2]) {
    const session = await Session.open(request, server.url, TOKEN);
    const statuses = new Map();
    for (let i = 0; i < 100; i++) {
      const answer = await read(session, `entry ${i}`);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 500) {
        assert.equal(String(answer.body), "The server cannot use the database; its log tells why.");
      }
    }
    assert.ok(statuses.get(200) > 0 && statuses.get(500) > 0, JSON.stringify([...statuses]));
    assert.equal(statuses.size, 2, JSON.stringify([...statuses]));
    for (let i = 0; i < 100; i++) {
      const status = await set(session, `entry ${i}`, 500);
      assert.ok(status === 200 || status === 500, `a write was answered ${status}`);
    }
  }
  const isNamed = () => server.stderr.includes(path) && /malformed|damaged|corrupt/.test(server.stderr);
  await eventually(20_000, "the file's name in the log", isNamed);
});

test("a damaged database of a data directory: its clients are told 500, others are served", async (t) => {
  const folder = await temporaryFolder(t);
  const data = join(folder, "data");
  const args = ["--data-dir", data, "--create-databases", "--database-idle-timeout", "200ms"];
  const first = await startServer(t, join(folder, "kv.sqlite"), { args });
  for (const name of ["good", "bad"]) {
    const session = await Session.open(request1, first.url, TOKEN, `/${name}`);
    assert.equal(await set(session, "entry"), 200);
  }
  await first.stop();
  const path = join(data, "bad", "kv.sqlite3");
  assert.ok((await stat(path)).size > 0);
  await writeFile(path, "no database any more ".repeat(500));

  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  for (const request of [request1, request2]) {
    const opened = await exchange(request, server.url, TOKEN, undefined, "/bad");
    if (opened.status === 200) { // it is only opened when it is used
      const session = new Session(request, server.url, "/bad", JSON.parse(opened.body));
      const answer = await read(session, "entry");
      assert.equal(answer.status, 500);
      assert.equal(String(answer.body), "The server cannot use the database bad; its log tells why.");
      assert.equal(await set(session, "entry"), 500);
    } else {
      assert.equal(opened.status, 500, String(opened.body));
    }
    const session = await Session.open(request, server.url, TOKEN, "/good");
    assert.ok(await session.get(key("entry")));
  }
  await eventually(20_000, "the file's name in the log", () => server.stderr.includes(path));
});

test("a file that is moved away under the server takes no more writes, until it is back", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const server = await startServer(t, path);
  const session = await Session.open(request1, server.url, TOKEN);
  assert.equal(await set(session, "before"), 200);
  await rename(path, `${path}.away`);
  assert.equal(await set(session, "lost?"), 500);
  await eventually(20_000, "the log", () => server.stderr.includes(`${path}: the file was moved`));

  // Another one in its place is not touched, either: its log would be mixed with the one that is open.
  await copyFile(`${path}.away`, path);
  const other = await readFile(path);
  assert.equal(await set(session, "lost?"), 500);
  for (let i = 0; i < 10; i++) assert.ok([200, 500].includes((await read(session, "before")).status));
  assert.deepEqual(await readFile(path), other);

  await rename(`${path}.away`, path);
  assert.equal(await set(session, "after"), 200);
  assert.equal((await read(session, "before")).status, 200);
  await server.stop();
  const again = await startServer(t, path);
  session.url = again.url;
  assert.ok(await session.get(key("after")) && await session.get(key("before")));
  assert.equal(await session.get(key("lost?")), null);
});

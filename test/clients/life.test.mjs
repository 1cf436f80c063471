// A server's life as its operator sees it: starting on a port of the system's choice, making and keeping a token,
// taking denokv's command line, stopping without losing an answer, starting again on the same file.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { dirname, join } from "node:path";
import test from "node:test";
import { exchange, request1, request2, Session, WatchStream } from "./lib/connect.mjs";
import {
  cleanEnvironment,
  collectChecks,
  DENO,
  run,
  Server,
  sleep,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const bytes = (text) => ({ data: Buffer.from(text), encoding: pb.BYTES });
const key = pb.stringKey;

test("port 0 gives a port of its own, which the Listening line names, to each of several servers", async (t) => {
  const folder = await temporaryFolder(t);
  const servers = [];
  for (const name of ["a", "b", "c"]) servers.push(await startServer(t, join(folder, `${name}.sqlite`)));
  assert.equal(new Set(servers.map((server) => server.port)).size, 3);
  for (const server of servers) {
    assert.match(server.stderr, /^time=\S+ level=info msg="Listening on http:\/\/127\.0\.0\.1:\d+"$/m);
    for (const request of [request1, request2]) {
      assert.equal((await exchange(request, server.url, TOKEN)).status, 200);
    }
  }
});

test("without a token the server makes one, keeps it for its owner alone, and prints a line that works", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const first = await startServer(t, path, { token: null });
  const said = () => first.stdout + first.stderr;
  const line = said().split("\n").find((text) => /DENO_KV_ACCESS_TOKEN=\S+ .*deno/.test(text));
  assert.ok(line, `no line to paste in:\n${said()}`);
  const token = /DENO_KV_ACCESS_TOKEN=(\S+)/.exec(line)[1].replace(/^['"]|['"]$/g, "");
  assert.ok(token.length >= 12, `the token ${token} is too short to be one`);

  await t.test("the token's file can be read by its owner alone", async () => {
    const holders = [];
    for (const name of await readdir(folder)) {
      if ((await readFile(join(folder, name), "latin1")).includes(token)) holders.push(name);
    }
    assert.equal(holders.length, 1, `one file beside the database holds the token: ${holders}`);
    const { mode } = await stat(join(folder, holders[0]));
    assert.equal(mode & 0o777, 0o600);
  });

  await t.test("the printed line, pasted into a shell, stores and reads through this server", async () => {
    const command = line.slice(line.indexOf("DENO_KV_ACCESS_TOKEN"));
    const pasted = await run("bash", ["-c", command], {
      env: { PATH: `${dirname(DENO)}:${process.env.PATH}` },
      cwd: folder,
    });
    assert.equal(pasted.code, 0, pasted.stderr);
    assert.match(pasted.stdout, /value: "\w+"/);
    assert.match(pasted.stdout, /versionstamp: "[0-9a-f]{20}"/);
  });

  await t.test("the token opens a database, and no other one does", async () => {
    assert.equal((await exchange(request1, first.url, token)).status, 200);
    assert.equal((await exchange(request1, first.url, `${token}x`)).status, 401);
  });

  await t.test("after a restart it is the same token", async () => {
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    const second = await startServer(t, path, { token: null });
    assert.equal((await exchange(request1, second.url, token)).status, 200);
    assert.ok((second.stdout + second.stderr).includes(token));
  });

  await t.test("a database beside it gets a token of its own", async () => {
    const other = await startServer(t, join(folder, "other.sqlite"), { token: null });
    assert.equal((await exchange(request1, other.url, token)).status, 401);
  });
});

test("a given token is not written anywhere", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"), { token: "given-for-this-run" });
  for (const name of await readdir(folder)) {
    assert.ok(!(await readFile(join(folder, name), "latin1")).includes("given-for-this-run"), name);
  }
  assert.ok(!(server.stdout + server.stderr).includes("given-for-this-run"));
});

test("the environment of denokv's containers starts it too", async (t) => {
  const folder = await temporaryFolder(t);
  const environment = {
    DENO_KV_SQLITE_PATH: join(folder, "from-env.sqlite"),
    DENO_KV_ACCESS_TOKEN: "token-from-the-env",
    DENO_KV_NUM_WORKERS: "2",
    DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS: "0",
  };
  const child = spawn(tupletPath(), ["serve", "--addr", "127.0.0.1:0"], {
    env: cleanEnvironment(environment),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new Server(child, "token-from-the-env");
  t.after(() => server.finish());
  await server.listening();
  assert.equal((await exchange(request1, server.url, "token-from-the-env")).status, 200);
  await stat(join(folder, "from-env.sqlite"));
});

test("denokv's whole command line is taken as it is", async (t) => {
  const folder = await temporaryFolder(t);
  const args = ["--num-workers", "2", "--atomic-write-batch-timeout-ms", "0"];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  assert.equal((await exchange(request1, server.url, TOKEN)).status, 200);
});

test("read-only: reads are answered, writes are told to be disabled", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  assert.equal((await tuplet(["--db", path, "set", '["there"]', "1"])).code, 0);
  const server = await startServer(t, path, { args: ["--read-only"] });
  const session = await Session.open(request2, server.url, TOKEN);
  assert.ok((await session.get(key("there"))) !== null);
  const output = await session.write({ mutations: [{ key: key("new"), value: bytes("x"), type: pb.SET }] });
  assert.equal(output.status, 5, "AW_WRITE_DISABLED");

  const program =
    'const kv = await Deno.openKv(Deno.args[0]); try { await kv.set(["new"], 1); } catch (e) { console.log(e.message); } Deno.exit(0);';
  const told = await run(DENO, ["eval", "--unstable-kv", program, server.url], {
    env: { DENO_KV_ACCESS_TOKEN: TOKEN },
  });
  assert.match(told.stdout, /disabled/i, told.stderr);
});

test("command lines that cannot work end with a reason and an exit code", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const busy = await startServer(t, path);
  await writeFile(
    join(folder, "text"),
    "this is not a database, and long enough to be seen as none".repeat(20),
  );
  const cases = {
    "a token of less than 12 characters": [
      "--sqlite-path",
      path,
      "serve",
      "--access-token",
      "short",
      "--addr",
      "127.0.0.1:0",
    ],
    "an option that is not there": ["--sqlite-path", path, "serve", "--access-tokem", TOKEN],
    "an address that is none": [
      "--sqlite-path",
      path,
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      "nonsense",
    ],
    "a port that is none": [
      "--sqlite-path",
      path,
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      "127.0.0.1:70000",
    ],
    "a folder that is not there": [
      "--sqlite-path",
      join(folder, "no", "kv"),
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      "127.0.0.1:0",
    ],
    "a file that is no database": [
      "--sqlite-path",
      join(folder, "text"),
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      "127.0.0.1:0",
    ],
    "a port that is taken": [
      "--sqlite-path",
      join(folder, "b"),
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      `127.0.0.1:${busy.port}`,
    ],
  };
  for (const [what, args] of Object.entries(cases)) {
    const { code, stderr } = await tuplet(args);
    assert.ok(typeof code === "number" && code !== 0, `${what}: ended with ${code}`);
    assert.ok(stderr.trim().length > 10, `${what}: says why`);
  }
});

test("SIGTERM: what was accepted is answered, new connections are not, the exit code is 0", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  for (const [name, request] of [["HTTP/1.1", request1], ["HTTP/2", request2]]) {
    const server = await startServer(t, path);
    const session = await Session.open(request, server.url, TOKEN);
    const watch = await WatchStream.open(session, key("watched"));
    await watch.output();

    // Writers that go on until they are refused; each remembers what was acknowledged.
    const acknowledged = [];
    const odd = [];
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0;; i++) {
        const at = key(name, `${writer}-${i}`);
        const answer = await session.call(
          "atomic_write",
          pb.atomicWrite({ mutations: [{ key: at, value: bytes("x"), type: pb.SET }] }),
        ).catch(() => null);
        if (answer === null) return;
        if (answer.status === 200) acknowledged.push(at);
        else if (answer.status < 500) odd.push(answer.status);
        else return;
      }
    });
    while (acknowledged.length < 100) await sleep(5);
    assert.deepEqual(await server.stop(), { code: 0, signal: null }, `over ${name}, with a watch open`);
    await Promise.all(writers);
    assert.deepEqual(odd, []);

    const again = await startServer(t, path);
    const reader = await Session.open(request, again.url, TOKEN);
    for (const at of acknowledged) assert.ok((await reader.get(at)) !== null, `${at} was acknowledged`);
    assert.deepEqual(await again.stop(), { code: 0, signal: null });
  }
});

test("SIGTERM: a request whose body is still coming is answered when it has come", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  const session = await Session.open(request1, server.url, TOKEN);
  const body = pb.atomicWrite({
    mutations: [{ key: key("late"), value: bytes("x".repeat(1000)), type: pb.SET }],
  });
  const { hostname, port } = new URL(server.url);
  const request = http.request({
    hostname,
    port,
    method: "POST",
    path: `${session.endpoint}/atomic_write`,
    agent: false,
    headers: { ...session.headers, "content-length": body.length },
  });
  const answered = new Promise((done, fail) =>
    request.on("response", (response) => done(response.resume().statusCode)).on("error", fail)
  );
  request.write(body.subarray(0, 500));
  await sleep(100); // long enough to have arrived; were it not, the test would be easier, not wrong
  const stopped = server.stop();
  await sleep(50);
  request.end(body.subarray(500));
  assert.equal(await within(20_000, "the answer", answered), 200);
  assert.deepEqual(await stopped, { code: 0, signal: null });
});

test("SIGINT ends it as well, and idle connections do not keep it", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  const idle = net.connect(server.port, "127.0.0.1");
  idle.on("error", () => {});
  t.after(() => idle.destroy());
  await new Promise((done) => idle.once("connect", done));
  assert.deepEqual(await server.stop("SIGINT"), { code: 0, signal: null });
});

test("a session outlives a restart of the server", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const first = await startServer(t, path);
  const session = await Session.open(request1, first.url, TOKEN);
  await session.write({ mutations: [{ key: key("kept"), value: bytes("x"), type: pb.SET }] });
  await first.stop();
  const second = await startServer(t, path);
  session.url = second.url;
  assert.equal(String((await session.get(key("kept"))).value), "x");
});

test("a Deno program that runs over a restart of the server goes on", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const first = await startServer(t, path);
  const program = spawnDeno("deno/restart.ts", [first.url]);
  await collectChecks(t, program, "deno/restart.ts", async (line) => {
    assert.equal(line, "ready");
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    await startServer(t, path, { port: first.port });
    program.stdin.end("back\n");
  });
});

test("a watcher that stops reading costs the server no memory, and its neighbours nothing", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  const session = await Session.open(request1, server.url, TOKEN);
  const stalled = await WatchStream.open(session, key("busy"));
  t.after(() => stalled.close());
  await stalled.output();
  stalled.response.pause();
  const neighbour = await WatchStream.open(session, key("busy"));
  t.after(() => neighbour.close());
  await neighbour.output();

  const residentKib = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.child.pid}/status`, "utf8"))[1]);
  const value = { data: Buffer.alloc(60_000, 65), encoding: pb.BYTES };
  const write = () => session.write({ mutations: [{ key: key("busy"), value, type: pb.SET }] });
  for (let i = 0; i < 50; i++) await write();
  const before = await residentKib();
  let seen = 0;
  const reading = (async () => {
    for (;;) {
      await neighbour.output();
      seen++;
    }
  })().catch(() => {});
  for (let i = 0; i < 500; i++) await write();
  const grown = (await residentKib()) - before;
  assert.ok(grown < 12 * 1024, `${grown} KiB more, of 30,000 KiB that were written`);
  assert.ok(seen > 0, "the neighbour was told");
  neighbour.close();
  stalled.close();
  await reading;
});

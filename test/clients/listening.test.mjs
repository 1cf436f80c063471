// Where a server listens, and whom it lets in: Unix-domain sockets, IPv6, several addresses at once, sockets that
// systemd hands over, notices to systemd, and the bounds on connections; with curl, Deno and systemd's own tool.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { request1, request2, Session } from "./lib/connect.mjs";
import {
  cleanEnvironment,
  DENO,
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

const TIMEOUT_MS = 20_000;

/** What a server says it listens on, in the order of its lines. */
const places = (server) =>
  [...server.stderr.matchAll(/Listening on ((?:https?:\/\/|unix:)[^\s"]+)/g)].map((found) => found[1]);

/** The metadata exchange by curl: the status, and the answer's body. */
async function curlExchange(...args) {
  const data = JSON.stringify({ supportedVersions: [1, 2, 3] });
  const headers = ["-H", `authorization: Bearer ${TOKEN}`, "-H", "content-type: application/json"];
  const { code, stdout, stderr } = await run("curl", [
    "-sS",
    "--max-time",
    "20",
    "-w",
    "\n%{http_code}",
    ...headers,
    "--data",
    data,
    ...args,
  ]);
  assert.equal(code, 0, stderr);
  const [body, status] = stdout.split("\n");
  return { status: Number(status), body: JSON.parse(body) };
}

/** Starts a server by a command of one's own; its end is the test's. */
async function startBy(t, command, args, environment = {}) {
  const child = spawn(command, args, { env: cleanEnvironment(environment), stdio: ["ignore", "pipe", "pipe"] });
  const server = new Server(child, TOKEN);
  t.after(() => server.finish());
  return server;
}

const serveArgs = (folder) => ["--sqlite-path", join(folder, "kv.sqlite"), "serve", "--access-token", TOKEN];

test("one server serves at several addresses at once, with HTTP/1.1 and HTTP/2", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "tuplet.sock");
  const args = ["--addr", `unix:${path}`, "--addr", "[::1]:0"];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  await eventually(TIMEOUT_MS, "three addresses", () => places(server).length === 3);
  const [ipv4, unix, ipv6] = places(server);
  assert.equal(unix, `unix:${path}`);
  assert.match(ipv6, /^http:\/\/\[::1\]:\d+$/);
  const ids = new Set();
  for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
    for (const where of [[`${ipv4}/`], ["--unix-socket", path, "http://localhost/"], ["-g", `${ipv6}/`]]) {
      const { status, body } = await curlExchange(version, ...where);
      assert.equal(status, 200);
      ids.add(body.databaseId);
    }
  }
  assert.equal(ids.size, 1);
  assert.equal((await server.stop()).code, 0);
  assert.ok(!existsSync(path), "the socket's file is still there");
});

test("Deno opens a database over IPv6", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--addr", "[::]:0"] });
  await eventually(TIMEOUT_MS, "two addresses", () => places(server).length === 2);
  const port = new URL(places(server)[1]).port;
  // The address for all of IPv6 takes IPv4, too, when no other does at that port.
  for (const host of ["[::1]", "127.0.0.1"]) {
    const code = `const kv = await Deno.openKv("http://${host}:${port}");
      await kv.set(["from"], ${JSON.stringify(host)}); console.log((await kv.get(["from"])).value); kv.close()`;
    const { stdout, stderr } = await run(DENO, ["eval", "--unstable-kv", code], {
      env: { DENO_KV_ACCESS_TOKEN: TOKEN },
    });
    assert.equal(stdout.trim(), host, stderr);
  }
});

test("IPv4 and IPv6 share a port when both are asked for", async (t) => {
  const folder = await temporaryFolder(t);
  const free = net.createServer().listen(0, "::");
  await new Promise((done) => free.once("listening", done));
  const { port } = free.address();
  await new Promise((done) => free.close(done));
  const server = await startServer(t, join(folder, "kv.sqlite"), {
    args: ["--addr", `[::]:${port}`, "--addr", `0.0.0.0:${port}`],
  });
  await eventually(TIMEOUT_MS, "three addresses", () => places(server).length === 3);
  for (const url of [`http://127.0.0.1:${port}`, `http://[::1]:${port}`]) {
    assert.equal((await curlExchange("-g", `${url}/`)).status, 200);
  }
});

test("a dead server's socket is replaced, a living one's is not, nor is any other file", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "tuplet.sock");
  const args = ["--addr", `unix:${path}`];
  const dead = await startServer(t, join(folder, "kv.sqlite"), { args });
  await dead.kill();
  assert.ok(existsSync(path));

  const living = await startServer(t, join(folder, "kv.sqlite"), { args });
  const second = await tuplet(["--sqlite-path", join(folder, "other.sqlite"), "serve", ...args]);
  assert.equal(second.code, 5);
  assert.match(second.stderr, /another program listens there/);
  assert.equal((await curlExchange("--unix-socket", path, "http://localhost/")).status, 200);
  await living.stop();

  await writeFile(path, "precious");
  const third = await tuplet(["--sqlite-path", join(folder, "other.sqlite"), "serve", ...args]);
  assert.equal(third.code, 5);
  assert.match(third.stderr, /it is no socket/);
});

test("addresses that cannot be are refused before anything is opened", async (t) => {
  const folder = await temporaryFolder(t);
  for (const address of ["4512", "localhost", "unix:", `unix:/${"x".repeat(110)}`, "[::1", "::1:80"]) {
    const { code, stderr } = await tuplet(["--sqlite-path", join(folder, "kv"), "serve", "--addr", address]);
    assert.equal(code, 2, address);
    assert.ok(stderr.includes(address), stderr);
  }
  assert.ok(!existsSync(join(folder, "kv")));
});

// ---- systemd ----

test("systemd-socket-activate starts it when the first client comes, and nobody waits in vain", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "activated.sock");
  const args = ["-l", path, tupletPath(), ...serveArgs(folder)];
  const server = await startBy(t, "systemd-socket-activate", args);
  await eventually(TIMEOUT_MS, "the socket", () => existsSync(path));
  const { status } = await curlExchange("--unix-socket", path, "http://localhost/");
  assert.equal(status, 200);
  await eventually(TIMEOUT_MS, "the address", () => places(server).includes(`unix:${path}`));
  assert.equal(places(server).length, 1, "it listens at no other address");
  assert.equal((await server.stop()).code, 0);
  assert.ok(existsSync(path), "the socket is systemd's to remove");
});

test("a handed over port serves beside an address of its own", async (t) => {
  const folder = await temporaryFolder(t);
  const listener = net.createServer().listen(0, "127.0.0.1");
  await new Promise((done) => listener.once("listening", done));
  const { port } = listener.address();
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"';
  const args = ["-c", script, "sh", tupletPath(), ...serveArgs(folder), "--addr", "127.0.0.1:0"];
  const child = spawn("sh", args, {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe", listener._handle.fd],
  });
  const server = new Server(child, TOKEN);
  t.after(() => server.finish());
  await eventually(TIMEOUT_MS, "two addresses", () => places(server).length === 2);
  listener.close();
  assert.equal(places(server)[0], `http://127.0.0.1:${port}`);
  for (const place of places(server)) assert.equal((await curlExchange(`${place}/`)).status, 200);
});

test("a descriptor that does not listen ends it with a word", async (t) => {
  const folder = await temporaryFolder(t);
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3</dev/null';
  const { code, stderr } = await run("sh", ["-c", script, "sh", tupletPath(), ...serveArgs(folder)]);
  assert.equal(code, 5);
  assert.match(stderr, /descriptor 3 is not a stream socket that listens/);
});

// A datagram socket as systemd has it, of which Node has none: each notice becomes a line of JSON.
const MANAGER = `
import json, os, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(manager.recv(4096).decode()), flush=True)
`;

test("systemd is told of readiness, reloads, life and the end", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "notify.sock");
  const manager = spawn("python3", ["-c", MANAGER, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => manager.kill("SIGKILL"));
  const notices = [];
  createInterface({ input: manager.stdout }).on("line", (line) => notices.push(JSON.parse(line)));
  const has = (what) => eventually(TIMEOUT_MS, what, () => notices.some((notice) => notice.startsWith(what)));
  await has("bound");

  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "400000" };
  const server = await startServer(t, join(folder, "kv.sqlite"), { env });
  await has("READY=1\nSTATUS=Listening on ");
  await eventually(TIMEOUT_MS, "signs of life", () => notices.filter((one) => one === "WATCHDOG=1").length >= 3);

  const before = notices.length;
  server.child.kill("SIGHUP");
  await has("RELOADING=1\nMONOTONIC_USEC=");
  await eventually(TIMEOUT_MS, "readiness again", () => notices.slice(before).some((one) => one.startsWith("READY=1")));
  const after = notices.slice(before).filter((one) => one !== "WATCHDOG=1");
  assert.match(after[0], /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
  assert.match(after[1], /^READY=1\n/);

  assert.equal((await server.stop()).code, 0);
  await has("STOPPING=1\nSTATUS=");
});

// ---- Bounds ----

/** A connection that is held, once the server has let it in. */
async function hold(t, server, localAddress = "127.0.0.1") {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const status = await within(
    TIMEOUT_MS,
    "an answer",
    new Promise((done, fail) => {
      const options = { host: "127.0.0.1", port: server.port, localAddress, agent };
      http.get(options, (response) => response.on("end", () => done(response.statusCode)).resume()).on("error", fail);
    }),
  );
  return { status, end: () => agent.destroy() };
}

test("connections beyond the bound get a 503, and a place when there is one", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--connections-max", "2"] });
  const first = await hold(t, server);
  const second = await hold(t, server, "127.0.0.2");
  assert.deepEqual([first.status, second.status], [200, 200]);
  const answer = await request1(server.url, { method: "GET" });
  assert.equal(answer.status, 503);
  assert.ok(Number(answer.headers["retry-after"]) >= 1);
  await assert.rejects(request2(server.url, { method: "GET" }));
  first.end();
  await eventually(TIMEOUT_MS, "a place", async () => (await request1(server.url, { method: "GET" })).status === 200);
});

test("one address has its share, and leaves the rest to others", async (t) => {
  const folder = await temporaryFolder(t);
  const args = ["--connections-per-address-max", "1"];
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  assert.equal((await hold(t, server)).status, 200);
  const answer = await request1(server.url, { method: "GET" });
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers["retry-after"]) >= 1);
  assert.equal((await hold(t, server, "127.0.0.2")).status, 200);
});

test("who says nothing after connecting is let go", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"), { args: ["--header-timeout", "300ms"] });
  const session = await Session.open(request1, server.url, TOKEN);
  const socket = net.connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {}).resume();
  await within(TIMEOUT_MS, "the end of a silent connection", new Promise((done) => socket.once("close", done)));
  assert.equal((await session.write({ mutations: [] })).status, 1);
});

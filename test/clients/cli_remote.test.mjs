// The command line with a server's URL where it takes a path: every command, over HTTP and HTTPS, tokens that are wrong,
// servers that are not there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import {
  cleanEnvironment,
  eventually,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  tupletPath,
  within,
} from "./lib/harness.mjs";

const WAIT_MS = 30_000;
const SYSTEM = 5;
const STAMP = /^[0-9a-f]{20}\n$/;

/** A server, and the command line with its URL: cli(command, ...words) gives what is printed. */
async function startWithCli(t, { args = [], environment = {}, name = "" } = {}) {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"), { args });
  const url = server.url.replace("127.0.0.1", environment.DENO_CERT ? "localhost" : "127.0.0.1") + name;
  const env = { DENO_KV_ACCESS_TOKEN: TOKEN, ...environment };
  const attempt = ([command, ...words], options = {}) =>
    tuplet([command, "--db", url, ...words], { env, ...options });
  return { folder, server, url, env, attempt, cli: expecting(attempt) };
}

/** Runs a command that is to succeed, and gives what it printed. */
function expecting(attempt) {
  return async (...words) => {
    const { code, stdout, stderr } = await attempt(words);
    assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
    return stdout;
  };
}

/** A command that goes on, line by line. */
function start(t, { url, env }, command, ...words) {
  const child = spawn(tupletPath(), [command, "--url", url, ...words], {
    env: cleanEnvironment(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "close");
  return {
    child,
    line: async () => {
      const { value, done } = await within(WAIT_MS, `a line of ${command}`, lines.next());
      assert.ok(!done, `${command} ended: ${errors}`);
      return value;
    },
    end: async () => (await within(WAIT_MS, `the end of ${command}`, ended))[0],
  };
}

async function checkEveryCommand(t, place) {
  const { cli, attempt } = place;
  assert.match(await cli("set", '["a", 1n]', "{x: new Set([1])}"), STAMP);
  assert.equal(await cli("get", '["a", 1n]'), "{x: new Set([1])}\n");
  assert.match(await cli("get", "--versionstamp", '["a", 1n]', "--consistency", "eventual"), STAMP);
  assert.equal((await attempt(["get", '["none"]'])).code, 1);
  await cli("atomic", "sum", '["n"]', "5n", "set", '["b"]', "2", "enqueue", '"from atomic"');
  assert.equal((await attempt(["atomic", "check", '["b"]', "null", "set", '["b"]', "3"])).code, 3);
  assert.equal(await cli("list"), '["a", 1n]\t{x: new Set([1])}\n["b"]\t2\n["n"]\tnew Deno.KvU64(5n)\n');
  assert.equal(await cli("list", "--reverse", "--keys-only", "--limit", "1"), '["n"]\n');
  await cli("delete", '["b"]', '["n"]');
  assert.equal(await cli("list", "-k"), '["a", 1n]\n');
  await cli("enqueue", "{job: 7}", "--delay", "50ms");
  const messages = (await cli("listen", "--json", "--count", "2")).trim().split("\n").map(JSON.parse);
  assert.deepEqual(messages.map(({ payload }) => payload), ["from atomic", { job: 7 }]);

  const watch = start(t, place, "watch", '["a", 1n]');
  assert.equal(await watch.line(), '["a", 1n]\t{x: new Set([1])}');
  const range = start(t, place, "watch", "--prefix", '["a"]');
  assert.equal(await range.line(), '["a", 1n]\t{x: new Set([1])}');
  await cli("set", '["a", 1n]', "2");
  assert.equal(await watch.line(), '["a", 1n]\t2');
  assert.equal(await range.line(), '["a", 1n]\t2');
  await cli("delete", '["a", 1n]');
  assert.equal(await range.line(), '["a", 1n]\t');
  for (const { child, end } of [watch, range]) {
    child.kill("SIGTERM");
    await end();
  }
}

test("every command takes a URL", async (t) => {
  await checkEveryCommand(t, await startWithCli(t));
});

test("every command takes an https URL, whose certificate is checked", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const { cert, key } = await makeCertificate(folder, "server", authority);
  const args = ["--tls-cert", cert, "--tls-key", key];
  const place = await startWithCli(t, { args, environment: { DENO_CERT: authority.cert } });
  await checkEveryCommand(t, place);
  const { code, stderr } = await tuplet(["get", "--db", place.url, '["a"]'], {
    env: { DENO_KV_ACCESS_TOKEN: TOKEN },
  });
  assert.equal(code, SYSTEM);
  assert.match(stderr, /certificate/i);
});

test("a URL names one of many databases, and the environment may hold it", async (t) => {
  const folder = await temporaryFolder(t);
  const args = ["--data-dir", folder, "--create-databases"];
  const server = await startServer(t, null, { args });
  const env = { DENO_KV_ACCESS_TOKEN: TOKEN };
  for (const name of ["orders", "users"]) {
    const { code, stderr } = await tuplet(["set", '["name"]', `"${name}"`], {
      env: { ...env, DENO_KV_SQLITE_PATH: `${server.url}/${name}` },
    });
    assert.equal(code, 0, stderr);
  }
  const found = await tuplet(["get", "--url", `${server.url}/orders`, '["name"]'], { env });
  assert.equal(found.stdout, '"orders"\n');
});

test("the token may be in a file, and it is said when there is none or it is wrong", async (t) => {
  const place = await startWithCli(t);
  const path = join(place.folder, "token");
  const withFile = (...words) => tuplet(["list", "--db", place.url, "--access-token-file", path, ...words]);
  await writeFile(path, `${TOKEN}\nmore\n`);
  assert.equal((await withFile()).code, 0);
  await writeFile(path, "another\n");
  const wrong = await withFile();
  assert.equal(wrong.code, SYSTEM);
  assert.match(wrong.stderr, /^tuplet: .*token/);
  assert.ok(!wrong.stderr.includes("another"), "tokens are never shown");
  await writeFile(path, "\n");
  assert.match((await withFile()).stderr, /no access token in its first line/);
  const none = await tuplet(["list", "--db", place.url]);
  assert.equal(none.code, SYSTEM);
  assert.match(none.stderr, /DENO_KV_ACCESS_TOKEN/);
  const commands = { get: ["[1]"], set: ["[1]", "1"], watch: ["[1]"], listen: [], enqueue: ["1"] };
  for (const [command, words] of Object.entries(commands)) {
    const env = { DENO_KV_ACCESS_TOKEN: "wrong" };
    assert.equal((await tuplet([command, "--db", place.url, ...words], { env })).code, SYSTEM, command);
  }
});

test("a token that may only read lets no message in or out", async (t) => {
  const folder = await temporaryFolder(t);
  const tokens = join(folder, "tokens");
  const created = await tuplet([
    "token",
    "create",
    "--quiet",
    "reader",
    "--read-only",
    "--tokens-file",
    tokens,
  ]);
  const { cli, url } = await startWithCli(t, { args: ["--tokens-file", tokens] });
  await cli("set", '["a"]', "1");
  const env = { DENO_KV_ACCESS_TOKEN: created.stdout.trim() };
  assert.equal((await tuplet(["watch", "--db", url, "--count", "1", '["a"]'], { env })).stdout, '["a"]\t1\n');
  for (const words of [["enqueue", "1"], ["listen"], ["set", '["a"]', "2"]]) {
    const { code, stderr } = await tuplet([words[0], "--db", url, ...words.slice(1)], { env });
    assert.equal(code, SYSTEM, stderr);
    assert.match(stderr, /^tuplet: ./);
  }
});

test("a server that is not there, and a database that is not, are errors of the database", async (t) => {
  const place = await startWithCli(t);
  const missing = await tuplet(["list", "--db", `${place.url}/no-such-database`], { env: place.env });
  assert.equal(missing.code, SYSTEM);
  assert.match(missing.stderr, /^tuplet: .*no database/);
  const free = await new Promise((done) => {
    const listener = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => done(port));
    });
  });
  const away = await tuplet(["get", "--db", `http://127.0.0.1:${free}`, "[1]"], { env: place.env });
  assert.equal(away.code, SYSTEM);
  assert.match(away.stderr, /127\.0\.0\.1/);
});

test("listeners on a server share its messages, and what one leaves goes to another at once", async (t) => {
  const place = await startWithCli(t);
  const first = start(t, place, "listen", "--exec", "cat >/dev/null; sleep 300", "--count", "1");
  await place.cli("enqueue", '"one"');
  await place.cli("enqueue", '"two"');
  const second = start(t, place, "listen");
  const got = [(await second.line()).split("\t")[2]];
  first.child.kill("SIGTERM");
  assert.equal(await first.end(), 1, "its count was not reached");
  got.push((await second.line()).split("\t")[2]);
  assert.deepEqual(got.sort(), ['"one"', '"two"']);
  second.child.kill("SIGTERM");
  assert.equal(await second.end(), 0);
  assert.equal(await place.cli("listen", "--timeout", "300ms"), "");
});

test("watch and listen go on when the server was away", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "kv.sqlite");
  const server = await startServer(t, path);
  const place = { url: server.url, env: { DENO_KV_ACCESS_TOKEN: TOKEN } };
  const watch = start(t, place, "watch", '["a"]');
  assert.equal(await watch.line(), '["a"]\t');
  assert.equal((await tuplet(["set", "--db", path, '["b", 1]', "1"])).code, 0);
  const range = start(t, place, "watch", "--prefix", '["b"]');
  assert.equal(await range.line(), '["b", 1]\t1');
  const listen = start(t, place, "listen");
  await server.stop();
  assert.equal((await tuplet(["set", "--db", path, '["a"]', "1"])).code, 0);
  assert.equal((await tuplet(["delete", "--db", path, '["b", 1]'])).code, 0);
  assert.equal((await tuplet(["set", "--db", path, '["b", 2]', "2"])).code, 0);
  assert.equal((await tuplet(["enqueue", "--db", path, '"meanwhile"'])).code, 0);
  await startServer(t, path, { port: server.port });
  assert.equal(await watch.line(), '["a"]\t1');
  assert.deepEqual([await range.line(), await range.line()], ['["b", 1]\t', '["b", 2]\t2']);
  assert.match(await listen.line(), /"meanwhile"$/);
  listen.child.kill("SIGTERM");
  assert.equal(await listen.end(), 0);
});

test("a signal ends a listener that is connecting", async (t) => {
  const silent = net.createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  const connections = [];
  silent.on("connection", (socket) => {
    connections.push(socket);
    socket.on("error", () => {});
  });
  const place = { url: `http://127.0.0.1:${silent.address().port}`, env: { DENO_KV_ACCESS_TOKEN: TOKEN } };
  const listen = start(t, place, "listen");
  await eventually(WAIT_MS, "the connection", () => connections.length > 0);
  const began = performance.now();
  listen.child.kill("SIGTERM");
  await listen.end();
  assert.ok(performance.now() - began < 8000, "it did not wait for the server");
  for (const socket of connections) socket.destroy();
});

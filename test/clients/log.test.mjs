// What the server tells its operator: lines that a machine can read, an id for each request, and no secrets.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import { join } from "node:path";
import test from "node:test";
import { exchange, request1, request2, Session, WatchStream } from "./lib/connect.mjs";
import {
  cleanEnvironment,
  eventually,
  runDenoChecks,
  startServer,
  temporaryFolder,
  TOKEN,
  tupletPath,
  within,
} from "./lib/harness.mjs";
import { parseLog } from "./lib/logfmt.mjs";
import * as pb from "./lib/protobuf.mjs";

const SOON_MS = 20_000;
const ID = /^[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]+$/;
const key = pb.stringKey;
const bytes = (content) => ({ data: Buffer.from(content), encoding: pb.BYTES });

const start = async (t, args = []) =>
  await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), { args: ["--log-requests", ...args] });

/** The lines of whole requests so far. */
const requests = (server, format) =>
  parseLog(server.stderr.slice(0, server.stderr.lastIndexOf("\n") + 1), format)
    .filter(({ msg }) => msg === "request");

async function lineOf(server, id, format) {
  let found;
  await eventually(SOON_MS, `the line of ${id}`, () => {
    found = requests(server, format).find((line) => line.id === id);
    return found !== undefined;
  });
  return found;
}

for (const format of ["logfmt", "json"]) {
  test(`${format}: each request has a line that says what it was, and an id that its client knows`, async (t) => {
    const server = await start(t, ["--log-format", format]);
    const text = (value) => (format === "json" ? value : String(value));
    const ids = new Set();
    for (const [protocol, request] of [["HTTP/1.1", request1], ["HTTP/2", request2]]) {
      const session = await Session.open(request, server.url, TOKEN);
      const body = pb.atomicWrite({ mutations: [{ key: key("k"), value: bytes("v"), type: pb.SET }] });
      const answers = {
        exchange: await exchange(request, server.url, TOKEN),
        atomic_write: await session.call("atomic_write", body),
        page: await request(server.url, { method: "GET" }),
        unknown: await request(server.url, { method: "GET", path: "/nothing?with=query" }),
        health: await request(server.url, { method: "GET", path: "/healthz" }),
      };
      for (const [operation, answer] of Object.entries(answers)) {
        const id = answer.headers["x-request-id"];
        assert.match(id, ID);
        assert.ok(!ids.has(id), "an id is never given twice");
        ids.add(id);
        const line = await lineOf(server, id, format);
        assert.equal(line.level, "info");
        assert.equal(line.peer, "127.0.0.1");
        assert.equal(line.protocol, protocol);
        assert.equal(line.tls, text(false));
        assert.equal(line.operation, operation);
        assert.equal(line.status, text(answer.status));
        assert.equal(line.bytes_out, text(answer.body.length));
        assert.ok(Number(line.duration_ms) >= 0);
        assert.equal(line.database, /exchange|atomic_write/.test(operation) ? "default" : undefined);
        if (operation === "atomic_write") assert.equal(line.bytes_in, text(body.length));
      }
    }
  });
}

test("a watch has a line when it begins and one when it ends", async (t) => {
  const server = await start(t);
  const session = await Session.open(request1, server.url, TOKEN);
  const watch = await WatchStream.open(session, key("k"));
  const id = watch.response.headers["x-request-id"];
  await watch.output();
  const started = () => parseLog(server.stderr).find((line) => line.msg === "request started");
  await eventually(SOON_MS, "the line of the beginning", () => started() !== undefined);
  assert.equal(started().id, id);
  assert.equal(started().operation, "watch");
  assert.equal(started().database, "default");
  assert.equal(requests(server).find((line) => line.id === id), undefined);
  watch.close();
  const ended = await lineOf(server, id);
  assert.equal(ended.status, "200");
  assert.equal(ended.complete, "false");
  assert.ok(Number(ended.bytes_out) > 0);
});

test("what is no request has a line, too", async (t) => {
  const server = await start(t);
  const { hostname, port } = new URL(server.url);
  const answered = new Promise((done) => {
    http.request({ hostname, port, method: "GET", path: "/", headers: { "content-length": "x" } })
      .on("response", (response) => done(response.resume().statusCode)).on("error", done).end();
  });
  assert.equal(await within(SOON_MS, "the refusal", answered), 400);
  await eventually(SOON_MS, "its line", () => requests(server).some((line) => line.status === "400"));
});

test("neither tokens nor keys nor values nor targets are logged, whatever clients do", async (t) => {
  const secret = "do-not-log-me";
  const token = `${secret}-access-token`;
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path, { token, args: ["--log-requests", "--log-level", "debug"] });
  const session = await Session.open(request2, server.url, token);
  const value = bytes(`${secret}-value`);
  assert.equal((await session.write({ mutations: [{ key: key(`${secret}-key`), value, type: pb.SET }] })).status, 1);
  await session.get(key(`${secret}-key`));
  const strangers = [
    exchange(request1, server.url, `${secret}-wrong`),
    exchange(request1, server.url, token, `{"supportedVersions": "${secret}"}`),
    request1(server.url, { path: `/${secret}`, headers: { authorization: `Bearer ${token}` } }),
    request1(server.url, { method: "GET", path: `/?token=${secret}` }),
    request1(server.url, { method: "GET", path: "/", headers: { cookie: secret, "x-request-id": secret } }),
    session.call("snapshot_read", Buffer.from(secret)),
    session.call("atomic_write", undefined, { "x-denokv-database-id": secret }),
    session.call("watch", undefined, { authorization: `Bearer ${session.metadata.token}x` }),
  ];
  for (const answer of await Promise.all(strangers)) {
    await lineOf(server, answer.headers["x-request-id"]);
  }
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  parseLog(server.stderr);
  assert.ok(!server.stderr.includes(secret), server.stderr);
  assert.ok(!server.stderr.includes(session.metadata.token), server.stderr);
  assert.ok(!server.stdout.includes(secret), server.stdout);
});

test("without --log-requests there are no lines and no ids", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"));
  const answer = await exchange(request1, server.url, TOKEN);
  assert.equal(answer.headers["x-request-id"], undefined);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  assert.deepEqual(requests(server), []);
});

test("a reader that stops reading its log does not stop the server", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const args = ["serve", "--sqlite-path", path, "--addr", "127.0.0.1:0", "--access-token", TOKEN];
  const child = spawn(tupletPath(), [...args, "--log-requests"], {
    env: cleanEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const exited = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (piece) => (text += piece));
  await eventually(SOON_MS, "the address", () => /Listening on http\S+"\n/.test(text));
  const url = /Listening on (http:\/\/[^\s"]+)/.exec(text)[1];
  child.stderr.pause();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  t.after(() => agent.destroy());
  const ask = () =>
    new Promise((done, fail) => {
      http.get(`${url}/healthz`, { agent }, (response) => {
        response.resume().on("end", () => done(response.statusCode));
      }).on("error", fail);
    });
  const COUNT = 3000; /* at 200 bytes a line several times what a pipe holds */
  const answers = Promise.all(Array.from({ length: COUNT }, ask));
  assert.ok((await within(60_000, "the answers", answers)).every((status) => status === 200));
  child.stderr.resume();
  await eventually(SOON_MS, "word of what was lost", async () => {
    await ask();
    return /are lost" lines=\d+\n/.test(text);
  });
  const [, lost] = /are lost" lines=(\d+)\n/.exec(text);
  assert.ok(Number(lost) > 0 && Number(lost) < COUNT);
  child.kill("SIGTERM");
  assert.deepEqual(await within(SOON_MS, "the end", exited), { code: 0, signal: null });
  parseLog(text);
});

test("real Deno's requests are told apart", async (t) => {
  const server = await start(t, ["--log-format", "json"]);
  await runDenoChecks(t, "deno/crud.ts", [server.url]);
  const lines = requests(server, "json");
  for (const operation of ["exchange", "snapshot_read", "atomic_write"]) {
    assert.ok(lines.some((line) => line.operation === operation && line.protocol === "HTTP/2"), operation);
  }
  assert.equal(new Set(lines.map((line) => line.id)).size, lines.length);
});

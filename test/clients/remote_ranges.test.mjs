// The C library watching a range of a database on a server: test/process/remote_range.c against a real server, through
// its restarts, through connections that break, and against servers that misbehave or know no ranges.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import test from "node:test";
import { makeAuthority, makeCertificate } from "./lib/certificates.mjs";
import { ChaosProxy } from "./lib/chaos_proxy.mjs";
import { request1, Session } from "./lib/connect.mjs";
import {
  collectChecks,
  eventually,
  sleep,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";
import { Random, seed } from "./lib/random.mjs";
import { metadata, RemoteProgram, startFake } from "./lib/remote.mjs";

const WAIT_MS = 60_000;
const program = new RemoteProgram("remote_range");
const key = (...parts) => pb.stringKey("range", ...parts);
const text = (value) => ({ data: Buffer.from(value), encoding: pb.BYTES });

async function start(t) {
  const path = join(await temporaryFolder(t), "kv.sqlite3");
  const server = await startServer(t, path);
  return { path, server };
}

async function set(session, name, value) {
  await session.write({ mutations: [{ key: key(name), type: pb.SET, value: text(value) }] });
}

async function setInFile(path, name) {
  const { code, stderr } = await tuplet(["set", "--db", path, `["range", "${name}"]`, "1"]);
  assert.equal(code, 0, stderr);
}

async function deleteInFile(path, name) {
  const { code, stderr } = await tuplet(["delete", "--db", path, `["range", "${name}"]`]);
  assert.equal(code, 0, stderr);
}

/** Real Deno, changing the range. */
async function runDeno(t, target, rounds) {
  const child = spawnDeno("deno/change_range.ts", [target, String(rounds)]);
  t.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (data) => (errors += data));
  child.stdout.resume();
  const [code] = await within(WAIT_MS, "the end of change_range.ts", once(child, "close"));
  assert.equal(code, 0, errors);
}

/** The end of who follows: its copy is what a list gives, and it met no error. */
async function checkCopy(t, following) {
  const lines = await following.end();
  assert.deepEqual(lines.filter((line) => line.startsWith("failed")), []);
  const result = JSON.parse(lines.at(-1));
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.same, lines.slice(-40).join("\n"));
  assert.ok(result.deliveries > 0);
  return result;
}

/** The program that fetches when it is told to. */
class Fetching {
  #fetches = 0;

  static async start(t, args) {
    const fetching = new Fetching();
    fetching.program = program.start(t, [...args, "fetch"]);
    await fetching.program.line((line) => line === "watching");
    return fetching;
  }

  /** What it says then. */
  async fetch() {
    const { lines, input } = this.program;
    const index = ++this.#fetches; // "watching" is the first line
    input.write("\n");
    await this.program.line(() => lines.length > index);
    return lines[index];
  }

  async end() {
    this.program.input.end();
    await this.program.end();
  }
}

// ---- What there is to follow ----

test("a range is watched over HTTP/1.1 in clear", async (t) => {
  const { server } = await start(t);
  await collectChecks(t, program.spawn(t, [server.url, "checks"]), "remote_range.c");
});

test("a range is watched over TLS, with HTTP/2", async (t) => {
  const folder = await temporaryFolder(t);
  const authority = await makeAuthority(folder, "authority");
  const made = await makeCertificate(folder, "server", authority);
  const server = await startServer(t, join(folder, "kv.sqlite3"), {
    args: ["--tls-cert", made.cert, "--tls-key", made.key, "--log-requests"],
  });
  const url = `https://localhost:${server.port}`;
  await collectChecks(t, program.spawn(t, [url, "checks"], { DENO_CERT: authority.cert }), "remote_range.c");
  assert.match(server.stderr, /protocol=HTTP\/2 .*operation=watch /);
});

test("a copy follows what Deno programs do through the server and to its file", async (t) => {
  const { path, server } = await start(t);
  const all = program.start(t, [server.url, "follow"]);
  const little = program.start(t, ["--changes-max", 2, server.url, "follow"]);
  await Promise.all([all, little].map((following) => following.line((line) => line.startsWith("reread"))));
  await runDeno(t, server.url, 200);
  await Promise.all([runDeno(t, path, 100), runDeno(t, server.url, 100)]);
  await setInFile(path, "end");
  for (const following of [all, little]) {
    const { reversals, rereads } = await checkCopy(t, following);
    assert.equal(reversals, 0);
    assert.ok(rereads > 1, "what the other process wrote can only be read");
  }
});

test("each allocation may fail", async (t) => {
  const server = await startServer(t, ":memory:");
  const { allocations } = JSON.parse((await program.run(t, [server.url, "out-of-memory"])).at(-1));
  assert.ok(allocations > 20, `${allocations} were made`);
});

// ---- Troubles ----

test("no change is lost while the server is killed and started again", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite3");
  let server = await startServer(t, path);
  const { port, url } = server;
  for (const name of ["old", "older"]) await setInFile(path, name);
  const following = program.start(t, [url, "follow"]);
  await following.line((line) => line === "reread 2");
  const session = await Session.open(request1, url, TOKEN);
  await set(session, "new", "1");
  await following.line((line) => line.startsWith('set ["range", "new"]'));
  await server.kill();
  await deleteInFile(path, "old"); // while nobody serves
  await setInFile(path, "meanwhile");
  server = await startServer(t, path, { port });
  await following.line((line) => line === "reread 3");
  for (let i = 0; i < 2; i++) { // and in the middle of changes
    const changing = (async () => {
      const session = await Session.open(request1, url, TOKEN);
      for (let j = 0;; j++) await set(session, `${i}-${j % 20}`, `${j}`);
    })().catch(() => {}); // it ends when the server does
    await following.line((line) => line.startsWith(`set ["range", "${i}-`));
    await server.kill();
    await changing;
    await deleteInFile(path, `${i}-0`);
    server = await startServer(t, path, { port });
  }
  await setInFile(path, "end");
  const { rereads } = await checkCopy(t, following);
  assert.ok(rereads >= 4);
});

test("sessions that last a second are replaced, and no change is lost", async (t) => {
  const server = await startServer(t, ":memory:", { args: ["--session-lifetime", "1s"] });
  const following = program.start(t, [server.url, "follow"]);
  const rereads = () => following.lines.filter((line) => line.startsWith("reread")).length;
  for (let i = 0; rereads() < 2; i++) { // nothing but a new stream asks for one
    assert.ok(i < 3000, "the streams end with their sessions");
    await set(await Session.open(request1, server.url, TOKEN), `k${i % 50}`, `${i}`);
    await sleep(10);
  }
  await set(await Session.open(request1, server.url, TOKEN), "end", "1");
  await checkCopy(t, following);
});

test("a watch is closed at once when the server does not answer", async (t) => {
  const { server } = await start(t);
  const fetching = await Fetching.start(t, [server.url]);
  assert.equal(await fetching.fetch(), "reread");
  server.child.kill("SIGSTOP");
  const began = performance.now();
  await fetching.end();
  server.child.kill("SIGCONT");
  assert.ok(performance.now() - began < 10_000);
});

test("no change is lost over connections that break", async (t) => {
  const { server } = await start(t);
  t.diagnostic(`TUPLET_SEED=${seed}`);
  const random = new Random(seed);
  const proxy = await ChaosProxy.start(t, { port: server.port, random, cuts: 0.1, stalls: 0, holes: 0 });
  const following = program.start(t, [`http://127.0.0.1:${proxy.port}`, "follow"]);
  await following.line((line) => line.startsWith("reread"));
  const session = await Session.open(request1, server.url, TOKEN);
  for (let i = 0; i < 300; i++) {
    const mutations = [{ key: key(`k${random.below(30)}`), type: pb.SET, value: text(`${i}`) }];
    if (random.chance(0.3)) mutations.push({ key: key(`k${random.below(30)}`), type: pb.DELETE });
    await session.write({ mutations });
    if (random.chance(0.2)) await sleep(random.below(30));
  }
  proxy.calm();
  await set(session, "end", "1");
  const { rereads } = await checkCopy(t, following);
  assert.ok(proxy.counts.cuts > 0 && rereads > 1, JSON.stringify(proxy.counts));
});

/** Passes everything on, and counts what the server sends. */
async function startCounter(t, port) {
  const counter = { size: 0, sockets: new Set() };
  const proxy = net.createServer((client) => {
    const server = net.connect(port, "127.0.0.1");
    for (const socket of [client, server]) {
      counter.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => counter.sockets.delete(socket));
    }
    server.on("data", (data) => (counter.size += data.length));
    client.pipe(server);
    server.pipe(client);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => {
    for (const socket of counter.sockets) socket.destroy();
    proxy.close();
  });
  counter.url = `http://127.0.0.1:${proxy.address().port}`;
  return counter;
}

test("who does not fetch is sent little, and reads again", async (t) => {
  const { server } = await start(t);
  const counter = await startCounter(t, server.port);
  const session = await Session.open(request1, server.url, TOKEN);
  const fetching = await Fetching.start(t, ["--changes-max", 50, counter.url]);
  assert.equal(await fetching.fetch(), "reread");
  const value = "x".repeat(60_000);
  let written = 0;
  for (let round = 0; round < 40; round++) {
    const mutations = [];
    for (let i = 0; i < 10; i++) mutations.push({ key: key(`${round}-${i}`), type: pb.SET, value: text(value) });
    await session.write({ mutations });
    written += 10 * value.length;
  }
  t.diagnostic(`${counter.size} of ${written} bytes were sent`);
  assert.ok(counter.size < written / 2, `${counter.size} of ${written} bytes were sent`);
  assert.equal(await fetching.fetch(), "reread");
  await set(session, "after", "1");
  assert.equal(await fetching.fetch(), "changes 1");
  await fetching.end();
});

// ---- Other servers ----

const EXTENSIONS = { "tuplet-extensions": "queue/1, watch-range/1" };

const frame = (message) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(message.length);
  return Buffer.concat([size, message]);
};
const versionstamp = (number) => Buffer.from(number.toString(16).padStart(16, "0") + "0000", "hex");
const rereadFrame = (number) => frame(pb.watchRangeOutput({ mustReread: true, versionstamp: versionstamp(number) }));
const goneFrame = (number, deletedKey) =>
  frame(pb.watchRangeOutput({ changes: [{ deletedKey }], versionstamp: versionstamp(number) }));

test("a server without the extension says so when the watch is opened", async (t) => {
  for (const headers of [{}, { "tuplet-extensions": "queue/1, watch-range/10, watch-range" }]) {
    const url = await startFake(t, (request, response) => response.writeHead(200, headers).end(metadata()));
    const lines = await program.run(t, [url, "fetch"]);
    assert.match(lines.at(-1), /^failed TUPLET_UNSUPPORTED .*cannot watch ranges/);
    const cli = await tuplet(["watch", "--db", url, "--prefix", '["range"]'], { env: { DENO_KV_ACCESS_TOKEN: TOKEN } });
    assert.equal(cli.code, 5);
    assert.match(cli.stderr, /cannot watch ranges/);
  }
});

test("a server that lost the extension, and one that refuses, are told when fetching", async (t) => {
  let exchanges = 0;
  const older = await startFake(t, (request, response) => {
    if (request.url === "/") response.writeHead(200, exchanges++ === 0 ? EXTENSIONS : {}).end(metadata());
    else response.writeHead(404).end("There is no such path.");
  });
  const refusing = await startFake(t, (request, response) => {
    if (request.url === "/") response.writeHead(200, EXTENSIONS).end(metadata());
    else response.writeHead(403).end("This access token may not open this database.");
  });
  for (const [url, expected] of [[older, /^failed TUPLET_UNSUPPORTED /], [refusing, /^failed TUPLET_DENIED This acc/]]) {
    const fetching = await Fetching.start(t, [url]);
    assert.match(await fetching.fetch(), expected);
    await fetching.end();
  }
});

test("what is no answer is not taken, and another stream is begun", async (t) => {
  const wrong = [
    [goneFrame(1, key("k"))], // nothing to go on from
    [rereadFrame(5), goneFrame(4, key("k"))], // backwards
    [rereadFrame(1), goneFrame(2, pb.stringKey("elsewhere"))],
    [rereadFrame(1), frame(Buffer.from([0xff]))],
    [rereadFrame(1), Buffer.from([0xff, 0xff, 0xff, 0x7f])],
    [rereadFrame(1), goneFrame(2, key("k")).subarray(0, 10)],
  ];
  let streams = 0;
  const url = await startFake(t, (request, response) => {
    if (request.url === "/") {
      response.writeHead(200, EXTENSIONS).end(metadata());
      return;
    }
    assert.equal(request.url, "/v2/watch_range");
    response.writeHead(200);
    const frames = wrong[streams++];
    if (frames === undefined) { // one that is right
      let number = 100;
      response.write(rereadFrame(number));
      const telling = setInterval(() => response.write(goneFrame(++number, key("k"))), 100);
      response.on("close", () => clearInterval(telling));
    } else {
      response.write(Buffer.concat(frames));
      if (frames === wrong.at(-1)) response.end();
    }
  });
  const fetching = await Fetching.start(t, [url]);
  const said = [];
  while (said.at(-1) !== "changes 1" && said.length < 20) said.push(await fetching.fetch());
  assert.equal(streams, wrong.length + 1);
  assert.ok(said.slice(0, -1).every((line) => line === "reread"), said.join());
  await fetching.end();
});

test("a watch that is not fetched lets go of its stream, and asks for another when it is", async (t) => {
  const streams = [];
  let ended = 0;
  const url = await startFake(t, (request, response) => {
    if (request.url === "/") {
      response.writeHead(200, EXTENSIONS).end(metadata());
      return;
    }
    response.on("close", () => ended++);
    response.writeHead(200).write(rereadFrame(1));
    streams.push(response);
  });
  const fetching = await Fetching.start(t, ["--changes-max", 2, url]);
  assert.equal(await fetching.fetch(), "reread");
  for (let i = 0; i < 3; i++) streams[0].write(goneFrame(2 + i, key(`k${i}`)));
  await eventually(WAIT_MS, "the end of the stream", () => ended === 1);
  assert.equal(streams.length, 1, "nobody has asked for another");
  assert.equal(await fetching.fetch(), "reread");
  assert.equal(streams.length, 2);
  streams[1].write(goneFrame(2, key("k")));
  assert.equal(await fetching.fetch(), "changes 1");
  await fetching.end();
});

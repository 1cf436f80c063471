// Programs that speak HTTP by themselves, in every version they know, against the server in clear: curl, nghttp, h2load.
// (tls.test.mjs has them over TLS.) They run the whole protocol: an exchange, a write, a read, a watch.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { request1, Session } from "./lib/connect.mjs";
import { run, startServer, temporaryFolder, TOKEN } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

// What curl is told, and what the server answers in: an upgrade from HTTP/1.1 is an offer that it does not take.
const CURL_MODES = {
  "--http1.0": "1.1",
  "--http1.1": "1.1",
  "--http2-prior-knowledge": "2",
  "--http2": "1.1",
};

async function prepare(t) {
  const folder = await temporaryFolder(t);
  const server = await startServer(t, join(folder, "kv.sqlite"));
  const session = await Session.open(request1, server.url, TOKEN);
  const file = async (name, bytes) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };
  const headers = Object.entries(session.headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  return { folder, server, session, file, headers };
}

/** What curl made of it: { version, status, body }. */
async function curl(folder, url, args) {
  const path = join(folder, "answer");
  const write = ["-o", path, "-w", "%{http_version} %{http_code}"];
  const { code, stdout, stderr } = await run("curl", ["-sS", "--max-time", "30", ...write, ...args, url]);
  assert.equal(code, 0, `curl ${args.join(" ")}: ${stderr}`);
  const [version, status] = stdout.split(" ");
  return { version, status: Number(status), body: readFileSync(path) };
}

for (const [mode, version] of Object.entries(CURL_MODES)) {
  test(`curl ${mode}: exchange, write, read and refusals`, async (t) => {
    const { folder, server, session, file, headers } = await prepare(t);
    const key = pb.stringKey("curl", mode);
    const value = { data: Buffer.alloc(60_000, mode), encoding: pb.BYTES };

    const exchange = ["-H", `authorization: Bearer ${TOKEN}`, "-d", '{"supportedVersions":[3]}'];
    const metadata = await curl(folder, `${server.url}/`, [mode, ...exchange]);
    assert.deepEqual([metadata.version, metadata.status], [version, 200]);
    assert.equal(JSON.parse(metadata.body).version, 3);

    const write = await file("write", pb.atomicWrite({ mutations: [{ key, value, type: pb.SET }] }));
    for (const more of [[], ["-H", "transfer-encoding: chunked"], ["-H", "expect: 100-continue"]]) {
      if (more.length > 0 && mode !== "--http1.1") continue; // the others have neither
      const args = [mode, ...headers, ...more, "--data-binary", `@${write}`];
      const answer = await curl(folder, `${server.url}${session.endpoint}/atomic_write`, args);
      assert.deepEqual([answer.version, answer.status], [version, 200]);
      assert.equal(pb.decodeAtomicWriteOutput(answer.body).versionstamp.length, 20);
    }

    const end = Buffer.concat([key, Buffer.from([0])]);
    const read = await file("read", pb.snapshotRead({ start: key, end, limit: 1 }));
    const got = await curl(folder, `${server.url}${session.endpoint}/snapshot_read`, [
      mode,
      ...headers,
      "--data-binary",
      `@${read}`,
    ]);
    assert.equal(got.status, 200);
    assert.deepEqual(pb.decodeSnapshotReadOutput(got.body).ranges[0][0].value, value.data);

    const large = await file("large", Buffer.alloc(2_000_000));
    const refused = await curl(folder, `${server.url}${session.endpoint}/atomic_write`, [
      mode,
      ...headers,
      "--data-binary",
      `@${large}`,
    ]);
    assert.equal(refused.status, 413);
    assert.equal((await curl(folder, `${server.url}/`, [mode, "-I"])).status, 200);
    assert.equal((await curl(folder, `${server.url}/nothing`, [mode])).status, 404);
    const unknown = await curl(folder, `${server.url}/`, [
      mode,
      "-H",
      "authorization: Bearer wrong-token-xyz",
      "-d",
      "",
    ]);
    assert.equal(unknown.status, 401);
    const long = ["-H", `x: ${"x".repeat(40_000)}`];
    assert.equal((await curl(folder, `${server.url}/`, [mode, ...long])).status, 431);
    assert.equal((await curl(folder, `${server.url}/${"a".repeat(40_000)}`, [mode])).status, 414);
  });
}

test("curl reads a watch as it comes, in each version", async (t) => {
  const { folder, server, session, file, headers } = await prepare(t);
  const key = pb.stringKey("watched");
  const watch = await file("watch", pb.watch(key));
  await Promise.all(
    Object.keys(CURL_MODES).map(async (mode) => {
      const path = join(folder, `stream${mode}`);
      const url = `${server.url}${session.endpoint}/watch`;
      const time = ["--max-time", "6"]; // enough for a first message, also where everything is slow
      const args = ["-sS", "-N", ...time, "-o", path, mode, ...headers, "--data-binary", `@${watch}`, url];
      const { code, stderr } = await run("curl", args);
      assert.equal(code, 28, stderr); // its time is over: the stream has no end
      const stream = readFileSync(path);
      assert.ok(
        stream.length >= 4 && stream.length >= 4 + stream.readUInt32LE(0),
        `${mode}: ${stream.length} bytes`,
      );
      assert.equal(pb.decodeWatchOutput(stream.subarray(4, 4 + stream.readUInt32LE(0))).keys.length, 1);
    }),
  );
});

test("nghttp: many requests on one connection, with small windows, padding, continuations and trailers", async (t) => {
  const { server, session, file, headers } = await prepare(t);
  const write = {
    mutations: [{
      key: pb.stringKey("n"),
      value: { data: Buffer.alloc(50_000), encoding: pb.BYTES },
      type: pb.SET,
    }],
  };
  await session.write(write);
  const read = await file(
    "read",
    pb.snapshotRead({ start: Buffer.from([1]), end: Buffer.from([255]), limit: 10 }),
  );
  const url = `${server.url}${session.endpoint}/snapshot_read`;
  for (
    const args of [[], ["-w", "10"], ["-w", "14", "-W", "16"], ["-b", "100"], ["--continuation"], [
      "--trailer",
      "x-t: y",
    ]]
  ) {
    const { code, stdout, stderr } = await run("nghttp", ["-nvm", "20", ...args, "-d", read, ...headers, url]);
    assert.equal(code, 0, stderr);
    assert.equal([...stdout.matchAll(/:status: 200/g)].length, 20, `nghttp ${args.join(" ")}`);
  }
  const upgraded = await run("nghttp", ["-nvu", `${server.url}/`]);
  assert.match(upgraded.stdout + upgraded.stderr, /HTTP Upgrade failed/);
});

test("h2load: every request of many connections and streams is answered", async (t) => {
  const { server, session, file, headers } = await prepare(t);
  await session.write({
    mutations: [{ key: pb.stringKey("n"), value: { data: Buffer.alloc(1000), encoding: pb.BYTES }, type: pb.SET }],
  });
  const read = await file(
    "read",
    pb.snapshotRead({ start: Buffer.from([1]), end: Buffer.from([255]), limit: 10 }),
  );
  const url = `${server.url}${session.endpoint}/snapshot_read`;
  for (
    const args of [["-c", "100", "-m", "50"], ["-c", "2", "-m", "256"], ["-c", "10", "-m", "10", "-w", "10"], [
      "-c",
      "100",
      "--h1",
    ]]
  ) {
    const { code, stdout } = await run("h2load", ["-n", "5000", "-t", "1", ...args, "-d", read, ...headers, url]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /5000 succeeded, 0 failed, 0 errored/, `h2load ${args.join(" ")}`);
    assert.match(stdout, /status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx/);
  }
});

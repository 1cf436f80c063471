// One file, two programs: Deno in its own process and tuplet (server and command line) read what the other wrote, write
// at the same time without losing anything, see each other's changes, and pass messages on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { request1, Session, WatchStream } from "./lib/connect.mjs";
import {
  CLIENTS,
  run,
  runDenoChecks,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  VECTORS,
  within,
} from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const WRITING_MS = 5_000;
const PROGRAM_TIMEOUT_MS = 120_000;

/** Runs a Deno program that reports nothing to its good end; its standard output. */
async function runDeno(t, program, ...args) {
  const child = spawnDeno(program, args.map(String));
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const [code] = await within(PROGRAM_TIMEOUT_MS, `the end of ${program}`, once(child, "close"));
  assert.equal(code, 0, `${program}: ${errors}`);
  return output;
}

test("what Deno wrote into a file, tuplet reads", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  await runDeno(t, "deno/write_vectors.ts", path, VECTORS);

  await t.test("through the server", async (t) => {
    const server = await startServer(t, path);
    await runDenoChecks(t, "deno/read_vectors.ts", [server.url, VECTORS, "strict-expiry"]);
  });

  await t.test("on the command line: each key and value as text that Deno understands", async (t) => {
    const { code, stdout, stderr } = await tuplet(["--db", path, "list", "--json"]);
    assert.equal(code, 0, stderr);
    await runDenoChecks(t, "deno/read_listing.ts", [path, VECTORS], {}, stdout);
  });
});

test("what tuplet wrote into a file, Deno reads", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path);
  await runDeno(t, "deno/write_vectors.ts", server.url, VECTORS);

  await t.test("while the server runs", (t) => runDenoChecks(t, "deno/read_vectors.ts", [path, VECTORS]));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await t.test("after it has ended", (t) => runDenoChecks(t, "deno/read_vectors.ts", [path, VECTORS]));
});

test("Deno and tuplet write one file at the same time, and nothing is lost", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path);
  const writers = { "deno-1": path, "deno-2": path, "remote-1": server.url, "remote-2": server.url };
  const results = await Promise.all(
    Object.entries(writers).map(async ([name, target]) => {
      return JSON.parse(await runDeno(t, "deno/increment.ts", target, name, WRITING_MS));
    }),
  );
  const sum = (what) => results.reduce((total, result) => total + result[what], 0);
  t.diagnostic(
    JSON.stringify(results.map(({ errors, ...counts }) => ({ ...counts, errors: errors.length }))),
  );

  await t.test("no error reaches a client of tuplet", () => {
    for (const { name, errors } of results) if (name.startsWith("remote")) assert.deepEqual(errors, []);
  });

  // Deno alone, twice on one file, fails like this: it reads before it takes the write lock.
  await t.test("Deno's own process sees no error but the one it has without tuplet as well", () => {
    const others = results.flatMap(({ errors }) => errors).filter((message) =>
      message !== "database is locked"
    );
    assert.deepEqual(others, []);
  });

  await t.test("every writer got on", () => {
    // SQLite hands its lock to whoever asks at the right moment; how often each gets it is nobody's promise.
    for (const { name, logged } of results) assert.ok(logged >= (name.startsWith("remote") ? 10 : 1), name);
  });

  await t.test("the counters hold exactly what was acknowledged", async () => {
    const { code, stdout, stderr } = await tuplet([
      "--db",
      path,
      "get",
      "--json",
      '["checked"]',
      '["summed"]',
    ]);
    assert.equal(code, 0, stderr);
    const [checked, summed] = stdout.trim().split("\n").map((line) => JSON.parse(line).valueText);
    assert.equal(checked, String(sum("checked")));
    assert.match(summed, new RegExp(`\\b${sum("summed")}n`));
  });

  await t.test("every logged entry is there", async () => {
    const { stdout } = await tuplet(["--db", path, "list", "--json", "--prefix", '["log"]']);
    const logged = new Set(stdout.trim().split("\n").map((line) => JSON.parse(line).keyText));
    assert.equal(logged.size, sum("logged"));
    for (const { name, logged: count } of results) {
      for (let i = 0; i < count; i++) assert.ok(logged.has(`["log", "${name}", ${i}]`), `${name} ${i}`);
    }
  });
});

test("a watch through tuplet shows what Deno writes into the file", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path);
  const count = 10;
  const watcher = spawnDeno("deno/watch_until.ts", [server.url, String(count)]);
  t.after(() => watcher.kill("SIGKILL"));
  const lines = createInterface({ input: watcher.stdout })[Symbol.asyncIterator]();
  const next = async () =>
    JSON.parse((await within(20_000, "a state of the watched key", lines.next())).value);
  const seen = [await next()];
  assert.deepEqual(seen, [null]);
  const writing = runDeno(t, "deno/write_watched.ts", path, count);
  while (seen.at(-1) !== count) seen.push(await next());
  await writing;
  assert.deepEqual(seen.slice(1), seen.slice(1).toSorted((a, b) => a - b), "in order");
  assert.ok(seen.length > 3, `more than the last state alone: ${seen}`);
});

test("two servers on one file: what is written through one is read and watched through the other", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const [first, second] = [await startServer(t, path), await startServer(t, path)];
  const [writer, reader] = await Promise.all(
    [first, second].map(({ url }) => Session.open(request1, url, TOKEN)),
  );
  const watched = pb.stringKey("watched");
  const stream = await WatchStream.open(reader, watched);
  t.after(() => stream.close());
  assert.equal((await stream.output()).keys[0].entry, null);
  for (const text of ["one", "two", "three"]) {
    const value = { data: Buffer.from(text), encoding: pb.BYTES };
    await writer.write({ mutations: [{ key: watched, value, type: pb.SET }] });
    assert.equal(String((await reader.get(watched)).value), text, "read at once");
    assert.equal(String((await stream.output()).keys[0].entry.value), text);
  }
});

test("messages that @deno/kv gave to tuplet, Deno delivers", async (t) => {
  const path = join(await temporaryFolder(t), "kv.sqlite");
  const server = await startServer(t, path);
  const program = join(CLIENTS, "node", "enqueue.mjs");
  const sent = await run(process.execPath, [program, server.url, "20"], {
    env: { DENO_KV_ACCESS_TOKEN: TOKEN },
  });
  assert.equal(sent.stdout.trim(), "enqueued", sent.stderr);
  await runDenoChecks(t, "deno/queue.ts", [path, "20"]);
});

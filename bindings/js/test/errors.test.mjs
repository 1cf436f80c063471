// Which error, with which words, for what went wrong outside the program, and for the arguments that only this package has.
// Those that Deno has, too, are compared with it (node/drop_in.test.mjs).

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { errorOf } from "../dist/errors.js";
import { BadResource, EncodedValue, KvError, openKv } from "../dist/index.js";
import { eventually, startServer, temporaryFolder, TOKEN, within } from "../../../test/clients/lib/harness.mjs";

const WAIT_MS = 30_000;

async function open(t, path = ":memory:", options = {}) {
  const kv = await openKv(path, options);
  t.after(() => kv[Symbol.asyncDispose]());
  return kv;
}

/** A KvError with this code, whose message matches. */
function failure(code, message) {
  return (error) => {
    assert.ok(error instanceof KvError, `${error}`);
    assert.ok(error instanceof Error);
    assert.equal(error.name, "KvError");
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.stack, /KvError|Error/);
    return true;
  };
}

test("each status of the library has its error", async () => {
  const header = await readFile(new URL("../../../include/tuplet.h", import.meta.url), "utf8");
  const mistakes = { MISUSE: TypeError, INVALID: TypeError, LIMIT: TypeError, SYNTAX: TypeError, TYPE: TypeError, RANGE: RangeError };
  const statuses = [...header.matchAll(/^ +X\((\w+), (-\d+), /gm)];
  assert.ok(statuses.length >= 18);
  for (const [, name, status] of statuses) {
    const error = errorOf(Number(status), "what happened");
    if (name in mistakes) assert.equal(error.constructor, mistakes[name], name);
    else if (name === "CLOSED") assert.ok(error instanceof BadResource);
    else assert.equal(error.code, `TUPLET_${name}`);
    if (name !== "CLOSED") assert.equal(error.message, "what happened");
  }
});

test("files that cannot be opened", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "text"), "This is no database. ".repeat(100));
  await mkdir(join(folder, "folder"));

  await t.test("a file that is something else", () =>
    assert.rejects(openKv(join(folder, "text")), failure("TUPLET_FORMAT", /text/)));
  await t.test("a folder that is not there", () =>
    assert.rejects(openKv(join(folder, "none", "kv.sqlite3")), failure("TUPLET_IO", /kv\.sqlite3/)));
  await t.test("a folder", () => assert.rejects(openKv(join(folder, "folder")), failure("TUPLET_IO", /folder/)));
  await t.test("a file that is not there, to be read only", () =>
    assert.rejects(openKv(join(folder, "none.sqlite3"), { readOnly: true }), failure("TUPLET_IO", /none\.sqlite3/)));
});

test("servers that cannot be used", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite3"));

  await t.test("a wrong token", () =>
    assert.rejects(openKv(server.url, { accessToken: "not-the-right-token" }), failure("TUPLET_DENIED", /./)));
  await t.test("nobody there", () =>
    assert.rejects(openKv("http://127.0.0.1:1/", { accessToken: TOKEN, timeout: 200 }), failure("TUPLET_IO", /127\.0\.0\.1/)));
  await t.test("a token that is a secret is in no message", async () => {
    for (const url of [server.url, "http://127.0.0.1:1/"]) {
      const error = await openKv(url, { accessToken: "a-very-secret-token", timeout: 200 }).catch((error) => error);
      assert.ok(!`${error.message}${error.stack}`.includes("secret"), error.message);
    }
  });
  await t.test("a server that ends", async (t) => {
    const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite3"));
    const kv = await open(t, server.url, { accessToken: TOKEN, timeout: 300 });
    await kv.set(["a"], 1);
    await server.kill();
    await assert.rejects(kv.get(["a"]), failure("TUPLET_IO", /./));
    await assert.rejects(kv.set(["a"], 2), KvError);
  });
  await t.test("a server that is read only", async (t) => {
    const path = join(await temporaryFolder(t), "kv.sqlite3");
    const writer = await open(t, path);
    await writer.set(["a"], 1);
    const reader = await startServer(t, path, { args: ["--read-only"] });
    const kv = await open(t, reader.url, { accessToken: TOKEN });
    assert.equal((await kv.get(["a"])).value, 1);
    await assert.rejects(kv.set(["a"], 2), KvError);
    await assert.rejects(kv.listenQueue(() => {}), KvError);
  });
});

test("a database that is closed: Deno's own class in Deno", async () => {
  const kv = await openKv(":memory:");
  kv.close();
  const error = await kv.get(["a"]).catch((error) => error);
  assert.ok(error instanceof BadResource);
  assert.equal(error.name, "BadResource");
  assert.equal(BadResource.name, "BadResource");
  assert.equal(BadResource, globalThis.Deno?.errors.BadResource ?? BadResource);
});

test("options of opening that cannot be", async () => {
  for (const [options, message] of [
    [{ readOnly: 1 }, "readOnly must be a boolean: received 1"],
    [{ readOnly: "yes" }, "readOnly must be a boolean: received string"],
    [{ durability: "none" }, 'durability must be "full" or "relaxed": received string'],
    [{ durability: null }, 'durability must be "full" or "relaxed": received null'],
    [{ cacheSize: 0 }, "cacheSize must be an integer from 1 to 2147483647: received 0"],
    [{ cacheSize: 1.5 }, "cacheSize must be an integer from 1 to 2147483647: received 1.5"],
    [{ accessToken: "" }, "accessToken must be a string that is not empty: received string"],
    [{ accessToken: 5 }, "accessToken must be a string that is not empty: received 5"],
    [{ caFile: {} }, "caFile must be a string that is not empty: received Object"],
    [{ timeout: -1 }, "timeout must be an integer from 1 to 4294967295: received -1"],
    [{ timeout: Infinity }, "timeout must be an integer from 1 to 4294967295: received Infinity"],
    [{ timeout: "5" }, "timeout must be an integer from 1 to 4294967295: received string"],
    [{ http: 3 }, "http must be 1 or 2: received 3"],
  ]) {
    await assert.rejects(openKv(":memory:", options), { name: "TypeError", message });
  }
  await assert.rejects(openKv("a\0b"), { name: "TypeError", message: "file name contained an unexpected NUL byte" });
});

test("options of calls that cannot be", async (t) => {
  const kv = await open(t);
  for (const maxInFlight of [0, -1, 1.5, 1001, NaN, "5", null]) {
    await assert.rejects(kv.listenQueue(() => {}, { maxInFlight }), {
      name: "TypeError",
      message: /^maxInFlight must be an integer from 1 to 1000: received /,
    });
  }
  for (const maxChanges of [0, 10_001, "5"]) {
    assert.throws(() => kv.watchRange({ prefix: [] }, { maxChanges }), {
      name: "TypeError",
      message: /^maxChanges must be an integer from 1 to 10000: received /,
    });
  }
  for (const selector of [undefined, null, {}, { start: ["a"] }, { prefix: [{}] }, { start: ["b"], end: ["a"] }]) {
    assert.throws(() => kv.watchRange(selector), TypeError);
  }
});

test("a value that cannot be decoded: the read fails, and what is stored can be had", async (t) => {
  const kv = await open(t);
  const hostObject = Uint8Array.of(0xff, 15, 0x5c, 0, 0, 0);
  await kv.set(["good"], 1);
  await kv.set(["z"], new EncodedValue("v8", hostObject)).catch(() => {});
  const { value } = await kv.get(["z"], { encoded: true });
  assert.deepEqual(value.data, hostObject);
  await assert.rejects(kv.get(["z"]), failure("TUPLET_UNSUPPORTED", /./));
  await assert.rejects(kv.getMany([["good"], ["z"]]), failure("TUPLET_UNSUPPORTED", /./));
  const list = kv.list({ prefix: [] });
  assert.equal((await list.next()).value.value, 1);
  await assert.rejects(list.next(), failure("TUPLET_UNSUPPORTED", /./));
  await assert.rejects(kv.watch([["z"]]).getReader().read(), failure("TUPLET_UNSUPPORTED", /./));
});

test("an error tells who called, wherever it came from", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite3"));
  const near = await open(t);
  const far = await open(t, server.url, { accessToken: TOKEN, timeout: 1000 });
  await near.set(["text"], "text");
  await far.set(["undecodable"], new EncodedValue("v8", Uint8Array.of(0xff, 15, 0x5c, 0, 0, 0)));
  const calls = {
    open: () => openKv(server.url, { accessToken: "wrong" }),
    openFile: () => openKv("/none/kv.sqlite3"),
    get: () => far.get(["undecodable"]),
    getMany: () => far.getMany([["undecodable"]]),
    list: () => far.list({ prefix: [] }).next(),
    sum: () => near.atomic().sum(["text"], 1n).commit(),
    setTooLarge: () => near.set(["a"], new Uint8Array(65_537)),
    listen: () => far.listenQueue(() => {}, { maxInFlight: 0 }),
  };
  for (const call of Object.values(calls)) {
    async function theCaller() {
      await call();
    }
    await assert.rejects(theCaller(), ({ stack }) => {
      assert.match(stack, /Error: .*\n( +at .*\n)+.*theCaller/, String(call));
      return true;
    });
  }
});

test("a message that cannot be decoded is reported, and a dead letter in the end", async (t) => {
  const kv = await open(t);
  const reports = [];
  const report = console.error;
  t.after(() => console.error = report);
  console.error = (...words) => reports.push(words);
  const hostObject = Uint8Array.of(0xff, 15, 0x5c, 0, 0, 0);
  kv.listenQueue(() => assert.fail("delivered"));
  await kv.enqueue(new EncodedValue("v8", hostObject), { backoffSchedule: [1], keysIfUndelivered: [["dead"]] });
  await eventually(WAIT_MS, "the dead letter", async () =>
    (await kv.get(["dead"], { encoded: true })).versionstamp !== null);
  assert.deepEqual((await kv.get(["dead"], { encoded: true })).value.data, hostObject);
  assert.equal(reports.length, 2);
  assert.equal(reports[0][0], "Exception in queue handler");
  assert.ok(reports[0][1] instanceof KvError);
});

test("what a handler throws is reported as Deno reports it", async (t) => {
  const kv = await open(t);
  const report = console.error;
  t.after(() => console.error = report);
  const reported = new Promise((resolve) => console.error = (...words) => resolve(words));
  kv.listenQueue(() => {
    throw new TypeError("bad day");
  });
  await kv.enqueue(1, { backoffSchedule: [] });
  const [words, error] = await within(WAIT_MS, "the report", reported);
  assert.equal(words, "Exception in queue handler");
  assert.equal(error.message, "bad day");
});

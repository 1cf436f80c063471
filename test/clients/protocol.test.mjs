// The protocol itself, by hand and over both transports: what the exchange and the data path answer to what is right,
// and to what no client would send.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import v8 from "node:v8";
import { exchange, Session, TRANSPORTS, WatchStream } from "./lib/connect.mjs";
import { startServer, temporaryFolder, TOKEN } from "./lib/harness.mjs";
import * as pb from "./lib/protobuf.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const key = pb.stringKey;
const bytes = (text) => ({ data: Buffer.from(text), encoding: pb.BYTES });
const number = (value) => ({ data: v8.serialize(value), encoding: pb.V8 });
const le64 = (value) => {
  const data = Buffer.alloc(8);
  data.writeBigUInt64LE(value);
  return { data, encoding: pb.LE64 };
};
const set = (at, value) => ({ key: at, value, type: pb.SET });

/** A refusal: the status, and a reason in plain text. */
function assertRefused(answer, status, reason = /\w{3}/) {
  assert.equal(answer.status, status, `${answer.status}: ${answer.body}`);
  assert.match(String(answer.headers["content-type"]), /^text\/plain/);
  assert.match(String(answer.body), reason);
}

for (const [transport, request] of Object.entries(TRANSPORTS)) {
  test(`the protocol over ${transport}`, async (t) => {
    const folder = await temporaryFolder(t);
    const args = ["--auth-failures-max", "1000"]; // mistakes without number, and none has to wait
    const server = await startServer(t, join(folder, "kv.sqlite"), { args });
    const open = (path) => Session.open(request, server.url, TOKEN, path);
    const session = await open();
    await exchangeTests(t, request, server, open);
    await accessTests(t, request, server, session, open);
    await readTests(t, session);
    await writeTests(t, session);
    await sumTests(t, session);
    await refusalTests(t, session);
  });
}

async function exchangeTests(t, request, server, open) {
  await t.test("the exchange answers with the members of its schema and no others", async () => {
    const answer = await exchange(request, server.url, TOKEN);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "application/json");
    const metadata = JSON.parse(answer.body);
    assert.deepEqual(Object.keys(metadata).sort(), [
      "databaseId",
      "endpoints",
      "expiresAt",
      "token",
      "version",
    ]);
    assert.match(metadata.databaseId, UUID);
    assert.ok(metadata.token.length > 0);
    assert.match(metadata.expiresAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.ok(Date.parse(metadata.expiresAt) > Date.now() + 60_000, "a session lasts more than a minute");
    assert.ok(metadata.endpoints.some((endpoint) => endpoint.consistency === "strong"));
    for (const endpoint of metadata.endpoints) {
      assert.deepEqual(Object.keys(endpoint).sort(), ["consistency", "url"]);
    }
  });

  await t.test("the newest version that both know is chosen", async () => {
    const cases = [[[1, 2, 3], 3], [[2, 3], 3], [[3], 3], [[1, 2], 2], [[2], 2], [[2, 9, 3, 77], 3], [
      [1],
      1,
    ]];
    for (const [supportedVersions, version] of cases) {
      const answer = await exchange(request, server.url, TOKEN, { supportedVersions });
      assert.equal(answer.status, 200, `${supportedVersions}: ${answer.body}`);
      assert.equal(JSON.parse(answer.body).version, version);
    }
  });

  await t.test("version 1, asked for or meant by no body at all, has absolute endpoints and its own header", async () => {
    for (const body of [null, { supportedVersions: [1] }]) {
      const answer = await exchange(request, server.url, TOKEN, body);
      assert.equal(answer.status, 200, String(answer.body));
      const metadata = JSON.parse(answer.body);
      assert.equal(metadata.version, 1);
      assert.ok(metadata.endpoints[0].url.startsWith(`${server.url}/`), metadata.endpoints[0].url);
      const old = new Session(request, server.url, "/", metadata);
      const headers = { "x-denokv-version": undefined, "x-denokv-database-id": undefined };
      headers["x-transaction-domain-id"] = metadata.databaseId;
      const written = await old.call(
        "atomic_write",
        pb.atomicWrite({ mutations: [set(key("one"), bytes("1"))] }),
        headers,
      );
      assert.equal(written.status, 200, String(written.body));
    }
  });

  await t.test("no common version, or none that is one, is refused", async () => {
    for (const supportedVersions of [[4], [], [0], ["2"], "2", null]) {
      assertRefused(await exchange(request, server.url, TOKEN, { supportedVersions }), 400);
    }
  });

  await t.test("a body that is no JSON object is refused", async () => {
    for (
      const text of [
        "{",
        "[1,2,3]",
        '"3"',
        "null",
        '{"supportedVersions":[1,2,3]',
        "\u0000\u0001",
        "x".repeat(5000),
      ]
    ) {
      assertRefused(await exchange(request, server.url, TOKEN, text), 400);
    }
    assertRefused(await exchange(request, server.url, TOKEN, `{"a":${"[".repeat(50_000)}`), 400);
  });

  await t.test("the same database has the same id at every exchange", async () => {
    const [first, second] = [await open(), await open()];
    assert.equal(first.metadata.databaseId, second.metadata.databaseId);
  });

  await t.test(":memory: has a new id at every exchange", async () => {
    const [first, second] = [await open("/:memory:"), await open("/:memory:")];
    assert.notEqual(first.metadata.databaseId, second.metadata.databaseId);
    await first.write({ mutations: [set(key("who"), bytes("first"))] });
    assert.equal(await second.get(key("who")), null);
    assert.equal(String((await first.get(key("who"))).value), "first");
  });
}

async function accessTests(t, request, server, session, open) {
  // HTTP/2 has no values that end in a blank: such a request is malformed before anybody looks at its meaning.
  const refusalOf = (authorization) =>
    request === TRANSPORTS["HTTP/2"] && authorization.endsWith(" ") ? 400 : 401;
  const read = pb.snapshotRead({ start: key("a"), end: key("b"), limit: 1 });

  await t.test("no authorization, or one that is no bearer token, is 401", async () => {
    assertRefused(await exchange(request, server.url, null), 401, /authorization/i);
    for (const authorization of ["", "Bearer", "Bearer ", `Basic ${TOKEN}`, TOKEN, `Bearer${TOKEN}`]) {
      const answer = await request(server.url, {
        headers: { authorization },
        body: '{"supportedVersions":[3]}',
      });
      assertRefused(answer, refusalOf(authorization));
    }
  });

  await t.test("a wrong access token is 401, whatever it shares with the right one", async () => {
    for (const token of ["wrong", `${TOKEN}x`, TOKEN.slice(0, -1), TOKEN.toUpperCase(), "x".repeat(5000)]) {
      assertRefused(await exchange(request, server.url, token), 401, /token/i);
    }
  });

  await t.test("the data path takes the session's token only", async () => {
    const flipped = session.metadata.token.replace(/^./, (first) => (first === "A" ? "B" : "A"));
    for (
      const token of [
        TOKEN,
        "",
        "garbage",
        flipped,
        session.metadata.token.slice(0, -2),
        `${session.metadata.token}A`,
      ]
    ) {
      const authorization = `Bearer ${token}`;
      assertRefused(await session.call("snapshot_read", read, { authorization }), refusalOf(authorization));
    }
    assertRefused(await session.call("snapshot_read", read, { authorization: undefined }), 401);
  });

  await t.test("a session for one database opens no other", async () => {
    const memory = await open("/:memory:");
    const databaseId = memory.metadata.databaseId;
    const answer = await session.call("snapshot_read", read, { "x-denokv-database-id": databaseId });
    assert.ok([400, 401, 403].includes(answer.status), `${answer.status}: ${answer.body}`);
  });

  await t.test("a missing or wrong protocol version is 400", async () => {
    for (const version of [undefined, "", "1", "4", "03", "three", "2,3"]) {
      assertRefused(await session.call("snapshot_read", read, { "x-denokv-version": version }), 400);
    }
  });

  await t.test("a missing, malformed or unknown database id is 400", async () => {
    const unknown = "00000000-0000-4000-8000-000000000000";
    for (const id of [undefined, "", "x", unknown, session.metadata.databaseId.slice(1)]) {
      const answer = await session.call("snapshot_read", read, { "x-denokv-database-id": id });
      assertRefused(answer, 400, /database id/i);
    }
  });

  await t.test("what is not there is 404, and what is there takes POST alone", async () => {
    assertRefused(await session.call("nothing", read), 404);
    assertRefused(
      await request(server.url, { path: "/not/there/at/all", headers: session.headers, body: read }),
      404,
    );
    const path = `${session.endpoint}/snapshot_read`;
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await request(server.url, { method, path, headers: session.headers });
      assert.ok([404, 405].includes(answer.status), `${method}: ${answer.status}`);
    }
    assert.equal((await request(server.url, { method: "DELETE" })).status, 405, "DELETE of the exchange");
  });

  await t.test("whoever looks with a browser is told what this is", async () => {
    const answer = await request(server.url, { method: "GET" });
    assert.equal(answer.status, 200);
    assert.match(String(answer.headers["content-type"]), /^text\/plain/);
    assert.match(String(answer.body), /Deno\.openKv/);
  });
}

async function readTests(t, session) {
  await t.test("ranges are answered in their order, with limits and directions of their own", async () => {
    const letters = [..."abcdefgh"];
    await session.write({ mutations: letters.map((letter) => set(key("r", letter), bytes(letter))) });
    const [start, end] = [key("r"), Buffer.concat([key("r"), Buffer.from([255])])];
    const output = await session.read(
      { start, end, limit: 3 },
      { start, end, limit: 3, reverse: true },
      { start: key("r", "c"), end: key("r", "e"), limit: 100 },
      { start: key("r", "zz"), end, limit: 100 },
      { start: key("r", "b"), end: Buffer.from([255]), limit: 1 },
    );
    const found = output.ranges.map((entries) => entries.map((entry) => String(entry.value)).join(""));
    assert.deepEqual(found, ["abc", "hgf", "cd", "", "b"]);
    assert.equal(output.status, 1, "SR_SUCCESS");
    assert.equal(output.isStronglyConsistent, true);
    assert.equal(output.readDisabled, false);
  });

  await t.test("entries carry their key, value, encoding and versionstamp", async () => {
    const { versionstamp } = await session.write({
      mutations: [
        set(key("e", "v8"), number(1.5)),
        set(key("e", "le64"), le64(7n)),
        set(key("e", "bytes"), bytes("b")),
      ],
    });
    for (const [name, value] of [["v8", number(1.5)], ["le64", le64(7n)], ["bytes", bytes("b")]]) {
      const entry = await session.get(key("e", name));
      assert.deepEqual(entry, {
        key: key("e", name),
        value: value.data,
        encoding: value.encoding,
        versionstamp,
      });
    }
  });

  await t.test("no range at all, and a range whose end is before its start, are answered empty or refused", async () => {
    const nothing = await session.call("snapshot_read", Buffer.alloc(0));
    assert.ok(nothing.status === 200 || nothing.status === 400);
    const backward = await session.call(
      "snapshot_read",
      pb.snapshotRead({ start: key("z"), end: key("a"), limit: 1 }),
    );
    if (backward.status === 200) assert.deepEqual(pb.decodeSnapshotReadOutput(backward.body).ranges, [[]]);
    else assertRefused(backward, 400);
  });

  await t.test("a fresh watch shows the present, then what changes, in frames; between them keep-alives", async (t) => {
    await session.write({ mutations: [set(key("w", "there"), bytes("before"))] });
    const stream = await WatchStream.open(session, key("w", "there"), key("w", "absent"));
    t.after(() => stream.close());
    assert.equal(stream.status, 200);
    assert.equal(stream.response.headers["content-type"], "application/octet-stream");
    const first = await stream.output();
    assert.equal(first.status, 1);
    assert.deepEqual(first.keys.map((output) => output.changed), [true, true]);
    assert.deepEqual(first.keys.map((output) => output.entry && String(output.entry.value)), [
      "before",
      null,
    ]);
    await session.write({ mutations: [set(key("w", "absent"), bytes("after"))] });
    const second = await stream.output();
    assert.equal(String(second.keys[1].entry.value), "after");
    // Deno takes a key that is not marked as changed for one that was deleted.
    assert.equal(second.keys[0].changed, true, "every key is in every message");
    assert.equal(String(second.keys[0].entry.value), "before");
    const quiet = await stream.frame(60_000);
    assert.equal(quiet.length, 0, "a keep-alive");
  });
}

async function writeTests(t, session) {
  await t.test("the indexes of all failed checks are told", async () => {
    const { versionstamp } = await session.write({ mutations: [set(key("c", "there"), bytes("x"))] });
    const stamp = Buffer.from(versionstamp, "hex");
    const output = await session.write({
      checks: [
        { key: key("c", "absent") },
        { key: key("c", "there") },
        { key: key("c", "there"), versionstamp: stamp },
        { key: key("c", "absent"), versionstamp: stamp },
      ],
      mutations: [set(key("c", "written"), bytes("x"))],
    });
    assert.deepEqual(output, { status: 2, versionstamp: "", failedChecks: [1, 3] });
    assert.equal(await session.get(key("c", "written")), null);
  });

  await t.test("a key that ends in the commit's versionstamp", async () => {
    const mutation = { key: key("log"), value: bytes("entry"), type: pb.SET_SUFFIX_VERSIONSTAMPED_KEY };
    const { versionstamp } = await session.write({ mutations: [mutation] });
    assert.equal(String((await session.get(key("log", versionstamp))).value), "entry");
  });

  await t.test("expire_at_ms: the past is absent, the future present, 0 and -1 never come", async () => {
    const expiries = {
      past: Date.now() - 1,
      now: Date.now(),
      future: Date.now() + 3_600_000,
      zero: 0,
      never: -1,
    };
    const mutations = Object.entries(expiries).map(([name, expireAtMs]) => ({
      ...set(key("x", name), bytes(name)),
      expireAtMs,
    }));
    await session.write({ mutations });
    const there = {};
    for (const name of Object.keys(expiries)) there[name] = (await session.get(key("x", name))) !== null;
    assert.deepEqual(there, { past: false, now: false, future: true, zero: true, never: true });
  });

  await t.test("deleting with a value in the message deletes all the same", async () => {
    await session.write({ mutations: [set(key("d"), bytes("x"))] });
    await session.write({ mutations: [{ key: key("d"), type: pb.DELETE }] });
    assert.equal(await session.get(key("d")), null);
  });

  await t.test("messages are taken, with their schedule and their keys", async () => {
    const output = await session.write({
      enqueues: [{
        payload: v8.serialize({ job: 1 }),
        deadlineMs: Date.now() + 3_600_000,
        keysIfUndelivered: [key("failed", "1"), key("failed", "2")],
        backoffSchedule: [100, 1000],
      }],
    });
    assert.equal(output.status, 1);
    assert.match(output.versionstamp, /^[0-9a-f]{20}$/);
  });
}

async function sumTests(t, session) {
  const sum = (at, operand, more = {}) => ({ key: at, value: operand, type: pb.SUM, ...more });
  const stored = async (at) => v8.deserialize((await session.get(at)).value);
  const bound = (value) => v8.serialize(value);

  await t.test("sums with bounds: an error outside them, the bound itself when clamped", async () => {
    const at = key("sum", "bounded");
    await session.write({ mutations: [set(at, number(8n))] });
    await session.write({ mutations: [sum(at, number(2n), { sumMin: bound(0n), sumMax: bound(10n) })] });
    assert.equal(await stored(at), 10n);
    const over = await session.call(
      "atomic_write",
      pb.atomicWrite({ mutations: [sum(at, number(1n), { sumMax: bound(10n) })] }),
    );
    assertRefused(over, 400, /^The result of a Sum operation would exceed its range limit/);
    await session.write({ mutations: [sum(at, number(100n), { sumMax: bound(10n), sumClamp: true })] });
    assert.equal(await stored(at), 10n);
    await session.write({ mutations: [sum(at, number(-100n), { sumMin: bound(-1n), sumClamp: true })] });
    assert.equal(await stored(at), -1n);
  });

  await t.test("a counter takes a bigint that fits", async () => {
    const at = key("sum", "counter");
    await session.write({ mutations: [set(at, le64(40n))] });
    await session.write({ mutations: [sum(at, number(2n))] });
    const entry = await session.get(at);
    assert.deepEqual([entry.encoding, entry.value.readBigUInt64LE()], [pb.LE64, 42n]);
  });

  const wrong = {
    "Cannot sum KvU64 with Number": [le64(1n), sum(key("bad"), number(1))],
    "Cannot sum Number with BigInt": [number(1), sum(key("bad"), number(1n))],
    "Cannot sum BigInt with Number": [number(1n), sum(key("bad"), number(1))],
    "Failed to perform 'sum' mutation on a non-U64 value in the database": [
      number(1),
      sum(key("bad"), le64(1n)),
    ],
    "Failed to perform 'max' mutation on a non-U64 operand": [le64(1n), {
      key: key("bad"),
      value: number(1),
      type: pb.MAX,
    }],
    "Failed to perform 'min' mutation on a non-U64 value in the database": [
      bytes("12345678"),
      { key: key("bad"), value: le64(1n), type: pb.MIN },
    ],
    "Min/max parameters have different types than the operand": [
      number(1),
      sum(key("bad"), number(1), { sumMin: bound(1n) }),
    ],
    "Cannot use min/max parameters with KvU64 operands": [
      le64(1n),
      sum(key("bad"), le64(1n), { sumMax: le64(5n).data }),
    ],
    "Some of the parameters are not valid V8 values": [
      number(1),
      sum(key("bad"), { data: Buffer.from("no"), encoding: pb.V8 }),
    ],
  };
  for (const [sentence, [before, mutation]] of Object.entries(wrong)) {
    await t.test(`"${sentence}", and nothing is written`, async () => {
      await session.write({
        mutations: [set(key("bad"), before), { key: key("bad", "earlier"), type: pb.DELETE }],
      });
      const operation = pb.atomicWrite({ mutations: [set(key("bad", "earlier"), bytes("x")), mutation] });
      const answer = await session.call("atomic_write", operation);
      assertRefused(answer, 400);
      assert.ok(String(answer.body).startsWith(sentence), String(answer.body));
      assert.equal(await session.get(key("bad", "earlier")), null);
      assert.deepEqual((await session.get(key("bad"))).value, before.data);
    });
  }
}

async function refusalTests(t, session) {
  const many = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const entry = (more) => pb.atomicWrite({ mutations: [{ ...set(key("a"), bytes("x")), ...more }] });
  const range = (more) => pb.snapshotRead({ start: key("a"), end: key("b"), limit: 1, ...more });
  const message = (more) =>
    pb.atomicWrite({ enqueues: [{ payload: v8.serialize(1), deadlineMs: Date.now(), ...more }] });
  const long = (size) => key("k".repeat(size - 2));

  const refused = {
    "a key above 2,048 bytes": ["atomic_write", entry({ key: long(2049) })],
    "an empty key": ["atomic_write", entry({ key: Buffer.alloc(0) })],
    "a value above 65,536 bytes": ["atomic_write", entry({ value: bytes("x".repeat(65_537)) })],
    "no value to set": ["atomic_write", entry({ value: undefined })],
    "an encoding of 0": ["atomic_write", entry({ value: { data: Buffer.from("x"), encoding: 0 } })],
    "an encoding of 9": ["atomic_write", entry({ value: { data: Buffer.from("x"), encoding: 9 } })],
    "a counter of 7 bytes": ["atomic_write", entry({ value: { data: Buffer.alloc(7), encoding: pb.LE64 } })],
    "a mutation of type 0": ["atomic_write", entry({ type: 0 })],
    "a mutation of type 7": ["atomic_write", entry({ type: 7 })],
    "an expiry below -1": ["atomic_write", entry({ expireAtMs: -2 })],
    "a check with a versionstamp of 3 bytes": [
      "atomic_write",
      pb.atomicWrite({ checks: [{ key: key("a"), versionstamp: Buffer.alloc(3) }] }),
    ],
    "101 checks": ["atomic_write", pb.atomicWrite({ checks: many(101, (i) => ({ key: key("c", i) })) })],
    "1,001 mutations": [
      "atomic_write",
      pb.atomicWrite({ mutations: many(1001, (i) => set(key("m", i), bytes("x"))) }),
    ],
    "999 mutations and 2 messages": [
      "atomic_write",
      pb.atomicWrite({
        mutations: many(999, (i) => set(key("m", i), bytes("x"))),
        enqueues: many(2, () => ({ payload: v8.serialize(1), deadlineMs: 0 })),
      }),
    ],
    "more than 819,200 bytes": [
      "atomic_write",
      pb.atomicWrite({ mutations: many(13, (i) => set(key("t", i), bytes("x".repeat(65_000)))) }),
    ],
    "more than 81,920 bytes of keys": [
      "atomic_write",
      pb.atomicWrite({
        mutations: many(41, (i) => set(Buffer.concat([long(2040), key(i % 10, i)]), bytes("x"))),
      }),
    ],
    "a payload above 65,536 bytes": ["atomic_write", message({ payload: Buffer.alloc(65_537, 95) })],
    "11 backoff intervals": ["atomic_write", message({ backoffSchedule: many(11, () => 100) })],
    "a backoff interval above an hour": ["atomic_write", message({ backoffSchedule: [3_600_001] })],
    "11 keys for an undelivered message": [
      "atomic_write",
      message({ keysIfUndelivered: many(11, (i) => key("u", i)) }),
    ],
    "a read limit of 0": ["snapshot_read", range({ limit: 0 })],
    "a negative read limit": ["snapshot_read", range({ limit: -5 })],
    "a read bound above 2,050 bytes": ["snapshot_read", range({ start: long(2051) })],
    "11 ranges": [
      "snapshot_read",
      pb.snapshotRead(...many(11, () => ({ start: key("a"), end: key("b"), limit: 1 }))),
    ],
    "1,001 entries in all": [
      "snapshot_read",
      pb.snapshotRead(...many(2, (i) => ({ start: key("a"), end: key("b"), limit: 500 + i }))),
    ],
    "11 watched keys": ["watch", pb.watch(...many(11, (i) => key("w", i)))],
    "garbage": ["atomic_write", Buffer.from("ffffffffffffffffffff", "hex")],
    "a message cut off": ["snapshot_read", range({}).subarray(0, -1)],
    "a length beyond the end": ["atomic_write", Buffer.from("12ffffffff0f00", "hex")],
    "random bytes": ["atomic_write", Buffer.from("0a0b0c0d0e0f808080", "hex")],
  };
  for (const [what, [where, body]] of Object.entries(refused)) {
    await t.test(`refused with 400 and a reason: ${what}`, async () =>
      assertRefused(await session.call(where, body), 400));
  }

  await t.test("a body that is far too long is 413, before it is all sent", async () => {
    // Node itself gives up on HTTP/2 requests of more than 10 MB.
    assertRefused(await session.call("atomic_write", Buffer.alloc(8 << 20)), 413);
    assertRefused(await session.call("snapshot_read", Buffer.alloc(8 << 20)), 413);
  });

  await t.test("after all of that the server answers as before", async () => {
    const { status } = await session.write({ mutations: [set(key("well"), bytes("x"))] });
    assert.equal(status, 1);
    assert.equal(String((await session.get(key("well"))).value), "x");
  });
}

// Some minutes of everything at once: real Deno and Node programs that are killed and started again, counters whose
// every acknowledged step must be there at the end, clients that reset, stall and cancel, hundreds of databases of which
// few are open at a time, tokens that come and go. Two rounds, each followed by quiet: after the second one the server
// must have no more memory and no more descriptors than after the first.
//
//   SOAK_SECONDS=180 TUPLET=build/tuplet node --test test/clients/soak/soak.mjs

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import test from "node:test";
import { makeAuthority, makeCertificate } from "../lib/certificates.mjs";
import { request1, request2, Session } from "../lib/connect.mjs";
import {
  cleanEnvironment,
  CLIENTS,
  eventually,
  sleep,
  spawnDeno,
  startServer,
  temporaryFolder,
  TOKEN,
  tuplet,
  within,
} from "../lib/harness.mjs";
import * as pb from "../lib/protobuf.mjs";
import * as actors from "./actors.mjs";

const SECONDS = Number(process.env.SOAK_SECONDS ?? 180);
const FIRST_ROUND_SHARE = 0.3;
const MIB = 1024 * 1024;
const MEMORY_SLACK = 16 * MIB; // an allocator's, between two quiet moments
// What the default database's file may have needed only in the second round: its checkpointer, readers.
const FILES_SLACK = 8;
const THREADS_SLACK = 1;
const ACCOUNTS = 20;
const AMOUNT = 1000;
const DATABASES = Array.from({ length: 300 }, (_, i) => `soak-${i}`);
const OPEN_DATABASES = 24;

/** What all actors share. */
class Soak {
  notes = new Map();
  counts = new Map();
  acknowledged = new Map();
  tokens = [];
  tokenCount = 0;
  accessToken = TOKEN;
  server = null;

  serve(server) {
    this.server = server;
    this.url = server.url;
  }

  run(seconds) {
    this.end = performance.now() + seconds * 1000;
  }

  isOver = () => performance.now() >= this.end;
  token = () => this.tokens.at(-1).token;
  note = (text) => this.notes.set(text, (this.notes.get(text) ?? 0) + 1);
  count = (what, by = 1) => this.counts.set(what, (this.counts.get(what) ?? 0) + by);

  acknowledge(name) {
    this.acknowledged.set(name, (this.acknowledged.get(name) ?? 0) + 1);
    this.count("counted in databases");
  }
}

/** Runs a program again and again, each time until it is killed; onLine: what to do with what it says. */
async function runAndKill(soak, what, start, onLine) {
  let lives = 0;
  while (!soak.isOver()) {
    const child = start();
    lives++;
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    const ended = new Promise((done) => child.once("close", (code, signal) => done(signal ?? code)));
    createInterface({ input: child.stdout }).on("line", onLine);
    const lifeEnd = performance.now() + 3000 + Math.random() * 15_000;
    let end = null;
    ended.then((how) => (end = how));
    while (performance.now() < lifeEnd && !soak.isOver() && end === null) await sleep(100);
    const byItself = end !== null;
    child.kill("SIGKILL");
    await ended;
    if (byItself) soak.note(`${what} ended by itself (${end}): ${errors.slice(-1000)}`);
  }
  return lives;
}

const auditor = (soak, what) => (line) => {
  const { audit, operations } = JSON.parse(line);
  if (audit !== "fine") soak.note(`${what}: ${audit}`);
  soak.count(what, operations);
};

/** Makes a token, has everybody use it, revokes the one before; by SIGHUP, or waiting for the server to notice. */
async function rotateTokens(soak, file) {
  for (let i = 0; !soak.isOver(); i++) {
    await makeToken(soak, file);
    if (i % 2) soak.server.child.kill("SIGHUP");
    await sleep(3000);
    const old = soak.tokens.shift();
    const { code, stderr } = await tuplet(["token", "revoke", "--tokens-file", file, old.name]);
    if (code !== 0) soak.note(`revoking ${old.name}: ${stderr}`);
    soak.count("tokens");
  }
}

async function makeToken(soak, file) {
  const name = `soak-${++soak.tokenCount}`;
  const args = ["token", "create", "--quiet", "--tokens-file", file, "--database", "soak-*", name];
  const { code, stdout, stderr } = await tuplet(args);
  assert.equal(code, 0, stderr);
  const token = stdout.trim();
  // It is used from when the server knows it.
  if (soak.server) {
    await eventually(20_000, "the new token", async () => {
      const answer = await request1(soak.url, {
        path: "/soak-0",
        headers: { authorization: `Bearer ${token}` },
        body: "{}",
      });
      return answer.status === 200;
    });
  }
  soak.tokens.push({ name, token });
}

/** Everybody at once, for so long. */
async function round(soak, seconds, place) {
  soak.run(seconds);
  const bank = () => spawnDeno("soak/bank.ts", [soak.url, String(ACCOUNTS), String(AMOUNT)]);
  const secureBank = () => {
    const environment = { DENO_CERT: place.authority.cert };
    return spawnDeno("soak/bank.ts", [place.secure.url, String(ACCOUNTS), String(AMOUNT)], environment);
  };
  const watcher = () => spawnDeno("soak/watcher.ts", [soak.url]);
  const counter = () =>
    spawn(process.execPath, [join(CLIENTS, "soak/counter.mjs"), soak.url], {
      env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN }),
      stdio: ["ignore", "pipe", "pipe"],
    });
  const counterLives = runAndKill(soak, "counter", counter, () => soak.count("counted by Node"));
  await Promise.all([
    counterLives.then((lives) => soak.count("lives of the counter", lives)),
    runAndKill(soak, "bank", bank, auditor(soak, "transfers")),
    runAndKill(soak, "bank over TLS", secureBank, auditor(soak, "transfers over TLS")),
    runAndKill(soak, "watcher", watcher, auditor(soak, "changes watched")),
    rotateTokens(soak, place.tokensFile),
    ...Array.from({ length: 3 }, () => actors.countInDatabases(soak, DATABASES)),
    actors.writeAndRead(soak),
    actors.watchAndLeave(soak),
    actors.reset(soak),
    ...Array.from({ length: 4 }, () => actors.stall(soak)),
    actors.cancel(soak),
  ]);
}

async function measure(server) {
  const status = await readFile(`/proc/${server.child.pid}/status`, "utf8");
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)[1]);
  const folder = `/proc/${server.child.pid}/fd`;
  const targets = [];
  for (const name of await readdir(folder)) {
    targets.push(await readlink(join(folder, name)).catch(() => "gone"));
  }
  return {
    memory: field("VmRSS") * 1024,
    peak: field("VmHWM") * 1024,
    threads: field("Threads"),
    descriptors: targets.length,
    sockets: targets.filter((target) => target.startsWith("socket:")).length,
    targets: targets.map((target) => target.replace(/.*\//, "")).sort(),
  };
}

/** When nobody has come for a while: connections are gone, idle databases closed. */
async function settle(server) {
  let last = await measure(server);
  let stableSince = performance.now();
  await eventually(60_000, "quiet", async () => {
    await sleep(250);
    const now = await measure(server);
    if (now.descriptors !== last.descriptors || now.threads !== last.threads) stableSince = performance.now();
    last = now;
    return performance.now() - stableSince > 5000;
  });
  return last;
}

/** A number that `sum` has made. */
async function counterAt(session, ...parts) {
  const entry = await session.get(pb.stringKey(...parts));
  return entry === null ? 0 : Number(entry.value.readBigUInt64LE());
}

/** Deno's serialization of a small bigint. */
function bigintOf(value) {
  assert.equal(value[2], 0x5a, "a bigint");
  let number = 0n;
  for (let i = value.length - 1; i >= 4; i--) number = number << 8n | BigInt(value[i]);
  return number;
}

async function assertBalanced(url) {
  const session = await Session.open(request2, url, TOKEN);
  const end = Buffer.concat([pb.stringKey("account"), Buffer.from([255])]);
  const { ranges: [accounts] } = await session.read({ start: pb.stringKey("account"), end, limit: 1000 });
  assert.equal(accounts.length, ACCOUNTS);
  assert.equal(accounts.reduce((sum, { value }) => sum + bigintOf(value), 0n), BigInt(ACCOUNTS * AMOUNT));
}

const mebibytes = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;

test(`${SECONDS} seconds of everything at once`, async (t) => {
  const folder = await temporaryFolder(t);
  const tokensFile = join(folder, "tokens");
  const place = { tokensFile, authority: await makeAuthority(folder, "authority") };
  const certificate = await makeCertificate(folder, "server", place.authority);
  const args = [
    ...["--data-dir", join(folder, "data"), "--create-databases", "--tokens-file", tokensFile],
    ...["--open-databases-max", String(OPEN_DATABASES), "--database-idle-timeout", "1s"],
    ...[
      "--header-timeout",
      "2s",
      "--body-timeout",
      "2s",
      "--send-timeout",
      "2s",
      "--auth-failures-max",
      "1000000",
    ],
  ];
  const soak = new Soak();
  await makeToken(soak, tokensFile);
  soak.serve(await startServer(t, join(folder, "kv.sqlite"), { args }));
  const secureArgs = ["--tls-cert", certificate.cert, "--tls-key", certificate.key];
  place.secure = await startServer(t, join(folder, "secure.sqlite"), { args: secureArgs });

  await round(soak, SECONDS * FIRST_ROUND_SHARE, place);
  const first = await settle(soak.server);
  const firstSecure = await settle(place.secure);
  await round(soak, SECONDS * (1 - FIRST_ROUND_SHARE), place);
  const second = await settle(soak.server);
  const secondSecure = await settle(place.secure);

  for (const [what, count] of soak.counts) t.diagnostic(`${count} ${what}`);
  for (
    const [name, [a, b]] of Object.entries({
      server: [first, second],
      "TLS server": [firstSecure, secondSecure],
    })
  ) {
    t.diagnostic(
      `${name}: memory ${mebibytes(a.memory)}, then ${mebibytes(b.memory)} (peak ${mebibytes(b.peak)}); ` +
        `descriptors ${a.descriptors}, then ${b.descriptors}; threads ${a.threads}, then ${b.threads}`,
    );
  }

  await t.test("nothing odd happened", () => assert.deepEqual([...soak.notes], []));
  await t.test("no money was made or lost", async () => {
    await assertBalanced(soak.url);
    const { code, stdout, stderr } = await tuplet(["--db", join(folder, "secure.sqlite"), "list", "--json"]);
    assert.equal(code, 0, stderr);
    const amounts = stdout.split("\n").filter((line) => line.includes('["account"')).map((line) =>
      Number(/(\d+)n/.exec(JSON.parse(line).valueText)[1])
    );
    assert.equal(amounts.length, ACCOUNTS);
    assert.equal(amounts.reduce((a, b) => a + b), ACCOUNTS * AMOUNT);
  });
  await t.test("counters are what was acknowledged", async () => {
    const session = await Session.open(request2, soak.url, TOKEN);
    const counted = await counterAt(session, "count");
    const acknowledged = soak.counts.get("counted by Node");
    const lives = soak.counts.get("lives of the counter");
    assert.ok(counted >= acknowledged, `${counted}, and ${acknowledged} were acknowledged`);
    assert.ok(
      counted <= acknowledged + lives,
      `${counted}, and ${acknowledged} were acknowledged in ${lives} lives`,
    );
    for (const [name, expected] of soak.acknowledged) {
      const one = await Session.open(request1, soak.url, TOKEN, `/${name}`);
      assert.equal(await counterAt(one, "n"), expected, name);
    }
  });
  await t.test("no descriptor was left, and memory is flat", () => {
    for (const [a, b] of [[first, second], [firstSecure, secondSecure]]) {
      const targets = `${a.targets.join(" ")}\nthen ${b.targets.join(" ")}`;
      assert.equal(b.sockets, a.sockets, targets);
      assert.ok(b.descriptors <= a.descriptors + FILES_SLACK, targets);
      assert.ok(b.threads <= a.threads + THREADS_SLACK, `${a.threads} threads, then ${b.threads}`);
      assert.ok(
        b.memory <= a.memory * 1.1 + MEMORY_SLACK,
        `${mebibytes(a.memory)}, then ${mebibytes(b.memory)}`,
      );
    }
  });
  await t.test("both servers end in order", async () => {
    for (const server of [soak.server, place.secure]) {
      assert.deepEqual(await within(60_000, "the end", server.stop()), { code: 0, signal: null });
    }
  });
});

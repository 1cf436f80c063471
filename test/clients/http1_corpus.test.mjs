// The requests of test/vectors/http1_requests.txt against the server, over real sockets: each in one piece and byte
// by byte. What the answers are worth is told by their status and text: the texts of refusals are the protocol's own,
// anything else is a handler's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import test from "node:test";
import { eventually, startServer, temporaryFolder, TOKEN, VECTORS } from "./lib/harness.mjs";

const ANSWER_TIMEOUT_MS = 60_000;
const AT_ONCE = 16;
const WHOLE_MIN = 4000; // longer requests come in pieces rather than byte by byte

const REFUSALS = {
  400: "The request is not valid HTTP.",
  408: "The request did not arrive in time.",
  413: "The request's body is too large.",
  414: "The request's target is too long.",
  417: "The only expectation that can be met is 100-continue.",
  431: "The request's headers are too large.",
  501: "The method or the transfer encoding is not supported.",
  505: "The version of HTTP is not supported.",
};

// ---- The corpus, as its first lines explain it ----

function unescape(text) {
  let at = 0;
  const simple = { r: "\r", n: "\n", t: "\t", 0: "\0", "\\": "\\" };
  const read = (isInner) => {
    let piece = "";
    while (at < text.length && !(isInner && text[at] === "}")) piece += text[at] === "\\" ? escape() : text[at++];
    at++;
    return piece;
  };
  const escape = () => {
    const kind = text[++at];
    at++;
    if (kind in simple) return simple[kind];
    if (kind === "x") {
      at += 2;
      return String.fromCharCode(parseInt(text.slice(at - 2, at), 16));
    }
    assert.equal(kind, "*", `an escape that nobody knows: \\${kind}`);
    const [number] = /^\d+/.exec(text.slice(at));
    at += number.length + 1;
    return read(true).repeat(Number(number));
  };
  return read(false);
}

function readCorpus() {
  const cases = [];
  let current = null;
  for (const line of readFileSync(join(VECTORS, "http1_requests.txt"), "utf8").split("\n")) {
    if (line.startsWith("## ")) current = { name: line.slice(3), text: "" };
    else if (line.startsWith("=> ")) cases.push({ ...current, outcome: line.slice(3) });
    else if (line !== "" && line !== "#" && !line.startsWith("# ")) current.text += unescape(line);
  }
  return cases;
}

/** As the server's handlers want it: a POST is let through to its body only with the access token. */
function addressed(text) {
  const authorization = `Authorization: Bearer ${TOKEN}\r\n`;
  return text.replaceAll(/POST \/echo (HTTP\/1\.[01]\r\nHost: h\r\n)/g, `POST / $1${authorization}`);
}

// ---- One connection ----

class Connection {
  received = "";
  ended = false;

  constructor(t, port) {
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    this.socket.on("data", (data) => (this.received += data.toString("latin1")));
    this.socket.on("end", () => (this.ended = true)).on("close", () => (this.ended = true));
    this.socket.on("error", () => {}); // a refusal may arrive as a reset, behind the answer
    t.after(() => this.socket.destroy());
  }

  async send(text, step) {
    for (let i = 0; i < text.length && !this.socket.destroyed; i += step) {
      const piece = Buffer.from(text.slice(i, i + step), "latin1");
      await new Promise((done) => this.socket.write(piece, () => setImmediate(done)));
    }
  }

  /** The complete answers so far, as words. */
  words() {
    const words = [];
    let rest = this.received;
    for (;;) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) break;
      const head = rest.slice(0, end);
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
      assert.ok(status, `no answer: ${JSON.stringify(rest.slice(0, 200))}`);
      const size = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
      if (rest.length < end + 4 + size) break;
      const body = rest.slice(end + 4, end + 4 + size);
      words.push(status === 100 || REFUSALS[status] === body ? String(status) : "ok");
      rest = rest.slice(end + 4 + size);
    }
    return words;
  }
}

/** What comes of `text`, sent in pieces of `step` bytes, where `outcome` is expected. */
async function outcomeOf(t, port, text, step, outcome) {
  const expected = outcome.split(" ");
  const end = expected.pop();
  const connection = new Connection(t, port);
  await connection.send(addressed(text), step);
  if (end === "open") {
    expected.push("ok");
    await connection.send("GET /sentinel HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1000);
  } else if (end === "wait") {
    expected.push("400");
    connection.socket.end();
  }
  await eventually(ANSWER_TIMEOUT_MS, `the end of the connection, expected ${outcome}`, () => connection.ended);
  connection.socket.destroy();
  return { words: connection.words(), expected };
}

test("every request of the corpus gets what it deserves", async (t) => {
  const server = await startServer(t, join(await temporaryFolder(t), "kv.sqlite"), {
    args: ["--num-workers", "1"],
  });
  const cases = readCorpus();
  assert.ok(cases.length > 150);
  const ways = {
    "in one piece": (text) => text.length,
    "byte by byte": (text) => (text.length > WHOLE_MIN ? 1009 : 1),
  };
  for (const [how, stepOf] of Object.entries(ways)) {
    await t.test(how, async (t) => {
      const waiting = [...cases];
      const wrong = [];
      const work = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const { words, expected } = await outcomeOf(t, server.port, next.text, stepOf(next.text), next.outcome);
          if (words.join(" ") !== expected.join(" ")) {
            wrong.push(`${next.name}: "${words.join(" ")}" instead of "${expected.join(" ")}"`);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      assert.deepEqual(wrong, []);
    });
  }
});

// KV Connect by hand, over HTTP/1.1 and over HTTP/2 in clear with prior knowledge: for what no client would send, and
// for looking at what the clients never show.

import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import * as protobuf from "./protobuf.mjs";
import { within } from "./time.mjs";

const ANSWER_TIMEOUT_MS = 20_000;

/** One request over HTTP/1.1 on a connection of its own: { status, headers, body }. */
export function request1(url, { method = "POST", path = "/", headers = {}, body } = {}) {
  const answer = new Promise((done, fail) => {
    const { hostname, port } = new URL(url);
    const request = http.request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk)).on("error", fail);
      response.on(
        "end",
        () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on("error", fail);
    request.end(body);
  });
  return within(ANSWER_TIMEOUT_MS, "the answer over HTTP/1.1", answer);
}

/** The same over HTTP/2. */
export async function request2(url, { method = "POST", path = "/", headers = {}, body } = {}) {
  // By default a client with more than 10 MB waiting to be sent refuses the server's answer.
  const session = http2.connect(url, { maxSessionMemory: 100 });
  try {
    const answer = new Promise((done, fail) => {
      session.on("error", fail);
      const stream = session.request({ ":method": method, ":path": path, ...headers });
      const chunks = [];
      let head;
      stream.on("response", (received) => (head = received)).on("data", (chunk) => chunks.push(chunk));
      // A server may answer and then refuse the rest of the body: the answer counts.
      const settle = (problem) => {
        if (head) done({ status: head[":status"], headers: head, body: Buffer.concat(chunks) });
        else fail(problem ?? new Error("the stream ended without an answer"));
      };
      stream.on("end", () => settle()).on("error", settle).on("close", () => settle());
      stream.end(body);
    });
    return await within(ANSWER_TIMEOUT_MS, "the answer over HTTP/2", answer);
  } finally {
    session.destroy();
  }
}

/** request1 over TLS, for servers whose certificate an authority has signed (PEM). */
export function requestOver(ca) {
  return (url, { method = "POST", path = "/", headers = {}, body } = {}) => {
    const answer = new Promise((done, fail) => {
      const { hostname, port } = new URL(url);
      const options = { hostname, port, method, path, headers, ca, agent: false };
      const request = https.request(options, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk)).on("error", fail);
        response.on(
          "end",
          () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      });
      request.on("error", fail);
      request.end(body);
    });
    return within(ANSWER_TIMEOUT_MS, "the answer over TLS", answer);
  };
}

export const TRANSPORTS = { "HTTP/1.1": request1, "HTTP/2": request2 };

/** The metadata exchange. body: an object to send as JSON, or text as it is; null for no body. */
export function exchange(request, url, token, body = { supportedVersions: [1, 2, 3] }, path = "/") {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  if (body !== null) headers["content-type"] = "application/json";
  const text = body === null || typeof body === "string" ? body ?? undefined : JSON.stringify(body);
  return request(url, { path, headers, body: text });
}

/** A session on the data path, opened by an exchange: what a client keeps. */
export class Session {
  static async open(request, url, token, path = "/") {
    const answer = await exchange(request, url, token, undefined, path);
    if (answer.status !== 200) throw new Error(`the exchange was answered ${answer.status}: ${answer.body}`);
    return new Session(request, url, path, JSON.parse(answer.body));
  }

  constructor(request, url, path, metadata) {
    this.request = request;
    this.url = url;
    this.metadata = metadata;
    this.endpoint = new URL(metadata.endpoints[0].url, new URL(path, url)).pathname.replace(/\/$/, "");
  }

  get headers() {
    return {
      "authorization": `Bearer ${this.metadata.token}`,
      "content-type": "application/x-protobuf",
      "x-denokv-version": String(this.metadata.version),
      "x-denokv-database-id": this.metadata.databaseId,
    };
  }

  /** A call of the data path; changes: headers to replace, or to leave out when undefined. */
  call(what, body, changes = {}) {
    const headers = { ...this.headers, ...changes };
    for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
    return this.request(this.url, { path: `${this.endpoint}/${what}`, headers, body });
  }

  async read(...ranges) {
    const answer = await this.call("snapshot_read", protobuf.snapshotRead(...ranges));
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
    return protobuf.decodeSnapshotReadOutput(answer.body);
  }

  /** The entry of one key, or null. */
  async get(key) {
    const end = Buffer.concat([key, Buffer.from([0])]);
    return (await this.read({ start: key, end, limit: 1 })).ranges[0][0] ?? null;
  }

  async write(operation) {
    const answer = await this.call("atomic_write", protobuf.atomicWrite(operation));
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
    return protobuf.decodeAtomicWriteOutput(answer.body);
  }
}

/** A watch over HTTP/1.1 that gives the frames of its stream one by one; an empty frame is a keep-alive. */
export class WatchStream {
  #buffered = Buffer.alloc(0);

  static open(session, ...keys) {
    return WatchStream.start(session, "watch", protobuf.watch(...keys));
  }

  /** Of a range, by the extension. options: start, end, changesMax. */
  static openRange(session, options) {
    return WatchStream.start(session, "watch_range", protobuf.watchRange(options));
  }

  static start(session, what, body) {
    const opened = new Promise((done, fail) => {
      const { hostname, port } = new URL(session.url);
      const path = `${session.endpoint}/${what}`;
      const request = http.request({
        hostname,
        port,
        method: "POST",
        path,
        headers: session.headers,
        agent: false,
      });
      request.on("error", fail).on("response", (response) => done(new WatchStream(request, response)));
      request.end(body);
    });
    return within(ANSWER_TIMEOUT_MS, "the answer to the watch", opened);
  }

  constructor(request, response) {
    this.request = request;
    this.response = response;
    this.status = response.statusCode;
    this.iterator = response[Symbol.asyncIterator]();
  }

  async frame(limitMs = ANSWER_TIMEOUT_MS) {
    return await within(limitMs, "a frame of the watch", this.#next());
  }

  /** The next frame that is no keep-alive, decoded. */
  async output(decode = protobuf.decodeWatchOutput) {
    for (;;) {
      const frame = await this.frame();
      if (frame.length > 0) return decode(frame);
    }
  }

  changes() {
    return this.output(protobuf.decodeWatchRangeOutput);
  }

  async #next() {
    while (this.#buffered.length < 4 || this.#buffered.length < 4 + this.#buffered.readUInt32LE(0)) {
      const { done, value } = await this.iterator.next();
      if (done) throw new Error("the watch ended");
      this.#buffered = Buffer.concat([this.#buffered, value]);
    }
    const size = this.#buffered.readUInt32LE(0);
    const frame = this.#buffered.subarray(4, 4 + size);
    this.#buffered = this.#buffered.subarray(4 + size);
    return frame;
  }

  close() {
    this.request.destroy();
  }
}

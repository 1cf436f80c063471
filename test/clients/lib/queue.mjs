// Listening to a queue over the network by hand, on a connection of its own, over HTTP/1.1 and HTTP/2.

import http from "node:http";
import http2 from "node:http2";
import { deserialize, serialize } from "node:v8";
import * as protobuf from "./protobuf.mjs";
import { eventually, within } from "./time.mjs";

const ANSWER_TIMEOUT_MS = 20_000;

/** A value as V8 writes it; newer versions of V8 than Node's, as Deno's, write text as this one does. */
function decodeValue(bytes) {
  return deserialize(
    bytes[0] === 0xff && bytes[1] > 15 ? Buffer.from([0xff, 15, ...bytes.subarray(2)]) : bytes,
  );
}

/** A listener. It keeps what comes in `messages`, whose payloads are decoded, until they are taken. */
export class Listener {
  status = 0;
  messages = [];
  keepAlives = 0;
  isEnded = false; // in order, by the server
  isClosed = false;
  refusal = ""; // the body of an answer other than 200
  #buffered = Buffer.alloc(0);

  /** options: maxInFlight; isPaused: nothing is read until resume(). */
  static async open(t, session, options = {}) {
    const body = options.body ?? protobuf.queueListen(options);
    const isHttp2 = session.request.name === "request2";
    const listener = new Listener(session, isHttp2, body);
    t.after(() => listener.kill());
    await within(ANSWER_TIMEOUT_MS, "the answer to queue_listen", listener.#answered);
    if (options.isPaused) listener.stream.pause();
    return listener;
  }

  #answered;

  constructor(session, isHttp2, body) {
    this.session = session;
    const path = `${session.endpoint}/queue_listen`;
    this.#answered = new Promise((done, fail) => {
      if (isHttp2) {
        this.connection = http2.connect(session.url);
        this.connection.on("error", fail);
        this.stream = this.connection.request({ ":method": "POST", ":path": path, ...session.headers });
        this.stream.on("response", (head) => done(this.#begin(head[":status"])));
        this.stream.on("error", fail);
        this.stream.end(body);
        return;
      }
      const { hostname, port } = new URL(session.url);
      const settings = { hostname, port, method: "POST", path, headers: session.headers, agent: false };
      this.connection = http.request(settings, (response) => {
        this.stream = response;
        done(this.#begin(response.statusCode));
      });
      this.connection.on("error", fail);
      this.connection.end(body);
    });
    this.#answered.catch(() => {});
  }

  #begin(status) {
    this.status = status;
    this.stream.on("data", (data) => this.#take(data)).on("error", () => {});
    this.stream.on("end", () => (this.isEnded = true)).on("close", () => (this.isClosed = true));
  }

  #take(data) {
    if (this.status !== 200) {
      this.refusal += data;
      return;
    }
    this.#buffered = Buffer.concat([this.#buffered, data]);
    while (this.#buffered.length >= 4) {
      const size = this.#buffered.readUInt32LE(0);
      if (this.#buffered.length < 4 + size) break;
      const frame = this.#buffered.subarray(4, 4 + size);
      this.#buffered = this.#buffered.subarray(4 + size);
      if (size === 0) {
        this.keepAlives++;
      } else {
        const message = protobuf.decodeQueueMessage(frame);
        this.messages.push({ ...message, payload: decodeValue(message.payload), at: performance.now() });
      }
    }
  }

  /** The next message. */
  async next(limitMs = ANSWER_TIMEOUT_MS) {
    await eventually(limitMs, "a message", () => this.messages.length > 0);
    return this.messages.shift();
  }

  finish({ id }, success = true) {
    return finish(this.session, id, success);
  }

  /** Takes messages and finishes them well, until it is closed; onMessage is told of each first. */
  async handleAll(onMessage) {
    while (!this.isClosed) {
      await eventually(600_000, "a message, or the end", () => this.messages.length > 0 || this.isClosed);
      for (const message of this.messages.splice(0)) {
        onMessage(message);
        await this.finish(message).catch(() => {}); // the server may have gone; then it comes again
      }
    }
  }

  resume() {
    this.stream.resume();
  }

  /** Cuts the connection without a word. */
  kill() {
    if (this.connection.destroy) this.connection.destroy();
  }
}

/** The answer's status. */
export async function finish(session, id, success = true, attempt = undefined) {
  const answer = await session.call("queue_finish", protobuf.queueFinish({ id, success, attempt }));
  return answer.status;
}

/** Enqueues values as Deno's clients do. options: delayMs, keysIfUndelivered, backoffSchedule. */
export async function enqueue(session, values, { delayMs = 0, ...options } = {}) {
  const deadlineMs = Date.now() + delayMs;
  const enqueues = values.map((value) => ({ payload: serialize(value), deadlineMs, ...options }));
  while (enqueues.length > 0) {
    let count = 0;
    for (let size = 0; count < Math.min(enqueues.length, 100) && size < 600_000; count++) {
      size += enqueues[count].payload.length;
    }
    const output = await session.write({ enqueues: enqueues.splice(0, count) });
    if (output.status !== 1) throw new Error(`the enqueue was answered ${output.status}`);
  }
}

// HTTP/2 frames by hand, for tests that send what no library would.

import net from "node:net";

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type, flags = 0, stream = 0, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A payload of 32-bit numbers. */
export function numbers(...values) {
  const payload = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => payload.writeUInt32BE(value, 4 * i));
  return payload;
}

export function setting(name, value) {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(name, 0);
  payload.writeUInt32BE(value, 2);
  return payload;
}

/** A block of headers as HPACK has them without its tables. */
export function headerBlock(headers) {
  const text = (string) => {
    const bytes = Buffer.from(string);
    const length = bytes.length < 127
      ? Buffer.from([bytes.length])
      : Buffer.from([127, ((bytes.length - 127) & 127) | 128, (bytes.length - 127) >> 7]);
    return Buffer.concat([length, bytes]);
  };
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}

/** A connection that speaks in frames. What comes back is read, unless reads is false, and its frames are counted. */
export class FrameConnection {
  ended = false;
  goaway = null; // the code of the last one
  counts = new Map(); // of frames by type
  #rest = Buffer.alloc(0);

  constructor(t, port, { reads = true } = {}) {
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.ended = true));
    if (reads) this.socket.on("data", (data) => this.#take(data));
    t.after(() => this.socket.destroy());
    this.socket.write(PREFACE);
  }

  #take(data) {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    while (this.#rest.length >= 9) {
      const size = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + size) break;
      const type = this.#rest[3];
      this.counts.set(type, (this.counts.get(type) ?? 0) + 1);
      if (type === GOAWAY) this.goaway = this.#rest.readUInt32BE(13);
      this.#rest = this.#rest.subarray(9 + size);
    }
  }

  /** Resolves when the system has taken it, or the connection has ended. */
  async send(...frames) {
    if (this.ended) return;
    await new Promise((done) => {
      this.socket.once("close", done);
      this.socket.write(Buffer.concat(frames), () => {
        this.socket.off("close", done);
        setImmediate(done);
      });
    });
  }
}

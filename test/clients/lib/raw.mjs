// A TCP connection on which bytes are written by hand, for clients that no library would be: slow ones, broken ones.

import net from "node:net";
import { within } from "./time.mjs";

const CONNECT_TIMEOUT_MS = 20_000;
const KEPT_SIZE_MAX = 64 * 1024;

export class RawConnection {
  size = 0; // bytes received
  isClosed = false;
  error = null; // a reset, for one
  #kept = Buffer.alloc(0);

  constructor(socket) {
    this.socket = socket;
    socket.on("data", (data) => {
      this.size += data.length;
      this.#kept = Buffer.concat([this.#kept, data]).subarray(-KEPT_SIZE_MAX);
    });
    socket.on("error", (error) => (this.error = error)).on("close", () => (this.isClosed = true));
  }

  /** The last of what was received. */
  get text() {
    return this.#kept.toString("latin1");
  }
}

/** Connects to the server of a URL; the connection ends with the test. */
export async function connectRaw(t, url, options = {}) {
  const { hostname, port } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port), ...options });
  const connection = new RawConnection(socket);
  t.after(() => socket.destroy());
  const connected = new Promise((done, fail) => socket.once("connect", done).once("error", fail));
  await within(CONNECT_TIMEOUT_MS, "the connection", connected);
  return connection;
}

/** A request of the data path in HTTP/1.1. headers: more of them, or others; undefined leaves one out. */
export function requestBytes(session, what, body, headers = {}) {
  const all = { host: "localhost", ...session.headers, "content-length": body.length, ...headers };
  const present = Object.entries(all).filter(([, value]) => value !== undefined);
  const lines = present.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([Buffer.from(`POST ${session.endpoint}/${what} HTTP/1.1\r\n${lines}\r\n`), body]);
}

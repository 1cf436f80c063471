// A TCP proxy that no client deserves. At random it delays what passes, breaks it into small pieces, holds it up,
// swallows it for good, and cuts connections: by FIN and by RST, before, after and in the middle of requests and
// answers, on one side first. Of HTTP/1.1 in clear it also carries requests out twice, as a proxy does that tries
// again, though none should (RFC 9110, 9.2.2): some time after the server has answered one, it is sent once more on a
// connection of its own, and that answer is thrown away.

import { once } from "node:events";
import net from "node:net";
import { sleep } from "./time.mjs";

const PIECES_SIZE_MAX = 400; // of a chunk so much at most goes in small pieces
const REPETITION_TIMEOUT_MS = 2000;

/** Finds the requests in what a client sends over HTTP/1.1, each with a content-length. */
class Requests {
  #bytes = Buffer.alloc(0);

  /** The requests that this chunk completes. */
  add(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const complete = [];
    for (;;) {
      const headEnd = this.#bytes.indexOf("\r\n\r\n");
      if (headEnd < 0) return complete;
      const head = this.#bytes.toString("latin1", 0, headEnd);
      const size = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (this.#bytes.length < size) return complete;
      complete.push(this.#bytes.subarray(0, size));
      this.#bytes = this.#bytes.subarray(size);
    }
  }
}

export class ChaosProxy {
  counts = { connections: 0, chunks: 0, delays: 0, pieces: 0, stalls: 0, holes: 0, cuts: 0, repetitions: 0 };
  isCalm = false;
  #sockets = new Set();
  #connections = new Set();
  #holes = new Set(); // what ends each of them

  /** options: port (the server's), random; cuts, delays, stalls, holes, pieces, repetitions: how likely each is, per
   *  chunk or request; repeats(request): which requests may be repeated. It ends with the test. */
  static async start(t, options) {
    const proxy = new ChaosProxy(options);
    t.after(() => proxy.#close());
    proxy.listener.listen(0, "127.0.0.1");
    await once(proxy.listener, "listening");
    proxy.port = proxy.listener.address().port;
    return proxy;
  }

  constructor(options) {
    const likely = { cuts: 0.04, delays: 0.2, stalls: 0.01, holes: 0.001, pieces: 0.1, repetitions: 0.1 };
    this.options = { ...likely, repeats: () => false, ...options };
    this.random = options.random;
    this.listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#connect(client));
  }

  /** From now on everything passes; a connection that swallowed something ends. */
  calm() {
    this.isCalm = true;
    for (const end of this.#holes) end();
  }

  /** The connections that there are swallow everything from now on; new ones do not. */
  swallow() {
    for (const connection of this.#connections) connection.isHole = true;
  }

  #close() {
    this.listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    return socket;
  }

  #open() {
    const socket = net.connect({ port: this.options.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    return this.#keep(socket);
  }

  #connect(client) {
    this.counts.connections++;
    this.#keep(client);
    if (this.#happens(this.options.cuts / 2)) { // before anything
      this.#end(client);
      return;
    }
    const server = this.#open();
    const connection = { client, server, requests: new Requests(), unanswered: [], isHole: false };
    this.#connections.add(connection);
    client.once("close", () => {
      this.#connections.delete(connection);
      server.destroy();
    });
    server.once("close", () => client.destroySoon());
    this.#pass(connection, client, server, (chunk) => this.#noteSent(connection, chunk));
    this.#pass(connection, server, client, (chunk) => this.#noteAnswered(connection, chunk));
  }

  #happens(probability) {
    return !this.isCalm && this.random.chance(probability);
  }

  async #pass(connection, from, to, note) {
    try {
      for await (const chunk of from) {
        note(chunk);
        await this.#passChunk(connection, to, chunk);
      }
      to.end();
    } catch {
      to.destroy(); // the other side is gone, or it was cut
    }
  }

  async #passChunk(connection, to, chunk) {
    const { random, options } = this;
    this.counts.chunks++;
    if (this.#happens(options.delays)) {
      this.counts.delays++;
      await sleep(random.below(40));
    }
    if (this.#happens(options.stalls)) {
      this.counts.stalls++;
      await sleep(200 + random.below(800));
    }
    if (connection.isHole || this.#happens(options.holes)) {
      this.counts.holes++;
      await new Promise((end) => this.#holes.add(end));
      await this.#cut(connection);
      throw new Error("cut");
    }
    if (this.#happens(options.cuts)) {
      const passed = random.pick([0, random.below(chunk.length), chunk.length]);
      await this.#write(to, chunk.subarray(0, passed));
      if (random.chance(0.3)) await sleep(random.below(100)); // time for an answer that nobody will get
      await this.#cut(connection);
      throw new Error("cut");
    }
    let rest = chunk;
    if (this.#happens(options.pieces)) {
      this.counts.pieces++;
      for (let size = 0; size < PIECES_SIZE_MAX && rest.length > 1;) {
        const piece = rest.subarray(0, 1 + random.below(20));
        await this.#write(to, piece);
        await sleep(random.chance(0.1) ? 1 : 0);
        rest = rest.subarray(piece.length);
        size += piece.length;
      }
    }
    await this.#write(to, rest);
  }

  async #write(to, bytes) {
    if (to.destroyed || to.writableEnded) throw new Error("closed");
    if (bytes.length === 0) return;
    await new Promise((done, failed) => to.write(bytes, (error) => error ? failed(error) : done()));
  }

  /** One side hears of it at once, the other perhaps later. */
  async #cut({ client, server }) {
    this.counts.cuts++;
    const [first, second] = this.random.chance(0.5) ? [client, server] : [server, client];
    this.#end(first);
    if (this.random.chance(0.3)) await sleep(this.random.below(300));
    this.#end(second);
  }

  #end(socket) {
    // Node loses a socket that is reset while its own end is on the way, and then waits for it for ever when it exits.
    if (this.random.chance(0.5) && socket.writable && !socket.connecting) socket.resetAndDestroy();
    else socket.end(() => socket.destroy());
  }

  #noteSent(connection, chunk) {
    for (const request of connection.requests.add(chunk)) {
      const isRepeated = this.options.repeats(request) && this.#happens(this.options.repetitions);
      connection.unanswered.push(isRepeated ? request : null);
    }
  }

  /** Requests are answered one after the other; an answer that is none of 200 is not worth a repetition. */
  #noteAnswered(connection, chunk) {
    if (!chunk.subarray(0, 5).equals(Buffer.from("HTTP/"))) return;
    const request = connection.unanswered.shift();
    if (request && chunk.toString("latin1", 0, 12) === "HTTP/1.1 200") this.#repeat(request);
  }

  async #repeat(request) {
    this.counts.repetitions++;
    await sleep(this.random.below(300));
    const server = this.#open();
    server.setTimeout(REPETITION_TIMEOUT_MS, () => server.destroy());
    server.once("data", () => server.destroy());
    server.write(request);
  }
}

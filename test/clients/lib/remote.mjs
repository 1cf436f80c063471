// The programs of test/process that use a database on a server (remote.c, remote_range.c), and servers of our own for
// them that answer as a test says.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import http from "node:http";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, eventually, TOKEN, tupletPath, within } from "./harness.mjs";

const WAIT_MS = 60_000;

/** One of the programs: where Meson puts it, beside the binary under test. */
export class RemoteProgram {
  constructor(name) {
    this.name = name;
  }

  get path() {
    const path = join(dirname(tupletPath()), "test", "process", this.name);
    assert.ok(existsSync(path), `${path} is not there: it is built from test/process/${this.name}.c`);
    return path;
  }

  spawn(t, args, environment = {}) {
    const child = spawn(this.path, args.map(String), {
      env: cleanEnvironment({ DENO_KV_ACCESS_TOKEN: TOKEN, ...environment }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    t.after(() => child.kill("SIGKILL"));
    child.stdin.on("error", () => {});
    return child;
  }

  /** Running, with its lines. */
  start(t, args, environment = {}) {
    const child = this.spawn(t, args, environment);
    const lines = [];
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    const exited = once(child, "close");
    return {
      lines,
      input: child.stdin,
      /** The first line that fits, of those that come. */
      async line(fits) {
        let found;
        await eventually(WAIT_MS, `a line of ${args.join(" ")}; there are ${lines.length}`, () => {
          found = lines.find(fits);
          return found !== undefined || child.exitCode !== null;
        });
        assert.ok(found !== undefined, `it ended without it:\n${lines.join("\n")}\n${errors}`);
        return found;
      },
      async end() {
        const [code, signal] = await within(2 * WAIT_MS, `the end of ${args.join(" ")}`, exited);
        assert.equal(signal ?? code, 0, `${lines.join("\n")}\n${errors}`);
        return lines;
      },
    };
  }

  /** All its lines. */
  run(t, args, environment) {
    return this.start(t, args, environment).end();
  }
}

/** A server of our own that answers as `handle` says. */
export async function startFake(t, handle) {
  const fake = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => handle(request, response, Buffer.concat(chunks)));
  });
  fake.listen(0, "127.0.0.1");
  await once(fake, "listening");
  t.after(() => {
    fake.closeAllConnections();
    fake.close();
  });
  return `http://127.0.0.1:${fake.address().port}`;
}

/** What such a server answers to the exchange. */
export const metadata = (changes = {}) =>
  JSON.stringify({
    version: 3,
    databaseId: "a1b2c3d4-0000-4000-8000-000000000000",
    endpoints: [{ url: "/v2", consistency: "strong" }],
    token: "a-session",
    expiresAt: new Date(Date.now() + 3600_000).toISOString(),
    ...changes,
  });

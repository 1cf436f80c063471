// The servers that are measured: each on a free port of this machine alone, its data in a folder of its own below the
// run's, every write durable before it is answered.

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request1, request2 } from "../../test/clients/lib/connect.mjs";
import { answers } from "./kv_connect.mjs";

const START_TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 50;
const BATCH_MS = 1; // what denokv does most sets with: its batches wait for company, ours do not
const FLOOR_FILE_SIZE = 150;

/** A port that nobody listens on. */
function freePort() {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function untilReady(started, isReady) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (started.end !== undefined) throw started.failure();
    if (await isReady().catch(() => false)) return; // it fails while nobody listens
    if (Date.now() > deadline) throw started.failure(`did not answer within ${START_TIMEOUT_MS / 1000} s`);
    await sleep(LOOK_AGAIN_MS);
  }
}

const KIND_KV_CONNECT = "kv-connect";

function kvConnect({ title, program, args }) {
  return {
    title,
    kind: KIND_KV_CONNECT,
    command: ({ paths, folder, port }) => [paths[program], args({ path: join(folder, "kv.sqlite3"), port })],
    env: ({ token }) => ({ DENO_KV_ACCESS_TOKEN: token }),
    isReady: ({ token, url }) => answers(url, token),
  };
}

const denokvArgs = ({ path, port }) => ["--sqlite-path", path, "serve", "--addr", `127.0.0.1:${port}`];

/** title: on the page. kind: which clients can load it. peer: whose programs it needs. */
const SERVERS = {
  "tuplet": kvConnect({
    title: "tuplet",
    program: "tuplet",
    args: ({ path, port }) => ["--sqlite-path", path, "serve", "--addr", `127.0.0.1:${port}`],
  }),
  "denokv": { peer: "denokv", ...kvConnect({ title: "denokv", program: "denokv", args: denokvArgs }) },
  "denokv-tuned": {
    peer: "denokv",
    ...kvConnect({
      title: "denokv, tuned",
      program: "denokv",
      args: (where) => [
        ...denokvArgs(where),
        ...["--num-workers", String(cpus().length)],
        ...["--atomic-write-batch-timeout-ms", String(BATCH_MS)],
      ],
    }),
  },
  "redis": {
    title: "Redis",
    peer: "redis",
    kind: "redis",
    command: ({ paths, folder, port }) => [paths["redis-server"], [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
      // Nothing is rewritten meanwhile.
      ...["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
    ]],
    isReady: async ({ processes, paths, port }) =>
      (await processes.run(paths["redis-cli"], ["-p", String(port), "ping"])).stdout.trim() === "PONG",
  },
  "etcd": {
    title: "etcd",
    peer: "etcd",
    kind: "etcd",
    command: async ({ paths, folder, url }) => {
      const peerUrl = `http://127.0.0.1:${await freePort()}`;
      return [paths.etcd, [
        ...["--name", "bench", "--data-dir", join(folder, "etcd"), "--log-level", "error"],
        ...["--listen-client-urls", url, "--advertise-client-urls", url],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", `bench=${peerUrl}`, "--quota-backend-bytes", String(8 * 2 ** 30)],
      ]];
    },
    isReady: async ({ url }) => (await request1(url, { method: "GET", path: "/health" })).status === 200,
  },
  "nghttpd": {
    title: "nghttpd, a file",
    peer: "nghttpd",
    kind: "floor",
    command: ({ paths, folder, port }) => {
      writeFileSync(join(folder, "file"), "x".repeat(FLOOR_FILE_SIZE));
      return [paths.nghttpd, ["--no-tls", "--address=127.0.0.1", `--htdocs=${folder}`, String(port)]];
    },
    isReady: async ({ url }) => (await request2(url, { method: "GET", path: "/file" })).status === 200,
  },
};

export const serverTitle = (name) => SERVERS[name].title;
export const isKvConnect = (server) => server.kind === KIND_KV_CONNECT;

/** The names of those whose programs are there. */
export function serversPresent(present) {
  return Object.keys(SERVERS).filter((name) => SERVERS[name].peer === undefined || present.has(SERVERS[name].peer));
}

/**
 * Starts a server and waits until it answers: { name, kind, url, port, pid, stop }. context: processes, paths, token,
 * directory.
 */
export async function startServer(name, context) {
  const { kind, command, env, isReady } = SERVERS[name];
  const port = await freePort();
  const folder = join(context.directory, `${name}-${port}`);
  mkdirSync(folder);
  const where = { ...context, folder, port, url: `http://127.0.0.1:${port}` };
  const [program, args] = await command(where);
  const started = context.processes.start(program, args, { cwd: folder, env: env?.(where) });
  try {
    await untilReady(started, () => isReady(where));
  } catch (error) {
    await started.stop();
    throw error;
  }
  return { name, kind, url: where.url, port, pid: started.pid, stop: () => started.stop() };
}

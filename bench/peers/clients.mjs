// The programs that load the servers: `tuplet bench` what speaks KV Connect, redis-benchmark Redis, h2load the rest.
// Each is the best there is for its server, and runs on one thread.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { lookAtKey, putRequest, rangeRequest } from "./etcd_requests.mjs";
import { preparedRead } from "./kv_connect.mjs";
import { isKvConnect } from "./servers.mjs";

export const KEYS = 10_000;
export const VALUE_SIZE = 100;
const NAME = "peers"; // below which `tuplet bench` keeps its keys
const RUN_TIMEOUT_MS = 60_000; // for what takes a few seconds
const REDIS_REQUESTS_MIN = 200;

const milliseconds = (seconds) => `${Math.round(seconds * 1000)}ms`;

// ---- tuplet bench ----

/** target: a server's URL or a file. load: workload, connections, inFlight, http, rate, seconds, warmUp. */
export async function runTupletBench(context, target, load) {
  const { workload, connections, inFlight = 1, http, rate, seconds, warmUp, reuse = true } = load;
  const { stdout } = await context.processes.run(context.paths.tuplet, [
    ...["bench", "--db", target, "--json", "--quiet", "--name", NAME, "--keep", ...(reuse ? ["--reuse"] : [])],
    ...["--keys", String(KEYS), "--value-size", String(VALUE_SIZE)],
    ...["--connections", String(connections), "--in-flight", String(inFlight)],
    ...(http === undefined ? [] : ["--http", String(http)]),
    ...(rate === undefined ? [] : ["--rate", String(rate)]),
    ...["--warm-up", milliseconds(warmUp), "--duration", milliseconds(seconds), workload],
  ], { env: { DENO_KV_ACCESS_TOKEN: context.token }, timeoutMs: RUN_TIMEOUT_MS });
  const { operationsPerSecond, latencyUs, failed } = JSON.parse(stdout);
  if (failed > 0) throw new Error(`${failed} operations of ${target} failed`);
  return { rate: operationsPerSecond, p50: latencyUs.p50, p99: latencyUs.p99 };
}

/** Writes the keys that are measured into a server or a file. */
export function fillKeys(context, target) {
  return runTupletBench(context, target, {
    workload: "get",
    connections: 1,
    seconds: 0.1,
    warmUp: 0,
    reuse: false,
  });
}

// ---- h2load ----

/** What h2load printed: { rate, succeeded }. Throws unless every request was answered well. */
export function readH2load(text) {
  const finished = /^finished in \S+, ([\d.]+) req\/s/m.exec(text);
  const requests = /^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(text);
  const codes = /^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m.exec(text);
  if (!finished || !requests || !codes) throw new Error(`h2load printed no result:\n${text.slice(-500)}`);
  const [succeeded, ...bad] = [...requests.slice(1), ...codes.slice(1)].map(Number);
  if (succeeded === 0 || bad.some((count) => count > 0)) {
    throw new Error(`h2load had requests fail: ${requests[0]}; ${codes[0]}`);
  }
  return { rate: Number(finished[1]), succeeded };
}

/** request: { url, headers, body } or { url } alone, to get it. */
async function runH2load(context, request, { connections, inFlight = 1, seconds, warmUp }) {
  const headers = Object.entries(request.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const body = [];
  if (request.body !== undefined) {
    const path = join(context.directory, "h2load-body");
    writeFileSync(path, request.body);
    body.push("-d", path);
  }
  const { stdout } = await context.processes.run(context.paths.h2load, [
    ...["-c", String(connections), "-m", String(inFlight)],
    ...["-D", milliseconds(seconds), "--warm-up-time", milliseconds(warmUp)],
    ...[...headers, ...body, request.url],
  ], { timeoutMs: RUN_TIMEOUT_MS });
  return readH2load(stdout);
}

// ---- redis-benchmark ----

/** The row of redis-benchmark's --csv: { rate, p50, p99 }, times in microseconds. */
export function readRedisBenchmark(text) {
  const [names, values] = text.trim().split("\n").map((line) => line.replaceAll('"', "").split(","));
  const cell = (name) => {
    const number = Number(values?.[names.indexOf(name)]);
    if (!(number >= 0)) throw new Error(`redis-benchmark printed no ${name}:\n${text.slice(-500)}`);
    return number;
  };
  return { rate: cell("rps"), p50: cell("p50_latency_ms") * 1000, p99: cell("p99_latency_ms") * 1000 };
}

/** It takes a number of requests instead of a time: as many as it answers meanwhile by the warm-up's rate. */
async function runRedisBenchmark(context, server, { workload, connections, seconds, warmUp }) {
  const run = async (rate, time) => {
    const requests = Math.max(Math.round(rate * time), REDIS_REQUESTS_MIN, connections);
    const { stdout } = await context.processes.run(context.paths["redis-benchmark"], [
      ...["-h", "127.0.0.1", "-p", String(server.port), "--csv", "--precision", "3", "-t", workload],
      ...["-d", String(VALUE_SIZE), "-r", String(KEYS), "-c", String(connections), "-n", String(requests)],
    ], { timeoutMs: RUN_TIMEOUT_MS });
    return readRedisBenchmark(stdout);
  };
  const before = server.rates?.[workload] ?? REDIS_REQUESTS_MIN / warmUp;
  const { rate } = await run(before, warmUp);
  const result = await run(rate, seconds);
  server.rates = { ...server.rates, [workload]: Math.min(rate, result.rate) };
  return result;
}

async function fillRedis(context, server) {
  const redis = (args, input) =>
    context.processes.run(context.paths["redis-cli"], ["-p", String(server.port), ...args], { input });
  const value = "x".repeat(VALUE_SIZE);
  const commands = Array.from({ length: KEYS }, (_, i) => `SET key:${String(i).padStart(12, "0")} ${value}\r\n`);
  const filled = await redis(["--pipe"], commands.join(""));
  if (!filled.stdout.includes(`errors: 0, replies: ${KEYS}`)) throw new Error(`Redis was not filled: ${filled.stdout}`);
  const { stdout } = await redis(["config", "get", "appendfsync"]);
  if (!/always/.test(stdout)) throw new Error(`Redis does not sync each write: ${stdout}`);
}

// ---- etcd ----

async function runEtcdPuts(context, server, load) {
  const { revision: before } = await lookAtKey(server.url);
  const result = await runH2load(context, putRequest(server.url, VALUE_SIZE), load);
  const { revision, value } = await lookAtKey(server.url);
  // An error of gRPC's comes with the same status of HTTP's; what counts is what was stored.
  if (revision - before < result.succeeded || value?.length !== VALUE_SIZE) {
    throw new Error(`etcd stored ${revision - before} of ${result.succeeded} puts`);
  }
  return result;
}

// ---- All of them ----

/** Has a server hold what will be read. */
export async function prepare(context, server) {
  if (isKvConnect(server)) {
    await fillKeys(context, server.url);
    server.read = await preparedRead(server.url, context.token, VALUE_SIZE);
  } else if (server.kind === "redis") {
    await fillRedis(context, server);
  } else if (server.kind === "etcd") {
    await runEtcdPuts(context, server, { connections: 1, seconds: 0.1, warmUp: 0.1 });
  }
}

/** Loads a server with gets or sets: { rate } a second, and p50 and p99 in microseconds where the client tells them. */
export function load(context, server, { workload, ...how }) {
  if (isKvConnect(server)) return runTupletBench(context, server.url, { workload, ...how });
  if (server.kind === "redis") return runRedisBenchmark(context, server, { workload, ...how });
  if (server.kind === "floor") return runH2load(context, { url: `${server.url}/file` }, how);
  if (workload === "set") return runEtcdPuts(context, server, how);
  return runH2load(context, rangeRequest(server.url), how);
}

/** Loads a KV Connect server with reads of one key, by the client that loads the floor. */
export function loadByH2load(context, server, how) {
  return runH2load(context, server.read, how);
}

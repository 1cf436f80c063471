// What the clients print, and the requests that are made by hand for those that know nothing of what they load.

import assert from "node:assert/strict";
import test from "node:test";
import { readH2load, readRedisBenchmark } from "./clients.mjs";
import { putRequest, rangeRequest, readRangeResponse } from "./etcd_requests.mjs";
import { readMemory } from "./memory.mjs";
import { readProcessorTime } from "./processor.mjs";

const h2load = ({ bad = 0, codes = "10354 2xx, 0 3xx, 0 4xx, 0 5xx" } = {}) =>
  `Stopped all clients for thread #0

finished in 1.30s, 10354.50 req/s, 941.03KB/s
requests: 10354 total, 10354 started, 10354 done, 10354 succeeded, ${bad} failed, ${bad} errored, 0 timeout
status codes: ${codes}
`;

test("h2load's rate is read", () => {
  assert.deepEqual(readH2load(h2load()), { rate: 10354.5, succeeded: 10354 });
});

test("requests that h2load had fail are no rate", () => {
  assert.throws(() => readH2load(h2load({ bad: 3 })), /3 failed/);
  assert.throws(() => readH2load(h2load({ codes: "0 2xx, 0 3xx, 10354 4xx, 0 5xx" })), /10354 4xx/);
  assert.throws(() => readH2load("connection refused"), /no result/);
});

test("redis-benchmark's rate and latency are read", () => {
  const names = ["test", "rps", "avg_latency_ms", "p50_latency_ms", "p99_latency_ms"];
  const csv = [names, ["GET", "63965.88", "0.556", "0.495", "1.231"]]
    .map((row) => row.map((cell) => `"${cell}"`).join(",")).join("\n");
  assert.deepEqual(readRedisBenchmark(csv), { rate: 63965.88, p50: 495, p99: 1231 });
  assert.throws(() => readRedisBenchmark("Could not connect"), /no rps/);
});

test("etcd's requests are framed protobuf", () => {
  const { url, body } = rangeRequest("http://127.0.0.1:1");
  assert.equal(url, "http://127.0.0.1:1/etcdserverpb.KV/Range");
  assert.equal(body.toString("latin1"), "\0\0\0\0\x07\x0a\x05bench");
  assert.equal(putRequest("http://127.0.0.1:1", 3).body.toString("latin1"), "\0\0\0\0\x0c\x0a\x05bench\x12\x03xxx");
  assert.throws(() => putRequest("http://127.0.0.1:1", 200), /200 bytes/);
});

test("etcd's revision and value are read from its answer", () => {
  // A RangeResponse: a header with revision 300, a key-value with key "k" and value "vv", a count of 1.
  const message = Buffer.from("0a0318ac02" + "12070a016b2a027676" + "2001", "hex");
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const { revision, value } = readRangeResponse(frame);
  assert.equal(revision, 300);
  assert.equal(value.toString(), "vv");
  const empty = Buffer.concat([Buffer.from([0, 0, 0, 0, 5]), message.subarray(0, 5)]);
  assert.deepEqual(readRangeResponse(empty), { revision: 300, value: undefined });
});

test("a process's memory is read in bytes", () => {
  const status = "Name:\tx\nVmHWM:\t    5000 kB\nVmRSS:\t    4000 kB\n";
  assert.deepEqual(readMemory(status), { resident: 4000 * 1024, peak: 5000 * 1024 });
});

test("a process's time is read in seconds, whatever it is called", () => {
  const stat = `7 (a b) 1) S ${Array.from({ length: 30 }, (_, i) => (i + 4) * 100).join(" ")}`;
  assert.deepEqual(readProcessorTime(stat), { own: 14 + 15, children: 16 + 17 });
});

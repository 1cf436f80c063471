// The targets, and what became of them.

import { formatSpread } from "./format.mjs";
import { ratio, spread } from "./statistics.mjs";

const rates = (slices) => slices?.map(({ rate }) => rate);
const p99s = (slices) => slices?.map(({ p99 }) => p99);

/** The library beside the bare side of a workload of bench/library. */
const library = (name) => ({ library }) => {
  const workload = library?.workloads.find((each) => each.name === name);
  return workload && ratio(workload.tuplet, workload.bare);
};

const embedded = (title, peer) => ({ embedded }) => {
  const slices = embedded?.[title];
  return ratio(rates(slices?.tuplet), rates(slices?.[peer]));
};

const servers = (title, peer, ours = "tuplet") => ({ servers }) => {
  const slices = servers?.[title];
  return ratio(rates(slices?.[ours]), rates(slices?.[peer]));
};

const latency = ({ latency }) => ratio(p99s(latency?.slices.tuplet), p99s(latency?.slices.denokv));

const memory = ({ memory }) => {
  if (!memory?.tuplet || !memory?.denokv) return undefined;
  return spread([memory.tuplet.resident / memory.denokv.resident]);
};

const GET_64 = "server: get, 64 connections";
const GET_4x64 = "server: get, 4 connections × 64 in flight";
const SET_64 = "server: durable set, 64 connections";
const TUNED = "denokv, tuned";

/** part: of the run; peer: whose program it needs; atLeast or atMost: the ratio; goal: as it was set. */
export const TARGETS = [
  {
    what: "library: hot get",
    against: "bare SQLite, a read transaction each",
    goal: "≥ 0.9",
    atLeast: 0.9,
    part: "library",
    measured: library("get"),
  },
  {
    what: "library: hot get",
    against: "bare SQLite, one transaction held over all",
    goal: "≥ 0.9",
    atLeast: 0.9,
    part: "library",
    measured: library("get-held"),
  },
  {
    what: "library: durable set, one at a time",
    against: "bare fdatasync of one page",
    goal: "≥ 0.6",
    atLeast: 0.6,
    part: "library",
    measured: library("set-sync"),
  },
  {
    what: "library: durable set, 64 threads",
    against: "Deno's built-in KV, 64 in flight",
    goal: "≥ 8",
    atLeast: 8,
    part: "embedded",
    peer: "deno",
    measured: embedded("set, 64 in flight", "deno"),
  },
  {
    what: "library: list",
    against: "bare SQLite's scan",
    goal: "≥ 0.8",
    atLeast: 0.8,
    part: "library",
    measured: library("list"),
  },
  ...[
    [GET_64, "denokv", "denokv", 4, servers("get 64x1", "denokv")],
    [GET_64, TUNED, "denokv", 4, servers("get 64x1", "denokv-tuned")],
    [GET_64, "Redis GET", "redis", 0.8, servers("get 64x1", "redis")],
    [`${GET_64}, HTTP/1.1`, "Redis GET", "redis", 0.8, servers("get 64x1", "redis", "tuplet-http1")],
    [GET_4x64, "denokv", "denokv", 6, servers("get 4x64", "denokv")],
    [GET_4x64, TUNED, "denokv", 6, servers("get 4x64", "denokv-tuned")],
    [`${GET_64}, by h2load`, "nghttpd and a file", "nghttpd", 0.6, servers("get 64x1", "nghttpd", "tuplet-h2load")],
    [`${GET_4x64}, by h2load`, "nghttpd and a file", "nghttpd", 0.6, servers("get 4x64", "nghttpd", "tuplet-h2load")],
    [SET_64, "denokv", "denokv", 6, servers("set 64x1", "denokv")],
    [SET_64, TUNED, "denokv", 6, servers("set 64x1", "denokv-tuned")],
    [SET_64, "Redis SET, fsync always", "redis", 0.7, servers("set 64x1", "redis")],
    [`${SET_64}, HTTP/1.1`, "Redis SET, fsync always", "redis", 0.7, servers("set 64x1", "redis", "tuplet-http1")],
  ].map(([what, against, peer, atLeast, measured]) => ({
    what,
    against,
    goal: `≥ ${atLeast}`,
    atLeast,
    part: "servers",
    peer,
    measured,
  })),
  {
    what: "server: p99 of get at half of denokv's top rate",
    against: "denokv",
    goal: "≤ 1/3",
    atMost: 1 / 3,
    part: "latency",
    peer: "denokv",
    measured: latency,
  },
  {
    what: "server: memory, 1,000 connections busy",
    against: "denokv",
    goal: "≤ 1/2",
    atMost: 1 / 2,
    part: "memory",
    peer: "denokv",
    measured: memory,
  },
];

export const MET = "met";
export const NOT_MET = "not met";

function whyNot({ part, peer }, { missing, parts, peers }) {
  if (missing.some(({ name }) => name === peer)) return "not measured: it is not installed";
  const wanted = parts.includes(part) && (peer === undefined || peers.includes(peer));
  return wanted ? "not measured: it failed" : "not measured: left out";
}

/** What became of a target: { what, against, goal, measured, verdict }, all texts. */
export function judge(target, results) {
  const { what, against, goal, atLeast = -Infinity, atMost = Infinity } = target;
  const measured = target.measured(results);
  if (measured === undefined) return { what, against, goal, measured: "-", verdict: whyNot(target, results) };
  const met = measured.median >= atLeast && measured.median <= atMost;
  return { what, against, goal, measured: formatSpread(measured), verdict: met ? MET : NOT_MET };
}

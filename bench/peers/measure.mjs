// The parts of a run. Each gives what it measured as plain data, numbers of every round; what is made of them is shown
// by page.mjs.

import { load, loadByH2load, prepare } from "./clients.mjs";
import { openEmbedded } from "./embedded.mjs";
import { memoryWhile } from "./memory.mjs";
import { withProcessorTime } from "./processor.mjs";
import { byTurns } from "./rounds.mjs";
import { serversPresent, startServer } from "./servers.mjs";
import { median } from "./statistics.mjs";

const BUSY_CONNECTIONS = 1000;
const CONNECTIONS = 64;
const LIBRARY_TIMES_LONGER = 5; // than it should take, before it counts as stuck

/**
 * What the servers are loaded with where targets stand on it. h2load: whether its clients take part; http1: whether we
 * are loaded over HTTP/1.1, too.
 */
export const LOADS = {
  "get 64x1": { workload: "get", connections: 64, inFlight: 1, h2load: true, http1: true },
  "get 4x64": { workload: "get", connections: 4, inFlight: 64, h2load: true },
  "set 64x1": { workload: "set", connections: 64, inFlight: 1, h2load: false, http1: true },
};

export const EMBEDDED_LOADS = {
  "get": { workload: "get", inFlight: 1 },
  "get, 64 in flight": { workload: "get", inFlight: 64 },
  "set": { workload: "set", inFlight: 1 },
  "set, 64 in flight": { workload: "set", inFlight: 64 },
};

/** The sides' slices, turn by turn, each after what was written before has reached the disk. */
function measureByTurns(context, what, sides, rounds) {
  context.say(what);
  return byTurns(sides, rounds, {
    before: () => context.processes.run("sync", ["--file-system", context.directory]),
    onProblem: (name, error) => context.onProblem(`${what}: ${name}`, error),
  });
}

/** The library beside bare SQLite and bare fdatasync, by the program that is made for it. */
export async function measureLibrary(context, plan) {
  context.say("library");
  const args = ["--json", "--dir", context.directory, "--seconds", String(plan.librarySeconds)];
  const timeoutMs = (plan.librarySeconds + 60) * 1000 * LIBRARY_TIMES_LONGER;
  const { stdout } = await context.processes.run(context.paths.library, args, { timeoutMs });
  return JSON.parse(stdout);
}

export async function measureEmbedded(context, plan) {
  const embedded = await openEmbedded(context, context.present);
  const results = {};
  for (const [title, how] of Object.entries(EMBEDDED_LOADS)) {
    const slice = { ...how, seconds: plan.seconds, warmUp: plan.warmUp };
    const sides = embedded.map(({ name, run }) => ({ name, run: () => run(slice) }));
    results[title] = await measureByTurns(context, `embedded: ${title}`, sides, plan.roundsEmbedded);
  }
  for (const { stop } of embedded) await stop();
  return results;
}

// ---- Servers ----

async function startFilled(context, name) {
  context.say(`starting ${name}`);
  const server = await startServer(name, context);
  try {
    await prepare(context, server);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Starts the servers of these names and fills them; one that fails is a problem, and left out. */
export async function startServers(context, names) {
  const servers = [];
  for (const name of names) {
    try {
      servers.push(await startFilled(context, name));
    } catch (error) {
      context.onProblem(name, error);
    }
  }
  return servers;
}

function canTake({ kind }, { inFlight }) {
  if (kind === "floor") return false; // it is no database
  return kind !== "redis" || inFlight === 1; // its pipelining is another thing: it answers in order
}

function sidesOf(context, servers, { h2load, http1, ...how }) {
  const side = (name, server, work) => ({ name, run: () => withProcessorTime(server.pid, work) });
  const sides = servers.filter((server) => canTake(server, how)).map((server) =>
    side(server.name, server, () => load(context, server, how))
  );
  const floor = servers.find(({ kind }) => kind === "floor");
  const tuplet = servers.find(({ name }) => name === "tuplet");
  if (http1 && tuplet) sides.push(side("tuplet-http1", tuplet, () => load(context, tuplet, { ...how, http: 1 })));
  if (h2load && floor && tuplet) {
    sides.push(side("tuplet-h2load", tuplet, () => loadByH2load(context, tuplet, how)));
    sides.push(side("nghttpd", floor, () => load(context, floor, how)));
  }
  return sides;
}

export async function measureServers(context, plan, servers) {
  const results = {};
  for (const [title, how] of Object.entries(LOADS)) {
    const sides = sidesOf(context, servers, { ...how, seconds: plan.seconds, warmUp: plan.warmUp });
    results[title] = await measureByTurns(context, `servers: ${title}`, sides, plan.rounds);
  }
  return results;
}

/** How often a second each server answers gets at 64 connections: what a load is a part of. */
async function topRates(context, plan, servers, measured) {
  const results = measured ?? await measureByTurns(
    context,
    "top rates",
    sidesOf(context, servers, {
      ...LOADS["get 64x1"],
      ...{ h2load: false, http1: false, seconds: plan.seconds, warmUp: plan.warmUp },
    }),
    plan.roundsCurves,
  );
  return Object.fromEntries(
    Object.entries(results).map(([name, slices]) => [name, median(slices.map(({ rate }) => rate))]),
  );
}

function atRate(context, server, rate, seconds, warmUp) {
  return load(context, server, { workload: "get", connections: CONNECTIONS, rate: Math.round(rate), seconds, warmUp });
}

/** Both at half of what denokv can do. undefined without it. */
export async function measureLatency(context, plan, servers, measured) {
  const both = servers.filter(({ name }) => name === "tuplet" || name === "denokv");
  const top = (await topRates(context, plan, both, measured)).denokv;
  if (top === undefined) return undefined;
  const rate = Math.round(top / 2);
  const sides = both.map((server) => ({
    name: server.name,
    run: () => atRate(context, server, rate, plan.latencySeconds, plan.warmUp),
  }));
  return { rate, slices: await measureByTurns(context, `latency of get at ${rate} a second`, sides, plan.rounds) };
}

/** Latency against load: at parts of denokv's top rate for both, at parts of ours for us. */
export async function measureLoad(context, plan, servers, measured) {
  const both = servers.filter(({ name }) => name === "tuplet" || name === "denokv");
  const top = await topRates(context, plan, both, measured);
  const points = [];
  for (const [name, rate] of Object.entries(top)) {
    const sides = both.filter((server) => server.name === name || (name === "denokv" && server.name === "tuplet"));
    for (const part of plan.loadParts) {
      if (sides.length > 0) points.push({ part, of: name, rate: Math.round(rate * part), sides });
    }
  }
  const results = [];
  for (const { sides, ...point } of points) {
    const turns = sides.map((server) => ({
      name: server.name,
      run: () => atRate(context, server, point.rate, plan.seconds, plan.warmUp),
    }));
    const slices = await measureByTurns(context, `load: get at ${point.rate} a second`, turns, plan.roundsCurves);
    results.push({ ...point, slices });
  }
  return results.sort((a, b) => a.rate - b.rate);
}

export async function measureConnections(context, plan, servers) {
  const results = {};
  for (const workload of ["get", "set"]) {
    results[workload] = [];
    for (const connections of plan.connections) {
      const how = { workload, connections, inFlight: 1, seconds: plan.seconds, warmUp: plan.warmUp };
      const what = `connections: ${workload} by ${connections}`;
      const slices = await measureByTurns(context, what, sidesOf(context, servers, how), plan.roundsCurves);
      results[workload].push({ connections, slices });
    }
  }
  return results;
}

/** Each server alone, fresh, while 1,000 connections get: the most that it has. */
export async function measureMemory(context, plan) {
  const results = {};
  for (const name of serversPresent(context.present)) {
    const [server] = await startServers(context, [name]);
    if (server === undefined || server.kind === "floor") {
      await server?.stop();
      continue;
    }
    context.say(`memory: ${name}`);
    const how = { workload: "get", connections: BUSY_CONNECTIONS, seconds: plan.memorySeconds, warmUp: plan.warmUp };
    try {
      results[name] = await memoryWhile(server.pid, load(context, server, how));
    } catch (error) {
      context.onProblem(`memory: ${name}`, error);
    }
    await server.stop();
  }
  return results;
}

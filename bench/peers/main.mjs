// Measures tuplet beside every peer that this machine has, all in one run, and writes what came of it into a page.
// `make bench` builds what it needs and runs it.

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeMachine } from "../../bindings/js/bench/machine.mjs";
import { drawCharts } from "./curves.mjs";
import * as measure from "./measure.mjs";
import { renderPage, renderText, replacePart } from "./page.mjs";
import { makePlan, PARTS } from "./plan.mjs";
import { Processes } from "./processes.mjs";
import { lookForPeers, PEERS } from "./programs.mjs";
import { serversPresent } from "./servers.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const PAGE_PART = "measured";
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

const USAGE = `Usage: node bench/peers/main.mjs [OPTION...]
Measures tuplet beside each of its peers that is installed, by turns, in about ten minutes.

  --quick           in about two minutes, with fewer and shorter slices
  --only PART,...   some parts alone: ${PARTS.join(", ")}
  --peers NAME,...  some peers alone: ${PEERS.map(({ name }) => name).join(", ")}
  --seconds N       the length of a slice
  --rounds N        how many slices each side of a comparison gets
  --dir DIR         make the data in a new folder below DIR, which must be on a disk (.)
  --build DIR       where tuplet was built (build)
  --markdown FILE   write the measured part of FILE, and its charts into the folder of the same name beside it
  --json FILE       write everything that was measured into FILE
  --from FILE       measure nothing: show what such a FILE has
  --help            print this

The exit status is 1 when something that is installed could not be measured.`;

class UsageError extends Error {}

function readNames(option, text, known) {
  const names = text.split(",").filter((name) => name !== "");
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`--${option} ${unknown}: there are ${known.join(", ")}`);
  return names;
}

function readNumber(option, text, isFine, wanted) {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!isFine(number)) throw new UsageError(`--${option} ${text}: ${wanted} is wanted`);
  return number;
}

function readOptions() {
  const options = { quick: { type: "boolean", default: false }, help: { type: "boolean", default: false } };
  const peers = PEERS.map(({ name }) => name);
  const texts = { only: PARTS.join(), peers: peers.join(), dir: ".", build: join(ROOT, "build") };
  for (const [name, value] of Object.entries(texts)) options[name] = { type: "string", default: value };
  for (const name of ["seconds", "rounds", "markdown", "json", "from"]) options[name] = { type: "string" };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  return {
    ...values,
    only: readNames("only", values.only, PARTS),
    peers: readNames("peers", values.peers, peers),
    seconds: readNumber("seconds", values.seconds, (n) => n >= 0.1 && n <= 30, "a number from 0.1 to 30"),
    rounds: readNumber("rounds", values.rounds, (n) => Number.isInteger(n) && n >= 1 && n <= 100, "1 to 100"),
  };
}

// ---- Measuring ----

function builtPrograms(build, parts) {
  const paths = { tuplet: resolve(build, "tuplet") };
  if (parts.includes("library")) paths.library = resolve(build, "bench/library");
  const lacking = Object.values(paths).find((path) => !existsSync(path));
  if (lacking !== undefined) throw new Error(`${lacking} is not there; make build makes it`);
  return paths;
}

function tupletVersion(path) {
  return execFileSync(path, ["--version"], { encoding: "utf8" }).trim().replace(/^tuplet /, "");
}

/** Runs the parts that are wanted: what they measured, by their names. One that fails is a problem, and left out. */
async function runParts(context, plan, parts) {
  const results = {};
  const run = async (part, work) => {
    if (!parts.includes(part)) return;
    try {
      results[part] = await work();
    } catch (error) {
      context.onProblem(part, error);
    }
  };
  await run("library", () => measure.measureLibrary(context, plan));
  await run("embedded", () => measure.measureEmbedded(context, plan));
  if (["servers", "latency", "connections", "load"].some((part) => parts.includes(part))) {
    const servers = await measure.startServers(context, serversPresent(context.present));
    await run("servers", () => measure.measureServers(context, plan, servers));
    const top = results.servers?.["get 64x1"];
    await run("latency", () => measure.measureLatency(context, plan, servers, top));
    await run("connections", () => measure.measureConnections(context, plan, servers));
    await run("load", () => measure.measureLoad(context, plan, servers, top));
    for (const server of servers) await server.stop();
  }
  await run("memory", () => measure.measureMemory(context, plan));
  return results;
}

async function measureAll(options, processes, directory) {
  const found = lookForPeers(options.peers);
  const plan = makePlan(options);
  const begun = Date.now();
  const problems = [];
  const say = (text) => console.error(`${String(Math.round((Date.now() - begun) / 1000)).padStart(4)} s  ${text}`);
  for (const { title, lacks, install } of found.missing) {
    say(`${title} is not installed, ${lacks.join(" and ")} not found; to have it: ${install}`);
  }
  const context = {
    processes,
    directory,
    paths: { ...found.paths, ...builtPrograms(options.build, options.only) },
    packagePath: found.packagePath,
    present: found.present,
    token: randomBytes(16).toString("hex"),
    say,
    onProblem: (what, error) => {
      if (processes.closed) throw error; // what fails now does so because of a signal
      say(`${what} failed: ${error.message}`);
      problems.push(`${what}: ${error.message.split("\n")[0]}`);
    },
  };
  const machine = describeMachine(directory);
  const measured = await runParts(context, plan, options.only);
  const { sqlite, compiler } = measured.library ?? {};
  const versions = [["tuplet", tupletVersion(context.paths.tuplet)], ...found.versions];
  if (sqlite) versions.splice(1, 0, ["SQLite", sqlite], ["compiled by", compiler]);
  say("done");
  return {
    machine,
    versions,
    missing: found.missing,
    problems,
    parts: options.only,
    peers: options.peers,
    settings: plan,
    command: ["node", "bench/peers/main.mjs", ...process.argv.slice(2)].join(" "),
    date: new Date().toISOString().slice(0, 10),
    ...measured,
  };
}

// ---- The run ----

/** Everything ends with the run: servers, clients, and the folder of their data. */
async function withFolder(parent, work) {
  const processes = new Processes();
  const directory = mkdtempSync(join(resolve(parent), "bench-"));
  const removeFolder = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  const atOnce = () => {
    processes.kill();
    removeFolder();
  };
  process.on("exit", atOnce);
  let interrupted = false;
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, async () => {
      if (interrupted) process.exit(128 + number); // the second time at once
      interrupted = true;
      await processes.close();
      process.exit(128 + number);
    });
  }
  try {
    return await work(processes, directory);
  } catch (error) {
    if (interrupted) await new Promise(() => {}); // the signal's handler ends this process
    throw error;
  } finally {
    await processes.close();
    removeFolder();
    process.off("exit", atOnce);
  }
}

function writePage(path, results) {
  const charts = drawCharts(results);
  const folder = path.replace(/\.md$/, "");
  const lines = renderPage(results, charts, basename(folder));
  const page = replacePart(readFileSync(path, "utf8"), PAGE_PART, lines);
  mkdirSync(folder, { recursive: true });
  for (const [name, { text }] of Object.entries(charts)) writeFileSync(join(folder, name), text);
  writeFileSync(path, page);
}

/** What would be found out only when all is measured. */
function checkFiles({ markdown, json }) {
  if (markdown) replacePart(readFileSync(markdown, "utf8"), PAGE_PART, []);
  for (const path of [markdown, json].filter(Boolean)) closeSync(openSync(path, "a"));
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  checkFiles(options);
  const results = options.from
    ? JSON.parse(readFileSync(options.from, "utf8"))
    : await withFolder(options.dir, (processes, directory) => measureAll(options, processes, directory));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results)}\n`);
  console.log(renderText(results).join("\n"));
  if (options.markdown) writePage(options.markdown, results);
  return results.problems.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

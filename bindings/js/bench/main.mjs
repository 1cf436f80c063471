// Measures the package beside Deno's built-in KV, both in one Deno process, and beside @deno/kv, both in one Node
// process, and writes the table into a page. `make bench-js` builds what it needs.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { describeMachine } from "./machine.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const CLIENTS = join(HERE, "..", "..", "..", "test", "clients");
const DENO = join(CLIENTS, "node_modules", ".bin", "deno");

const USAGE = `Usage: node main.mjs [OPTION...]
Measures this package beside Deno's built-in KV and beside @deno/kv on Node.

  --dir DIR         where the databases are made; it must be on a disk (.)
  --markdown FILE   write the table into FILE, between the lines "<!-- js: begin -->" and "<!-- js: end -->"
  --pairs N         pairs of slices for each workload (21)
  --slice-ms N      the length of a slice (100)
  --only NAME       one workload alone, for a profiler
  --side NAME       both, tuplet or peer (both)
  --runtime NAME    deno, node or both (both)`;

// How much faster than Deno's built-in KV it is to be.
const AIMS = { "get": 5, "set, 64 in flight": 4 };

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

function readOptions() {
  const strings = { dir: ".", markdown: "", pairs: "21", "slice-ms": "100", only: "", side: "both", runtime: "both" };
  const options = { help: { type: "boolean" } };
  for (const [name, value] of Object.entries(strings)) options[name] = { type: "string", default: value };
  const { values } = parseArgs({ options });
  if (!values.help) return values;
  console.log(USAGE);
  process.exit(0);
}

/** Runs the workloads in a runtime: a map from their names to what workloads.mjs says. */
async function measure(command, directory, peerModule, options) {
  const folder = mkdtempSync(join(directory, "bench-js-"));
  try {
    const args = [folder, options.pairs, options["slice-ms"], peerModule, options.side];
    if (options.only) args.push(options.only);
    const child = spawn(command[0], [...command.slice(1), join(HERE, "workloads.mjs"), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((done) => child.once("close", done));
    const results = new Map();
    for await (const line of createInterface({ input: child.stdout })) {
      const { name, ...result } = JSON.parse(line);
      results.set(name, result);
    }
    const code = await ended;
    if (code !== 0) throw new Error(`${command[0]} did not measure: status ${code}`);
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const time = (numbers) => numbers?.length ? median(numbers).toFixed(1) : "-";

/** How many times faster: the median of the pairs' ratios, with the smallest and the largest. */
function ratio(result) {
  if (!result?.tuplet.length || !result.peer.length) return "-";
  const ratios = result.peer.map((peer, i) => peer / result.tuplet[i]);
  return `${median(ratios).toFixed(1)} (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)})`;
}

function table(deno, node) {
  const lines = [
    "| µs an operation | tuplet in Deno | Deno's own | times faster | aim | tuplet in Node | @deno/kv | times faster |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
  ];
  for (const name of new Set([...deno.keys(), ...node.keys()])) {
    const [inDeno, inNode] = [deno.get(name), node.get(name)];
    const title = name === "list" ? "list of 10,000, an entry" : name;
    const cells = [title, time(inDeno?.tuplet), time(inDeno?.peer), ratio(inDeno), AIMS[name] ?? "-"];
    lines.push(`| ${[...cells, time(inNode?.tuplet), time(inNode?.peer), ratio(inNode)].join(" | ")} |`);
  }
  return lines;
}

function rewrite(path, lines) {
  const page = readFileSync(path, "utf8");
  const [begin, end] = ["<!-- js: begin -->\n", "<!-- js: end -->\n"];
  const [before, after] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
  if (before < begin.length || after < before) {
    throw new Error(`${path} lacks the lines ${begin.trim()} and ${end.trim()}`);
  }
  writeFileSync(path, page.slice(0, before) + lines.join("\n") + "\n" + page.slice(after));
}

const options = readOptions();
const require = createRequire(join(CLIENTS, "package.json"));
const machine = describeMachine(options.dir);
const deno = options.runtime === "node"
  ? new Map()
  : await measure([DENO, "run", "-A", "--unstable-kv", "--no-config", "--no-lock"], options.dir, "", options);
const node = options.runtime === "deno"
  ? new Map()
  : await measure([process.execPath], options.dir, pathToFileURL(require.resolve("@deno/kv")).href, options);

const { version: denoVersion } = require("deno/package.json");
const { version: peerVersion } = JSON.parse(readFileSync(join(CLIENTS, "node_modules/@deno/kv/package.json"), "utf8"));
const date = new Date().toISOString().slice(0, 10);
const facts = [
  ...machine,
  `Deno ${denoVersion}; Node ${process.version.slice(1)}, @deno/kv ${peerVersion}; ${date}`,
  `\`${["node", "bindings/js/bench/main.mjs", ...process.argv.slice(2)].join(" ")}\``,
];
const lines = [...facts.map((fact) => `- ${fact}`), "", ...table(deno, node)];
console.log(lines.join("\n"));
if (options.markdown) rewrite(options.markdown, lines);

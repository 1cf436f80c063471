// The peers: which of them this machine has, their versions as they tell them, and how to get those that are missing.

import { execFileSync } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CLIENTS = join(dirname(fileURLToPath(import.meta.url)), "../../test/clients");
const require = createRequire(join(CLIENTS, "package.json"));

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The path of a program, or undefined. Debian keeps some in folders that only root's PATH has. */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

const UNKNOWN = "(version unknown)";

/** The part of what the program says about itself that the pattern's group has. */
function ask(path, pattern) {
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 20_000 };
  try {
    return pattern.exec(execFileSync(path, ["--version"], options))?.[1] ?? UNKNOWN;
  } catch {
    return UNKNOWN; // whether it works will be seen when it is measured
  }
}

const VERSION_OF = {
  "deno": (path) => ask(path, /^deno (\S+)/m),
  "redis-server": (path) => ask(path, / v=(\S+)/),
  "redis-benchmark": (path) => ask(path, /redis-benchmark (\S+)/),
  "etcd": (path) => ask(path, /etcd Version: (\S+)/),
  "nghttpd": (path) => ask(path, /nghttp2\/(\S+)/),
  "h2load": (path) => ask(path, /nghttp2\/(\S+)/),
  // It has no option for it, but the places in its sources that its own panics would name.
  "denokv": (path) => /\bdenokv-(\d+\.\d+\.\d+)\//.exec(readFileSync(path, "latin1"))?.[1] ?? UNKNOWN,
};

const FROM_DEBIAN = "make setup-peers";
const FROM_CARGO = "cargo install denokv --locked; then it is on the PATH, or DENOKV names it";

function findDeno() {
  const path = join(CLIENTS, "node_modules/.bin/deno");
  return isProgram(path) ? path : findProgram("deno");
}

function findDenokv() {
  const path = process.env.DENOKV;
  if (!path) return findProgram("denokv");
  if (!isProgram(path)) throw new Error(`DENOKV names ${path}, which is no program`);
  return path;
}

/** The peer on Node is a package. */
function findPackage() {
  try {
    const path = require.resolve("@deno/kv");
    const { version } = JSON.parse(readFileSync(join(CLIENTS, "node_modules/@deno/kv/package.json"), "utf8"));
    return { path, version };
  } catch {
    return undefined;
  }
}

/** name: in options and results. title: on the page. programs: all are needed. */
export const PEERS = [
  { name: "deno", title: "Deno's built-in KV", programs: ["deno"], install: "make setup-test" },
  { name: "node", title: "@deno/kv on Node", programs: [], install: "make setup-test" },
  { name: "denokv", title: "denokv", programs: ["denokv"], install: FROM_CARGO },
  { name: "redis", title: "Redis", programs: ["redis-server", "redis-benchmark", "redis-cli"], install: FROM_DEBIAN },
  { name: "etcd", title: "etcd", programs: ["etcd", "h2load"], install: FROM_DEBIAN },
  { name: "nghttpd", title: "nghttpd", programs: ["nghttpd", "h2load"], install: FROM_DEBIAN },
];

/**
 * Looks for the peers of these names. present: the names of those that are there. paths: of each program;
 * packagePath: of @deno/kv. versions: [what, version] of each. missing: { name, title, install, lacks } of each peer that
 * is not there.
 */
export function lookForPeers(names) {
  const found = { paths: {}, versions: [], missing: [], present: new Set() };
  for (const peer of PEERS.filter(({ name }) => names.includes(name))) {
    const lacks = peer.name === "node" ? lookForPackage(found) : lookForPrograms(peer.programs, found);
    if (lacks.length === 0) found.present.add(peer.name);
    else found.missing.push({ name: peer.name, title: peer.title, install: peer.install, lacks });
  }
  return found;
}

function lookForPrograms(programs, found) {
  const finders = { deno: findDeno, denokv: findDenokv };
  const lacks = [];
  for (const program of programs) {
    if (found.paths[program] !== undefined) continue;
    const path = (finders[program] ?? (() => findProgram(program)))();
    if (path === undefined) {
      lacks.push(program);
      continue;
    }
    found.paths[program] = path;
    if (VERSION_OF[program]) found.versions.push([program, VERSION_OF[program](path)]);
  }
  return lacks;
}

function lookForPackage(found) {
  const kv = findPackage();
  if (kv === undefined) return ["@deno/kv"];
  found.packagePath = kv.path;
  found.versions.push(["Node", process.version.slice(1)], ["@deno/kv", kv.version]);
  return [];
}

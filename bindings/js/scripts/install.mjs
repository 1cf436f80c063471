// install.mjs: compiles the addon with this machine's C compiler, into build/. npm runs it when it installs or rebuilds the
// package, `npm run build` in the project's tree, where only what has changed is compiled.
//
//   node scripts/install.mjs [--strict]      --strict: warnings are errors, as everywhere in the project's own builds
//
// The sources are the project's own (../..) or, in an installed package, the copy of them that scripts/pack.mjs made.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const ADDON = join("bindings", "js", "tuplet.node"); // in its build folder
const isInTree = existsSync(join(PACKAGE, "addon", "addon.c"));
const SOURCES = isInTree ? join(PACKAGE, "..", "..") : join(PACKAGE, "native");
const BUILD = join(PACKAGE, isInTree ? "build" : "compiling");

function fail(...lines) {
  for (const line of lines) console.error(`tuplet: ${line}`);
  process.exit(1);
}

/** Ends the program with all the output when the command fails. */
function run(what, command, ...args) {
  const { status, error, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status === 0) return stdout;
  console.error(stdout ?? "");
  fail(`${what} failed: ${command} ${args.join(" ")}${error ? ` (${error.message})` : ""}`);
}

function isCommand(name) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What compiling needs, from scripts/setup: { names: Debian's package, or several of which one will do; brings: the
 * commands of which one will do, or a module of pkg-config's }. */
function readNeeds() {
  const text = isInTree
    ? run("asking what is needed", join(SOURCES, "scripts", "setup"), "needs")
    : readFileSync(join(SOURCES, "needs.txt"), "utf8");
  return text.trim().split("\n").map((line) => {
    const [names, brings] = line.split("=").map((side) => side.split("|"));
    return { names, brings };
  });
}

function checkNeeds() {
  const hasModules = isCommand("pkg-config");
  const isThere = (thing) =>
    thing.endsWith(".pc")
      ? hasModules && spawnSync("pkg-config", ["--exists", thing.slice(0, -".pc".length)]).status === 0
      : isCommand(thing);
  const missing = readNeeds().filter(({ brings }) =>
    !brings.some(isThere) && !(brings.includes("cc") && process.env.CC)
  );
  if (missing.length === 0) return;
  const things = missing.map(({ brings }) => brings[0].replace(/^(.*)\.pc$/, "the library $1"));
  fail(
    `the addon is compiled on this machine, which lacks: ${things.join(", ")}`,
    `on Debian and Ubuntu: apt-get install ${missing.map(({ names }) => names[0]).join(" ")}`,
    "then install the package again",
  );
}

function configure(isStrict) {
  const headers = isInTree
    ? join(PACKAGE, "node_modules", "node-api-headers")
    : join(SOURCES, "bindings", "js", "node-api-headers");
  if (!existsSync(headers)) fail(`${headers} is not there; in the project's tree: npm ci --ignore-scripts`);
  rmSync(BUILD, { recursive: true, force: true });
  run(
    "configuring the addon",
    "meson",
    "setup",
    BUILD,
    SOURCES,
    "--buildtype=release",
    "-Dprograms=false",
    "-Dtests=false",
    "-Djs=true",
    `-Dwerror=${isStrict}`,
  );
}

/** An installed package keeps the addon alone; an older one is used until then. */
function keepAddonAlone() {
  const kept = join(PACKAGE, "build", ADDON);
  mkdirSync(dirname(kept), { recursive: true });
  renameSync(join(BUILD, ADDON), kept);
  rmSync(BUILD, { recursive: true, force: true });
}

if (process.platform !== "linux") fail(`the addon is for Linux, this is ${process.platform}`);
checkNeeds();
if (!isInTree || !existsSync(join(BUILD, "build.ninja"))) configure(process.argv.includes("--strict"));
run("compiling the addon", "meson", "compile", "-C", BUILD);
if (!isInTree) keepAddonAlone();

// pack.mjs: puts what the addon is compiled from into native/ before `npm pack` makes the package, and takes it away
// again afterwards (--clean). What dist/ holds of sources that are gone is removed.

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const PROJECT = join(PACKAGE, "..", "..");
const NATIVE = join(PACKAGE, "native");
const LICENSE = join(PACKAGE, "LICENSE");

function copy(path) {
  mkdirSync(dirname(join(NATIVE, path)), { recursive: true });
  cpSync(join(PROJECT, path), join(NATIVE, path), { recursive: true });
}

/** The folders below src/ that the library is made of: those that its build file names. */
function layers() {
  const text = readFileSync(join(PROJECT, "src", "meson.build"), "utf8");
  return [...text.matchAll(/^subdir\('(\w+)'\)$/gm)].map((found) => found[1]);
}

function removeStrays() {
  for (const name of readdirSync(join(PACKAGE, "dist"))) {
    const source = name.replace(/\.(js|d\.ts)$/, ".ts");
    if (source !== name && !existsSync(join(PACKAGE, "src", source))) rmSync(join(PACKAGE, "dist", name));
  }
}

rmSync(NATIVE, { recursive: true, force: true });
rmSync(LICENSE, { force: true });
if (!process.argv.includes("--clean")) {
  removeStrays();
  for (const path of ["meson.build", "meson_options.txt", "include", "src/meson.build"]) copy(path);
  for (const layer of layers()) copy(`src/${layer}`);
  for (const path of ["meson.build", "addon"]) copy(`bindings/js/${path}`);
  for (const part of ["include", "LICENSE"]) {
    cpSync(
      join(PACKAGE, "node_modules", "node-api-headers", part),
      join(NATIVE, "bindings", "js", "node-api-headers", part),
      { recursive: true },
    );
  }
  writeFileSync(join(NATIVE, "needs.txt"), execFileSync(join(PROJECT, "scripts", "setup"), ["needs"]));
  copyFileSync(join(PROJECT, "LICENSE"), LICENSE);
}

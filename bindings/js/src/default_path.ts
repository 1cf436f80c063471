/** Which file Deno opens for openKv() without a path, so that a program that moves to this package finds its data.
 *
 * Deno's rule: below its directory, in location_data, a folder whose name is the SHA-256 of the program's storage key:
 * the origin of --location; else the address of the configuration file, deno.json or deno.jsonc, that is nearest to the
 * main module; else the address of the main module. What --config and --no-config say cannot be known here.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

declare const Deno: { mainModule: string | undefined } | undefined;

const configNames = ["deno.json", "deno.jsonc"];

function configFileOf(mainModule: string): string | null {
  let folder = mainModule.startsWith("file:") ? dirname(fileURLToPath(mainModule)) : process.cwd();
  for (;;) {
    const found = configNames.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) return pathToFileURL(found).href;
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
}

function storageKeyOf(mainModule: string): string {
  const { location } = globalThis as { location?: { origin: string } };
  return location?.origin ?? configFileOf(mainModule) ?? mainModule;
}

function denoDirectory(): string {
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = process.env;
  return DENO_DIR || join(XDG_CACHE_HOME || join(HOME || homedir(), ".cache"), "deno");
}

/** Null outside Deno. Makes the folder, as Deno does. */
export function denoDefaultPath(): string | null {
  if (typeof Deno === "undefined") return null;
  if (Deno.mainModule === undefined) return ":memory:"; // a worker, which has no place of its own in Deno either
  const key = createHash("sha256").update(storageKeyOf(Deno.mainModule)).digest("hex");
  const folder = join(denoDirectory(), "location_data", key);
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
  return join(folder, "kv.sqlite3");
}

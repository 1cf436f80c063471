/** The options of openKv, as a user passes them and as the addon takes them. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { denoDefaultPath } from "./default_path.js";
import { kindOf } from "./keys.js";
import type { OpenOptions as NativeOptions } from "./native.js";
import type { OpenOptions } from "./types.js";

const cacheKibMax = 2 ** 31 - 1;
const timeoutMsMax = 2 ** 32 - 1;

function refuse(name: string, allowed: string, value: unknown): never {
  const received = typeof value === "number" || typeof value === "bigint" ? String(value) : kindOf(value);
  throw new TypeError(`${name} must be ${allowed}: received ${received}`);
}

/** A whole number of an option from 1 to `max`; 0 when it is not given. */
export function countOf(name: string, value: number | undefined, max: number): number {
  if (value === undefined) return 0;
  if (!Number.isInteger(value) || value < 1 || value > max) refuse(name, `an integer from 1 to ${max}`, value);
  return value;
}

function textOf(name: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value !== "string" || value === "") refuse(name, "a string that is not empty", value);
  return value;
}

function flagOf(name: string, value: boolean | undefined): boolean {
  if (value !== undefined && typeof value !== "boolean") refuse(name, "a boolean", value);
  return value ?? false;
}

export function nativeOptions(options: OpenOptions): NativeOptions {
  const { durability = "full", http } = options;
  if (durability !== "full" && durability !== "relaxed") refuse("durability", '"full" or "relaxed"', durability);
  if (http !== undefined && http !== 1 && http !== 2) refuse("http", "1 or 2", http);
  return {
    readOnly: flagOf("readOnly", options.readOnly),
    relaxed: durability === "relaxed",
    cacheKib: countOf("cacheSize", options.cacheSize, cacheKibMax),
    accessToken: textOf("accessToken", options.accessToken),
    caFile: textOf("caFile", options.caFile),
    timeoutMs: countOf("timeout", options.timeout, timeoutMsMax),
    http: http ?? 0,
  };
}

/** What is to be opened: a path, ":memory:", a URL, or null for libtuplet's default (in Deno: Deno's). The environment has its say as in
 * Deno: DENO_KV_DEFAULT_PATH where no path is given, DENO_KV_PATH_PREFIX in front of all. */
export function pathOf(path: string | null | undefined): string | null {
  const named = path ?? (process.env["DENO_KV_DEFAULT_PATH"] || null);
  if (named === null) return denoDefaultPath();
  if (typeof named !== "string" || named === "") throw new TypeError("Filename cannot be empty");
  if (named.includes("\0")) throw new TypeError("file name contained an unexpected NUL byte");
  const whole = (process.env["DENO_KV_PATH_PREFIX"] ?? "") + named;
  if (/^https?:\/\//.test(whole) && !URL.canParse(whole)) throw new TypeError(`Invalid database url: ${whole}`);
  return whole.startsWith("file://") ? fileURLToPath(whole) : whole;
}

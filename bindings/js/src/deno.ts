/**
 * Replaces Deno's built-in database by this package's in a whole program: after `import "tuplet/deno"`, before anything
 * else is imported, `Deno.openKv`, `Deno.Kv`, `Deno.KvU64`, `Deno.AtomicOperation` and `Deno.KvListIterator` are this
 * package's, in the thread that imports it, with `--unstable-kv` or without.
 *
 * ```sh
 * deno run -A --preload npm:tuplet/deno app.ts
 * ```
 *
 * @module
 */
import { AtomicOperation, Kv, KvListIterator, KvU64, openKv } from "./index.js";

const { Deno } = globalThis as { Deno?: object };
if (Deno === undefined) throw new Error('"tuplet/deno" is for Deno; elsewhere: import { openKv } from "tuplet"');

for (const [name, value] of Object.entries({ AtomicOperation, Kv, KvListIterator, KvU64, openKv })) {
  Object.defineProperty(Deno, name, { value, writable: true, enumerable: true, configurable: true });
}

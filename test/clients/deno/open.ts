// What every Deno program of these tests starts with: the database that the orchestrator names, and short hands.

export type Key = Deno.KvKey;

/** The URL of the server under test (a path works too: Deno's own database). */
export const url = Deno.args[0];

/** Where the byte vectors are. */
export const vectors = Deno.args[1];

export const open = () => Deno.openKv(url);

/** All entries of a list. */
export async function all<T = unknown>(list: AsyncIterable<Deno.KvEntry<T>>): Promise<Deno.KvEntry<T>[]> {
  return await Array.fromAsync(list);
}

/** The keys alone, or the values alone. */
export async function keysOf(list: AsyncIterable<Deno.KvEntry<unknown>>): Promise<Key[]> {
  return (await all(list)).map((entry) => entry.key);
}

export async function valuesOf<T = unknown>(list: AsyncIterable<Deno.KvEntry<T>>): Promise<T[]> {
  return (await all(list)).map((entry) => entry.value);
}

/** A commit that must succeed; its versionstamp. */
export async function committed(result: Promise<Deno.KvCommitResult | Deno.KvCommitError>): Promise<string> {
  const outcome = await result;
  if (!outcome.ok) throw new Error("the commit failed a check");
  return outcome.versionstamp;
}

export const VERSIONSTAMP = /^[0-9a-f]{16}0000$/;

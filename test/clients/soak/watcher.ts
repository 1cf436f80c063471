// Watches what the others count and move, and looks whether it ever goes back. Opens and closes watches all the time.
// Is killed at any moment. Standard output: a line of JSON for each watch.
//
//   deno run -A watcher.ts URL

const kv = await Deno.openKv(Deno.args[0]);
let shown = [0n, 0n]; // at least, by watches that have ended

async function watch(changes: number): Promise<{ problem: string | null; last: bigint[] }> {
  const last = [...shown];
  let seen = 0;
  for await (const entries of kv.watch<Deno.KvU64[]>([["count"], ["transfers"]])) {
    for (const [i, entry] of entries.entries()) {
      const value = entry.value?.value ?? 0n;
      if (value < last[i]) return { problem: `${entry.key} went back from ${last[i]} to ${value}`, last };
      last[i] = value;
    }
    if (++seen === changes) break;
  }
  return { problem: null, last };
}

for (;;) {
  const ended = await Promise.all([watch(2), watch(10), watch(40)]);
  for (const { last } of ended) shown = shown.map((value, i) => value > last[i] ? value : last[i]);
  const audit = ended.find(({ problem }) => problem !== null)?.problem ?? "fine";
  console.log(JSON.stringify({ audit, operations: 52 }));
}

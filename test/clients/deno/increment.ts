// One of several writers on the same database: for a while it counts in two shared counters, by read-check-write and by
// sum, and keeps a log of its own; then it tells how much it did. Every acknowledged step must be there afterwards.
//
//   increment.ts PATH-OR-URL NAME MILLISECONDS

const [target, name, milliseconds] = Deno.args;
const kv = await Deno.openKv(target);
const done = { name, checked: 0, summed: 0, logged: 0, conflicts: 0, errors: [] as string[] };
const end = Date.now() + Number(milliseconds);
const PATIENCE_MS = 30_000; // for a writer that the others did not let in so far

async function step(count: () => void, run: () => Promise<boolean>) {
  try {
    if (await run()) count();
    else done.conflicts++;
  } catch (error) {
    done.errors.push((error as Error).message);
  }
}

async function increment(): Promise<boolean> {
  const entry = await kv.get<number>(["checked"]);
  const result = await kv.atomic().check(entry).set(["checked"], (entry.value ?? 0) + 1).commit();
  return result.ok;
}

async function loop() {
  while (Date.now() < end || (done.logged === 0 && Date.now() < end + PATIENCE_MS)) {
    await step(() => done.checked++, increment);
    await step(() => done.summed++, async () => (await kv.atomic().sum(["summed"], 1n).commit()).ok);
    const i = done.logged;
    await step(
      () => done.logged = i + 1,
      async () => (await kv.set(["log", name, i], { name, i, at: Date.now() })).ok,
    );
  }
}

await loop();
console.log(JSON.stringify(done));
kv.close();
Deno.exit(0);

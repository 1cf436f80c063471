// What a program has without a server: Deno's built-in KV and @deno/kv on Node, each in a process of its own that is
// told what to do, slice by slice; and the library on a file, through `tuplet bench`.

import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fillKeys, KEYS, runTupletBench, VALUE_SIZE } from "./clients.mjs";

const WORKER = fileURLToPath(new URL("embedded_worker.mjs", import.meta.url));
const DENO_ARGS = ["run", "-A", "--unstable-kv", "--no-config", "--no-lock"];
const ANSWER_TIMEOUT_MS = 120_000; // filling its file included

/** A process that does slices: .ask({ workload, inFlight, seconds, warmUp }) gives { rate }; .stop(). */
class Worker {
  constructor(context, name, command, args, moduleUrl) {
    const file = join(context.directory, `embedded-${name}.sqlite3`);
    const work = [WORKER, file, moduleUrl, String(KEYS), String(VALUE_SIZE)];
    this.started = context.processes.start(command, [...args, ...work], { pipe: true });
    this.lines = createInterface({ input: this.started.child.stdout });
  }

  async ask(question) {
    this.started.child.stdin.write(`${JSON.stringify(question)}\n`);
    const gone = this.started.ended.then(() => {
      throw this.started.failure();
    });
    const answer = once(this.lines, "line", { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const [line] = await Promise.race([answer, gone]);
    return JSON.parse(line);
  }

  stop() {
    return this.started.stop();
  }
}

/** Those that are there, as { name, run, stop }; run takes { workload, inFlight, seconds, warmUp }. */
export async function openEmbedded(context, present) {
  const file = join(context.directory, "embedded-tuplet.sqlite3");
  await fillKeys(context, file);
  const sides = [{
    name: "tuplet",
    run: ({ inFlight, ...load }) => runTupletBench(context, file, { ...load, connections: inFlight }),
    stop: async () => {},
  }];
  const workers = [];
  if (present.has("deno")) workers.push(["deno", context.paths.deno, DENO_ARGS, ""]);
  if (present.has("node")) workers.push(["node", process.execPath, [], pathToFileURL(context.packagePath).href]);
  for (const [name, ...how] of workers) {
    const worker = new Worker(context, name, ...how);
    sides.push({ name, run: (load) => worker.ask(load), stop: () => worker.stop() });
  }
  return sides;
}

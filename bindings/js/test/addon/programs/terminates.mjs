// Ends workers with work in flight: terminates.mjs PATH ROUNDS. The addon is loaded by workers alone, so that the last of
// them takes it along.
import process from "node:process";
import { Worker } from "node:worker_threads";

const [path, rounds] = process.argv.slice(2);

async function run(round) {
  const worker = new Worker(new URL("busy.mjs", import.meta.url), { argv: [path, round], workerData: { path, round } });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    ended.then(resolve);
  });
  await new Promise((resolve) => setTimeout(resolve, (round * 7) % 40));
  await worker.terminate();
  await ended;
}

for (let round = 0; round < Number(rounds); round += 2) await Promise.all([run(round), run(round + 1)]);
console.log("terminated");

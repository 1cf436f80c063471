// A worker that does everything at once until it is ended, or ends itself.
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { bytes, everything, listOptions, native, openOptions, v8 } from "../lib.mjs";

const { path, round } = workerData;
const ignore = () => {};
const database = await native.open(path, openOptions);
const memory = await native.open(":memory:", openOptions);
for (const opened of [database, memory]) {
  const watch = native.watchOpen(opened, [["k", 1]], false);
  (async () => {
    while (await native.watchNext(watch));
  })();
  const range = native.rangeWatchOpen(opened, everything, 0);
  (async () => {
    while (await native.rangeWatchNext(range));
  })();
  native.listen(opened, 10, (message) => native.finish(message, Math.random() < 0.5), ignore).catch(ignore);
  for (let i = 0; i < 16; i++) {
    (async () => {
      for (let k = i; ; k += 16) {
        await native.set(opened, ["k", k % 64], bytes(1), -1);
        if (k % 3 === 0) await native.enqueue(opened, [v8(k), 0, [], [0]]);
        const list = native.listOpen(opened, everything, listOptions);
        for (let n = 0; n < 10; n++) await native.listNext(list);
      }
    })().catch(ignore);
  }
}
native.open(":memory:", openOptions);
parentPort.postMessage("busy");
if (round % 5 === 4) setTimeout(() => process.exit(0), 10);
if (round % 5 === 3) native.close(database);

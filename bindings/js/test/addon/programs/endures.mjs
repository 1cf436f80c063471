// A million operations of all kinds, in memory: says how many megabytes the process has grown by.
import process from "node:process";
import { bytes, everything, listOptions, native, openOptions, u64, until, v8 } from "../lib.mjs";

const ignore = () => {};
const value = v8({ name: "x".repeat(50), tags: [1, 2, 3] }); // once: what serializing leaves behind is the runtime's
const payload = v8("x".repeat(500));
let count = 0;

async function useDatabase(rounds) {
  const database = await native.open(":memory:", openOptions);
  for (let i = 0; i < rounds; i++) {
    const key = ["k", i % 100, BigInt(i % 7)];
    const writes = [];
    for (let k = 0; k < 10; k++) writes.push(native.set(database, [...key, k], k === 0 ? value : bytes(k), -1));
    writes.push(native.commit(database, [[["absent"], null]], [["sum", ["n"], u64(1n), -1]], []));
    writes.push(native.delete(database, key));
    await Promise.all(writes);
    for (let k = 0; k < 150; k++) native.get(database, [...key, k % 20], false, false);
    for (let k = 0; k < 10; k++) native.getMany(database, [key, [...key, 1], ["n"]], false, false);
    const list = native.listOpen(database, { ...everything, prefix: key }, listOptions);
    while (native.listNext(list) !== undefined) native.listCursor(list);
    native.listClose(list);
    for (let k = 0; k < 5; k++) {
      try {
        native.get(database, ["x".repeat(3000)], false, false);
      } catch {
        count++;
      }
    }
    count += 12 + 150 + 10 + 21 + 2;
  }
  await native.close(database);
}

async function useWatches(rounds) {
  const database = await native.open(":memory:", openOptions);
  for (let i = 0; i < rounds; i++) {
    const watch = native.watchOpen(database, [["w"]], false);
    await native.watchNext(watch);
    const next = native.watchNext(watch);
    await native.set(database, ["w"], bytes(i % 256), -1);
    await next;
    native.watchClose(watch);
    count += 5;
  }
  let handled = 0;
  const listener = await native.listen(
    database,
    10,
    (message) => {
      native.payload(message);
      native.finish(message, true).then(() => handled++);
    },
    ignore,
  );
  for (let i = 0; i < rounds; i++) await native.enqueue(database, [payload, 0, [], null]);
  await until(() => handled === rounds);
  await native.listenClose(listener);
  count += 4 * rounds;
  await native.close(database);
}

/** In use: V8 keeps what it has had of the system. */
async function megabytes() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return (rss - heapTotal + heapUsed) / 2 ** 20;
}

async function use(times) {
  for (let i = 0; i < times; i++) {
    await useDatabase(200);
    await useWatches(100);
    globalThis.gc();
  }
}

await use(5);
const before = await megabytes();
count = 0;
await use(25);
console.log(count, Math.round((await megabytes()) - before));

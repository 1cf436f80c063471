// Opens things, forgets them with work in flight, and has garbage collected: collects.mjs FOLDER.
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { bytes, everything, listOptions, native, openOptions, until, v8 } from "../lib.mjs";

const folder = process.argv[2];
const ignore = () => {};

async function collectGarbage() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Nothing but the promises is left of each database. */
async function forgetDatabases() {
  const results = [];
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 5; i++) {
      const path = i === 0 ? ":memory:" : join(folder, `${i}.sqlite`);
      results.push(
        native.open(path, openOptions).then((database) => {
          for (let k = 0; k < 20; k++) native.listNext(native.listOpen(database, everything, listOptions));
          native.watchNext(native.watchOpen(database, [["k"]], false));
          return Promise.all(Array.from({ length: 20 }, (_, k) => native.set(database, ["k", k], bytes(k), -1)));
        }),
      );
      native.open(path, openOptions).then(ignore);
    }
    await collectGarbage();
  }
  for (const versionstamps of await Promise.all(results)) assert.equal(versionstamps.length, 20);
}

/** A watch that is waited for by nobody but a promise. */
async function forgetWatches() {
  const database = await native.open(":memory:", openOptions);
  const seen = [];
  for (let i = 0; i < 50; i++) {
    const watch = native.watchOpen(database, [["k"]], false);
    await native.watchNext(watch);
    seen.push(native.watchNext(watch));
    native.watchOpen(database, [["k"]], false);
    native.rangeWatchOpen(database, everything, 0);
  }
  await collectGarbage();
  await native.set(database, ["k"], bytes(9), -1);
  for (const [entry] of await Promise.all(seen)) assert.equal(entry.value[0], 9);
  await native.close(database);
}

/** A message whose handler never finishes it comes again. */
async function forgetMessages() {
  const database = await native.open(":memory:", openOptions);
  const attempts = [];
  const listener = await native.listen(
    database,
    1,
    (message, id, attempt) => {
      attempts.push(attempt);
      if (attempt === 3) native.finish(message, true);
    },
    ignore,
  );
  await native.enqueue(database, [v8("x"), 0, [], [0, 0, 0, 0, 0]]);
  await until(async () => {
    await collectGarbage();
    return attempts.length === 3;
  });
  assert.deepEqual(attempts, [1, 2, 3]);
  await native.listenClose(listener);
  await native.close(database);
}

/** A listener that nobody has any more goes on. */
async function forgetListeners() {
  let seen = 0;
  const database = await native.open(":memory:", openOptions);
  await native.listen(database, 1, (message) => seen++ + native.finish(message, true), ignore);
  await collectGarbage();
  await native.enqueue(database, [v8("x"), 0, [], null]);
  await until(() => seen === 1);
  await native.close(database);
}

await forgetDatabases();
await forgetWatches();
await forgetMessages();
await forgetListeners();
await collectGarbage();
console.log("collected");

// Writes with many in flight, prints what was acknowledged, and exits in the midst of it: exits.mjs PATH COUNT.
import { writeSync } from "node:fs";
import process from "node:process";
import { bytes, native, openOptions } from "../lib.mjs";

/** Prints a line now, also when whoever reads it is slow. */
function say(line) {
  for (;;) {
    try {
      return writeSync(1, `${line}\n`);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const [path, count] = process.argv.slice(2);
const database = await native.open(path, openOptions);
const watch = native.watchOpen(database, [["k", 0]], false);
native.watchNext(watch).then(() => native.watchNext(watch));
await native.listen(database, 5, () => {}, () => {}); // prettier-ignore
let acknowledged = 0;
for (let i = 0; i < 64; i++) {
  (async () => {
    for (let j = i; ; j += 64) {
      await native.set(database, ["k", j], bytes(1), -1);
      say(j);
      if (++acknowledged === Number(count)) process.exit(7);
    }
  })();
}

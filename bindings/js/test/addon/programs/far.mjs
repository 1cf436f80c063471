// Exits in the midst of everything that a server can be asked: far.mjs URL, with the token in the environment.
import process from "node:process";
import { bytes, everything, listOptions, native, openOptions, v8 } from "../lib.mjs";

const database = await native.open(process.argv[2], openOptions);
const ignore = () => {};
let count = 0;
const next = () => ++count === 300 && process.exit(7);
const watch = native.watchOpen(database, [["k", 0]], false);
native.watchNext(watch).then(() => native.watchNext(watch));
native.listen(database, 5, (message) => native.finish(message, true), ignore).catch(ignore);
for (let i = 0; i < 16; i++) {
  (async () => {
    for (;;) {
      await native.set(database, ["k", i], bytes(1), -1);
      await native.enqueue(database, [v8(i), 0, [], null]);
      await native.get(database, ["k", i], false, false);
      const list = native.listOpen(database, everything, listOptions);
      await native.listNext(list);
      native.listNext(list);
      next();
    }
  })();
}

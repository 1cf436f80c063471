// A program that goes on reading, writing and watching until standard input ends, and tells how that went: each watched
// state, each failure. Its sessions may end meanwhile, and its token may be revoked.

import { open } from "./open.ts";

const kv = await open();
const tell = (message: unknown) => console.log(JSON.stringify(message));
let going = true;

const watching = (async () => {
  try {
    for await (const [entry] of kv.watch<number[]>([["count"]])) {
      if (entry.value !== null) tell({ seen: entry.value });
    }
  } catch (error) {
    tell({ watchFailed: (error as Error).message });
  }
})();

(async () => {
  for await (const _ of Deno.stdin.readable) { /* only its end matters */ }
  going = false;
})();

for (let count = 1; going; count++) {
  try {
    await kv.set(["count"], count);
    const { value } = await kv.get(["count"]);
    tell(value === count ? { written: count } : { failed: `read ${value} instead of ${count}` });
  } catch (error) {
    tell({ failed: (error as Error).message });
    break;
  }
  await new Promise((done) => setTimeout(done, 20));
}
if (going) await watching; // the token is gone: the watch has to notice, too
tell({ finished: true });
Deno.exit(0);

// Enqueues messages with @deno/kv through a server, for deno/queue.ts to receive from the file.

import { openKv } from "@deno/kv";
import process from "node:process";

const [url, count] = process.argv.slice(2);
const kv = await openKv(url, { maxRetries: 1 });
for (let i = 0; i < Number(count); i++) {
  const result = i % 2
    ? await kv.enqueue({ job: i })
    : await kv.atomic().set(["job", i], "sent").enqueue({ job: i }).commit();
  if (!result.ok) throw new Error(`message ${i} was not taken`);
}
await kv.enqueue({ fails: true, list: [1n, new Date(5)] }, {
  keysIfUndelivered: [["undelivered", 1], ["undelivered", 2]],
});
console.log("enqueued");
process.exit(0);

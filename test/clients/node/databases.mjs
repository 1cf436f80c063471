// Several databases of one server, with Deno KV's package for Node. Argument: the server's URL.

import { openKv } from "@deno/kv";
import process from "node:process";
import { check, equal, finish } from "../lib/report.mjs";

const base = process.argv[2].replace(/\/$/, "");
const open = (name) => openKv(`${base}/${name}`, { maxRetries: 2 });

await check("databases of different names hold different things", async () => {
  const databases = await Promise.all(["one", "two", "three"].map(open));
  for (const [i, kv] of databases.entries()) await kv.set(["number"], i);
  for (const [i, kv] of databases.entries()) equal((await kv.get(["number"])).value, i);
  const again = await open("two");
  equal((await again.get(["number"])).value, 1);
  for (const kv of [...databases, again]) kv.close();
});

await check("more databases than may be open at a time are used in turn", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `turn-${i}`);
  const databases = await Promise.all(names.map(open));
  for (let round = 0; round < 4; round++) {
    for (const [i, kv] of databases.entries()) await kv.set(["round"], [i, round]);
    const entries = await Promise.all(databases.map((kv) => kv.get(["round"])));
    equal(entries.map((entry) => entry.value), names.map((_, i) => [i, round]));
  }
  for (const kv of databases) kv.close();
});

finish();

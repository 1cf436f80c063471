// A database that is served for reading only. Arguments: the server's URL; "written elsewhere" is set by the
// orchestrator while the program watches.

import { check, equal, fails, finish, within } from "../lib/report.mjs";

const base = Deno.args[0].replace(/\/$/, "");
const kv = await Deno.openKv(`${base}/shop`);

await check("reads work", async () => {
  equal((await kv.get(["a"])).value, "before");
});

await check("writes are refused in Deno's own words", async () => {
  for (
    const write of [
      () => kv.set(["a"], "after"),
      () => kv.delete(["a"]),
      () => kv.atomic().sum(["n"], 1n).commit(),
    ]
  ) await fails(write, "Writes are disabled for this database");
  equal((await kv.get(["a"])).value, "before");
});

await check("a watch goes on, also for what others write to the file", async () => {
  const reader = kv.watch<string[]>([["a"]]).getReader();
  equal((await reader.read()).value![0].value, "before");
  console.log("watching");
  equal((await within(30_000, "the change", reader.read())).value![0].value, "written elsewhere");
  await reader.cancel();
});

await check("a database that is not there is not made", async () => {
  await fails(async () => {
    const other = await Deno.openKv(`${base}/other`);
    await other.get(["a"]);
  }, /404/);
});

finish();

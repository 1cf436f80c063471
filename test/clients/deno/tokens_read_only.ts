// What a program is told whose access token may read alone.

import { check, equal, fails, finish, within } from "../lib/report.mjs";
import { open } from "./open.ts";

const kv = await open();
const disabled = /writes are disabled/i;

await check("what is there can be read and listed", async () => {
  equal((await kv.get(["there"])).value, "from before");
  equal((await Array.fromAsync(kv.list({ prefix: [] }))).length, 1);
});

await check("each kind of write says that writes are disabled", async () => {
  await fails(() => kv.set(["new"], 1), disabled);
  await fails(() => kv.delete(["there"]), disabled);
  await fails(() => kv.atomic().check({ key: ["new"], versionstamp: null }).set(["new"], 1).commit(), disabled);
  await fails(() => kv.atomic().sum(["sum"], 1n).commit(), disabled);
});

await check("a watch shows what there is", async () => {
  const reader = kv.watch([["there"]]).getReader();
  const { value } = await within(20_000, "the first state", reader.read());
  equal(value![0].value, "from before");
  await reader.cancel();
});

finish();

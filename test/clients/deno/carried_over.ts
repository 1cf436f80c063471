// What a database has to keep when the program behind it changes: filled with one entry of each kind, or checked.
// Arguments: the URL or the path of the database, "fill" or "check".

import { check, equal, finish, ok } from "../lib/report.mjs";
import { keysOf, open } from "./open.ts";

const entries: [Deno.KvKey, unknown][] = [
  [["users", "ada"], { name: "Ada", born: new Date("1815-12-10"), tags: new Set(["x"]) }],
  [["parts", 1n, -5n, 1.5, true, new Uint8Array([1, 2])], [1, 2n, null, undefined]],
  [["bytes"], new Uint8Array([0, 255])],
  [["text"], "größe"],
  [["map"], new Map([["k", { deep: [1] }]])],
  [["counter"], new Deno.KvU64(7n)],
];
const numbers = Array.from({ length: 300 }, (_, i) => i);

const kv = await open();

if (Deno.args[1] === "fill") {
  await check("an entry of each kind is stored", async () => {
    for (const [key, value] of entries) await kv.set(key, value);
    await kv.set(["later"], "in an hour", { expireIn: 3_600_000 });
    for (const i of numbers) await kv.set(["many", i], i);
  });
} else {
  await check("every entry has its key and its value", async () => {
    for (const [key, value] of entries) equal((await kv.get(key)).value, value);
    equal((await kv.get(["later"])).value, "in an hour");
  });
  await check("a list finds all keys in their order", async () => {
    equal(await keysOf(kv.list({ prefix: ["many"] })), numbers.map((i) => ["many", i]));
  });
  await check("what is written now comes after what is there", async () => {
    const before = await kv.get(["text"]);
    const commit = await kv.atomic().check(before).set(["text"], before.value).commit();
    ok(commit.ok && commit.versionstamp > before.versionstamp!, "the versionstamp goes up");
  });
}
kv.close();
finish();

// Several databases of one server. First argument: the server's URL; second: "may create" or "may not create".

import { check, equal, fails, finish, ok, within } from "../lib/report.mjs";
import { valuesOf } from "./open.ts";

const base = Deno.args[0].replace(/\/$/, "");
const open = (name: string) => Deno.openKv(`${base}/${name}`);

await check("databases of different names hold different things", async () => {
  const [root, shop, blog] = [await open(""), await open("shop"), await open("blog")];
  await root.set(["a"], "root");
  await shop.set(["a"], "shop");
  await shop.set(["b"], "shop");
  equal((await root.get(["a"])).value, "root");
  equal((await shop.get(["a"])).value, "shop");
  equal((await blog.get(["a"])).value, null);
  equal(await valuesOf(shop.list({ prefix: [] })), ["shop", "shop"]);
  for (const kv of [root, shop, blog]) kv.close();
});

await check("a database that is opened twice is the same, and / is the one called default", async () => {
  const [shop, again] = [await open("shop"), await open("shop")];
  await shop.set(["again"], 1);
  equal((await again.get(["again"])).value, 1);
  const [root, byName] = [await open(""), await open("default")];
  equal((await byName.get(["a"])).value, "root");
  for (const kv of [shop, again, root, byName]) kv.close();
});

await check("an atomic operation and a versionstamp are of one database", async () => {
  const [shop, blog] = [await open("shop"), await open("blog")];
  const entry = await shop.get(["a"]);
  const elsewhere = await blog.atomic().check(entry).set(["a"], "blog").commit();
  equal(elsewhere.ok, false);
  const here = await shop.atomic().check(entry).set(["a"], "shop").commit();
  equal(here.ok, true);
  shop.close();
  blog.close();
});

await check("a watch hears of its own database alone", async () => {
  const [shop, blog] = [await open("shop"), await open("blog")];
  const reader = shop.watch<string[]>([["watched"]]).getReader();
  equal((await reader.read()).value![0].value, null);
  await blog.set(["watched"], "of the other");
  await shop.set(["watched"], "of its own");
  const heard = await within(20_000, "the change", reader.read());
  equal(heard.value![0].value, "of its own");
  await reader.cancel();
  shop.close();
  blog.close();
});

await check("names that are none are not opened", async () => {
  for (const name of ["Shop", "a.b", "shop/", "shop/kv.sqlite3", "..%2fshop", "v2", "a".repeat(64)]) {
    await fails(async () => {
      const kv = await open(name);
      await kv.get(["a"]);
    }, /404/);
  }
});

if (Deno.args[1] === "may create") {
  await check("a database is made when it is opened", async () => {
    const name = `new-${crypto.randomUUID().slice(0, 8)}`;
    const kv = await open(name);
    ok((await kv.set(["a"], 1)).ok);
    kv.close();
  });
} else {
  await check("a database that is not there is not made", async () => {
    await fails(async () => {
      const kv = await open("unheard-of");
      await kv.get(["a"]);
    }, /404.*There is no database at this path/s);
  });
}

finish();

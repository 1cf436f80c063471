// A record that keeps its history.
//
//   node history.mjs [DATABASE]
//   deno run -A history.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// The page of a wiki is at ["pages", name], and each of its versions at ["page_versions", name, number], written by the
// same commit. So a version is never missing, and its entry's versionstamp is the one that the page had: whoever kept a
// versionstamp can find what it stood for.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { openKv } from "tuplet";

const VERSIONS_MAX = 5; // older ones are deleted

/** @typedef {{ number: number, text: string, author: string }} Version */

const kv = await openKv(process.argv[2] ?? ":memory:");

/**
 * Writes the next version of a page. seen: the versionstamp of what the author was looking at (null: of no page at all);
 * if it is not the newest any more, nothing is written.
 * @returns {Promise<string | null>} the versionstamp of the new version
 */
async function edit(name, seen, text, author) {
  const page = await kv.get(["pages", name]);
  if (page.versionstamp !== seen) return null;
  /** @type {Version} */
  const version = { number: (page.value?.number ?? 0) + 1, text, author };
  const result = await kv.atomic()
    .check(page)
    .set(["pages", name], version)
    .set(["page_versions", name, version.number], version)
    .delete(["page_versions", name, version.number - VERSIONS_MAX])
    .commit();
  return result.ok ? result.versionstamp : null;
}

/** The versions that there are, the newest first. */
async function history(name) {
  const versions = [];
  for await (const entry of kv.list({ prefix: ["page_versions", name] }, { reverse: true })) {
    versions.push(entry);
  }
  return versions;
}

/** Makes an earlier version the newest. It is written once more: history only grows. */
async function restore(name, number, author) {
  const [page, old] = await kv.getMany([["pages", name], ["page_versions", name, number]]);
  if (old.value === null) return null;
  return await edit(name, page.versionstamp, old.value.text, author);
}

const name = `tuples-${randomUUID()}`;

const first = await edit(name, null, "A tuple is a list.", "ada");
const second = await edit(name, first, "A tuple is a list whose length is fixed.", "grace");
console.log(`versionstamps grow: ${first < second}`);

// Ada saves what she wrote while she looked at the first version. Grace was faster.
console.log(`an edit of an old version: ${await edit(name, first, "A tuple is a row.", "ada") ?? "refused"}`);

await restore(name, 1, "ada");
for (const { value, versionstamp } of await history(name)) {
  const note = versionstamp === second ? ", after the second edit" : "";
  console.log(`version ${value.number} by ${value.author}${note}: ${value.text}`);
}

let newest = (await kv.get(["pages", name])).versionstamp;
for (let i = 1; i <= 4; i++) newest = await edit(name, newest, `Draft ${i}.`, "grace");
console.log(`kept: ${(await history(name)).map(({ value }) => value.number).join(", ")}`);

kv.close();

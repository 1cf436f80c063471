// Settings and secrets in the database, read all at once.
//
//   node environment.mjs [DATABASE]
//   deno run -A environment.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// getMany() reads up to ten keys in one go and from one moment: a deployment that rotates two secrets in one commit is
// seen whole or not at all, which two calls of get() could not promise.

import process from "node:process";
import { openKv } from "tuplet";

const kv = await openKv(process.argv[2] ?? ":memory:");

/** Stores several variables in one commit. @param {Record<string, string>} variables */
async function store(variables) {
  const operation = kv.atomic();
  for (const [name, value] of Object.entries(variables)) operation.set(["env", name], value);
  await operation.commit();
}

/**
 * The values of these variables, by name. The answer has an entry for each key, in the order of the keys; where there
 * is none in the database, its value and its versionstamp are null.
 * @param {string[]} names
 * @returns {Promise<Record<string, string>>}
 */
async function load(names) {
  const entries = await kv.getMany(names.map((name) => ["env", name]));
  const missing = names.filter((_, i) => entries[i].versionstamp === null);
  if (missing.length > 0) throw new Error(`not set: ${missing.join(", ")}`);
  return Object.fromEntries(names.map((name, i) => [name, entries[i].value]));
}

/** A secret is for using, not for showing. */
const mask = (secret) => `${secret.slice(0, 3)}${"*".repeat(secret.length - 3)}`;

const NAMES = ["GITHUB_ACCESS_KEY", "GOOGLE_ACCESS_KEY", "DISCORD_ACCESS_KEY"];

await store({
  DISCORD_ACCESS_KEY: "dis-7d1f",
  GITHUB_ACCESS_KEY: "gh-90210c",
  GOOGLE_ACCESS_KEY: "goo-4e8",
});
for (const [name, value] of Object.entries(await load(NAMES))) console.log(`${name}=${mask(value)}`);

console.log("two of them are rotated");
await store({ GITHUB_ACCESS_KEY: "gh-new-555", GOOGLE_ACCESS_KEY: "goo-new-6" });
for (const [name, value] of Object.entries(await load(NAMES))) console.log(`${name}=${mask(value)}`);

await load([...NAMES, "SLACK_ACCESS_KEY"]).catch((error) => console.log(error.message));

kv.close();

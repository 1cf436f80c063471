// Preferences that are found by user name and by e-mail address.
//
//   node preferences.mjs [DATABASE]
//   deno run -A preferences.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// The preferences stand under ["preferences", username]. Under ["preferences_by_email", email] stands that key: a key is
// a value like any other, and what is read there can be read at once with get().

import process from "node:process";
import { openKv } from "tuplet";

/** @typedef {{ username: string, email: string, theme: string, language: string }} Preferences */

const kv = await openKv(process.argv[2] ?? ":memory:");

/**
 * Stores preferences under both keys in one commit. If the address is a new one, the old one stops leading here. Throws
 * when the address is somebody else's.
 * @param {Preferences} preferences
 */
async function save(preferences) {
  const { username, email } = preferences;
  const key = ["preferences", username];
  const emailKey = ["preferences_by_email", email];
  for (;;) {
    const [before, owner] = await kv.getMany([key, emailKey]);
    if (owner.value !== null && owner.value[1] !== username) throw new Error(`${email} is somebody else's`);
    const operation = kv.atomic().check(before, owner);
    if (before.value !== null) operation.delete(["preferences_by_email", before.value.email]);
    const result = await operation.set(key, preferences).set(emailKey, key).commit();
    if (result.ok) return;
    // Somebody else saved between our reading and our commit: begin again with what is there now.
  }
}

/** Stores what a new user begins with, and leaves alone what is there already. Returns whether it was new. */
async function saveDefaults(username, email) {
  const key = ["preferences", username];
  const result = await kv.atomic()
    .check({ key, versionstamp: null }, { key: ["preferences_by_email", email], versionstamp: null })
    .set(key, { username, email, theme: "light", language: "en" })
    .set(["preferences_by_email", email], key)
    .commit();
  return result.ok;
}

/** @returns {Promise<Preferences | null>} */
async function findByUsername(username) {
  return (await kv.get(["preferences", username])).value;
}

/** @returns {Promise<Preferences | null>} */
async function findByEmail(email) {
  const key = (await kv.get(["preferences_by_email", email])).value;
  return key === null ? null : (await kv.get(key)).value;
}

const show = (preferences) =>
  preferences === null ? "nobody" : `${preferences.username}: ${preferences.theme}, ${preferences.language}`;

await save({ username: "ada", email: "ada@example.org", theme: "dark", language: "en-GB" });
console.log(`defaults for ada: ${await saveDefaults("ada", "ada@example.org") ? "stored" : "not needed"}`);
console.log(`by name     ${show(await findByUsername("ada"))}`);
console.log(`by address  ${show(await findByEmail("ada@example.org"))}`);

await save({ username: "ada", email: "lovelace@example.org", theme: "dark", language: "fr" });
console.log(`by name     ${show(await findByUsername("ada"))}`);
console.log(`old address ${show(await findByEmail("ada@example.org"))}`);
console.log(`new address ${show(await findByEmail("lovelace@example.org"))}`);

console.log(
  `defaults for grace: ${await saveDefaults("grace", "grace@example.org") ? "stored" : "not needed"}`,
);
await save({ username: "grace", email: "lovelace@example.org", theme: "light", language: "en" })
  .catch((error) => console.log(error.message));
console.log(`by name     ${show(await findByUsername("grace"))}`);

for (const { username, email } of [await findByUsername("ada"), await findByUsername("grace")]) {
  await kv.atomic().delete(["preferences", username]).delete(["preferences_by_email", email]).commit();
}
kv.close();

// Users who register, and are found by their id, by their e-mail address and by their role.
//
//   node users.mjs [DATABASE]
//   deno run -A users.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// A user is one entry, ["users", id]. Two more keys lead there:
//
//   ["users_by_email", email]      the id; there is one for each address, so this also keeps addresses unique
//   ["users_by_role", role, id]    the name; many users have a role, so the id is part of the key
//
// What a record and its indexes have in common is that they change in the same commit, or not at all.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { openKv } from "tuplet";

/** @typedef {{ id: string, name: string, email: string, role: string }} User */

const kv = await openKv(process.argv[2] ?? ":memory:");

/**
 * Registers a user, unless the address is taken. A check for the versionstamp null means: no such entry yet.
 * @param {Omit<User, "id">} profile
 * @returns {Promise<User | null>}
 */
async function register(profile) {
  const user = { id: randomUUID(), ...profile };
  const result = await kv.atomic()
    .check({ key: ["users_by_email", user.email], versionstamp: null })
    .set(["users", user.id], user)
    .set(["users_by_email", user.email], user.id)
    .set(["users_by_role", user.role, user.id], user.name)
    .commit();
  return result.ok ? user : null;
}

/** @param {string} email @returns {Promise<User | null>} */
async function findByEmail(email) {
  const id = (await kv.get(["users_by_email", email])).value;
  return id === null ? null : (await kv.get(["users", id])).value;
}

/** The names of all who have a role, in the order of their ids. */
async function namesByRole(role) {
  const names = [];
  for await (const entry of kv.list({ prefix: ["users_by_role", role] })) names.push(entry.value);
  return names;
}

/**
 * Moves a user to another address: the record and the index together. If the user was changed by somebody else since
 * we read, or the address is taken, nothing happens.
 */
async function changeEmail(id, email) {
  const entry = await kv.get(["users", id]);
  if (entry.value === null) return false;
  const result = await kv.atomic()
    .check(entry)
    .check({ key: ["users_by_email", email], versionstamp: null })
    .set(["users", id], { ...entry.value, email })
    .delete(["users_by_email", entry.value.email])
    .set(["users_by_email", email], id)
    .commit();
  return result.ok;
}

/** Deletes a user and everything that leads there. */
async function remove(id) {
  const entry = await kv.get(["users", id]);
  if (entry.value === null) return;
  const { email, role } = entry.value;
  const result = await kv.atomic()
    .check(entry)
    .delete(["users", id])
    .delete(["users_by_email", email])
    .delete(["users_by_role", role, id])
    .commit();
  if (!result.ok) await remove(id); // somebody changed it meanwhile: look again
}

const ada = await register({ name: "Ada", email: "ada@example.org", role: "admin" });
const grace = await register({ name: "Grace", email: "grace@example.org", role: "author" });
console.log(`registered ${ada.name} and ${grace.name}`);

// Two people want the same address at the same moment: one of them gets it.
const rivals = await Promise.all(
  ["Alan", "Alonzo"].map((name) => register({ name, email: "al@example.org", role: "author" })),
);
const winners = rivals.filter((user) => user !== null);
console.log(`of two who wanted al@example.org, ${winners.length} has it`);

const found = await findByEmail("grace@example.org");
console.log(`grace@example.org is ${found.name}, ${found.role}`);
const [authors, admins] = [await namesByRole("author"), await namesByRole("admin")];
console.log(`there are ${authors.length} authors and ${admins.length} admin`);

console.log(`Grace may take Ada's address: ${await changeEmail(grace.id, "ada@example.org")}`);
console.log(`Grace may take a free one: ${await changeEmail(grace.id, "hopper@example.org")}`);
console.log(`grace@example.org is ${(await findByEmail("grace@example.org"))?.name ?? "nobody"}`);
console.log(`hopper@example.org is ${(await findByEmail("hopper@example.org"))?.name ?? "nobody"}`);

for (const user of [ada, grace, ...winners]) await remove(user.id);
console.log(`after all have left there are ${(await namesByRole("author")).length} authors`);

kv.close();

// Sorting: entries lie in the order of their keys, so an index is an order.
//
//   node sorting.mjs [DATABASE]
//   deno run -A sorting.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// Keys are compared part by part. Text goes by its bytes in UTF-8 (so all capitals come before small letters), numbers
// by size, and parts of different types by type: bytes, text, bigints, numbers, booleans. What a list is to be sorted by
// must be made into a part that compares so.

import process from "node:process";
import { openKv } from "tuplet";

const kv = await openKv(process.argv[2] ?? ":memory:");

const people = [
  { id: 1, first: "Grace", last: "Hopper", joined: "2023-11-05", points: 9 },
  { id: 2, first: "Ada", last: "Lovelace", joined: "2024-02-29", points: 100 },
  { id: 3, first: "Alan", last: "Turing", joined: "2023-01-17", points: 10 },
  { id: 4, first: "Dilhan", last: "Turing", joined: "2024-07-01", points: 10 },
  { id: 5, first: "Barbara", last: "Liskov", joined: "2022-06-30", points: 55 },
];

// Each index ends with the id: two people may have the same name or the same points, and the same key would mean the
// same entry. Dates are text in the form YYYY-MM-DD, whose order as text is their order in time.
for (const person of people) {
  const { id, first, last, joined, points } = person;
  await kv.atomic()
    .set(["people", id], person)
    .set(["people_by_name", last, first, id], person)
    .set(["people_by_joined", joined, id], person)
    .set(["people_by_points", points, id], person)
    .commit();
}

/** The people a list gives, each as a word or two. */
async function show(selector, options, describe) {
  const found = [];
  for await (const { value } of kv.list(selector, options)) found.push(describe(value));
  return found.join(", ");
}

const name = ({ first, last }) => `${last} ${first}`;
const joined = ({ first, joined }) => `${first} ${joined}`;
const points = ({ first, points }) => `${first} ${points}`;

console.log(`by name:        ${await show({ prefix: ["people_by_name"] }, {}, name)}`);
console.log(`newest first:   ${await show({ prefix: ["people_by_joined"] }, { reverse: true }, joined)}`);
const best = await show({ prefix: ["people_by_points"] }, { reverse: true, limit: 2 }, points);
console.log(`most points:    ${best}`);

// A range within an order: from start, and up to but without end. An end is a place between keys, not a key that must
// exist: all names that begin with L end before M.
const withL = { start: ["people_by_name", "L"], end: ["people_by_name", "M"] };
console.log(`names with L:   ${await show(withL, {}, name)}`);
const in2023 = { start: ["people_by_joined", "2023"], end: ["people_by_joined", "2024"] };
console.log(`joined in 2023: ${await show(in2023, {}, joined)}`);
const atLeast50 = { prefix: ["people_by_points"], start: ["people_by_points", 50] };
console.log(`50 and more:    ${await show(atLeast50, {}, points)}`);

// The types of parts, in their order. The numbers are in order of size; as text they are not.
const parts = [true, 10, "9", 10n, 9, "10", new Uint8Array([255]), false, "a", 9n];
const mixing = kv.atomic();
for (const part of parts) mixing.set(["mixed", part], part);
await mixing.commit();
const describe = (part) => {
  if (part instanceof Uint8Array) return `bytes ${part}`;
  return typeof part === "bigint" ? `${part}n` : JSON.stringify(part);
};
console.log(`mixed types:    ${await show({ prefix: ["mixed"] }, {}, describe)}`);

kv.close();

// A long list, page by page.
//
//   node pagination.mjs [DATABASE]
//   deno run -A pagination.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// A list that is being read has a cursor: text that says which entry came last. Whoever has it can go on from there,
// later and in another process; in a web application it goes into the link to the next page. Unlike a page's number it
// stays right when entries come and go meanwhile: nothing is shown twice and nothing is left out.

import process from "node:process";
import { openKv } from "tuplet";

const PAGE_SIZE = 3;

const kv = await openKv(process.argv[2] ?? ":memory:");

/**
 * One page of people by their age.
 *
 * It asks for one entry more than it shows. If that one comes there is another page, which begins after the cursor of
 * the last that is shown. So no page is ever empty.
 * @param {{ cursor?: string, reverse?: boolean }} options
 * @returns {Promise<{ people: { name: string, age: number }[], next: string | null }>}
 */
async function readPage({ cursor, reverse = false } = {}) {
  const entries = kv.list({ prefix: ["people_by_age"] }, { limit: PAGE_SIZE + 1, cursor, reverse });
  const people = [];
  let next = null;
  for await (const entry of entries) {
    if (people.length === PAGE_SIZE) return { people, next };
    people.push(entry.value);
    next = entries.cursor;
  }
  return { people, next: null };
}

const show = (people) => people.map(({ name, age }) => `${name} ${age}`).join(", ");

const ages = { Ada: 36, Alan: 41, Barbara: 84, Donald: 86, Edsger: 72, Grace: 85, John: 53, Katherine: 101 };
const filling = kv.atomic();
for (const [name, age] of Object.entries(ages)) filling.set(["people_by_age", age, name], { name, age });
await filling.commit();

let number = 1;
let cursor;
do {
  const page = await readPage({ cursor });
  console.log(`page ${number++}: ${show(page.people)}`);
  cursor = page.next;
} while (cursor !== null);

// The oldest first. A cursor is for the list it came from: the same selector, and the same direction.
const oldest = await readPage({ reverse: true });
console.log(`oldest: ${show(oldest.people)}`);

// Between two pages the list changes: the entry at which the first page ended is deleted, somebody new comes before
// it, and another after it.
const first = await readPage();
await kv.atomic()
  .delete(["people_by_age", 53, "John"])
  .set(["people_by_age", 17, "Linus"], { name: "Linus", age: 17 })
  .set(["people_by_age", 60, "Margaret"], { name: "Margaret", age: 60 })
  .commit();
const second = await readPage({ cursor: first.next });
console.log(`then:   ${show(second.people)}`);

await kv.atomic().delete(["people_by_age", 17, "Linus"]).delete(["people_by_age", 60, "Margaret"]).commit();
kv.close();

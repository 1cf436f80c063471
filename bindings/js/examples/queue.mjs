// Work for later: a queue with delays, retries and dead letters.
//
//   node queue.mjs [DATABASE]
//   deno run -A queue.mjs [DATABASE]
//
// DATABASE: a path, ":memory:" (the default), or a server's URL with its token in DENO_KV_ACCESS_TOKEN.
//
// A message is as durable as an entry: it is in the database until a listener has handled it. If the handler throws, the
// message comes again, after the times of its backoffSchedule; when these are used up, its value is stored under its
// keysIfUndelivered. A message may also come again although it was handled (a process that dies cannot say that it was
// done), so a handler must do no harm twice.
//
// The listener may as well be another process, or many: each message goes to one of them. There is one queue in a
// database; programs that share it tell their messages apart by what is in them.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { openKv } from "tuplet";

/** @typedef {{ type: "mail", run: string, id: string, to: string, text: string }} Mail */

const kv = await openKv(process.argv[2] ?? ":memory:");
const run = randomUUID(); // this run of the program
const began = performance.now();
const attempts = new Map();

function log(text) {
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${text}`);
}

/**
 * The handler. This one only says that it sent a mail, and knows an address that never works and one that works at the
 * second attempt.
 * @param {Mail} mail
 */
async function handle(mail) {
  if (mail?.type !== "mail" || mail.run !== run) throw new Error("not for this program");
  const attempt = (attempts.get(mail.id) ?? 0) + 1;
  attempts.set(mail.id, attempt);
  if (mail.to === "nobody@example.org") throw new Error("there is no such address");
  if (mail.to === "alan@example.org" && attempt === 1) throw new Error("the mail server is busy");

  // Whoever handles the same mail a second time fails this check, and counts nothing twice.
  const result = await kv.atomic()
    .check({ key: ["mail_sent", run, mail.id], versionstamp: null })
    .set(["mail_sent", run, mail.id], mail.to, { expireIn: 86_400_000 }) // a day: no message lives so long
    .sum(["mail_count", run], 1n)
    .commit();
  if (result.ok) log(`sent to ${mail.to}, attempt ${attempt}: ${mail.text}`);
}

// Resolved when the database is closed. Until then a listener keeps the process alive.
const listening = kv.listenQueue(handle);

/** A message about a mail. @returns {Mail} */
function mail(to, text) {
  return { type: "mail", run, id: randomUUID(), to, text };
}

await kv.enqueue(mail("ada@example.org", "half a second later"), { delay: 500 });
await kv.enqueue(mail("grace@example.org", "at once"));
await kv.enqueue(mail("alan@example.org", "in spite of trouble"), { backoffSchedule: [200] });

// Three attempts in vain, and the message is stored where somebody looks for it.
const deadLetterKey = ["dead_letters", run];
await kv.enqueue(mail("nobody@example.org", "in vain"), {
  backoffSchedule: [50, 50],
  keysIfUndelivered: [deadLetterKey],
});

// An order and the mail about it: both or neither, since the enqueue is part of the commit.
await kv.atomic()
  .check({ key: ["purchases", run], versionstamp: null })
  .set(["purchases", run], { item: "servo" })
  .enqueue(mail("barbara@example.org", "thank you for your order"))
  .commit();

// Watch what the handler leaves behind, until everything is there.
for await (const [count, deadLetter] of kv.watch([["mail_count", run], deadLetterKey])) {
  if (count.value?.value !== 4n || deadLetter.value === null) continue;
  const { id, to, text } = deadLetter.value;
  log(`dead letter after ${attempts.get(id)} attempts, to ${to}: ${text}`);
  break;
}

kv.close();
await listening;

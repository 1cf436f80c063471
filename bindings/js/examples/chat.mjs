// Chat rooms, in a terminal.
//
//   node chat.mjs DATABASE ROOM NAME
//   deno run -A chat.mjs DATABASE ROOM NAME
//
// DATABASE: a path, or a server's URL with its token in DENO_KV_ACCESS_TOKEN. Each line that is typed is a message to
// the room; what anybody says appears at once. It ends with the input (Ctrl-D), or with Ctrl-C. Start it twice, in Node
// and in Deno if you like, on one file or on one server.
//
// A message is at ["messages", room, number], and ["last_message", room] is the number of the newest. A watch tells the
// newest state, not every state on the way; so it is asked only how far the room has come, and the messages between
// there and the last one seen are listed. Nobody misses one, however fast they come and however slow the reader is.

import process from "node:process";
import { createInterface } from "node:readline";
import { openKv } from "tuplet";

const RECENT = 20; // messages shown to who comes in

const [database, room, name] = process.argv.slice(2);
if (name === undefined) {
  console.error("usage: chat.mjs DATABASE ROOM NAME");
  process.exit(2);
}

const kv = await openKv(database);
const lastKey = ["last_message", room];

/** Adds a message to the room. Two at the same moment want the same number: one gets it, the other tries the next. */
async function say(text) {
  for (;;) {
    const last = await kv.get(lastKey);
    const number = (last.value ?? 0) + 1;
    const result = await kv.atomic()
      .check(last)
      .set(lastKey, number)
      .set(["messages", room, number], { name, text, at: new Date() })
      .commit();
    if (result.ok) return;
  }
}

/** Shows what is said, until the updates are cancelled. */
async function show(updates) {
  let seen = null;
  for (;;) {
    const { done, value } = await updates.read();
    if (done) return;
    const last = value[0].value ?? 0;
    if (seen === null) {
      console.log(`${name} is in ${room}, ${last === 0 ? "which is empty" : "where people talk"}`);
      seen = Math.max(0, last - RECENT);
    }
    const news = { start: ["messages", room, seen + 1], end: ["messages", room, last + 1] };
    for await (const { value: message } of kv.list(news)) {
      console.log(`${message.at.toTimeString().slice(0, 5)} ${message.name}: ${message.text}`);
    }
    seen = last;
  }
}

const updates = kv.watch([lastKey]).getReader();
const showing = show(updates);

const lines = createInterface({ input: process.stdin });
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => lines.close());
for await (const line of lines) {
  if (line.trim() !== "") await say(line);
}

await updates.cancel();
await showing;
kv.close();

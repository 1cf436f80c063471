// Chat rooms: one guest in Node and one in Deno, in one room, on a file and on a server.

import assert from "node:assert/strict";
import test from "node:test";
import { eventually } from "../../../../test/clients/lib/harness.mjs";
import { RunningExample, SHARED_DATABASES, WAIT_MS } from "../lib/examples.mjs";

const LINE = /^\d\d:\d\d (\w+: .*)$/;

/** What has been said in the room, as this guest saw it. */
const said = (guest) => guest.lines.flatMap((line) => LINE.exec(line)?.[1] ?? []);

async function enter(t, runtime, database, room, name) {
  const guest = RunningExample.start(t, runtime, "chat.mjs", [database, room, name]);
  await guest.printed(new RegExp(`^${name} is in ${room}`));
  return guest;
}

for (const [name, open] of Object.entries(SHARED_DATABASES)) {
  test(`two guests of a room on ${name} read the same, whoever speaks and however fast`, async (t) => {
    const database = await open(t);
    const ada = await enter(t, "Node", database, "lobby", "ada");
    const bob = await enter(t, "Deno", database, "lobby", "bob");
    const elsewhere = await enter(t, "Node", database, "kitchen", "eve");

    ada.child.stdin.write("hello\n");
    await bob.printed(/ ada: hello\n/);
    bob.child.stdin.write("hello ada\n");
    await ada.printed(/ bob: hello ada\n/);

    // Both at once: nothing is lost, nothing comes twice, and the order is the same for both.
    const sentences = (who) => Array.from({ length: 40 }, (_, i) => `${who}: ${i} of 40`);
    for (const [guest, who] of [[ada, "ada"], [bob, "bob"]]) {
      guest.child.stdin.write(sentences(who).map((line) => `${line.slice(5)}\n`).join(""));
    }
    for (const guest of [ada, bob]) {
      await eventually(WAIT_MS, `all that was said, for ${guest.name}`, () => said(guest).length >= 82);
    }
    assert.deepEqual(said(ada), said(bob));
    for (const who of ["ada", "bob"]) {
      assert.deepEqual(said(ada).slice(2).filter((line) => line.startsWith(who)), sentences(who));
    }

    // Who comes later sees the latest.
    const late = await enter(t, "Deno", database, "lobby", "cyd");
    await eventually(WAIT_MS, "what was said before", () => said(late).length >= 20);
    assert.deepEqual(said(late), said(ada).slice(-20));
    assert.deepEqual(said(elsewhere), []);

    for (const guest of [ada, bob, late]) guest.child.stdin.end();
    for (const guest of [ada, bob, late]) await guest.ended();
    await elsewhere.stop("SIGINT");
  });
}

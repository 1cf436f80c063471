// The examples that run to an end: in Node and in Deno, in memory, on a file and on a server, each time with the very
// output that a reader of the program expects; and the unit tests that are an example.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { cleanEnvironment, DENO, run, TOKEN, tuplet } from "../../../../test/clients/lib/harness.mjs";
import { EXAMPLES, runExample, RUNTIMES, SHARED_DATABASES } from "../lib/examples.mjs";

/** What each program prints, whatever runs it and wherever its data is. */
const EXPECTED = {
  "users.mjs": [
    "registered Ada and Grace",
    "of two who wanted al@example.org, 1 has it",
    "grace@example.org is Grace, author",
    "there are 2 authors and 1 admin",
    "Grace may take Ada's address: false",
    "Grace may take a free one: true",
    "grace@example.org is nobody",
    "hopper@example.org is Grace",
    "after all have left there are 0 authors",
  ],
  "preferences.mjs": [
    "defaults for ada: not needed",
    "by name     ada: dark, en-GB",
    "by address  ada: dark, en-GB",
    "by name     ada: dark, fr",
    "old address nobody",
    "new address ada: dark, fr",
    "defaults for grace: stored",
    "lovelace@example.org is somebody else's",
    "by name     grace: light, en",
  ],
  "environment.mjs": [
    "GITHUB_ACCESS_KEY=gh-******",
    "GOOGLE_ACCESS_KEY=goo****",
    "DISCORD_ACCESS_KEY=dis*****",
    "two of them are rotated",
    "GITHUB_ACCESS_KEY=gh-*******",
    "GOOGLE_ACCESS_KEY=goo******",
    "DISCORD_ACCESS_KEY=dis*****",
    "not set: SLACK_ACCESS_KEY",
  ],
  "pagination.mjs": [
    "page 1: Ada 36, Alan 41, John 53",
    "page 2: Edsger 72, Barbara 84, Grace 85",
    "page 3: Donald 86, Katherine 101",
    "oldest: Katherine 101, Donald 86, Grace 85",
    "then:   Margaret 60, Edsger 72, Barbara 84",
  ],
  "sorting.mjs": [
    "by name:        Hopper Grace, Liskov Barbara, Lovelace Ada, Turing Alan, Turing Dilhan",
    "newest first:   Dilhan 2024-07-01, Ada 2024-02-29, Grace 2023-11-05, Alan 2023-01-17, Barbara 2022-06-30",
    "most points:    Ada 100, Barbara 55",
    "names with L:   Liskov Barbara, Lovelace Ada",
    "joined in 2023: Alan 2023-01-17, Grace 2023-11-05",
    "50 and more:    Barbara 55, Ada 100",
    'mixed types:    bytes 255, "10", "9", "a", 9n, 10n, 9, 10, false, true',
  ],
  "history.mjs": [
    "versionstamps grow: true",
    "an edit of an old version: refused",
    "version 3 by ada: A tuple is a list.",
    "version 2 by grace, after the second edit: A tuple is a list whose length is fixed.",
    "version 1 by ada: A tuple is a list.",
    "kept: 7, 6, 5, 4, 3",
  ],
  "cart.mjs": [
    "five items:      total 113.24, cheapest 8.99, dearest 60.00",
    "without servo:   total 104.25, cheapest 10.00, dearest 60.00",
    "wires, no kit:   total 48.50, cheapest 4.25, dearest 18.75",
    "nothing is left: total -, cheapest -, dearest -",
  ],
};

/** Programs with tests of their own, here and in examples_*.test.mjs. */
const OTHERS = [
  "chat.mjs",
  "hits.mjs",
  "queue.mjs",
  "orders/fulfilment.mjs",
  "orders/orders.mjs",
  "orders/orders.test.mjs",
  "orders/server.mjs",
];

const runtimes = Object.keys(RUNTIMES);

for (const [program, expected] of Object.entries(EXPECTED)) {
  for (const runtime of runtimes) {
    test(`${program} in ${runtime}, in memory`, async () => {
      assert.deepEqual(await runExample(runtime, program), expected);
    });
  }
  for (const [name, open] of Object.entries(SHARED_DATABASES)) {
    test(`${program} in both, one after the other, on ${name}`, async (t) => {
      const database = await open(t);
      for (const runtime of runtimes) {
        assert.deepEqual(await runExample(runtime, program, [database]), expected);
      }
    });
  }
}

/** Counters by name, and the days of "/" added up. */
function readHits(lines) {
  const hits = { days: 0 };
  for (const line of lines) {
    const [, name, day, count] = /^(\S+|in all)( on \d{4}-\d\d-\d\d)?: (\d+)$/.exec(line);
    if (day) hits.days += Number(count);
    else hits[name] = Number(count);
  }
  return hits;
}

for (const runtime of runtimes) {
  test(`hits.mjs in ${runtime}, in memory`, async () => {
    const hits = readHits(await runExample(runtime, "hits.mjs"));
    assert.deepEqual(hits, { "/": 3, "/about": 1, "/news": 2, "in all": 6, "days": 3 });
  });
}

for (const [name, open] of Object.entries(SHARED_DATABASES)) {
  test(`hits.mjs in six processes at once counts every hit on ${name}`, async (t) => {
    const database = await open(t);
    const pages = ["/", ...Array(9).fill("/busy")];
    const runs = [1, 2, 3].flatMap(() =>
      runtimes.map((runtime) => runExample(runtime, "hits.mjs", [database, ...pages]))
    );
    await Promise.all(runs);
    const hits = readHits(await runExample("Node", "hits.mjs", [database, "/last"]));
    assert.deepEqual(hits, { "/": 6, "/busy": 54, "/last": 1, "in all": 61, "days": 6 });
  });
}

/** Checks what queue.mjs printed: everything was delivered when it was due, and the dead letter came. */
function assertQueueRan(lines) {
  const events = lines.map((line) => /^(\d+\.\d) s: (.*)$/.exec(line));
  assert.deepEqual(events.map(([, , event]) => event).sort(), [
    "dead letter after 3 attempts, to nobody@example.org: in vain",
    "sent to ada@example.org, attempt 1: half a second later",
    "sent to alan@example.org, attempt 2: in spite of trouble",
    "sent to barbara@example.org, attempt 1: thank you for your order",
    "sent to grace@example.org, attempt 1: at once",
  ]);
  const secondsOf = (name) => Number(events.find(([, , event]) => event.includes(name))[1]);
  assert.ok(secondsOf("ada@") >= 0.5, "the delayed one waited for its time");
  assert.ok(secondsOf("alan@") >= 0.2, "the second attempt came after its interval");
}

for (const runtime of runtimes) {
  test(`queue.mjs in ${runtime}, in memory`, async () => {
    assertQueueRan(await runExample(runtime, "queue.mjs"));
  });
  for (const [name, open] of Object.entries(SHARED_DATABASES)) {
    test(`queue.mjs in ${runtime}, on ${name}, where the dead letter is found afterwards`, async (t) => {
      const database = await open(t);
      assertQueueRan(await runExample(runtime, "queue.mjs", [database]));
      const env = { DENO_KV_ACCESS_TOKEN: TOKEN };
      const { stdout, stderr } = await tuplet(["list", "--db", database, '["dead_letters"]'], { env });
      assert.match(stdout, /^\["dead_letters", "[0-9a-f-]{36}"\]\t.*text: "in vain"/, stderr);
      assert.equal(stdout.trimEnd().split("\n").length, 1);
    });
  }
}

const UNIT_TESTS = {
  Node: [process.execPath, ["--test", "--test-reporter=tap", "orders.test.mjs"], /^# pass 6$/m],
  Deno: [DENO, ["test", "-A", "--no-check", "--no-lock", "orders.test.mjs"], /\b6 passed \| 0 failed\b/],
};

for (const [runtime, [command, args, summary]] of Object.entries(UNIT_TESTS)) {
  test(`the unit tests of orders in ${runtime}`, async () => {
    const { code, stdout, stderr } = await run(command, args, {
      cwd: join(EXAMPLES, "orders"),
      env: cleanEnvironment(),
    });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, summary);
  });
}

test("every example is tested, and is in the list of examples", async () => {
  const names = await readdir(EXAMPLES, { recursive: true });
  const programs = names.filter((name) => name.endsWith(".mjs")).sort();
  assert.deepEqual(programs, [...Object.keys(EXPECTED), ...OTHERS].sort());
  const page = await readFile(join(EXAMPLES, "README.md"), "utf8");
  for (const program of programs) {
    assert.ok(page.includes(`(${program})`), `README.md has a link to ${program}`);
  }
});

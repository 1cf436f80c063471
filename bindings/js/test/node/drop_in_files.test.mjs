// One file, two processes at the same time: Deno with its built-in database, and the package in Node. What the one writes
// the other one reads, watches, checks and is handed from the queue.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { KvU64, openKv } from "../../dist/index.js";
import { cleanEnvironment, DENO, eventually, temporaryFolder, within } from "../../../../test/clients/lib/harness.mjs";

const PARTNER = join(dirname(dirname(fileURLToPath(import.meta.url))), "drop_in", "partner.mjs");
const WAIT_MS = 30_000;

/** A file that is open in both: our `kv`, and `there`, which runs a function's body in Deno and gives what it returns. */
async function share(t) {
  const path = join(await temporaryFolder(t), "kv.sqlite3");
  const kv = await openKv(path);
  t.after(() => kv[Symbol.asyncDispose]());
  const args = ["run", "-A", "--unstable-kv", "--no-config", "--no-lock", PARTNER, path];
  const child = spawn(DENO, args, { env: cleanEnvironment(), stdio: ["pipe", "pipe", "ignore"] });
  t.after(async () => {
    child.stdin.end();
    await within(WAIT_MS, "the end of Deno", once(child, "close")).finally(() => child.kill("SIGKILL"));
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const there = async (body) => {
    child.stdin.write(`${JSON.stringify(body)}\n`);
    const { value, done } = await within(WAIT_MS, "Deno's answer", answers.next());
    assert.ok(!done, "Deno has ended");
    const answer = JSON.parse(value);
    assert.equal(answer.error, undefined);
    return answer.value;
  };
  assert.equal(await there("return 1"), 1);
  return { kv, there };
}

test("what is set there is read here, and the other way round", async (t) => {
  const { kv, there } = await share(t);
  const stamp = await there(`
    const { versionstamp } = await kv.set(["a", 1n, new Uint8Array([1])], { list: new Map([[1, new Date(5)]]) });
    await kv.set(["n"], new Deno.KvU64(5n));
    await kv.set(["text"], "żółw");
    return versionstamp;`);
  const entry = await kv.get(["a", 1n, new Uint8Array([1])]);
  assert.equal(entry.versionstamp, stamp);
  assert.deepEqual(entry.value, { list: new Map([[1, new Date(5)]]) });
  assert.deepEqual((await kv.get(["n"])).value, new KvU64(5n));
  assert.equal((await kv.get(["text"])).value, "żółw");

  const { versionstamp } = await kv.atomic().sum(["n"], 2n).set(["b"], { big: 2n ** 70n }).delete(["text"]).commit();
  assert.ok(versionstamp > stamp);
  const found = await there(`
    const [n, b, text] = await kv.getMany([["n"], ["b"], ["text"]]);
    return [String(n.value), n.value instanceof Deno.KvU64, String(b.value.big), b.versionstamp, text.versionstamp];`);
  assert.deepEqual(found, ["7", true, String(2n ** 70n), versionstamp, null]);
});

test("a check fails when the other one was faster", async (t) => {
  const { kv, there } = await share(t);
  await kv.set(["a"], 1);
  const entry = await kv.get(["a"]);
  await there(`memory.entry = await kv.get(["a"]); await kv.set(["a"], 2);`);
  assert.deepEqual(await kv.atomic().check(entry).set(["a"], 3).commit(), { ok: false });
  assert.equal((await kv.atomic().check(await kv.get(["a"])).set(["a"], 4).commit()).ok, true);
  assert.deepEqual(await there(`return kv.atomic().check(memory.entry).set(["a"], 5).commit()`), { ok: false });
  assert.equal((await kv.get(["a"])).value, 4);
});

test("both increment at the same time, and nothing is lost", async (t) => {
  const { kv, there } = await share(t);
  const increments = 100;
  const working = there(`
    let busy = 0;
    for (let done = 0; done < ${increments};) {
      try {
        const entry = await kv.get(["count"]);
        if ((await kv.atomic().check(entry).set(["count"], (entry.value ?? 0) + 1).commit()).ok) done++;
      } catch (error) {
        if (!/locked|busy/i.test(error.message) || ++busy > 10_000) throw error;
      }
    }`);
  for (let done = 0; done < increments;) {
    const entry = await kv.get(["count"]);
    if ((await kv.atomic().check(entry).set(["count"], (entry.value ?? 0) + 1).commit()).ok) done++;
  }
  await working;
  assert.equal((await kv.get(["count"])).value, 2 * increments);
});

test("a list goes on there from a cursor that was made here, and the other way round", async (t) => {
  const { kv, there } = await share(t);
  for (let i = 0; i < 6; i++) await kv.set(["a", i], i);
  const list = kv.list({ prefix: ["a"] }, { limit: 2 });
  for await (const _entry of list);
  const [values, cursor] = await there(`
    const list = kv.list({ prefix: ["a"] }, { limit: 2, cursor: ${JSON.stringify(list.cursor)} });
    const values = [];
    for await (const { value } of list) values.push(value);
    return [values, list.cursor];`);
  assert.deepEqual(values, [2, 3]);
  const rest = [];
  for await (const { value } of kv.list({ prefix: ["a"] }, { cursor })) rest.push(value);
  assert.deepEqual(rest, [4, 5]);
});

test("a watch here tells what is set there", async (t) => {
  const { kv, there } = await share(t);
  const reader = kv.watch([["a"], ["b"]]).getReader();
  await reader.read();
  await there(`await kv.set(["b"], "set there")`);
  const { value } = await within(WAIT_MS, "the change", reader.read());
  assert.deepEqual(value.map((entry) => entry.value), [null, "set there"]);
  await there(`await kv.delete(["b"])`);
  assert.equal((await within(WAIT_MS, "the deletion", reader.read())).value[1].value, null);
  await reader.cancel();
});

test("a watched range is to be read again when something is set there", async (t) => {
  const { kv, there } = await share(t);
  const reader = kv.watchRange({ prefix: ["a"] }).getReader();
  await reader.read();
  await there(`await kv.set(["a", 1], 1)`);
  const { value } = await within(WAIT_MS, "the change", reader.read());
  assert.equal(value.reread, true);
  const found = [];
  for await (const entry of kv.list({ prefix: ["a"] })) found.push(entry.value);
  assert.deepEqual(found, [1]);
  await reader.cancel();
});

test("what is enqueued there is handled here", async (t) => {
  const { kv, there } = await share(t);
  const seen = [];
  kv.listenQueue((message) => {
    seen.push(message);
    if (message.fail) throw new Error("this message fails, as it should");
  });
  await there(`
    await kv.enqueue({ list: new Set([1, 2n]) });
    await kv.atomic().set(["with"], 1).enqueue({ fail: true }, { backoffSchedule: [1], keysIfUndelivered: [["dead"]] })
      .commit();`);
  await eventually(WAIT_MS, "the dead letter", async () => (await kv.get(["dead"])).versionstamp !== null);
  assert.deepEqual(seen.find(({ list }) => list), { list: new Set([1, 2n]) });
  assert.equal(seen.filter(({ fail }) => fail).length, 2);
  assert.deepEqual(await there(`return (await kv.get(["dead"])).value`), { fail: true });
});

test("what is enqueued here is handled there", async (t) => {
  const { kv, there } = await share(t);
  await there(`
    memory.seen = [];
    kv.listenQueue((message) => {
      memory.seen.push(message);
      if (message.fail) throw new Error("as it should");
    });`);
  await kv.enqueue({ from: "here" });
  await kv.enqueue({ fail: true }, { backoffSchedule: [], keysIfUndelivered: [["dead"]] });
  // Deno looks for messages of others when it enqueues one itself.
  await eventually(WAIT_MS, "three messages there", async () => {
    await there(`await kv.enqueue({ from: "there" })`);
    return there(`return memory.seen.some(({ from }) => from === "here") && memory.seen.some(({ fail }) => fail)`);
  });
  await eventually(WAIT_MS, "the dead letter", async () => (await kv.get(["dead"])).versionstamp !== null);
  assert.deepEqual((await kv.get(["dead"])).value, { fail: true });
});

test("both listen, and each message is handled once", async (t) => {
  const { kv, there } = await share(t);
  const here = [];
  await there(`memory.seen = []; kv.listenQueue((message) => { memory.seen.push(message); });`);
  kv.listenQueue((message) => {
    here.push(message);
  });
  for (let i = 0; i < 20; i++) {
    await kv.enqueue(i);
    await there(`await kv.enqueue(${100 + i})`);
  }
  let handled;
  await eventually(WAIT_MS, "forty messages", async () => {
    handled = [...here, ...await there("return memory.seen")];
    return handled.length >= 40;
  });
  assert.equal(new Set(handled).size, 40);
  assert.equal(handled.length, 40);
});

// The addon as it is, with hooks that do the least there is to do, and what its tests share.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { native } from "../../dist/native.js";

const buffer = new Uint8Array(4096);

export const hooks = {
  buffer,
  versionMax: 15,
  decode: (data) => deserialize(typeof data === "number" ? buffer.slice(0, data) : data),
  bytes: (size) => buffer.slice(0, size),
  u64: (value) => ({ value }),
  encoded: (encoding, data) => ({ encoding, data }),
  entry: (key, value, versionstamp) => ({ key, value, versionstamp }),
  error: (status, message) => Object.assign(new Error(message), { status }),
};

native.setup(hooks);

export { native };

export const CLOSED = -9;
export const MISUSE = -1;

export const v8 = (value) => [1, serialize(value)];
export const u64 = (value) => [2, value];
export const bytes = (...numbers) => [3, new Uint8Array(numbers)];

export const openOptions = {
  readOnly: false,
  relaxed: false,
  cacheKib: 0,
  accessToken: null,
  caFile: null,
  timeoutMs: 0,
  http: 0,
};

export const listOptions = { limit: 0, batchSize: 0, reverse: false, cursor: "", eventual: false, encoded: false };

export const everything = { prefix: [], start: undefined, end: undefined };

/** A folder that is removed when the test ends. */
export async function temporaryFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), "tuplet-addon-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A database that is closed when the test ends, unless it has been. */
export async function openDatabase(t, path = ":memory:", options = {}) {
  const database = await native.open(path, { ...openOptions, ...options });
  t.after(() => {
    try {
      return native.close(database);
    } catch (error) {
      if (error.status !== CLOSED) throw error;
    }
  });
  return database;
}

/** All entries of a list. */
export async function collect(database, selector = everything, options = {}) {
  const list = native.listOpen(database, selector, { ...listOptions, ...options });
  const entries = [];
  for (let entry; (entry = await native.listNext(list)) !== undefined; ) entries.push(entry);
  native.listClose(list);
  return entries;
}

export function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `check` gives something. */
export async function until(check, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} seconds for ${check}`);
    await delay(5);
  }
}

// What the numbers were measured on.

import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, realpathSync, unlinkSync, writeSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

const BLOCK_SIZE = 8192;
const BLOCKS = 128;
const SYNCS = 256;

/** The file system and the device that a folder is on: of the mounts above it the one with the longest path. */
function fileSystemOf(directory) {
  const path = realpathSync(directory) + "/";
  let found = { size: -1 };
  for (const line of readFileSync("/proc/self/mounts", "utf8").trim().split("\n")) {
    const [device, mount, type] = line.split(" ");
    const folder = mount === "/" ? "/" : mount + "/";
    if (path.startsWith(folder) && folder.length >= found.size) found = { size: folder.length, device, type };
  }
  if (/^(tmpfs|ramfs)$/.test(found.type)) {
    throw new Error(`${directory} is memory (${found.type}): durable writes need a disk, give one with --dir`);
  }
  return `${found.type} on ${found.device}`;
}

/** What every durable commit waits for at the least, in microseconds. */
function syncTime(directory) {
  const path = join(directory, "sync");
  const file = openSync(path, "w");
  let begun = 0;
  for (let i = 0; i < BLOCKS + SYNCS; i++) {
    if (i === BLOCKS) {
      fsyncSync(file);
      begun = performance.now();
    }
    writeSync(file, new Uint8Array(BLOCK_SIZE).fill(i), 0, BLOCK_SIZE, (i % BLOCKS) * BLOCK_SIZE);
    if (i >= BLOCKS) fdatasyncSync(file);
  }
  closeSync(file);
  unlinkSync(path);
  return ((performance.now() - begun) / SYNCS) * 1000;
}

/** Lines of text. Throws when the folder is on no disk, where nothing is durable. */
export function describeMachine(directory) {
  const load = loadavg()[0].toFixed(1);
  const fileSystem = fileSystemOf(directory);
  return [
    `${cpus()[0].model}, ${cpus().length} cores, Linux ${release()}, load ${load} when it began`,
    `data on ${fileSystem}; one fdatasync of 8 KiB there takes ${syncTime(directory).toFixed(0)} µs`,
  ];
}

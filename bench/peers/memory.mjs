// How much memory a process has, by Linux's own tables.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MS = 100;

/** Of the text of /proc/PID/status: { resident, peak } in bytes. */
export function readMemory(status) {
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)[1]) * 1024;
  const resident = field("VmRSS");
  return { resident, peak: Math.max(resident, field("VmHWM")) }; // Linux counts coarsely, each in its own way
}

/** The most that the process had at any look while the work lasts, and its own peak since it began. */
export async function memoryWhile(pid, work) {
  let most = { resident: 0, peak: 0 };
  let over = false;
  const done = work.finally(() => (over = true));
  done.catch(() => {}); // awaited below
  while (!over) {
    const now = readMemory(readFileSync(`/proc/${pid}/status`, "utf8"));
    most = { resident: Math.max(most.resident, now.resident), peak: Math.max(most.peak, now.peak) };
    await Promise.race([sleep(LOOK_EVERY_MS), done.catch(() => {})]);
  }
  await done;
  return most;
}

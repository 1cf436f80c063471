// How much processor time a server and its client take, by Linux's own tables: seconds that both spent, whoever else had
// the machine meanwhile.

import { readFileSync } from "node:fs";

const TICKS_A_SECOND = 100; // in which Linux tells it to programs, on every machine
const OWN = [14, 15]; // fields of proc(5): in the program and in the system
const CHILDREN = [16, 17]; // the same of its children that have ended

/** Of the text of /proc/PID/stat: { own, children }, in seconds. */
export function readProcessorTime(stat) {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold anything; 3 is the next
  const seconds = (numbers) => numbers.reduce((sum, number) => sum + Number(fields[number - 3]), 0) / TICKS_A_SECOND;
  return { own: seconds(OWN), children: seconds(CHILDREN) };
}

const look = (pid) => readProcessorTime(readFileSync(`/proc/${pid}/stat`, "utf8"));

/** Runs the client's work on the server with this pid: what it gives, and the seconds that both took. */
export async function withProcessorTime(pid, work) {
  const before = { server: look(pid).own, client: look("self").children };
  const result = await work();
  return {
    ...result,
    serverSeconds: look(pid).own - before.server,
    clientSeconds: look("self").children - before.client,
  };
}

// A small real file system that can be filled to its last byte: a tmpfs in a mount namespace of its own, where nobody
// else sees it. A process that only waits holds the namespace; servers are started inside by nsenter, and this process
// reaches its files by way of /proc. Works for root, and for others where the kernel gives users namespaces.

import { spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import process from "node:process";
import { temporaryFolder, within } from "./harness.mjs";

const MOUNT_TIMEOUT_MS = 20_000;
const PIECE_SIZE = 1024 * 1024;

export class SmallDisk {
  /** A file system of so many bytes that lasts as long as the test. */
  static async mount(t, size) {
    const folder = await temporaryFolder(t);
    const isRoot = process.getuid() === 0;
    const script = 'mount -t tmpfs -o "size=$1" tuplet-test "$2" && echo mounted && exec cat';
    const holder = spawn("unshare", [isRoot ? "-m" : "-rm", "sh", "-c", script, "sh", String(size), folder], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const ended = new Promise((done) => holder.once("close", done).once("error", done));
    t.after(() => {
      holder.stdin.end();
      return within(MOUNT_TIMEOUT_MS, "the end of the file system", ended);
    });
    let errors = "";
    holder.stdin.on("error", () => {});
    holder.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    const mounted = new Promise((done) => holder.stdout.once("data", () => done(true)));
    if (await within(MOUNT_TIMEOUT_MS, "the file system", Promise.race([mounted, ended])) !== true) {
      throw new Error(
        "no file system of a test's own can be mounted here: this test needs root's rights (CAP_SYS_ADMIN) " +
          `or a kernel that gives users namespaces: ${errors.trim()}`,
      );
    }
    return new SmallDisk(holder.pid, folder, isRoot);
  }

  constructor(pid, folder, isRoot) {
    this.folder = folder; // as processes inside name it
    this.outside = `/proc/${pid}/root${folder}`; // as we do
    const user = isRoot ? [] : ["-U", "--preserve-credentials"];
    this.enter = ["nsenter", "-t", String(pid), "-m", ...user, "--"]; // what a command is put behind
  }

  /** Bytes that are free. */
  get free() {
    const { bsize, bfree } = statfsSync(this.outside);
    return bsize * bfree;
  }

  /** Leaves so many bytes free, by a file that only takes room. */
  fill(leave = 0) {
    const file = openSync(`${this.outside}/filler`, "a");
    try {
      const { size } = fstatSync(file);
      const missing = leave - this.free;
      if (missing > 0) ftruncateSync(file, Math.max(0, size - missing));
      while (this.free > leave) writeSync(file, Buffer.alloc(Math.min(this.free - leave, PIECE_SIZE), 1));
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Takes the filler away. */
  async makeRoom() {
    await rm(`${this.outside}/filler`);
  }
}

// Leaves everything open, and ends by itself: idle.mjs PATH.
import process from "node:process";
import { bytes, everything, listOptions, native, openOptions } from "../lib.mjs";

const database = await native.open(process.argv[2], openOptions);
await native.set(database, ["k"], bytes(1), -1);
const list = native.listOpen(database, everything, listOptions);
await native.listNext(list);
const watch = native.watchOpen(database, [["k"]], false);
await native.watchNext(watch);
const range = native.rangeWatchOpen(database, everything, 0);
await native.rangeWatchNext(range);
console.log("idle");

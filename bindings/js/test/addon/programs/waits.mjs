// Stays for a watch that is awaited: waits.mjs PATH. Says "waiting", and ends with the first change.
import process from "node:process";
import { native, openOptions } from "../lib.mjs";

const database = await native.open(process.argv[2], openOptions);
const watch = native.watchOpen(database, [["k"]], false);
await native.watchNext(watch);
console.log("waiting");
const [{ value }] = await native.watchNext(watch);
console.log("seen", value[0]);

// Ends with writes that nobody awaits: unfinished.mjs PATH COUNT.
import process from "node:process";
import { bytes, native, openOptions } from "../lib.mjs";

const [path, count] = process.argv.slice(2);
const database = await native.open(path, openOptions);
for (let i = 0; i < Number(count); i++) native.set(database, ["k", i], bytes(1), -1);

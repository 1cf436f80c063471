// Stays for a listener, and ends with it: listens.mjs PATH. Says "listening", and ends with the first message.
import process from "node:process";
import { native, openOptions } from "../lib.mjs";

const database = await native.open(process.argv[2], openOptions);
const listener = await native.listen(
  database,
  5,
  async (message) => {
    console.log(native.payload(message), await native.finish(message, true));
    await native.listenClose(listener);
  },
  (error) => console.log("ended", error),
);
console.log("listening");

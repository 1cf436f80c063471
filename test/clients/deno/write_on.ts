// Writes one entry after the other until it is killed, and prints the number of each that was acknowledged.
//
//   write_on.ts PATH NAME

const [path, name] = Deno.args;
const kv = await Deno.openKv(path);
const filling = new Uint8Array(300).fill(120);

for (let number = 1;;) {
  try {
    await kv.set(["deno", name, number], filling);
  } catch (error) {
    if ((error as Error).message !== "database is locked") throw error;
    continue;
  }
  Deno.stdout.writeSync(new TextEncoder().encode(`${number++}\n`));
}

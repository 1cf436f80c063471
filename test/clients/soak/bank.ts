// Moves money between accounts by atomic operations, many at a time, and looks now and then whether any has been made
// or lost. Is killed at any moment. Standard output: a line of JSON for each look.
//
//   deno run -A bank.ts URL ACCOUNTS AMOUNT

const [url, accountCount, amount] = Deno.args;
const count = Number(accountCount);
const total = BigInt(amount) * BigInt(count);
const kv = await Deno.openKv(url);
const account = (number: number) => ["account", number];
const any = () => Math.floor(Math.random() * count);

async function transfer(): Promise<boolean> {
  const [from, to] = [any(), any()];
  if (from === to) return false;
  const [a, b] = await kv.getMany<[bigint, bigint]>([account(from), account(to)]);
  const moved = BigInt(Math.floor(Math.random() * 10));
  if (a.value! < moved) return false;
  const change = kv.atomic().check(a, b).set(a.key, a.value! - moved).set(b.key, b.value! + moved);
  // What comes with it in the same commit: a record that expires, a counter.
  change.set(["moved", crypto.randomUUID()], { from, to, moved }, { expireIn: 1000 }).sum(["transfers"], 1n);
  return (await change.commit()).ok;
}

/** All accounts in one snapshot. */
async function audit(): Promise<string> {
  let sum = 0n;
  for await (const entry of kv.list<bigint>({ prefix: ["account"] }, { batchSize: 500 })) sum += entry.value;
  return sum === total ? "fine" : `${sum} instead of ${total}`;
}

for (let i = 0; i < count; i++) {
  await kv.atomic().check({ key: account(i), versionstamp: null }).set(account(i), BigInt(amount)).commit();
}
for (;;) {
  const done = await Promise.all(Array.from({ length: 8 }, async () => {
    let transfers = 0;
    for (let i = 0; i < 25; i++) if (await transfer()) transfers++;
    return transfers;
  }));
  console.log(JSON.stringify({ audit: await audit(), operations: done.reduce((a, b) => a + b, 0) }));
}

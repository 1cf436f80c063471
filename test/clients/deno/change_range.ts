// Changes a range without rest for a while: sets, deletions, and commits of several keys, some of which expire.
//   change_range.ts URL_OR_PATH ROUNDS

const [target, rounds] = Deno.args;
const kv = await Deno.openKv(target);
let seed = 7;
const random = (limit: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % limit;

for (let round = 0; round < Number(rounds); round++) {
  const key = ["range", `k${random(30)}`];
  const kind = random(4);
  if (kind === 0) await kv.delete(key);
  else if (kind === 1) await kv.set(key, round, { expireIn: 200 });
  else if (kind === 2) await kv.set(key, round);
  else {
    await kv.atomic().set(key, round).delete(["range", `k${random(30)}`])
      .set(["range", `k${random(30)}`], round).set(["elsewhere", round], round).commit();
  }
}
kv.close();

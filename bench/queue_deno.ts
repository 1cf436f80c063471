// The workloads of queue.c with Deno's own queue. It prints, one in a line: the milliseconds that each message of the
// first took, and the messages that the second handled in a second.
//
//   queue_deno.ts PATH LATENCY_COUNT THROUGHPUT_COUNT IN_FLIGHT

const [path, latencyCount, throughputCount, inFlight] = [Deno.args[0], ...Deno.args.slice(1).map(Number)];
const payload = "x".repeat(100);
const kv = await Deno.openKv(path);
let onMessage = () => {};
kv.listenQueue(() => onMessage());

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

await sleep(200);
for (let i = 0; i < latencyCount; i++) {
  const { promise, resolve } = Promise.withResolvers<void>();
  onMessage = resolve;
  const begun = performance.now();
  await kv.enqueue(payload);
  await promise;
  console.log(`latency ${performance.now() - begun}`);
  await sleep(5 + i % 11);
}

const all = Promise.withResolvers<void>();
let handled = 0;
onMessage = () => {
  if (++handled === throughputCount) all.resolve();
};
const begun = performance.now();
let sent = 0;
async function send() {
  while (sent++ < throughputCount) await kv.enqueue(payload);
}
await Promise.all(Array.from({ length: inFlight }, send));
await all.promise;
// A handler that has returned is not the end: the message is deleted then.
console.log(`rate ${throughputCount / (performance.now() - begun) * 1000}`);
kv.close();
Deno.exit(0);

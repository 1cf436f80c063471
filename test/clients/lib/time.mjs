// Bounded waiting, for the orchestrator and for the client programs alike: nothing in these tests waits for ever, and
// nothing asserts on how short a sleep was.

export function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

/** Waits for a promise, but no longer than this. */
export async function within(limitMs, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until the answer is true; for things that happen soon, at a time that nobody promises. */
export async function eventually(limitMs, what, question) {
  const end = performance.now() + limitMs;
  while (!(await question())) {
    if (performance.now() > end) throw new Error(`${what} did not come within ${limitMs} ms`);
    await sleep(5);
  }
}

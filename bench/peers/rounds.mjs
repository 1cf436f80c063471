// Measuring by turns: in each round every side runs for a short slice, and each round begins with another side.

/** The sides in the order of a round. */
export function turns(sides, round) {
  const first = round % Math.max(sides.length, 1);
  return [...sides.slice(first), ...sides.slice(0, first)];
}

/**
 * sides: { name, run }, run giving what a slice came to. before: awaited before each slice. A slice that fails is
 * repeated once; a side whose slice fails again is left out from then on. Both are told to onProblem(name, error).
 * Gives { name: [result, one for each round] } of those that were not left out.
 */
export async function byTurns(sides, rounds, { before = async () => {}, onProblem }) {
  const results = Object.fromEntries(sides.map(({ name }) => [name, []]));
  const attempt = async ({ name, run }) => {
    try {
      await before();
      results[name].push(await run());
      return true;
    } catch (error) {
      onProblem(name, error);
      return false;
    }
  };
  let left = sides;
  for (let round = 0; round < rounds; round++) {
    for (const side of turns(left, round)) {
      if (await attempt(side) || await attempt(side)) continue;
      delete results[side.name];
      left = left.filter((other) => other !== side);
    }
  }
  return results;
}

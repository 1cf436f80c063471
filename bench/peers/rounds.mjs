// Measuring by turns: in each round every side runs for a short slice, and each round begins with another side.

/** The sides in the order of a round. */
export function turns(sides, round) {
  const first = round % Math.max(sides.length, 1);
  return [...sides.slice(first), ...sides.slice(0, first)];
}

/**
 * sides: { name, run }, run giving what a slice came to. before: awaited before each slice. A side that fails is left
 * out from then on, and told to onProblem(name, error). Gives { name: [result, one for each round] } of those that
 * never failed.
 */
export async function byTurns(sides, rounds, { before = async () => {}, onProblem }) {
  const results = Object.fromEntries(sides.map(({ name }) => [name, []]));
  let left = sides;
  for (let round = 0; round < rounds; round++) {
    for (const side of turns(left, round)) {
      try {
        await before();
        results[side.name].push(await side.run(round));
      } catch (error) {
        onProblem(side.name, error);
        delete results[side.name];
        left = left.filter((other) => other !== side);
      }
    }
  }
  return results;
}

// Medians and ratios of what was measured by turns: of each side a list of numbers, one for each round.

export function median(numbers) {
  if (numbers.length === 0) return undefined;
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** { median, min, max }; undefined when there are no numbers. */
export function spread(numbers) {
  if (numbers.length === 0) return undefined;
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) };
}

/**
 * How many times as much the first side is, round by round, as a spread: what else the machine did in a round hit both
 * sides alike. undefined when a side was not measured.
 */
export function ratio(ours, theirs) {
  if (!ours?.length || !theirs?.length) return undefined;
  if (ours.length !== theirs.length) throw new Error(`${ours.length} rounds beside ${theirs.length}`);
  return spread(ours.map((number, round) => number / theirs[round]));
}

// What is measured how long and how often: about ten minutes by default, two with --quick.

export const PARTS = ["library", "embedded", "servers", "latency", "memory", "connections", "load"];

const DEFAULT = {
  seconds: 1, // of a slice
  warmUp: 0.3, // before it
  rounds: 7, // of what a target stands on
  roundsEmbedded: 5,
  roundsCurves: 2,
  librarySeconds: 90,
  latencySeconds: 2,
  memorySeconds: 3,
  connections: [1, 4, 16, 64, 256],
  loadParts: [0.1, 0.3, 0.5, 0.7, 0.8, 0.9],
};

const QUICK = {
  ...DEFAULT,
  seconds: 0.4,
  warmUp: 0.1,
  rounds: 3,
  roundsEmbedded: 2,
  roundsCurves: 1,
  librarySeconds: 15,
  latencySeconds: 1,
  memorySeconds: 2,
  connections: [1, 16, 256],
  loadParts: [0.2, 0.5, 0.8],
};

/** The plan of these options: quick, and seconds and rounds where they are given. */
export function makePlan({ quick = false, seconds, rounds } = {}) {
  const plan = { ...(quick ? QUICK : DEFAULT) };
  if (seconds !== undefined) {
    Object.assign(plan, { seconds, latencySeconds: seconds, memorySeconds: Math.max(seconds, 1) });
  }
  if (rounds !== undefined) Object.assign(plan, { rounds, roundsEmbedded: rounds, roundsCurves: rounds });
  return plan;
}

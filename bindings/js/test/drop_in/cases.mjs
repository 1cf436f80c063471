// The cases of the differential test: programs small enough to have one outcome, by name. Each gets a database of its own
// in memory, and is told nothing of whose it is.

import atomics from "./atomics.mjs";
import ends from "./ends.mjs";
import keys from "./keys.mjs";
import lists from "./lists.mjs";
import objects from "./objects.mjs";
import queues from "./queues.mjs";
import reads from "./reads.mjs";
import values from "./values.mjs";
import watches from "./watches.mjs";
import writes from "./writes.mjs";

const cases = {};
for (const [area, group] of Object.entries({
  keys,
  values,
  reads,
  writes,
  lists,
  atomics,
  queues,
  watches,
  ends,
  objects,
})) {
  for (const [name, test] of Object.entries(group)) cases[`${area}: ${name}`] = test;
}
export default cases;

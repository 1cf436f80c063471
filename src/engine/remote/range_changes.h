/* range_changes.h: what changed in a range and nobody has fetched yet: each key once, as it is now. Bounded.
 *
 * Pure data; whoever has it sees to threads. */
#ifndef TP_ENGINE_REMOTE_RANGE_CHANGES_H
#define TP_ENGINE_REMOTE_RANGE_CHANGES_H

#include "engine/engine.h"

typedef struct tp_remote_change {
  tuplet_bytes key;
  bool is_gone; /* there is no entry any more; else `row` */
  tp_row row;
} tp_remote_change;

typedef struct tp_remote_changes {
  const tuplet_allocator *allocator;
  size_t count_max;
  size_t size_max;          /* bytes of keys and values */
  tp_remote_change **items; /* in key order; each with its bytes behind it */
  size_t count;
  size_t capacity;
  size_t size;
} tp_remote_changes;

void tp_remote_changes_init(tp_remote_changes *changes, const tuplet_allocator *allocator, size_t count_max,
                            size_t size_max);
/* Empty again, and usable. */
void tp_remote_changes_clear(tp_remote_changes *changes);

/* Puts a change in, in place of what was known of its key. row: NULL where there is no entry any more; it is
 * copied. Errors: TUPLET_LIMIT (there is no room), TUPLET_NOMEM: what there was is still there. */
tuplet_status tp_remote_changes_put(tp_remote_changes *changes, tuplet_bytes key, const tp_row *row);

#endif

/* entry_batch.h: rows that were read, copied together: two blocks of memory however many there are. */
#ifndef TP_API_ENTRY_BATCH_H
#define TP_API_ENTRY_BATCH_H

#include "base/buffer.h"
#include "engine/engine.h"

/* entries.items point into `bytes` once the batch is sealed. */
typedef struct tp_entry_batch {
  tuplet_entries entries; /* first, so that tuplet_entries_free finds the batch */
  tuplet_entry *items;
  size_t capacity;
  tp_buffer bytes;
} tp_entry_batch;

void tp_entry_batch_init(tp_entry_batch *batch, const tuplet_allocator *allocator);
void tp_entry_batch_done(tp_entry_batch *batch);
/* Empties it and keeps the memory. */
void tp_entry_batch_clear(tp_entry_batch *batch);

/* A batch of its own, that tuplet_entries_free frees; NULL when out of memory. */
tp_entry_batch *tp_entry_batch_new(const tuplet_allocator *allocator);

/* Adds a copy of a row, or (row NULL) the absence of one under `key`. Errors: TUPLET_NOMEM. */
tuplet_status tp_entry_batch_add(tp_entry_batch *batch, tuplet_bytes key, const tp_row *row,
                                 tuplet_error *error);

/* After the last one; the items are complete from then on. */
void tp_entry_batch_seal(tp_entry_batch *batch);

/* A single row as an entry that tuplet_entry_free frees. Errors as above. */
tuplet_status tp_entry_new(const tuplet_allocator *allocator, const tp_row *row, tuplet_entry **ret_entry,
                           tuplet_error *error);

#endif

/* entry_batch.c: rows that were read, copied together. */
#include "api/entry_batch.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

/* An entry and its bytes in one block. */
typedef struct entry_block {
  tuplet_entry entry;
  const tuplet_allocator *allocator;
  uint8_t bytes[];
} entry_block;

static uint64_t read_le64(const uint8_t *bytes) {
  uint64_t number = 0;
  for (int i = 7; i >= 0; i--) number = number << 8 | bytes[i];
  return number;
}

/* A row is handed over with whatever encoding it has: one that nobody can decode must not hide its
 * neighbours. */
static tuplet_value value_of(const tp_row *row) {
  tuplet_value value = {.encoding = (tuplet_encoding)row->encoding};
  if (row->encoding == TUPLET_ENCODING_LE64 && row->value.size == sizeof(uint64_t)) {
    value.u64 = read_le64(row->value.data);
  }
  return value;
}

tuplet_status tp_entry_new(const tuplet_allocator *allocator, const tp_row *row, tuplet_entry **ret_entry,
                           tuplet_error *error) {
  entry_block *block = tp_alloc(allocator, sizeof *block + row->key.size + row->value.size);
  if (block == NULL) return tp_fail_nomem(error);
  uint8_t *value = block->bytes + row->key.size;
  if (row->key.size > 0) memcpy(block->bytes, row->key.data, row->key.size);
  if (row->value.size > 0) memcpy(value, row->value.data, row->value.size);
  block->allocator = allocator;
  block->entry = (tuplet_entry){.key = {block->bytes, row->key.size},
                                .exists = true,
                                .value = value_of(row),
                                .versionstamp = row->versionstamp};
  block->entry.value.data = tuplet_view(value, row->value.size);
  *ret_entry = &block->entry;
  return TUPLET_OK;
}

void tuplet_entry_free(tuplet_entry *entry) {
  if (entry == NULL) return;
  entry_block *block = (entry_block *)(void *)entry; /* its first member */
  tp_free(block->allocator, block);
}

/* ---- Batches ---- */

void tp_entry_batch_init(tp_entry_batch *batch, const tuplet_allocator *allocator) {
  *batch = (tp_entry_batch){.entries = {.allocator = allocator}};
  tp_buffer_init(&batch->bytes, allocator);
}

void tp_entry_batch_done(tp_entry_batch *batch) {
  tp_buffer_done(&batch->bytes);
  tp_free(batch->entries.allocator, batch->items);
  tp_entry_batch_init(batch, batch->entries.allocator);
}

void tp_entry_batch_clear(tp_entry_batch *batch) {
  batch->entries.count = 0;
  tp_buffer_clear(&batch->bytes);
}

tp_entry_batch *tp_entry_batch_new(const tuplet_allocator *allocator) {
  tp_entry_batch *batch = tp_alloc(allocator, sizeof *batch);
  if (batch != NULL) tp_entry_batch_init(batch, allocator);
  return batch;
}

void tuplet_entries_free(tuplet_entries *entries) {
  if (entries == NULL) return;
  tp_entry_batch *batch = (tp_entry_batch *)(void *)entries; /* its first member */
  const tuplet_allocator *allocator = entries->allocator;
  tp_entry_batch_done(batch);
  tp_free(allocator, batch);
}

static bool grow(tp_entry_batch *batch) {
  if (batch->entries.count < batch->capacity) return true;
  size_t capacity = batch->capacity == 0 ? 8 : batch->capacity * 2;
  tuplet_entry *items = tp_realloc(batch->entries.allocator, batch->items, capacity * sizeof *items);
  if (items == NULL) return false;
  batch->items = items;
  batch->capacity = capacity;
  return true;
}

/* Until the batch is sealed, an item knows only sizes: the bytes may still move. */
tuplet_status tp_entry_batch_add(tp_entry_batch *batch, tuplet_bytes key, const tp_row *row,
                                 tuplet_error *error) {
  size_t value_size = row == NULL ? 0 : row->value.size;
  uint8_t *room = tp_buffer_reserve(&batch->bytes, key.size + value_size);
  if (batch->bytes.failed || !grow(batch)) return tp_fail_nomem(error);
  if (key.size > 0) memcpy(room, key.data, key.size);
  if (value_size > 0) memcpy(room + key.size, row->value.data, value_size);
  batch->bytes.size += key.size + value_size;

  tuplet_entry *entry = &batch->items[batch->entries.count++];
  *entry = (tuplet_entry){.key = {NULL, key.size}, .exists = row != NULL};
  if (row == NULL) return TUPLET_OK;
  entry->value = value_of(row);
  entry->value.data.size = value_size;
  entry->versionstamp = row->versionstamp;
  return TUPLET_OK;
}

void tp_entry_batch_seal(tp_entry_batch *batch) {
  const uint8_t *next = batch->bytes.data;
  for (size_t i = 0; i < batch->entries.count; i++) {
    tuplet_entry *entry = &batch->items[i];
    entry->key.data = next;
    if (entry->key.size > 0) next += entry->key.size;
    entry->value.data.data = next;
    if (entry->value.data.size > 0) next += entry->value.data.size;
  }
  batch->entries.items = batch->items;
}

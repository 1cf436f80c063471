/* range_changes.c: what changed in a range and nobody has fetched yet. */
#include "engine/remote/range_changes.h"

#include "base/alloc.h"

#include <string.h>

enum { CAPACITY_MIN = 16 };

void tp_remote_changes_init(tp_remote_changes *changes, const tuplet_allocator *allocator, size_t count_max,
                            size_t size_max) {
  *changes = (tp_remote_changes){.allocator = allocator, .count_max = count_max, .size_max = size_max};
}

void tp_remote_changes_clear(tp_remote_changes *changes) {
  for (size_t i = 0; i < changes->count; i++) tp_free(changes->allocator, changes->items[i]);
  tp_free(changes->allocator, changes->items);
  tp_remote_changes_init(changes, changes->allocator, changes->count_max, changes->size_max);
}

static int compare(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  if (order != 0) return order;
  return (a.size > b.size) - (a.size < b.size);
}

/* Where a key stands, or would. Most come in order, and so at the end. */
static size_t find(const tp_remote_changes *changes, tuplet_bytes key) {
  size_t low = 0, high = changes->count;
  if (high > 0 && compare(changes->items[high - 1]->key, key) < 0) return high;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(changes->items[middle]->key, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool has_room_for_one(tp_remote_changes *changes) {
  if (changes->count < changes->capacity) return true;
  size_t capacity = changes->capacity == 0 ? CAPACITY_MIN : changes->capacity * 2;
  tp_remote_change **items = tp_realloc(changes->allocator, changes->items, capacity * sizeof *items);
  if (items == NULL) return false;
  changes->items = items;
  changes->capacity = capacity;
  return true;
}

static size_t size_of(const tp_remote_change *change) {
  return change->key.size + (change->is_gone ? 0 : change->row.value.size);
}

static tp_remote_change *new_change(const tuplet_allocator *allocator, tuplet_bytes key, const tp_row *row) {
  size_t value_size = row == NULL ? 0 : row->value.size;
  tp_remote_change *change = tp_alloc(allocator, sizeof *change + key.size + value_size);
  if (change == NULL) return NULL;
  uint8_t *key_copy = (uint8_t *)(change + 1);
  uint8_t *value_copy = key_copy + key.size;
  if (key.size > 0) memcpy(key_copy, key.data, key.size);
  if (value_size > 0) memcpy(value_copy, row->value.data, value_size);
  *change = (tp_remote_change){.key = {key_copy, key.size}, .is_gone = row == NULL};
  if (row != NULL) {
    change->row = *row;
    change->row.key = change->key;
    change->row.value = (tuplet_bytes){value_copy, value_size};
  }
  return change;
}

tuplet_status tp_remote_changes_put(tp_remote_changes *changes, tuplet_bytes key, const tp_row *row) {
  size_t index = find(changes, key);
  bool is_known = index < changes->count && compare(changes->items[index]->key, key) == 0;
  size_t size_after = changes->size + key.size + (row == NULL ? 0 : row->value.size);
  if (is_known) size_after -= size_of(changes->items[index]);
  if ((!is_known && changes->count == changes->count_max) || size_after > changes->size_max)
    return TUPLET_LIMIT;
  if (!is_known && !has_room_for_one(changes)) return TUPLET_NOMEM;
  tp_remote_change *change = new_change(changes->allocator, key, row);
  if (change == NULL) return TUPLET_NOMEM;
  tp_remote_change **place = &changes->items[index];
  if (is_known) {
    tp_free(changes->allocator, *place);
  } else {
    memmove(place + 1, place, (changes->count - index) * sizeof *place);
    changes->count++;
  }
  *place = change;
  changes->size = size_after;
  return TUPLET_OK;
}

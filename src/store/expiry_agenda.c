/* expiry_agenda.c: which keys expire next. */
#include "store/expiry_agenda.h"

#include "base/alloc.h"

#include <string.h>

void tp_expiry_agenda_init(tp_expiry_agenda *agenda, const tuplet_allocator *allocator, size_t count_max) {
  *agenda = (tp_expiry_agenda){.allocator = allocator, .count_max = count_max, .mass_ms = TP_EXPIRES_NEVER};
}

static void free_keys(tp_expiry_agenda *agenda, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) tp_free(agenda->allocator, agenda->items[i].key);
}

void tp_expiry_agenda_done(tp_expiry_agenda *agenda) {
  free_keys(agenda, 0, agenda->count);
  tp_free(agenda->allocator, agenda->items);
  tp_expiry_agenda_init(agenda, agenda->allocator, agenda->count_max);
}

static int compare(const tp_expiry *item, tuplet_bytes key, int64_t at_ms) {
  if (item->at_ms != at_ms) return item->at_ms < at_ms ? -1 : 1;
  size_t shared = item->key_size < key.size ? item->key_size : key.size;
  int order = shared == 0 ? 0 : memcmp(item->key, key.data, shared);
  if (order != 0) return order;
  return (item->key_size > key.size) - (item->key_size < key.size);
}

/* Where an expiry stands, or would. Most come later than all others. */
static size_t find(const tp_expiry_agenda *agenda, tuplet_bytes key, int64_t at_ms) {
  size_t low = 0, high = agenda->count;
  if (high > 0 && compare(&agenda->items[high - 1], key, at_ms) < 0) return high;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&agenda->items[middle], key, at_ms) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void tp_expiry_agenda_cut(tp_expiry_agenda *agenda, int64_t until_ms) {
  if (until_ms < agenda->until_ms) agenda->until_ms = until_ms;
  size_t kept = agenda->count;
  while (kept > 0 && agenda->items[kept - 1].at_ms > agenda->until_ms) kept--;
  free_keys(agenda, kept, agenda->count);
  agenda->count = kept;
  if (agenda->mass_ms > agenda->until_ms) agenda->mass_ms = TP_EXPIRES_NEVER;
}

/* Leaves out the last moment that it holds. */
static void shrink(tp_expiry_agenda *agenda) {
  int64_t last_ms = agenda->items[agenda->count - 1].at_ms;
  tp_expiry_agenda_cut(agenda, last_ms - 1);
  if (agenda->count > 0) return;
  agenda->until_ms = last_ms; /* or it would never get past that moment */
  agenda->mass_ms = last_ms;
}

static bool grow(tp_expiry_agenda *agenda) {
  if (agenda->count < agenda->capacity) return true;
  size_t capacity = agenda->capacity == 0 ? 16 : agenda->capacity * 2;
  tp_expiry *items = tp_realloc(agenda->allocator, agenda->items, capacity * sizeof *items);
  if (items == NULL) return false;
  agenda->items = items;
  agenda->capacity = capacity;
  return true;
}

void tp_expiry_agenda_add(tp_expiry_agenda *agenda, tuplet_bytes key, int64_t at_ms) {
  if (at_ms > agenda->until_ms || at_ms == agenda->mass_ms) return;
  size_t index = find(agenda, key, at_ms);
  if (index < agenda->count && compare(&agenda->items[index], key, at_ms) == 0) return;
  if (agenda->count == agenda->count_max) {
    shrink(agenda);
    if (at_ms > agenda->until_ms || at_ms == agenda->mass_ms) return;
  }
  uint8_t *copy = grow(agenda) ? tp_alloc(agenda->allocator, key.size + 1) : NULL;
  if (copy == NULL) {
    tp_expiry_agenda_cut(agenda, at_ms - 1);
    return;
  }
  if (key.size > 0) memcpy(copy, key.data, key.size);
  tp_expiry *item = &agenda->items[index];
  memmove(item + 1, item, (agenda->count - index) * sizeof *item);
  *item = (tp_expiry){.at_ms = at_ms, .key_size = key.size, .key = copy};
  agenda->count++;
}

size_t tp_expiry_agenda_due(const tp_expiry_agenda *agenda, int64_t now_ms) {
  size_t low = 0, high = agenda->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (agenda->items[middle].at_ms <= now_ms)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void tp_expiry_agenda_drop(tp_expiry_agenda *agenda, size_t count) {
  free_keys(agenda, 0, count);
  agenda->count -= count;
  if (count > 0) memmove(agenda->items, agenda->items + count, agenda->count * sizeof *agenda->items);
}

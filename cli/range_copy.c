/* range_copy.c: the keys of a range as their lines were printed last. */
#include "range_copy.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

struct tp_cli_known_key {
  uint8_t *bytes;
  size_t size;
  tuplet_versionstamp versionstamp;
};

static int compare(const tp_cli_known_key *known, tuplet_bytes key) {
  size_t shared = known->size < key.size ? known->size : key.size;
  int order = shared == 0 ? 0 : memcmp(known->bytes, key.data, shared);
  return order != 0 ? order : (known->size > key.size) - (known->size < key.size);
}

static bool same_versionstamp(const tuplet_versionstamp *a, const tuplet_versionstamp *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void tp_cli_range_copy_done(tp_cli_range_copy *copy) {
  for (size_t i = 0; i < copy->count; i++) free(copy->items[i].bytes);
  free(copy->items);
  *copy = (tp_cli_range_copy){0};
}

/* Puts an entry in at `index`. */
static bool insert(tp_cli_range_copy *copy, size_t index, const tuplet_entry *entry) {
  if (copy->count == copy->capacity) {
    size_t capacity = copy->capacity == 0 ? 64 : copy->capacity * 2;
    tp_cli_known_key *items = realloc(copy->items, capacity * sizeof *items);
    if (items == NULL) return false;
    copy->items = items;
    copy->capacity = capacity;
  }
  uint8_t *bytes = malloc(entry->key.size + 1);
  if (bytes == NULL) return false;
  if (entry->key.size > 0) memcpy(bytes, entry->key.data, entry->key.size);
  tp_cli_known_key *item = &copy->items[index];
  memmove(item + 1, item, (copy->count - index) * sizeof *item);
  item->bytes = bytes;
  item->size = entry->key.size;
  item->versionstamp = entry->versionstamp;
  copy->count++;
  return true;
}

static void take_out(tp_cli_range_copy *copy, size_t index) {
  tp_cli_known_key *item = &copy->items[index];
  free(item->bytes);
  memmove(item, item + 1, (copy->count - index - 1) * sizeof *item);
  copy->count--;
}

static tp_cli_exit print(tp_cli_context *context, const tuplet_entry *entry, size_t *printed) {
  ++*printed;
  return tp_cli_write_entry(context, entry, TP_CLI_ENTRY_WHOLE);
}

static tp_cli_exit print_gone(tp_cli_context *context, const tp_cli_known_key *known, size_t *printed) {
  const tuplet_entry entry = {.key = {known->bytes, known->size}};
  return print(context, &entry, printed);
}

/* A damaged entry is reported and does not end anything. */
static void note(tp_cli_exit code, tp_cli_exit *result) {
  if (code != TP_CLI_EXIT_OK) *result = code;
}

/* ---- Lists ---- */

/* What was listed so far, beside what was known before. */
typedef struct listing {
  tp_cli_context *context;
  const tp_cli_range_copy *before;
  size_t next; /* of `before` */
  tp_cli_range_copy fresh;
  size_t printed;
} listing;

static tp_cli_exit take_entry(listing *l, const tuplet_entry *entry) {
  tp_cli_exit result = TP_CLI_EXIT_OK;
  const tp_cli_range_copy *before = l->before;
  while (l->next < before->count && compare(&before->items[l->next], entry->key) < 0)
    note(print_gone(l->context, &before->items[l->next++], &l->printed), &result);
  bool is_known = l->next < before->count && compare(&before->items[l->next], entry->key) == 0;
  if (!is_known || !same_versionstamp(&before->items[l->next].versionstamp, &entry->versionstamp))
    note(print(l->context, entry, &l->printed), &result);
  if (is_known) l->next++;
  return insert(&l->fresh, l->fresh.count, entry) ? result : tp_cli_fail_memory();
}

tp_cli_exit tp_cli_range_copy_list(tp_cli_context *context, tuplet_db *db, const tuplet_selector *selector,
                                   tp_cli_range_copy *copy, size_t *ret_printed) {
  tuplet_error error = {0};
  tuplet_list *list = NULL;
  listing l = {.context = context, .before = copy};
  tp_cli_exit result = TP_CLI_EXIT_OK;
  const tuplet_entry *entry = NULL;
  tuplet_status status = tuplet_list_open(db, selector, NULL, &list, &error);
  while (status == TUPLET_OK && context->write_errno == 0 && result != TP_CLI_EXIT_SYSTEM) {
    status = tuplet_list_next(list, &entry, &error);
    if (status == TUPLET_OK) note(take_entry(&l, entry), &result);
  }
  tuplet_list_close(list);
  if (status < 0) result = tp_cli_fail(NULL, &error);
  if (status == TUPLET_DONE) {
    while (l.next < copy->count) note(print_gone(context, &copy->items[l.next++], &l.printed), &result);
    tp_cli_range_copy_done(copy);
    *copy = l.fresh;
  } else {
    tp_cli_range_copy_done(&l.fresh);
  }
  *ret_printed = l.printed;
  return result;
}

/* ---- Changes ---- */

static size_t find(const tp_cli_range_copy *copy, tuplet_bytes key) {
  size_t low = 0, high = copy->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&copy->items[middle], key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Over the network a change may be older than the list that was made meanwhile. */
static bool is_old(const tp_cli_known_key *known, const tuplet_entry *entry,
                   const tuplet_versionstamp *told_up_to) {
  const tuplet_versionstamp *at = entry->exists ? &entry->versionstamp : told_up_to;
  int order = memcmp(at->bytes, known->versionstamp.bytes, sizeof at->bytes);
  return order < 0 || (order == 0 && entry->exists);
}

tp_cli_exit tp_cli_range_copy_apply(tp_cli_context *context, const tuplet_changes *changes,
                                    tp_cli_range_copy *copy, size_t *ret_printed) {
  tp_cli_exit result = TP_CLI_EXIT_OK;
  *ret_printed = 0;
  for (size_t i = 0; i < changes->count && context->write_errno == 0; i++) {
    const tuplet_entry *entry = &changes->items[i];
    size_t index = find(copy, entry->key);
    bool is_known = index < copy->count && compare(&copy->items[index], entry->key) == 0;
    if (is_known ? is_old(&copy->items[index], entry, &changes->versionstamp) : !entry->exists) continue;
    note(print(context, entry, ret_printed), &result);
    if (!entry->exists)
      take_out(copy, index);
    else if (is_known)
      copy->items[index].versionstamp = entry->versionstamp;
    else if (!insert(copy, index, entry))
      return tp_cli_fail_memory();
  }
  return result;
}

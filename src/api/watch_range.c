/* watch_range.c: watching the keys of a range. How it is waited for is in watcher.c. */
#include "api/entry_batch.h"
#include "api/watcher.h"
#include "base/alloc.h"
#include "base/status.h"
#include "codec/selector.h"

#include <stddef.h>
#include <string.h>

enum { SELECTOR_CHUNK_SIZE = 512 };

struct tuplet_range_watch {
  tp_watcher watcher; /* first, so that the one is found from the other */
  tp_range_watch *inner;
  tuplet_changes changes; /* what was delivered last */

  /* The poll that is running, or the last one: */
  tp_range_poll poll;
  tp_entry_batch batch;
};

/* ---- Polling ---- */

static tuplet_range_watch *watch_of(tp_range_poll *poll) {
  return (tuplet_range_watch *)(void *)((char *)poll - offsetof(tuplet_range_watch, poll));
}

static tuplet_status on_change(tp_range_poll *poll, tuplet_bytes key, const tp_row *row,
                               tuplet_error *error) {
  return tp_entry_batch_add(&watch_of(poll)->batch, key, row, error);
}

static void on_polled(tp_range_poll *poll, tuplet_status status, const tp_range_result *result,
                      const tuplet_error *error) {
  tuplet_range_watch *watch = watch_of(poll);
  watch->changes = (tuplet_changes){.must_reread = result->must_reread, .versionstamp = result->versionstamp};
  tp_watcher_polled(&watch->watcher, status, result->is_new, error);
}

static void poll_range(tp_watcher *watcher) {
  tuplet_range_watch *watch = (tuplet_range_watch *)watcher;
  tp_entry_batch_clear(&watch->batch);
  watch->poll = (tp_range_poll){on_change, on_polled};
  tp_range_watch_poll(watch->inner, NULL, &watch->poll);
}

static void seal_changes(tp_watcher *watcher) {
  tuplet_range_watch *watch = (tuplet_range_watch *)watcher;
  tp_entry_batch_seal(&watch->batch);
  watch->changes.items = watch->batch.entries.items;
  watch->changes.count = watch->batch.entries.count;
}

static void call(tp_watcher *watcher, void (*callback)(void), void *context, tuplet_status status,
                 const tuplet_error *error) {
  const tuplet_changes *changes = status == TUPLET_OK ? &((tuplet_range_watch *)watcher)->changes : NULL;
  ((tuplet_range_watch_callback)callback)(context, status, changes, error);
}

static void close_inner(tp_watcher *watcher) {
  tp_range_watch_close(((tuplet_range_watch *)watcher)->inner);
}

static const tp_watcher_kind range_watcher = {poll_range, seal_changes, call, close_inner};

/* ---- Waiting ---- */

tuplet_status tuplet_range_watch_next(tuplet_range_watch *watch, int64_t timeout_ms,
                                      const tuplet_changes **ret_changes, tuplet_error *error) {
  if (watch == NULL || ret_changes == NULL)
    return tp_fail(error, TUPLET_MISUSE, "watch or ret_changes is NULL");
  tuplet_status status = tp_watcher_next(&watch->watcher, timeout_ms, error);
  if (status == TUPLET_OK) *ret_changes = &watch->changes;
  return status;
}

tuplet_status tuplet_range_watch_next_async(tuplet_range_watch *watch, tuplet_range_watch_callback callback,
                                            void *context, tuplet_error *error) {
  if (watch == NULL || callback == NULL) return tp_fail(error, TUPLET_MISUSE, "watch or callback is NULL");
  return tp_watcher_next_async(&watch->watcher, (void (*)(void))callback, context, error);
}

/* ---- Beginning and end ---- */

static tuplet_status read_options(const tuplet_range_watch_options *given, uint32_t *ret_changes_max,
                                  tuplet_error *error) {
  tuplet_range_watch_options options = TUPLET_RANGE_WATCH_OPTIONS_INIT;
  if (given != NULL && given->struct_size == 0)
    return tp_fail(error, TUPLET_MISUSE, "options must start from TUPLET_RANGE_WATCH_OPTIONS_INIT");
  if (given != NULL)
    memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
  *ret_changes_max = options.changes_max;
  return TUPLET_OK;
}

static tuplet_status open_inner(tuplet_range_watch *watch, const tuplet_selector *selector,
                                uint32_t changes_max, tuplet_error *error) {
  tuplet_db *db = watch->watcher.db;
  tp_arena arena;
  tp_selection selection;
  tp_arena_init(&arena, db->allocator, SELECTOR_CHUNK_SIZE);
  tuplet_status status = tp_selector_resolve(selector, &arena, &selection, error);
  if (status == TUPLET_OK)
    status = tp_range_watch_open(db->store, selection.range.start, selection.range.end, changes_max,
                                 tp_watcher_wake, watch, &watch->inner, error);
  tp_arena_done(&arena);
  return status;
}

static void watch_free(tuplet_range_watch *watch) {
  tp_entry_batch_done(&watch->batch);
  tp_watcher_done(&watch->watcher);
}

tuplet_status tuplet_range_watch_open(tuplet_db *db, const tuplet_selector *selector,
                                      const tuplet_range_watch_options *options,
                                      tuplet_range_watch **ret_watch, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (ret_watch == NULL || selector == NULL)
    return tp_fail(error, TUPLET_MISUSE, "tuplet_range_watch_open: selector or ret_watch is NULL");
  uint32_t changes_max;
  status = read_options(options, &changes_max, error);
  if (status != TUPLET_OK) return status;
  tuplet_range_watch *watch = tp_alloc_array_zeroed(db->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  status = tp_watcher_init(&watch->watcher, &range_watcher, db, error);
  if (status != TUPLET_OK) {
    tp_free(db->allocator, watch);
    return status;
  }
  tp_entry_batch_init(&watch->batch, db->allocator);
  status = open_inner(watch, selector, changes_max, error);
  if (status != TUPLET_OK) {
    watch_free(watch);
    return status;
  }
  tp_watcher_link(&watch->watcher);
  *ret_watch = watch;
  return TUPLET_OK;
}

void tuplet_range_watch_close(tuplet_range_watch *watch) {
  if (watch == NULL) return;
  tp_watcher_end(&watch->watcher);
  watch_free(watch);
}

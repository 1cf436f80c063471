/* watch.c: watching keys. How it is waited for is in watcher.c. */
#include "api/entry_batch.h"
#include "api/watcher.h"
#include "base/alloc.h"
#include "base/status.h"
#include "codec/key.h"
#include "codec/limits.h"

#include <stddef.h>

struct tuplet_watch {
  tp_watcher watcher; /* first, so that the one is found from the other */
  tp_buffer keys;
  tuplet_bytes views[TP_LIMIT_WATCH_KEYS_MAX]; /* of the encoded keys */
  size_t key_count;
  bool is_raw;
  tp_watch *inner;

  /* The poll that is running, or the last one: */
  tp_watch_poll poll;
  tp_entry_batch batch;
};

/* ---- Polling ---- */

static tuplet_watch *watch_of(tp_watch_poll *poll) {
  return (tuplet_watch *)(void *)((char *)poll - offsetof(tuplet_watch, poll));
}

static tuplet_status on_key(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                            tuplet_error *error) {
  (void)changed;
  tuplet_watch *watch = watch_of(poll);
  return tp_entry_batch_add(&watch->batch, watch->views[index], row, error);
}

static void on_polled(tp_watch_poll *poll, tuplet_status status, bool any_changed,
                      const tuplet_error *error) {
  tuplet_watch *watch = watch_of(poll);
  tp_watcher_polled(&watch->watcher, status, any_changed || watch->is_raw, error);
}

static void poll_keys(tp_watcher *watcher) {
  tuplet_watch *watch = (tuplet_watch *)watcher;
  tp_entry_batch_clear(&watch->batch);
  watch->poll = (tp_watch_poll){on_key, on_polled};
  tp_watch_poll_start(watch->inner, NULL, &watch->poll);
}

static void seal_entries(tp_watcher *watcher) {
  tp_entry_batch_seal(&((tuplet_watch *)watcher)->batch);
}

static void call(tp_watcher *watcher, void (*callback)(void), void *context, tuplet_status status,
                 const tuplet_error *error) {
  const tuplet_entries *entries = status == TUPLET_OK ? &((tuplet_watch *)watcher)->batch.entries : NULL;
  ((tuplet_watch_callback)callback)(context, status, entries, error);
}

static void close_inner(tp_watcher *watcher) {
  tp_watch_close(((tuplet_watch *)watcher)->inner);
}

static const tp_watcher_kind key_watcher = {poll_keys, seal_entries, call, close_inner};

/* ---- Waiting ---- */

tuplet_status tuplet_watch_next(tuplet_watch *watch, int64_t timeout_ms, const tuplet_entries **ret_entries,
                                tuplet_error *error) {
  if (watch == NULL || ret_entries == NULL) {
    return tp_fail(error, TUPLET_MISUSE, "watch or ret_entries is NULL");
  }
  if (watch->key_count == 0) return TUPLET_DONE;
  tuplet_status status = tp_watcher_next(&watch->watcher, timeout_ms, error);
  if (status == TUPLET_OK) *ret_entries = &watch->batch.entries;
  return status;
}

tuplet_status tuplet_watch_next_async(tuplet_watch *watch, tuplet_watch_callback callback, void *context,
                                      tuplet_error *error) {
  if (watch == NULL || callback == NULL) return tp_fail(error, TUPLET_MISUSE, "watch or callback is NULL");
  if (watch->key_count > 0)
    return tp_watcher_next_async(&watch->watcher, (void (*)(void))callback, context, error);
  tuplet_status status = tp_db_check(watch->watcher.db, error);
  if (status == TUPLET_OK) callback(context, TUPLET_DONE, NULL, &(tuplet_error){0});
  return status;
}

/* ---- Beginning and end ---- */

static tuplet_status encode_keys(tuplet_watch *watch, const tuplet_key *keys, size_t key_count,
                                 tuplet_error *error) {
  size_t ends[TP_LIMIT_WATCH_KEYS_MAX];
  for (size_t i = 0; i < key_count; i++) {
    tuplet_status status = tp_key_encode(keys[i], &watch->keys, error);
    if (status != TUPLET_OK) return status;
    tp_buffer_append_byte(&watch->keys, 0); /* so that there are bytes also when all keys are empty */
    if (watch->keys.failed) return tp_fail_nomem(error);
    ends[i] = watch->keys.size;
  }
  for (size_t i = 0, start = 0; i < key_count; start = ends[i], i++) {
    watch->views[i] = tuplet_view(watch->keys.data + start, ends[i] - start - 1);
  }
  watch->key_count = key_count;
  return TUPLET_OK;
}

static void watch_free(tuplet_watch *watch) {
  tp_entry_batch_done(&watch->batch);
  tp_buffer_done(&watch->keys);
  tp_watcher_done(&watch->watcher);
}

tuplet_status tuplet_watch_open(tuplet_db *db, const tuplet_key *keys, size_t key_count,
                                tuplet_watch **ret_watch, tuplet_error *error) {
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  if (ret_watch == NULL || (keys == NULL && key_count > 0)) {
    return tp_fail(error, TUPLET_MISUSE, "tuplet_watch_open: keys or ret_watch is NULL");
  }
  if (key_count > TP_LIMIT_WATCH_KEYS_MAX) {
    return tp_fail(error, TUPLET_LIMIT, "Too many keys (max %d)", (int)TP_LIMIT_WATCH_KEYS_MAX);
  }
  tuplet_watch *watch = tp_alloc_array_zeroed(db->allocator, 1, sizeof *watch);
  if (watch == NULL) return tp_fail_nomem(error);
  status = tp_watcher_init(&watch->watcher, &key_watcher, db, error);
  if (status != TUPLET_OK) {
    tp_free(db->allocator, watch);
    return status;
  }
  tp_buffer_init(&watch->keys, db->allocator);
  tp_entry_batch_init(&watch->batch, db->allocator);
  status = encode_keys(watch, keys, key_count, error);
  if (status == TUPLET_OK && key_count > 0) {
    status = tp_watch_open(db->store, watch->views, key_count, tp_watcher_wake, watch, &watch->inner, error);
  }
  if (status != TUPLET_OK) {
    watch_free(watch);
    return status;
  }
  tp_watcher_link(&watch->watcher);
  *ret_watch = watch;
  return TUPLET_OK;
}

void tuplet_watch_set_raw(tuplet_watch *watch, bool is_raw) {
  if (watch != NULL) watch->is_raw = is_raw;
}

void tuplet_watch_close(tuplet_watch *watch) {
  if (watch == NULL) return;
  tp_watcher_end(&watch->watcher);
  watch_free(watch);
}

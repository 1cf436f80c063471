/* watch.c: tuplet_watch_next, blocking and with a callback.
 *
 * The store wakes a watch from wherever a commit happens; the watch is then polled by whoever waits for it:
 * the thread inside tuplet_watch_next, or, for callbacks, the database's dispatcher thread.
 *
 *   store: wake -> changed = true -> waiting thread, or [ dispatcher's queue ] -> poll -> entries
 *
 * Lock order: the database's mutex, then the store's hub, then a watch, then the dispatcher. A poll takes the
 * hub's lock, so it runs without the watch's. */
#include "api/watch.h"

#include "api/deadline.h"
#include "api/dispatcher.h"
#include "api/entry_batch.h"
#include "base/alloc.h"
#include "base/status.h"
#include "codec/key.h"
#include "codec/limits.h"

#include <string.h>

struct tuplet_watch {
  tuplet_db *db;                 /* a reference */
  tuplet_watch *previous, *next; /* of the database's watches; guarded by its mutex */
  tp_buffer keys;
  tuplet_bytes views[TP_LIMIT_WATCH_KEYS_MAX]; /* of the encoded keys */
  size_t key_count;

  /* The poll that is running, or the last one: */
  tp_watch_poll poll;
  tp_entry_batch batch;
  tuplet_status polled;
  bool any_changed;
  tuplet_error poll_error;

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal;
  tp_watch *inner; /* NULL once ended */
  bool changed;    /* the store woke it since the last poll */
  bool polling;
  bool poll_done;
  tuplet_watch_callback callback; /* armed by tuplet_watch_next_async */
  void *context;
  tp_dispatch_item dispatch;
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
  (void)pthread_mutex_lock(&watch->mutex);
  watch->polled = status;
  watch->any_changed = any_changed;
  if (status < 0) watch->poll_error = *error;
  watch->poll_done = true;
  (void)pthread_cond_broadcast(&watch->signal);
  (void)pthread_mutex_unlock(&watch->mutex);
}

/* Polls once. The mutex is held, and let go of meanwhile; `polling` keeps the watch from being ended. Returns
 * TUPLET_OK with sealed entries, TUPLET_TIMEOUT when nothing new is there, or the poll's error. */
static tuplet_status poll_once(tuplet_watch *watch, tuplet_error *error) {
  watch->changed = false;
  watch->polling = true;
  watch->poll_done = false;
  tp_watch *inner = watch->inner;
  (void)pthread_mutex_unlock(&watch->mutex);
  tp_entry_batch_clear(&watch->batch);
  watch->poll = (tp_watch_poll){on_key, on_polled};
  tp_watch_poll_start(inner, NULL, &watch->poll);
  (void)pthread_mutex_lock(&watch->mutex);
  while (!watch->poll_done) (void)pthread_cond_wait(&watch->signal, &watch->mutex);
  watch->polling = false;
  (void)pthread_cond_broadcast(&watch->signal);
  if (watch->polled < 0) {
    watch->changed = true; /* the consumer has yet to see it: the next call tries again */
    if (error != NULL) *error = watch->poll_error;
    return watch->polled;
  }
  if (!watch->any_changed) return TUPLET_TIMEOUT;
  tp_entry_batch_seal(&watch->batch);
  return TUPLET_OK;
}

static tuplet_status closed(tuplet_error *error) {
  return tp_fail(error, TUPLET_CLOSED, "the database is closed");
}

/* ---- Waiting ---- */

/* Waits for `changed`, or the end of the watch. The mutex is held. */
static tuplet_status wait_for_change(tuplet_watch *watch, const tp_deadline *deadline) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && watch->inner != NULL && !watch->changed)
    status = tp_deadline_wait(deadline, &watch->signal, &watch->mutex);
  return watch->inner == NULL || watch->changed ? TUPLET_OK : status;
}

tuplet_status tuplet_watch_next(tuplet_watch *watch, int64_t timeout_ms, const tuplet_entries **ret_entries,
                                tuplet_error *error) {
  if (watch == NULL || ret_entries == NULL) {
    return tp_fail(error, TUPLET_MISUSE, "watch or ret_entries is NULL");
  }
  if (watch->key_count == 0) return TUPLET_DONE;
  tp_deadline deadline = tp_deadline_in(timeout_ms);
  (void)pthread_mutex_lock(&watch->mutex);
  tuplet_status status = TUPLET_OK;
  if (watch->callback != NULL || watch->polling) {
    status = tp_fail(error, TUPLET_MISUSE, "another call waits for this watch already");
  }
  while (status == TUPLET_OK) {
    status = wait_for_change(watch, &deadline);
    if (status != TUPLET_OK) break;
    if (watch->inner == NULL) {
      status = closed(error);
      break;
    }
    status = poll_once(watch, error);
    if (status == TUPLET_OK) {
      *ret_entries = &watch->batch.entries;
      break;
    }
    if (status == TUPLET_TIMEOUT) status = TUPLET_OK; /* nothing new after all: wait on */
  }
  (void)pthread_mutex_unlock(&watch->mutex);
  return status;
}

/* From the store, under its hub's lock. */
static void wake(void *context) {
  tuplet_watch *watch = context;
  (void)pthread_mutex_lock(&watch->mutex);
  watch->changed = true;
  if (watch->callback != NULL) tp_dispatcher_submit(watch->db->dispatcher, &watch->dispatch);
  (void)pthread_cond_broadcast(&watch->signal);
  (void)pthread_mutex_unlock(&watch->mutex);
}

/* ---- With a callback ---- */

/* On the dispatcher's thread. */
static void serve(tp_dispatch_item *item) {
  tuplet_watch *watch = (tuplet_watch *)(void *)((char *)item - offsetof(tuplet_watch, dispatch));
  tuplet_error error = {0};
  (void)pthread_mutex_lock(&watch->mutex);
  tuplet_status status = TUPLET_TIMEOUT;
  while (watch->inner != NULL && watch->callback != NULL && watch->changed && status == TUPLET_TIMEOUT) {
    status = poll_once(watch, &error);
  }
  tuplet_watch_callback callback = status == TUPLET_TIMEOUT ? NULL : watch->callback;
  void *callback_context = watch->context;
  if (callback != NULL) watch->callback = NULL;
  (void)pthread_mutex_unlock(&watch->mutex);
  if (callback != NULL) {
    callback(callback_context, status, status == TUPLET_OK ? &watch->batch.entries : NULL, &error);
  }
}

tuplet_status tuplet_watch_next_async(tuplet_watch *watch, tuplet_watch_callback callback, void *context,
                                      tuplet_error *error) {
  if (watch == NULL || callback == NULL) return tp_fail(error, TUPLET_MISUSE, "watch or callback is NULL");
  tuplet_db *db = watch->db;
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  (void)pthread_mutex_lock(&db->mutex);
  status = tp_db_check(db, error); /* again: a dispatcher that tuplet_close does not see would never end */
  if (status == TUPLET_OK && db->dispatcher == NULL) {
    status = tp_dispatcher_new(db->allocator, &db->dispatcher, error);
  }
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  if (status != TUPLET_OK) return status;

  (void)pthread_mutex_lock(&watch->mutex);
  bool has_keys = watch->key_count > 0; /* the callback, once armed, may free the watch before this returns */
  bool ended = watch->inner == NULL && has_keys;
  if (ended) {
    status = closed(error);
  } else if (watch->callback != NULL || watch->polling) {
    status = tp_fail(error, TUPLET_MISUSE, "another call waits for this watch already");
  } else if (has_keys) {
    watch->callback = callback;
    watch->context = context;
    if (watch->changed) tp_dispatcher_submit(dispatcher, &watch->dispatch);
  }
  (void)pthread_mutex_unlock(&watch->mutex);
  if (status == TUPLET_OK && !has_keys) callback(context, TUPLET_DONE, NULL, &(tuplet_error){0});
  return status;
}

/* ---- Beginning and end ---- */

static void link_watch(tuplet_watch *watch) {
  tuplet_db *db = watch->db;
  (void)pthread_mutex_lock(&db->mutex);
  watch->next = db->watches;
  if (db->watches != NULL) db->watches->previous = watch;
  db->watches = watch;
  (void)pthread_mutex_unlock(&db->mutex);
}

/* The database's mutex is held. */
static void unlink_watch(tuplet_watch *watch) {
  tuplet_db *db = watch->db;
  if (watch->next != NULL) watch->next->previous = watch->previous;
  if (watch->previous != NULL) watch->previous->next = watch->next;
  if (db->watches == watch) db->watches = watch->next;
  watch->previous = watch->next = NULL;
}

static tuplet_status encode_keys(tuplet_watch *watch, const tuplet_key *keys, tuplet_error *error) {
  size_t ends[TP_LIMIT_WATCH_KEYS_MAX];
  for (size_t i = 0; i < watch->key_count; i++) {
    tuplet_status status = tp_key_encode(keys[i], &watch->keys, error);
    if (status != TUPLET_OK) return status;
    tp_buffer_append_byte(&watch->keys, 0); /* so that there are bytes also when all keys are empty */
    if (watch->keys.failed) return tp_fail_nomem(error);
    ends[i] = watch->keys.size;
  }
  for (size_t i = 0, start = 0; i < watch->key_count; start = ends[i], i++) {
    watch->views[i] = tuplet_view(watch->keys.data + start, ends[i] - start - 1);
  }
  return TUPLET_OK;
}

static int init_locks(tuplet_watch *watch) {
  pthread_condattr_t attributes;
  int rc = pthread_condattr_init(&attributes);
  if (rc != 0) return rc;
  rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (rc == 0) rc = pthread_cond_init(&watch->signal, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  if (rc != 0) return rc;
  rc = pthread_mutex_init(&watch->mutex, NULL);
  if (rc != 0) (void)pthread_cond_destroy(&watch->signal);
  return rc;
}

static void watch_free(tuplet_watch *watch) {
  tuplet_db *db = watch->db;
  (void)pthread_cond_destroy(&watch->signal);
  (void)pthread_mutex_destroy(&watch->mutex);
  tp_entry_batch_done(&watch->batch);
  tp_buffer_done(&watch->keys);
  tp_free(db->allocator, watch);
  tp_db_unref(db);
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
  int rc = init_locks(watch);
  if (rc != 0) {
    tp_free(db->allocator, watch);
    return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  }
  watch->db = tp_db_ref(db);
  watch->key_count = key_count;
  watch->dispatch.serve = serve;
  tp_buffer_init(&watch->keys, db->allocator);
  tp_entry_batch_init(&watch->batch, db->allocator);
  status = encode_keys(watch, keys, error);
  if (status == TUPLET_OK && key_count > 0) {
    status = tp_watch_open(db->store, watch->views, key_count, wake, watch, &watch->inner, error);
  }
  if (status != TUPLET_OK) {
    watch_free(watch);
    return status;
  }
  link_watch(watch);
  *ret_watch = watch;
  return TUPLET_OK;
}

/* A callback that was armed, to be told of the end. */
typedef struct armed_callback {
  tuplet_watch_callback callback; /* NULL: none */
  void *context;
} armed_callback;

/* Makes the watch's calls return TUPLET_CLOSED; its owner frees it. */
static armed_callback end_watch(tuplet_watch *watch) {
  (void)pthread_mutex_lock(&watch->mutex);
  while (watch->polling) (void)pthread_cond_wait(&watch->signal, &watch->mutex);
  tp_watch *inner = watch->inner;
  watch->inner = NULL;
  armed_callback armed = {watch->callback, watch->context};
  watch->callback = NULL;
  (void)pthread_cond_broadcast(&watch->signal);
  (void)pthread_mutex_unlock(&watch->mutex);
  tp_watch_close(inner); /* without the mutex: `wake` takes it under the hub's */
  return armed;
}

static void tell_closed(armed_callback armed) {
  if (armed.callback == NULL) return;
  tuplet_error error = {0};
  armed.callback(armed.context, closed(&error), NULL, &error);
}

void tuplet_watch_close(tuplet_watch *watch) {
  if (watch == NULL) return;
  tuplet_db *db = watch->db;
  (void)pthread_mutex_lock(&db->mutex);
  unlink_watch(watch);
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  tell_closed(end_watch(watch));
  tp_dispatcher_withdraw(dispatcher, &watch->dispatch);
  watch_free(watch);
}

/* An owner who is told TUPLET_CLOSED may close the watch at once, on a thread of its own: the database's
 * mutex keeps it from freeing the watch before this is done with it. */
void tp_watches_end(tuplet_db *db) {
  (void)pthread_mutex_lock(&db->mutex);
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  tp_dispatcher_stop(dispatcher);
  (void)pthread_mutex_lock(&db->mutex);
  while (db->watches != NULL) {
    tuplet_watch *watch = db->watches;
    unlink_watch(watch);
    armed_callback armed = end_watch(watch);
    (void)pthread_mutex_unlock(&db->mutex);
    tell_closed(armed);
    (void)pthread_mutex_lock(&db->mutex);
  }
  (void)pthread_mutex_unlock(&db->mutex);
}

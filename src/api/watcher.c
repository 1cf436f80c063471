/* watcher.c: waiting for a watch, blocking and with a callback.
 *
 * The store wakes a watch from wherever a commit happens; the watch is then polled by whoever waits for it:
 * the thread inside tp_watcher_next, or, for callbacks, the database's dispatcher thread. */
#include "api/watcher.h"

#include "api/watch.h"
#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"

#include <stddef.h>
#include <string.h>

/* ---- Polling ---- */

void tp_watcher_polled(tp_watcher *watcher, tuplet_status status, bool is_new, const tuplet_error *error) {
  (void)pthread_mutex_lock(&watcher->mutex);
  watcher->polled = status;
  watcher->is_new = is_new;
  if (status < 0) watcher->poll_error = *error;
  watcher->poll_done = true;
  (void)pthread_cond_broadcast(&watcher->signal);
  (void)pthread_mutex_unlock(&watcher->mutex);
}

/* Polls once. The mutex is held, and let go of meanwhile; `polling` keeps the watch from being ended. Returns
 * TUPLET_OK with a delivery, TUPLET_TIMEOUT when nothing new is there, or the poll's error. */
static tuplet_status poll_once(tp_watcher *watcher, tuplet_error *error) {
  watcher->changed = false;
  watcher->polling = true;
  watcher->poll_done = false;
  (void)pthread_mutex_unlock(&watcher->mutex);
  watcher->kind->poll(watcher);
  (void)pthread_mutex_lock(&watcher->mutex);
  while (!watcher->poll_done) (void)pthread_cond_wait(&watcher->signal, &watcher->mutex);
  watcher->polling = false;
  (void)pthread_cond_broadcast(&watcher->signal);
  if (watcher->polled < 0) {
    watcher->changed = true; /* the consumer has yet to see it: the next call tries again */
    if (error != NULL) *error = watcher->poll_error;
    return watcher->polled;
  }
  if (!watcher->is_new) return TUPLET_TIMEOUT;
  watcher->kind->seal(watcher);
  return TUPLET_OK;
}

static tuplet_status closed(tuplet_error *error) {
  return tp_fail(error, TUPLET_CLOSED, "the database is closed");
}

static tuplet_status check_alone(const tp_watcher *watcher, tuplet_error *error) {
  if (watcher->callback == NULL && !watcher->polling) return TUPLET_OK;
  return tp_fail(error, TUPLET_MISUSE, "another call waits for this watch already");
}

/* ---- Waiting ---- */

/* Waits for `changed`, or the end of the watch. The mutex is held. */
static tuplet_status wait_for_change(tp_watcher *watcher, const tp_deadline *deadline) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && !watcher->has_ended && !watcher->changed)
    status = tp_deadline_wait(deadline, &watcher->signal, &watcher->mutex);
  return watcher->has_ended || watcher->changed ? TUPLET_OK : status;
}

tuplet_status tp_watcher_next(tp_watcher *watcher, int64_t timeout_ms, tuplet_error *error) {
  tp_deadline deadline = tp_deadline_in(timeout_ms);
  (void)pthread_mutex_lock(&watcher->mutex);
  tuplet_status status = check_alone(watcher, error);
  bool is_given = false;
  while (status == TUPLET_OK && !is_given) {
    status = wait_for_change(watcher, &deadline);
    if (status != TUPLET_OK) break;
    status = watcher->has_ended ? closed(error) : poll_once(watcher, error);
    is_given = status == TUPLET_OK;
    if (status == TUPLET_TIMEOUT) status = TUPLET_OK; /* nothing new after all: wait on */
  }
  (void)pthread_mutex_unlock(&watcher->mutex);
  return status;
}

void tp_watcher_wake(void *context) {
  tp_watcher *watcher = context;
  (void)pthread_mutex_lock(&watcher->mutex);
  watcher->changed = true;
  if (watcher->callback != NULL) tp_dispatcher_submit(watcher->db->dispatcher, &watcher->dispatch);
  (void)pthread_cond_broadcast(&watcher->signal);
  (void)pthread_mutex_unlock(&watcher->mutex);
}

/* ---- With a callback ---- */

/* On the dispatcher's thread. */
static void serve(tp_dispatch_item *item) {
  tp_watcher *watcher = (tp_watcher *)(void *)((char *)item - offsetof(tp_watcher, dispatch));
  tuplet_error error = {0};
  (void)pthread_mutex_lock(&watcher->mutex);
  tuplet_status status = TUPLET_TIMEOUT;
  while (!watcher->has_ended && watcher->callback != NULL && watcher->changed && status == TUPLET_TIMEOUT)
    status = poll_once(watcher, &error);
  void (*callback)(void) = status == TUPLET_TIMEOUT ? NULL : watcher->callback;
  void *context = watcher->context;
  if (callback != NULL) watcher->callback = NULL;
  (void)pthread_mutex_unlock(&watcher->mutex);
  if (callback != NULL) watcher->kind->call(watcher, callback, context, status, &error);
}

tuplet_status tp_watcher_next_async(tp_watcher *watcher, void (*callback)(void), void *context,
                                    tuplet_error *error) {
  tuplet_db *db = watcher->db;
  tuplet_status status = tp_db_check(db, error);
  if (status != TUPLET_OK) return status;
  (void)pthread_mutex_lock(&db->mutex);
  status = tp_db_check(db, error); /* again: a dispatcher that tuplet_close does not see would never end */
  if (status == TUPLET_OK && db->dispatcher == NULL)
    status = tp_dispatcher_new(db->allocator, &db->dispatcher, error);
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  if (status != TUPLET_OK) return status;

  (void)pthread_mutex_lock(&watcher->mutex);
  status = watcher->has_ended ? closed(error) : check_alone(watcher, error);
  if (status == TUPLET_OK) {
    watcher->callback = callback;
    watcher->context = context;
    if (watcher->changed) tp_dispatcher_submit(dispatcher, &watcher->dispatch);
  }
  (void)pthread_mutex_unlock(&watcher->mutex);
  return status;
}

/* ---- Beginning and end ---- */

void tp_watcher_link(tp_watcher *watcher) {
  tuplet_db *db = watcher->db;
  (void)pthread_mutex_lock(&db->mutex);
  watcher->next = db->watchers;
  if (db->watchers != NULL) db->watchers->previous = watcher;
  db->watchers = watcher;
  (void)pthread_mutex_unlock(&db->mutex);
}

/* The database's mutex is held. */
static void unlink_watcher(tp_watcher *watcher) {
  tuplet_db *db = watcher->db;
  if (watcher->next != NULL) watcher->next->previous = watcher->previous;
  if (watcher->previous != NULL) watcher->previous->next = watcher->next;
  if (db->watchers == watcher) db->watchers = watcher->next;
  watcher->previous = watcher->next = NULL;
}

static int init_locks(tp_watcher *watcher) {
  int rc = tp_deadline_init_cond(&watcher->signal);
  if (rc != 0) return rc;
  rc = pthread_mutex_init(&watcher->mutex, NULL);
  if (rc != 0) (void)pthread_cond_destroy(&watcher->signal);
  return rc;
}

tuplet_status tp_watcher_init(tp_watcher *watcher, const tp_watcher_kind *kind, tuplet_db *db,
                              tuplet_error *error) {
  *watcher = (tp_watcher){.kind = kind, .dispatch = {.serve = serve}};
  int rc = init_locks(watcher);
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  watcher->db = tp_db_ref(db);
  return TUPLET_OK;
}

void tp_watcher_done(tp_watcher *watcher) {
  tuplet_db *db = watcher->db;
  (void)pthread_cond_destroy(&watcher->signal);
  (void)pthread_mutex_destroy(&watcher->mutex);
  tp_free(db->allocator, watcher);
  tp_db_unref(db);
}

/* A callback that was armed, to be told of the end. */
typedef struct armed_callback {
  void (*callback)(void); /* NULL: none */
  void *context;
} armed_callback;

/* Makes the watch's calls return TUPLET_CLOSED; its owner frees it. */
static armed_callback end_watcher(tp_watcher *watcher) {
  (void)pthread_mutex_lock(&watcher->mutex);
  while (watcher->polling) (void)pthread_cond_wait(&watcher->signal, &watcher->mutex);
  bool had_ended = watcher->has_ended;
  watcher->has_ended = true;
  armed_callback armed = {watcher->callback, watcher->context};
  watcher->callback = NULL;
  (void)pthread_cond_broadcast(&watcher->signal);
  (void)pthread_mutex_unlock(&watcher->mutex);
  if (!had_ended) watcher->kind->close(watcher); /* without the mutex: waking takes it under the hub's */
  return armed;
}

static void tell_closed(tp_watcher *watcher, const tp_watcher_kind *kind, armed_callback armed) {
  if (armed.callback == NULL) return;
  tuplet_error error = {0};
  kind->call(watcher, armed.callback, armed.context, closed(&error), &error);
}

void tp_watcher_end(tp_watcher *watcher) {
  tuplet_db *db = watcher->db;
  (void)pthread_mutex_lock(&db->mutex);
  unlink_watcher(watcher);
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  tell_closed(watcher, watcher->kind, end_watcher(watcher));
  tp_dispatcher_withdraw(dispatcher, &watcher->dispatch);
}

/* An owner who is told TUPLET_CLOSED may close the watch at once, on a thread of its own: the database's
 * mutex keeps it from freeing the watch before this is done with it. */
void tp_watches_end(tuplet_db *db) {
  (void)pthread_mutex_lock(&db->mutex);
  tp_watch_dispatcher *dispatcher = db->dispatcher;
  (void)pthread_mutex_unlock(&db->mutex);
  tp_dispatcher_stop(dispatcher);
  (void)pthread_mutex_lock(&db->mutex);
  while (db->watchers != NULL) {
    tp_watcher *watcher = db->watchers;
    const tp_watcher_kind *kind = watcher->kind;
    unlink_watcher(watcher);
    armed_callback armed = end_watcher(watcher);
    (void)pthread_mutex_unlock(&db->mutex);
    tell_closed(watcher, kind, armed);
    (void)pthread_mutex_lock(&db->mutex);
  }
  (void)pthread_mutex_unlock(&db->mutex);
}

/* housekeeper.c: expiry, and the changes of others, by the clock.
 *
 * Nothing correct depends on it being punctual: reads, checks and sums compare expiries themselves. What it
 * does late is only removed late, or told late. */
#include "store/housekeeper.h"

#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"

#include <string.h>

enum {
  SWEEP_ROWS_MAX = 256,          /* a commit's worth of work, so that no writer waits long behind it */
  SWEEP_INTERVAL_MIN_MS = 20,    /* between sweeps, so that expiries close together share one */
  SWEEP_INTERVAL_MAX_MS = 60000, /* rows that others wrote are found at the latest then */
  SWEEP_RETRY_MS = 5000,         /* after a failure (a full disk, a busy neighbour) */
  POLL_INTERVAL_MS = 10,         /* for the changes of others, while anybody watches or listens */
  POLL_INTERVAL_TOLD_MS = 1000,  /* where the engine tells of them: should it miss one */
  /* A change is told when it begins to be written, and seen when it is durable, which takes as long as the
   * disk does: looked for soon at first, then less and less often. */
  POLL_AFTER_TOLD_MS = 2,
  POLL_AFTER_TOLD_PART = 4 /* of the time since */
};

static int64_t earlier(int64_t a_ms, int64_t b_ms) {
  if (a_ms == TP_EXPIRES_NEVER) return b_ms;
  if (b_ms == TP_EXPIRES_NEVER) return a_ms;
  return a_ms < b_ms ? a_ms : b_ms;
}

/* ---- Sweeping ---- */

/* How long to leave the writers alone after a sweep. */
static int64_t pause_ms(const tp_sweep *sweep, int64_t now_ms) {
  if (sweep->status != TUPLET_OK) return SWEEP_RETRY_MS;
  if (sweep->removed == sweep->row_max) return 0; /* more is waiting */
  /* Rows that are due and cannot be removed, as a damaged index claims, must not keep it busy. */
  bool stuck =
      sweep->removed == 0 && sweep->next_expiry_ms != TP_EXPIRES_NEVER && sweep->next_expiry_ms <= now_ms;
  return stuck ? SWEEP_RETRY_MS : SWEEP_INTERVAL_MIN_MS;
}

static void on_swept(tp_sweep *sweep) {
  tp_housekeeper *housekeeper = (tp_housekeeper *)(void *)((char *)sweep - offsetof(tp_housekeeper, sweep));
  (void)pthread_mutex_lock(&housekeeper->mutex);
  int64_t now_ms = tp_clock_unix_ms(&housekeeper->clock);
  int64_t due_ms = now_ms + SWEEP_INTERVAL_MAX_MS;
  if (sweep->status != TUPLET_OK) {
    due_ms = now_ms + SWEEP_RETRY_MS;
  } else {
    if (!housekeeper->engine->shared) due_ms = TP_EXPIRES_NEVER;
    due_ms = earlier(due_ms, sweep->next_expiry_ms);
  }
  housekeeper->sweep_due_ms = earlier(housekeeper->sweep_due_ms, due_ms);
  housekeeper->paused_until_ns =
      tp_clock_monotonic_ns(&housekeeper->clock) + pause_ms(sweep, now_ms) * 1000000;
  housekeeper->sweeping = false;
  (void)pthread_cond_signal(&housekeeper->wake);
  (void)pthread_mutex_unlock(&housekeeper->mutex);
}

/* When the next sweep may start, unix ms; the mutex is held. */
static int64_t next_sweep_ms(const tp_housekeeper *housekeeper, int64_t now_ms) {
  if (!housekeeper->sweeps || housekeeper->sweeping || housekeeper->sweep_due_ms == TP_EXPIRES_NEVER) {
    return TP_EXPIRES_NEVER;
  }
  int64_t pause_ns = housekeeper->paused_until_ns - tp_clock_monotonic_ns(&housekeeper->clock);
  int64_t earliest_ms = pause_ns > 0 ? now_ms + (pause_ns + 999999) / 1000000 : now_ms;
  return housekeeper->sweep_due_ms > earliest_ms ? housekeeper->sweep_due_ms : earliest_ms;
}

/* The mutex is held, and let go of meanwhile. */
static void start_sweep(tp_housekeeper *housekeeper, int64_t now_ms) {
  housekeeper->sweeping = true;
  housekeeper->sweep_due_ms = TP_EXPIRES_NEVER;
  housekeeper->sweep = (tp_sweep){
      .now_ms = now_ms, .row_max = SWEEP_ROWS_MAX, .on_done = on_swept, .next_expiry_ms = TP_EXPIRES_NEVER};
  (void)pthread_mutex_unlock(&housekeeper->mutex);
  housekeeper->engine->ops->sweep(housekeeper->engine, &housekeeper->sweep);
  (void)pthread_mutex_lock(&housekeeper->mutex);
}

/* ---- The thread ---- */

/* Waits until a moment of the wall clock, or until something is noted. The mutex is held. */
static void wait_until(tp_housekeeper *housekeeper, int64_t due_ms, int64_t now_ms) {
  if (due_ms == TP_EXPIRES_NEVER) {
    (void)pthread_cond_wait(&housekeeper->wake, &housekeeper->mutex);
    return;
  }
  /* The wall clock may be set meanwhile: look at it again now and then. */
  int64_t wait_ms = due_ms - now_ms < SWEEP_INTERVAL_MAX_MS ? due_ms - now_ms : SWEEP_INTERVAL_MAX_MS;
  tp_deadline until = tp_deadline_in(wait_ms > 0 ? wait_ms : 0);
  (void)tp_deadline_wait(&until, &housekeeper->wake, &housekeeper->mutex);
}

/* Whether others may have changed the data. A failure here is met by the readers too, who report it; looking
 * again soon is all there is to do. */
static bool look_for_foreign_changes(const tp_housekeeper *housekeeper) {
  bool changed = false, queue_changed = false;
  tp_engine *engine = housekeeper->engine;
  if (engine->ops->poll_foreign_changes(engine, &changed, &queue_changed, NULL) != TUPLET_OK) return false;
  if (changed) tp_watch_hub_notify_all(housekeeper->hub);
  if (changed || queue_changed) tp_queue_note_foreign(housekeeper->queue);
  return changed;
}

static void rouse(tp_housekeeper *housekeeper);

static void on_change(void *context) {
  tp_housekeeper *housekeeper = context;
  int64_t now_ns = tp_clock_monotonic_ns(&housekeeper->clock);
  (void)pthread_mutex_lock(&housekeeper->mutex);
  housekeeper->told_at_ns = now_ns;
  rouse(housekeeper);
  (void)pthread_mutex_unlock(&housekeeper->mutex);
}

/* How long until it has to look again by itself. */
static int64_t poll_interval_ms(tp_housekeeper *housekeeper) {
  tp_engine *engine = housekeeper->engine;
  if (!housekeeper->has_asked && engine->ops->notice_changes != NULL)
    housekeeper->is_told = engine->ops->notice_changes(engine, on_change, housekeeper, NULL) == TUPLET_OK;
  housekeeper->has_asked = true;
  if (!housekeeper->is_told) return POLL_INTERVAL_MS;
  (void)pthread_mutex_lock(&housekeeper->mutex);
  int64_t told_at_ns = housekeeper->told_at_ns;
  (void)pthread_mutex_unlock(&housekeeper->mutex);
  int64_t since_ms = (tp_clock_monotonic_ns(&housekeeper->clock) - told_at_ns) / 1000000;
  int64_t interval_ms = since_ms / POLL_AFTER_TOLD_PART;
  if (interval_ms < POLL_AFTER_TOLD_MS) interval_ms = POLL_AFTER_TOLD_MS;
  return interval_ms < POLL_INTERVAL_TOLD_MS ? interval_ms : POLL_INTERVAL_TOLD_MS;
}

/* What watches and listeners need: returns when to look again, unix ms. The mutex is not held. */
static int64_t serve_watches(tp_housekeeper *housekeeper, int64_t now_ms) {
  tp_range_hub *range_hub = housekeeper->range_hub;
  tp_engine *engine = housekeeper->engine;
  bool are_keys_watched = tp_watch_hub_member_count(housekeeper->hub) > 0;
  bool are_ranges_watched = tp_range_hub_member_count(range_hub) > 0;
  bool is_listened_to = tp_queue_is_listening(housekeeper->queue);
  int64_t due_ms =
      are_keys_watched ? tp_watch_hub_notify_expired(housekeeper->hub, now_ms) : TP_EXPIRES_NEVER;
  bool is_foreign = false;
  if (engine->shared && (are_keys_watched || are_ranges_watched || is_listened_to)) {
    due_ms = earlier(due_ms, now_ms + poll_interval_ms(housekeeper)); /* what comes afterwards is told */
    is_foreign = look_for_foreign_changes(housekeeper);
  }
  if (!are_ranges_watched) return due_ms;
  return earlier(due_ms, tp_range_hub_serve(range_hub, engine, now_ms, is_foreign));
}

static void *run(void *context) {
  tp_housekeeper *housekeeper = context;
  (void)pthread_mutex_lock(&housekeeper->mutex);
  while (!housekeeper->stopping) {
    (void)pthread_mutex_unlock(&housekeeper->mutex);
    int64_t now_ms = tp_clock_unix_ms(&housekeeper->clock);
    int64_t watches_due_ms = serve_watches(housekeeper, now_ms);
    (void)pthread_mutex_lock(&housekeeper->mutex);
    if (housekeeper->stopping) break;
    int64_t sweep_ms = next_sweep_ms(housekeeper, now_ms);
    if (sweep_ms != TP_EXPIRES_NEVER && sweep_ms <= now_ms) {
      start_sweep(housekeeper, now_ms);
      continue;
    }
    if (housekeeper->noted) {
      housekeeper->noted = false; /* while the watches were served, without the mutex */
      continue;
    }
    wait_until(housekeeper, earlier(watches_due_ms, sweep_ms), now_ms);
    housekeeper->noted = false;
  }
  (void)pthread_mutex_unlock(&housekeeper->mutex);
  return NULL;
}

/* Wakes the thread, or starts it: a database without expiry and watches needs none. The mutex is held. */
static void rouse(tp_housekeeper *housekeeper) {
  housekeeper->noted = true;
  if (!housekeeper->started && !housekeeper->stopping) {
    /* Without a thread (the system has no room for one) the next call tries again. */
    housekeeper->started =
        tp_thread_start(&housekeeper->thread, "tp-housekeeper", run, housekeeper, NULL) == TUPLET_OK;
  }
  (void)pthread_cond_signal(&housekeeper->wake);
}

void tp_housekeeper_note_expiry(tp_housekeeper *housekeeper, int64_t expires_at_ms) {
  if (!housekeeper->sweeps) return;
  (void)pthread_mutex_lock(&housekeeper->mutex);
  int64_t due_ms = earlier(housekeeper->sweep_due_ms, expires_at_ms);
  if (due_ms != housekeeper->sweep_due_ms || !housekeeper->started) {
    housekeeper->sweep_due_ms = due_ms;
    rouse(housekeeper);
  }
  (void)pthread_mutex_unlock(&housekeeper->mutex);
}

void tp_housekeeper_note_watch(tp_housekeeper *housekeeper) {
  (void)pthread_mutex_lock(&housekeeper->mutex);
  rouse(housekeeper);
  (void)pthread_mutex_unlock(&housekeeper->mutex);
}

/* ---- Beginning and end ---- */

tuplet_status tp_housekeeper_init(tp_housekeeper *housekeeper, tp_clock clock, tp_engine *engine,
                                  tp_watch_hub *hub, tp_range_hub *range_hub, tp_queue *queue, bool sweeps,
                                  tuplet_error *error) {
  *housekeeper = (tp_housekeeper){.clock = clock,
                                  .engine = engine,
                                  .hub = hub,
                                  .range_hub = range_hub,
                                  .queue = queue,
                                  .sweeps = sweeps,
                                  .sweep_due_ms = TP_EXPIRES_NEVER};
  int rc = pthread_mutex_init(&housekeeper->mutex, NULL);
  if (rc == 0) {
    rc = tp_deadline_init_cond(&housekeeper->wake);
    if (rc != 0) (void)pthread_mutex_destroy(&housekeeper->mutex);
  }
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_housekeeper_stop(tp_housekeeper *housekeeper) {
  (void)pthread_mutex_lock(&housekeeper->mutex);
  housekeeper->stopping = true;
  bool started = housekeeper->started;
  (void)pthread_cond_signal(&housekeeper->wake);
  (void)pthread_mutex_unlock(&housekeeper->mutex);
  if (started) (void)pthread_join(housekeeper->thread, NULL);
  if (housekeeper->is_told) housekeeper->engine->ops->notice_stop(housekeeper->engine);
}

void tp_housekeeper_done(tp_housekeeper *housekeeper) {
  (void)pthread_cond_destroy(&housekeeper->wake);
  (void)pthread_mutex_destroy(&housekeeper->mutex);
}

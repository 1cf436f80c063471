/* housekeeper.h: what a store does when its time has come, on a thread of its own: removing expired rows in
 * small steps, waking watches whose entries expire, and noticing what others do to the same data. */
#ifndef TP_STORE_HOUSEKEEPER_H
#define TP_STORE_HOUSEKEEPER_H

#include "base/clock.h"
#include "engine/engine.h"
#include "store/queue.h"
#include "store/range_hub.h"
#include "store/watch_hub.h"

#include <pthread.h>

typedef struct tp_housekeeper {
  tp_clock clock;
  tp_engine *engine;
  tp_watch_hub *hub;
  tp_range_hub *range_hub;
  tp_queue *queue;
  bool sweeps; /* the store may write */
  tp_sweep sweep;
  pthread_t thread;

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t wake;
  bool started;
  bool stopping;
  bool sweeping;           /* a sweep is on its way */
  int64_t sweep_due_ms;    /* unix; TP_EXPIRES_NEVER */
  int64_t paused_until_ns; /* monotonic; no sweep before */
  bool noted;              /* something changed since the thread looked */
  int64_t told_at_ns;      /* when the engine last told of a change; monotonic */

  bool has_asked; /* the thread's: the engine was asked to tell of changes, */
  bool is_told;   /* and does */
} tp_housekeeper;

tuplet_status tp_housekeeper_init(tp_housekeeper *housekeeper, tp_clock clock, tp_engine *engine,
                                  tp_watch_hub *hub, tp_range_hub *range_hub, tp_queue *queue, bool sweeps,
                                  tuplet_error *error);
/* Ends the thread; afterwards the engine may be closed, which completes a sweep that is on its way; then
 * done. */
void tp_housekeeper_stop(tp_housekeeper *housekeeper);
void tp_housekeeper_done(tp_housekeeper *housekeeper);

/* Any thread. A row that expires then was written (or may have been there before). Starts the thread. */
void tp_housekeeper_note_expiry(tp_housekeeper *housekeeper, int64_t expires_at_ms);

/* Any thread. The hub has a new member or an earlier expiry, or the queue its first listener. Starts the
 * thread. */
void tp_housekeeper_note_watch(tp_housekeeper *housekeeper);

#endif

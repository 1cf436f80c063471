/* watcher.h: what watches of keys and of ranges have in common: somebody waits until the store wakes the
 * watch, and then polls it.
 *
 *   store: wake -> changed = true -> waiting thread, or [ dispatcher's queue ] -> poll -> delivery
 *
 * Lock order: the database's mutex, then the store's hubs, then a watcher, then the dispatcher. A poll takes
 * a hub's lock, so it runs without the watcher's. */
#ifndef TP_API_WATCHER_H
#define TP_API_WATCHER_H

#include "api/db.h"
#include "api/dispatcher.h"

typedef struct tp_watcher tp_watcher;

/* What a kind of watch does its own way. */
typedef struct tp_watcher_kind {
  /* Polls the store; tp_watcher_polled follows, once, from wherever it completes. */
  void (*poll)(tp_watcher *watcher);
  /* After a poll that brought something: makes the delivery complete. */
  void (*seal)(tp_watcher *watcher);
  /* Calls the callback, with the delivery if status is TUPLET_OK. No lock is held. The watcher may be gone
   * when it returns. */
  void (*call)(tp_watcher *watcher, void (*callback)(void), void *context, tuplet_status status,
               const tuplet_error *error);
  /* Closes the store's watch, so that it wakes nobody any more. */
  void (*close)(tp_watcher *watcher);
} tp_watcher_kind;

/* Embedded, as its first member, in what the kind adds. */
struct tp_watcher {
  const tp_watcher_kind *kind;
  tuplet_db *db;               /* a reference */
  tp_watcher *previous, *next; /* of the database's; guarded by its mutex */

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t signal;
  bool has_ended;
  bool changed; /* the store woke it since the last poll */
  bool polling;
  bool poll_done;
  tuplet_status polled;
  bool is_new;
  tuplet_error poll_error;
  void (*callback)(void); /* armed by tp_watcher_next_async; of the kind's type */
  void *context;
  tp_dispatch_item dispatch;
};

/* Refers to the database. Errors: TUPLET_NOMEM, after which nothing is to be ended. */
tuplet_status tp_watcher_init(tp_watcher *watcher, const tp_watcher_kind *kind, tuplet_db *db,
                              tuplet_error *error);
/* Lets go of the database: what came with its allocator is freed before, but for the watcher. */
void tp_watcher_done(tp_watcher *watcher);

/* Puts it among the database's, which end it when the database is closed. */
void tp_watcher_link(tp_watcher *watcher);

/* Takes it out again, and ends it: afterwards nobody is inside it. */
void tp_watcher_end(tp_watcher *watcher);

/* From the store, under its hub's lock: `context` is the watcher. */
void tp_watcher_wake(void *context);

/* What a poll came to. Any thread. */
void tp_watcher_polled(tp_watcher *watcher, tuplet_status status, bool is_new, const tuplet_error *error);

/* Waits for a delivery: TUPLET_OK, TUPLET_TIMEOUT, or an error. */
tuplet_status tp_watcher_next(tp_watcher *watcher, int64_t timeout_ms, tuplet_error *error);

/* The same with a callback, on the database's dispatcher. */
tuplet_status tp_watcher_next_async(tp_watcher *watcher, void (*callback)(void), void *context,
                                    tuplet_error *error);

#endif

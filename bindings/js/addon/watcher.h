/* watcher.h: what a watch of keys and a watch of a range have in common: how they end, and who may wait for
 * them.
 *
 * What a watch delivers is its own memory until it is asked again or closed. It is closed by a job, so that a
 * poll that waits for a server holds nobody up; a delivery that comes while that job is waiting is not looked
 * at. */
#ifndef TP_JS_WATCHER_H
#define TP_JS_WATCHER_H

#include "database.h"
#include "task.h"

typedef struct tp_js_watcher tp_js_watcher;

/* The two kinds of watches. */
typedef struct tp_js_watcher_kind {
  tp_js_kind handle;                           /* with tp_js_child_unused and tp_js_child_discard */
  void (*close_inner)(tp_js_watcher *watcher); /* in a job */
  /* Asks the library for the next delivery to `task`. */
  tuplet_status (*ask)(tp_js_watcher *watcher, tp_js_task *task, tuplet_error *error);
  /* What was delivered, while it is there. */
  napi_status (*make)(tp_js_task *task, napi_env env, napi_value *ret_value);
} tp_js_watcher_kind;

struct tp_js_watcher {
  tp_js_child child; /* first */
  const tp_js_watcher_kind *kind;
  bool is_busy;   /* somebody waits for it */
  bool is_making; /* what was delivered is being made: it is not closed meanwhile */
  tp_js_job close_job;
};

/* The external of a watch that was opened; `watcher` is zeroed. NULL with an exception pending: then the
 * watch will be closed. */
napi_value tp_js_watcher_begin(tp_js_watcher *watcher, const tp_js_watcher_kind *kind, napi_env env,
                               tp_js_database *database);

/* The addon's functions ...Next and ...Close of a kind. */
napi_value tp_js_watcher_next(napi_env env, napi_callback_info info, const tp_js_watcher_kind *kind);
napi_value tp_js_watcher_close(napi_env env, napi_callback_info info, const tp_js_watcher_kind *kind);

#endif

/* range_watch.c: watching ranges. */
#include "entry.h"
#include "error.h"
#include "key.h"
#include "watch.h"
#include "watcher.h"

#include <stdlib.h>

typedef struct range_watch {
  tp_js_watcher watcher; /* first */
  tuplet_range_watch *inner;
} range_watch;

static void on_changes(void *context, tuplet_status status, const tuplet_changes *changes,
                       const tuplet_error *error) {
  tp_js_task *task = context;
  task->result.changes = changes;
  tp_js_task_complete(task, status == TUPLET_CLOSED ? TUPLET_DONE : status, error);
}

static tuplet_status ask_range(tp_js_watcher *watcher, tp_js_task *task, tuplet_error *error) {
  return tuplet_range_watch_next_async(((range_watch *)(void *)watcher)->inner, on_changes, task, error);
}

/* {mustReread, entries, versionstamp} */
static napi_status make_changes(tp_js_task *task, napi_env env, napi_value *ret_value) {
  const tuplet_changes *changes = task->result.changes;
  napi_value object, must_reread, entries, versionstamp;
  napi_status status = napi_create_object(env, &object);
  if (status == napi_ok) status = napi_get_boolean(env, changes->must_reread, &must_reread);
  if (status == napi_ok) status = napi_set_named_property(env, object, "mustReread", must_reread);
  if (status == napi_ok)
    status =
        tp_js_entries_make(task->handle->environment, env, changes->items, changes->count, false, &entries);
  if (status == napi_ok) status = napi_set_named_property(env, object, "entries", entries);
  if (status == napi_ok) status = tp_js_versionstamp_make(env, &changes->versionstamp, &versionstamp);
  if (status == napi_ok) status = napi_set_named_property(env, object, "versionstamp", versionstamp);
  *ret_value = object;
  return status;
}

static void close_range(tp_js_watcher *watcher) {
  tuplet_range_watch_close(((range_watch *)(void *)watcher)->inner);
}

static const tp_js_watcher_kind range_watch_kind = {
    {"expected a watch of a range", tp_js_child_unused, tp_js_child_discard},
    close_range,
    ask_range,
    make_changes};

static napi_value open_range(tp_js_database *database, napi_env env, const tuplet_selector *selector,
                             uint32_t changes_max) {
  range_watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  tuplet_range_watch_options options = TUPLET_RANGE_WATCH_OPTIONS_INIT;
  options.changes_max = changes_max;
  tuplet_error error;
  if (tuplet_range_watch_open(database->db, selector, &options, &watch->inner, &error) != TUPLET_OK) {
    tp_js_throw(database->handle.environment, env, &error);
    free(watch);
    return NULL;
  }
  return tp_js_watcher_begin(&watch->watcher, &range_watch_kind, env, database);
}

napi_value tp_js_range_watch_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3], external = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 3, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_selector selector;
  uint32_t changes_max;
  tp_js_scratch_init(&scratch);
  napi_status status = tp_js_selector_read(env, arguments[1], &scratch, &selector);
  if (status == napi_ok) status = napi_get_value_uint32(env, arguments[2], &changes_max);
  if (status == napi_ok) {
    tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
    if (database != NULL) external = open_range(database, env, &selector, changes_max);
  } else {
    tp_js_throw_napi(env, status);
  }
  tp_js_scratch_done(&scratch);
  return external;
}

napi_value tp_js_range_watch_next(napi_env env, napi_callback_info info) {
  return tp_js_watcher_next(env, info, &range_watch_kind);
}

napi_value tp_js_range_watch_close(napi_env env, napi_callback_info info) {
  return tp_js_watcher_close(env, info, &range_watch_kind);
}

/* watch.c: watching keys. */
#include "watch.h"

#include "entry.h"
#include "error.h"
#include "key.h"
#include "watcher.h"

#include <stdlib.h>

typedef struct key_watch {
  tp_js_watcher watcher; /* first */
  tuplet_watch *inner;
} key_watch;

static void on_entries(void *context, tuplet_status status, const tuplet_entries *entries,
                       const tuplet_error *error) {
  tp_js_task *task = context;
  task->result.watch_entries = entries;
  tp_js_task_complete(task, status == TUPLET_CLOSED ? TUPLET_DONE : status, error);
}

static tuplet_status ask_keys(tp_js_watcher *watcher, tp_js_task *task, tuplet_error *error) {
  return tuplet_watch_next_async(((key_watch *)(void *)watcher)->inner, on_entries, task, error);
}

static napi_status make_entries(tp_js_task *task, napi_env env, napi_value *ret_value) {
  const tuplet_entries *entries = task->result.watch_entries;
  return tp_js_entries_make(task->handle->environment, env, entries->items, entries->count, false, ret_value);
}

static void close_keys(tp_js_watcher *watcher) {
  tuplet_watch_close(((key_watch *)(void *)watcher)->inner);
}

static const tp_js_watcher_kind key_watch_kind = {
    {"expected a watch", tp_js_child_unused, tp_js_child_discard}, close_keys, ask_keys, make_entries};

static napi_value open_keys(tp_js_database *database, napi_env env, const tuplet_key *keys, size_t count,
                            bool is_raw) {
  key_watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  tuplet_error error;
  if (tuplet_watch_open(database->db, keys, count, &watch->inner, &error) != TUPLET_OK) {
    tp_js_throw(database->handle.environment, env, &error);
    free(watch);
    return NULL;
  }
  tuplet_watch_set_raw(watch->inner, is_raw);
  return tp_js_watcher_begin(&watch->watcher, &key_watch_kind, env, database);
}

napi_value tp_js_watch_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3], external = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 3, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_key *keys;
  size_t count;
  bool is_raw;
  tp_js_scratch_init(&scratch);
  napi_status status = napi_get_value_bool(env, arguments[2], &is_raw);
  if (status == napi_ok) status = tp_js_keys_read(env, arguments[1], &scratch, &keys, &count);
  if (status == napi_ok) {
    tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
    if (database != NULL) external = open_keys(database, env, keys, count, is_raw);
  } else {
    tp_js_throw_napi(env, status);
  }
  tp_js_scratch_done(&scratch);
  return external;
}

napi_value tp_js_watch_next(napi_env env, napi_callback_info info) {
  return tp_js_watcher_next(env, info, &key_watch_kind);
}

napi_value tp_js_watch_close(napi_env env, napi_callback_info info) {
  return tp_js_watcher_close(env, info, &key_watch_kind);
}

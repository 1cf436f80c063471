/* watcher.c: how watches end, and who may wait for them. */
#include "watcher.h"

#include "error.h"

static tp_js_watcher *watcher_of_task(const tp_js_task *task) {
  return (tp_js_watcher *)(void *)task->handle; /* its first member's first member */
}

/* ---- Beginning and end ---- */

static void run_close(tp_js_job *job) {
  tp_js_watcher *watcher = (tp_js_watcher *)(void *)((char *)job - offsetof(tp_js_watcher, close_job));
  watcher->kind->close_inner(watcher);
  tp_js_handle_unref(&watcher->child.handle);
}

static void close_inner(tp_js_watcher *watcher) {
  watcher->close_job.run = run_close;
  tp_js_handle_ref(&watcher->child.handle);
  tp_js_job_submit(&watcher->child.database->jobs, &watcher->close_job);
}

static void on_close(tp_js_child *child) {
  tp_js_watcher *watcher = (tp_js_watcher *)(void *)child;
  if (!watcher->is_making) close_inner(watcher); /* else when it has been made */
}

napi_value tp_js_watcher_begin(tp_js_watcher *watcher, const tp_js_watcher_kind *kind, napi_env env,
                               tp_js_database *database) {
  napi_value external = NULL;
  watcher->kind = kind;
  tp_js_child_init(&watcher->child, &kind->handle, database, on_close);
  napi_status status = tp_js_handle_wrap(&watcher->child.handle, env, &external);
  if (status != napi_ok) tp_js_throw_napi(env, status);
  tp_js_handle_let_go(&watcher->child.handle);
  return status == napi_ok ? external : NULL;
}

napi_value tp_js_watcher_close(napi_env env, napi_callback_info info, const tp_js_watcher_kind *kind) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  tp_js_handle *handle =
      environment == NULL ? NULL : tp_js_handle_of(environment, env, &kind->handle, argument);
  if (handle != NULL) tp_js_child_close((tp_js_child *)(void *)handle);
  return NULL;
}

/* ---- Waiting ---- */

/* null at the end: of the watch, of the database, or where there are no keys to watch. Making a value may run
 * code of the user's (a setter of Object.prototype, a Map of its own), which may close what is being read. */
static napi_status make_delivery(tp_js_task *task, napi_env env, napi_value *ret_value) {
  tp_js_watcher *watcher = watcher_of_task(task);
  if (watcher->child.is_closed || task->status != TUPLET_OK) return napi_get_null(env, ret_value);
  watcher->is_making = true;
  napi_status status = watcher->kind->make(task, env, ret_value);
  watcher->is_making = false;
  if (watcher->child.is_closed) close_inner(watcher);
  return status;
}

static void end_wait(tp_js_task *task, napi_env env) {
  (void)env;
  watcher_of_task(task)->is_busy = false;
}

/* A promise of the next delivery. */
static napi_value ask(tp_js_watcher *watcher, napi_env env) {
  static const tp_js_task_kind kind = {make_delivery, end_wait};
  tp_js_task *task = tp_js_task_new(&watcher->child.handle, &kind, env);
  if (task == NULL) return NULL;
  tuplet_error error;
  tuplet_status status = TUPLET_OK;
  watcher->is_busy = true;
  if (watcher->child.is_closed)
    tp_js_task_complete(task, TUPLET_DONE, NULL);
  else
    status = watcher->kind->ask(watcher, task, &error);
  if (status == TUPLET_OK) return tp_js_task_answer_later(task, env);
  watcher->is_busy = false;
  tp_js_task_drop(task);
  tp_js_throw(watcher->child.handle.environment, env, &error);
  return NULL;
}

napi_value tp_js_watcher_next(napi_env env, napi_callback_info info, const tp_js_watcher_kind *kind) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  tp_js_watcher *watcher =
      environment == NULL
          ? NULL
          : (tp_js_watcher *)(void *)tp_js_handle_of(environment, env, &kind->handle, argument);
  if (watcher == NULL) return NULL;
  if (!watcher->is_busy) return ask(watcher, env);
  tp_js_throw_status(environment, env, TUPLET_MISUSE, "another call waits for this watch already");
  return NULL;
}

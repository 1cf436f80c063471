/* listener.c: listening to the queue. */
#include "listener.h"

#include "error.h"
#include "task.h"

#include <stdlib.h>

static tp_js_listener *listener_of_task(const tp_js_task *task) {
  return (tp_js_listener *)(void *)task->handle; /* its first member's first member */
}

/* ---- Its end ---- */

static void call_end(tp_js_listener *listener, napi_env env) {
  napi_value function, undefined, ignored;
  napi_status status = napi_get_reference_value(env, listener->end, &function);
  if (status == napi_ok) status = napi_get_undefined(env, &undefined);
  if (status == napi_ok) status = napi_call_function(env, undefined, function, 1, &undefined, &ignored);
  if (status != napi_ok) tp_js_report(env, status);
}

static void settle_end(tp_js_event *event, napi_env env) {
  tp_js_listener *listener = (tp_js_listener *)(void *)((char *)event - offsetof(tp_js_listener, end_event));
  tp_js_handle *handle = &listener->child.handle;
  if (env == NULL) {
    tp_js_handle_unref(handle);
    return;
  }
  if (listener->is_under_way) {
    call_end(listener, env);
    tp_js_environment_end(handle->environment, env);
  }
  (void)napi_delete_reference(env, listener->deliver);
  (void)napi_delete_reference(env, listener->end);
  tp_js_handle_let_go(handle);
}

static void run_close(tp_js_job *job) {
  tp_js_listener *listener = (tp_js_listener *)(void *)((char *)job - offsetof(tp_js_listener, close_job));
  tuplet_listener_close(listener->inner);
  tp_js_environment_post(listener->child.handle.environment, &listener->end_event);
}

static void on_close(tp_js_child *child) {
  tp_js_listener *listener = (tp_js_listener *)(void *)child;
  listener->close_job.run = run_close;
  listener->end_event.settle = settle_end;
  tp_js_job_submit(&child->database->jobs, &listener->close_job);
}

static const tp_js_kind listener_kind = {"expected a listener", tp_js_child_unused, tp_js_child_discard};

/* ---- Its beginning ---- */

static void run_listen(tp_js_job *job) {
  tp_js_task *task = tp_js_task_of_job(job);
  tp_js_listener *listener = listener_of_task(task);
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.in_flight_max = listener->in_flight_max;
  tuplet_error error;
  tuplet_status status = tuplet_listen(listener->child.database->db, &options, tp_js_message_receive,
                                       listener, &listener->inner, &error);
  tp_js_task_complete(task, status, &error);
}

static napi_status make_listener(tp_js_task *task, napi_env env, napi_value *ret_value) {
  return tp_js_handle_wrap(task->handle, env, ret_value);
}

/* A listener that could not begin ends without saying so: its promise is rejected. */
static void end_listen(tp_js_task *task, napi_env env) {
  tp_js_listener *listener = listener_of_task(task);
  if (env == NULL || task->status == TUPLET_OK) return;
  if (listener->is_under_way) tp_js_environment_end(task->handle->environment, env);
  listener->is_under_way = false;
  tp_js_child_close(&listener->child);
}

static napi_status read_functions(napi_env env, const napi_value *values, tp_js_listener *listener) {
  napi_valuetype types[2];
  napi_status status = napi_typeof(env, values[0], &types[0]);
  if (status == napi_ok) status = napi_typeof(env, values[1], &types[1]);
  if (status == napi_ok && (types[0] != napi_function || types[1] != napi_function))
    status = napi_function_expected;
  if (status == napi_ok) status = napi_create_reference(env, values[0], 1, &listener->deliver);
  if (status != napi_ok) return status;
  status = napi_create_reference(env, values[1], 1, &listener->end);
  if (status != napi_ok) (void)napi_delete_reference(env, listener->deliver);
  return status;
}

static napi_value begin(tp_js_listener *listener, tp_js_database *database, napi_env env) {
  static const tp_js_task_kind kind = {make_listener, end_listen};
  tp_js_child_init(&listener->child, &listener_kind, database, on_close);
  tp_js_task *task = tp_js_task_new(&listener->child.handle, &kind, env);
  if (task == NULL) {
    tp_js_child_close(&listener->child);
    return NULL;
  }
  listener->is_under_way = true;
  tp_js_environment_begin(database->handle.environment, env);
  return tp_js_task_submit(task, env, database, run_listen);
}

napi_value tp_js_listen(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  tp_js_environment *environment = tp_js_arguments(env, info, 4, arguments);
  tp_js_database *database = environment == NULL ? NULL : tp_js_database_of(environment, env, arguments[0]);
  if (database == NULL) return NULL;
  tp_js_listener *listener = calloc(1, sizeof *listener);
  if (listener == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  napi_status status = napi_get_value_uint32(env, arguments[1], &listener->in_flight_max);
  if (status == napi_ok) status = read_functions(env, arguments + 2, listener);
  if (status == napi_ok) return begin(listener, database, env);
  tp_js_throw_napi(env, status);
  free(listener);
  return NULL;
}

napi_value tp_js_listen_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  tp_js_handle *handle =
      environment == NULL ? NULL : tp_js_handle_of(environment, env, &listener_kind, argument);
  if (handle == NULL) return NULL;
  tp_js_listener *listener = (tp_js_listener *)(void *)handle;
  tp_js_child_close(&listener->child);
  return tp_js_task_after_jobs(handle, env, listener->child.database);
}

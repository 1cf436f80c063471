/* task.c: one operation, from the call that starts it to its result. */
#include "task.h"

#include "error.h"

#include <stddef.h>
#include <stdlib.h>

/* Who finds that the other has been there goes on. */
enum task_state { TASK_STARTED, TASK_COMPLETED, TASK_AWAITED };

static tp_js_environment *environment_of(const tp_js_task *task) {
  return task->handle->environment;
}

/* ---- The end ---- */

/* env NULL: the environment has ended, and nobody holds anything any more. */
static void task_free(tp_js_task *task, napi_env env) {
  tp_js_handle *handle = task->handle;
  if (task->kind->discard != NULL) task->kind->discard(task, env);
  if (env != NULL && task->key != NULL) (void)napi_delete_reference(env, task->key);
  free(task);
  if (env != NULL)
    tp_js_handle_let_go(handle);
  else
    tp_js_handle_unref(handle);
}

void tp_js_task_drop(tp_js_task *task) {
  tp_js_handle *handle = task->handle;
  free(task);
  tp_js_handle_let_go(handle);
}

static napi_status make_result(tp_js_task *task, napi_env env, napi_value *ret_value) {
  return task->kind->make != NULL ? task->kind->make(task, env, ret_value)
                                  : napi_get_undefined(env, ret_value);
}

static void settle_promise(tp_js_task *task, napi_env env) {
  if (task->deferred == NULL) return; /* making it has failed */
  napi_value value;
  napi_status status;
  if (task->status >= 0) {
    status = make_result(task, env, &value);
    if (status == napi_ok) {
      (void)napi_resolve_deferred(env, task->deferred, value);
      return;
    }
  } else {
    status = tp_js_error_make(environment_of(task), env, &task->error, &value);
  }
  if (status != napi_ok) status = tp_js_error_take(env, status, &value);
  if (status == napi_ok) (void)napi_reject_deferred(env, task->deferred, value);
}

static void settle(tp_js_event *event, napi_env env) {
  tp_js_task *task = (tp_js_task *)(void *)event; /* its first member */
  if (env != NULL) {
    settle_promise(task, env);
    tp_js_environment_end(environment_of(task), env);
  }
  task_free(task, env);
}

void tp_js_task_complete(tp_js_task *task, tuplet_status status, const tuplet_error *error) {
  task->status = status;
  if (status < 0) task->error = *error;
  if (atomic_exchange(&task->state, TASK_COMPLETED) == TASK_AWAITED)
    tp_js_environment_post(environment_of(task), &task->event);
}

/* ---- The beginning ---- */

tp_js_task *tp_js_task_new(tp_js_handle *handle, const tp_js_task_kind *kind, napi_env env) {
  tp_js_task *task = malloc(sizeof *task);
  if (task == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  memset(task, 0, offsetof(tp_js_task, error)); /* the error is large, and rare */
  task->event.settle = settle;
  task->kind = kind;
  task->handle = handle;
  atomic_init(&task->state, TASK_STARTED);
  tp_js_handle_hold(handle);
  return task;
}

bool tp_js_task_is_complete(tp_js_task *task) {
  return atomic_exchange(&task->state, TASK_AWAITED) == TASK_COMPLETED;
}

napi_value tp_js_task_result(tp_js_task *task, napi_env env) {
  napi_value value = NULL;
  if (task->status < 0) {
    tp_js_throw(environment_of(task), env, &task->error);
  } else {
    napi_status status = make_result(task, env, &value);
    if (status != napi_ok) {
      tp_js_throw_napi(env, status);
      value = NULL;
    }
  }
  task_free(task, env);
  return value;
}

napi_value tp_js_task_promise(tp_js_task *task, napi_env env) {
  napi_value promise;
  tp_js_environment_begin(environment_of(task), env);
  napi_status status = napi_create_promise(env, &task->deferred, &promise);
  if (status == napi_ok) return promise;
  task->deferred = NULL; /* settling ends what was begun all the same */
  tp_js_throw_napi(env, status);
  return NULL;
}

napi_value tp_js_task_answer(tp_js_task *task, napi_env env) {
  return tp_js_task_is_complete(task) ? tp_js_task_result(task, env) : tp_js_task_promise(task, env);
}

napi_value tp_js_task_answer_later(tp_js_task *task, napi_env env) {
  if (!tp_js_task_is_complete(task)) return tp_js_task_promise(task, env);
  napi_value promise = tp_js_task_promise(task, env);
  settle(&task->event, env);
  return promise;
}

/* ---- Jobs ---- */

tp_js_task *tp_js_task_of_job(tp_js_job *job) {
  return (tp_js_task *)(void *)((char *)job - offsetof(tp_js_task, job));
}

napi_value tp_js_task_submit(tp_js_task *task, napi_env env, tp_js_database *database,
                             void (*run)(tp_js_job *job)) {
  napi_value promise = tp_js_task_promise(task, env);
  (void)tp_js_task_is_complete(task); /* awaited before it starts: jobs tell in the order in which they ran */
  task->job.run = run;
  tp_js_job_submit(&database->jobs, &task->job);
  return promise;
}

static void run_nothing(tp_js_job *job) {
  tp_js_task_complete(tp_js_task_of_job(job), TUPLET_OK, NULL);
}

napi_value tp_js_task_after_jobs(tp_js_handle *handle, napi_env env, tp_js_database *database) {
  static const tp_js_task_kind nothing = {NULL, NULL};
  tp_js_task *task = tp_js_task_new(handle, &nothing, env);
  return task == NULL ? NULL : tp_js_task_submit(task, env, database, run_nothing);
}

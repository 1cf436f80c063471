/* task.h: one operation, from the call that starts it to its result.
 *
 * Reads of a local database are there before the call that starts them returns; everything else completes
 * later on a thread of the library's, or on one for jobs. Whoever comes second, the completion or the caller,
 * goes on: so one way of writing a function serves both. */
#ifndef TP_JS_TASK_H
#define TP_JS_TASK_H

#include "database.h"
#include "environment.h"
#include "job.h"

#include <tuplet.h>

typedef struct tp_js_task tp_js_task;

typedef struct tp_js_task_kind {
  /* The result of a task whose status is not negative; NULL: undefined. */
  napi_status (*make)(tp_js_task *task, napi_env env, napi_value *ret_value);
  /* Frees the result, whether made or not; any thread when env is NULL, as the environment has ended. May be
   * NULL. */
  void (*discard)(tp_js_task *task, napi_env env);
} tp_js_task_kind;

struct tp_js_task {
  tp_js_event event; /* first */
  tp_js_job job;     /* of those that are one */
  const tp_js_task_kind *kind;
  tp_js_handle *handle; /* what it is about; held */
  atomic_int state;     /* of enum task_state in task.c */
  napi_deferred deferred;
  tuplet_status status;
  bool encoded;         /* of reads: values are wanted as they are */
  napi_value given_key; /* of a get: what it was asked for, during the call */
  napi_ref key;         /* and from then on */
  union {
    tuplet_entry *entry;
    tuplet_entries *entries;
    const tuplet_entry *list_entry;
    const tuplet_entries *watch_entries;
    const tuplet_changes *changes;
    tuplet_versionstamp versionstamp;
  } result;
  tuplet_error error; /* when status is negative */
};

/* NULL with an exception pending. */
tp_js_task *tp_js_task_new(tp_js_handle *handle, const tp_js_task_kind *kind, napi_env env);

/* Ends a task whose operation was not started. */
void tp_js_task_drop(tp_js_task *task);

/* The operation is complete: its result is in the task. Any thread, once; the task is not the caller's any
 * more. `error` is read when status is negative. */
void tp_js_task_complete(tp_js_task *task, tuplet_status status, const tuplet_error *error);

/* To be called once after an operation was started: true when it has completed already. */
bool tp_js_task_is_complete(tp_js_task *task);

/* The result of a complete task, which is freed: NULL with an exception pending where it is none. */
napi_value tp_js_task_result(tp_js_task *task, napi_env env);

/* A promise of the result, which keeps the event loop alive. */
napi_value tp_js_task_promise(tp_js_task *task, napi_env env);

/* Either of the two, or always a promise. */
napi_value tp_js_task_answer(tp_js_task *task, napi_env env);
napi_value tp_js_task_answer_later(tp_js_task *task, napi_env env);

/* Runs `run` as a job of the database; it completes the task. A promise of that. */
napi_value tp_js_task_submit(tp_js_task *task, napi_env env, tp_js_database *database,
                             void (*run)(tp_js_job *job));
tp_js_task *tp_js_task_of_job(tp_js_job *job);

/* A promise of undefined, once all jobs of the database that were submitted so far are done. */
napi_value tp_js_task_after_jobs(tp_js_handle *handle, napi_env env, tp_js_database *database);

#endif

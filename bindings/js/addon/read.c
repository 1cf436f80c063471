/* read.c: get and getMany. */
#include "read.h"

#include "database.h"
#include "entry.h"
#include "error.h"
#include "key.h"
#include "task.h"

typedef struct read_options {
  tuplet_consistency consistency;
  bool encoded;
} read_options;

static napi_status read_options_of(napi_env env, const napi_value *arguments, read_options *ret_options) {
  bool is_eventual = false;
  napi_status status = napi_get_value_bool(env, arguments[0], &is_eventual);
  if (status == napi_ok) status = napi_get_value_bool(env, arguments[1], &ret_options->encoded);
  ret_options->consistency = is_eventual ? TUPLET_CONSISTENCY_EVENTUAL : TUPLET_CONSISTENCY_STRONG;
  return status;
}

/* ---- get ---- */

static void on_entry(void *context, tuplet_status status, tuplet_entry *entry, const tuplet_error *error) {
  tp_js_task *task = context;
  task->result.entry = entry;
  tp_js_task_complete(task, status, error);
}

static napi_status make_entry(tp_js_task *task, napi_env env, napi_value *ret_value) {
  tp_js_environment *environment = task->handle->environment;
  if (task->status == TUPLET_OK)
    return tp_js_entry_make(environment, env, task->result.entry, task->encoded, ret_value);
  napi_value key = task->given_key;
  napi_status status = key != NULL ? napi_ok : napi_get_reference_value(env, task->key, &key);
  return status == napi_ok ? tp_js_entry_make_absent(environment, env, key, ret_value) : status;
}

static void discard_entry(tp_js_task *task, napi_env env) {
  (void)env;
  tuplet_entry_free(task->result.entry);
}

static const tp_js_task_kind get_kind = {make_entry, discard_entry};

/* What was asked for is part of the answer when there is no entry. */
static napi_value answer_get(tp_js_task *task, napi_env env, napi_value key) {
  if (tp_js_task_is_complete(task)) {
    task->given_key = key;
    return tp_js_task_result(task, env);
  }
  if (napi_create_reference(env, key, 1, &task->key) != napi_ok) task->key = NULL;
  return tp_js_task_promise(task, env);
}

napi_value tp_js_get(napi_env env, napi_callback_info info) {
  napi_value arguments[4], answer = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 4, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_key key;
  read_options options;
  tp_js_scratch_init(&scratch);
  napi_status status = read_options_of(env, arguments + 2, &options);
  if (status == napi_ok) status = tp_js_key_read(env, arguments[1], &scratch, &key);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  if (database == NULL) goto out;
  tp_js_task *task = tp_js_task_new(&database->handle, &get_kind, env);
  if (task == NULL) goto out;
  task->encoded = options.encoded;
  tuplet_error error;
  if (tuplet_get_async(database->db, key, options.consistency, on_entry, task, &error) == TUPLET_OK) {
    answer = answer_get(task, env, arguments[1]);
  } else {
    tp_js_task_drop(task);
    tp_js_throw(environment, env, &error);
  }
out:
  tp_js_scratch_done(&scratch);
  return answer;
}

/* ---- getMany ---- */

static void on_entries(void *context, tuplet_status status, tuplet_entries *entries,
                       const tuplet_error *error) {
  tp_js_task *task = context;
  task->result.entries = entries;
  tp_js_task_complete(task, status, error);
}

static napi_status make_entries(tp_js_task *task, napi_env env, napi_value *ret_value) {
  const tuplet_entries *entries = task->result.entries;
  return tp_js_entries_make(task->handle->environment, env, entries->items, entries->count, task->encoded,
                            ret_value);
}

static void discard_entries(tp_js_task *task, napi_env env) {
  (void)env;
  tuplet_entries_free(task->result.entries);
}

napi_value tp_js_get_many(napi_env env, napi_callback_info info) {
  static const tp_js_task_kind kind = {make_entries, discard_entries};
  napi_value arguments[4], answer = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 4, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_key *keys;
  size_t count;
  read_options options;
  tp_js_scratch_init(&scratch);
  napi_status status = read_options_of(env, arguments + 2, &options);
  if (status == napi_ok) status = tp_js_keys_read(env, arguments[1], &scratch, &keys, &count);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  if (database == NULL) goto out;
  tp_js_task *task = tp_js_task_new(&database->handle, &kind, env);
  if (task == NULL) goto out;
  task->encoded = options.encoded;
  tuplet_error error;
  if (tuplet_get_many_async(database->db, keys, count, options.consistency, on_entries, task, &error) ==
      TUPLET_OK) {
    answer = tp_js_task_answer(task, env);
  } else {
    tp_js_task_drop(task);
    tp_js_throw(environment, env, &error);
  }
out:
  tp_js_scratch_done(&scratch);
  return answer;
}

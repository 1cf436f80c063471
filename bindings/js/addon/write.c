/* write.c: set, delete, enqueue and commit.
 *
 * The bytes of values are read last, since reading anything else may run code of the user's, which may take
 * them away. */
#include "write.h"

#include "database.h"
#include "enqueue.h"
#include "entry.h"
#include "error.h"
#include "key.h"
#include "property.h"
#include "task.h"
#include "value.h"

/* ---- What comes of them ---- */

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  tp_js_task *task = context;
  if (status == TUPLET_OK) task->result.versionstamp = commit->versionstamp;
  tp_js_task_complete(task, status, error);
}

/* The versionstamp, or null after a check that failed. */
static napi_status make_versionstamp(tp_js_task *task, napi_env env, napi_value *ret_value) {
  return task->status == TUPLET_CONFLICT
             ? napi_get_null(env, ret_value)
             : tp_js_versionstamp_make(env, &task->result.versionstamp, ret_value);
}

static const tp_js_task_kind write_kind = {make_versionstamp, NULL};

static napi_value answer(tp_js_task *task, napi_env env, tuplet_status status, const tuplet_error *error) {
  if (status == TUPLET_OK) return tp_js_task_answer_later(task, env);
  tp_js_throw(task->handle->environment, env, error);
  tp_js_task_drop(task);
  return NULL;
}

/* ---- One key ---- */

napi_value tp_js_set(napi_env env, napi_callback_info info) {
  napi_value arguments[4], promise = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 4, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_key key;
  tuplet_value value;
  int64_t expire_in_ms;
  tp_js_scratch_init(&scratch);
  napi_status status = tp_js_key_read(env, arguments[1], &scratch, &key);
  if (status == napi_ok) status = tp_js_milliseconds(env, arguments[3], &expire_in_ms);
  if (status == napi_ok) status = tp_js_value_read(env, arguments[2], &value);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  tp_js_task *task = database == NULL ? NULL : tp_js_task_new(&database->handle, &write_kind, env);
  if (task == NULL) goto out;
  tuplet_error error;
  promise = answer(task, env,
                   tuplet_set_async(database->db, key, value, expire_in_ms, on_commit, task, &error), &error);
out:
  tp_js_scratch_done(&scratch);
  return promise;
}

napi_value tp_js_delete(napi_env env, napi_callback_info info) {
  napi_value arguments[2], promise = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 2, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_key key;
  tp_js_scratch_init(&scratch);
  napi_status status = tp_js_key_read(env, arguments[1], &scratch, &key);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  tp_js_task *task = database == NULL ? NULL : tp_js_task_new(&database->handle, &write_kind, env);
  if (task == NULL) goto out;
  tuplet_error error;
  promise = answer(task, env, tuplet_delete_async(database->db, key, on_commit, task, &error), &error);
out:
  tp_js_scratch_done(&scratch);
  return promise;
}

/* ---- Messages ---- */

napi_value tp_js_enqueue(napi_env env, napi_callback_info info) {
  napi_value arguments[2], promise = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 2, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_enqueue_options options;
  tuplet_value payload;
  tp_js_scratch_init(&scratch);
  napi_status status = tp_js_enqueue_read(env, arguments[1], &scratch, &options, &payload);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  tp_js_task *task = database == NULL ? NULL : tp_js_task_new(&database->handle, &write_kind, env);
  if (task == NULL) goto out;
  tuplet_error error;
  promise = answer(task, env, tuplet_enqueue_async(database->db, payload, &options, on_commit, task, &error),
                   &error);
out:
  tp_js_scratch_done(&scratch);
  return promise;
}

/* ---- Atomic operations ---- */

typedef enum mutation_type {
  SET,
  SET_VERSIONSTAMPED,
  DELETE,
  SUM,
  MIN,
  MAX,
  MUTATION_TYPE_COUNT
} mutation_type;

static napi_status read_type(napi_env env, napi_value value, mutation_type *ret_type) {
  static const char *const names[MUTATION_TYPE_COUNT] = {"set", "setVersionstamped", "delete", "sum", "min",
                                                         "max"};
  char name[sizeof "setVersionstamped" + 1];
  size_t size;
  napi_status status = napi_get_value_string_utf8(env, value, name, sizeof name, &size);
  if (status != napi_ok) return status;
  for (int i = 0; i < MUTATION_TYPE_COUNT; i++) {
    if (strcmp(name, names[i]) == 0) {
      *ret_type = (mutation_type)i;
      return napi_ok;
    }
  }
  return napi_invalid_arg;
}

static tuplet_status add_mutation(tuplet_atomic *atomic, mutation_type type, tuplet_key key,
                                  tuplet_value value, int64_t expire_in_ms, tuplet_error *error) {
  switch (type) {
  case SET: return tuplet_atomic_set(atomic, key, value, expire_in_ms, error);
  case SET_VERSIONSTAMPED: return tuplet_atomic_set_versionstamped(atomic, key, value, expire_in_ms, error);
  case DELETE: return tuplet_atomic_delete(atomic, key, error);
  case SUM:
    return value.encoding == TUPLET_ENCODING_LE64
               ? tuplet_atomic_sum(atomic, key, value.u64, error)
               : tuplet_atomic_sum_value(atomic, key, value, NULL, NULL, false, error);
  case MIN: return tuplet_atomic_min(atomic, key, value.u64, error);
  case MAX: return tuplet_atomic_max(atomic, key, value.u64, error);
  case MUTATION_TYPE_COUNT: break;
  }
  return TUPLET_OK;
}

static napi_status get_elements(napi_env env, napi_value array, uint32_t count, napi_value *ret_elements) {
  napi_status status = napi_ok;
  for (uint32_t i = 0; status == napi_ok && i < count; i++)
    status = napi_get_element(env, array, i, &ret_elements[i]);
  return status;
}

/* What is being committed. */
typedef struct operation {
  tp_js_database *database;
  tuplet_atomic *atomic;
} operation;

/* What reads an element of one of commit's arrays and adds it to the operation: to one of a database that is
 * still open, for reading the element may have closed it. The library remembers its own refusals until the
 * commit, which comes to them. */
typedef napi_status (*adder)(napi_env env, napi_value element, tp_js_scratch *scratch, operation *into);

static napi_status add_check(napi_env env, napi_value element, tp_js_scratch *scratch, operation *into) {
  napi_value members[2];
  tuplet_key key;
  tuplet_versionstamp versionstamp, *expected = NULL;
  tuplet_error error;
  napi_status status = get_elements(env, element, 2, members);
  if (status == napi_ok) status = tp_js_key_read(env, members[0], scratch, &key);
  if (status != napi_ok) return status;
  if (!tp_js_is_nullish(env, members[1])) {
    char text[TUPLET_VERSIONSTAMP_TEXT_SIZE + 1];
    size_t size;
    status = napi_get_value_string_utf8(env, members[1], text, sizeof text, &size);
    if (status == napi_ok && tuplet_versionstamp_from_text(text, &versionstamp, &error) != TUPLET_OK) {
      (void)napi_throw_type_error(env, NULL, error.message);
      status = napi_pending_exception;
    }
    if (status != napi_ok) return status;
    expected = &versionstamp;
  }
  if (!tp_js_database_check(into->database, env)) return napi_pending_exception;
  (void)tuplet_atomic_check(into->atomic, key, expected, &error);
  return napi_ok;
}

static napi_status add_mutation_of(napi_env env, napi_value element, tp_js_scratch *scratch,
                                   operation *into) {
  napi_value members[4];
  mutation_type type = SET;
  tuplet_key key = {0};
  int64_t expire_in_ms;
  tuplet_value value = tuplet_value_u64(0);
  tuplet_error error;
  napi_status status = get_elements(env, element, 4, members);
  if (status == napi_ok) status = read_type(env, members[0], &type);
  if (status == napi_ok) status = tp_js_key_read(env, members[1], scratch, &key);
  if (status == napi_ok) status = tp_js_milliseconds(env, members[3], &expire_in_ms);
  if (status == napi_ok && type != DELETE) status = tp_js_value_read(env, members[2], &value);
  if (status == napi_ok && (type == MIN || type == MAX) && value.encoding != TUPLET_ENCODING_LE64)
    status = napi_bigint_expected;
  if (status == napi_ok && !tp_js_database_check(into->database, env)) status = napi_pending_exception;
  if (status == napi_ok) (void)add_mutation(into->atomic, type, key, value, expire_in_ms, &error);
  return status;
}

static napi_status add_message(napi_env env, napi_value element, tp_js_scratch *scratch, operation *into) {
  tuplet_enqueue_options options;
  tuplet_value payload;
  tuplet_error error;
  napi_status status = tp_js_enqueue_read(env, element, scratch, &options, &payload);
  if (status == napi_ok && !tp_js_database_check(into->database, env)) status = napi_pending_exception;
  if (status == napi_ok) (void)tuplet_atomic_enqueue(into->atomic, payload, &options, &error);
  return status;
}

static napi_status add_all(napi_env env, napi_value array, adder add, operation *into) {
  uint32_t count;
  napi_status status = napi_get_array_length(env, array, &count);
  for (uint32_t i = 0; status == napi_ok && i < count; i++) {
    tp_js_scratch scratch;
    napi_handle_scope scope;
    napi_value element;
    status = napi_open_handle_scope(env, &scope);
    if (status != napi_ok) break;
    tp_js_scratch_init(&scratch);
    status = napi_get_element(env, array, i, &element);
    if (status == napi_ok) status = add(env, element, &scratch, into);
    tp_js_scratch_done(&scratch);
    (void)napi_close_handle_scope(env, scope);
  }
  return status;
}

static napi_value commit(tp_js_database *database, napi_env env, tuplet_atomic *atomic) {
  tp_js_task *task = tp_js_task_new(&database->handle, &write_kind, env);
  if (task == NULL) {
    tuplet_atomic_free(atomic);
    return NULL;
  }
  tuplet_error error;
  tuplet_status status = tuplet_atomic_commit_async(atomic, on_commit, task, &error);
  if (status != TUPLET_OK) tuplet_atomic_free(atomic);
  return answer(task, env, status, &error);
}

napi_value tp_js_commit(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  tp_js_environment *environment = tp_js_arguments(env, info, 4, arguments);
  tp_js_database *database = environment == NULL ? NULL : tp_js_database_of(environment, env, arguments[0]);
  if (database == NULL) return NULL;
  tuplet_atomic *atomic = tuplet_atomic_new(database->db);
  if (atomic == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  operation into = {database, atomic};
  napi_status status = add_all(env, arguments[1], add_check, &into);
  if (status == napi_ok) status = add_all(env, arguments[2], add_mutation_of, &into);
  if (status == napi_ok) status = add_all(env, arguments[3], add_message, &into);
  if (status != napi_ok) tp_js_throw_napi(env, status);
  if (status == napi_ok && tp_js_database_check(database, env)) return commit(database, env, atomic);
  tuplet_atomic_free(atomic);
  return NULL;
}

/* list.c: going through entries, one at a time. */
#include "list.h"

#include "database.h"
#include "entry.h"
#include "error.h"
#include "key.h"
#include "property.h"
#include "task.h"

#include <stdlib.h>

typedef struct list {
  tp_js_child child;  /* first */
  tuplet_list *inner; /* NULL: closed */
  bool encoded;
  bool is_busy; /* somebody waits for the next entry: it is the library's until then */
  tp_js_job close_job;
} list;

/* ---- Its end ---- */

static void run_close(tp_js_job *job) {
  list *closing = (list *)(void *)((char *)job - offsetof(list, close_job));
  tuplet_list_close(closing->inner);
  tp_js_handle_unref(&closing->child.handle);
}

/* A list must not be closed while its database is: what begins to close that comes before this job. */
static void close_inner(list *closing) {
  if (!closing->child.database->is_closed) {
    tuplet_list_close(closing->inner);
    closing->inner = NULL;
    return;
  }
  closing->close_job.run = run_close;
  tp_js_handle_ref(&closing->child.handle);
  tp_js_job_submit(&closing->child.database->jobs, &closing->close_job);
}

static void on_close(tp_js_child *child) {
  list *closing = (list *)(void *)child;
  if (!closing->is_busy) close_inner(closing); /* else when the entry has come */
}

static const tp_js_kind list_kind = {"expected a list", tp_js_child_unused, tp_js_child_discard};

static list *list_of(tp_js_environment *environment, napi_env env, napi_value value) {
  return (list *)(void *)tp_js_handle_of(environment, env, &list_kind, value);
}

/* The list that an argument is, if it may be used now. */
static list *usable_list_of(tp_js_environment *environment, napi_env env, napi_value value) {
  list *found = list_of(environment, env, value);
  if (found == NULL || !tp_js_database_check(found->child.database, env)) return NULL;
  if (found->child.is_closed)
    tp_js_throw_status(environment, env, TUPLET_CLOSED, "the list is closed");
  else if (found->is_busy)
    tp_js_throw_status(environment, env, TUPLET_MISUSE, "another call waits for the next entry of this list");
  else
    return found;
  return NULL;
}

/* ---- Opening ---- */

static napi_status read_options(napi_env env, napi_value object, tuplet_list_options *options,
                                char **ret_cursor, bool *ret_encoded) {
  bool is_eventual = false;
  double limit = 0;
  napi_value value;
  napi_status status = napi_get_named_property(env, object, "limit", &value);
  if (status == napi_ok) status = napi_get_value_double(env, value, &limit);
  if (status == napi_ok && !(limit >= 0)) status = napi_invalid_arg;
  if (status == napi_ok) status = tp_js_property_uint32(env, object, "batchSize", &options->batch_size);
  if (status == napi_ok) status = tp_js_property_bool(env, object, "reverse", &options->reverse);
  if (status == napi_ok) status = tp_js_property_bool(env, object, "eventual", &is_eventual);
  if (status == napi_ok) status = tp_js_property_bool(env, object, "encoded", ret_encoded);
  if (status == napi_ok) status = tp_js_property_text(env, object, "cursor", ret_cursor);
  if (status == napi_ok) options->limit = limit < 0x1p53 ? (uint64_t)limit : UINT64_C(1) << 53;
  options->cursor = *ret_cursor;
  options->consistency = is_eventual ? TUPLET_CONSISTENCY_EVENTUAL : TUPLET_CONSISTENCY_STRONG;
  return status;
}

static napi_value open_list(tp_js_environment *environment, napi_env env, tp_js_database *database,
                            const tuplet_selector *selector, const tuplet_list_options *options,
                            bool encoded) {
  list *opened = calloc(1, sizeof *opened);
  if (opened == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  tuplet_error error;
  if (tuplet_list_open(database->db, selector, options, &opened->inner, &error) != TUPLET_OK) {
    tp_js_throw(environment, env, &error);
    free(opened);
    return NULL;
  }
  opened->encoded = encoded;
  tp_js_child_init(&opened->child, &list_kind, database, on_close);
  napi_value external = NULL;
  napi_status status = tp_js_handle_wrap(&opened->child.handle, env, &external);
  if (status != napi_ok) tp_js_throw_napi(env, status);
  tp_js_handle_let_go(&opened->child.handle);
  return status == napi_ok ? external : NULL;
}

napi_value tp_js_list_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3], external = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 3, arguments);
  if (environment == NULL) return NULL;
  tp_js_scratch scratch;
  tuplet_selector selector;
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  char *cursor = NULL;
  bool encoded;
  tp_js_scratch_init(&scratch);
  napi_status status = tp_js_selector_read(env, arguments[1], &scratch, &selector);
  if (status == napi_ok) status = read_options(env, arguments[2], &options, &cursor, &encoded);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    goto out;
  }
  tp_js_database *database = tp_js_database_of(environment, env, arguments[0]);
  if (database != NULL) external = open_list(environment, env, database, &selector, &options, encoded);
out:
  free(cursor);
  tp_js_scratch_done(&scratch);
  return external;
}

/* ---- Going through it ---- */

static list *list_of_task(const tp_js_task *task) {
  return (list *)(void *)task->handle;
}

static void on_entry(void *context, tuplet_status status, const tuplet_entry *entry,
                     const tuplet_error *error) {
  tp_js_task *task = context;
  task->result.list_entry = entry;
  tp_js_task_complete(task, status, error);
}

static napi_status make_entry(tp_js_task *task, napi_env env, napi_value *ret_value) {
  if (task->status == TUPLET_DONE) return napi_get_undefined(env, ret_value);
  return tp_js_entry_make(task->handle->environment, env, task->result.list_entry, task->encoded, ret_value);
}

static void discard_entry(tp_js_task *task, napi_env env) {
  (void)env;
  list *waited = list_of_task(task);
  waited->is_busy = false;
  if (waited->child.is_closed) close_inner(waited);
}

napi_value tp_js_list_next(napi_env env, napi_callback_info info) {
  static const tp_js_task_kind kind = {make_entry, discard_entry};
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  list *asked = environment == NULL ? NULL : usable_list_of(environment, env, argument);
  if (asked == NULL) return NULL;
  tp_js_task *task = tp_js_task_new(&asked->child.handle, &kind, env);
  if (task == NULL) return NULL;
  task->encoded = asked->encoded;
  tuplet_error error;
  if (tuplet_list_next_async(asked->inner, on_entry, task, &error) != TUPLET_OK) {
    tp_js_task_drop(task);
    tp_js_throw(environment, env, &error);
    return NULL;
  }
  asked->is_busy = true;
  return tp_js_task_answer(task, env);
}

napi_value tp_js_list_cursor(napi_env env, napi_callback_info info) {
  napi_value argument, text = NULL;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  list *asked = environment == NULL ? NULL : usable_list_of(environment, env, argument);
  if (asked == NULL) return NULL;
  const char *cursor;
  tuplet_error error;
  if (tuplet_list_cursor(asked->inner, &cursor, &error) != TUPLET_OK) {
    tp_js_throw(environment, env, &error);
    return NULL;
  }
  napi_status status = napi_create_string_utf8(env, cursor, NAPI_AUTO_LENGTH, &text);
  if (status != napi_ok) tp_js_throw_napi(env, status);
  return status == napi_ok ? text : NULL;
}

napi_value tp_js_list_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  list *closing = environment == NULL ? NULL : list_of(environment, env, argument);
  if (closing != NULL) tp_js_child_close(&closing->child);
  return NULL;
}

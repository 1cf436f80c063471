/* database.c: opening and closing databases. */
#include "database.h"

#include "error.h"
#include "property.h"
#include "task.h"

#include <stdlib.h>

/* What open() was asked for. */
typedef struct tp_js_opening {
  char *path;         /* NULL: the default */
  char *access_token; /* NULL: the environment's */
  char *ca_file;
  tuplet_open_options options;
} tp_js_opening;

static void opening_free(tp_js_opening *opening) {
  if (opening == NULL) return;
  free(opening->path);
  free(opening->access_token);
  free(opening->ca_file);
  free(opening);
}

/* ---- A database's life ---- */

static void link_database(tp_js_database *database) {
  tp_js_environment *environment = database->handle.environment;
  database->next = environment->databases;
  if (database->next != NULL) database->next->previous = database;
  environment->databases = database;
}

static void unlink_database(tp_js_database *database) {
  *(database->previous != NULL ? &database->previous->next : &database->handle.environment->databases) =
      database->next;
  if (database->next != NULL) database->next->previous = database->previous;
  database->previous = database->next = NULL;
}

static void run_close(tp_js_job *job) {
  tp_js_database *database = (tp_js_database *)(void *)((char *)job - offsetof(tp_js_database, close_job));
  tuplet_close(database->db); /* NULL when it could not be opened */
  database->db = NULL;
  tp_js_handle_unref(&database->handle);
}

void tp_js_database_shut(tp_js_database *database) {
  if (database->is_closed) return;
  database->is_closed = true;
  tp_js_handle_ref(&database->handle); /* the job's, and for what follows: its children hold it */
  unlink_database(database);
  while (database->children != NULL) tp_js_child_close(database->children);
  database->close_job.run = run_close;
  tp_js_job_submit(&database->jobs, &database->close_job);
}

static void on_unused(tp_js_handle *handle) {
  tp_js_database_shut((tp_js_database *)(void *)handle); /* its first member */
}

/* Its jobs leave nothing; but the one that opens it may never have been given. */
static void discard_database(tp_js_handle *handle) {
  opening_free(((tp_js_database *)(void *)handle)->opening);
}

static const tp_js_kind database_kind = {"expected a database", on_unused, discard_database};

bool tp_js_database_check(const tp_js_database *database, napi_env env) {
  if (!database->is_closed) return true;
  tp_js_throw_status(database->handle.environment, env, TUPLET_CLOSED, "the database is closed");
  return false;
}

tp_js_database *tp_js_database_of(tp_js_environment *environment, napi_env env, napi_value value) {
  tp_js_database *database =
      (tp_js_database *)(void *)tp_js_handle_of(environment, env, &database_kind, value);
  return database != NULL && tp_js_database_check(database, env) ? database : NULL;
}

/* ---- Children ---- */

void tp_js_child_init(tp_js_child *child, const tp_js_kind *kind, tp_js_database *database,
                      void (*close)(tp_js_child *child)) {
  tp_js_handle_init(&child->handle, kind, database->handle.environment);
  child->close = close;
  child->database = database;
  tp_js_handle_ref(&database->handle);
  tp_js_handle_hold(&database->handle);
  child->next = database->children;
  if (child->next != NULL) child->next->previous = child;
  database->children = child;
}

void tp_js_child_close(tp_js_child *child) {
  if (child->is_closed) return;
  child->is_closed = true;
  tp_js_database *database = child->database;
  *(child->previous != NULL ? &child->previous->next : &database->children) = child->next;
  if (child->next != NULL) child->next->previous = child->previous;
  child->previous = child->next = NULL;
  child->close(child);
  tp_js_handle_let_go(&database->handle);
}

void tp_js_child_unused(tp_js_handle *handle) {
  tp_js_child_close((tp_js_child *)(void *)handle); /* its first member */
}

void tp_js_child_discard(tp_js_handle *handle) {
  tp_js_handle_unref(&((tp_js_child *)(void *)handle)->database->handle);
}

/* ---- Opening ---- */

static napi_status read_opening(napi_env env, napi_value path, napi_value object, tp_js_opening *opening) {
  tuplet_open_options *options = &opening->options;
  *options = (tuplet_open_options)TUPLET_OPEN_OPTIONS_INIT;
  bool relaxed = false;
  uint32_t http = 0;
  napi_status status = tp_js_text_or_null(env, path, &opening->path);
  if (status == napi_ok) status = tp_js_property_bool(env, object, "readOnly", &options->read_only);
  if (status == napi_ok) status = tp_js_property_bool(env, object, "relaxed", &relaxed);
  if (status == napi_ok) status = tp_js_property_uint32(env, object, "cacheKib", &options->cache_kib);
  if (status == napi_ok) status = tp_js_property_uint32(env, object, "timeoutMs", &options->timeout_ms);
  if (status == napi_ok) status = tp_js_property_uint32(env, object, "http", &http);
  if (status == napi_ok) status = tp_js_property_text(env, object, "accessToken", &opening->access_token);
  if (status == napi_ok) status = tp_js_property_text(env, object, "caFile", &opening->ca_file);
  options->durability = relaxed ? TUPLET_DURABILITY_RELAXED : TUPLET_DURABILITY_FULL;
  options->http = (tuplet_http)http;
  options->access_token = opening->access_token;
  options->ca_file = opening->ca_file;
  return status;
}

static tp_js_database *database_of_task(const tp_js_task *task) {
  return (tp_js_database *)(void *)task->handle;
}

static void run_open(tp_js_job *job) {
  tp_js_task *task = tp_js_task_of_job(job);
  tp_js_database *database = database_of_task(task);
  tuplet_error error;
  tuplet_status status =
      tuplet_open(database->opening->path, &database->opening->options, &database->db, &error);
  opening_free(database->opening);
  database->opening = NULL;
  tp_js_task_complete(task, status, &error);
}

static napi_status make_database(tp_js_task *task, napi_env env, napi_value *ret_value) {
  return tp_js_handle_wrap(task->handle, env, ret_value);
}

/* The maker's hold ends: without an external, the database is closed again, if it has been opened at all. */
static void discard_opening(tp_js_task *task, napi_env env) {
  tp_js_handle *handle = task->handle;
  if (env != NULL)
    tp_js_handle_let_go(handle);
  else
    tp_js_handle_unref(handle);
}

napi_value tp_js_open(napi_env env, napi_callback_info info) {
  static const tp_js_task_kind opening_kind = {make_database, discard_opening};
  napi_value arguments[2];
  tp_js_environment *environment = tp_js_arguments(env, info, 2, arguments);
  if (environment == NULL) return NULL;
  tp_js_opening *opening = calloc(1, sizeof *opening);
  tp_js_database *database = calloc(1, sizeof *database);
  napi_status status = opening == NULL || database == NULL
                           ? napi_generic_failure
                           : read_opening(env, arguments[0], arguments[1], opening);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    opening_free(opening);
    free(database);
    return NULL;
  }
  tp_js_handle_init(&database->handle, &database_kind, environment);
  tp_js_jobs_init(&database->jobs, &database->handle);
  database->opening = opening;
  link_database(database);
  tp_js_task *task = tp_js_task_new(&database->handle, &opening_kind, env);
  if (task != NULL) return tp_js_task_submit(task, env, database, run_open);
  tp_js_handle_let_go(&database->handle);
  return NULL;
}

/* ---- Closing ---- */

napi_value tp_js_path(napi_env env, napi_callback_info info) {
  napi_value argument, path;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  tp_js_database *database = environment == NULL ? NULL : tp_js_database_of(environment, env, argument);
  if (database == NULL) return NULL;
  napi_status status = napi_create_string_utf8(env, tuplet_path(database->db), NAPI_AUTO_LENGTH, &path);
  if (status == napi_ok) return path;
  tp_js_throw_napi(env, status);
  return NULL;
}

napi_value tp_js_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  tp_js_database *database = environment == NULL ? NULL : tp_js_database_of(environment, env, argument);
  if (database == NULL) return NULL;
  tp_js_database_shut(database);
  return tp_js_task_after_jobs(&database->handle, env, database);
}

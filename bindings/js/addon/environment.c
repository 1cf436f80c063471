/* environment.c: what the addon keeps for each JavaScript environment that loads it. */
#include "environment.h"

#include "database.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* How long the end of an environment waits for its databases to be closed; what takes longer (a server that
 * does not answer) goes on without it. */
enum { CLOSING_SECONDS_MAX = 5 };

/* ---- The way back ---- */

static void settle_all(tp_js_event *event, napi_env env) {
  while (event != NULL) {
    tp_js_event *next = event->next; /* settling frees it */
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) == napi_ok) {
      event->settle(event, env);
      (void)napi_close_handle_scope(env, scope);
    } else {
      event->settle(event, NULL);
    }
    event = next;
  }
}

/* The mutex is held. */
static tp_js_event *take_events(tp_js_environment *environment) {
  tp_js_event *events = environment->events;
  environment->events = NULL;
  environment->last_event_link = &environment->events;
  environment->is_waking = false;
  return events;
}

/* Of the thread-safe function, on the environment's thread. */
static void on_wake(napi_env env, napi_value function, void *context, void *data) {
  (void)function;
  (void)data;
  if (env == NULL) return; /* it is being torn down, and on_end frees what is left */
  tp_js_environment *environment = context;
  (void)pthread_mutex_lock(&environment->mutex);
  tp_js_event *events = take_events(environment);
  (void)pthread_mutex_unlock(&environment->mutex);
  settle_all(events, env);
}

void tp_js_environment_post(tp_js_environment *environment, tp_js_event *event) {
  event->next = NULL;
  (void)pthread_mutex_lock(&environment->mutex);
  bool is_late = environment->has_ended;
  if (!is_late) {
    *environment->last_event_link = event;
    environment->last_event_link = &event->next;
    /* Under the mutex, since the function ends with the environment. It fails only when that is about to
     * happen. */
    if (!environment->is_waking)
      (void)napi_call_threadsafe_function(environment->wake, NULL, napi_tsfn_nonblocking);
    environment->is_waking = true;
  }
  (void)pthread_mutex_unlock(&environment->mutex);
  if (is_late) event->settle(event, NULL);
}

void tp_js_environment_begin(tp_js_environment *environment, napi_env env) {
  if (environment->under_way++ == 0) (void)napi_ref_threadsafe_function(env, environment->wake);
}

void tp_js_environment_end(tp_js_environment *environment, napi_env env) {
  if (--environment->under_way == 0) (void)napi_unref_threadsafe_function(env, environment->wake);
}

/* ---- Hooks and arguments ---- */

napi_status tp_js_environment_hook(tp_js_environment *environment, napi_env env, tp_js_hook hook,
                                   napi_value *ret_function) {
  return napi_get_reference_value(env, environment->hooks[hook], ret_function);
}

static tp_js_environment *read_arguments(napi_env env, napi_callback_info info, size_t count,
                                         napi_value *ret_arguments) {
  void *environment;
  napi_status status = napi_get_cb_info(env, info, &count, ret_arguments, NULL, &environment);
  if (status == napi_ok) return environment;
  tp_js_throw_napi(env, status);
  return NULL;
}

tp_js_environment *tp_js_arguments(napi_env env, napi_callback_info info, size_t count,
                                   napi_value *ret_arguments) {
  tp_js_environment *environment = read_arguments(env, info, count, ret_arguments);
  if (environment == NULL || environment->is_ready) return environment;
  (void)napi_throw_error(env, NULL, "setup() comes first");
  return NULL;
}

static void forget_hooks(napi_env env, napi_ref *hooks) {
  for (int i = 0; i < TP_JS_HOOK_COUNT; i++)
    if (hooks[i] != NULL) (void)napi_delete_reference(env, hooks[i]);
}

static napi_status read_hooks(napi_env env, napi_value object, napi_ref *ret_hooks) {
  static const char *const names[TP_JS_HOOK_COUNT] = {"decode", "bytes", "u64", "encoded", "entry", "error"};
  for (int i = 0; i < TP_JS_HOOK_COUNT; i++) {
    napi_value function;
    napi_valuetype type = napi_undefined;
    napi_status status = napi_get_named_property(env, object, names[i], &function);
    if (status == napi_ok) status = napi_typeof(env, function, &type);
    if (status == napi_ok && type != napi_function) status = napi_function_expected;
    if (status == napi_ok) status = napi_create_reference(env, function, 1, &ret_hooks[i]);
    if (status != napi_ok) return status;
  }
  return napi_ok;
}

napi_value tp_js_setup(napi_env env, napi_callback_info info) {
  napi_value object;
  tp_js_environment *environment = read_arguments(env, info, 1, &object);
  if (environment == NULL) return NULL;
  napi_ref hooks[TP_JS_HOOK_COUNT] = {NULL};
  tp_js_runtime runtime = {0};
  napi_status status = read_hooks(env, object, hooks);
  if (status == napi_ok) status = tp_js_runtime_init(&runtime, env, object);
  if (status != napi_ok) {
    forget_hooks(env, hooks);
    tp_js_throw_napi(env, status);
    return NULL;
  }
  forget_hooks(env, environment->hooks);
  for (int i = 0; i < TP_JS_HOOK_COUNT; i++) environment->hooks[i] = hooks[i];
  tp_js_runtime_done(&environment->runtime, env);
  environment->runtime = runtime;
  environment->is_ready = true;
  return NULL;
}

/* ---- Beginning and end ---- */

void tp_js_environment_ref(tp_js_environment *environment) {
  (void)atomic_fetch_add(&environment->references, 1);
}

void tp_js_environment_unref(tp_js_environment *environment) {
  if (environment == NULL || atomic_fetch_sub(&environment->references, 1) != 1) return;
  tp_js_handle_table_done(&environment->handles);
  (void)pthread_cond_destroy(&environment->thread_ended);
  (void)pthread_mutex_destroy(&environment->mutex);
  free(environment);
}

/* The mutex is held. */
static void wait_for_threads(tp_js_environment *environment) {
  struct timespec deadline;
  (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += CLOSING_SECONDS_MAX;
  int rc = 0;
  while (environment->thread_count > 0 && rc != ETIMEDOUT)
    rc = pthread_cond_timedwait(&environment->thread_ended, &environment->mutex, &deadline);
}

/* The environment ends: a worker does, or the program, but not by process.exit(). */
static void on_end(void *context) {
  tp_js_environment *environment = context;
  while (environment->databases != NULL) tp_js_database_shut(environment->databases);
  (void)pthread_mutex_lock(&environment->mutex);
  environment->has_ended = true;
  (void)napi_release_threadsafe_function(environment->wake, napi_tsfn_release);
  tp_js_event *event = take_events(environment);
  (void)pthread_mutex_unlock(&environment->mutex);
  while (event != NULL) {
    tp_js_event *next = event->next;
    event->settle(event, NULL);
    event = next;
  }
  forget_hooks(environment->env, environment->hooks);
  tp_js_runtime_done(&environment->runtime, environment->env);
  (void)pthread_mutex_lock(&environment->mutex);
  wait_for_threads(environment);
  (void)pthread_mutex_unlock(&environment->mutex);
  tp_js_environment_unref(environment);
}

static napi_status create_wake(napi_env env, tp_js_environment *environment) {
  napi_value name;
  napi_status status = napi_create_string_utf8(env, "tuplet", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok)
    status = napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, environment, on_wake,
                                             &environment->wake);
  return status == napi_ok ? napi_unref_threadsafe_function(env, environment->wake) : status;
}

static int init_locks(tp_js_environment *environment) {
  pthread_condattr_t attributes;
  int rc = pthread_condattr_init(&attributes);
  if (rc != 0) return rc;
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  rc = pthread_cond_init(&environment->thread_ended, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  if (rc != 0) return rc;
  rc = pthread_mutex_init(&environment->mutex, NULL);
  if (rc != 0) (void)pthread_cond_destroy(&environment->thread_ended);
  return rc;
}

tp_js_environment *tp_js_environment_new(napi_env env) {
  tp_js_environment *environment = calloc(1, sizeof *environment);
  if (environment == NULL || init_locks(environment) != 0) {
    free(environment);
    tp_js_throw_nomem(env);
    return NULL;
  }
  atomic_init(&environment->references, 1);
  environment->env = env;
  environment->last_event_link = &environment->events;
  napi_status status = create_wake(env, environment);
  /* After the function, so that it is called before the function's own end. */
  if (status == napi_ok) status = napi_add_env_cleanup_hook(env, on_end, environment);
  if (status != napi_ok) {
    tp_js_throw_napi(env, status);
    tp_js_environment_unref(environment); /* the function, if there is one, is never called */
    return NULL;
  }
  return environment;
}

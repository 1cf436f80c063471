/* environment.h: what the addon keeps for each JavaScript environment (a thread with a loop of its own) that
 * loads it: the hooks, the way back from the library's threads, what is alive and what is under way.
 *
 * Threads: everything but what is marked so belongs to the environment's own thread. */
#ifndef TP_JS_ENVIRONMENT_H
#define TP_JS_ENVIRONMENT_H

#include "handle.h"
#include "runtime.h"

#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tp_js_database;

/* The functions of Hooks in src/native.ts. */
typedef enum tp_js_hook {
  TP_JS_HOOK_DECODE,
  TP_JS_HOOK_BYTES,
  TP_JS_HOOK_U64,
  TP_JS_HOOK_ENCODED,
  TP_JS_HOOK_ENTRY,
  TP_JS_HOOK_ERROR,
  TP_JS_HOOK_COUNT
} tp_js_hook;

/* Something that a thread of the library, or a job, has to tell: part of what it is about, so that telling
 * cannot fail. settle is called once, on the environment's thread in a handle scope of its own; or, when the
 * environment has ended, on any thread and with env NULL: then it only frees. */
typedef struct tp_js_event {
  struct tp_js_event *next;
  void (*settle)(struct tp_js_event *event, napi_env env);
} tp_js_event;

typedef struct tp_js_environment {
  atomic_uint references; /* any thread */
  napi_env env;
  bool is_ready; /* setup() has been called */
  napi_ref hooks[TP_JS_HOOK_COUNT];
  tp_js_runtime runtime;
  tp_js_handle_table handles;
  struct tp_js_database *databases; /* that are open, or about to be */
  uint32_t under_way;               /* what keeps the event loop alive */

  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t thread_ended;
  uint32_t thread_count; /* that work on jobs (job.h) */
  tp_js_event *events;
  tp_js_event **last_event_link;
  bool is_waking; /* the thread has been woken, and has not looked yet */
  bool has_ended;
  napi_threadsafe_function wake; /* not used any more when has_ended */
} tp_js_environment;

/* For the environment that loads the addon, until it ends: then its databases are closed, which completes
 * what was accepted. NULL with an exception pending. */
tp_js_environment *tp_js_environment_new(napi_env env);

/* Any thread. */
void tp_js_environment_ref(tp_js_environment *environment);
void tp_js_environment_unref(tp_js_environment *environment);

/* Has `event` settled: soon, on the environment's thread, or at once when the environment has ended. Any
 * thread. */
void tp_js_environment_post(tp_js_environment *environment, tp_js_event *event);

/* What keeps the event loop alive from the one call to the other. */
void tp_js_environment_begin(tp_js_environment *environment, napi_env env);
void tp_js_environment_end(tp_js_environment *environment, napi_env env);

/* A hook as a function. */
napi_status tp_js_environment_hook(tp_js_environment *environment, napi_env env, tp_js_hook hook,
                                   napi_value *ret_function);

/* The arguments of the addon's function that is being called, undefined where they are missing, and its
 * environment; NULL with an exception pending, also before setup(). */
tp_js_environment *tp_js_arguments(napi_env env, napi_callback_info info, size_t count,
                                   napi_value *ret_arguments);

/* The addon's function setup(hooks). */
napi_value tp_js_setup(napi_env env, napi_callback_info info);

#endif

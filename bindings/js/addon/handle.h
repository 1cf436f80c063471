/* handle.h: what JavaScript holds of the addon's: a database, a list, a message and so on, each as an
 * external value.
 *
 * An external that is given to the addon is looked for among those it has made before anything is read
 * through it, so a wrong one, another addon's included, is an error and never a crash.
 *
 * Two counts:
 *  - holders: the external while it has not been collected, and whatever is under way. Without any, the
 *    kind's `unused` is called, which closes. On the environment's thread only.
 *  - references keep the memory. Any thread. */
#ifndef TP_JS_HANDLE_H
#define TP_JS_HANDLE_H

#include <node_api.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct tp_js_environment;
typedef struct tp_js_handle tp_js_handle;

typedef struct tp_js_kind {
  const char *expected;                  /* "expected a database": the error of something else */
  void (*unused)(tp_js_handle *handle);  /* nobody can use it any more */
  void (*discard)(tp_js_handle *handle); /* frees what else it has; any thread; may be NULL */
} tp_js_kind;

struct tp_js_handle {
  const tp_js_kind *kind;
  struct tp_js_environment *environment; /* a reference */
  tp_js_handle *next;                    /* in the table */
  uint32_t holders;
  atomic_uint references;
};

/* The handles of an environment by address, in at least as many chains. */
typedef struct tp_js_handle_table {
  tp_js_handle **chains;
  size_t chain_count; /* 0 or a power of two */
  size_t count;
} tp_js_handle_table;

void tp_js_handle_table_done(tp_js_handle_table *table);

/* A handle with one holder and one reference: its maker's. */
void tp_js_handle_init(tp_js_handle *handle, const tp_js_kind *kind, struct tp_js_environment *environment);

/* The external of a handle, which holds it from now on. */
napi_status tp_js_handle_wrap(tp_js_handle *handle, napi_env env, napi_value *ret_external);

/* The handle of that kind that `value` is; NULL with an exception pending when it is something else. */
tp_js_handle *tp_js_handle_of(struct tp_js_environment *environment, napi_env env, const tp_js_kind *kind,
                              napi_value value);

void tp_js_handle_hold(tp_js_handle *handle);
void tp_js_handle_let_go(tp_js_handle *handle);

/* Any thread. Frees it with the last reference. */
void tp_js_handle_ref(tp_js_handle *handle);
void tp_js_handle_unref(tp_js_handle *handle);

#endif

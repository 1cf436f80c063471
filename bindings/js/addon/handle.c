/* handle.c: what JavaScript holds of the addon's. */
#include "handle.h"

#include "environment.h"
#include "error.h"

#include <stdlib.h>

enum { CHAINS_MIN = 64 };

/* ---- The table ---- */

static tp_js_handle **chain_of(const tp_js_handle_table *table, const void *pointer) {
  uint64_t hash = (uint64_t)(uintptr_t)pointer * UINT64_C(0x9E3779B97F4A7C15);
  return &table->chains[(hash >> 32) & (table->chain_count - 1)];
}

static bool grow(tp_js_handle_table *table) {
  tp_js_handle_table larger = {.chain_count = table->chain_count == 0 ? CHAINS_MIN : 2 * table->chain_count};
  larger.chains = calloc(larger.chain_count, sizeof(tp_js_handle *));
  if (larger.chains == NULL) return false;
  for (size_t i = 0; i < table->chain_count; i++) {
    for (tp_js_handle *handle = table->chains[i], *next; handle != NULL; handle = next) {
      next = handle->next;
      tp_js_handle **chain = chain_of(&larger, handle);
      handle->next = *chain;
      *chain = handle;
    }
  }
  free(table->chains);
  larger.count = table->count;
  *table = larger;
  return true;
}

static bool insert(tp_js_handle_table *table, tp_js_handle *handle) {
  if (table->count >= table->chain_count && !grow(table) && table->chain_count == 0) return false;
  tp_js_handle **chain = chain_of(table, handle);
  handle->next = *chain;
  *chain = handle;
  table->count++;
  return true;
}

static void take_out(tp_js_handle_table *table, tp_js_handle *handle) {
  tp_js_handle **link = chain_of(table, handle);
  while (*link != handle) link = &(*link)->next;
  *link = handle->next;
  table->count--;
}

void tp_js_handle_table_done(tp_js_handle_table *table) {
  free(table->chains);
}

/* ---- Externals ---- */

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  tp_js_handle *handle = data;
  take_out(&handle->environment->handles, handle);
  tp_js_handle_let_go(handle);
}

napi_status tp_js_handle_wrap(tp_js_handle *handle, napi_env env, napi_value *ret_external) {
  tp_js_handle_table *table = &handle->environment->handles;
  if (!insert(table, handle)) return napi_generic_failure;
  napi_status status = napi_create_external(env, handle, on_collected, NULL, ret_external);
  if (status != napi_ok)
    take_out(table, handle);
  else
    tp_js_handle_hold(handle);
  return status;
}

tp_js_handle *tp_js_handle_of(tp_js_environment *environment, napi_env env, const tp_js_kind *kind,
                              napi_value value) {
  void *pointer;
  const tp_js_handle_table *table = &environment->handles;
  if (table->chain_count > 0 && napi_get_value_external(env, value, &pointer) == napi_ok) {
    for (tp_js_handle *handle = *chain_of(table, pointer); handle != NULL; handle = handle->next)
      if (handle == pointer && handle->kind == kind) return handle;
  }
  (void)napi_throw_type_error(env, NULL, kind->expected);
  return NULL;
}

/* ---- Counts ---- */

void tp_js_handle_init(tp_js_handle *handle, const tp_js_kind *kind, tp_js_environment *environment) {
  handle->kind = kind;
  handle->environment = environment;
  handle->holders = 1;
  atomic_init(&handle->references, 1);
  tp_js_environment_ref(environment);
}

void tp_js_handle_hold(tp_js_handle *handle) {
  handle->holders++;
  tp_js_handle_ref(handle);
}

void tp_js_handle_let_go(tp_js_handle *handle) {
  if (--handle->holders == 0) handle->kind->unused(handle);
  tp_js_handle_unref(handle);
}

void tp_js_handle_ref(tp_js_handle *handle) {
  (void)atomic_fetch_add(&handle->references, 1);
}

void tp_js_handle_unref(tp_js_handle *handle) {
  if (atomic_fetch_sub(&handle->references, 1) != 1) return;
  tp_js_environment *environment = handle->environment;
  if (handle->kind->discard != NULL) handle->kind->discard(handle);
  free(handle);
  tp_js_environment_unref(environment);
}

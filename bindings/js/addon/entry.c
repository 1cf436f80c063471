/* entry.c: entries, as JavaScript's objects. */
#include "entry.h"

#include "key.h"
#include "value.h"

napi_status tp_js_versionstamp_make(napi_env env, const tuplet_versionstamp *versionstamp,
                                    napi_value *ret_text) {
  char text[TUPLET_VERSIONSTAMP_TEXT_SIZE];
  tuplet_versionstamp_to_text(versionstamp, text);
  return napi_create_string_latin1(env, text, sizeof text - 1, ret_text);
}

/* arguments: key, value, versionstamp. */
static napi_status call_hook(tp_js_environment *environment, napi_env env, const napi_value *arguments,
                             napi_value *ret_entry) {
  napi_value hook, undefined;
  napi_status status = tp_js_environment_hook(environment, env, TP_JS_HOOK_ENTRY, &hook);
  if (status == napi_ok) status = napi_get_undefined(env, &undefined);
  return status == napi_ok ? napi_call_function(env, undefined, hook, 3, arguments, ret_entry) : status;
}

napi_status tp_js_entry_make_absent(tp_js_environment *environment, napi_env env, napi_value key,
                                    napi_value *ret_entry) {
  napi_value null;
  napi_status status = napi_get_null(env, &null);
  if (status != napi_ok) return status;
  const napi_value arguments[3] = {key, null, null};
  return call_hook(environment, env, arguments, ret_entry);
}

napi_status tp_js_entry_make(tp_js_environment *environment, napi_env env, const tuplet_entry *entry,
                             bool encoded, napi_value *ret_entry) {
  napi_value arguments[3];
  napi_status status = tp_js_key_make(env, entry->key, &arguments[0]);
  if (status != napi_ok) return status;
  if (!entry->exists) return tp_js_entry_make_absent(environment, env, arguments[0], ret_entry);
  status = tp_js_value_make(environment, env, entry->value, encoded, &arguments[1]);
  if (status == napi_ok) status = tp_js_versionstamp_make(env, &entry->versionstamp, &arguments[2]);
  return status == napi_ok ? call_hook(environment, env, arguments, ret_entry) : status;
}

napi_status tp_js_entries_make(tp_js_environment *environment, napi_env env, const tuplet_entry *entries,
                               size_t count, bool encoded, napi_value *ret_array) {
  napi_status status = napi_create_array_with_length(env, count, ret_array);
  for (size_t i = 0; status == napi_ok && i < count; i++) {
    napi_handle_scope scope;
    status = napi_open_handle_scope(env, &scope);
    if (status != napi_ok) break;
    napi_value entry;
    status = tp_js_entry_make(environment, env, &entries[i], encoded, &entry);
    if (status == napi_ok) status = napi_set_element(env, *ret_array, (uint32_t)i, entry);
    (void)napi_close_handle_scope(env, scope);
  }
  return status;
}

/* runtime.c: what the addon has to know of the runtime's own decoder. */
#include "runtime.h"

napi_status tp_js_runtime_init(tp_js_runtime *runtime, napi_env env, napi_value hooks) {
  tp_js_runtime made = {0};
  napi_value buffer, version;
  napi_typedarray_type type = napi_int8_array;
  void *bytes;
  napi_status status = napi_get_named_property(env, hooks, "versionMax", &version);
  if (status == napi_ok) status = napi_get_value_uint32(env, version, &made.version_max);
  if (status == napi_ok) status = napi_get_named_property(env, hooks, "buffer", &buffer);
  if (status == napi_ok)
    status = napi_get_typedarray_info(env, buffer, &type, &made.size, &bytes, NULL, NULL);
  if (status == napi_ok && type != napi_uint8_array) status = napi_invalid_arg;
  if (status == napi_ok) status = napi_create_reference(env, buffer, 1, &made.buffer);
  if (status != napi_ok) return status;
  made.bytes = bytes;
  *runtime = made;
  return napi_ok;
}

void tp_js_runtime_done(tp_js_runtime *runtime, napi_env env) {
  if (runtime->buffer != NULL) (void)napi_delete_reference(env, runtime->buffer);
  *runtime = (tp_js_runtime){0};
}

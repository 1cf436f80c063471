/* value.c: stored values and JavaScript's. */
#include "value.h"

napi_status tp_js_value_make(napi_env env, const tp_js_value_hooks *hooks, tuplet_value value, bool encoded,
                             napi_value *ret_value) {
  napi_value arguments[2], undefined;
  napi_status status = napi_get_undefined(env, &undefined);
  if (status != napi_ok) return status;
  void *bytes;
  napi_value buffer;
  status = napi_create_arraybuffer(env, value.data.size, &bytes, &buffer);
  if (status == napi_ok && value.data.size > 0) memcpy(bytes, value.data.data, value.data.size);
  if (status == napi_ok)
    status = napi_create_typedarray(env, napi_uint8_array, value.data.size, buffer, 0, &arguments[0]);
  if (status != napi_ok) return status;
  if (encoded) {
    arguments[1] = arguments[0];
    status = napi_create_uint32(env, value.encoding, &arguments[0]);
    return status != napi_ok ? status
                             : napi_call_function(env, undefined, hooks->encoded, 2, arguments, ret_value);
  }
  if (value.encoding == TUPLET_ENCODING_BYTES) {
    *ret_value = arguments[0];
    return napi_ok;
  }
  if (value.encoding == TUPLET_ENCODING_LE64) {
    status = napi_create_bigint_uint64(env, value.u64, &arguments[0]);
    return status != napi_ok ? status
                             : napi_call_function(env, undefined, hooks->u64, 1, arguments, ret_value);
  }
  return napi_call_function(env, undefined, hooks->decode, 1, arguments, ret_value);
}

napi_status tp_js_value_read(napi_env env, napi_value stored, tuplet_value *ret_value) {
  napi_value encoding_value, data;
  uint32_t encoding = 0;
  napi_status status = napi_get_element(env, stored, 0, &encoding_value);
  if (status == napi_ok) status = napi_get_value_uint32(env, encoding_value, &encoding);
  if (status == napi_ok) status = napi_get_element(env, stored, 1, &data);
  if (status != napi_ok) return status;
  tuplet_value value = {(tuplet_encoding)encoding, {NULL, 0}, 0};
  if (encoding == TUPLET_ENCODING_LE64) {
    bool lossless;
    status = napi_get_value_bigint_uint64(env, data, &value.u64, &lossless);
  } else {
    napi_typedarray_type type;
    void *bytes;
    status = napi_get_typedarray_info(env, data, &type, &value.data.size, &bytes, NULL, NULL);
    value.data.data = bytes;
  }
  if (status == napi_ok) *ret_value = value;
  return status;
}

napi_value tp_js_decode_v8(napi_env env, napi_callback_info info) {
  (void)info;
  napi_throw_error(env, NULL, "not yet"); /* replaced below by the codec's own */
  return NULL;
}

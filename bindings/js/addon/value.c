/* value.c: stored values and JavaScript's. */
#include "value.h"

#include "tree.h"

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

/* Throws what a value cannot be read for, with the status's name as its code. */
static napi_status throw_unreadable(napi_env env, tuplet_status status, const char *message) {
  napi_status thrown = napi_throw_range_error(env, tuplet_status_name(status), message);
  return thrown == napi_ok ? napi_pending_exception : thrown;
}

static napi_status decode(napi_env env, tuplet_bytes encoded, napi_value *ret_value) {
  tuplet_error error;
  tuplet_node *root;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  if (tree == NULL) return napi_generic_failure;
  napi_status thrown;
  tuplet_status status = tuplet_tree_decode(tree, tuplet_value_v8(encoded), &root, &error);
  if (status != TUPLET_OK)
    thrown = throw_unreadable(env, status, error.message);
  else if (root->type == TUPLET_NODE_OPAQUE)
    thrown =
        throw_unreadable(env, TUPLET_UNSUPPORTED,
                         "The value holds an object that only the runtime that wrote it understands; read it "
                         "with { encoded: true }");
  else
    thrown = tp_js_tree_make(env, root, ret_value);
  tuplet_tree_free(tree);
  return thrown;
}

napi_value tp_js_decode_v8(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  napi_typedarray_type type;
  tuplet_bytes encoded;
  void *bytes;
  napi_status status = napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (status == napi_ok)
    status = napi_get_typedarray_info(env, argument, &type, &encoded.size, &bytes, NULL, NULL);
  if (status == napi_ok && type != napi_uint8_array) status = napi_invalid_arg;
  if (status == napi_ok) {
    encoded.data = bytes;
    status = decode(env, encoded, &result);
  }
  if (status == napi_ok) return result;
  if (status != napi_pending_exception) (void)napi_throw_error(env, NULL, "The bytes cannot be decoded");
  return NULL;
}

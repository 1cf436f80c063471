/* value.c: stored values and JavaScript's.
 *
 * V8's format is read by the runtime itself, which makes objects faster than Node-API can. libtuplet's codec
 * reads the values that are no containers (a call into JavaScript would cost more), what the runtime does not
 * know, and what it would reserve too much memory for. */
#include "value.h"

#include "error.h"
#include "tree.h"

#include <stdio.h>

enum {
  VERSION_AT = 1, /* where the bytes say it */
  TAG_AT = 2,
  VERSION_READ_MAX = 16,   /* what libtuplet reads */
  VERSION_SAME_SINCE = 15, /* from here to VERSION_READ_MAX, values of less than 4 GiB are the same bytes */
  SPARSE_MAX = 1 << 20     /* elements of sparse arrays that the runtime may reserve room for */
};

static const char host_object_message[] = "The value holds an object that only the runtime that wrote it "
                                          "understands; read it with { encoded: true }";

/* ---- libtuplet's codec ---- */

static napi_status make_array(napi_env env, tuplet_bytes bytes, napi_value *ret_array) {
  void *data;
  napi_value buffer;
  napi_status status = napi_create_arraybuffer(env, bytes.size, &data, &buffer);
  if (status != napi_ok) return status;
  if (bytes.size > 0) memcpy(data, bytes.data, bytes.size);
  return napi_create_typedarray(env, napi_uint8_array, bytes.size, buffer, 0, ret_array);
}

/* The tree of a stored value; NULL with an exception pending. */
static tuplet_tree *decode_tree(tp_js_environment *environment, napi_env env, tuplet_value value,
                                tuplet_node **ret_root) {
  tuplet_error error;
  tuplet_tree *tree = tuplet_tree_new(NULL);
  if (tree == NULL) {
    tp_js_throw_nomem(env);
    return NULL;
  }
  if (tuplet_tree_decode(tree, value, ret_root, &error) == TUPLET_OK) return tree;
  tp_js_throw(environment, env, &error);
  tuplet_tree_free(tree);
  return NULL;
}

/* The value is as it should be, but not for this runtime: what is pending is told as an error of the
 * database's. */
static void throw_unmade(tp_js_environment *environment, napi_env env, napi_status status) {
  if (status == napi_generic_failure) {
    tp_js_throw_nomem(env);
    return;
  }
  napi_value reason, text;
  char message[160] = "";
  size_t size = 0;
  if (tp_js_error_take(env, status, &reason) == napi_ok &&
      napi_coerce_to_string(env, reason, &text) == napi_ok)
    (void)napi_get_value_string_utf8(env, text, message, sizeof message, &size);
  char whole[sizeof message + 96];
  (void)snprintf(whole, sizeof whole,
                 "The value cannot be made in this runtime (%s); read it with { encoded: true }", message);
  tp_js_throw_status(environment, env, TUPLET_UNSUPPORTED, whole);
}

static napi_status decode(tp_js_environment *environment, napi_env env, tuplet_value value,
                          napi_value *ret_value) {
  tuplet_node *root;
  tuplet_tree *tree = decode_tree(environment, env, value, &root);
  if (tree == NULL) return napi_pending_exception;
  napi_status status = napi_pending_exception;
  if (root->type == TUPLET_NODE_OPAQUE) {
    tp_js_throw_status(environment, env, TUPLET_UNSUPPORTED, host_object_message);
  } else {
    status = tp_js_tree_make(env, root, ret_value);
    if (status != napi_ok) throw_unmade(environment, env, status);
  }
  tuplet_tree_free(tree);
  return status == napi_ok ? napi_ok : napi_pending_exception;
}

/* The argument of an addon's function; NULL with an exception pending. */
static tp_js_environment *read_bytes(napi_env env, napi_callback_info info, tuplet_value *ret_value) {
  napi_value argument;
  tp_js_environment *environment = tp_js_arguments(env, info, 1, &argument);
  if (environment == NULL) return NULL;
  napi_typedarray_type type;
  void *bytes;
  size_t size;
  napi_status status = napi_get_typedarray_info(env, argument, &type, &size, &bytes, NULL, NULL);
  if (status == napi_ok && type != napi_uint8_array) status = napi_invalid_arg;
  if (status == napi_ok) {
    *ret_value = tuplet_value_v8(tuplet_view(bytes, size));
    return environment;
  }
  tp_js_throw_napi(env, status);
  return NULL;
}

napi_value tp_js_decode_v8(napi_env env, napi_callback_info info) {
  tuplet_value value;
  tp_js_environment *environment = read_bytes(env, info, &value);
  if (environment == NULL) return NULL;
  napi_value result;
  return decode(environment, env, value, &result) == napi_ok ? result : NULL;
}

napi_value tp_js_check_v8(napi_env env, napi_callback_info info) {
  tuplet_value value;
  tuplet_node *root;
  tp_js_environment *environment = read_bytes(env, info, &value);
  if (environment != NULL) tuplet_tree_free(decode_tree(environment, env, value, &root));
  return NULL;
}

napi_value tp_js_recode_v8(napi_env env, napi_callback_info info) {
  tuplet_value value;
  tuplet_node *root;
  tp_js_environment *environment = read_bytes(env, info, &value);
  tuplet_tree *tree = environment == NULL ? NULL : decode_tree(environment, env, value, &root);
  if (tree == NULL) return NULL;
  tuplet_error error;
  tuplet_owned owned;
  napi_value result = NULL;
  if (tuplet_tree_encode(root, NULL, &value, &owned, &error) == TUPLET_OK) {
    napi_status status = make_array(env, value.data, &result);
    tuplet_owned_free(&owned);
    if (status != napi_ok) tp_js_throw_napi(env, status);
  } else {
    tp_js_throw(environment, env, &error);
  }
  tuplet_tree_free(tree);
  return result;
}

/* ---- Reading: the hooks ---- */

static napi_status call_hook(tp_js_environment *environment, napi_env env, tp_js_hook hook, size_t count,
                             const napi_value *arguments, napi_value *ret_value) {
  napi_value function, undefined;
  napi_status status = tp_js_environment_hook(environment, env, hook, &function);
  if (status == napi_ok) status = napi_get_undefined(env, &undefined);
  return status == napi_ok ? napi_call_function(env, undefined, function, count, arguments, ret_value)
                           : status;
}

static bool fits_buffer(const tp_js_environment *environment, tuplet_bytes bytes) {
  return bytes.size <= environment->runtime.size;
}

/* Puts bytes that fit into the buffer; the hook is told how many they are. */
static napi_status put_into_buffer(const tp_js_environment *environment, napi_env env, tuplet_bytes bytes,
                                   napi_value *ret_size) {
  if (bytes.size > 0) memcpy(environment->runtime.bytes, bytes.data, bytes.size);
  return napi_create_uint32(env, (uint32_t)bytes.size, ret_size);
}

static napi_status make_bytes(tp_js_environment *environment, napi_env env, tuplet_bytes bytes,
                              napi_value *ret_value) {
  if (!fits_buffer(environment, bytes)) return make_array(env, bytes, ret_value);
  napi_value size;
  napi_status status = put_into_buffer(environment, env, bytes, &size);
  return status == napi_ok ? call_hook(environment, env, TP_JS_HOOK_BYTES, 1, &size, ret_value) : status;
}

static napi_status make_u64(tp_js_environment *environment, napi_env env, uint64_t number,
                            napi_value *ret_value) {
  napi_value bigint;
  napi_status status = napi_create_bigint_uint64(env, number, &bigint);
  return status == napi_ok ? call_hook(environment, env, TP_JS_HOOK_U64, 1, &bigint, ret_value) : status;
}

static napi_status make_encoded(tp_js_environment *environment, napi_env env, tuplet_value value,
                                napi_value *ret_value) {
  napi_value arguments[2];
  napi_status status = napi_create_uint32(env, (uint32_t)value.encoding, &arguments[0]);
  if (status == napi_ok) status = make_bytes(environment, env, value.data, &arguments[1]);
  return status == napi_ok ? call_hook(environment, env, TP_JS_HOOK_ENCODED, 2, arguments, ret_value)
                           : status;
}

/* ---- Reading: who does it ---- */

/* Whether the value is none that has others in it, by its first tag. */
static bool is_leaf(tuplet_bytes encoded) {
  static const char TAGS[] = "_0TFIUNZ\"cSD";
  const uint8_t *bytes = encoded.data;
  return memchr(TAGS, bytes[TAG_AT], sizeof TAGS - 1) != NULL;
}

/* How many elements its sparse arrays may claim: no less than they do, for what looks like a tag may be none.
 * For each of them the runtime would reserve room, whether there are elements or not. */
static uint64_t sparse_claims(tuplet_bytes encoded) {
  uint64_t sum = 0;
  const uint8_t *end = (const uint8_t *)encoded.data + encoded.size;
  const uint8_t *at = (const uint8_t *)encoded.data + TAG_AT;
  while (at < end && (at = memchr(at, 'a', (size_t)(end - at))) != NULL) {
    uint64_t length = 0;
    const uint8_t *digit = ++at;
    for (unsigned shift = 0; digit < end && shift < 35; shift += 7, digit++) {
      length |= (uint64_t)(*digit & 0x7F) << shift;
      if (*digit < 0x80) break;
    }
    sum += length;
  }
  return sum;
}

static napi_status make_v8(tp_js_environment *environment, napi_env env, tuplet_value value,
                           napi_value *ret_value) {
  const uint8_t *bytes = value.data.data;
  if (value.data.size <= TAG_AT || is_leaf(value.data) || sparse_claims(value.data) > SPARSE_MAX)
    return decode(environment, env, value, ret_value);

  uint32_t version_max = environment->runtime.version_max;
  bool is_newer = bytes[VERSION_AT] > version_max && bytes[VERSION_AT] <= VERSION_READ_MAX;
  bool fits = fits_buffer(environment, value.data);
  if (is_newer && (version_max < VERSION_SAME_SINCE || !fits))
    return decode(environment, env, value, ret_value);

  napi_value argument;
  napi_status status = fits ? put_into_buffer(environment, env, value.data, &argument)
                            : make_array(env, value.data, &argument);
  if (status != napi_ok) return status;
  if (is_newer) environment->runtime.bytes[VERSION_AT] = VERSION_SAME_SINCE;
  return call_hook(environment, env, TP_JS_HOOK_DECODE, 1, &argument, ret_value);
}

napi_status tp_js_value_make(tp_js_environment *environment, napi_env env, tuplet_value value, bool encoded,
                             napi_value *ret_value) {
  if (encoded) return make_encoded(environment, env, value, ret_value);
  switch (value.encoding) {
  case TUPLET_ENCODING_BYTES: return make_bytes(environment, env, value.data, ret_value);
  case TUPLET_ENCODING_LE64:
    if (value.data.size == sizeof value.u64) return make_u64(environment, env, value.u64, ret_value);
    break;
  case TUPLET_ENCODING_V8: return make_v8(environment, env, value, ret_value);
  }
  return decode(environment, env, value, ret_value); /* throws what is wrong with it */
}

/* ---- Writing ---- */

napi_status tp_js_value_read(napi_env env, napi_value stored, tuplet_value *ret_value) {
  napi_value encoding_value, data;
  uint32_t encoding;
  napi_status status = napi_get_element(env, stored, 0, &encoding_value);
  if (status == napi_ok) status = napi_get_value_uint32(env, encoding_value, &encoding);
  if (status == napi_ok) status = napi_get_element(env, stored, 1, &data);
  if (status != napi_ok) return status;
  tuplet_value value = {(tuplet_encoding)encoding, {NULL, 0}, 0};
  if (encoding == TUPLET_ENCODING_LE64) {
    bool lossless = false;
    status = napi_get_value_bigint_uint64(env, data, &value.u64, &lossless);
    if (status == napi_ok && !lossless) status = napi_invalid_arg;
  } else {
    napi_typedarray_type type;
    void *bytes;
    status = napi_get_typedarray_info(env, data, &type, &value.data.size, &bytes, NULL, NULL);
    if (status == napi_ok && type != napi_uint8_array) status = napi_invalid_arg;
    if (status == napi_ok) value.data.data = bytes;
  }
  if (status == napi_ok) *ret_value = value;
  return status;
}

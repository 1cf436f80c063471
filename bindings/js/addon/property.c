/* property.c: reading the properties of options. */
#include "property.h"

#include <stdlib.h>
#include <string.h>

bool tp_js_is_nullish(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && (type == napi_undefined || type == napi_null);
}

napi_status tp_js_property_bool(napi_env env, napi_value object, const char *name, bool *ret_bool) {
  napi_value value;
  napi_status status = napi_get_named_property(env, object, name, &value);
  return status == napi_ok ? napi_get_value_bool(env, value, ret_bool) : status;
}

napi_status tp_js_property_uint32(napi_env env, napi_value object, const char *name, uint32_t *ret_number) {
  napi_value value;
  napi_status status = napi_get_named_property(env, object, name, &value);
  return status == napi_ok ? napi_get_value_uint32(env, value, ret_number) : status;
}

napi_status tp_js_text_or_null(napi_env env, napi_value value, char **ret_text) {
  if (tp_js_is_nullish(env, value)) {
    *ret_text = NULL;
    return napi_ok;
  }
  size_t size;
  napi_status status = napi_get_value_string_utf8(env, value, NULL, 0, &size);
  if (status != napi_ok) return status;
  char *text = malloc(size + 1);
  if (text == NULL) return napi_generic_failure;
  status = napi_get_value_string_utf8(env, value, text, size + 1, &size);
  if (status == napi_ok && memchr(text, '\0', size) != NULL) status = napi_invalid_arg;
  if (status != napi_ok) {
    free(text);
    return status;
  }
  *ret_text = text;
  return napi_ok;
}

napi_status tp_js_property_text(napi_env env, napi_value object, const char *name, char **ret_text) {
  napi_value value;
  napi_status status = napi_get_named_property(env, object, name, &value);
  return status == napi_ok ? tp_js_text_or_null(env, value, ret_text) : status;
}

napi_status tp_js_milliseconds(napi_env env, napi_value value, int64_t *ret_ms) {
  double number;
  napi_status status = napi_get_value_double(env, value, &number);
  if (status != napi_ok) return status;
  if (!(number >= 0) && number != -1) return napi_invalid_arg; /* NaN, too */
  *ret_ms = number < 0x1p53 ? (int64_t)number : INT64_C(1) << 53;
  return napi_ok;
}

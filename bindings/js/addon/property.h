/* property.h: reading the properties of options, of the type that they must have. napi_..._expected and the
 * like when they have another. */
#ifndef TP_JS_PROPERTY_H
#define TP_JS_PROPERTY_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

napi_status tp_js_property_bool(napi_env env, napi_value object, const char *name, bool *ret_bool);
napi_status tp_js_property_uint32(napi_env env, napi_value object, const char *name, uint32_t *ret_number);

/* A string, ended by a NUL, that the caller frees; NULL for null and undefined. */
napi_status tp_js_property_text(napi_env env, napi_value object, const char *name, char **ret_text);
napi_status tp_js_text_or_null(napi_env env, napi_value value, char **ret_text);

/* A number that is whole milliseconds: -1 as it is, others between 0 and 2^53. */
napi_status tp_js_milliseconds(napi_env env, napi_value value, int64_t *ret_ms);

bool tp_js_is_nullish(napi_env env, napi_value value);

#endif

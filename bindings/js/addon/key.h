/* key.h: keys, as arrays of JavaScript's and as libtuplet's. */
#ifndef TP_JS_KEY_H
#define TP_JS_KEY_H

#include <node_api.h>
#include <tuplet.h>

/* Memory for the keys of a call: at first on the stack, which does for almost all of them. */
typedef struct tp_js_scratch {
  void *blocks;
  size_t used;
  _Alignas(max_align_t) unsigned char bytes[3072];
} tp_js_scratch;

void tp_js_scratch_init(tp_js_scratch *scratch);
void tp_js_scratch_done(tp_js_scratch *scratch);

/* Aligned for any type; NULL when out of memory. */
void *tp_js_scratch_allocate(tp_js_scratch *scratch, size_t size);

/* The key that an array is; it lives as long as the scratch. Reading the array may run code of the user's.
 * napi_pending_exception for parts of other types, in Deno's words. */
napi_status tp_js_key_read(napi_env env, napi_value array, tp_js_scratch *scratch, tuplet_key *ret_key);

/* An array of keys. */
napi_status tp_js_keys_read(napi_env env, napi_value array, tp_js_scratch *scratch, tuplet_key **ret_keys,
                            size_t *ret_count);

/* {prefix, start, end}: a selector that lives as long as the scratch. */
napi_status tp_js_selector_read(napi_env env, napi_value object, tp_js_scratch *scratch,
                                tuplet_selector *ret_selector);

/* An encoded key as an array. */
napi_status tp_js_key_make(napi_env env, tuplet_bytes encoded, napi_value *ret_array);

#endif

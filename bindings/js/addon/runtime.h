/* runtime.h: what the addon has to know of the runtime's own decoder, which the hooks of src/codec.ts call.
 *
 * Short values are handed to JavaScript in one buffer that both sides see: an ArrayBuffer for each of them
 * would cost more than decoding it. */
#ifndef TP_JS_RUNTIME_H
#define TP_JS_RUNTIME_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tp_js_runtime {
  napi_ref buffer; /* keeps `bytes` alive */
  uint8_t *bytes;
  size_t size;
  uint32_t version_max; /* the newest version of V8's format that the runtime reads */
} tp_js_runtime;

/* Reads `buffer` and `versionMax` of Hooks. */
napi_status tp_js_runtime_init(tp_js_runtime *runtime, napi_env env, napi_value hooks);

/* A zeroed one is fine. */
void tp_js_runtime_done(tp_js_runtime *runtime, napi_env env);

#endif

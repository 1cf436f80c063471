/* value.h: stored values and JavaScript's. */
#ifndef TP_JS_VALUE_H
#define TP_JS_VALUE_H

#include <node_api.h>
#include <tuplet.h>

/* The hooks that values need, as JavaScript functions (see Hooks in src/native.ts). */
typedef struct tp_js_value_hooks {
  napi_value decode;
  napi_value u64;
  napi_value encoded;
} tp_js_value_hooks;

/* A stored value as JavaScript's: *ret_value. Primitives are made here, everything else by the hooks;
 * `encoded` leaves it as it is (the hook of that name). napi_pending_exception when a hook threw. */
napi_status tp_js_value_make(napi_env env, const tp_js_value_hooks *hooks, tuplet_value value, bool encoded,
                             napi_value *ret_value);

/* [encoding, data] (Stored in src/native.ts) as a view of the bytes that `stored` holds, for as long as the
 * calling function runs. napi_invalid_arg when it is something else. */
napi_status tp_js_value_read(napi_env env, napi_value stored, tuplet_value *ret_value);

/* The addon's function decodeV8(bytes). */
napi_value tp_js_decode_v8(napi_env env, napi_callback_info info);

#endif

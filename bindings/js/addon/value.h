/* value.h: stored values and JavaScript's. */
#ifndef TP_JS_VALUE_H
#define TP_JS_VALUE_H

#include "environment.h"

#include <tuplet.h>

/* A stored value as JavaScript's: *ret_value. Values without properties are made here, everything else by the
 * hooks; `encoded` leaves it as it is (the hook of that name). napi_pending_exception when it cannot be
 * decoded. */
napi_status tp_js_value_make(tp_js_environment *environment, napi_env env, tuplet_value value, bool encoded,
                             napi_value *ret_value);

/* [encoding, data] (Stored in src/native.ts) as a view of the bytes that `stored` holds, until code of the
 * user's runs. napi_invalid_arg when it is something else. */
napi_status tp_js_value_read(napi_env env, napi_value stored, tuplet_value *ret_value);

/* The addon's functions decodeV8(bytes), checkV8(bytes) and recodeV8(bytes). */
napi_value tp_js_decode_v8(napi_env env, napi_callback_info info);
napi_value tp_js_check_v8(napi_env env, napi_callback_info info);
napi_value tp_js_recode_v8(napi_env env, napi_callback_info info);

#endif

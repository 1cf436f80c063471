/* error.h: what failed, as a JavaScript exception. */
#ifndef TP_JS_ERROR_H
#define TP_JS_ERROR_H

#include "environment.h"

#include <tuplet.h>

/* The error that the hook makes of a status and its message. */
napi_status tp_js_error_make(tp_js_environment *environment, napi_env env, const tuplet_error *error,
                             napi_value *ret_error);

/* Each leaves an exception pending. */
void tp_js_throw(tp_js_environment *environment, napi_env env, const tuplet_error *error);
void tp_js_throw_status(tp_js_environment *environment, napi_env env, tuplet_status status,
                        const char *message);
void tp_js_throw_nomem(napi_env env);

/* What a call of Node-API's came to: the exception that it left pending, or a TypeError. Our own functions
 * say napi_generic_failure when they are out of memory. */
void tp_js_throw_napi(napi_env env, napi_status status);

/* What a callback threw that nobody awaits: an uncaught exception. */
void tp_js_report(napi_env env, napi_status status);

/* The exception that is pending, taken, or what stands for `status` when there is none. */
napi_status tp_js_error_take(napi_env env, napi_status status, napi_value *ret_error);

#endif

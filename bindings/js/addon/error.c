/* error.c: what failed, as a JavaScript exception. */
#include "error.h"

napi_status tp_js_error_make(tp_js_environment *environment, napi_env env, const tuplet_error *error,
                             napi_value *ret_error) {
  napi_value hook, undefined, arguments[2];
  napi_status status = tp_js_environment_hook(environment, env, TP_JS_HOOK_ERROR, &hook);
  if (status == napi_ok) status = napi_get_undefined(env, &undefined);
  if (status == napi_ok) status = napi_create_int32(env, error->status, &arguments[0]);
  if (status == napi_ok)
    status = napi_create_string_utf8(env, error->message, NAPI_AUTO_LENGTH, &arguments[1]);
  return status == napi_ok ? napi_call_function(env, undefined, hook, 2, arguments, ret_error) : status;
}

void tp_js_throw(tp_js_environment *environment, napi_env env, const tuplet_error *error) {
  napi_value value;
  napi_status status = tp_js_error_make(environment, env, error, &value);
  if (status == napi_ok) status = napi_throw(env, value);
  if (status != napi_ok) tp_js_throw_napi(env, status);
}

void tp_js_throw_status(tp_js_environment *environment, napi_env env, tuplet_status status,
                        const char *message) {
  tuplet_error error = {.status = status};
  (void)strncpy(error.message, message, sizeof error.message - 1);
  tp_js_throw(environment, env, &error);
}

void tp_js_throw_nomem(napi_env env) {
  (void)napi_throw_error(env, NULL, tuplet_status_text(TUPLET_NOMEM));
}

void tp_js_throw_napi(napi_env env, napi_status status) {
  const napi_extended_error_info *info = NULL;
  bool is_pending = false;
  const char *message = NULL;
  if (napi_get_last_error_info(env, &info) == napi_ok && info->error_code == status)
    message = info->error_message; /* a static text; the next call forgets it */
  if (status == napi_pending_exception ||
      (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending))
    return;
  if (status == napi_generic_failure && message == NULL)
    tp_js_throw_nomem(env);
  else
    (void)napi_throw_type_error(env, NULL, message != NULL ? message : "An argument is of the wrong type");
}

napi_status tp_js_error_take(napi_env env, napi_status status, napi_value *ret_error) {
  tp_js_throw_napi(env, status);
  return napi_get_and_clear_last_exception(env, ret_error);
}

void tp_js_report(napi_env env, napi_status status) {
  napi_value error;
  if (tp_js_error_take(env, status, &error) == napi_ok) (void)napi_fatal_exception(env, error);
}

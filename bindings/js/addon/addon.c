/* addon.c: what the addon exports: interface Native of src/native.ts. */
#include "database.h"
#include "error.h"
#include "list.h"
#include "listener.h"
#include "read.h"
#include "value.h"
#include "watch.h"
#include "write.h"

static napi_value version(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value text;
  napi_status status = napi_create_string_utf8(env, tuplet_version(), NAPI_AUTO_LENGTH, &text);
  if (status == napi_ok) return text;
  tp_js_throw_napi(env, status);
  return NULL;
}

static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
    {"setup", tp_js_setup},
    {"version", version},
    {"open", tp_js_open},
    {"path", tp_js_path},
    {"close", tp_js_close},
    {"get", tp_js_get},
    {"getMany", tp_js_get_many},
    {"listOpen", tp_js_list_open},
    {"listNext", tp_js_list_next},
    {"listCursor", tp_js_list_cursor},
    {"listClose", tp_js_list_close},
    {"set", tp_js_set},
    {"delete", tp_js_delete},
    {"enqueue", tp_js_enqueue},
    {"commit", tp_js_commit},
    {"watchOpen", tp_js_watch_open},
    {"watchNext", tp_js_watch_next},
    {"watchClose", tp_js_watch_close},
    {"rangeWatchOpen", tp_js_range_watch_open},
    {"rangeWatchNext", tp_js_range_watch_next},
    {"rangeWatchClose", tp_js_range_watch_close},
    {"listen", tp_js_listen},
    {"listenClose", tp_js_listen_close},
    {"payload", tp_js_payload},
    {"finish", tp_js_finish},
    {"decodeV8", tp_js_decode_v8},
    {"checkV8", tp_js_check_v8},
    {"recodeV8", tp_js_recode_v8},
};

/* What the macro defines without declaring it. */
NAPI_MODULE_EXPORT int32_t NODE_API_MODULE_GET_API_VERSION(void);

NAPI_MODULE_INIT() {
  tp_js_environment *environment = tp_js_environment_new(env);
  if (environment == NULL) return NULL;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_status status = napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function,
                                              environment, &function);
    if (status == napi_ok) status = napi_set_named_property(env, exports, functions[i].name, function);
    if (status != napi_ok) {
      tp_js_throw_napi(env, status);
      return NULL;
    }
  }
  return exports;
}

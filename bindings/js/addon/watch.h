/* watch.h: the addon's functions about watched keys and watched ranges. */
#ifndef TP_JS_WATCH_H
#define TP_JS_WATCH_H

#include <node_api.h>

napi_value tp_js_watch_open(napi_env env, napi_callback_info info);
napi_value tp_js_watch_next(napi_env env, napi_callback_info info);
napi_value tp_js_watch_close(napi_env env, napi_callback_info info);

napi_value tp_js_range_watch_open(napi_env env, napi_callback_info info);
napi_value tp_js_range_watch_next(napi_env env, napi_callback_info info);
napi_value tp_js_range_watch_close(napi_env env, napi_callback_info info);

#endif

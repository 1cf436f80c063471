/* list.h: the addon's functions about lists. */
#ifndef TP_JS_LIST_H
#define TP_JS_LIST_H

#include <node_api.h>

napi_value tp_js_list_open(napi_env env, napi_callback_info info);
napi_value tp_js_list_next(napi_env env, napi_callback_info info);
napi_value tp_js_list_cursor(napi_env env, napi_callback_info info);
napi_value tp_js_list_close(napi_env env, napi_callback_info info);

#endif

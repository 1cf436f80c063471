/* write.h: the addon's functions that write. */
#ifndef TP_JS_WRITE_H
#define TP_JS_WRITE_H

#include <node_api.h>

napi_value tp_js_set(napi_env env, napi_callback_info info);
napi_value tp_js_delete(napi_env env, napi_callback_info info);
napi_value tp_js_enqueue(napi_env env, napi_callback_info info);
napi_value tp_js_commit(napi_env env, napi_callback_info info);

#endif

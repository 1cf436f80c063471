/* read.h: the addon's functions get and getMany. */
#ifndef TP_JS_READ_H
#define TP_JS_READ_H

#include <node_api.h>

napi_value tp_js_get(napi_env env, napi_callback_info info);
napi_value tp_js_get_many(napi_env env, napi_callback_info info);

#endif

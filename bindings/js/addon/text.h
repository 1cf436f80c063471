/* text.h: libtuplet's strings as JavaScript's. */
#ifndef TP_JS_TEXT_H
#define TP_JS_TEXT_H

#include <node_api.h>
#include <tuplet.h>

/* A string from WTF-8: UTF-8 in which a lone surrogate stands as its three bytes, which Node-API's own
 * function would not let pass. The bytes are WTF-8 (libtuplet has checked them). napi_generic_failure when
 * out of memory. */
napi_status tp_js_text_make(napi_env env, tuplet_bytes wtf8, napi_value *ret_string);

#endif

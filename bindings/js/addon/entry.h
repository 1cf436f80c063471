/* entry.h: entries, as JavaScript's objects. */
#ifndef TP_JS_ENTRY_H
#define TP_JS_ENTRY_H

#include "environment.h"

#include <tuplet.h>

/* {key, value, versionstamp}; both null of an entry that does not exist. napi_pending_exception when its
 * value cannot be decoded. */
napi_status tp_js_entry_make(tp_js_environment *environment, napi_env env, const tuplet_entry *entry,
                             bool encoded, napi_value *ret_entry);

/* The same of an entry that does not exist, with the key as it was given. */
napi_status tp_js_entry_make_absent(tp_js_environment *environment, napi_env env, napi_value key,
                                    napi_value *ret_entry);

/* An array of entries. */
napi_status tp_js_entries_make(tp_js_environment *environment, napi_env env, const tuplet_entry *entries,
                               size_t count, bool encoded, napi_value *ret_array);

napi_status tp_js_versionstamp_make(napi_env env, const tuplet_versionstamp *versionstamp,
                                    napi_value *ret_text);

#endif

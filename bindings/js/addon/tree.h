/* tree.h: trees of libtuplet as JavaScript's values. */
#ifndef TP_JS_TREE_H
#define TP_JS_TREE_H

#include <node_api.h>
#include <tuplet.h>

/* The value that `root` stands for: shared nodes become shared objects, circles become circles. Not for KVU64
 * and OPAQUE. Does not recurse; its handles, at most one for each node, are in the caller's scope.
 * napi_pending_exception when the runtime cannot make the value (it throws what says so);
 * napi_generic_failure when out of memory. */
napi_status tp_js_tree_make(napi_env env, const tuplet_node *root, napi_value *ret_value);

#endif

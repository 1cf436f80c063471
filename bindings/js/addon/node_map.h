/* node_map.h: what became of the nodes of a tree: for each object its value in JavaScript. */
#ifndef TP_JS_NODE_MAP_H
#define TP_JS_NODE_MAP_H

#include <node_api.h>
#include <tuplet.h>

/* A zeroed one is empty. Nodes are told apart by their address. */
typedef struct tp_js_node_map {
  struct tp_js_node_slot {
    const tuplet_node *node;
    napi_value value;
  } * slots;
  size_t count;
  size_t capacity; /* a power of two, or 0 */
} tp_js_node_map;

void tp_js_node_map_done(tp_js_node_map *map);

/* NULL when the node is not there. */
napi_value tp_js_node_map_get(const tp_js_node_map *map, const tuplet_node *node);

/* Adds a node that is not there yet; false when out of memory. */
bool tp_js_node_map_add(tp_js_node_map *map, const tuplet_node *node, napi_value value);

#endif

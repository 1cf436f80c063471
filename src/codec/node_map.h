/* node_map.h: which nodes of a graph were met already, and as the how-manieth. By identity, not by value. */
#ifndef TP_CODEC_NODE_MAP_H
#define TP_CODEC_NODE_MAP_H

#include "tuplet.h"

typedef struct tp_node_map_slot {
  const tuplet_node *node; /* NULL: free */
  size_t id;
} tp_node_map_slot;

typedef struct tp_node_map {
  const tuplet_allocator *allocator;
  tp_node_map_slot *slots;
  size_t slot_count; /* a power of two, or 0 */
  size_t count;
} tp_node_map;

void tp_node_map_init(tp_node_map *map, const tuplet_allocator *allocator);
void tp_node_map_done(tp_node_map *map);

/* Whether the node is there; if so writes its id. */
bool tp_node_map_get(const tp_node_map *map, const tuplet_node *node, size_t *ret_id);

/* Adds a node that is not there yet. False when out of memory. */
bool tp_node_map_add(tp_node_map *map, const tuplet_node *node, size_t id);

#endif

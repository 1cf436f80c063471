/* node_map.c: a hash table of pointers with open addressing; at most half full. */
#include "codec/node_map.h"

#include "base/alloc.h"

#include <assert.h>

enum { SLOT_COUNT_MIN = 16 };

void tp_node_map_init(tp_node_map *map, const tuplet_allocator *allocator) {
  *map = (tp_node_map){.allocator = allocator};
}

void tp_node_map_done(tp_node_map *map) {
  tp_free(map->allocator, map->slots);
  tp_node_map_init(map, map->allocator);
}

/* The slot that holds the node, or the free one where it would stand. */
static size_t find_slot(const tp_node_map *map, const tuplet_node *node) {
  /* Nodes are 16-aligned: the low bits say nothing. The product's high half depends on all others. */
  uint64_t hash = (uint64_t)((uintptr_t)node >> 4) * UINT64_C(0x9E3779B97F4A7C15);
  size_t at = (size_t)(hash >> 32) & (map->slot_count - 1);
  while (map->slots[at].node != NULL && map->slots[at].node != node) at = (at + 1) & (map->slot_count - 1);
  return at;
}

bool tp_node_map_get(const tp_node_map *map, const tuplet_node *node, size_t *ret_id) {
  if (map->count == 0) return false;
  const tp_node_map_slot *slot = &map->slots[find_slot(map, node)];
  if (slot->node == NULL) return false;
  *ret_id = slot->id;
  return true;
}

static bool grow(tp_node_map *map) {
  tp_node_map larger = *map;
  larger.slot_count = map->slot_count == 0 ? SLOT_COUNT_MIN : map->slot_count * 2;
  larger.slots = tp_alloc_array_zeroed(map->allocator, larger.slot_count, sizeof *larger.slots);
  if (larger.slots == NULL) return false;
  for (size_t i = 0; i < map->slot_count; i++) {
    if (map->slots[i].node == NULL) continue;
    larger.slots[find_slot(&larger, map->slots[i].node)] = map->slots[i];
  }
  tp_free(map->allocator, map->slots);
  *map = larger;
  return true;
}

bool tp_node_map_add(tp_node_map *map, const tuplet_node *node, size_t id) {
  if (map->count >= map->slot_count / 2 && !grow(map)) return false;
  size_t at = find_slot(map, node);
  assert(map->slots[at].node == NULL);
  map->slots[at] = (tp_node_map_slot){node, id};
  map->count++;
  return true;
}

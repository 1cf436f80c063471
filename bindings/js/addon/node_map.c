/* node_map.c: a hash table with open addressing; nothing is ever removed. */
#include "node_map.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

static size_t slot_of(const tp_js_node_map *map, const tuplet_node *node) {
  /* Fibonacci hashing: nodes of an arena lie at regular distances. */
  size_t mask = map->capacity - 1;
  size_t at = (size_t)(((uint64_t)(uintptr_t)node * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
  while (map->slots[at].node != NULL && map->slots[at].node != node) at = (at + 1) & mask;
  return at;
}

static bool grow(tp_js_node_map *map) {
  tp_js_node_map wider = {.count = map->count,
                          .capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity * 2};
  wider.slots = calloc(wider.capacity, sizeof *wider.slots);
  if (wider.slots == NULL) return false;
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].node != NULL) wider.slots[slot_of(&wider, map->slots[i].node)] = map->slots[i];
  }
  free(map->slots);
  *map = wider;
  return true;
}

void tp_js_node_map_done(tp_js_node_map *map) {
  free(map->slots);
  *map = (tp_js_node_map){NULL, 0, 0};
}

napi_value tp_js_node_map_get(const tp_js_node_map *map, const tuplet_node *node) {
  return map->count == 0 ? NULL : map->slots[slot_of(map, node)].value;
}

bool tp_js_node_map_add(tp_js_node_map *map, const tuplet_node *node, napi_value value) {
  if (map->count >= map->capacity / 2 && !grow(map)) return false;
  map->slots[slot_of(map, node)] = (struct tp_js_node_slot){node, value};
  map->count++;
  return true;
}

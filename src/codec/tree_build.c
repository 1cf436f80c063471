/* tree_build.c: filling objects, arrays, maps and sets as JavaScript would, and looking properties up. */
#include "codec/tree.h"

#include "codec/utf8.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Holes up to this many before a new element are stored as such; beyond, the element becomes a property. */
enum { ARRAY_GAP_MAX = 8, CAPACITY_MIN = 4 };

static const char LENGTH[] = "length";

/* Where a container keeps its pairs. */
typedef struct pair_list {
  tuplet_pair **pairs;
  size_t *count;
  size_t *capacity;
} pair_list;

static pair_list pairs_of(tuplet_node *node) {
  assert(node->type == TUPLET_NODE_OBJECT || node->type == TUPLET_NODE_ARRAY ||
         node->type == TUPLET_NODE_MAP);
  if (node->type == TUPLET_NODE_ARRAY)
    return (pair_list){&node->as.array.properties, &node->as.array.property_count,
                       &node->as.array.property_capacity};
  return (pair_list){&node->as.map.pairs, &node->as.map.count, &node->as.map.capacity};
}

static tp_container *container_of(tuplet_node *node) {
  return (tp_container *)node;
}

static bool is_node(const tuplet_node *node, tuplet_node_type type) {
  return node != NULL && node->type == type;
}

/* The array with room for at least `needed` elements; NULL when out of memory. */
static void *with_room(tuplet_tree *tree, void *array, size_t count, size_t *capacity, size_t needed,
                       size_t element_size) {
  if (needed <= *capacity) return array;
  size_t larger = *capacity < CAPACITY_MIN ? CAPACITY_MIN : *capacity * 2;
  if (larger < needed) larger = needed;
  size_t size;
  if (__builtin_mul_overflow(larger, element_size, &size)) return NULL;
  void *room = tp_arena_alloc(&tree->arena, size);
  if (room == NULL) return NULL;
  if (count > 0) memcpy(room, array, count * element_size);
  *capacity = larger;
  return room;
}

static bool reserve_pair(tuplet_tree *tree, pair_list list) {
  tuplet_pair *room = with_room(tree, *list.pairs, *list.count, list.capacity, *list.count + 1, sizeof *room);
  if (room != NULL) *list.pairs = room;
  return room != NULL;
}

static bool append_pair(tuplet_tree *tree, pair_list list, tuplet_node *key, tuplet_node *value) {
  if (key == NULL || !reserve_pair(tree, list)) return false;
  (*list.pairs)[(*list.count)++] = (tuplet_pair){key, value};
  return true;
}

/* ---- Properties of objects and arrays ----------------------------------------------------------------- */

/* Where the NUMBER key `index` stands among the first index_key_count pairs, or should. */
static size_t index_key_position(const tuplet_pair *pairs, size_t index_key_count, uint32_t index) {
  size_t low = 0;
  size_t high = index_key_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (pairs[middle].key->as.number < index) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool has_index_key(const tuplet_pair *pairs, size_t index_key_count, size_t position, uint32_t index) {
  return position < index_key_count && pairs[position].key->as.number == index;
}

static bool set_index_property(tuplet_tree *tree, tuplet_node *node, uint32_t index, tuplet_node *value) {
  pair_list list = pairs_of(node);
  size_t *index_key_count = &container_of(node)->index_key_count;
  size_t at = index_key_position(*list.pairs, *index_key_count, index);
  if (has_index_key(*list.pairs, *index_key_count, at, index)) {
    (*list.pairs)[at].value = value;
    return true;
  }
  tuplet_node *key = tuplet_node_number(tree, index);
  if (key == NULL || !reserve_pair(tree, list)) return false;
  tuplet_pair *place = *list.pairs + at;
  memmove(place + 1, place, (*list.count - at) * sizeof *place);
  *place = (tuplet_pair){key, value};
  ++*list.count;
  ++*index_key_count;
  return true;
}

/* The pairs with STRING keys. */
static tp_entries named_entries(tuplet_node *node) {
  pair_list list = pairs_of(node);
  size_t skip = container_of(node)->index_key_count;
  if (*list.count == skip) return (tp_entries){0};
  return (tp_entries){.pairs = *list.pairs + skip, .count = *list.count - skip};
}

/* key: the STRING node to use when the property is new, or NULL to make one. */
static bool set_named_property(tuplet_tree *tree, tuplet_node *node, tuplet_bytes name, tuplet_node *key,
                               tuplet_node *value) {
  tp_container *container = container_of(node);
  pair_list list = pairs_of(node);
  tuplet_node probe = {.type = TUPLET_NODE_STRING, .as.string = name};
  tp_entries entries = named_entries(node);
  size_t at;
  if (!tp_table_find(tree, &container->table, entries, &probe, &at)) return false;
  if (at < entries.count) {
    (*list.pairs)[container->index_key_count + at].value = value;
    return true;
  }
  return append_pair(tree, list, key == NULL ? tp_tree_string(tree, name) : key, value);
}

tuplet_status tuplet_node_object_set(tuplet_tree *tree, tuplet_node *object, const char *wtf8_name,
                                     size_t size, tuplet_node *value) {
  tuplet_bytes name = {wtf8_name, size};
  if (!is_node(object, TUPLET_NODE_OBJECT) || value == NULL || !tp_wtf8_is_valid(name)) return TUPLET_MISUSE;
  uint32_t index;
  bool done = tp_name_is_index(name, &index) ? set_index_property(tree, object, index, value)
                                             : set_named_property(tree, object, name, NULL, value);
  return done ? TUPLET_OK : TUPLET_NOMEM;
}

tuplet_node *tuplet_node_object_get(const tuplet_node *object, const char *wtf8_name, size_t size) {
  if (!is_node(object, TUPLET_NODE_OBJECT)) return NULL;
  const tp_container *container = (const tp_container *)object;
  const tuplet_pair *pairs = object->as.map.pairs;
  size_t index_key_count = container->index_key_count;
  tuplet_node probe = {.type = TUPLET_NODE_STRING, .as.string = {wtf8_name, size}};
  uint32_t index;
  if (tp_name_is_index(probe.as.string, &index)) {
    size_t at = index_key_position(pairs, index_key_count, index);
    return has_index_key(pairs, index_key_count, at, index) ? pairs[at].value : NULL;
  }
  if (object->as.map.count == index_key_count) return NULL;
  tp_entries named = {.pairs = pairs + index_key_count, .count = object->as.map.count - index_key_count};
  size_t at = tp_table_peek(&container->table, named, &probe);
  return at < named.count ? named.pairs[at].value : NULL;
}

/* ---- Elements of arrays ------------------------------------------------------------------------------- */

/* Makes `count` reach past `index`, with holes in between. */
static bool extend_items(tuplet_tree *tree, tuplet_node *array, uint32_t index) {
  size_t count = array->as.array.count;
  size_t needed = (size_t)index + 1;
  tuplet_node **items =
      with_room(tree, array->as.array.items, count, &array->as.array.capacity, needed, sizeof(tuplet_node *));
  if (items == NULL) return false;
  for (size_t i = count; i < needed; i++) items[i] = NULL;
  array->as.array.items = items;
  array->as.array.count = needed;
  return true;
}

/* Turns properties that the elements have come near to into elements. */
static bool absorb_properties(tuplet_tree *tree, tuplet_node *array) {
  size_t *index_key_count = &container_of(array)->index_key_count;
  tuplet_pair *properties = array->as.array.properties;
  size_t taken = 0;
  bool enough = true;
  for (; taken < *index_key_count; taken++) {
    uint32_t index = (uint32_t)properties[taken].key->as.number;
    if (index > array->as.array.count + ARRAY_GAP_MAX) break;
    enough = extend_items(tree, array, index);
    if (!enough) break;
    array->as.array.items[index] = properties[taken].value;
  }
  if (taken == 0) return enough;
  *index_key_count -= taken;
  array->as.array.property_count -= taken;
  memmove(properties, properties + taken, array->as.array.property_count * sizeof *properties);
  return enough;
}

static bool set_element(tuplet_tree *tree, tuplet_node *array, uint32_t index, tuplet_node *item) {
  bool done = true;
  if (index < array->as.array.count) {
    array->as.array.items[index] = item;
  } else if (index - array->as.array.count > ARRAY_GAP_MAX) {
    done = set_index_property(tree, array, index, item);
  } else {
    done = extend_items(tree, array, index);
    if (done) array->as.array.items[index] = item;
    done = done && absorb_properties(tree, array);
  }
  if (done && index >= array->as.array.length) array->as.array.length = index + 1;
  return done;
}

tuplet_status tuplet_node_array_set(tuplet_tree *tree, tuplet_node *array, uint32_t index,
                                    tuplet_node *item) {
  if (!is_node(array, TUPLET_NODE_ARRAY) || item == NULL || index > TP_INDEX_MAX) return TUPLET_MISUSE;
  return set_element(tree, array, index, item) ? TUPLET_OK : TUPLET_NOMEM;
}

tuplet_status tuplet_node_array_push(tuplet_tree *tree, tuplet_node *array, tuplet_node *item) {
  if (!is_node(array, TUPLET_NODE_ARRAY)) return TUPLET_MISUSE;
  return tuplet_node_array_set(tree, array, array->as.array.length, item);
}

bool tp_array_push_hole(tuplet_node *array) {
  assert(array->type == TUPLET_NODE_ARRAY);
  if (array->as.array.length == UINT32_MAX) return false;
  array->as.array.length++;
  return true;
}

static bool is_length(tuplet_bytes name) {
  return name.size == sizeof LENGTH - 1 && memcmp(name.data, LENGTH, name.size) == 0;
}

tuplet_status tuplet_node_array_set_property(tuplet_tree *tree, tuplet_node *array, const char *wtf8_name,
                                             size_t size, tuplet_node *value) {
  tuplet_bytes name = {wtf8_name, size};
  uint32_t index;
  if (tp_name_is_index(name, &index)) return tuplet_node_array_set(tree, array, index, value);
  if (!is_node(array, TUPLET_NODE_ARRAY) || value == NULL || !tp_wtf8_is_valid(name) || is_length(name))
    return TUPLET_MISUSE;
  return set_named_property(tree, array, name, NULL, value) ? TUPLET_OK : TUPLET_NOMEM;
}

/* ---- Maps and sets ------------------------------------------------------------------------------------ */

/* JavaScript stores -0 as 0 there. NULL when out of memory. */
static tuplet_node *without_minus_zero(tuplet_tree *tree, tuplet_node *key) {
  bool is_minus_zero = key->type == TUPLET_NODE_NUMBER && key->as.number == 0 && signbit(key->as.number);
  return is_minus_zero ? tuplet_node_number(tree, 0) : key;
}

tuplet_status tuplet_node_map_set(tuplet_tree *tree, tuplet_node *map, tuplet_node *key, tuplet_node *value) {
  if (!is_node(map, TUPLET_NODE_MAP) || key == NULL || value == NULL) return TUPLET_MISUSE;
  tp_entries entries = {.pairs = map->as.map.pairs, .count = map->as.map.count};
  size_t at;
  if (!tp_table_find(tree, &container_of(map)->table, entries, key, &at)) return TUPLET_NOMEM;
  if (at < entries.count) {
    map->as.map.pairs[at].value = value;
    return TUPLET_OK;
  }
  return append_pair(tree, pairs_of(map), without_minus_zero(tree, key), value) ? TUPLET_OK : TUPLET_NOMEM;
}

tuplet_status tuplet_node_set_add(tuplet_tree *tree, tuplet_node *set, tuplet_node *item) {
  if (!is_node(set, TUPLET_NODE_SET) || item == NULL) return TUPLET_MISUSE;
  size_t count = set->as.set.count;
  tp_entries entries = {.items = set->as.set.items, .count = count};
  size_t at;
  if (!tp_table_find(tree, &container_of(set)->table, entries, item, &at)) return TUPLET_NOMEM;
  if (at < count) return TUPLET_OK;
  tuplet_node *stored = without_minus_zero(tree, item);
  tuplet_node **items =
      with_room(tree, set->as.set.items, count, &set->as.set.capacity, count + 1, sizeof(tuplet_node *));
  if (stored == NULL || items == NULL) return TUPLET_NOMEM;
  items[count] = stored;
  set->as.set.items = items;
  set->as.set.count++;
  return TUPLET_OK;
}

/* ---- Pairs in any order ------------------------------------------------------------------------------- */

bool tp_tree_add_pair(tuplet_tree *tree, tuplet_node *node, tuplet_node *key, tuplet_node *value) {
  return append_pair(tree, pairs_of(node), key, value);
}

/* Whether NUMBER keys come first and ascend; how many there are. */
static bool is_ordered(const tuplet_pair *pairs, size_t count, size_t *ret_index_key_count) {
  size_t at = 0;
  for (; at < count && pairs[at].key->type == TUPLET_NODE_NUMBER; at++) {
    if (at > 0 && pairs[at - 1].key->as.number >= pairs[at].key->as.number) return false;
  }
  *ret_index_key_count = at;
  for (; at < count; at++) {
    if (pairs[at].key->type == TUPLET_NODE_NUMBER) return false;
  }
  return true;
}

/* Merges two sorted runs; of equal keys the left run's come first, so that sorting keeps their order. */
static void merge(const tuplet_pair *from, size_t middle, size_t end, tuplet_pair *to) {
  size_t left = 0;
  size_t right = middle;
  for (size_t i = 0; i < end; i++) {
    bool take_left =
        left < middle && (right >= end || from[left].key->as.number <= from[right].key->as.number);
    to[i] = from[take_left ? left++ : right++];
  }
}

/* Sorts by NUMBER key, bottom up. `scratch` has as much room. Returns which of the two the result is in. */
static tuplet_pair *sort_by_index(tuplet_pair *pairs, tuplet_pair *scratch, size_t count) {
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t at = 0; at < count; at += 2 * width) {
      size_t rest = count - at;
      merge(pairs + at, rest < width ? rest : width, rest < 2 * width ? rest : 2 * width, scratch + at);
    }
    tuplet_pair *swap = pairs;
    pairs = scratch;
    scratch = swap;
  }
  return pairs;
}

/* Sets all pairs anew, NUMBER keys in ascending order: each then goes to the end of what is there. */
static bool set_again(tuplet_tree *tree, tuplet_node *node, size_t index_key_count) {
  pair_list list = pairs_of(node);
  size_t count = *list.count;
  tuplet_pair *split = tp_arena_alloc_array_zeroed(&tree->arena, 2 * count, sizeof *split);
  if (split == NULL) return false;
  size_t index_at = 0;
  size_t name_at = index_key_count;
  for (size_t i = 0; i < count; i++) {
    tuplet_pair pair = (*list.pairs)[i];
    split[pair.key->type == TUPLET_NODE_NUMBER ? index_at++ : name_at++] = pair;
  }
  const tuplet_pair *sorted = sort_by_index(split, split + count, index_key_count);
  *list.count = 0;
  container_of(node)->index_key_count = 0;
  container_of(node)->table = (tp_key_table){0};
  for (size_t i = 0; i < index_key_count; i++) {
    uint32_t index = (uint32_t)sorted[i].key->as.number;
    bool done = node->type == TUPLET_NODE_ARRAY ? set_element(tree, node, index, sorted[i].value)
                                                : set_index_property(tree, node, index, sorted[i].value);
    if (!done) return false;
  }
  for (size_t i = index_key_count; i < count; i++) {
    if (!set_named_property(tree, node, split[i].key->as.string, split[i].key, split[i].value)) return false;
  }
  return true;
}

bool tp_tree_settle(tuplet_tree *tree, tuplet_node *node) {
  pair_list list = pairs_of(node);
  size_t index_key_count = 0;
  if (is_ordered(*list.pairs, *list.count, &index_key_count) &&
      (node->type == TUPLET_NODE_OBJECT || index_key_count == 0)) {
    container_of(node)->index_key_count = index_key_count;
    bool unique;
    if (!tp_table_is_unique(tree, &container_of(node)->table, named_entries(node), &unique)) return false;
    if (unique) return true;
  }
  index_key_count = 0;
  for (size_t i = 0; i < *list.count; i++)
    index_key_count += (*list.pairs)[i].key->type == TUPLET_NODE_NUMBER;
  return set_again(tree, node, index_key_count);
}

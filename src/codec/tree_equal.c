/* tree_equal.c: whether two graphs of nodes are the same JavaScript value.
 *
 * Both are walked side by side. Objects get a number when they are first met; two are the same place of their
 * graphs when both are new, or both have the same number. What both have met already is not walked again, so
 * cycles end. Equality of pairs still to be looked at is kept on a stack of our own: depth is unbounded. */
#include "codec/tree.h"

#include "base/alloc.h"
#include "codec/node_map.h"

#include <math.h>
#include <string.h>

typedef struct couple {
  const tuplet_node *a;
  const tuplet_node *b;
} couple;

typedef struct comparison {
  tp_node_map a_ids;
  tp_node_map b_ids;
  couple *todo;
  size_t count;
  size_t capacity;
} comparison;

static bool same_bytes(tuplet_bytes a, tuplet_bytes b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Object.is */
static bool same_number(double a, double b) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a == b && signbit(a) == signbit(b);
}

/* Has two children compared later. Both may be missing (a hole, no message). False when they differ for sure,
 * and when out of memory. */
static bool later(comparison *c, const tuplet_node *a, const tuplet_node *b) {
  if (a == NULL || b == NULL) return a == b;
  if (c->count == c->capacity) {
    size_t capacity = c->capacity == 0 ? 64 : c->capacity * 2;
    couple *todo = tp_realloc(NULL, c->todo, capacity * sizeof *todo);
    if (todo == NULL) return false;
    c->todo = todo;
    c->capacity = capacity;
  }
  c->todo[c->count++] = (couple){a, b};
  return true;
}

static bool later_pairs(comparison *c, const tuplet_pair *a, const tuplet_pair *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!later(c, a[i].key, b[i].key) || !later(c, a[i].value, b[i].value)) return false;
  }
  return true;
}

/* Walks over what an array has, however it is kept: elements with their index, then named properties. */
typedef struct array_walk {
  const tuplet_node *array;
  size_t next;
  const tuplet_node *name; /* of a named property, else NULL */
  double index;
  const tuplet_node *value; /* NULL at the end */
} array_walk;

static void array_step(array_walk *walk) {
  const tuplet_node *array = walk->array;
  size_t count = array->as.array.count;
  walk->value = NULL;
  walk->name = NULL;
  walk->index = 0;
  while (walk->next < count && array->as.array.items[walk->next] == NULL) walk->next++;
  size_t at = walk->next++;
  if (at < count) {
    walk->index = (double)at;
    walk->value = array->as.array.items[at];
  } else if (at - count < array->as.array.property_count) {
    const tuplet_pair *pair = &array->as.array.properties[at - count];
    if (pair->key->type == TUPLET_NODE_NUMBER) {
      walk->index = pair->key->as.number;
    } else {
      walk->name = pair->key;
    }
    walk->value = pair->value;
  }
}

static bool later_array(comparison *c, const tuplet_node *a, const tuplet_node *b) {
  if (a->as.array.length != b->as.array.length) return false;
  array_walk left = {.array = a};
  array_walk right = {.array = b};
  do {
    array_step(&left);
    array_step(&right);
    if (left.index != right.index || !later(c, left.name, right.name)) return false;
    if (!later(c, left.value, right.value)) return false;
  } while (left.value != NULL);
  return true;
}

static bool same_bigint(const tuplet_node *a, const tuplet_node *b) {
  return a->as.bigint.negative == b->as.bigint.negative &&
         same_bytes(a->as.bigint.little_endian, b->as.bigint.little_endian);
}

static bool same_buffer(const tuplet_node *a, const tuplet_node *b) {
  return a->as.buffer.resizable == b->as.buffer.resizable && a->as.buffer.size_max == b->as.buffer.size_max &&
         same_bytes((tuplet_bytes){a->as.buffer.data, a->as.buffer.size},
                    (tuplet_bytes){b->as.buffer.data, b->as.buffer.size});
}

static bool later_view(comparison *c, const tuplet_node *a, const tuplet_node *b) {
  return a->as.view.type == b->as.view.type && a->as.view.offset == b->as.view.offset &&
         a->as.view.size == b->as.view.size && a->as.view.length_tracking == b->as.view.length_tracking &&
         later(c, a->as.view.buffer, b->as.view.buffer);
}

static bool later_error(comparison *c, const tuplet_node *a, const tuplet_node *b) {
  return a->as.error.type == b->as.error.type && later(c, a->as.error.message, b->as.error.message) &&
         later(c, a->as.error.stack, b->as.error.stack) && later(c, a->as.error.cause, b->as.error.cause);
}

/* Compares two nodes of one type but for their children, which it has compared later. */
static bool same_node(comparison *c, const tuplet_node *a, const tuplet_node *b) {
  switch (a->type) {
  case TUPLET_NODE_UNDEFINED:
  case TUPLET_NODE_NULL: return true;
  case TUPLET_NODE_BOOL:
  case TUPLET_NODE_BOOL_OBJECT: return a->as.boolean == b->as.boolean;
  case TUPLET_NODE_NUMBER:
  case TUPLET_NODE_NUMBER_OBJECT:
  case TUPLET_NODE_DATE: return same_number(a->as.number, b->as.number);
  case TUPLET_NODE_BIGINT:
  case TUPLET_NODE_BIGINT_OBJECT: return same_bigint(a, b);
  case TUPLET_NODE_STRING:
  case TUPLET_NODE_STRING_OBJECT: return same_bytes(a->as.string, b->as.string);
  case TUPLET_NODE_REGEXP:
    return a->as.regexp.flags == b->as.regexp.flags && same_bytes(a->as.regexp.source, b->as.regexp.source);
  case TUPLET_NODE_OBJECT:
  case TUPLET_NODE_MAP:
    return a->as.map.count == b->as.map.count &&
           later_pairs(c, a->as.map.pairs, b->as.map.pairs, a->as.map.count);
  case TUPLET_NODE_SET:
    if (a->as.set.count != b->as.set.count) return false;
    for (size_t i = 0; i < a->as.set.count; i++) {
      if (!later(c, a->as.set.items[i], b->as.set.items[i])) return false;
    }
    return true;
  case TUPLET_NODE_ARRAY: return later_array(c, a, b);
  case TUPLET_NODE_BUFFER: return same_buffer(a, b);
  case TUPLET_NODE_VIEW: return later_view(c, a, b);
  case TUPLET_NODE_ERROR: return later_error(c, a, b);
  case TUPLET_NODE_KVU64: return a->as.u64 == b->as.u64;
  case TUPLET_NODE_OPAQUE: return same_bytes(a->as.opaque, b->as.opaque);
  }
  return false;
}

static bool is_primitive(const tuplet_node *node) {
  return node->type <= TUPLET_NODE_STRING;
}

/* Whether the two objects stand at the same place of their graphs; *ret_new when neither was met before. */
static bool same_place(comparison *c, couple objects, bool *ret_new) {
  size_t a_id;
  size_t b_id;
  bool a_known = tp_node_map_get(&c->a_ids, objects.a, &a_id);
  bool b_known = tp_node_map_get(&c->b_ids, objects.b, &b_id);
  *ret_new = !a_known && !b_known;
  if (!*ret_new) return a_known && b_known && a_id == b_id;
  size_t id = c->a_ids.count;
  return tp_node_map_add(&c->a_ids, objects.a, id) && tp_node_map_add(&c->b_ids, objects.b, id);
}

static bool compare(comparison *c) {
  while (c->count > 0) {
    couple both = c->todo[--c->count];
    if (both.a->type != both.b->type) return false;
    bool is_new = true;
    if (!is_primitive(both.a) && !same_place(c, both, &is_new)) return false;
    if (is_new && !same_node(c, both.a, both.b)) return false;
  }
  return true;
}

bool tuplet_node_equal(const tuplet_node *a, const tuplet_node *b) {
  comparison c = {0};
  tp_node_map_init(&c.a_ids, NULL);
  tp_node_map_init(&c.b_ids, NULL);
  bool equal = later(&c, a, b) && compare(&c);
  tp_free(NULL, c.todo);
  tp_node_map_done(&c.a_ids);
  tp_node_map_done(&c.b_ids);
  return equal;
}

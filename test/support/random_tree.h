/* random_tree.h: trees of every kind of node, with shared nodes and cycles, the same ones for the same seed.
 */
#ifndef TEST_SUPPORT_RANDOM_TREE_H
#define TEST_SUPPORT_RANDOM_TREE_H

#include "tuplet.h"

#include <stdio.h>
#include <string.h>

enum { RANDOM_TREE_OBJECTS_MAX = 64 };

typedef struct random_tree {
  tuplet_tree *tree;
  uint64_t state;
  tuplet_node *objects[RANDOM_TREE_OBJECTS_MAX]; /* made so far: what a later place may share */
  size_t object_count;
  int budget; /* nodes still to be made */
} random_tree;

/* SplitMix64. */
static inline uint64_t random_next(random_tree *r) {
  uint64_t word = r->state += UINT64_C(0x9E3779B97F4A7C15);
  word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
  return word ^ word >> 31;
}

static inline uint32_t random_below(random_tree *r, uint32_t limit) {
  return (uint32_t)(random_next(r) % limit);
}

static inline double random_number(random_tree *r) {
  static const double special[] = {0,
                                   -0.0,
                                   1,
                                   -1,
                                   0.1,
                                   2147483647,
                                   -2147483648.0,
                                   2147483648,
                                   4294967295.0,
                                   1e21,
                                   1e-7,
                                   9007199254740993.0};
  uint64_t bits = random_next(r);
  double number;
  switch (random_below(r, 4)) {
  case 0: return special[bits % (sizeof special / sizeof special[0])];
  case 1: return (double)(int32_t)bits;
  case 2: return (double)(bits % 100);
  default: memcpy(&number, &bits, sizeof number); return number;
  }
}

/* Up to 12 characters of one, two, three or four bytes, lone surrogates among them. */
static inline size_t random_string(random_tree *r, char ret_text[64]) {
  static const char *const pieces[] = {"a",
                                       "b",
                                       "7",
                                       "0",
                                       "\"",
                                       "\\",
                                       "\n",
                                       "\xC3\xA9",
                                       "\xC3\xBF",
                                       "\xC4\x80",
                                       "\xE6\x97\xA5",
                                       "\xED\xA0\x80" /* U+D800 */,
                                       "\xF0\x9F\x98\x80"};
  size_t size = 0;
  uint32_t kinds = random_below(r, 2) == 0 ? 7 : sizeof pieces / sizeof pieces[0];
  for (uint32_t count = random_below(r, 13); count > 0; count--) {
    const char *piece = pieces[random_below(r, kinds)];
    size_t piece_size = strlen(piece);
    memcpy(ret_text + size, piece, piece_size);
    size += piece_size;
  }
  return size;
}

static inline tuplet_node *random_string_node(random_tree *r) {
  char text[64];
  size_t size = random_string(r, text);
  return tuplet_node_string(r->tree, text, size);
}

static inline tuplet_node *random_bigint(random_tree *r) {
  uint8_t bytes[24];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)random_next(r);
  bool negative = random_below(r, 2) == 0;
  return tuplet_node_bigint(r->tree, negative, (tuplet_bytes){bytes, random_below(r, sizeof bytes + 1)});
}

static inline tuplet_node *random_primitive(random_tree *r) {
  switch (random_below(r, 6)) {
  case 0: return tuplet_node_undefined(r->tree);
  case 1: return tuplet_node_null(r->tree);
  case 2: return tuplet_node_bool(r->tree, random_below(r, 2) == 0);
  case 3: return random_bigint(r);
  case 4: return random_string_node(r);
  default: return tuplet_node_number(r->tree, random_number(r));
  }
}

static inline tuplet_node *random_buffer(random_tree *r) {
  uint8_t bytes[32];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)random_next(r);
  tuplet_bytes content = {bytes, random_below(r, sizeof bytes + 1)};
  if (random_below(r, 3) > 0) return tuplet_node_buffer(r->tree, content);
  return tuplet_node_resizable_buffer(r->tree, content, content.size + random_below(r, 100));
}

/* On a buffer that is there already, where there is one. */
static inline tuplet_node *random_view(random_tree *r) {
  static const struct {
    tuplet_view_type type;
    uint32_t element_size;
  } kinds[] = {{TUPLET_VIEW_INT8, 1},    {TUPLET_VIEW_UINT8, 1},    {TUPLET_VIEW_UINT8_CLAMPED, 1},
               {TUPLET_VIEW_INT16, 2},   {TUPLET_VIEW_UINT16, 2},   {TUPLET_VIEW_INT32, 4},
               {TUPLET_VIEW_UINT32, 4},  {TUPLET_VIEW_FLOAT16, 2},  {TUPLET_VIEW_FLOAT32, 4},
               {TUPLET_VIEW_FLOAT64, 8}, {TUPLET_VIEW_BIGINT64, 8}, {TUPLET_VIEW_BIGUINT64, 8},
               {TUPLET_VIEW_DATA, 1}};
  tuplet_node *buffer = NULL;
  for (size_t i = 0; i < r->object_count; i++) {
    if (r->objects[i]->type == TUPLET_NODE_BUFFER && random_below(r, 2) == 0) buffer = r->objects[i];
  }
  if (buffer == NULL) buffer = random_buffer(r);
  if (buffer == NULL) return NULL;
  uint32_t kind = random_below(r, sizeof kinds / sizeof kinds[0]);
  uint32_t element_size = kinds[kind].element_size;
  uint32_t room = (uint32_t)buffer->as.buffer.size / element_size;
  uint32_t offset = random_below(r, room + 1);
  uint32_t size = random_below(r, room - offset + 1);
  bool tracking = buffer->as.buffer.resizable && random_below(r, 2) == 0;
  return tuplet_node_view(r->tree, kinds[kind].type, buffer, (size_t)offset * element_size,
                          (size_t)size * element_size, tracking);
}

static inline tuplet_node *random_leaf_object(random_tree *r) {
  switch (random_below(r, 6)) {
  case 0: return tuplet_node_date(r->tree, random_number(r));
  case 1: return tuplet_node_boxed(r->tree, tuplet_node_number(r->tree, random_number(r)));
  case 2: return tuplet_node_boxed(r->tree, random_string_node(r));
  case 3: return tuplet_node_regexp(r->tree, "a[/]b|\xC3\xA9", 8, random_below(r, 16));
  case 4: return random_buffer(r);
  default: return random_view(r);
  }
}

static inline tuplet_node *random_node(random_tree *r);

static inline bool random_fill_object(random_tree *r, tuplet_node *object) {
  bool done = true;
  for (uint32_t count = random_below(r, 12); done && count > 0; count--) {
    char name[64];
    size_t size = random_below(r, 3) == 0 ? (size_t)snprintf(name, sizeof name, "%u", random_below(r, 40))
                                          : random_string(r, name);
    done = tuplet_node_object_set(r->tree, object, name, size, random_node(r)) == TUPLET_OK;
  }
  return done;
}

static inline bool random_fill_array(random_tree *r, tuplet_node *array) {
  bool done = true;
  for (uint32_t count = random_below(r, 12); done && count > 0; count--) {
    char name[64];
    uint32_t index;
    switch (random_below(r, 8)) {
    case 0:
      index = random_below(r, 50);
      done = tuplet_node_array_set(r->tree, array, index, random_node(r)) == TUPLET_OK;
      break;
    case 1: {
      size_t size = random_string(r, name);
      done = tuplet_node_array_set_property(r->tree, array, name, size, random_node(r)) == TUPLET_OK;
      break;
    }
    default: done = tuplet_node_array_push(r->tree, array, random_node(r)) == TUPLET_OK;
    }
    if (array->as.array.length > UINT32_MAX / 2)
      return done; /* a name such as "7000000000" was none, this was */
  }
  return done;
}

static inline bool random_fill(random_tree *r, tuplet_node *node) {
  bool done = true;
  switch (node->type) {
  case TUPLET_NODE_OBJECT: return random_fill_object(r, node);
  case TUPLET_NODE_ARRAY: return random_fill_array(r, node);
  case TUPLET_NODE_MAP:
    for (uint32_t count = random_below(r, 12); done && count > 0; count--) {
      tuplet_node *key = random_node(r);
      done = tuplet_node_map_set(r->tree, node, key, random_node(r)) == TUPLET_OK;
    }
    return done;
  default:
    for (uint32_t count = random_below(r, 12); done && count > 0; count--)
      done = tuplet_node_set_add(r->tree, node, random_node(r)) == TUPLET_OK;
    return done;
  }
}

static inline tuplet_node *random_error(random_tree *r) {
  static const tuplet_error_type types[] = {TUPLET_ERROR_PLAIN,     TUPLET_ERROR_EVAL,   TUPLET_ERROR_RANGE,
                                            TUPLET_ERROR_REFERENCE, TUPLET_ERROR_SYNTAX, TUPLET_ERROR_TYPE,
                                            TUPLET_ERROR_URI};
  tuplet_error_type type = types[random_below(r, sizeof types / sizeof types[0])];
  bool has_message = random_below(r, 4) > 0;
  bool has_stack = random_below(r, 2) > 0;
  bool has_cause = random_below(r, 2) > 0;
  tuplet_node *message = has_message ? random_string_node(r) : NULL;
  tuplet_node *stack = has_stack ? random_string_node(r) : NULL;
  tuplet_node *cause = has_cause ? random_node(r) : NULL;
  if ((message != NULL) != has_message || (stack != NULL) != has_stack || (cause != NULL) != has_cause)
    return NULL;
  return tuplet_node_error(r->tree, type, message, stack, cause);
}

/* NULL when out of memory. */
static inline tuplet_node *random_node(random_tree *r) {
  r->budget--;
  if (r->object_count > 0 && random_below(r, 8) == 0)
    return r->objects[random_below(r, (uint32_t)r->object_count)];
  uint32_t kind = r->budget <= 0 ? 0 : random_below(r, 10);
  if (kind < 4) return random_primitive(r);
  tuplet_node *node = NULL;
  switch (kind) {
  case 4: node = random_leaf_object(r); break;
  case 5: node = random_error(r); break;
  case 6: node = tuplet_node_array(r->tree, random_below(r, 4)); break;
  case 7: node = tuplet_node_map(r->tree); break;
  case 8: node = tuplet_node_set(r->tree); break;
  default: node = tuplet_node_object(r->tree);
  }
  if (node == NULL) return NULL;
  if (r->object_count < RANDOM_TREE_OBJECTS_MAX)
    r->objects[r->object_count++] = node; /* before its children: cycles */
  return kind < 6 || random_fill(r, node) ? node : NULL;
}

/* A graph of about `size` nodes in `tree`. NULL when out of memory. */
static inline tuplet_node *random_graph(tuplet_tree *tree, uint64_t seed, int size) {
  random_tree r = {.tree = tree, .state = seed, .budget = size};
  return random_node(&r);
}

#endif

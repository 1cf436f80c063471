/* tree.c: trees and their nodes that hold no others: see tree_build.c for filling containers.
 *
 * All memory of a tree is one arena: nodes are never freed singly, and growing a container leaves its old
 * memory behind, at most as much as the new. */
#include "codec/tree.h"

#include "base/alloc.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <math.h>
#include <string.h>

enum { ARENA_CHUNK_SIZE = 4000, REGEXP_FLAGS_ALL = 511 };

/* ECMA-262's range of time values: 100,000,000 days to either side of 1970. */
static const double TIME_MS_MAX = 8.64e15;

tuplet_tree *tuplet_tree_new(const tuplet_allocator *allocator) {
  tuplet_tree *tree = tp_alloc(allocator, sizeof *tree);
  if (tree == NULL) return NULL;
  *tree = (tuplet_tree){0};
  tp_arena_init(&tree->arena, allocator, ARENA_CHUNK_SIZE);
  return tree;
}

void tuplet_tree_free(tuplet_tree *tree) {
  if (tree == NULL) return;
  const tuplet_allocator *allocator = tree->arena.allocator;
  tp_arena_done(&tree->arena);
  tp_free(allocator, tree);
}

tuplet_node *tp_tree_node(tuplet_tree *tree, tuplet_node_type type) {
  bool is_container = type == TUPLET_NODE_OBJECT || type == TUPLET_NODE_ARRAY || type == TUPLET_NODE_MAP ||
                      type == TUPLET_NODE_SET;
  tuplet_node *node =
      tp_arena_alloc_array_zeroed(&tree->arena, 1, is_container ? sizeof(tp_container) : sizeof *node);
  if (node != NULL) node->type = type;
  return node;
}

tuplet_node *tp_tree_string(tuplet_tree *tree, tuplet_bytes wtf8) {
  tuplet_bytes copy = tp_arena_copy(&tree->arena, wtf8);
  tuplet_node *node = copy.data == NULL ? NULL : tp_tree_node(tree, TUPLET_NODE_STRING);
  if (node != NULL) node->as.string = copy;
  return node;
}

/* ---- Primitives --------------------------------------------------------------------------------------- */

tuplet_node *tuplet_node_undefined(tuplet_tree *tree) {
  return tp_tree_node(tree, TUPLET_NODE_UNDEFINED);
}

tuplet_node *tuplet_node_null(tuplet_tree *tree) {
  return tp_tree_node(tree, TUPLET_NODE_NULL);
}

tuplet_node *tuplet_node_bool(tuplet_tree *tree, bool boolean) {
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_BOOL);
  if (node != NULL) node->as.boolean = boolean;
  return node;
}

tuplet_node *tuplet_node_number(tuplet_tree *tree, double number) {
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_NUMBER);
  if (node != NULL) node->as.number = isnan(number) ? (double)NAN : number;
  return node;
}

tuplet_node *tuplet_node_signed(tuplet_tree *tree, int64_t bigint) {
  uint64_t magnitude = bigint < 0 ? (uint64_t)0 - (uint64_t)bigint : (uint64_t)bigint;
  uint8_t little_endian[8];
  for (size_t i = 0; i < sizeof little_endian; i++) little_endian[i] = (uint8_t)(magnitude >> 8 * i);
  return tuplet_node_bigint(tree, bigint < 0, (tuplet_bytes){little_endian, sizeof little_endian});
}

tuplet_node *tuplet_node_bigint(tuplet_tree *tree, bool negative, tuplet_bytes little_endian) {
  const uint8_t *bytes = little_endian.data;
  while (little_endian.size > 0 && bytes[little_endian.size - 1] == 0) little_endian.size--;
  tuplet_bytes copy = tp_arena_copy(&tree->arena, little_endian);
  tuplet_node *node = copy.data == NULL ? NULL : tp_tree_node(tree, TUPLET_NODE_BIGINT);
  if (node == NULL) return NULL;
  node->as.bigint.little_endian = copy;
  node->as.bigint.negative = negative && copy.size > 0;
  return node;
}

tuplet_node *tuplet_node_string(tuplet_tree *tree, const char *wtf8, size_t size) {
  tuplet_bytes bytes = {wtf8, size};
  return tp_wtf8_is_valid(bytes) ? tp_tree_string(tree, bytes) : NULL;
}

bool tp_name_is_index(tuplet_bytes name, uint32_t *ret_index) {
  const uint8_t *text = name.data;
  if (name.size == 0 || name.size > 10 || (text[0] == '0' && name.size > 1)) return false;
  uint64_t index = 0;
  for (size_t i = 0; i < name.size; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    index = index * 10 + (uint64_t)(text[i] - '0');
  }
  if (index > TP_INDEX_MAX) return false;
  *ret_index = (uint32_t)index;
  return true;
}

tuplet_node *tp_tree_key_of_name(tuplet_tree *tree, tuplet_bytes name) {
  uint32_t index;
  return tp_name_is_index(name, &index) ? tuplet_node_number(tree, index) : tp_tree_string(tree, name);
}

tuplet_node *tp_tree_key_of_number(tuplet_tree *tree, double number) {
  /* The name of -0 is "0". */
  if (number >= 0 && number <= TP_INDEX_MAX && number == trunc(number))
    return tuplet_node_number(tree, number + 0.0);
  char text[TP_NUMBER_TEXT_SIZE];
  size_t size = tp_number_to_text(number, text);
  return tp_tree_string(tree, (tuplet_bytes){text, size});
}

/* ---- Objects without children ------------------------------------------------------------------------- */

tuplet_node *tuplet_node_date(tuplet_tree *tree, double unix_ms) {
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_DATE);
  if (node == NULL) return NULL;
  bool valid = fabs(unix_ms) <= TIME_MS_MAX;                    /* false for NaN */
  node->as.number = valid ? trunc(unix_ms) + 0.0 : (double)NAN; /* no -0 */
  return node;
}

tuplet_node *tuplet_node_boxed(tuplet_tree *tree, const tuplet_node *primitive) {
  if (primitive == NULL) return NULL;
  tuplet_node_type type;
  switch (primitive->type) {
  case TUPLET_NODE_BOOL: type = TUPLET_NODE_BOOL_OBJECT; break;
  case TUPLET_NODE_NUMBER: type = TUPLET_NODE_NUMBER_OBJECT; break;
  case TUPLET_NODE_BIGINT: type = TUPLET_NODE_BIGINT_OBJECT; break;
  case TUPLET_NODE_STRING: type = TUPLET_NODE_STRING_OBJECT; break;
  default: return NULL;
  }
  tuplet_node *node = tp_tree_node(tree, type);
  if (node != NULL) node->as = primitive->as; /* bytes never change: they may be shared */
  return node;
}

bool tp_regexp_flags_are_valid(uint32_t flags) {
  uint32_t modes = TUPLET_REGEXP_U | TUPLET_REGEXP_V;
  return flags <= REGEXP_FLAGS_ALL && (flags & modes) != modes;
}

tuplet_node *tuplet_node_regexp(tuplet_tree *tree, const char *source, size_t size, uint32_t flags) {
  tuplet_bytes bytes = {source, size};
  if (!tp_regexp_flags_are_valid(flags) || !tp_wtf8_is_valid(bytes)) return NULL;
  tuplet_bytes copy = tp_arena_copy(&tree->arena, bytes);
  tuplet_node *node = copy.data == NULL ? NULL : tp_tree_node(tree, TUPLET_NODE_REGEXP);
  if (node == NULL) return NULL;
  node->as.regexp.source = copy;
  node->as.regexp.flags = flags;
  return node;
}

static tuplet_node *new_buffer(tuplet_tree *tree, tuplet_bytes bytes) {
  uint8_t *data = tp_arena_alloc(&tree->arena, bytes.size);
  tuplet_node *node = data == NULL ? NULL : tp_tree_node(tree, TUPLET_NODE_BUFFER);
  if (node == NULL) return NULL;
  if (bytes.size > 0) memcpy(data, bytes.data, bytes.size);
  node->as.buffer.data = data;
  node->as.buffer.size = bytes.size;
  node->as.buffer.size_max = bytes.size;
  return node;
}

tuplet_node *tuplet_node_buffer(tuplet_tree *tree, tuplet_bytes bytes) {
  return new_buffer(tree, bytes);
}

tuplet_node *tuplet_node_resizable_buffer(tuplet_tree *tree, tuplet_bytes bytes, size_t size_max) {
  tuplet_node *node = bytes.size > size_max ? NULL : new_buffer(tree, bytes);
  if (node == NULL) return NULL;
  node->as.buffer.size_max = size_max;
  node->as.buffer.resizable = true;
  return node;
}

size_t tp_view_element_size(tuplet_view_type type) {
  switch (type) {
  case TUPLET_VIEW_INT8:
  case TUPLET_VIEW_UINT8:
  case TUPLET_VIEW_UINT8_CLAMPED:
  case TUPLET_VIEW_DATA: return 1;
  case TUPLET_VIEW_INT16:
  case TUPLET_VIEW_UINT16:
  case TUPLET_VIEW_FLOAT16: return 2;
  case TUPLET_VIEW_INT32:
  case TUPLET_VIEW_UINT32:
  case TUPLET_VIEW_FLOAT32: return 4;
  case TUPLET_VIEW_FLOAT64:
  case TUPLET_VIEW_BIGINT64:
  case TUPLET_VIEW_BIGUINT64: return 8;
  }
  return 0;
}

bool tp_view_fits(tuplet_view_type type, const tuplet_node *buffer, size_t offset, size_t size) {
  size_t element_size = tp_view_element_size(type);
  if (element_size == 0 || offset > buffer->as.buffer.size || size > buffer->as.buffer.size - offset)
    return false;
  return offset % element_size == 0 && size % element_size == 0;
}

tuplet_node *tuplet_node_view(tuplet_tree *tree, tuplet_view_type type, tuplet_node *buffer, size_t offset,
                              size_t size, bool length_tracking) {
  if (buffer == NULL || buffer->type != TUPLET_NODE_BUFFER) return NULL;
  if (!tp_view_fits(type, buffer, offset, length_tracking ? 0 : size)) return NULL;
  if (length_tracking) {
    if (!buffer->as.buffer.resizable) return NULL;
    size = buffer->as.buffer.size - offset;
    size -= size % tp_view_element_size(type);
  }
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_VIEW);
  if (node == NULL) return NULL;
  node->as.view.type = type;
  node->as.view.buffer = buffer;
  node->as.view.offset = offset;
  node->as.view.size = size;
  node->as.view.length_tracking = length_tracking;
  return node;
}

static bool is_error_type(tuplet_error_type type) {
  switch (type) {
  case TUPLET_ERROR_PLAIN:
  case TUPLET_ERROR_EVAL:
  case TUPLET_ERROR_RANGE:
  case TUPLET_ERROR_REFERENCE:
  case TUPLET_ERROR_SYNTAX:
  case TUPLET_ERROR_TYPE:
  case TUPLET_ERROR_URI: return true;
  }
  return false;
}

tuplet_node *tuplet_node_error(tuplet_tree *tree, tuplet_error_type type, tuplet_node *message,
                               tuplet_node *stack, tuplet_node *cause) {
  if (!is_error_type(type)) return NULL;
  if (message != NULL && message->type != TUPLET_NODE_STRING) return NULL;
  if (stack != NULL && stack->type != TUPLET_NODE_STRING) return NULL;
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_ERROR);
  if (node == NULL) return NULL;
  node->as.error.type = type;
  node->as.error.message = message;
  node->as.error.stack = stack;
  node->as.error.cause = cause;
  return node;
}

/* ---- Whole values ------------------------------------------------------------------------------------- */

tuplet_node *tuplet_node_kvu64(tuplet_tree *tree, uint64_t number) {
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_KVU64);
  if (node != NULL) node->as.u64 = number;
  return node;
}

tuplet_node *tuplet_node_opaque(tuplet_tree *tree, tuplet_bytes encoded) {
  tuplet_bytes copy = tp_arena_copy(&tree->arena, encoded);
  tuplet_node *node = copy.data == NULL ? NULL : tp_tree_node(tree, TUPLET_NODE_OPAQUE);
  if (node != NULL) node->as.opaque = copy;
  return node;
}

/* ---- Containers, empty -------------------------------------------------------------------------------- */

tuplet_node *tuplet_node_object(tuplet_tree *tree) {
  return tp_tree_node(tree, TUPLET_NODE_OBJECT);
}

tuplet_node *tuplet_node_array(tuplet_tree *tree, uint32_t length) {
  tuplet_node *node = tp_tree_node(tree, TUPLET_NODE_ARRAY);
  if (node != NULL) node->as.array.length = length;
  return node;
}

tuplet_node *tuplet_node_map(tuplet_tree *tree) {
  return tp_tree_node(tree, TUPLET_NODE_MAP);
}

tuplet_node *tuplet_node_set(tuplet_tree *tree) {
  return tp_tree_node(tree, TUPLET_NODE_SET);
}

/* key_text.c: keys in JavaScript's notation, by way of a tree: an array of what a key's parts are made of.
 *
 * What may stand in the array is what Deno takes for a part, so any view of a buffer counts as its bytes;
 * what is printed is always a Uint8Array. A NaN whose sign is set has no text of its own: it comes back as
 * the other one. */
#include "base/arena.h"
#include "base/status.h"
#include "codec/bigint.h"
#include "codec/key.h"

#include <string.h>

enum { ARENA_CHUNK_SIZE = 1024 };

/* ---- From text ---- */

/* The arena takes bytes that the tree has in another order. number: counted from 1, for messages. */
static tuplet_status part_of_node(const tuplet_node *node, size_t number, tp_arena *arena,
                                  tuplet_part *ret_part, tuplet_error *error) {
  tuplet_node_type type = node == NULL ? TUPLET_NODE_UNDEFINED : node->type; /* a hole */
  switch (type) {
  case TUPLET_NODE_STRING:
    *ret_part = tuplet_part_string(node->as.string.data, node->as.string.size);
    return TUPLET_OK;
  case TUPLET_NODE_NUMBER: *ret_part = tuplet_part_number(node->as.number); return TUPLET_OK;
  case TUPLET_NODE_BOOL: *ret_part = tuplet_part_bool(node->as.boolean); return TUPLET_OK;
  case TUPLET_NODE_VIEW: {
    const uint8_t *data = node->as.view.buffer->as.buffer.data;
    size_t size = node->as.view.size;
    *ret_part = tuplet_part_bytes(tuplet_view(size == 0 ? NULL : data + node->as.view.offset, size));
    return TUPLET_OK;
  }
  case TUPLET_NODE_BIGINT: {
    tuplet_bytes magnitude = node->as.bigint.little_endian;
    uint8_t *bytes = tp_arena_alloc(arena, magnitude.size);
    if (bytes == NULL) return tp_fail_nomem(error);
    if (magnitude.size > 0) memcpy(bytes, magnitude.data, magnitude.size);
    tp_bigint_reverse(bytes, magnitude.size);
    *ret_part = tuplet_part_bigint(node->as.bigint.negative, tuplet_view(bytes, magnitude.size));
    return TUPLET_OK;
  }
  default:
    return tp_fail(error, TUPLET_INVALID,
                   "part %zu of the key: expected string, number, bigint, Uint8Array, boolean", number);
  }
}

static tuplet_status encode_root(const tuplet_node *root, tp_arena *arena, const tuplet_allocator *allocator,
                                 tuplet_owned *ret_encoded, tuplet_error *error) {
  if (root->type != TUPLET_NODE_ARRAY || root->as.array.property_count > 0 ||
      root->as.array.length != root->as.array.count)
    return tp_fail(error, TUPLET_INVALID, "a key is an array of its parts, like [\"users\", 1n]");
  size_t count = root->as.array.count;
  tuplet_part *parts = tp_arena_alloc_array_zeroed(arena, count, sizeof *parts);
  if (parts == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < count; i++) {
    tuplet_status status = part_of_node(root->as.array.items[i], i + 1, arena, &parts[i], error);
    if (status != TUPLET_OK) return status;
  }
  return tuplet_key_encode((tuplet_key){parts, count, {NULL, 0}}, allocator, ret_encoded, error);
}

tuplet_status tuplet_key_from_text(const char *text, size_t size, const tuplet_allocator *allocator,
                                   tuplet_owned *ret_encoded, tuplet_error *error) {
  tuplet_tree *tree = tuplet_tree_new(allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tp_arena arena;
  tp_arena_init(&arena, allocator, ARENA_CHUNK_SIZE);
  tuplet_node *root = NULL;
  tuplet_status status = tuplet_tree_parse(tree, text, size, &root, error);
  if (status == TUPLET_OK) status = encode_root(root, &arena, allocator, ret_encoded, error);
  tp_arena_done(&arena);
  tuplet_tree_free(tree);
  return status;
}

/* ---- To text ---- */

/* NULL when out of memory. */
static tuplet_node *node_of_bigint(tuplet_tree *tree, const tuplet_part *part) {
  uint8_t bytes[UINT8_MAX]; /* a bigint of a key has no more */
  size_t size = 0;
  if (part->bytes.data == NULL) {
    for (uint64_t left = part->as.small; left != 0; left >>= 8) bytes[size++] = (uint8_t)left;
  } else {
    size = part->bytes.size;
    memcpy(bytes, part->bytes.data, size);
    tp_bigint_reverse(bytes, size);
  }
  return tuplet_node_bigint(tree, part->negative, tuplet_view(bytes, size));
}

/* A decoded part as a node; NULL when out of memory. */
static tuplet_node *node_of_part(tuplet_tree *tree, const tuplet_part *part) {
  switch (part->type) {
  case TUPLET_PART_STRING: return tuplet_node_string(tree, part->bytes.data, part->bytes.size);
  case TUPLET_PART_BIGINT: return node_of_bigint(tree, part);
  case TUPLET_PART_NUMBER: return tuplet_node_number(tree, part->as.number);
  case TUPLET_PART_FALSE: return tuplet_node_bool(tree, false);
  case TUPLET_PART_TRUE: return tuplet_node_bool(tree, true);
  case TUPLET_PART_BYTES: {
    tuplet_node *buffer = tuplet_node_buffer(tree, part->bytes);
    if (buffer == NULL) return NULL;
    return tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, part->bytes.size, false);
  }
  }
  return NULL;
}

static tuplet_status print_parts(const tuplet_key_parts *parts, const tuplet_allocator *allocator,
                                 tuplet_owned *ret_text, tuplet_error *error) {
  tuplet_tree *tree = tuplet_tree_new(allocator);
  tuplet_node *root = tree == NULL ? NULL : tuplet_node_array(tree, 0);
  tuplet_status status = root == NULL ? tp_fail_nomem(error) : TUPLET_OK;
  for (size_t i = 0; i < parts->count && status == TUPLET_OK; i++) {
    tuplet_node *node = node_of_part(tree, &parts->parts[i]);
    if (node == NULL || tuplet_node_array_push(tree, root, node) != TUPLET_OK) status = tp_fail_nomem(error);
  }
  if (status == TUPLET_OK) status = tuplet_tree_print(root, allocator, ret_text, error);
  tuplet_tree_free(tree);
  return status;
}

tuplet_status tuplet_key_to_text(tuplet_key key, const tuplet_allocator *allocator, tuplet_owned *ret_text,
                                 tuplet_error *error) {
  tp_buffer encoded;
  tp_buffer_init(&encoded, allocator);
  tuplet_key_parts *parts = NULL;
  tuplet_status status =
      tp_key_encode(key, &encoded, error); /* so that every kind of key prints as it is stored */
  if (status == TUPLET_OK) status = tuplet_key_decode(tp_buffer_view(&encoded), allocator, &parts, error);
  if (status == TUPLET_OK) status = print_parts(parts, allocator, ret_text, error);
  tuplet_key_parts_free(parts);
  tp_buffer_done(&encoded);
  return status;
}

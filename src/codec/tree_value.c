/* tree_value.c: stored values as trees and back, by their encoding. */
#include "codec/tree.h"

#include "base/buffer.h"
#include "base/status.h"
#include "codec/v8.h"

enum { LE64_SIZE = 8 };

static tuplet_status made(tuplet_node *node, tuplet_node **ret_root, tuplet_error *error) {
  if (node == NULL) return tp_fail_nomem(error);
  *ret_root = node;
  return TUPLET_OK;
}

/* What was read has its bytes; what a program made has the number alone. */
static tuplet_status decode_le64(tuplet_tree *tree, tuplet_value value, tuplet_node **ret_root,
                                 tuplet_error *error) {
  const uint8_t *data = value.data.data;
  uint64_t number = value.u64;
  if (data != NULL) {
    if (value.data.size != LE64_SIZE)
      return tp_fail(error, TUPLET_MALFORMED, "a Deno.KvU64 has 8 bytes, not %zu", value.data.size);
    number = 0;
    for (size_t i = 0; i < LE64_SIZE; i++) number |= (uint64_t)data[i] << 8 * i;
  }
  return made(tuplet_node_kvu64(tree, number), ret_root, error);
}

tuplet_status tuplet_tree_decode(tuplet_tree *tree, tuplet_value value, tuplet_node **ret_root,
                                 tuplet_error *error) {
  switch (value.encoding) {
  case TUPLET_ENCODING_V8: return tp_v8_read(tree, value.data, ret_root, error);
  case TUPLET_ENCODING_LE64: return decode_le64(tree, value, ret_root, error);
  case TUPLET_ENCODING_BYTES: {
    tuplet_node *buffer = tuplet_node_buffer(tree, value.data);
    if (buffer == NULL) return tp_fail_nomem(error);
    return made(tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, value.data.size, false), ret_root,
                error);
  }
  }
  return tp_fail(error, TUPLET_INVALID, "The value encoding %u is unknown.", (unsigned)value.encoding);
}

/* Appends the bytes of a whole value. */
static tuplet_status encode(const tuplet_node *root, tp_buffer *out, tuplet_value *value,
                            tuplet_error *error) {
  if (root->type == TUPLET_NODE_KVU64) {
    value->encoding = TUPLET_ENCODING_LE64;
    value->u64 = root->as.u64;
    for (unsigned shift = 0; shift < 64; shift += 8)
      tp_buffer_append_byte(out, (uint8_t)(root->as.u64 >> shift));
    return TUPLET_OK;
  }
  if (root->type == TUPLET_NODE_OPAQUE) {
    tp_buffer_append(out, root->as.opaque.data, root->as.opaque.size);
    return TUPLET_OK;
  }
  if (root->type == TUPLET_NODE_VIEW && root->as.view.type == TUPLET_VIEW_UINT8) {
    value->encoding = TUPLET_ENCODING_BYTES;
    tp_buffer_append(out, root->as.view.buffer->as.buffer.data + root->as.view.offset, root->as.view.size);
    return TUPLET_OK;
  }
  return tp_v8_write(root, out, error);
}

tuplet_status tuplet_tree_encode(const tuplet_node *root, const tuplet_allocator *allocator,
                                 tuplet_value *ret_value, tuplet_owned *ret_owned, tuplet_error *error) {
  if (root == NULL) return tp_fail(error, TUPLET_MISUSE, "there is no node to encode");
  tp_buffer out;
  tp_buffer_init(&out, allocator);
  tuplet_value value = {.encoding = TUPLET_ENCODING_V8};
  tuplet_status status = encode(root, &out, &value, error);
  if (status == TUPLET_OK) status = tp_buffer_take(&out, ret_owned, error);
  if (status == TUPLET_OK) {
    value.data = (tuplet_bytes){ret_owned->data, ret_owned->size};
    *ret_value = value;
  }
  tp_buffer_done(&out);
  return status;
}

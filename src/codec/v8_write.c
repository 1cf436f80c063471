/* v8_write.c: a tree in V8's serialization format.
 *
 * One frame per container that is being written. Objects get ids in the order in which their tags are
 * written, and are written as a reference from the second time on. */
#include "codec/v8.h"

#include "base/alloc.h"
#include "base/status.h"
#include "codec/node_map.h"
#include "codec/utf8.h"
#include "codec/v8_tags.h"

#include <math.h>
#include <string.h>

enum {
  BIGINT_WORD_SIZE = 8,
  BIGINT_SIZE_MAX = 1 << 27, /* V8's own largest: 2^30 bits */
  LATIN1_LEAD_MAX = 0xC3,    /* the largest byte in the UTF-8 of a code point up to U+00FF */
  FOUR_BYTE_LEAD_MIN = 0xF0
};

typedef struct frame {
  const tuplet_node *node;
  size_t next; /* children begun: elements, then properties; keys and values of a map each count */
  bool sparse; /* an array that is not dense */
} frame;

typedef struct writer {
  tp_buffer *out;
  tp_node_map ids;
  frame *frames;
  size_t frame_count;
  size_t frame_capacity;
  tuplet_error *error;
} writer;

static tuplet_status broken(const writer *w, const char *what) {
  return tp_fail(w->error, TUPLET_INVALID, "%s cannot be stored", what);
}

static void put(writer *w, uint8_t byte) {
  tp_buffer_append_byte(w->out, byte);
}

static void put_varint(writer *w, uint64_t number) {
  while (number >= 0x80) {
    put(w, (uint8_t)(number | 0x80));
    number >>= 7;
  }
  put(w, (uint8_t)number);
}

static size_t varint_size(uint64_t number) {
  size_t size = 1;
  while (number >= 0x80) {
    size++;
    number >>= 7;
  }
  return size;
}

/* A size or count; the format has 32 bits for it. */
static tuplet_status put_size(writer *w, size_t size) {
  if (size > UINT32_MAX)
    return tp_fail(w->error, TUPLET_LIMIT, "%zu is too large a size for a value (max %lu)", size,
                   (unsigned long)UINT32_MAX);
  put_varint(w, size);
  return TUPLET_OK;
}

static void put_double(writer *w, double number) {
  uint64_t bits;
  if (isnan(number)) number = (double)NAN;
  memcpy(&bits, &number, sizeof bits);
  for (unsigned shift = 0; shift < 64; shift += 8) put(w, (uint8_t)(bits >> shift));
}

/* ---- Primitives --------------------------------------------------------------------------------------- */

static void put_number(writer *w, double number) {
  bool integer = number >= INT32_MIN && number <= INT32_MAX && number == trunc(number) &&
                 !(number == 0 && signbit(number));
  if (!integer) {
    put(w, TP_V8_DOUBLE);
    put_double(w, number);
    return;
  }
  int32_t value = (int32_t)number;
  uint32_t zigzag = (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0);
  put(w, TP_V8_INT32);
  put_varint(w, zigzag);
}

static tuplet_status put_bigint(writer *w, uint8_t tag, const tuplet_node *node) {
  tuplet_bytes magnitude = node->as.bigint.little_endian;
  if (magnitude.size > BIGINT_SIZE_MAX)
    return tp_fail(w->error, TUPLET_LIMIT, "a BigInt of %zu bytes is too large (max %d)", magnitude.size,
                   (int)BIGINT_SIZE_MAX);
  size_t size = (magnitude.size + BIGINT_WORD_SIZE - 1) / BIGINT_WORD_SIZE * BIGINT_WORD_SIZE;
  put(w, tag);
  put_varint(w, size << 1 | (node->as.bigint.negative ? 1u : 0u));
  tp_buffer_append(w->out, magnitude.data, magnitude.size);
  for (size_t i = magnitude.size; i < size; i++) put(w, 0);
  return TUPLET_OK;
}

/* What decides how WTF-8 is written: its largest byte, and how many 16-bit units it makes. */
static void measure(tuplet_bytes wtf8, uint8_t *ret_byte_max, size_t *ret_unit_count) {
  const uint8_t *text = wtf8.data;
  uint8_t byte_max = 0;
  size_t unit_count = 0;
  for (size_t i = 0; i < wtf8.size; i++) {
    if (text[i] > byte_max) byte_max = text[i];
    bool continuation = (text[i] & 0xC0) == 0x80;
    unit_count += (continuation ? 0u : 1u) + (text[i] >= FOUR_BYTE_LEAD_MIN ? 1u : 0u);
  }
  *ret_byte_max = byte_max;
  *ret_unit_count = unit_count;
}

static bool append_latin1(tp_buffer *out, tuplet_bytes wtf8) {
  const uint8_t *text = wtf8.data;
  for (size_t at = 0; at < wtf8.size;) {
    uint32_t code_point;
    size_t used = tp_wtf8_decode(text + at, wtf8.size - at, &code_point);
    if (used == 0) return false;
    tp_buffer_append_byte(out, (uint8_t)code_point);
    at += used;
  }
  return true;
}

/* V8 writes one byte a unit where it can; two otherwise, at an even offset. */
static tuplet_status put_string(writer *w, tuplet_bytes wtf8) {
  uint8_t byte_max;
  size_t unit_count;
  measure(wtf8, &byte_max, &unit_count);
  bool latin1 = byte_max <= LATIN1_LEAD_MAX;
  size_t size = latin1 ? unit_count : unit_count * 2;
  if (!latin1 && (w->out->size + 1 + varint_size(size)) % 2 != 0) put(w, TP_V8_PADDING);
  put(w, latin1 ? TP_V8_LATIN1 : TP_V8_UTF16);
  tuplet_status status = put_size(w, size);
  if (status != TUPLET_OK) return status;
  bool valid = true;
  if (byte_max < 0x80) {
    tp_buffer_append(w->out, wtf8.data, wtf8.size);
  } else if (latin1) {
    valid = append_latin1(w->out, wtf8);
  } else {
    valid = tp_utf16le_append_wtf8(w->out, wtf8);
  }
  return valid ? TUPLET_OK : broken(w, "a string that is not WTF-8");
}

static tuplet_status put_optional_string(writer *w, uint8_t tag, const tuplet_node *node) {
  if (node == NULL) return TUPLET_OK;
  if (node->type != TUPLET_NODE_STRING)
    return broken(w, "an error with a message or stack that is no string");
  put(w, tag);
  return put_string(w, node->as.string);
}

static tuplet_status put_key(writer *w, const tuplet_node *key) {
  if (key != NULL && key->type == TUPLET_NODE_STRING) return put_string(w, key->as.string);
  if (key == NULL || key->type != TUPLET_NODE_NUMBER)
    return broken(w, "a property whose key is neither string nor number");
  put_number(w, key->as.number);
  return TUPLET_OK;
}

/* ---- Objects ------------------------------------------------------------------------------------------ */

/* Whether V8 would take the array for a dense one: every element is there. */
static bool is_dense(const tuplet_node *node) {
  if (node->as.array.count != node->as.array.length) return false;
  for (size_t i = 0; i < node->as.array.count; i++) {
    if (node->as.array.items[i] == NULL) return false;
  }
  return true;
}

static tuplet_status push_frame(writer *w, const tuplet_node *node) {
  if (w->frame_count == w->frame_capacity) {
    size_t capacity = w->frame_capacity == 0 ? 16 : w->frame_capacity * 2;
    frame *frames = tp_realloc(w->out->allocator, w->frames, capacity * sizeof *frames);
    if (frames == NULL) return tp_fail_nomem(w->error);
    w->frames = frames;
    w->frame_capacity = capacity;
  }
  w->frames[w->frame_count++] =
      (frame){.node = node, .sparse = node->type == TUPLET_NODE_ARRAY && !is_dense(node)};
  return TUPLET_OK;
}

/* Gives the node an id, or writes a reference to the one it has. */
static tuplet_status put_reference(writer *w, const tuplet_node *node, bool *ret_known) {
  size_t id;
  *ret_known = tp_node_map_get(&w->ids, node, &id);
  if (*ret_known) {
    put(w, TP_V8_REFERENCE);
    return put_size(w, id);
  }
  return tp_node_map_add(&w->ids, node, w->ids.count) ? TUPLET_OK : tp_fail_nomem(w->error);
}

static tuplet_status put_buffer(writer *w, const tuplet_node *node) {
  bool resizable = node->as.buffer.resizable;
  put(w, resizable ? TP_V8_RESIZABLE_BUFFER : TP_V8_BUFFER);
  tuplet_status status = put_size(w, node->as.buffer.size);
  if (status == TUPLET_OK && resizable) status = put_size(w, node->as.buffer.size_max);
  tp_buffer_append(w->out, node->as.buffer.data, node->as.buffer.size);
  return status;
}

static tuplet_status put_view(writer *w, const tuplet_node *node) {
  bool resizable = node->as.view.buffer->as.buffer.resizable;
  bool tracking = node->as.view.length_tracking;
  put(w, TP_V8_VIEW);
  put(w, (uint8_t)node->as.view.type);
  tuplet_status status = put_size(w, node->as.view.offset);
  if (status == TUPLET_OK) status = put_size(w, tracking ? 0 : node->as.view.size);
  put_varint(w, (tracking ? TP_V8_VIEW_LENGTH_TRACKING : 0u) | (resizable ? TP_V8_VIEW_RESIZABLE : 0u));
  return status;
}

static tuplet_status put_error_head(writer *w, const tuplet_node *node) {
  put(w, TP_V8_ERROR);
  if (node->as.error.type != TUPLET_ERROR_PLAIN) put(w, (uint8_t)node->as.error.type);
  tuplet_status status = put_optional_string(w, TP_V8_ERROR_MESSAGE, node->as.error.message);
  return status == TUPLET_OK ? put_optional_string(w, TP_V8_ERROR_STACK, node->as.error.stack) : status;
}

/* An object that has its id now: all of a leaf, the start of a container. */
static tuplet_status put_object(writer *w, const tuplet_node *node) {
  tuplet_status status = TUPLET_OK;
  switch (node->type) {
  case TUPLET_NODE_DATE:
    put(w, TP_V8_DATE);
    put_double(w, node->as.number);
    return TUPLET_OK;
  case TUPLET_NODE_BOOL_OBJECT:
    put(w, node->as.boolean ? TP_V8_TRUE_OBJECT : TP_V8_FALSE_OBJECT);
    return TUPLET_OK;
  case TUPLET_NODE_NUMBER_OBJECT:
    put(w, TP_V8_NUMBER_OBJECT);
    put_double(w, node->as.number);
    return TUPLET_OK;
  case TUPLET_NODE_BIGINT_OBJECT: return put_bigint(w, TP_V8_BIGINT_OBJECT, node);
  case TUPLET_NODE_STRING_OBJECT: put(w, TP_V8_STRING_OBJECT); return put_string(w, node->as.string);
  case TUPLET_NODE_REGEXP:
    put(w, TP_V8_REGEXP);
    status = put_string(w, node->as.regexp.source);
    put_varint(w, node->as.regexp.flags);
    return status;
  case TUPLET_NODE_BUFFER: return put_buffer(w, node);
  case TUPLET_NODE_VIEW: return put_view(w, node);
  case TUPLET_NODE_OBJECT: put(w, TP_V8_OBJECT); break;
  case TUPLET_NODE_MAP: put(w, TP_V8_MAP); break;
  case TUPLET_NODE_SET: put(w, TP_V8_SET); break;
  case TUPLET_NODE_ARRAY:
    put(w, is_dense(node) ? TP_V8_DENSE_ARRAY : TP_V8_SPARSE_ARRAY);
    put_varint(w, node->as.array.length);
    break;
  case TUPLET_NODE_ERROR: status = put_error_head(w, node); break;
  case TUPLET_NODE_KVU64: return broken(w, "a Deno.KvU64 inside another value");
  case TUPLET_NODE_OPAQUE: return broken(w, "an opaque value inside another value");
  default: return broken(w, "a node of unknown type");
  }
  return status == TUPLET_OK ? push_frame(w, node) : status;
}

static tuplet_status put_value(writer *w, const tuplet_node *node) {
  if (node == NULL) return broken(w, "a missing node");
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED: put(w, TP_V8_UNDEFINED); return TUPLET_OK;
  case TUPLET_NODE_NULL: put(w, TP_V8_NULL); return TUPLET_OK;
  case TUPLET_NODE_BOOL: put(w, node->as.boolean ? TP_V8_TRUE : TP_V8_FALSE); return TUPLET_OK;
  case TUPLET_NODE_NUMBER: put_number(w, node->as.number); return TUPLET_OK;
  case TUPLET_NODE_BIGINT: return put_bigint(w, TP_V8_BIGINT, node);
  case TUPLET_NODE_STRING: return put_string(w, node->as.string);
  default: break;
  }
  bool known;
  size_t ignored;
  tuplet_status status = TUPLET_OK;
  if (node->type == TUPLET_NODE_VIEW && !tp_node_map_get(&w->ids, node, &ignored)) {
    const tuplet_node *buffer =
        node->as.view.buffer; /* stands before its first view, even if only as reference */
    status = put_reference(w, buffer, &known);
    if (status == TUPLET_OK && !known) status = put_buffer(w, buffer);
  }
  if (status == TUPLET_OK) status = put_reference(w, node, &known);
  return status == TUPLET_OK && !known ? put_object(w, node) : status;
}

/* ---- Containers --------------------------------------------------------------------------------------- */

static tuplet_status end_container(writer *w, uint8_t tag, size_t count) {
  w->frame_count--;
  put(w, tag);
  return put_size(w, count);
}

static tuplet_status put_pair(writer *w, const tuplet_pair *pair) {
  tuplet_status status = put_key(w, pair->key);
  return status == TUPLET_OK ? put_value(w, pair->value) : status;
}

static tuplet_status end_array(writer *w, const tuplet_node *node, bool sparse) {
  size_t pair_count = node->as.array.property_count;
  for (size_t i = 0; sparse && i < node->as.array.count; i++) pair_count += node->as.array.items[i] != NULL;
  tuplet_status status =
      end_container(w, sparse ? TP_V8_SPARSE_ARRAY_END : TP_V8_DENSE_ARRAY_END, pair_count);
  put_varint(w, node->as.array.length);
  return status;
}

static tuplet_status advance_array(writer *w, frame *top) {
  const tuplet_node *node = top->node;
  size_t at = top->next++;
  if (at >= node->as.array.count) {
    at -= node->as.array.count;
    if (at == node->as.array.property_count) return end_array(w, node, top->sparse);
    return put_pair(w, &node->as.array.properties[at]);
  }
  const tuplet_node *item = node->as.array.items[at];
  if (top->sparse) {
    if (item == NULL) return TUPLET_OK;
    put_number(w, (double)at);
  }
  return put_value(w, item);
}

static tuplet_status advance_map(writer *w, frame *top) {
  const tuplet_node *node = top->node;
  if (top->next == 2 * node->as.map.count) return end_container(w, TP_V8_MAP_END, top->next);
  const tuplet_pair *pair = &node->as.map.pairs[top->next / 2];
  return put_value(w, top->next++ % 2 == 0 ? pair->key : pair->value);
}

/* Writes the next child of the container on top, or its end. */
static tuplet_status advance(writer *w) {
  frame *top = &w->frames[w->frame_count - 1];
  const tuplet_node *node = top->node;
  switch (node->type) {
  case TUPLET_NODE_OBJECT:
    if (top->next == node->as.map.count) return end_container(w, TP_V8_OBJECT_END, top->next);
    return put_pair(w, &node->as.map.pairs[top->next++]);
  case TUPLET_NODE_MAP: return advance_map(w, top);
  case TUPLET_NODE_SET:
    if (top->next == node->as.set.count) return end_container(w, TP_V8_SET_END, top->next);
    return put_value(w, node->as.set.items[top->next++]);
  case TUPLET_NODE_ARRAY: return advance_array(w, top);
  default: break;
  }
  if (top->next++ == 0 && node->as.error.cause != NULL) {
    put(w, TP_V8_ERROR_CAUSE);
    return put_value(w, node->as.error.cause);
  }
  w->frame_count--;
  put(w, TP_V8_ERROR_END);
  return TUPLET_OK;
}

tuplet_status tp_v8_write(const tuplet_node *root, tp_buffer *out, tuplet_error *error) {
  writer w = {.out = out, .error = error};
  tp_node_map_init(&w.ids, out->allocator);
  put(&w, TP_V8_VERSION);
  put_varint(&w, TP_V8_VERSION_WRITTEN);
  tuplet_status status = put_value(&w, root);
  while (status == TUPLET_OK && w.frame_count > 0) status = advance(&w);
  if (status == TUPLET_OK && out->failed) status = tp_fail_nomem(error);
  tp_free(out->allocator, w.frames);
  tp_node_map_done(&w.ids);
  return status;
}

/* v8_read.c: V8's serialization format as a tree.
 *
 * One frame per container that is open. A turn of the loop either reads the start of a value (a whole one, or
 * a new frame), or hands a finished value to the frame on top. What a container holds is checked and ordered
 * when it closes.
 *
 * Memory stays linear in the bytes whatever they claim: only dense arrays say their size before their
 * elements, and all elements still owed, by all open arrays together, must fit into the bytes that are left.
 */
#include "codec/v8.h"

#include "base/alloc.h"
#include "base/status.h"
#include "codec/v8_scan.h"
#include "codec/v8_tags.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef enum frame_kind {
  FRAME_ELEMENTS, /* of a dense array; becomes FRAME_PAIRS behind the last */
  FRAME_PAIRS,    /* properties of an object or array, up to end_tag */
  FRAME_MAP,
  FRAME_SET,
  FRAME_ERROR
} frame_kind;

typedef struct frame {
  frame_kind kind;
  uint8_t end_tag;
  uint32_t length; /* of an array, as its start claims */
  uint32_t count;  /* elements or items begun, pairs done */
  tuplet_node *node;
  tuplet_node *key; /* of the pair whose value is next, or NULL */
} frame;

typedef struct reader {
  tp_v8_scanner scan;
  tuplet_tree *tree;
  uint32_t version;
  frame *frames;
  size_t frame_count;
  size_t frame_capacity;
  tuplet_node **objects; /* by id */
  size_t object_count;
  size_t object_capacity;
  size_t owed; /* elements that open dense arrays still lack */
  bool opaque; /* a host object was met */
} reader;

static tuplet_status nomem(const reader *r) {
  return tp_fail_nomem(r->scan.error);
}

static tuplet_status malformed(const reader *r, size_t offset, const char *what) {
  return tp_v8_malformed(&r->scan, offset, what);
}

static tuplet_status made(const reader *r, const tuplet_node *node) {
  return node == NULL ? nomem(r) : TUPLET_OK;
}

static void *with_room(const reader *r, void *array, size_t count, size_t *capacity, size_t element_size) {
  if (count < *capacity) return array;
  size_t larger = *capacity == 0 ? 16 : *capacity * 2;
  void *room = tp_realloc(r->tree->arena.allocator, array, larger * element_size);
  if (room != NULL) *capacity = larger;
  return room;
}

/* Gives the node the next id. */
static tuplet_status add_object(reader *r, tuplet_node *node) {
  if (node == NULL) return nomem(r);
  tuplet_node **objects =
      with_room(r, r->objects, r->object_count, &r->object_capacity, sizeof(tuplet_node *));
  if (objects == NULL) return nomem(r);
  r->objects = objects;
  objects[r->object_count++] = node;
  return TUPLET_OK;
}

static tuplet_status push_frame(reader *r, frame new_frame) {
  tuplet_status status = add_object(r, new_frame.node);
  if (status != TUPLET_OK) return status;
  frame *frames = with_room(r, r->frames, r->frame_count, &r->frame_capacity, sizeof *frames);
  if (frames == NULL) return nomem(r);
  r->frames = frames;
  frames[r->frame_count++] = new_frame;
  return TUPLET_OK;
}

/* ---- Values without children -------------------------------------------------------------------------- */

static tuplet_status read_number(reader *r, uint8_t tag, double *ret_number) {
  if (tag == TP_V8_DOUBLE) return tp_v8_scan_double(&r->scan, ret_number);
  uint32_t bits;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &bits);
  if (status != TUPLET_OK) return status;
  double zigzag = (bits & 1) != 0 ? -(double)(bits >> 1) - 1 : (double)(bits >> 1);
  *ret_number = tag == TP_V8_INT32 ? zigzag : (double)bits;
  return TUPLET_OK;
}

static tuplet_status read_number_node(reader *r, uint8_t tag, tuplet_node **ret_value) {
  double number;
  tuplet_status status = read_number(r, tag, &number);
  if (status != TUPLET_OK) return status;
  *ret_value = tuplet_node_number(r->tree, number);
  return made(r, *ret_value);
}

static tuplet_status read_bigint(reader *r, tuplet_node **ret_value) {
  uint32_t bits;
  tuplet_bytes magnitude;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &bits);
  if (status == TUPLET_OK) status = tp_v8_scan_bytes(&r->scan, bits >> 1, &magnitude);
  if (status != TUPLET_OK) return status;
  *ret_value = tuplet_node_bigint(r->tree, (bits & 1) != 0, magnitude);
  return made(r, *ret_value);
}

static tuplet_status read_string(reader *r, uint8_t tag, tuplet_node **ret_value) {
  tuplet_bytes wtf8;
  tuplet_status status = tp_v8_scan_string(&r->scan, tag, &wtf8);
  if (status != TUPLET_OK) return status;
  *ret_value = tp_tree_string(r->tree, wtf8);
  return made(r, *ret_value);
}

static tuplet_status read_any_string(reader *r, tuplet_node **ret_value) {
  tuplet_bytes wtf8;
  tuplet_status status = tp_v8_scan_any_string(&r->scan, &wtf8);
  if (status != TUPLET_OK) return status;
  *ret_value = tp_tree_string(r->tree, wtf8);
  return made(r, *ret_value);
}

static tuplet_status read_date(reader *r, tuplet_node **ret_value) {
  double unix_ms;
  tuplet_status status = tp_v8_scan_double(&r->scan, &unix_ms);
  if (status != TUPLET_OK) return status;
  *ret_value = tuplet_node_date(r->tree, unix_ms);
  return add_object(r, *ret_value);
}

static tuplet_status read_boxed(reader *r, uint8_t tag, tuplet_node **ret_value) {
  tuplet_node *primitive = NULL;
  tuplet_status status;
  switch (tag) {
  case TP_V8_NUMBER_OBJECT: status = read_number_node(r, TP_V8_DOUBLE, &primitive); break;
  case TP_V8_BIGINT_OBJECT: status = read_bigint(r, &primitive); break;
  case TP_V8_STRING_OBJECT: status = read_any_string(r, &primitive); break;
  default: primitive = tuplet_node_bool(r->tree, tag == TP_V8_TRUE_OBJECT); status = made(r, primitive);
  }
  if (status != TUPLET_OK) return status;
  *ret_value = tuplet_node_boxed(r->tree, primitive);
  return add_object(r, *ret_value);
}

static tuplet_status read_regexp(reader *r, tuplet_node **ret_value) {
  tuplet_bytes source;
  uint32_t flags;
  tuplet_status status = tp_v8_scan_any_string(&r->scan, &source);
  size_t flags_at = r->scan.at;
  if (status == TUPLET_OK) status = tp_v8_scan_varint(&r->scan, &flags);
  if (status != TUPLET_OK) return status;
  if (!tp_regexp_flags_are_valid(flags))
    return malformed(r, flags_at, "a regular expression has unknown flags");
  *ret_value = tuplet_node_regexp(r->tree, source.data, source.size, flags);
  return add_object(r, *ret_value);
}

/* ---- Buffers and views -------------------------------------------------------------------------------- */

/* A size of a buffer or view, for which newer versions have no limit of 32 bits. */
static tuplet_status scan_buffer_size(reader *r, size_t *ret_size) {
  if (r->version >= TP_V8_VERSION_LARGE_SIZES) return tp_v8_scan_size(&r->scan, ret_size);
  uint32_t size;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &size);
  if (status == TUPLET_OK) *ret_size = size;
  return status;
}

static tuplet_status read_buffer(reader *r, uint8_t tag, tuplet_node **ret_value) {
  size_t start = r->scan.at - 1;
  size_t size;
  size_t size_max;
  tuplet_bytes bytes;
  tuplet_status status = scan_buffer_size(r, &size);
  if (status == TUPLET_OK && tag == TP_V8_RESIZABLE_BUFFER) status = scan_buffer_size(r, &size_max);
  if (status == TUPLET_OK) status = tp_v8_scan_bytes(&r->scan, size, &bytes);
  if (status != TUPLET_OK) return status;
  if (tag == TP_V8_BUFFER) {
    *ret_value = tuplet_node_buffer(r->tree, bytes);
  } else {
    if (size > size_max) return malformed(r, start, "an ArrayBuffer is larger than its maxByteLength");
    *ret_value = tuplet_node_resizable_buffer(r->tree, bytes, size_max);
  }
  return add_object(r, *ret_value);
}

static tuplet_status read_view(reader *r, tuplet_node *buffer, tuplet_node **ret_value) {
  size_t start = r->scan.at - 1;
  uint8_t type;
  size_t offset;
  size_t size;
  uint32_t flags = 0;
  tuplet_status status = tp_v8_scan_byte(&r->scan, &type);
  if (status == TUPLET_OK) status = scan_buffer_size(r, &offset);
  if (status == TUPLET_OK) status = scan_buffer_size(r, &size);
  if (status == TUPLET_OK && r->version >= TP_V8_VERSION_VIEW_FLAGS)
    status = tp_v8_scan_varint(&r->scan, &flags);
  if (status != TUPLET_OK) return status;
  bool length_tracking = (flags & TP_V8_VIEW_LENGTH_TRACKING) != 0;
  if (flags > (TP_V8_VIEW_LENGTH_TRACKING | TP_V8_VIEW_RESIZABLE))
    return malformed(r, start, "a view has unknown flags");
  if (flags != 0 && !buffer->as.buffer.resizable)
    return malformed(r, start, "a view has flags that its buffer does not allow");
  if (!tp_view_fits(type, buffer, offset, length_tracking ? 0 : size))
    return malformed(r, start, "a view does not fit its ArrayBuffer");
  *ret_value = tuplet_node_view(r->tree, type, buffer, offset, size, length_tracking);
  return add_object(r, *ret_value);
}

/* A view stands right behind its buffer, or a reference to it, and then is what is meant. */
static tuplet_status read_view_behind(reader *r, tuplet_node **value) {
  assert(*value != NULL);
  if ((*value)->type != TUPLET_NODE_BUFFER || !tp_v8_scan_if_tag(&r->scan, TP_V8_VIEW)) return TUPLET_OK;
  return read_view(r, *value, value);
}

static tuplet_status read_reference(reader *r, tuplet_node **ret_value) {
  size_t start = r->scan.at;
  uint32_t id;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &id);
  if (status != TUPLET_OK) return status;
  if (id >= r->object_count) return malformed(r, start, "a reference to an object that is not there");
  *ret_value = r->objects[id];
  return TUPLET_OK;
}

/* ---- Containers: opening ------------------------------------------------------------------------------ */

static tuplet_status open_array(reader *r, uint8_t tag) {
  size_t start = r->scan.at - 1;
  uint32_t length;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &length);
  if (status != TUPLET_OK) return status;
  tuplet_node *array = tuplet_node_array(r->tree, length);
  if (array == NULL) return nomem(r);
  if (tag == TP_V8_SPARSE_ARRAY)
    return push_frame(
        r, (frame){.kind = FRAME_PAIRS, .end_tag = TP_V8_SPARSE_ARRAY_END, .length = length, .node = array});
  size_t rest = tp_v8_rest(&r->scan);
  if (r->owed > rest || length > rest - r->owed)
    return malformed(r, start, "an array claims more elements than there are bytes");
  r->owed += length;
  array->as.array.items = tp_arena_alloc_array_zeroed(&r->tree->arena, length, sizeof(tuplet_node *));
  if (array->as.array.items == NULL) return nomem(r);
  array->as.array.count = length;
  array->as.array.capacity = length;
  return push_frame(
      r, (frame){.kind = FRAME_ELEMENTS, .end_tag = TP_V8_DENSE_ARRAY_END, .length = length, .node = array});
}

static tuplet_status open_error(reader *r) {
  tuplet_node *node = tuplet_node_error(r->tree, TUPLET_ERROR_PLAIN, NULL, NULL, NULL);
  return push_frame(r, (frame){.kind = FRAME_ERROR, .node = node});
}

static tuplet_status unexpected_tag(const reader *r, uint8_t tag) {
  char what[64];
  bool printable = tag > ' ' && tag < 0x7F;
  (void)snprintf(what, sizeof what, printable ? "unexpected tag '%c'" : "unexpected tag 0x%02x", tag);
  return malformed(r, r->scan.at - 1, what);
}

/* Reads the start of a value: *ret_value is the whole of it, or NULL where a frame was opened for it. */
static tuplet_status read_value(reader *r, tuplet_node **ret_value) {
  *ret_value = NULL;
  uint8_t tag;
  tuplet_status status = tp_v8_scan_tag(&r->scan, &tag);
  if (status != TUPLET_OK) return status;
  switch (tag) {
  case TP_V8_UNDEFINED: return made(r, *ret_value = tuplet_node_undefined(r->tree));
  case TP_V8_NULL: return made(r, *ret_value = tuplet_node_null(r->tree));
  case TP_V8_TRUE:
  case TP_V8_FALSE: return made(r, *ret_value = tuplet_node_bool(r->tree, tag == TP_V8_TRUE));
  case TP_V8_INT32:
  case TP_V8_UINT32:
  case TP_V8_DOUBLE: return read_number_node(r, tag, ret_value);
  case TP_V8_BIGINT: return read_bigint(r, ret_value);
  case TP_V8_LATIN1:
  case TP_V8_UTF16:
  case TP_V8_UTF8: return read_string(r, tag, ret_value);
  case TP_V8_DATE: return read_date(r, ret_value);
  case TP_V8_TRUE_OBJECT:
  case TP_V8_FALSE_OBJECT:
  case TP_V8_NUMBER_OBJECT:
  case TP_V8_BIGINT_OBJECT:
  case TP_V8_STRING_OBJECT: return read_boxed(r, tag, ret_value);
  case TP_V8_REGEXP: return read_regexp(r, ret_value);
  case TP_V8_OBJECT:
    return push_frame(
        r, (frame){.kind = FRAME_PAIRS, .end_tag = TP_V8_OBJECT_END, .node = tuplet_node_object(r->tree)});
  case TP_V8_DENSE_ARRAY:
  case TP_V8_SPARSE_ARRAY: return open_array(r, tag);
  case TP_V8_MAP:
    return push_frame(r,
                      (frame){.kind = FRAME_MAP, .end_tag = TP_V8_MAP_END, .node = tuplet_node_map(r->tree)});
  case TP_V8_SET:
    return push_frame(r,
                      (frame){.kind = FRAME_SET, .end_tag = TP_V8_SET_END, .node = tuplet_node_set(r->tree)});
  case TP_V8_BUFFER:
  case TP_V8_RESIZABLE_BUFFER:
    status = read_buffer(r, tag, ret_value);
    return status == TUPLET_OK ? read_view_behind(r, ret_value) : status;
  case TP_V8_REFERENCE:
    status = read_reference(r, ret_value);
    return status == TUPLET_OK ? read_view_behind(r, ret_value) : status;
  case TP_V8_ERROR: return open_error(r);
  case TP_V8_HOST_OBJECT: r->opaque = true; return TUPLET_OK;
  default: return unexpected_tag(r, tag);
  }
}

/* ---- Containers: filling and closing ------------------------------------------------------------------ */

/* The key of a property: a string, or a number, as JavaScript makes a property key of it. */
static tuplet_status read_key(reader *r, const tuplet_node *owner, tuplet_node **ret_key) {
  static const char LENGTH[] = "length";
  uint8_t tag;
  tuplet_status status = tp_v8_scan_tag(&r->scan, &tag);
  if (status != TUPLET_OK) return status;
  size_t start = r->scan.at - 1;
  if (tp_v8_is_string_tag(tag)) {
    tuplet_bytes name;
    status = tp_v8_scan_string(&r->scan, tag, &name);
    if (status != TUPLET_OK) return status;
    if (owner->type == TUPLET_NODE_ARRAY && name.size == sizeof LENGTH - 1 &&
        memcmp(name.data, LENGTH, name.size) == 0)
      return malformed(r, start, "an array's length cannot be a property");
    *ret_key = tp_tree_key_of_name(r->tree, name);
    return made(r, *ret_key);
  }
  if (tag != TP_V8_INT32 && tag != TP_V8_UINT32 && tag != TP_V8_DOUBLE) return unexpected_tag(r, tag);
  double number;
  status = read_number(r, tag, &number);
  if (status != TUPLET_OK) return status;
  *ret_key = tp_tree_key_of_number(r->tree, number);
  return made(r, *ret_key);
}

/* Behind the end tag stand counts that must agree with what was read. */
static tuplet_status check_count(reader *r, uint64_t count) {
  size_t start = r->scan.at;
  uint32_t claimed;
  tuplet_status status = tp_v8_scan_varint(&r->scan, &claimed);
  if (status != TUPLET_OK) return status;
  return claimed == count ? TUPLET_OK : malformed(r, start, "a count is not what was counted");
}

static tuplet_status close_frame(reader *r, tuplet_node **ret_value) {
  const frame *top = &r->frames[r->frame_count - 1];
  tuplet_status status = check_count(r, top->kind == FRAME_MAP ? UINT64_C(2) * top->count : top->count);
  if (status == TUPLET_OK && top->node->type == TUPLET_NODE_ARRAY) status = check_count(r, top->length);
  if (status != TUPLET_OK) return status;
  if (top->kind == FRAME_PAIRS && !tp_tree_settle(r->tree, top->node)) return nomem(r);
  *ret_value = top->node;
  r->frame_count--;
  return TUPLET_OK;
}

/* Reads the next part of an error; its tags know no padding. */
static tuplet_status advance_error(reader *r, frame *top, tuplet_node **ret_value) {
  tuplet_node *error = top->node;
  uint8_t tag;
  tuplet_status status = tp_v8_scan_byte(&r->scan, &tag);
  if (status != TUPLET_OK) return status;
  switch (tag) {
  case TUPLET_ERROR_EVAL:
  case TUPLET_ERROR_RANGE:
  case TUPLET_ERROR_REFERENCE:
  case TUPLET_ERROR_SYNTAX:
  case TUPLET_ERROR_TYPE:
  case TUPLET_ERROR_URI: error->as.error.type = tag; return TUPLET_OK;
  case TP_V8_ERROR_MESSAGE: return read_any_string(r, &error->as.error.message);
  case TP_V8_ERROR_STACK: return read_any_string(r, &error->as.error.stack);
  case TP_V8_ERROR_CAUSE: return read_value(r, ret_value);
  case TP_V8_ERROR_END:
    *ret_value = error;
    r->frame_count--;
    return TUPLET_OK;
  default: return unexpected_tag(r, tag);
  }
}

/* Goes on with the frame on top: *ret_value is the child that was read, the container itself when it closed
 * (its frame is then gone), or NULL. */
static tuplet_status advance(reader *r, tuplet_node **ret_value) {
  frame *top = &r->frames[r->frame_count - 1];
  switch (top->kind) {
  case FRAME_ELEMENTS:
    if (top->count == top->length) {
      top->kind = FRAME_PAIRS;
      top->count = 0;
      return TUPLET_OK;
    }
    top->count++;
    r->owed--;
    return tp_v8_scan_if_tag(&r->scan, TP_V8_HOLE) ? TUPLET_OK : read_value(r, ret_value);
  case FRAME_PAIRS: {
    if (tp_v8_scan_if_tag(&r->scan, top->end_tag)) return close_frame(r, ret_value);
    tuplet_status status = read_key(r, top->node, &top->key);
    return status == TUPLET_OK ? read_value(r, ret_value) : status;
  }
  case FRAME_MAP:
  case FRAME_SET:
    if (top->key == NULL && tp_v8_scan_if_tag(&r->scan, top->end_tag)) return close_frame(r, ret_value);
    return read_value(r, ret_value);
  case FRAME_ERROR: break;
  }
  return advance_error(r, top, ret_value);
}

/* Puts a whole value where the frame on top wants it. */
static tuplet_status deliver(reader *r, tuplet_node *value) {
  frame *top = &r->frames[r->frame_count - 1];
  tuplet_node *node = top->node;
  bool done = true;
  switch (top->kind) {
  case FRAME_ELEMENTS: node->as.array.items[top->count - 1] = value; break;
  case FRAME_PAIRS:
    done = tp_tree_add_pair(r->tree, node, top->key, value);
    top->count++;
    break;
  case FRAME_MAP:
    if (top->key == NULL) {
      top->key = value;
      return TUPLET_OK;
    }
    done = tuplet_node_map_set(r->tree, node, top->key, value) == TUPLET_OK;
    top->key = NULL;
    top->count++;
    break;
  case FRAME_SET:
    done = tuplet_node_set_add(r->tree, node, value) == TUPLET_OK;
    top->count++;
    break;
  case FRAME_ERROR: node->as.error.cause = value; break;
  }
  return done ? TUPLET_OK : nomem(r);
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static tuplet_status read_header(reader *r) {
  uint8_t tag;
  if (r->scan.size == 0 || r->scan.data[0] != TP_V8_VERSION)
    return malformed(r, 0, "the bytes do not begin with FF");
  tuplet_status status = tp_v8_scan_byte(&r->scan, &tag);
  if (status == TUPLET_OK) status = tp_v8_scan_varint(&r->scan, &r->version);
  if (status != TUPLET_OK) return status;
  if (r->version >= TP_V8_VERSION_MIN && r->version <= TP_V8_VERSION_MAX) return TUPLET_OK;
  char what[64];
  (void)snprintf(what, sizeof what, "version %" PRIu32 " is not one of %d to %d", r->version,
                 TP_V8_VERSION_MIN, TP_V8_VERSION_MAX);
  return malformed(r, 1, what);
}

static tuplet_status read_whole(reader *r, tuplet_node **ret_root) {
  tuplet_node *value = NULL;
  tuplet_status status = read_header(r);
  if (status == TUPLET_OK) status = read_value(r, &value);
  while (status == TUPLET_OK && !r->opaque && r->frame_count > 0) {
    if (value != NULL) status = deliver(r, value);
    value = NULL;
    if (status == TUPLET_OK) status = advance(r, &value);
  }
  if (status != TUPLET_OK) return status;
  if (r->opaque) {
    value = tuplet_node_opaque(r->tree, (tuplet_bytes){r->scan.data, r->scan.size});
    if (value == NULL) return nomem(r);
  } else if (tp_v8_rest(&r->scan) > 0) {
    return malformed(r, r->scan.at, "there are bytes behind the value");
  }
  *ret_root = value;
  return TUPLET_OK;
}

tuplet_status tp_v8_read(tuplet_tree *tree, tuplet_bytes encoded, tuplet_node **ret_root,
                         tuplet_error *error) {
  const tuplet_allocator *allocator = tree->arena.allocator;
  reader r = {.tree = tree};
  tp_v8_scanner_init(&r.scan, allocator, encoded, error);
  tuplet_status status = read_whole(&r, ret_root);
  tp_free(allocator, r.frames);
  tp_free(allocator, r.objects);
  tp_v8_scanner_done(&r.scan);
  return status;
}

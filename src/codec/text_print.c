/* text_print.c: a tree as JavaScript text: what docs/values.md describes.
 *
 * Containers are printed from a stack of frames, so that depth costs no stack. A value that is no plain tree
 * becomes a function that is called at once: a definition for every named node (text_graph.h says which),
 * then the statements that close the cycles, then the root. */
#include "base/buffer.h"
#include "base/status.h"
#include "codec/bigint.h"
#include "codec/text_date.h"
#include "codec/text_graph.h"
#include "codec/text_leaf.h"
#include "codec/text_view.h"
#include "codec/tree.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
  ZEROS_LISTED_MAX = 16, /* a longer run of zeros is printed as its length */
  HOLES_LISTED_MAX = 8   /* more holes than that, and than elements: Object.assign(new Array(n), {...}) */
};

typedef struct frame {
  const tuplet_node *node;
  size_t index;    /* the next child; a map's keys and values count as two */
  size_t end;      /* MAP, SET: children from here on are left to statements; ARRAY: the next property */
  uint32_t name;   /* the node's, for telling deferred references */
  bool sparse;     /* ARRAY: no [literal], all elements as properties */
  bool properties; /* ARRAY: behind the elements */
  bool group;      /* ARRAY: in the braces of an Object.assign */
  bool described;  /* ARRAY: in the braces of an Object.defineProperty */
} frame;

typedef struct printer {
  tp_graph graph;
  tp_buffer out;
  tp_buffer frames; /* frame */
  size_t zeros_left;
  tuplet_status status; /* the first error */
  tuplet_error *error;
} printer;

static void put(printer *p, const char *text) {
  tp_buffer_append_text(&p->out, text);
}

static frame *top(printer *p) {
  return (frame *)(void *)(p->frames.data + p->frames.size) - 1;
}

static void push(printer *p, frame f) {
  tp_buffer_append(&p->frames, &f, sizeof f);
  if (p->frames.failed) p->status = tp_fail_nomem(p->error);
}

static void pop(printer *p, const char *closing) {
  put(p, closing);
  p->frames.size -= sizeof(frame);
}

/* ---- Leaves ---- */

static void put_bigint(printer *p, const tuplet_node *node) {
  tuplet_status status =
      tp_bigint_to_text(node->as.bigint.negative, node->as.bigint.little_endian, &p->out, p->error);
  if (status != TUPLET_OK) p->status = status;
  put(p, "n");
}

static void put_date(printer *p, double unix_ms) {
  put(p, "new Date(");
  if (tp_date_has_text(unix_ms)) {
    char text[TP_DATE_TEXT_SIZE];
    size_t size = tp_date_to_text(unix_ms, text);
    tp_text_append_string(&p->out, (tuplet_bytes){text, size});
  } else {
    tp_text_append_number(&p->out, unix_ms);
  }
  put(p, ")");
}

static void put_opaque(printer *p, tuplet_bytes encoded) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = encoded.data;
  put(p, "tuplet.opaque(\"");
  for (size_t i = 0; i < encoded.size; i++) {
    tp_buffer_append_byte(&p->out, (uint8_t)digits[bytes[i] >> 4]);
    tp_buffer_append_byte(&p->out, (uint8_t)digits[bytes[i] & 15]);
  }
  put(p, "\")");
}

/* ---- Buffers and views ---- */

/* Whether a buffer of zeros may be printed as its size: takes it from the text's allowance. */
static bool take_zeros(printer *p, size_t size) {
  if (size > p->zeros_left) return false;
  p->zeros_left -= size;
  return true;
}

/* [1, 2, 3]: what a view of this kind sees of the bytes. */
static void put_elements(printer *p, const tp_view_kind *kind, const uint8_t *data, size_t size) {
  size_t element_size = tp_view_element_size(kind->type);
  put(p, "[");
  for (size_t at = 0; at < size; at += element_size) {
    if (at > 0) put(p, ", ");
    tp_view_element_to_text(&p->out, kind->type, data + at);
  }
  put(p, "]");
}

static void put_buffer(printer *p, const tuplet_node *node) {
  const uint8_t *data = node->as.buffer.data;
  size_t size = node->as.buffer.size;
  if (node->as.buffer.resizable) {
    /* Content follows in a statement of its own, and takes from the allowance there. */
    if (tp_buffer_node_is_zero(node) && !take_zeros(p, size))
      p->status =
          tp_fail(p->error, TUPLET_LIMIT, "a resizable ArrayBuffer of %zu zeros is too large for text", size);
    tp_buffer_append_format(&p->out, "new ArrayBuffer(%zu, {maxByteLength: %zu})", size,
                            node->as.buffer.size_max);
  } else if (tp_buffer_node_is_zero(node) && take_zeros(p, size)) {
    tp_buffer_append_format(&p->out, "new ArrayBuffer(%zu)", size);
  } else {
    put(p, "new Uint8Array(");
    put_elements(p, tp_view_kind_of(TUPLET_VIEW_UINT8), data, size);
    put(p, ").buffer");
  }
}

/* Whether a view can be printed by its elements alone: it shows all of a buffer that nothing else refers to.
 */
static bool is_whole(const printer *p, const tuplet_node *node) {
  const tuplet_node *buffer = node->as.view.buffer;
  size_t size = buffer->as.buffer.size;
  return node->as.view.type != TUPLET_VIEW_DATA && !buffer->as.buffer.resizable &&
         node->as.view.offset == 0 && node->as.view.size == size &&
         tp_graph_name(&p->graph, buffer) == TP_GRAPH_NO_NAME &&
         size % tp_view_element_size(node->as.view.type) == 0 &&
         tp_view_elements_are_plain(node->as.view.type, buffer->as.buffer.data, size);
}

static void open_view(printer *p, frame f) {
  const tp_view_kind *kind = tp_view_kind_of(f.node->as.view.type);
  const tuplet_node *buffer = f.node->as.view.buffer;
  tp_buffer_append_format(&p->out, "new %s(", kind->name);
  if (!is_whole(p, f.node)) {
    push(p, f);
    return;
  }
  size_t size = buffer->as.buffer.size, count = size / tp_view_element_size(kind->type);
  if (count > ZEROS_LISTED_MAX && tp_buffer_node_is_zero(buffer) && take_zeros(p, size)) {
    tp_buffer_append_format(&p->out, "%zu", count);
  } else {
    put_elements(p, kind, buffer->as.buffer.data, size);
  }
  put(p, ")");
}

static void put_view_bounds(printer *p, const tuplet_node *node) {
  const tuplet_node *buffer = node->as.view.buffer;
  size_t offset = node->as.view.offset, size = node->as.view.size;
  bool to_the_end = node->as.view.length_tracking ||
                    (!buffer->as.buffer.resizable && offset + size == buffer->as.buffer.size);
  if (offset > 0 || !to_the_end) tp_buffer_append_format(&p->out, ", %zu", offset);
  if (!to_the_end) tp_buffer_append_format(&p->out, ", %zu", size / tp_view_element_size(node->as.view.type));
}

/* ---- Opening a value ---- */

static void open_map(printer *p, frame f) {
  bool is_map = f.node->type == TUPLET_NODE_MAP;
  size_t count = tp_node_child_count(f.node);
  for (f.end = 0; f.end < count;
       f.end++) { /* what follows a deferred reference is deferred, too: order counts */
    if (tp_graph_is_deferred(&p->graph, f.name, tp_node_child(f.node, f.end))) break;
  }
  if (is_map) f.end -= f.end % 2;
  put(p, is_map ? "new Map(" : "new Set(");
  if (f.end == 0) {
    put(p, ")");
    return;
  }
  put(p, "[");
  push(p, f);
}

static bool is_proto(const tuplet_node *key) {
  return key->type == TUPLET_NODE_STRING && tp_text_equals(key->as.string, "__proto__");
}

/* What stands in front of an array with properties: a call for those before "__proto__", one for it
 * (assigning it would set the prototype), one for those behind; the last call first. */
static void put_array_calls(printer *p, const tuplet_node *node, size_t first) {
  const tuplet_pair *properties = node->as.array.properties;
  size_t count = node->as.array.property_count, proto = first;
  while (proto < count && !is_proto(properties[proto].key)) proto++;
  if (proto + 1 < count) put(p, "Object.assign(");
  if (proto < count) put(p, "Object.defineProperty(");
  if (proto > first) put(p, "Object.assign(");
}

static void open_array(printer *p, frame f) {
  const tuplet_pair *properties = f.node->as.array.properties;
  uint32_t length = f.node->as.array.length;
  size_t elements = 0, indexed = 0;
  for (size_t i = 0; i < f.node->as.array.count; i++) elements += f.node->as.array.items[i] != NULL ? 1 : 0;
  while (indexed < f.node->as.array.property_count && properties[indexed].key->type == TUPLET_NODE_NUMBER)
    indexed++;
  size_t present = elements + indexed, holes = length - present;
  f.sparse = (length > 0 && present == 0) || (holes > HOLES_LISTED_MAX && holes > present);
  if (f.sparse && elements > 0 && indexed == 0) {
    /* The elements go first into the braces; when "__proto__" comes right behind them, they need their own.
     */
    bool proto_first = f.node->as.array.property_count == 0 || is_proto(properties[0].key);
    put_array_calls(p, f.node, 0);
    if (proto_first) put(p, "Object.assign(");
  } else {
    put_array_calls(p, f.node, f.sparse ? 0 : indexed);
  }
  if (f.sparse) {
    tp_buffer_append_format(&p->out, "new Array(%" PRIu32 ")", length);
  } else {
    put(p, "[");
  }
  push(p, f);
}

static void open_error(printer *p, frame f) {
  if (f.node->as.error.stack != NULL) put(p, "Object.assign(");
  tp_buffer_append_format(&p->out, "new %s(", tp_error_name(f.node->as.error.type));
  if (f.node->as.error.message != NULL) {
    tp_text_append_string(&p->out, f.node->as.error.message->as.string);
  } else if (f.node->as.error.cause != NULL) {
    put(p, "undefined");
  }
  push(p, f);
}

static void put_boxed(printer *p, const tuplet_node *node) {
  switch (node->type) {
  case TUPLET_NODE_BOOL_OBJECT: put(p, node->as.boolean ? "new Boolean(true" : "new Boolean(false"); break;
  case TUPLET_NODE_NUMBER_OBJECT:
    put(p, "new Number(");
    tp_text_append_number(&p->out, node->as.number);
    break;
  case TUPLET_NODE_STRING_OBJECT:
    put(p, "new String(");
    tp_text_append_string(&p->out, node->as.string);
    break;
  default: put(p, "Object("); put_bigint(p, node);
  }
  put(p, ")");
}

/* Prints a value that has no name, or the definition of one that has: all of a leaf, the beginning of a
 * container, whose frame does the rest. */
static void open_value(printer *p, const tuplet_node *node) {
  frame f = {.node = node, .name = TP_GRAPH_NO_NAME};
  if (tp_node_has_identity(node)) f.name = tp_graph_name(&p->graph, node);
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED: put(p, "undefined"); break;
  case TUPLET_NODE_NULL: put(p, "null"); break;
  case TUPLET_NODE_BOOL: put(p, node->as.boolean ? "true" : "false"); break;
  case TUPLET_NODE_NUMBER: tp_text_append_number(&p->out, node->as.number); break;
  case TUPLET_NODE_BIGINT: put_bigint(p, node); break;
  case TUPLET_NODE_STRING: tp_text_append_string(&p->out, node->as.string); break;
  case TUPLET_NODE_DATE: put_date(p, node->as.number); break;
  case TUPLET_NODE_BOOL_OBJECT:
  case TUPLET_NODE_NUMBER_OBJECT:
  case TUPLET_NODE_BIGINT_OBJECT:
  case TUPLET_NODE_STRING_OBJECT: put_boxed(p, node); break;
  case TUPLET_NODE_REGEXP:
    tp_text_append_regexp(&p->out, node->as.regexp.source, node->as.regexp.flags);
    break;
  case TUPLET_NODE_OBJECT:
    put(p, "{");
    push(p, f);
    break;
  case TUPLET_NODE_ARRAY: open_array(p, f); break;
  case TUPLET_NODE_MAP:
  case TUPLET_NODE_SET: open_map(p, f); break;
  case TUPLET_NODE_BUFFER: put_buffer(p, node); break;
  case TUPLET_NODE_VIEW: open_view(p, f); break;
  case TUPLET_NODE_ERROR: open_error(p, f); break;
  case TUPLET_NODE_KVU64:
    tp_buffer_append_format(&p->out, "new Deno.KvU64(%" PRIu64 "n)", node->as.u64);
    break;
  case TUPLET_NODE_OPAQUE: put_opaque(p, node->as.opaque); break;
  }
}

/* Prints what stands in another value: its name, or all of it. */
static void put_child(printer *p, const tuplet_node *node) {
  uint32_t name = tp_node_has_identity(node) ? tp_graph_name(&p->graph, node) : TP_GRAPH_NO_NAME;
  if (name != TP_GRAPH_NO_NAME) {
    tp_buffer_append_format(&p->out, "$%" PRIu32, name);
  } else {
    open_value(p, node);
  }
}

/* The same where a deferred reference keeps its place for a later statement. */
static void put_child_or_place(printer *p, uint32_t parent_name, const tuplet_node *node) {
  if (tp_graph_is_deferred(&p->graph, parent_name, node)) {
    put(p, "undefined");
  } else {
    put_child(p, node);
  }
}

/* ---- Containers, one child a step ---- */

static void step_object(printer *p, frame *f) {
  if (f->index == f->node->as.map.count) {
    pop(p, "}");
    return;
  }
  const tuplet_pair *pair = &f->node->as.map.pairs[f->index];
  if (f->index++ > 0) put(p, ", ");
  tp_text_append_literal_key(&p->out, pair->key);
  put(p, ": ");
  put_child_or_place(p, f->name, pair->value);
}

static void step_map(printer *p, frame *f) {
  if (f->index == f->end) {
    pop(p, "]])");
    return;
  }
  const tuplet_node *child = tp_node_child(f->node, f->index);
  bool is_key = f->index % 2 == 0;
  if (f->index > 0) put(p, is_key ? "], " : ", ");
  if (is_key) put(p, "[");
  f->index++;
  put_child(p, child);
}

static void step_set(printer *p, frame *f) {
  if (f->index == f->end) {
    pop(p, "])");
    return;
  }
  if (f->index > 0) put(p, ", ");
  put_child(p, f->node->as.set.items[f->index++]);
}

/* The element at `index` of an array of which all before were asked for; NULL for a hole. */
static const tuplet_node *next_element(frame *f, size_t index) {
  const tuplet_node *node = f->node;
  if (index < node->as.array.count) return node->as.array.items[index];
  if (f->end == node->as.array.property_count) return NULL;
  const tuplet_pair *pair = &node->as.array.properties[f->end];
  if (pair->key->type != TUPLET_NODE_NUMBER || pair->key->as.number != (double)index) return NULL;
  f->end++;
  return pair->value;
}

/* Elements of [a, , b]; holes all at once. */
static void step_elements(printer *p, frame *f) {
  bool hole = false;
  while (f->index < f->node->as.array.length) {
    const tuplet_node *item = next_element(f, f->index);
    if (f->index++ > 0) put(p, ", ");
    hole = item == NULL;
    if (hole) continue;
    put_child_or_place(p, f->name, item);
    return;
  }
  put(p, hole ? ",]" : "]"); /* a comma at the end does not count by itself */
  f->properties = true;
  f->index = f->node->as.array.count + f->end;
}

static void put_array_property(printer *p, frame *f, const tuplet_node *key, const tuplet_node *value) {
  if (is_proto(key)) {
    if (f->group) put(p, "})");
    f->group = false;
    f->described = true;
    put(p, ", \"__proto__\", {value: ");
  } else {
    put(p, f->group ? ", " : ", {");
    f->group = true;
    tp_text_append_literal_key(&p->out, key);
    put(p, ": ");
  }
  put_child_or_place(p, f->name, value);
}

static void step_array(printer *p, frame *f) {
  const tuplet_node *node = f->node;
  if (!f->sparse && !f->properties) {
    step_elements(p, f);
    return;
  }
  if (f->described) put(p, ", writable: true, enumerable: true, configurable: true})");
  f->described = false;
  while (f->index < node->as.array.count && node->as.array.items[f->index] == NULL) f->index++;
  size_t index = f->index++;
  if (index < node->as.array.count) {
    tuplet_node key = {.type = TUPLET_NODE_NUMBER, .as.number = (double)index};
    put_array_property(p, f, &key, node->as.array.items[index]);
  } else if (index - node->as.array.count < node->as.array.property_count) {
    const tuplet_pair *pair = &node->as.array.properties[index - node->as.array.count];
    put_array_property(p, f, pair->key, pair->value);
  } else {
    pop(p, f->group ? "})" : "");
  }
}

static void step_view(printer *p, frame *f) {
  if (f->index++ == 0) {
    put_child(p, f->node->as.view.buffer);
  } else {
    put_view_bounds(p, f->node);
    pop(p, ")");
  }
}

static void step_error(printer *p, frame *f) {
  const tuplet_node *node = f->node;
  if (f->index++ == 0 && node->as.error.cause != NULL) {
    put(p, ", {cause: ");
    put_child_or_place(p, f->name, node->as.error.cause);
    return;
  }
  put(p, node->as.error.cause != NULL ? "})" : ")");
  if (node->as.error.stack != NULL) {
    put(p, ", {stack: ");
    tp_text_append_string(&p->out, node->as.error.stack->as.string);
    put(p, "})");
  }
  pop(p, "");
}

static void finish_value(printer *p) {
  while (p->frames.size > 0 && p->status == TUPLET_OK) {
    frame *f = top(p);
    switch (f->node->type) {
    case TUPLET_NODE_OBJECT: step_object(p, f); break;
    case TUPLET_NODE_ARRAY: step_array(p, f); break;
    case TUPLET_NODE_MAP: step_map(p, f); break;
    case TUPLET_NODE_SET: step_set(p, f); break;
    case TUPLET_NODE_VIEW: step_view(p, f); break;
    default: step_error(p, f);
    }
    if (p->out.failed) p->status = tp_fail_nomem(p->error);
  }
}

/* ---- The statements behind the definitions ---- */

static void put_assignment(printer *p, uint32_t name, const tuplet_node *key, const tuplet_node *value) {
  if (!tp_graph_is_deferred(&p->graph, name, value)) return;
  tp_buffer_append_format(&p->out, "$%" PRIu32, name);
  tp_text_append_access_key(&p->out, key);
  put(p, " = ");
  put_child(p, value); /* has a name, as all that is deferred */
  put(p, "; ");
}

static void assign_pairs(printer *p, uint32_t name, const tuplet_pair *pairs, size_t count) {
  for (size_t i = 0; i < count; i++) put_assignment(p, name, pairs[i].key, pairs[i].value);
}

static void assign_elements(printer *p, uint32_t name, const tuplet_node *node) {
  for (size_t i = 0; i < node->as.array.count; i++) {
    if (node->as.array.items[i] == NULL) continue;
    tuplet_node key = {.type = TUPLET_NODE_NUMBER, .as.number = (double)i};
    put_assignment(p, name, &key, node->as.array.items[i]);
  }
  assign_pairs(p, name, node->as.array.properties, node->as.array.property_count);
}

/* A map's or set's entries from the first deferred one on. */
static void add_entries(printer *p, uint32_t name, const tuplet_node *node) {
  bool is_map = node->type == TUPLET_NODE_MAP;
  size_t count = tp_node_child_count(node), at = 0;
  while (at < count && !tp_graph_is_deferred(&p->graph, name, tp_node_child(node, at))) at++;
  if (is_map) at -= at % 2;
  while (at < count && p->status == TUPLET_OK) {
    tp_buffer_append_format(&p->out, "$%" PRIu32 "%s", name, is_map ? ".set(" : ".add(");
    put_child(p, tp_node_child(node, at++));
    finish_value(p);
    if (is_map) {
      put(p, ", ");
      put_child(p, tp_node_child(node, at++));
      finish_value(p);
    }
    put(p, "); ");
  }
}

/* The content of a resizable buffer. Trailing zeros are left out while the allowance lasts. */
static void fill_buffer(printer *p, uint32_t name, const tuplet_node *node) {
  const uint8_t *data = node->as.buffer.data;
  size_t size = node->as.buffer.size;
  if (tp_buffer_node_is_zero(node)) return;
  if (take_zeros(p, size)) {
    while (data[size - 1] == 0) size--;
  }
  tp_buffer_append_format(&p->out, "new Uint8Array($%" PRIu32 ").set(", name);
  put_elements(p, tp_view_kind_of(TUPLET_VIEW_UINT8), data, size);
  put(p, "); ");
}

static void complete(printer *p, uint32_t name, const tuplet_node *node) {
  static const tuplet_node cause = {.type = TUPLET_NODE_STRING, .as.string = {"cause", 5}};
  switch (node->type) {
  case TUPLET_NODE_OBJECT: assign_pairs(p, name, node->as.map.pairs, node->as.map.count); break;
  case TUPLET_NODE_ARRAY: assign_elements(p, name, node); break;
  case TUPLET_NODE_MAP:
  case TUPLET_NODE_SET: add_entries(p, name, node); break;
  case TUPLET_NODE_BUFFER:
    if (node->as.buffer.resizable) fill_buffer(p, name, node);
    break;
  case TUPLET_NODE_ERROR:
    if (node->as.error.cause != NULL) put_assignment(p, name, &cause, node->as.error.cause);
    break;
  default: break;
  }
}

static void print_root(printer *p, const tuplet_node *root) {
  if (p->graph.named_count == 0) {
    open_value(p, root);
    finish_value(p);
    return;
  }
  put(p, "(() => { ");
  for (size_t i = 0; i < p->graph.named_count && p->status == TUPLET_OK; i++) {
    tp_buffer_append_format(&p->out, "const $%zu = ", i);
    open_value(p, p->graph.named[i]);
    finish_value(p);
    put(p, "; ");
  }
  for (size_t i = 0; i < p->graph.named_count && p->status == TUPLET_OK; i++)
    complete(p, (uint32_t)i, p->graph.named[i]);
  put(p, "return ");
  put_child(p, root);
  finish_value(p);
  put(p, "; })()");
}

tuplet_status tuplet_tree_print(const tuplet_node *root, const tuplet_allocator *allocator,
                                tuplet_owned *ret_text, tuplet_error *error) {
  printer p = {.zeros_left = TP_TEXT_ZEROS_MAX, .error = error};
  tp_buffer_init(&p.out, allocator);
  tp_buffer_init(&p.frames, allocator);
  p.status = tp_graph_init(&p.graph, root, allocator, error);
  if (p.status == TUPLET_OK) print_root(&p, root);
  if (p.status == TUPLET_OK) p.status = tp_buffer_take(&p.out, ret_text, error);
  tp_graph_done(&p.graph);
  tp_buffer_done(&p.frames);
  tp_buffer_done(&p.out);
  return p.status;
}

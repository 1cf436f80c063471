/* json.c: trees from and to plain JSON (RFC 8259).
 *
 * Reading is jansson's; what it reads becomes what JSON.parse would give. Three texts that JSON.parse takes
 * are refused: strings with half a surrogate pair, names with U+0000, and numbers beyond the largest double.
 * jansson takes its memory from malloc and bounds the depth (2048).
 *
 * Writing is ours, since jansson writes 0.1 with 17 digits and would need a copy of the whole tree. It is
 * exact or fails: what JSON.stringify drops or changes without a word (undefined, NaN, -0, a Map) is an
 * error that names the place. */
#include "base/buffer.h"
#include "base/status.h"
#include "codec/text_graph.h"
#include "codec/text_leaf.h"
#include "codec/tree.h"
#include "codec/utf8.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* An object in several places is written in each. That can multiply: once anything is written again, the text
 * may be no longer than this. */
enum { REPEATED_TEXT_SIZE_MAX = 16 << 20 };

/* ---- Reading ---- */

static tuplet_node *from_json(tuplet_tree *tree, json_t *json);

static tuplet_node *object_from_json(tuplet_tree *tree, json_t *json) {
  tuplet_node *node = tuplet_node_object(tree);
  if (node == NULL) return NULL;
  for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
    tuplet_bytes name = {json_object_iter_key(at), json_object_iter_key_len(at)};
    tuplet_node *value = from_json(tree, json_object_iter_value(at));
    if (value == NULL || !tp_tree_add_pair(tree, node, tp_tree_key_of_name(tree, name), value)) return NULL;
  }
  return tp_tree_settle(tree, node) ? node : NULL;
}

static tuplet_node *array_from_json(tuplet_tree *tree, json_t *json) {
  tuplet_node *node = tuplet_node_array(tree, 0);
  for (size_t i = 0; node != NULL && i < json_array_size(json); i++) {
    tuplet_node *item = from_json(tree, json_array_get(json, i));
    if (item == NULL || tuplet_node_array_push(tree, node, item) != TUPLET_OK) return NULL;
  }
  return node;
}

/* Recursion no deeper than jansson lets the text be. NULL when out of memory. */
static tuplet_node *from_json(tuplet_tree *tree, json_t *json) {
  switch (json_typeof(json)) {
  case JSON_OBJECT: return object_from_json(tree, json);
  case JSON_ARRAY: return array_from_json(tree, json);
  case JSON_STRING:
    return tp_tree_string(tree, (tuplet_bytes){json_string_value(json), json_string_length(json)});
  case JSON_INTEGER:
  case JSON_REAL: return tuplet_node_number(tree, json_number_value(json));
  case JSON_TRUE:
  case JSON_FALSE: return tuplet_node_bool(tree, json_is_true(json));
  default: return tuplet_node_null(tree);
  }
}

static tuplet_status fail_reading(const json_error_t *json_error, tuplet_error *error) {
  switch (json_error_code(json_error)) {
  case json_error_out_of_memory: return tp_fail_nomem(error);
  case json_error_stack_overflow:
    return tp_fail(error, TUPLET_LIMIT, "the JSON is nested deeper than %d levels", JSON_PARSER_MAX_DEPTH);
  default:
    if (json_error->line < 1) return tp_fail(error, TUPLET_SYNTAX, "%s", json_error->text);
    return tp_fail(error, TUPLET_SYNTAX, "line %d, column %d: %s", json_error->line, json_error->column,
                   json_error->text);
  }
}

tuplet_status tuplet_tree_parse_json(tuplet_tree *tree, const char *text, size_t size, tuplet_node **ret_root,
                                     tuplet_error *error) {
  json_error_t json_error;
  size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
  json_t *json = json_loadb(size == 0 ? "" : text, size, flags, &json_error);
  if (json == NULL) return fail_reading(&json_error, error);
  tuplet_node *root = from_json(tree, json);
  json_decref(json);
  if (root == NULL) return tp_fail_nomem(error);
  *ret_root = root;
  return TUPLET_OK;
}

/* ---- Writing ---- */

typedef struct frame {
  const tuplet_node *node; /* an OBJECT or ARRAY */
  size_t index;            /* the next child */
} frame;

typedef struct writer {
  tp_graph graph;
  tp_buffer out;
  tp_buffer frames;  /* frame */
  tp_buffer repeats; /* bool for every named node: written once already */
  bool repeated;     /* one was written again */
  tuplet_error *error;
} writer;

static frame *top(writer *w) {
  return (frame *)(void *)(w->frames.data + w->frames.size) - 1;
}

/* $.a[3]["b c"]: where the value is that is being written. */
static void append_path(writer *w, tp_buffer *path) {
  const frame *frames = (const frame *)(const void *)w->frames.data;
  size_t count = w->frames.size / sizeof *frames;
  tp_buffer_append_text(path, "$");
  for (size_t i = 0; i < count && path->size < TUPLET_ERROR_MESSAGE_MAX; i++) {
    size_t at = frames[i].index - 1;
    if (frames[i].node->type == TUPLET_NODE_OBJECT) {
      tp_text_append_access_key(path, frames[i].node->as.map.pairs[at].key);
    } else if (at < frames[i].node->as.array.length) {
      tp_buffer_append_format(path, "[%zu]", at);
    } else {
      size_t property = at - frames[i].node->as.array.length;
      tp_text_append_access_key(path, frames[i].node->as.array.properties[property].key);
    }
  }
}

static tuplet_status fail_writing(writer *w, const char *what) {
  tp_buffer path;
  tp_buffer_init(&path, w->out.allocator);
  append_path(w, &path);
  tp_buffer_append_byte(&path, '\0');
  tuplet_status status = path.failed ? tp_fail_nomem(w->error)
                                     : tp_fail(w->error, TUPLET_INVALID, "JSON cannot represent %s at %s",
                                               what, (const char *)path.data);
  tp_buffer_done(&path);
  return status;
}

static const char *foreign_name(const tuplet_node *node) {
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED: return "undefined";
  case TUPLET_NODE_BIGINT: return "the BigInt";
  case TUPLET_NODE_DATE: return "the Date";
  case TUPLET_NODE_BOOL_OBJECT: return "the Boolean object";
  case TUPLET_NODE_NUMBER_OBJECT: return "the Number object";
  case TUPLET_NODE_BIGINT_OBJECT: return "the BigInt object";
  case TUPLET_NODE_STRING_OBJECT: return "the String object";
  case TUPLET_NODE_REGEXP: return "the RegExp";
  case TUPLET_NODE_MAP: return "the Map";
  case TUPLET_NODE_SET: return "the Set";
  case TUPLET_NODE_BUFFER: return "the ArrayBuffer";
  case TUPLET_NODE_VIEW: return "the typed array or DataView";
  case TUPLET_NODE_ERROR: return "the Error";
  case TUPLET_NODE_KVU64: return "the Deno.KvU64";
  default: return "the opaque value";
  }
}

static tuplet_status write_string(writer *w, tuplet_bytes wtf8) {
  if (!tp_utf8_is_valid(wtf8)) return fail_writing(w, "the lone surrogate in the string");
  tp_text_append_string(&w->out, wtf8);
  return TUPLET_OK;
}

static tuplet_status write_number(writer *w, double number) {
  if (isnan(number)) return fail_writing(w, "NaN");
  if (isinf(number)) return fail_writing(w, number > 0 ? "Infinity" : "-Infinity");
  if (number == 0 && signbit(number)) return fail_writing(w, "-0");
  tp_text_append_number(&w->out, number);
  return TUPLET_OK;
}

static tuplet_status open_container(writer *w, const tuplet_node *node) {
  uint32_t name = tp_graph_name(&w->graph, node);
  if (name != TP_GRAPH_NO_NAME) {
    if (w->repeats.data[name] != 0) w->repeated = true;
    w->repeats.data[name] = 1;
  }
  tp_buffer_append(&w->frames, &(frame){.node = node}, sizeof(frame));
  tp_buffer_append_byte(&w->out, node->type == TUPLET_NODE_OBJECT ? '{' : '[');
  return w->frames.failed ? tp_fail_nomem(w->error) : TUPLET_OK;
}

static tuplet_status write_value(writer *w, const tuplet_node *node) {
  if (w->repeated && w->out.size > REPEATED_TEXT_SIZE_MAX)
    return tp_fail(w->error, TUPLET_LIMIT,
                   "the JSON of a value with shared objects would be larger than %d bytes",
                   REPEATED_TEXT_SIZE_MAX);
  switch (node->type) {
  case TUPLET_NODE_NULL: tp_buffer_append_text(&w->out, "null"); return TUPLET_OK;
  case TUPLET_NODE_BOOL:
    tp_buffer_append_text(&w->out, node->as.boolean ? "true" : "false");
    return TUPLET_OK;
  case TUPLET_NODE_NUMBER: return write_number(w, node->as.number);
  case TUPLET_NODE_STRING: return write_string(w, node->as.string);
  case TUPLET_NODE_OBJECT:
  case TUPLET_NODE_ARRAY: return open_container(w, node);
  default: return fail_writing(w, foreign_name(node));
  }
}

static tuplet_status close_container(writer *w, char closing) {
  tp_buffer_append_byte(&w->out, (uint8_t)closing);
  w->frames.size -= sizeof(frame);
  return TUPLET_OK;
}

/* Writes a child, unless that leads back to an object around it. */
static tuplet_status write_child(writer *w, const tuplet_node *parent, const tuplet_node *child) {
  uint32_t parent_name = tp_graph_name(&w->graph, parent);
  if (tp_graph_is_deferred(&w->graph, parent_name, child)) return fail_writing(w, "the cycle");
  return write_value(w, child);
}

static tuplet_status step_object(writer *w, frame *f) {
  const tuplet_node *node = f->node;
  if (f->index == node->as.map.count) return close_container(w, '}');
  const tuplet_pair *pair = &node->as.map.pairs[f->index];
  if (f->index++ > 0) tp_buffer_append_byte(&w->out, ',');
  if (pair->key->type == TUPLET_NODE_STRING) {
    if (!tp_utf8_is_valid(pair->key->as.string)) return fail_writing(w, "the lone surrogate in the name");
    tp_text_append_string(&w->out, pair->key->as.string);
  } else {
    tp_buffer_append_byte(&w->out, '"');
    tp_text_append_number(&w->out, pair->key->as.number);
    tp_buffer_append_byte(&w->out, '"');
  }
  tp_buffer_append_byte(&w->out, ':');
  return write_child(w, node, pair->value);
}

static tuplet_status step_array(writer *w, frame *f) {
  const tuplet_node *node = f->node;
  if (f->index == node->as.array.length) {
    if (node->as.array.property_count == 0) return close_container(w, ']');
    f->index++;
    return fail_writing(w, "the array's property");
  }
  size_t index = f->index++;
  const tuplet_node *item = index < node->as.array.count ? node->as.array.items[index] : NULL;
  if (item == NULL) return fail_writing(w, "the hole");
  if (index > 0) tp_buffer_append_byte(&w->out, ',');
  return write_child(w, node, item);
}

static tuplet_status write_root(writer *w, const tuplet_node *root) {
  if (w->graph.named_count > 0) {
    uint8_t *repeats = tp_buffer_reserve(&w->repeats, w->graph.named_count);
    if (repeats == NULL) return tp_fail_nomem(w->error);
    memset(repeats, 0, w->graph.named_count);
  }
  tuplet_status status = write_value(w, root);
  while (status == TUPLET_OK && w->frames.size > 0) {
    frame *f = top(w);
    status = f->node->type == TUPLET_NODE_OBJECT ? step_object(w, f) : step_array(w, f);
    if (w->out.failed) return tp_fail_nomem(w->error);
  }
  return status;
}

tuplet_status tuplet_tree_print_json(const tuplet_node *root, const tuplet_allocator *allocator,
                                     tuplet_owned *ret_text, tuplet_error *error) {
  writer w = {.error = error};
  tp_buffer_init(&w.out, allocator);
  tp_buffer_init(&w.frames, allocator);
  tp_buffer_init(&w.repeats, allocator);
  tuplet_status status = tp_graph_init(&w.graph, root, allocator, error);
  if (status == TUPLET_OK) status = write_root(&w, root);
  if (status == TUPLET_OK) status = tp_buffer_take(&w.out, ret_text, error);
  tp_graph_done(&w.graph);
  tp_buffer_done(&w.repeats);
  tp_buffer_done(&w.frames);
  tp_buffer_done(&w.out);
  return status;
}

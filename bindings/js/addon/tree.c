/* tree.c: containers are made empty, put where they belong, and filled one after the other from a list, so
 * that how deep a value is nested costs no stack. Made with the runtime's own constructors, as found in the
 * global object. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "node_map.h"
#include "text.h"

/* How many elements that are not there the engine may reserve room for, in all arrays of a value together. */
enum { HOLES_WITH_ROOM_MAX = 65536 };

typedef struct unfilled {
  const tuplet_node *node;
  napi_value value;
} unfilled;

typedef struct maker {
  napi_env env;
  tp_js_node_map objects; /* what was made of each node that is an object */
  unfilled *queue;        /* containers that are still to be filled */
  size_t queue_count;
  size_t queue_capacity;
  uint32_t holes_left; /* of HOLES_WITH_ROOM_MAX */
} maker;

static napi_status make(maker *m, const tuplet_node *node, napi_value *ret_value);

/* ---- What the runtime has ----------------------------------------------------------------------------- */

/* An exception that says what this runtime does not know. */
static napi_status throw_unknown(napi_env env, const char *name) {
  char message[80];
  (void)snprintf(message, sizeof message, "%s is not known", name);
  napi_status status = napi_throw_type_error(env, NULL, message);
  return status == napi_ok ? napi_pending_exception : status;
}

/* new name(...arguments) */
static napi_status construct(napi_env env, const char *name, size_t count, const napi_value *arguments,
                             napi_value *ret_value) {
  napi_value global, constructor;
  napi_valuetype type;
  napi_status status = napi_get_global(env, &global);
  if (status == napi_ok) status = napi_get_named_property(env, global, name, &constructor);
  if (status == napi_ok) status = napi_typeof(env, constructor, &type);
  if (status != napi_ok) return status;
  if (type != napi_function) return throw_unknown(env, name);
  return napi_new_instance(env, constructor, count, arguments, ret_value);
}

static napi_status make_size(napi_env env, size_t size, napi_value *ret_value) {
  return napi_create_double(env, (double)size, ret_value);
}

/* ---- Values without children -------------------------------------------------------------------------- */

static napi_status make_bigint(napi_env env, const tuplet_node *node, napi_value *ret_value) {
  enum { WORDS_ON_STACK = 16 };
  const uint8_t *bytes = node->as.bigint.little_endian.data;
  size_t size = node->as.bigint.little_endian.size;
  size_t count = (size + 7) / 8;
  uint64_t on_stack[WORDS_ON_STACK] = {0};
  uint64_t *words = count <= WORDS_ON_STACK ? on_stack : calloc(count, sizeof *words);
  if (words == NULL) return napi_generic_failure;
  for (size_t i = 0; i < size; i++) words[i / 8] |= (uint64_t)bytes[i] << (i % 8 * 8);
  napi_status status = napi_create_bigint_words(env, node->as.bigint.negative, count, words, ret_value);
  if (words != on_stack) free(words);
  return status;
}

static napi_status make_boxed(napi_env env, const tuplet_node *node, napi_value *ret_value) {
  napi_value primitive;
  napi_status status;
  switch (node->type) {
  case TUPLET_NODE_BOOL_OBJECT: status = napi_get_boolean(env, node->as.boolean, &primitive); break;
  case TUPLET_NODE_NUMBER_OBJECT: status = napi_create_double(env, node->as.number, &primitive); break;
  case TUPLET_NODE_STRING_OBJECT: status = tp_js_text_make(env, node->as.string, &primitive); break;
  default: status = make_bigint(env, node, &primitive);
  }
  return status != napi_ok ? status : napi_coerce_to_object(env, primitive, ret_value);
}

static napi_status make_regexp(napi_env env, const tuplet_node *node, napi_value *ret_value) {
  static const struct {
    uint32_t bit;
    char letter;
  } FLAGS[] = {{TUPLET_REGEXP_D, 'd'}, {TUPLET_REGEXP_G, 'g'}, {TUPLET_REGEXP_I, 'i'},
               {TUPLET_REGEXP_L, 'l'}, {TUPLET_REGEXP_M, 'm'}, {TUPLET_REGEXP_S, 's'},
               {TUPLET_REGEXP_U, 'u'}, {TUPLET_REGEXP_V, 'v'}, {TUPLET_REGEXP_Y, 'y'}};
  char flags[sizeof FLAGS / sizeof *FLAGS];
  size_t count = 0;
  for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++) {
    if ((node->as.regexp.flags & FLAGS[i].bit) != 0) flags[count++] = FLAGS[i].letter;
  }
  napi_value arguments[2];
  napi_status status = tp_js_text_make(env, node->as.regexp.source, &arguments[0]);
  if (status == napi_ok) status = napi_create_string_latin1(env, flags, count, &arguments[1]);
  return status != napi_ok ? status : construct(env, "RegExp", 2, arguments, ret_value);
}

/* Copies the bytes of a node into its ArrayBuffer, which is what a constructor has made of its size. */
static napi_status fill_buffer(napi_env env, const tuplet_node *node, napi_value buffer) {
  void *bytes;
  size_t size;
  napi_status status = napi_get_arraybuffer_info(env, buffer, &bytes, &size);
  if (status == napi_ok && size != node->as.buffer.size) status = napi_invalid_arg;
  if (status == napi_ok && size > 0) memcpy(bytes, node->as.buffer.data, size);
  return status;
}

static napi_status make_resizable_buffer(napi_env env, const tuplet_node *node, napi_value *ret_value) {
  napi_value arguments[2], size_max, resizable;
  bool is_resizable = false;
  napi_status status = make_size(env, node->as.buffer.size, &arguments[0]);
  if (status == napi_ok) status = napi_create_object(env, &arguments[1]);
  if (status == napi_ok) status = make_size(env, node->as.buffer.size_max, &size_max);
  if (status == napi_ok) status = napi_set_named_property(env, arguments[1], "maxByteLength", size_max);
  if (status == napi_ok) status = construct(env, "ArrayBuffer", 2, arguments, ret_value);
  if (status == napi_ok) status = napi_get_named_property(env, *ret_value, "resizable", &resizable);
  if (status != napi_ok) return status;
  (void)napi_get_value_bool(env, resizable, &is_resizable); /* else it is undefined */
  return is_resizable ? fill_buffer(env, node, *ret_value) : throw_unknown(env, "maxByteLength");
}

static napi_status make_buffer(napi_env env, const tuplet_node *node, napi_value *ret_value) {
  if (node->as.buffer.resizable) return make_resizable_buffer(env, node, ret_value);
  void *bytes;
  size_t size = node->as.buffer.size;
  napi_status status = napi_create_arraybuffer(env, size, &bytes, ret_value);
  if (status == napi_ok && size > 0) memcpy(bytes, node->as.buffer.data, size);
  return status;
}

/* ---- Views -------------------------------------------------------------------------------------------- */

typedef struct view_kind {
  tuplet_view_type type;
  size_t element_size;
  const char *name;
} view_kind;

static const view_kind *view_kind_of(tuplet_view_type type) {
  static const view_kind KINDS[] = {
      {TUPLET_VIEW_INT8, 1, "Int8Array"},
      {TUPLET_VIEW_UINT8, 1, "Uint8Array"},
      {TUPLET_VIEW_UINT8_CLAMPED, 1, "Uint8ClampedArray"},
      {TUPLET_VIEW_INT16, 2, "Int16Array"},
      {TUPLET_VIEW_UINT16, 2, "Uint16Array"},
      {TUPLET_VIEW_INT32, 4, "Int32Array"},
      {TUPLET_VIEW_UINT32, 4, "Uint32Array"},
      {TUPLET_VIEW_FLOAT16, 2, "Float16Array"},
      {TUPLET_VIEW_FLOAT32, 4, "Float32Array"},
      {TUPLET_VIEW_FLOAT64, 8, "Float64Array"},
      {TUPLET_VIEW_BIGINT64, 8, "BigInt64Array"},
      {TUPLET_VIEW_BIGUINT64, 8, "BigUint64Array"},
      {TUPLET_VIEW_DATA, 1, "DataView"},
  };
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
    if (KINDS[i].type == type) return &KINDS[i];
  }
  return NULL;
}

static napi_status resize(napi_env env, napi_value buffer, size_t size) {
  napi_value resizer, argument;
  napi_status status = napi_get_named_property(env, buffer, "resize", &resizer);
  if (status == napi_ok) status = make_size(env, size, &argument);
  return status != napi_ok ? status : napi_call_function(env, buffer, resizer, 1, &argument, NULL);
}

/* A view that tracks the length of its buffer. Some constructors refuse one whose last element is incomplete,
 * as can come about by resizing: then the buffer is shorter while it is made. */
static napi_status make_tracking_view(maker *m, const view_kind *kind, const tuplet_node *buffer,
                                      const napi_value *arguments, napi_value *ret_value) {
  size_t size = buffer->as.buffer.size;
  size_t incomplete = size % kind->element_size; /* the offset is aligned */
  napi_status status = incomplete == 0 ? napi_ok : resize(m->env, arguments[0], size - incomplete);
  if (status == napi_ok) status = construct(m->env, kind->name, 2, arguments, ret_value);
  if (status != napi_ok || incomplete == 0) return status;
  status = resize(m->env, arguments[0], size);
  return status == napi_ok ? fill_buffer(m->env, buffer, arguments[0]) : status; /* its end was lost */
}

/* By the constructors, and not by Node-API's own functions, for these know neither views that track the
 * length of their buffer nor Float16Array. */
static napi_status make_view(maker *m, const tuplet_node *node, napi_value *ret_value) {
  const view_kind *kind = view_kind_of(node->as.view.type);
  if (kind == NULL) return napi_invalid_arg;
  napi_value arguments[3];
  napi_status status = make(m, node->as.view.buffer, &arguments[0]);
  if (status == napi_ok) status = make_size(m->env, node->as.view.offset, &arguments[1]);
  if (status == napi_ok) status = make_size(m->env, node->as.view.size / kind->element_size, &arguments[2]);
  if (status != napi_ok) return status;
  return node->as.view.length_tracking
             ? make_tracking_view(m, kind, node->as.view.buffer, arguments, ret_value)
             : construct(m->env, kind->name, 3, arguments, ret_value);
}

/* ---- Errors ------------------------------------------------------------------------------------------- */

static const char *error_name(tuplet_error_type type) {
  switch (type) {
  case TUPLET_ERROR_EVAL: return "EvalError";
  case TUPLET_ERROR_RANGE: return "RangeError";
  case TUPLET_ERROR_REFERENCE: return "ReferenceError";
  case TUPLET_ERROR_SYNTAX: return "SyntaxError";
  case TUPLET_ERROR_TYPE: return "TypeError";
  case TUPLET_ERROR_URI: return "URIError";
  case TUPLET_ERROR_PLAIN: break;
  }
  return "Error";
}

/* All but its cause, which may lead back to it. The stack of the place where it was made is always replaced.
 */
static napi_status make_error(maker *m, const tuplet_node *node, napi_value *ret_value) {
  napi_value message, stack;
  napi_status status = napi_get_undefined(m->env, &message);
  if (status == napi_ok && node->as.error.message != NULL) status = make(m, node->as.error.message, &message);
  if (status == napi_ok) status = construct(m->env, error_name(node->as.error.type), 1, &message, ret_value);
  if (status == napi_ok) status = napi_get_undefined(m->env, &stack);
  if (status == napi_ok && node->as.error.stack != NULL) status = make(m, node->as.error.stack, &stack);
  return status != napi_ok ? status : napi_set_named_property(m->env, *ret_value, "stack", stack);
}

/* ---- Containers --------------------------------------------------------------------------------------- */

static napi_status make_array(maker *m, const tuplet_node *node, napi_value *ret_value) {
  uint32_t length = node->as.array.length;
  size_t holes = length - node->as.array.count;
  if (holes <= m->holes_left) {
    m->holes_left -= (uint32_t)holes;
    return napi_create_array_with_length(m->env, length, ret_value);
  }
  /* At its greatest length an array becomes a table of the elements that are there, and stays one. */
  napi_value number;
  napi_status status = napi_create_array(m->env, ret_value);
  if (status == napi_ok) status = napi_create_uint32(m->env, UINT32_MAX, &number);
  if (status == napi_ok) status = napi_set_named_property(m->env, *ret_value, "length", number);
  if (status == napi_ok) status = napi_create_uint32(m->env, length, &number);
  return status != napi_ok ? status : napi_set_named_property(m->env, *ret_value, "length", number);
}

/* Defined, not set: "__proto__" is a property like any other. */
static napi_status define(maker *m, napi_value object, napi_value name, napi_value value,
                          napi_property_attributes attributes) {
  napi_property_descriptor property = {.name = name, .value = value, .attributes = attributes};
  return napi_define_properties(m->env, object, 1, &property);
}

static napi_status fill_pairs(maker *m, napi_value object, const tuplet_pair *pairs, size_t count) {
  napi_status status = napi_ok;
  for (size_t i = 0; i < count && status == napi_ok; i++) {
    napi_value name, value;
    const tuplet_node *key = pairs[i].key;
    status = make(m, pairs[i].value, &value);
    if (status == napi_ok && key->type == TUPLET_NODE_NUMBER) {
      status = napi_set_element(m->env, object, (uint32_t)key->as.number, value);
    } else if (status == napi_ok) {
      status = tp_js_text_make(m->env, key->as.string, &name);
      if (status == napi_ok) status = define(m, object, name, value, napi_default_jsproperty);
    }
  }
  return status;
}

static napi_status fill_array(maker *m, const tuplet_node *node, napi_value array) {
  napi_status status = napi_ok;
  for (size_t i = 0; i < node->as.array.count && status == napi_ok; i++) {
    napi_value item;
    if (node->as.array.items[i] == NULL) continue;
    status = make(m, node->as.array.items[i], &item);
    if (status == napi_ok) status = napi_set_element(m->env, array, (uint32_t)i, item);
  }
  if (status != napi_ok) return status;
  return fill_pairs(m, array, node->as.array.properties, node->as.array.property_count);
}

static napi_status fill_map(maker *m, const tuplet_node *node, napi_value map) {
  napi_value set, arguments[2];
  napi_status status = napi_get_named_property(m->env, map, "set", &set);
  for (size_t i = 0; i < node->as.map.count && status == napi_ok; i++) {
    status = make(m, node->as.map.pairs[i].key, &arguments[0]);
    if (status == napi_ok) status = make(m, node->as.map.pairs[i].value, &arguments[1]);
    if (status == napi_ok) status = napi_call_function(m->env, map, set, 2, arguments, NULL);
  }
  return status;
}

static napi_status fill_set(maker *m, const tuplet_node *node, napi_value set) {
  napi_value add, item;
  napi_status status = napi_get_named_property(m->env, set, "add", &add);
  for (size_t i = 0; i < node->as.set.count && status == napi_ok; i++) {
    status = make(m, node->as.set.items[i], &item);
    if (status == napi_ok) status = napi_call_function(m->env, set, add, 1, &item, NULL);
  }
  return status;
}

static napi_status fill_error(maker *m, const tuplet_node *node, napi_value error) {
  napi_value name, cause;
  napi_status status = napi_create_string_latin1(m->env, "cause", NAPI_AUTO_LENGTH, &name);
  if (status == napi_ok) status = make(m, node->as.error.cause, &cause);
  if (status != napi_ok) return status;
  return define(m, error, name, cause, napi_writable | napi_configurable);
}

static napi_status fill(maker *m, unfilled container) {
  const tuplet_node *node = container.node;
  switch (node->type) {
  case TUPLET_NODE_OBJECT: return fill_pairs(m, container.value, node->as.map.pairs, node->as.map.count);
  case TUPLET_NODE_ARRAY: return fill_array(m, node, container.value);
  case TUPLET_NODE_MAP: return fill_map(m, node, container.value);
  case TUPLET_NODE_SET: return fill_set(m, node, container.value);
  default: return fill_error(m, node, container.value);
  }
}

static bool needs_filling(const tuplet_node *node) {
  switch (node->type) {
  case TUPLET_NODE_OBJECT:
  case TUPLET_NODE_MAP: return node->as.map.count > 0;
  case TUPLET_NODE_ARRAY: return node->as.array.count > 0 || node->as.array.property_count > 0;
  case TUPLET_NODE_SET: return node->as.set.count > 0;
  case TUPLET_NODE_ERROR: return node->as.error.cause != NULL;
  default: return false;
  }
}

static bool queue_add(maker *m, const tuplet_node *node, napi_value value) {
  if (m->queue_count == m->queue_capacity) {
    size_t capacity = m->queue_capacity == 0 ? 16 : m->queue_capacity * 2;
    unfilled *wider = realloc(m->queue, capacity * sizeof *wider);
    if (wider == NULL) return false;
    m->queue = wider;
    m->queue_capacity = capacity;
  }
  m->queue[m->queue_count++] = (unfilled){node, value};
  return true;
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static napi_status make_object(maker *m, const tuplet_node *node, napi_value *ret_value) {
  switch (node->type) {
  case TUPLET_NODE_DATE: return napi_create_date(m->env, node->as.number, ret_value);
  case TUPLET_NODE_BOOL_OBJECT:
  case TUPLET_NODE_NUMBER_OBJECT:
  case TUPLET_NODE_BIGINT_OBJECT:
  case TUPLET_NODE_STRING_OBJECT: return make_boxed(m->env, node, ret_value);
  case TUPLET_NODE_REGEXP: return make_regexp(m->env, node, ret_value);
  case TUPLET_NODE_OBJECT: return napi_create_object(m->env, ret_value);
  case TUPLET_NODE_ARRAY: return make_array(m, node, ret_value);
  case TUPLET_NODE_MAP: return construct(m->env, "Map", 0, NULL, ret_value);
  case TUPLET_NODE_SET: return construct(m->env, "Set", 0, NULL, ret_value);
  case TUPLET_NODE_BUFFER: return make_buffer(m->env, node, ret_value);
  case TUPLET_NODE_VIEW: return make_view(m, node, ret_value);
  case TUPLET_NODE_ERROR: return make_error(m, node, ret_value);
  default: return napi_invalid_arg;
  }
}

/* Containers still empty: they wait in the queue. */
static napi_status make(maker *m, const tuplet_node *node, napi_value *ret_value) {
  switch (node->type) {
  case TUPLET_NODE_UNDEFINED: return napi_get_undefined(m->env, ret_value);
  case TUPLET_NODE_NULL: return napi_get_null(m->env, ret_value);
  case TUPLET_NODE_BOOL: return napi_get_boolean(m->env, node->as.boolean, ret_value);
  case TUPLET_NODE_NUMBER: return napi_create_double(m->env, node->as.number, ret_value);
  case TUPLET_NODE_BIGINT: return make_bigint(m->env, node, ret_value);
  case TUPLET_NODE_STRING: return tp_js_text_make(m->env, node->as.string, ret_value);
  default: break;
  }
  napi_value made = tp_js_node_map_get(&m->objects, node);
  if (made != NULL) {
    *ret_value = made;
    return napi_ok;
  }
  napi_status status = make_object(m, node, ret_value);
  if (status != napi_ok) return status;
  if (!tp_js_node_map_add(&m->objects, node, *ret_value)) return napi_generic_failure;
  return needs_filling(node) && !queue_add(m, node, *ret_value) ? napi_generic_failure : napi_ok;
}

napi_status tp_js_tree_make(napi_env env, const tuplet_node *root, napi_value *ret_value) {
  maker m = {.env = env, .holes_left = HOLES_WITH_ROOM_MAX};
  napi_status status = make(&m, root, ret_value);
  while (status == napi_ok && m.queue_count > 0) status = fill(&m, m.queue[--m.queue_count]);
  tp_js_node_map_done(&m.objects);
  free(m.queue);
  return status;
}

/* text_new.c: the parser's part for constructors: new Date("..."), new Map([...]), new Uint8Array([...]). */
#include "base/status.h"
#include "codec/text_date.h"
#include "codec/text_leaf.h"
#include "codec/text_parse.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* JavaScript's largest integer that is exact; more than any buffer can have. */
static const double SIZE_NUMBER_MAX = 9007199254740991.0;

/* ---- Arguments ---- */

/* A whole number from 0 to max. */
static tuplet_status parse_size(tp_parser *p, double max, const char *expected, double *ret_number) {
  if (p->lexer.token.type != TP_TOKEN_NUMBER) return tp_lexer_fail(&p->lexer, expected);
  double number = p->lexer.token.number;
  if (!(number <= max) || number != trunc(number)) return tp_lexer_fail(&p->lexer, expected);
  *ret_number = number;
  return tp_lexer_next(&p->lexer);
}

static tuplet_status close_call(tp_parser *p) {
  tuplet_status status = tp_parse_separator(p, ')');
  return status == TUPLET_OK ? tp_parse_expect(p, ')') : status;
}

/* A string, whose bytes stay in *ret_node. */
static tuplet_status parse_string(tp_parser *p, const char *expected, tuplet_node **ret_node) {
  if (p->lexer.token.type != TP_TOKEN_STRING) return tp_lexer_fail(&p->lexer, expected);
  tuplet_status status = tp_parse_give(p, tp_tree_string(p->tree, p->lexer.token.text), ret_node);
  return status == TUPLET_OK ? tp_lexer_next(&p->lexer) : status;
}

/* ---- Leaves ---- */

static tuplet_status new_date(tp_parser *p, tuplet_node **ret_value) {
  static const char expected[] =
      "a number, or a date such as \"2023-05-14T00:00:00.000Z\" (a time needs Z or an offset)";
  double unix_ms;
  tuplet_status status;
  if (p->lexer.token.type == TP_TOKEN_STRING) {
    if (!tp_date_from_text(p->lexer.token.text, &unix_ms)) return tp_lexer_fail(&p->lexer, expected);
    status = tp_lexer_next(&p->lexer);
  } else {
    tuplet_node *number = NULL;
    size_t start = p->lexer.token.start;
    status = tp_parse_primitive(p, expected, &number);
    if (status != TUPLET_OK) return status;
    if (number->type != TUPLET_NODE_NUMBER)
      return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, expected);
    unix_ms = number->as.number;
  }
  if (status == TUPLET_OK) status = close_call(p);
  return status == TUPLET_OK ? tp_parse_give(p, tuplet_node_date(p->tree, unix_ms), ret_value) : status;
}

/* new Boolean(true), new Number(1), new String("x"): an argument of just that type, nothing is converted. */
static tuplet_status new_boxed(tp_parser *p, tuplet_node_type type, tuplet_node **ret_value) {
  const char *expected = type == TUPLET_NODE_BOOL     ? "true or false"
                         : type == TUPLET_NODE_NUMBER ? "a number"
                                                      : "a string";
  tuplet_node *primitive = NULL;
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_parse_primitive(p, expected, &primitive);
  if (status != TUPLET_OK) return status;
  if (primitive->type != type) return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, expected);
  status = close_call(p);
  return status == TUPLET_OK ? tp_parse_give(p, tuplet_node_boxed(p->tree, primitive), ret_value) : status;
}

static tuplet_status new_regexp(tp_parser *p, tuplet_node **ret_value) {
  static const char expected[] = "flags out of dgimsuvy, none twice, not u with v";
  tuplet_node *source = NULL;
  uint32_t flags = 0;
  tuplet_status status = parse_string(p, "the expression's source as a string", &source);
  if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK && p->lexer.token.type == TP_TOKEN_STRING) {
    bool valid = tp_regexp_flags_from_text(p->lexer.token.text, &flags);
    if (!valid || (flags & (TUPLET_REGEXP_U | TUPLET_REGEXP_V)) == (TUPLET_REGEXP_U | TUPLET_REGEXP_V))
      return tp_lexer_fail(&p->lexer, expected);
    status = tp_lexer_next(&p->lexer);
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  if (status != TUPLET_OK) return status;
  assert(source != NULL);
  tuplet_node *node = tuplet_node_regexp(p->tree, source->as.string.data, source->as.string.size, flags);
  return tp_parse_give(p, node, ret_value);
}

static tuplet_status new_array(tp_parser *p, tuplet_node **ret_value) {
  double length = 0;
  tuplet_status status = TUPLET_OK;
  if (!tp_parse_at(p, ')')) {
    status = parse_size(p, UINT32_MAX, "an array's length, at most 4294967295", &length);
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  if (status != TUPLET_OK) return status;
  return tp_parse_give(p, tuplet_node_array(p->tree, (uint32_t)length), ret_value);
}

static tuplet_status new_kvu64(tp_parser *p, tuplet_node **ret_value) {
  static const char expected[] = "a BigInt from 0n to 18446744073709551615n";
  tuplet_node *bigint = NULL;
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_parse_primitive(p, expected, &bigint);
  if (status != TUPLET_OK) return status;
  bool valid = bigint->type == TUPLET_NODE_BIGINT && !bigint->as.bigint.negative &&
               bigint->as.bigint.little_endian.size <= sizeof(uint64_t);
  if (!valid) return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, expected);
  const uint8_t *bytes = bigint->as.bigint.little_endian.data;
  uint64_t number = 0;
  for (size_t i = 0; i < bigint->as.bigint.little_endian.size; i++) number |= (uint64_t)bytes[i] << (8 * i);
  status = close_call(p);
  return status == TUPLET_OK ? tp_parse_give(p, tuplet_node_kvu64(p->tree, number), ret_value) : status;
}

/* ---- Buffers and views ---- */

/* `size` zeros in p->scratch, against the text's allowance. */
static tuplet_status reserve_zeros(tp_parser *p, double size, tuplet_bytes *ret_zeros) {
  if (size > (double)p->zeros_left)
    return tp_fail(p->error, TUPLET_LIMIT, "buffers of zeros in a text may take no more than %d bytes in all",
                   TP_TEXT_ZEROS_MAX);
  p->zeros_left -= (size_t)size;
  tp_buffer_clear(&p->scratch);
  size_t count = (size_t)size;
  uint8_t *zeros = tp_buffer_reserve(&p->scratch, count);
  if (count > 0) {
    if (zeros == NULL) return tp_fail_nomem(p->error);
    memset(zeros, 0, count);
  }
  *ret_zeros = (tuplet_bytes){zeros, count};
  return TUPLET_OK;
}

/* new ArrayBuffer(8), new ArrayBuffer(8, {maxByteLength: 16}) */
static tuplet_status new_buffer(tp_parser *p, tuplet_node **ret_value) {
  double size = 0, size_max = -1;
  tuplet_status status = parse_size(p, SIZE_NUMBER_MAX, "a length in bytes", &size);
  if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK && tp_parse_at(p, '{')) {
    status = tp_lexer_next(&p->lexer);
    if (status == TUPLET_OK) status = tp_parse_expect_name(p, "maxByteLength");
    if (status == TUPLET_OK) status = tp_parse_expect(p, ':');
    size_t start = p->lexer.token.start, end = p->lexer.token.end;
    if (status == TUPLET_OK) status = parse_size(p, SIZE_NUMBER_MAX, "a length in bytes", &size_max);
    if (status == TUPLET_OK && size_max < size)
      return tp_lexer_fail_at(&p->lexer, start, end, "a maximum that is no less than the length");
    if (status == TUPLET_OK) status = tp_parse_separator(p, '}');
    if (status == TUPLET_OK) status = tp_parse_expect(p, '}');
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  tuplet_bytes zeros;
  if (status == TUPLET_OK) status = reserve_zeros(p, size, &zeros);
  if (status != TUPLET_OK) return status;
  tuplet_node *node = size_max < 0 ? tuplet_node_buffer(p->tree, zeros)
                                   : tuplet_node_resizable_buffer(p->tree, zeros, (size_t)size_max);
  return tp_parse_give(p, node, ret_value);
}

/* A view of all of a new buffer with these bytes; of that the buffer, where ".buffer" follows. */
static tuplet_status give_view(tp_parser *p, const tp_view_kind *kind, tuplet_bytes bytes,
                               tuplet_node **ret_value) {
  tuplet_node *buffer = tuplet_node_buffer(p->tree, bytes);
  if (buffer == NULL) return tp_fail_nomem(p->error);
  if (!tp_parse_at(p, '.'))
    return tp_parse_give(p, tuplet_node_view(p->tree, kind->type, buffer, 0, bytes.size, false), ret_value);
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect_name(p, "buffer");
  return status == TUPLET_OK ? tp_parse_give(p, buffer, ret_value) : status;
}

/* new Uint8Array(), ([1, 2]), (16), (buffer, offset, length): behind the parenthesis. */
static tuplet_status new_view(tp_parser *p, const tp_view_kind *kind, size_t start, tuplet_node **ret_value) {
  tuplet_status status = TUPLET_OK;
  tuplet_bytes bytes = {0};
  bool is_data = kind->type == TUPLET_VIEW_DATA;
  if (!is_data && tp_parse_at(p, '[')) {
    status = tp_parse_elements(p, kind, '[', ']');
    bytes = tp_buffer_view(&p->scratch);
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  } else if (!is_data && p->lexer.token.type == TP_TOKEN_NUMBER) {
    double count = 0;
    status = parse_size(p, SIZE_NUMBER_MAX, "a number of elements", &count);
    if (status == TUPLET_OK)
      status = reserve_zeros(p, count * (double)tp_view_element_size(kind->type), &bytes);
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  } else if (is_data || !tp_parse_at(p, ')')) {
    status = tp_parse_push(p, TP_PARSE_BUFFER, NULL, start);
    if (status == TUPLET_OK) tp_parse_top(p)->kind = kind;
    return status;
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  return status == TUPLET_OK ? give_view(p, kind, bytes, ret_value) : status;
}

tuplet_status tp_parse_view_factory(tp_parser *p, const tp_view_kind *kind, tuplet_node **ret_value) {
  if (kind->type == TUPLET_VIEW_DATA) return tp_lexer_fail(&p->lexer, "new before DataView");
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '.');
  if (status != TUPLET_OK) return status;
  bool of = tp_parse_at_name(p, "of");
  if (!of && !tp_parse_at_name(p, "from")) return tp_lexer_fail(&p->lexer, "from or of");
  status = tp_lexer_next(&p->lexer);
  if (of) {
    if (status == TUPLET_OK) status = tp_parse_elements(p, kind, '(', ')');
  } else {
    if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
    if (status == TUPLET_OK) status = tp_parse_elements(p, kind, '[', ']');
    if (status == TUPLET_OK) status = close_call(p);
  }
  return status == TUPLET_OK ? give_view(p, kind, tp_buffer_view(&p->scratch), ret_value) : status;
}

/* The bounds of a view, behind its buffer: offset in bytes, length in elements, the rest of the buffer
 * without. */
static tuplet_status parse_bounds(tp_parser *p, const tp_view_kind *kind, const tuplet_node *buffer,
                                  double *ret_offset, double *ret_size) {
  double element_size = (double)tp_view_element_size(kind->type), room = (double)buffer->as.buffer.size;
  double offset = 0, size = -1;
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK && !tp_parse_at(p, ')')) {
    start = p->lexer.token.start;
    status = parse_size(p, room, "an offset in bytes, within the buffer", &offset);
    if (status == TUPLET_OK && fmod(offset, element_size) != 0)
      return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start,
                              "an offset that is a multiple of the element's size");
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  }
  if (status == TUPLET_OK && !tp_parse_at(p, ')')) {
    status = parse_size(p, floor((room - offset) / element_size), "a number of elements that fits the buffer",
                        &size);
    size *= element_size;
    if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  }
  if (status == TUPLET_OK && size < 0 && !buffer->as.buffer.resizable &&
      fmod(room - offset, element_size) != 0)
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.end,
                            "a buffer whose length is a multiple of the element's size");
  *ret_offset = offset;
  *ret_size = size;
  return status == TUPLET_OK ? tp_parse_expect(p, ')') : status;
}

tuplet_status tp_parse_take_buffer(tp_parser *p, tuplet_node **ret_value) {
  tp_parse_frame frame = *tp_parse_top(p);
  tuplet_node *buffer = *ret_value;
  tp_parse_pop(p);
  if (buffer->type != TUPLET_NODE_BUFFER)
    return tp_lexer_fail_at(&p->lexer, frame.start, p->lexer.token.start,
                            "a view of an ArrayBuffer, or of [elements]");
  double offset = 0, size = 0;
  tuplet_status status = parse_bounds(p, frame.kind, buffer, &offset, &size);
  if (status != TUPLET_OK) return status;
  bool tracking = size < 0 && buffer->as.buffer.resizable;
  if (size < 0) size = (double)buffer->as.buffer.size - offset;
  tuplet_node *node =
      tuplet_node_view(p->tree, frame.kind->type, buffer, (size_t)offset, (size_t)size, tracking);
  return tp_parse_give(p, node, ret_value);
}

/* ---- Map and Set ---- */

/* new Map(), new Map([...]): behind the parenthesis, up to the first entry. */
static tuplet_status new_collection(tp_parser *p, tuplet_node *node, tp_parse_state state,
                                    tuplet_node **ret_value) {
  if (node == NULL) return tp_fail_nomem(p->error);
  if (tp_parse_at(p, ')')) {
    *ret_value = node;
    return tp_lexer_next(&p->lexer);
  }
  tuplet_status status = tp_parse_push(p, state, node, p->lexer.token.start);
  return status == TUPLET_OK ? tp_parse_expect(p, '[') : status;
}

/* Before an entry: the end, if it is there. */
static tuplet_status next_entry(tp_parser *p, tuplet_node **ret_value) {
  bool is_map = tp_parse_top(p)->state == TP_PARSE_MAP_KEY;
  if (!tp_parse_at(p, ']')) return is_map ? tp_parse_expect(p, '[') : TUPLET_OK;
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = close_call(p);
  *ret_value = tp_parse_top(p)->node;
  tp_parse_pop(p);
  return status;
}

tuplet_status tp_parse_take_map(tp_parser *p, tuplet_node **ret_value) {
  tp_parse_frame *frame = tp_parse_top(p);
  tuplet_node *value = *ret_value;
  *ret_value = NULL;
  if (frame->state == TP_PARSE_MAP_KEY) {
    frame->key = value;
    frame->state = TP_PARSE_MAP_VALUE;
    return tp_parse_expect(p, ',');
  }
  frame->state = TP_PARSE_MAP_KEY;
  if (tuplet_node_map_set(p->tree, frame->node, frame->key, value) != TUPLET_OK)
    return tp_fail_nomem(p->error);
  tuplet_status status = tp_parse_separator(p, ']');
  if (status == TUPLET_OK) status = tp_parse_expect(p, ']');
  if (status == TUPLET_OK) status = tp_parse_separator(p, ']');
  return status == TUPLET_OK ? next_entry(p, ret_value) : status;
}

tuplet_status tp_parse_take_set(tp_parser *p, tuplet_node **ret_value) {
  tuplet_node *item = *ret_value;
  *ret_value = NULL;
  if (tuplet_node_set_add(p->tree, tp_parse_top(p)->node, item) != TUPLET_OK) return tp_fail_nomem(p->error);
  tuplet_status status = tp_parse_separator(p, ']');
  return status == TUPLET_OK ? next_entry(p, ret_value) : status;
}

static tuplet_status new_map(tp_parser *p, tuplet_node **ret_value) {
  tuplet_status status = new_collection(p, tuplet_node_map(p->tree), TP_PARSE_MAP_KEY, ret_value);
  return status == TUPLET_OK && *ret_value == NULL ? next_entry(p, ret_value) : status;
}

static tuplet_status new_set(tp_parser *p, tuplet_node **ret_value) {
  tuplet_status status = new_collection(p, tuplet_node_set(p->tree), TP_PARSE_SET_ITEM, ret_value);
  return status == TUPLET_OK && *ret_value == NULL ? next_entry(p, ret_value) : status;
}

/* ---- Errors ---- */

/* new Error(), ("message"), ("message", {cause: ...}), (undefined, {cause: ...}): behind the parenthesis. */
static tuplet_status new_error(tp_parser *p, tuplet_error_type type, tuplet_node **ret_value) {
  tuplet_node *message = NULL;
  tuplet_status status = TUPLET_OK;
  bool options = false;
  if (tp_parse_at_name(p, "undefined")) {
    status = tp_lexer_next(&p->lexer);
  } else if (!tp_parse_at(p, ')')) {
    status = parse_string(p, "a string or undefined as the error's message", &message);
  }
  if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK && tp_parse_at(p, '{')) {
    status = tp_lexer_next(&p->lexer);
    options = status == TUPLET_OK && !tp_parse_at(p, '}');
    if (options) {
      status = tp_parse_expect_name(p, "cause");
      if (status == TUPLET_OK) status = tp_parse_expect(p, ':');
    } else if (status == TUPLET_OK) {
      status = tp_lexer_next(&p->lexer);
      if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
    }
  }
  if (status == TUPLET_OK && !options) status = tp_parse_expect(p, ')');
  if (status != TUPLET_OK) return status;
  tuplet_node *node = tuplet_node_error(p->tree, type, message, NULL, NULL);
  if (node == NULL) return tp_fail_nomem(p->error);
  if (options) return tp_parse_push(p, TP_PARSE_CAUSE, node, p->lexer.token.start);
  *ret_value = node;
  return TUPLET_OK;
}

tuplet_status tp_parse_take_cause(tp_parser *p, tuplet_node **ret_value) {
  tuplet_node *node = tp_parse_top(p)->node;
  node->as.error.cause = *ret_value;
  *ret_value = node;
  tp_parse_pop(p);
  tuplet_status status = tp_parse_separator(p, '}');
  if (status == TUPLET_OK) status = tp_parse_expect(p, '}');
  return status == TUPLET_OK ? close_call(p) : status;
}

/* ---- new ---- */

static tuplet_status new_boolean(tp_parser *p, tuplet_node **ret_value) {
  return new_boxed(p, TUPLET_NODE_BOOL, ret_value);
}

static tuplet_status new_number(tp_parser *p, tuplet_node **ret_value) {
  return new_boxed(p, TUPLET_NODE_NUMBER, ret_value);
}

static tuplet_status new_string(tp_parser *p, tuplet_node **ret_value) {
  return new_boxed(p, TUPLET_NODE_STRING, ret_value);
}

/* Each begins behind the parenthesis. */
static const struct {
  const char *name;
  tuplet_status (*begin)(tp_parser *p, tuplet_node **ret_value);
} constructors[] = {
    {"Array", new_array},  {"ArrayBuffer", new_buffer}, {"Boolean", new_boolean}, {"Date", new_date},
    {"Map", new_map},      {"Number", new_number},      {"RegExp", new_regexp},   {"Set", new_set},
    {"String", new_string}};

enum { CONSTRUCTOR_COUNT = sizeof constructors / sizeof constructors[0] };

/* Steps over the constructor's name and the parenthesis. */
static tuplet_status open_call(tp_parser *p) {
  tuplet_status status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? tp_parse_expect(p, '(') : status;
}

static tuplet_status begin_kvu64(tp_parser *p, tuplet_node **ret_value) {
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '.');
  if (status == TUPLET_OK && !tp_parse_at_name(p, "KvU64")) return tp_lexer_fail(&p->lexer, "KvU64");
  if (status == TUPLET_OK) status = open_call(p);
  return status == TUPLET_OK ? new_kvu64(p, ret_value) : status;
}

tuplet_status tp_parse_new(tp_parser *p, tuplet_node **ret_value) {
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK) return status;
  if (p->lexer.token.type == TP_TOKEN_NAME) {
    if (tp_parse_at_name(p, "Deno")) return begin_kvu64(p, ret_value);
    for (size_t i = 0; i < CONSTRUCTOR_COUNT; i++) {
      if (!tp_parse_at_name(p, constructors[i].name)) continue;
      status = open_call(p);
      return status == TUPLET_OK ? constructors[i].begin(p, ret_value) : status;
    }
    const tp_view_kind *kind = tp_view_kind_named(p->lexer.token.text);
    if (kind != NULL) {
      status = open_call(p);
      return status == TUPLET_OK ? new_view(p, kind, start, ret_value) : status;
    }
    tuplet_error_type type;
    if (tp_error_type_named(p->lexer.token.text, &type)) {
      status = open_call(p);
      return status == TUPLET_OK ? new_error(p, type, ret_value) : status;
    }
  }
  return tp_lexer_fail(&p->lexer, "a constructor: Date, Map, Set, Uint8Array, Error ...");
}

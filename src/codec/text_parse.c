/* text_parse.c: JavaScript text as a tree: literals, arrays, objects, and what drives the whole.
 * docs/values.md describes the language. It is no evaluator: a text means a value or is refused. */
#include "codec/text_parse.h"

#include "base/hex.h"
#include "base/status.h"
#include "codec/bigint.h"
#include "codec/text_leaf.h"

#include <math.h>
#include <string.h>

static const char a_value[] = "a value";

/* ---- Small steps ---- */

bool tp_parse_at(const tp_parser *p, int punctuator) {
  return p->lexer.token.type == TP_TOKEN_PUNCTUATOR && p->lexer.token.punctuator == punctuator;
}

bool tp_parse_at_name(const tp_parser *p, const char *name) {
  return p->lexer.token.type == TP_TOKEN_NAME && tp_text_equals(p->lexer.token.text, name);
}

tuplet_status tp_parse_expect(tp_parser *p, int punctuator) {
  if (tp_parse_at(p, punctuator)) return tp_lexer_next(&p->lexer);
  char expected[] = "?";
  expected[0] = (char)punctuator;
  return tp_lexer_fail(&p->lexer, punctuator == TP_PUNCTUATOR_ARROW ? "=>" : expected);
}

tuplet_status tp_parse_expect_name(tp_parser *p, const char *name) {
  return tp_parse_at_name(p, name) ? tp_lexer_next(&p->lexer) : tp_lexer_fail(&p->lexer, name);
}

tuplet_status tp_parse_separator(tp_parser *p, int closing) {
  if (tp_parse_at(p, ',')) return tp_lexer_next(&p->lexer);
  if (tp_parse_at(p, closing)) return TUPLET_OK;
  char expected[] = ", or ?";
  expected[sizeof expected - 2] = (char)closing;
  return tp_lexer_fail(&p->lexer, expected);
}

tuplet_status tp_parse_push(tp_parser *p, tp_parse_state state, tuplet_node *node, size_t start) {
  tp_parse_frame frame = {.state = state, .node = node, .start = start};
  tp_buffer_append(&p->frames, &frame, sizeof frame);
  return p->frames.failed ? tp_fail_nomem(p->error) : TUPLET_OK;
}

tp_parse_frame *tp_parse_top(tp_parser *p) {
  return (tp_parse_frame *)(void *)(p->frames.data + p->frames.size) - 1;
}

void tp_parse_pop(tp_parser *p) {
  p->frames.size -= sizeof(tp_parse_frame);
}

tuplet_status tp_parse_give(tp_parser *p, tuplet_node *node, tuplet_node **ret_value) {
  if (node == NULL) return tp_fail_nomem(p->error);
  *ret_value = node;
  return TUPLET_OK;
}

/* Pops the top frame and gives what it built. */
static tuplet_status finish(tp_parser *p, tuplet_node **ret_value) {
  *ret_value = tp_parse_top(p)->node;
  tp_parse_pop(p);
  return TUPLET_OK;
}

/* ---- Primitives ---- */

static tuplet_status parse_bigint(tp_parser *p, bool negative, tuplet_node **ret_value) {
  tp_buffer_clear(&p->scratch);
  tuplet_bytes digits = p->lexer.token.text;
  tuplet_status status = tp_bigint_from_text(digits.data, digits.size, &p->scratch, p->error);
  if (status == TUPLET_SYNTAX) return tp_lexer_fail(&p->lexer, "a BigInt");
  if (status == TUPLET_OK)
    status = tp_parse_give(p, tuplet_node_bigint(p->tree, negative, tp_buffer_view(&p->scratch)), ret_value);
  return status == TUPLET_OK ? tp_lexer_next(&p->lexer) : status;
}

static tuplet_status parse_number(tp_parser *p, const char *expected, bool negative, double *ret_number) {
  double number;
  if (p->lexer.token.type == TP_TOKEN_NUMBER) {
    number = p->lexer.token.number;
  } else if (tp_parse_at_name(p, "Infinity")) {
    number = (double)INFINITY;
  } else if (tp_parse_at_name(p, "NaN")) {
    number = (double)NAN;
  } else {
    return tp_lexer_fail(&p->lexer, expected);
  }
  *ret_number = negative ? -number : number;
  return tp_lexer_next(&p->lexer);
}

static tuplet_status parse_sign(tp_parser *p, bool *ret_signed, bool *ret_negative) {
  *ret_negative = tp_parse_at(p, '-');
  *ret_signed = *ret_negative || tp_parse_at(p, '+');
  return *ret_signed ? tp_lexer_next(&p->lexer) : TUPLET_OK;
}

/* undefined, null, true, false; NULL without failing for other names. */
static tuplet_status parse_constant(tp_parser *p, tuplet_node **ret_value) {
  tuplet_node *node;
  if (tp_parse_at_name(p, "undefined")) {
    node = tuplet_node_undefined(p->tree);
  } else if (tp_parse_at_name(p, "null")) {
    node = tuplet_node_null(p->tree);
  } else if (tp_parse_at_name(p, "true") || tp_parse_at_name(p, "false")) {
    node = tuplet_node_bool(p->tree, tp_parse_at_name(p, "true"));
  } else {
    return TUPLET_OK;
  }
  tuplet_status status = tp_parse_give(p, node, ret_value);
  return status == TUPLET_OK ? tp_lexer_next(&p->lexer) : status;
}

tuplet_status tp_parse_primitive(tp_parser *p, const char *expected, tuplet_node **ret_value) {
  bool is_signed, negative;
  tuplet_status status = parse_sign(p, &is_signed, &negative);
  if (status != TUPLET_OK) return status;
  if (p->lexer.token.type == TP_TOKEN_BIGINT && (negative || !is_signed))
    return parse_bigint(p, negative, ret_value);
  if (!is_signed) {
    if (p->lexer.token.type == TP_TOKEN_STRING) {
      status = tp_parse_give(p, tp_tree_string(p->tree, p->lexer.token.text), ret_value);
      return status == TUPLET_OK ? tp_lexer_next(&p->lexer) : status;
    }
    status = parse_constant(p, ret_value);
    if (status != TUPLET_OK || *ret_value != NULL) return status;
  }
  double number = 0;
  status = parse_number(p, is_signed ? "a number" : expected, negative, &number);
  return status == TUPLET_OK ? tp_parse_give(p, tuplet_node_number(p->tree, number), ret_value) : status;
}

static tuplet_status parse_element(tp_parser *p, const tp_view_kind *kind) {
  bool is_signed, negative;
  tuplet_status status = parse_sign(p, &is_signed, &negative);
  if (status != TUPLET_OK) return status;
  if (kind->is_bigint) {
    if (p->lexer.token.type != TP_TOKEN_BIGINT || (is_signed && !negative))
      return tp_lexer_fail(&p->lexer, "a BigInt");
    size_t at = p->scratch.size;
    tuplet_bytes digits = p->lexer.token.text;
    status = tp_bigint_from_text(digits.data, digits.size, &p->scratch, p->error);
    if (status == TUPLET_SYNTAX) return tp_lexer_fail(&p->lexer, "a BigInt");
    if (status != TUPLET_OK) return status;
    uint8_t low[8] = {0}; /* the element is the magnitude modulo 2^64: no more of it counts */
    size_t size = p->scratch.size - at;
    if (size > 0) memcpy(low, p->scratch.data + at, size < sizeof low ? size : sizeof low);
    p->scratch.size = at;
    tp_view_append_bigint(&p->scratch, negative, (tuplet_bytes){low, sizeof low});
    return tp_lexer_next(&p->lexer);
  }
  double number = 0;
  status = parse_number(p, "a number", negative, &number);
  if (status == TUPLET_OK) tp_view_append_number(&p->scratch, kind->type, number);
  return status;
}

tuplet_status tp_parse_elements(tp_parser *p, const tp_view_kind *kind, int opening, int closing) {
  tp_buffer_clear(&p->scratch);
  tuplet_status status = tp_parse_expect(p, opening);
  while (status == TUPLET_OK && !tp_parse_at(p, closing)) {
    status = parse_element(p, kind);
    if (status == TUPLET_OK) status = tp_parse_separator(p, closing);
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, closing);
  return status == TUPLET_OK && p->scratch.failed ? tp_fail_nomem(p->error) : status;
}

static tuplet_status parse_regexp(tp_parser *p, tuplet_node **ret_value) {
  tuplet_bytes source, flags_text;
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_lexer_regexp(&p->lexer, &source, &flags_text);
  if (status != TUPLET_OK) return status;
  uint32_t flags;
  bool valid = tp_regexp_flags_from_text(flags_text, &flags);
  if (!valid || (flags & (TUPLET_REGEXP_U | TUPLET_REGEXP_V)) == (TUPLET_REGEXP_U | TUPLET_REGEXP_V))
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start,
                            "flags out of dgimsuvy, none twice, not u with v");
  return tp_parse_give(p, tuplet_node_regexp(p->tree, source.data, source.size, flags), ret_value);
}

/* ---- Properties ---- */

bool tp_parse_is_proto(const tuplet_node *key) {
  return key->type == TUPLET_NODE_STRING && tp_text_equals(key->as.string, "__proto__");
}

bool tp_parse_has_properties(const tuplet_node *node) {
  return node->type == TUPLET_NODE_OBJECT || node->type == TUPLET_NODE_ARRAY ||
         node->type == TUPLET_NODE_ERROR;
}

static tuplet_status set_error_property(tp_parser *p, tuplet_node *node, const tuplet_node *key, size_t start,
                                        tuplet_node *value) {
  tuplet_node **place = NULL;
  if (key->type == TUPLET_NODE_STRING) {
    if (tp_text_equals(key->as.string, "cause")) place = &node->as.error.cause;
    if (tp_text_equals(key->as.string, "stack")) place = &node->as.error.stack;
    if (tp_text_equals(key->as.string, "message")) place = &node->as.error.message;
  }
  if (place == NULL)
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start,
                            "stack, cause or message as an error's property");
  if (place != &node->as.error.cause && value->type != TUPLET_NODE_STRING)
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start,
                            "a string as an error's stack or message");
  *place = value;
  return TUPLET_OK;
}

tuplet_status tp_parse_add_property(tp_parser *p, tuplet_node *node, tuplet_node *key, size_t start,
                                    tuplet_node *value) {
  if (node->type == TUPLET_NODE_ERROR) return set_error_property(p, node, key, start, value);
  bool is_array = node->type == TUPLET_NODE_ARRAY;
  if (is_array && key->type == TUPLET_NODE_STRING && tp_text_equals(key->as.string, "length"))
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start,
                            "another name (an array has its length already)");
  return tp_tree_add_pair(p->tree, node, key, value) ? TUPLET_OK : tp_fail_nomem(p->error);
}

tuplet_status tp_parse_bracketed_name(tp_parser *p, tuplet_node **ret_key) {
  tuplet_node *key;
  if (p->lexer.token.type == TP_TOKEN_STRING) {
    key = tp_tree_key_of_name(p->tree, p->lexer.token.text);
  } else if (p->lexer.token.type == TP_TOKEN_NUMBER) {
    key = tp_tree_key_of_number(p->tree, p->lexer.token.number);
  } else {
    return tp_lexer_fail(&p->lexer, "a string or number as a property's name");
  }
  tuplet_status status = tp_parse_give(p, key, ret_key);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? tp_parse_expect(p, ']') : status;
}

/* name, "name", 5 or ["name"], and the colon. Sets the frame's key. */
static tuplet_status parse_key(tp_parser *p) {
  tp_parse_frame *frame = tp_parse_top(p);
  frame->start = p->lexer.token.start;
  bool bracketed = tp_parse_at(p, '[');
  size_t end = p->lexer.token.end;
  tuplet_status status;
  if (bracketed) {
    status = tp_lexer_next(&p->lexer);
    if (status == TUPLET_OK) status = tp_parse_bracketed_name(p, &frame->key);
  } else {
    tuplet_node *key;
    const tp_token *token = &p->lexer.token;
    /* A template is a string, but no name in JavaScript. */
    bool is_string = token->type == TP_TOKEN_STRING && p->lexer.source[token->start] != '`';
    if (token->type == TP_TOKEN_NAME || is_string) {
      key = tp_tree_key_of_name(p->tree, token->text);
    } else if (token->type == TP_TOKEN_NUMBER) {
      key = tp_tree_key_of_number(p->tree, token->number);
    } else {
      return tp_lexer_fail(&p->lexer, "a property's name or }");
    }
    status = tp_parse_give(p, key, &frame->key);
    if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  }
  if (status == TUPLET_OK && tp_parse_is_proto(frame->key) &&
      (!bracketed || frame->state == TP_PARSE_ASSIGNED))
    return tp_lexer_fail_at(&p->lexer, frame->start, end,
                            frame->state == TP_PARSE_ASSIGNED
                                ? "another name (this one would set the prototype)"
                                : "[\"__proto__\"] (bare, it would set the prototype)");
  return status == TUPLET_OK ? tp_parse_expect(p, ':') : status;
}

static tuplet_status settle(tp_parser *p, tuplet_node *node) {
  if (node->type == TUPLET_NODE_ERROR || tp_tree_settle(p->tree, node)) return TUPLET_OK;
  return tp_fail_nomem(p->error);
}

/* In the braces of an object or of Object.assign: the next key, or the end. */
static tuplet_status next_property(tp_parser *p, tuplet_node **ret_value) {
  if (!tp_parse_at(p, '}')) return parse_key(p);
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = settle(p, tp_parse_top(p)->node);
  if (status == TUPLET_OK && tp_parse_top(p)->state == TP_PARSE_ASSIGNED) {
    status = tp_parse_separator(p, ')');
    if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  }
  return status == TUPLET_OK ? finish(p, ret_value) : status;
}

static tuplet_status take_property(tp_parser *p, tuplet_node **ret_value) {
  tp_parse_frame *frame = tp_parse_top(p);
  tuplet_status status = tp_parse_add_property(p, frame->node, frame->key, frame->start, *ret_value);
  *ret_value = NULL;
  if (status == TUPLET_OK) status = tp_parse_separator(p, '}');
  return status == TUPLET_OK ? next_property(p, ret_value) : status;
}

static tuplet_status begin_object(tp_parser *p, tuplet_node **ret_value) {
  size_t start = p->lexer.token.start;
  tuplet_node *node = tuplet_node_object(p->tree);
  if (node == NULL) return tp_fail_nomem(p->error);
  tuplet_status status = tp_parse_push(p, TP_PARSE_PROPERTY, node, start);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? next_property(p, ret_value) : status;
}

/* ---- Arrays ---- */

/* Steps over holes; the array may end here, too. */
static tuplet_status next_element(tp_parser *p, tuplet_node **ret_value) {
  tuplet_node *node = tp_parse_top(p)->node;
  while (tp_parse_at(p, ',')) {
    if (!tp_array_push_hole(node)) return tp_fail(p->error, TUPLET_LIMIT, "the array is too long");
    tuplet_status status = tp_lexer_next(&p->lexer);
    if (status != TUPLET_OK) return status;
  }
  if (!tp_parse_at(p, ']')) return TUPLET_OK;
  tuplet_status status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? finish(p, ret_value) : status;
}

static tuplet_status take_element(tp_parser *p, tuplet_node **ret_value) {
  tuplet_status status = tuplet_node_array_push(p->tree, tp_parse_top(p)->node, *ret_value);
  *ret_value = NULL;
  if (status != TUPLET_OK) return tp_fail_nomem(p->error);
  status = tp_parse_separator(p, ']');
  return status == TUPLET_OK ? next_element(p, ret_value) : status;
}

static tuplet_status begin_array(tp_parser *p, tuplet_node **ret_value) {
  size_t start = p->lexer.token.start;
  tuplet_node *node = tuplet_node_array(p->tree, 0);
  if (node == NULL) return tp_fail_nomem(p->error);
  tuplet_status status = tp_parse_push(p, TP_PARSE_ELEMENT, node, start);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? next_element(p, ret_value) : status;
}

/* ---- Object(12n), Object.assign, Object.defineProperty, tuplet.opaque ---- */

static tuplet_status begin_boxed(tp_parser *p, tuplet_node **ret_value) {
  tuplet_node *primitive = NULL;
  tuplet_status status = tp_lexer_next(&p->lexer);
  size_t start = p->lexer.token.start;
  if (status == TUPLET_OK) status = tp_parse_primitive(p, "a primitive value", &primitive);
  if (status != TUPLET_OK) return status;
  if (primitive->type == TUPLET_NODE_UNDEFINED || primitive->type == TUPLET_NODE_NULL)
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, "a boolean, number, string or BigInt");
  status = tp_parse_expect(p, ')');
  return status == TUPLET_OK ? tp_parse_give(p, tuplet_node_boxed(p->tree, primitive), ret_value) : status;
}

static tuplet_status begin_object_call(tp_parser *p, tuplet_node **ret_value) {
  size_t start = p->lexer.token.start;
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK) return status;
  if (tp_parse_at(p, '(')) return begin_boxed(p, ret_value);
  status = tp_parse_expect(p, '.');
  if (status != TUPLET_OK) return status;
  bool assign = tp_parse_at_name(p, "assign");
  if (!assign && !tp_parse_at_name(p, "defineProperty"))
    return tp_lexer_fail(&p->lexer, "assign or defineProperty");
  status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
  if (status != TUPLET_OK) return status;
  return tp_parse_push(p, assign ? TP_PARSE_TARGET : TP_PARSE_DEFINE_TARGET, NULL, start);
}

static tuplet_status take_target(tp_parser *p, tuplet_node **ret_value) {
  tp_parse_frame *frame = tp_parse_top(p);
  tuplet_node *node = *ret_value;
  *ret_value = NULL;
  if (!tp_parse_has_properties(node))
    return tp_lexer_fail_at(&p->lexer, frame->start, p->lexer.token.start,
                            "an array, an object or an error to give properties to");
  frame->node = node;
  tuplet_status status = tp_parse_expect(p, ',');
  if (status != TUPLET_OK) return status;
  if (frame->state == TP_PARSE_TARGET) {
    frame->state = TP_PARSE_ASSIGNED;
    status = tp_parse_expect(p, '{');
    return status == TUPLET_OK ? next_property(p, ret_value) : status;
  }
  frame->state = TP_PARSE_DEFINED;
  frame->start = p->lexer.token.start;
  if (p->lexer.token.type != TP_TOKEN_STRING) return tp_lexer_fail(&p->lexer, "a string");
  status = tp_parse_give(p, tp_tree_key_of_name(p->tree, p->lexer.token.text), &frame->key);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, ',');
  if (status == TUPLET_OK) status = tp_parse_expect(p, '{');
  if (status == TUPLET_OK) status = tp_parse_expect_name(p, "value");
  return status == TUPLET_OK ? tp_parse_expect(p, ':') : status;
}

/* Behind the value: , writable: true, enumerable: true, configurable: true}) makes it a plain property. */
static tuplet_status take_defined(tp_parser *p, tuplet_node **ret_value) {
  static const char *const attributes[] = {"writable", "enumerable", "configurable"};
  tp_parse_frame *frame = tp_parse_top(p);
  tuplet_status status = tp_parse_add_property(p, frame->node, frame->key, frame->start, *ret_value);
  *ret_value = NULL;
  for (size_t i = 0; status == TUPLET_OK && i < sizeof attributes / sizeof attributes[0]; i++) {
    status = tp_parse_expect(p, ',');
    if (status == TUPLET_OK) status = tp_parse_expect_name(p, attributes[i]);
    if (status == TUPLET_OK) status = tp_parse_expect(p, ':');
    if (status == TUPLET_OK) status = tp_parse_expect_name(p, "true");
  }
  if (status == TUPLET_OK) status = tp_parse_separator(p, '}');
  if (status == TUPLET_OK) status = tp_parse_expect(p, '}');
  if (status == TUPLET_OK) status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  if (status == TUPLET_OK) status = settle(p, frame->node);
  return status == TUPLET_OK ? finish(p, ret_value) : status;
}

static tuplet_status parse_opaque(tp_parser *p, tuplet_node **ret_value) {
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '.');
  if (status == TUPLET_OK) status = tp_parse_expect_name(p, "opaque");
  if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
  if (status != TUPLET_OK) return status;
  tuplet_bytes digits = p->lexer.token.text;
  size_t size = digits.size / 2;
  tp_buffer_clear(&p->scratch);
  bool is_string = p->lexer.token.type == TP_TOKEN_STRING && size > 0;
  uint8_t *bytes = is_string ? tp_buffer_reserve(&p->scratch, size) : NULL;
  if (is_string && bytes == NULL) return tp_fail_nomem(p->error);
  if (!is_string || !tp_hex_read(digits.data, digits.size, bytes, size))
    return tp_lexer_fail(&p->lexer, "a string of hexadecimal digits, two for each byte");
  status = tp_parse_give(p, tuplet_node_opaque(p->tree, (tuplet_bytes){bytes, size}), ret_value);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? tp_parse_expect(p, ')') : status;
}

/* ---- Any value ---- */

/* A name cannot be given properties by a call in the middle of something else: statements do that. */
static bool is_call_target(tp_parser *p) {
  size_t count = p->frames.size / sizeof(tp_parse_frame);
  const tp_parse_frame *frames = (const tp_parse_frame *)(const void *)p->frames.data;
  while (count > 0 && frames[count - 1].state == TP_PARSE_PAREN) count--;
  return count > 0 &&
         (frames[count - 1].state == TP_PARSE_TARGET || frames[count - 1].state == TP_PARSE_DEFINE_TARGET);
}

static tuplet_status begin_name(tp_parser *p, tuplet_node **ret_value) {
  if (tp_parse_at_name(p, "new")) return tp_parse_new(p, ret_value);
  if (tp_parse_at_name(p, "Object")) return begin_object_call(p, ret_value);
  if (tp_parse_at_name(p, "tuplet")) return parse_opaque(p, ret_value);
  tuplet_bytes name = p->lexer.token.text;
  const tp_view_kind *kind = tp_view_kind_named(name);
  if (kind != NULL) return tp_parse_view_factory(p, kind, ret_value);
  if (*(const char *)name.data == '$' && p->in_function && !is_call_target(p)) {
    tp_parse_name *referred;
    tuplet_status status = tp_parse_reference(p, &referred);
    return status == TUPLET_OK ? tp_parse_give(p, referred->node, ret_value) : status;
  }
  return tp_parse_primitive(p, a_value, ret_value);
}

/* (value), or the function around all of a value that is no tree. */
static tuplet_status begin_paren(tp_parser *p) {
  size_t start = p->lexer.token.start;
  bool outermost = p->frames.size == 0;
  tuplet_status status = tp_parse_push(p, TP_PARSE_PAREN, NULL, start);
  if (status == TUPLET_OK) status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK || !outermost || !tp_parse_at(p, '(')) return status;
  start = p->lexer.token.start;
  status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK) return status;
  if (!tp_parse_at(p, ')')) return tp_parse_push(p, TP_PARSE_PAREN, NULL, start);
  tp_parse_pop(p);
  p->in_function = true;
  status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, TP_PUNCTUATOR_ARROW);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '{');
  return status == TUPLET_OK ? tp_parse_statement(p) : status;
}

static tuplet_status begin_value(tp_parser *p, tuplet_node **ret_value) {
  if (p->lexer.token.type == TP_TOKEN_NAME) return begin_name(p, ret_value);
  if (tp_parse_at(p, '{')) return begin_object(p, ret_value);
  if (tp_parse_at(p, '[')) return begin_array(p, ret_value);
  if (tp_parse_at(p, '(')) return begin_paren(p);
  if (tp_parse_at(p, '/')) return parse_regexp(p, ret_value);
  return tp_parse_primitive(p, a_value, ret_value);
}

/* Hands a finished value to the frame that waits for it. */
static tuplet_status take_value(tp_parser *p, tuplet_node **ret_value) {
  switch (tp_parse_top(p)->state) {
  case TP_PARSE_PAREN: tp_parse_pop(p); return tp_parse_expect(p, ')');
  case TP_PARSE_ELEMENT: return take_element(p, ret_value);
  case TP_PARSE_PROPERTY:
  case TP_PARSE_ASSIGNED: return take_property(p, ret_value);
  case TP_PARSE_TARGET:
  case TP_PARSE_DEFINE_TARGET: return take_target(p, ret_value);
  case TP_PARSE_DEFINED: return take_defined(p, ret_value);
  case TP_PARSE_MAP_KEY:
  case TP_PARSE_MAP_VALUE: return tp_parse_take_map(p, ret_value);
  case TP_PARSE_SET_ITEM: return tp_parse_take_set(p, ret_value);
  case TP_PARSE_BUFFER: return tp_parse_take_buffer(p, ret_value);
  case TP_PARSE_CAUSE: return tp_parse_take_cause(p, ret_value);
  default: return tp_parse_take_statement(p, ret_value);
  }
}

static tuplet_status parse_text(tp_parser *p, tuplet_node **ret_root) {
  tuplet_node *value = NULL;
  tuplet_status status = tp_lexer_next(&p->lexer);
  while (status == TUPLET_OK && (value == NULL || p->frames.size > 0))
    status = value == NULL ? begin_value(p, &value) : take_value(p, &value);
  if (status == TUPLET_OK && tp_parse_at(p, ';')) status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK) return status;
  if (p->lexer.token.type != TP_TOKEN_END) return tp_lexer_fail(&p->lexer, "the end of the text");
  *ret_root = value;
  return TUPLET_OK;
}

tuplet_status tuplet_tree_parse(tuplet_tree *tree, const char *text, size_t size, tuplet_node **ret_root,
                                tuplet_error *error) {
  const tuplet_allocator *allocator = tree->arena.allocator;
  tp_parser p = {.tree = tree, .zeros_left = TP_TEXT_ZEROS_MAX + size, .error = error};
  tp_lexer_init(&p.lexer, allocator, text, size, error);
  tp_buffer_init(&p.frames, allocator);
  tp_buffer_init(&p.names, allocator);
  tp_buffer_init(&p.scratch, allocator);
  tuplet_status status = parse_text(&p, ret_root);
  tp_buffer_done(&p.scratch);
  tp_buffer_done(&p.names);
  tp_buffer_done(&p.frames);
  tp_lexer_done(&p.lexer);
  return status;
}

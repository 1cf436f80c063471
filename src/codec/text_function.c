/* text_function.c: the parser's part for values that are no trees:
 *
 *   (() => { const $0 = {self: undefined}; $0.self = $0; return $0; })()
 *
 * Names are $0, $1, ... in the order of their definitions, which makes looking them up an index. */
#include "base/status.h"
#include "codec/text_leaf.h"
#include "codec/text_parse.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static size_t name_count(const tp_parser *p) {
  return p->names.size / sizeof(tp_parse_name);
}

/* $12 as 12; false for all other tokens. */
static bool read_name(const tp_parser *p, size_t *ret_number) {
  const tp_token *token = &p->lexer.token;
  if (token->type != TP_TOKEN_NAME || token->text.size < 2 || token->text.size > 10) return false;
  const char *text = token->text.data;
  if (text[0] != '$' || (text[1] == '0' && token->text.size > 2)) return false;
  size_t number = 0;
  for (size_t i = 1; i < token->text.size; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    number = number * 10 + (size_t)(text[i] - '0');
  }
  *ret_number = number;
  return true;
}

static tp_parse_name *name_at(tp_parser *p, size_t number) {
  return (tp_parse_name *)(void *)p->names.data + number;
}

tuplet_status tp_parse_reference(tp_parser *p, tp_parse_name **ret_name) {
  size_t number;
  if (!read_name(p, &number) || number >= name_count(p))
    return tp_lexer_fail(&p->lexer, "a name that is defined before, as $0");
  *ret_name = name_at(p, number);
  return tp_lexer_next(&p->lexer);
}

/* ---- Statements, up to their value ---- */

static tuplet_status begin_const(tp_parser *p, size_t start) {
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status != TUPLET_OK) return status;
  size_t number;
  if (!read_name(p, &number) || number != name_count(p)) {
    char expected[32];
    (void)snprintf(expected, sizeof expected, "the name $%zu", name_count(p));
    return tp_lexer_fail(&p->lexer, expected);
  }
  status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '=');
  return status == TUPLET_OK ? tp_parse_push(p, TP_PARSE_CONST, NULL, start) : status;
}

/* new Uint8Array($0).set([1, 2]); */
static tuplet_status fill_buffer(tp_parser *p) {
  tp_parse_name *name = NULL;
  tuplet_status status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect_name(p, "Uint8Array");
  if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
  size_t start = p->lexer.token.start, end = p->lexer.token.end;
  if (status == TUPLET_OK) status = tp_parse_reference(p, &name);
  if (status != TUPLET_OK) return status;
  assert(name != NULL);
  tuplet_node *node = name->node;
  if (node->type != TUPLET_NODE_BUFFER) return tp_lexer_fail_at(&p->lexer, start, end, "an ArrayBuffer");
  status = tp_parse_expect(p, ')');
  if (status == TUPLET_OK) status = tp_parse_expect(p, '.');
  if (status == TUPLET_OK) status = tp_parse_expect_name(p, "set");
  if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
  start = p->lexer.token.start;
  if (status == TUPLET_OK) status = tp_parse_elements(p, tp_view_kind_of(TUPLET_VIEW_UINT8), '[', ']');
  if (status != TUPLET_OK) return status;
  if (p->scratch.size > node->as.buffer.size)
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, "no more bytes than the buffer has");
  if (p->scratch.size > 0) memcpy(node->as.buffer.data, p->scratch.data, p->scratch.size);
  status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  return status == TUPLET_OK ? tp_parse_expect(p, ';') : status;
}

static tuplet_status begin_call(tp_parser *p, tuplet_node *node, tuplet_node_type type, tp_parse_state state,
                                size_t start) {
  if (node->type != type) {
    const char *expected = type == TUPLET_NODE_MAP ? "a Map before .set" : "a Set before .add";
    return tp_lexer_fail_at(&p->lexer, start, p->lexer.token.start, expected);
  }
  tuplet_status status = tp_parse_expect(p, '(');
  return status == TUPLET_OK ? tp_parse_push(p, state, node, start) : status;
}

/* $0.name = value; $0[5] = value; $0.set(key, value); $0.add(item); */
static tuplet_status begin_change(tp_parser *p, size_t start) {
  tp_parse_name *target = NULL;
  tuplet_node *key = NULL;
  tuplet_status status = tp_parse_reference(p, &target);
  if (status != TUPLET_OK) return status;
  assert(target != NULL);
  tuplet_node *node = target->node;
  size_t target_end = p->lexer.token.start, key_start = target_end;
  if (tp_parse_at(p, '[')) {
    status = tp_lexer_next(&p->lexer);
    if (status == TUPLET_OK) status = tp_parse_bracketed_name(p, &key);
  } else {
    status = tp_parse_expect(p, '.');
    if (status != TUPLET_OK) return status;
    if (p->lexer.token.type != TP_TOKEN_NAME) return tp_lexer_fail(&p->lexer, "a property's name");
    tuplet_bytes name = p->lexer.token.text; /* in the source, so it stays */
    key_start = p->lexer.token.start;
    status = tp_lexer_next(&p->lexer);
    if (status != TUPLET_OK) return status;
    if (tp_parse_at(p, '(') && tp_text_equals(name, "set"))
      return begin_call(p, node, TUPLET_NODE_MAP, TP_PARSE_CALL_KEY, start);
    if (tp_parse_at(p, '(') && tp_text_equals(name, "add"))
      return begin_call(p, node, TUPLET_NODE_SET, TP_PARSE_CALL_ITEM, start);
    key = tp_tree_key_of_name(p->tree, name);
    if (key == NULL) return tp_fail_nomem(p->error);
  }
  if (status == TUPLET_OK) status = tp_parse_expect(p, '=');
  if (status != TUPLET_OK) return status;
  if (!tp_parse_has_properties(node))
    return tp_lexer_fail_at(&p->lexer, start, target_end, "an object, an array or an error");
  status = tp_parse_push(p, TP_PARSE_ASSIGNMENT, node, key_start);
  if (status != TUPLET_OK) return status;
  tp_parse_top(p)->key = key;
  tp_parse_top(p)->name = target;
  return TUPLET_OK;
}

tuplet_status tp_parse_statement(tp_parser *p) {
  tuplet_status status = TUPLET_OK;
  while (status == TUPLET_OK && tp_parse_at_name(p, "new")) status = fill_buffer(p);
  if (status != TUPLET_OK) return status;
  size_t start = p->lexer.token.start, number;
  if (tp_parse_at_name(p, "const")) return begin_const(p, start);
  if (read_name(p, &number)) return begin_change(p, start);
  if (!tp_parse_at_name(p, "return")) return tp_lexer_fail(&p->lexer, "const, return or a name like $0");
  status = tp_lexer_next(&p->lexer);
  return status == TUPLET_OK ? tp_parse_push(p, TP_PARSE_RETURN, NULL, start) : status;
}

/* ---- Statements, from behind their value ---- */

/* Whether a property of this name is there already, so that assigning sets just that. */
static bool has_own_proto(const tuplet_node *node) {
  const tuplet_pair *pairs = node->type == TUPLET_NODE_ARRAY ? node->as.array.properties : node->as.map.pairs;
  size_t count = node->type == TUPLET_NODE_ARRAY ? node->as.array.property_count : node->as.map.count;
  for (size_t i = 0; i < count; i++) {
    if (tp_parse_is_proto(pairs[i].key)) return true;
  }
  return false;
}

static tuplet_status take_assignment(tp_parser *p, const tp_parse_frame *frame, tuplet_node *value) {
  tuplet_node *node = frame->node, *key = frame->key;
  tuplet_status status;
  if (key->type == TUPLET_NODE_NUMBER || node->type == TUPLET_NODE_ERROR) {
    status = tp_parse_add_property(p, node, key, frame->start, value);
    frame->name->unsettled = node->type != TUPLET_NODE_ERROR;
  } else if (tp_parse_is_proto(key) && !has_own_proto(node)) {
    return tp_lexer_fail_at(&p->lexer, frame->start, p->lexer.token.start,
                            "another name (this one would set the prototype)");
  } else if (node->type == TUPLET_NODE_ARRAY) {
    if (tp_text_equals(key->as.string, "length"))
      return tp_lexer_fail_at(&p->lexer, frame->start, p->lexer.token.start, "another name");
    status = tuplet_node_array_set_property(p->tree, node, key->as.string.data, key->as.string.size, value);
    if (status != TUPLET_OK) return tp_fail_nomem(p->error);
  } else {
    status = tuplet_node_object_set(p->tree, node, key->as.string.data, key->as.string.size, value);
    if (status != TUPLET_OK) return tp_fail_nomem(p->error);
  }
  return status == TUPLET_OK ? tp_parse_expect(p, ';') : status;
}

static tuplet_status end_call(tp_parser *p, tuplet_status status) {
  if (status != TUPLET_OK) return tp_fail_nomem(p->error);
  status = tp_parse_separator(p, ')');
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  return status == TUPLET_OK ? tp_parse_expect(p, ';') : status;
}

static tuplet_status end_function(tp_parser *p) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < name_count(p); i++) {
    tp_parse_name *name = name_at(p, i);
    if (name->unsettled && !tp_tree_settle(p->tree, name->node)) return tp_fail_nomem(p->error);
  }
  if (tp_parse_at(p, ';')) status = tp_lexer_next(&p->lexer);
  if (status == TUPLET_OK) status = tp_parse_expect(p, '}');
  if (status == TUPLET_OK) status = tp_parse_expect(p, ')');
  if (status == TUPLET_OK) status = tp_parse_expect(p, '(');
  return status == TUPLET_OK ? tp_parse_expect(p, ')') : status;
}

tuplet_status tp_parse_take_statement(tp_parser *p, tuplet_node **ret_value) {
  tp_parse_frame frame = *tp_parse_top(p);
  tuplet_node *value = *ret_value;
  tuplet_status status = TUPLET_OK;
  if (frame.state == TP_PARSE_RETURN) {
    tp_parse_pop(p);
    return end_function(p);
  }
  *ret_value = NULL;
  switch (frame.state) {
  case TP_PARSE_CONST:
    tp_buffer_append(&p->names, &(tp_parse_name){.node = value}, sizeof(tp_parse_name));
    status = p->names.failed ? tp_fail_nomem(p->error) : tp_parse_expect(p, ';');
    break;
  case TP_PARSE_ASSIGNMENT: status = take_assignment(p, &frame, value); break;
  case TP_PARSE_CALL_KEY:
    tp_parse_top(p)->key = value;
    tp_parse_top(p)->state = TP_PARSE_CALL_VALUE;
    return tp_parse_expect(p, ',');
  case TP_PARSE_CALL_VALUE:
    status = end_call(p, tuplet_node_map_set(p->tree, frame.node, frame.key, value));
    break;
  default: status = end_call(p, tuplet_node_set_add(p->tree, frame.node, value));
  }
  tp_parse_pop(p);
  return status == TUPLET_OK ? tp_parse_statement(p) : status;
}

/* text_parse.h: what the two halves of the parser of values share: text_parse.c (structure) and text_new.c
 * (constructors). No other file includes it.
 *
 * There is no recursion, and how deep a value is nested is bounded by its text alone: a container under
 * construction is a frame on a stack of its own. A function that begins a value
 * either finishes it (*ret_value is set) or pushes a frame and leaves *ret_value NULL; then the next value in
 * the text is one for the top frame. */
#ifndef TP_CODEC_TEXT_PARSE_H
#define TP_CODEC_TEXT_PARSE_H

#include "codec/text_lex.h"
#include "codec/text_view.h"
#include "codec/tree.h"

/* What a frame does with the next value. */
typedef enum tp_parse_state {
  TP_PARSE_PAREN,         /* (value) */
  TP_PARSE_ELEMENT,       /* [value, ...] */
  TP_PARSE_PROPERTY,      /* {name: value, ...} */
  TP_PARSE_TARGET,        /* Object.assign(value, {...}) */
  TP_PARSE_ASSIGNED,      /* Object.assign(node, {name: value, ...}) */
  TP_PARSE_DEFINE_TARGET, /* Object.defineProperty(value, ...) */
  TP_PARSE_DEFINED,       /* Object.defineProperty(node, name, {value: value, ...}) */
  TP_PARSE_MAP_KEY,       /* new Map([[value, ...], ...]) */
  TP_PARSE_MAP_VALUE,     /* new Map([[key, value], ...]) */
  TP_PARSE_SET_ITEM,      /* new Set([value, ...]) */
  TP_PARSE_BUFFER,        /* new DataView(value, ...) */
  TP_PARSE_CAUSE,         /* new Error("", {cause: value}) */
  TP_PARSE_CONST,         /* const $0 = value; */
  TP_PARSE_ASSIGNMENT,    /* $0.name = value; */
  TP_PARSE_CALL_KEY,      /* $0.set(value, ...); */
  TP_PARSE_CALL_VALUE,    /* $0.set(key, value); */
  TP_PARSE_CALL_ITEM,     /* $0.add(value); */
  TP_PARSE_RETURN         /* return value; */
} tp_parse_state;

/* What $0 or another name stands for. */
typedef struct tp_parse_name {
  tuplet_node *node;
  bool unsettled; /* indexes were assigned; sorted in at the end, all at once */
} tp_parse_name;

typedef struct tp_parse_frame {
  tp_parse_state state;
  const tp_view_kind *kind; /* BUFFER */
  tp_parse_name *name;      /* ASSIGNMENT: what is changed; no definition comes in between */
  tuplet_node *node;        /* what is being built; NULL where the value itself is awaited */
  tuplet_node *key; /* a map's key; ASSIGNED, PROPERTY, DEFINED, ASSIGNMENT: the name, a STRING or NUMBER */
  size_t start;     /* where in the source it began */
} tp_parse_frame;

typedef struct tp_parser {
  tp_lexer lexer;
  tuplet_tree *tree;
  tp_buffer frames;  /* tp_parse_frame */
  tp_buffer names;   /* tp_parse_name: $0, $1, ... */
  tp_buffer scratch; /* elements of a typed array, digits of a bigint */
  size_t zeros_left; /* TP_TEXT_ZEROS_MAX and the text's own size, less what was taken */
  bool in_function;
  tuplet_error *error;
} tp_parser;

/* Whether the current token is this punctuator, respectively this name. */
bool tp_parse_at(const tp_parser *p, int punctuator);
bool tp_parse_at_name(const tp_parser *p, const char *name);

/* Steps over the punctuator or name. Errors: TUPLET_SYNTAX when it is not there, or the next token's. */
tuplet_status tp_parse_expect(tp_parser *p, int punctuator);
tuplet_status tp_parse_expect_name(tp_parser *p, const char *name);

/* Steps over a comma unless `closing` is there already; the last comma of a list may be left out or not. */
tuplet_status tp_parse_separator(tp_parser *p, int closing);

/* Pushes a frame that begins at `start`, sets nothing else. Errors: TUPLET_NOMEM. */
tuplet_status tp_parse_push(tp_parser *p, tp_parse_state state, tuplet_node *node, size_t start);
tp_parse_frame *tp_parse_top(tp_parser *p);
void tp_parse_pop(tp_parser *p);

/* Sets *ret_value; NULL as node is out of memory. */
tuplet_status tp_parse_give(tp_parser *p, tuplet_node *node, tuplet_node **ret_value);

/* undefined, null, booleans, strings, numbers and bigints with their signs. Errors: TUPLET_SYNTAX (naming
 * `expected`) for anything else. */
tuplet_status tp_parse_primitive(tp_parser *p, const char *expected, tuplet_node **ret_value);

/* [1, -2, NaN] or [1n, -2n], at its bracket (or another opening), into p->scratch. */
tuplet_status tp_parse_elements(tp_parser *p, const tp_view_kind *kind, int opening, int closing);

/* $0, a name that is defined already. The pointer is good until the next definition. */
tuplet_status tp_parse_reference(tp_parser *p, tp_parse_name **ret_name);

/* text_new.c: "new" and what follows, at "new"; and the continuation when a frame's value is there. */
tuplet_status tp_parse_new(tp_parser *p, tuplet_node **ret_value);
tuplet_status tp_parse_take_buffer(tp_parser *p, tuplet_node **ret_value);
tuplet_status tp_parse_take_map(tp_parser *p, tuplet_node **ret_value);
tuplet_status tp_parse_take_set(tp_parser *p, tuplet_node **ret_value);
tuplet_status tp_parse_take_cause(tp_parser *p, tuplet_node **ret_value);

/* Uint8Array.of(1, 2) and Uint8Array.from([1, 2]), at the constructor's name. */
tuplet_status tp_parse_view_factory(tp_parser *p, const tp_view_kind *kind, tuplet_node **ret_value);

/* text_function.c: the body of (() => { ... })(), from behind "{" and behind each statement's value;
 * *ret_value is what it returns. */
tuplet_status tp_parse_statement(tp_parser *p);
tuplet_status tp_parse_take_statement(tp_parser *p, tuplet_node **ret_value);

/* Whether a value of this type can be given properties: an object, an array or an error. */
bool tp_parse_has_properties(const tuplet_node *node);

/* Adds a property; key is a STRING or NUMBER node, start where in the source it stands. Objects and arrays
 * are to be settled (tp_tree_settle) when the last one is there. Errors: TUPLET_SYNTAX where it would not be
 * a plain property. */
tuplet_status tp_parse_add_property(tp_parser *p, tuplet_node *node, tuplet_node *key, size_t start,
                                    tuplet_node *value);

/* Whether a key is "__proto__", which JavaScript treats as no other name. */
bool tp_parse_is_proto(const tuplet_node *key);

/* A name in brackets, ["a b"] or [5], from behind the opening one. */
tuplet_status tp_parse_bracketed_name(tp_parser *p, tuplet_node **ret_key);

#endif

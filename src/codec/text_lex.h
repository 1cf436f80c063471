/* text_lex.h: JavaScript source text as tokens, for the parser of values.
 *
 * The lexer knows literals, names and punctuation; what they mean together is the parser's. It reads ahead by
 * nothing: the current token is lexer->token, and its text lives until the next one is read. */
#ifndef TP_CODEC_TEXT_LEX_H
#define TP_CODEC_TEXT_LEX_H

#include "base/buffer.h"

typedef enum tp_token_type {
  TP_TOKEN_END,
  TP_TOKEN_PUNCTUATOR, /* punctuator */
  TP_TOKEN_NAME,       /* text: an identifier or keyword, UTF-8, in the source */
  TP_TOKEN_NUMBER,     /* number; unsigned, as in JavaScript the sign is an operator */
  TP_TOKEN_BIGINT,     /* text: the digits without "n", in the source */
  TP_TOKEN_STRING      /* text: the content, WTF-8; also of a template without substitutions */
} tp_token_type;

enum { TP_PUNCTUATOR_ARROW = 256 }; /* "=>"; all others are their character */

typedef struct tp_token {
  tp_token_type type;
  int punctuator;
  double number;
  tuplet_bytes text;
  size_t start; /* where in the source, bytes */
  size_t end;
} tp_token;

typedef struct tp_lexer {
  const char *source;
  size_t size;
  tp_token token;
  tp_buffer content; /* of the current string */
  tuplet_error *error;
} tp_lexer;

/* `source` is borrowed; `error` (may be NULL) is filled by every failing call below. */
void tp_lexer_init(tp_lexer *lexer, const tuplet_allocator *allocator, const char *source, size_t size,
                   tuplet_error *error);
void tp_lexer_done(tp_lexer *lexer);

/* Reads the next token, past whitespace and comments. Errors: TUPLET_SYNTAX, TUPLET_NOMEM. */
tuplet_status tp_lexer_next(tp_lexer *lexer);

/* The current token is '/': reads the regular expression that it begins instead, up to and without its flags,
 * which are the name right behind (possibly none). The views are into the source. Then reads the next token.
 * Errors: TUPLET_SYNTAX, TUPLET_NOMEM. */
tuplet_status tp_lexer_regexp(tp_lexer *lexer, tuplet_bytes *ret_source, tuplet_bytes *ret_flags);

/* Fails with TUPLET_SYNTAX: "line L, column C: expected <expected>, found <the current token>". */
tuplet_status tp_lexer_fail(tp_lexer *lexer, const char *expected);

/* The same for the bytes [start, end) of the source; columns count characters. */
tuplet_status tp_lexer_fail_at(tp_lexer *lexer, size_t start, size_t end, const char *expected);

/* Whether `source` may stand between two slashes: /source/ is plain text and lexes as one literal with that
 * very source. */
bool tp_regexp_is_literal(tuplet_bytes source);

/* Whether a character may stand in printed text as it is: no control, no half of a pair, no line end, nothing
 * that changes the direction of what a terminal shows. */
bool tp_text_is_plain(uint32_t code_point);

/* Whether a key may be written without quotes by the printer: an ASCII identifier. */
bool tp_text_is_identifier(tuplet_bytes text);

#endif

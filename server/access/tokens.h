/* tokens.h: the tokens of a server and what each of them may.
 *
 * A token is a text that its bearer alone has:
 *
 *   tuplet_ 5f0c9ae1b2d4 _ 44 characters of base64url: 33 random bytes
 *   prefix      id
 *
 * The prefix lets people and scanners recognize one that got where it should not be. The id is public: it
 * stands in lists and logs, and finds the token without a search. The server's operator keeps no token, only
 * a file with a line for each:
 *
 *   name=orders-api id=5f0c9ae1b2d4 rights=read-write databases=orders,team-*
 *     created=2026-11-21T15:40:00Z expires=never sha256=hex of the whole text's SHA-256          (in one
 * line)
 *
 * Fields may stand in any order; `created` and `expires` may be left out. Empty lines and lines that begin
 * with
 * '#' are comments.
 *
 * One round of SHA-256 is enough: slow, salted hashes are for passwords, which can be guessed. Of 2^264
 * equally likely secrets nobody tries a noticeable part, however quick the hash; and a slow one would let
 * strangers spend the server's time. */
#ifndef TP_SERVER_TOKENS_H
#define TP_SERVER_TOKENS_H

#include "base/buffer.h"

#define TP_TOKEN_PREFIX "tuplet_"

enum {
  TP_TOKEN_ID_SIZE = 13,   /* 12 hexadecimal digits and a NUL */
  TP_TOKEN_TEXT_SIZE = 65, /* 64 characters and a NUL */
  TP_TOKEN_NAME_SIZE = 64, /* at most 63 characters and a NUL */
  TP_TOKEN_TIME_SIZE = 21, /* "2026-11-21T15:40:00Z" and a NUL */
  TP_TOKEN_HASH_SIZE = 32,
  TP_TOKEN_PATTERN_SIZE_MAX = 64,
  TP_TOKEN_PATTERNS_MAX = 32,
  TP_TOKENS_MAX = 10000
};

#define TP_TOKENS_TEXT_SIZE_MAX ((size_t)4 * 1024 * 1024)
#define TP_TOKEN_NEVER          INT64_MAX
#define TP_TOKEN_TIME_MS_MAX    ((int64_t)253402300799000) /* the last second of the year 9999 */
#define TP_TOKEN_DATABASES_MAX  ((size_t)TP_TOKEN_PATTERNS_MAX * (TP_TOKEN_PATTERN_SIZE_MAX + 1))

typedef struct tp_token {
  char name[TP_TOKEN_NAME_SIZE];
  uint64_t id;            /* never 0, which stands for the access token elsewhere */
  tuplet_bytes databases; /* patterns with commas in between, as the file has them */
  bool may_write;
  int64_t created_at_ms; /* unix; 0: unknown */
  int64_t expires_at_ms; /* unix; TP_TOKEN_NEVER */
  uint8_t hash[TP_TOKEN_HASH_SIZE];
  size_t line; /* of the file, from 1 */
} tp_token;

/* All tokens of a file. Does not change once it is made, so that any thread may read it. */
typedef struct tp_tokens tp_tokens;

/* Errors: TUPLET_FORMAT (the message names the line of `file` and what is wrong with it), TUPLET_NOMEM. */
tuplet_status tp_tokens_parse(const tuplet_allocator *allocator, const char *file, tuplet_bytes text,
                              tp_tokens **ret_tokens, tuplet_error *error);
void tp_tokens_free(tp_tokens *tokens);

size_t tp_tokens_count(const tp_tokens *tokens);

/* In the order of the file. */
const tp_token *tp_tokens_at(const tp_tokens *tokens, size_t index);

/* NULL when there is none. */
const tp_token *tp_tokens_find(const tp_tokens *tokens, uint64_t id);
const tp_token *tp_tokens_find_name(const tp_tokens *tokens, const char *name);

/* The token of that text, expired or not; NULL when there is none. How long it takes tells whether the id,
 * which is public, is known, and nothing about the secret. */
const tp_token *tp_tokens_verify(const tp_tokens *tokens, tuplet_bytes text);

/* Whether a token may open the database of that name. */
bool tp_token_may_open(const tp_token *token, tuplet_bytes database);

/* ---- Making and printing ---- */

/* Fills id and hash, and the text, which is nowhere else then. Errors: TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_token_make(tp_token *token, char ret_text[TP_TOKEN_TEXT_SIZE], tuplet_error *error);

/* Appends the token's line, its end included. */
void tp_token_print(const tp_token *token, tp_buffer *out);

/* Letters, digits and . _ @ - , a letter or digit first; not 12 hexadecimal digits, which are an id. */
bool tp_token_name_is_valid(tuplet_bytes name);

/* The name of a database, in which a * stands for any characters, none included; or ":memory:". */
bool tp_token_pattern_is_valid(tuplet_bytes pattern);

void tp_token_id_print(uint64_t id, char ret_text[TP_TOKEN_ID_SIZE]);

/* False for anything but 12 hexadecimal digits of which one is not 0. */
bool tp_token_id_parse(tuplet_bytes text, uint64_t *ret_id);

/* A moment between 1970 and 9999, in whole seconds. Parsing takes ISO 8601: a date alone is its beginning in
 * UTC. */
void tp_token_time_print(int64_t unix_ms, char ret_text[TP_TOKEN_TIME_SIZE]);
bool tp_token_time_parse(tuplet_bytes text, int64_t *ret_unix_ms);

#endif

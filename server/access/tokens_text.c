/* tokens_text.c: tokens as lines of text. Strict: what is not understood is refused, since it was meant to
 * say who may what. */
#include "server/access/tokens.h"

#include "base/alloc.h"
#include "base/hex.h"
#include "base/status.h"
#include "codec/text_date.h"
#include "server/access/tokens_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool equals(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* ---- Names, ids, patterns, moments ---- */

void tp_token_id_print(uint64_t id, char ret_text[TP_TOKEN_ID_SIZE]) {
  (void)snprintf(ret_text, TP_TOKEN_ID_SIZE, "%012" PRIx64, id & TP_TOKEN_ID_MAX);
}

bool tp_token_id_parse(tuplet_bytes text, uint64_t *ret_id) {
  uint8_t bytes[(TP_TOKEN_ID_SIZE - 1) / 2];
  uint64_t id = 0;
  if (!tp_hex_read(text.data, text.size, bytes, sizeof bytes)) return false;
  for (size_t i = 0; i < sizeof bytes; i++) id = id << 8 | bytes[i];
  if (id == 0) return false;
  *ret_id = id;
  return true;
}

bool tp_token_name_is_valid(tuplet_bytes name) {
  static const char inner[] = "._@-";
  const char *text = name.data;
  uint64_t id;
  if (name.size == 0 || name.size >= TP_TOKEN_NAME_SIZE) return false;
  for (size_t i = 0; i < name.size; i++) {
    char c = text[i];
    bool is_plain = is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c);
    if (!is_plain && (i == 0 || memchr(inner, c, sizeof inner - 1) == NULL)) return false;
  }
  return !tp_token_id_parse(name, &id);
}

bool tp_token_pattern_is_valid(tuplet_bytes pattern) {
  const char *text = pattern.data;
  if (equals(pattern, ":memory:")) return true;
  if (pattern.size == 0 || pattern.size > TP_TOKEN_PATTERN_SIZE_MAX) return false;
  for (size_t i = 0; i < pattern.size; i++) {
    bool is_first_letter = is_lower(text[i]) || is_digit(text[i]) || text[i] == '*';
    if (!is_first_letter && (i == 0 || (text[i] != '-' && text[i] != '_'))) return false;
    if (text[i] == '*' && i > 0 && text[i - 1] == '*') return false;
  }
  return true;
}

bool tp_token_next_pattern(tuplet_bytes *rest, tuplet_bytes *ret_pattern) {
  if (rest->data == NULL) return false;
  const char *begin = rest->data;
  const char *comma = rest->size > 0 ? memchr(begin, ',', rest->size) : NULL;
  if (comma == NULL) {
    *ret_pattern = *rest;
    *rest = (tuplet_bytes){0};
  } else {
    size_t size = (size_t)(comma - begin);
    *ret_pattern = (tuplet_bytes){begin, size};
    *rest = (tuplet_bytes){comma + 1, rest->size - size - 1};
  }
  return true;
}

void tp_token_time_print(int64_t unix_ms, char ret_text[TP_TOKEN_TIME_SIZE]) {
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm parts;
  if (gmtime_r(&seconds, &parts) == NULL ||
      strftime(ret_text, TP_TOKEN_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    ret_text[0] = '\0';
}

bool tp_token_time_parse(tuplet_bytes text, int64_t *ret_unix_ms) {
  double unix_ms;
  if (!tp_date_from_text(text, &unix_ms) || unix_ms < 0 || unix_ms > (double)TP_TOKEN_TIME_MS_MAX)
    return false;
  *ret_unix_ms = (int64_t)unix_ms / 1000 * 1000;
  return true;
}

/* ---- One line ---- */

/* What a line is read with. */
typedef struct line_parser {
  const char *file;
  size_t line;
  tp_token *token;
  tuplet_error *error;
} line_parser;

/* `what` is followed by the offending value, unless that may be a token that got into the wrong place. */
static tuplet_status refuse(const line_parser *parser, const char *what, tuplet_bytes value) {
  enum { SHOWN_MAX = 40 };
  if (value.data == NULL || value.size > SHOWN_MAX)
    return tp_fail(parser->error, TUPLET_FORMAT, "Line %zu of %s: %s.", parser->line, parser->file, what);
  return tp_fail(parser->error, TUPLET_FORMAT, "Line %zu of %s: %s; it is '%.*s'.", parser->line,
                 parser->file, what, (int)value.size, (const char *)value.data);
}

static tuplet_status parse_name(const line_parser *parser, tuplet_bytes value) {
  if (!tp_token_name_is_valid(value))
    return refuse(
        parser,
        "a name has at most 63 letters, digits and . _ @ -, begins with a letter or digit, and does "
        "not look like an id",
        value);
  memcpy(parser->token->name, value.data, value.size);
  parser->token->name[value.size] = '\0';
  return TUPLET_OK;
}

static tuplet_status parse_id(const line_parser *parser, tuplet_bytes value) {
  if (tp_token_id_parse(value, &parser->token->id)) return TUPLET_OK;
  return refuse(parser, "an id has 12 hexadecimal digits", value);
}

static tuplet_status parse_rights(const line_parser *parser, tuplet_bytes value) {
  parser->token->may_write = equals(value, "read-write");
  if (parser->token->may_write || equals(value, "read-only")) return TUPLET_OK;
  return refuse(parser, "rights are read-only or read-write", value);
}

static tuplet_status parse_databases(const line_parser *parser, tuplet_bytes value) {
  tuplet_bytes rest = value, pattern;
  size_t count = 0;
  while (tp_token_next_pattern(&rest, &pattern)) {
    if (!tp_token_pattern_is_valid(pattern))
      return refuse(parser,
                    "databases are names (lower-case letters, digits, - and _), in which a * stands for any "
                    "characters, or :memory:, with commas in between",
                    pattern);
    if (++count > TP_TOKEN_PATTERNS_MAX)
      return refuse(parser, "there are more than 32 databases", (tuplet_bytes){0});
  }
  parser->token->databases = value;
  return TUPLET_OK;
}

static tuplet_status parse_created(const line_parser *parser, tuplet_bytes value) {
  if (tp_token_time_parse(value, &parser->token->created_at_ms)) return TUPLET_OK;
  return refuse(parser, "a time looks like 2026-11-21T15:40:00Z", value);
}

static tuplet_status parse_expires(const line_parser *parser, tuplet_bytes value) {
  if (equals(value, "never") || tp_token_time_parse(value, &parser->token->expires_at_ms)) return TUPLET_OK;
  return refuse(parser, "a time looks like 2026-11-21T15:40:00Z, or is 'never'", value);
}

/* What stands in place of a hash may be a token by mistake: it is not shown. */
static tuplet_status parse_hash(const line_parser *parser, tuplet_bytes value) {
  if (tp_hex_read(value.data, value.size, parser->token->hash, TP_TOKEN_HASH_SIZE)) return TUPLET_OK;
  return refuse(parser, "sha256 has 64 hexadecimal digits", (tuplet_bytes){0});
}

typedef struct line_field {
  const char *name;
  bool is_required;
  tuplet_status (*parse)(const line_parser *parser, tuplet_bytes value);
} line_field;

static const line_field fields[] = {
    {"name", true, parse_name},        {"id", true, parse_id},
    {"rights", true, parse_rights},    {"databases", true, parse_databases},
    {"created", false, parse_created}, {"expires", false, parse_expires},
    {"sha256", true, parse_hash},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

/* What comes before the '=' may be anything, a token among it: it is not shown. */
static tuplet_status parse_field(const line_parser *parser, tuplet_bytes word, unsigned *seen) {
  const char *equals_sign = memchr(word.data, '=', word.size);
  if (equals_sign == NULL) return refuse(parser, "fields look like name=value", (tuplet_bytes){0});
  tuplet_bytes name = {word.data, (size_t)(equals_sign - (const char *)word.data)};
  tuplet_bytes value = {equals_sign + 1, word.size - name.size - 1};
  for (unsigned i = 0; i < FIELD_COUNT; i++) {
    if (!equals(name, fields[i].name)) continue;
    if ((*seen & 1u << i) != 0) return refuse(parser, "a field is there twice", name);
    *seen |= 1u << i;
    return fields[i].parse(parser, value);
  }
  return refuse(
      parser, "the fields are name, id, rights, databases, created, expires and sha256; there is another one",
      (tuplet_bytes){0});
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

/* The first word, taken off the line; false at its end. */
static bool next_word(tuplet_bytes *line, tuplet_bytes *ret_word) {
  const char *text = line->data;
  size_t begin = 0;
  while (begin < line->size && is_blank(text[begin])) begin++;
  size_t end = begin;
  while (end < line->size && !is_blank(text[end])) end++;
  *ret_word = (tuplet_bytes){text + begin, end - begin};
  *line = (tuplet_bytes){text + end, line->size - end};
  return end > begin;
}

/* *ret_is_token is false for a comment. */
static tuplet_status parse_line(const line_parser *parser, tuplet_bytes line, bool *ret_is_token) {
  tuplet_bytes word;
  unsigned seen = 0;
  *ret_is_token = false;
  while (next_word(&line, &word)) {
    if (seen == 0 && *(const char *)word.data == '#') return TUPLET_OK;
    tuplet_status status = parse_field(parser, word, &seen);
    if (status != TUPLET_OK) return status;
  }
  if (seen == 0) return TUPLET_OK;
  for (unsigned i = 0; i < FIELD_COUNT; i++) {
    tuplet_bytes name = {fields[i].name, strlen(fields[i].name)};
    if (fields[i].is_required && (seen & 1u << i) == 0) return refuse(parser, "a field is missing", name);
  }
  *ret_is_token = true;
  return TUPLET_OK;
}

/* ---- All lines ---- */

static tuplet_status parse_lines(tp_tokens *tokens, const char *file, size_t size, tuplet_error *error) {
  line_parser parser = {.file = file, .line = 1, .error = error};
  tuplet_status status = TUPLET_OK;
  for (size_t start = 0; start < size && status == TUPLET_OK; parser.line++) {
    const char *begin = tokens->text + start;
    const char *end = memchr(begin, '\n', size - start);
    if (end == NULL) return refuse(&parser, "the line does not end; is the file whole?", (tuplet_bytes){0});
    size_t line_size = (size_t)(end - begin);
    if (memchr(begin, '\0', line_size) != NULL)
      return refuse(&parser, "there is a NUL in it", (tuplet_bytes){0});
    tp_token token = {.expires_at_ms = TP_TOKEN_NEVER, .line = parser.line};
    bool is_token;
    parser.token = &token;
    status = parse_line(&parser, (tuplet_bytes){begin, line_size}, &is_token);
    if (status == TUPLET_OK && is_token) {
      if (tokens->count == TP_TOKENS_MAX)
        return refuse(&parser, "there are more than 10000 tokens", (tuplet_bytes){0});
      tokens->items[tokens->count++] = token;
    }
    start += line_size + 1;
  }
  return status;
}

static int compare_ids(const void *a, const void *b) {
  const tp_token *left = *(const tp_token *const *)a, *right = *(const tp_token *const *)b;
  return left->id < right->id ? -1 : left->id > right->id;
}

static int compare_names(const void *a, const void *b) {
  const tp_token *left = *(const tp_token *const *)a, *right = *(const tp_token *const *)b;
  return strcmp(left->name, right->name);
}

/* Sorts, and finds two of the same. */
static tuplet_status sort(const tp_tokens *tokens, const tp_token **sorted, const char *what,
                          int (*compare)(const void *a, const void *b), const char *file,
                          tuplet_error *error) {
  for (size_t i = 0; i < tokens->count; i++) sorted[i] = &tokens->items[i];
  qsort(sorted, tokens->count, sizeof(const tp_token *), compare);
  for (size_t i = 1; i < tokens->count; i++) {
    if (compare(&sorted[i - 1], &sorted[i]) != 0) continue;
    size_t one = sorted[i - 1]->line, other = sorted[i]->line;
    return tp_fail(error, TUPLET_FORMAT, "Line %zu of %s: line %zu has the same %s.",
                   one > other ? one : other, file, one > other ? other : one, what);
  }
  return TUPLET_OK;
}

/* No more tokens than lines. */
static size_t count_lines(tuplet_bytes text) {
  size_t count = 0;
  const char *data = text.data;
  for (size_t i = 0; i < text.size; i++) count += data[i] == '\n';
  return count < TP_TOKENS_MAX ? count : TP_TOKENS_MAX;
}

tuplet_status tp_tokens_parse(const tuplet_allocator *allocator, const char *file, tuplet_bytes text,
                              tp_tokens **ret_tokens, tuplet_error *error) {
  tp_tokens *tokens = tp_alloc_array_zeroed(allocator, 1, sizeof *tokens);
  if (tokens == NULL) return tp_fail_nomem(error);
  tokens->allocator = allocator;
  size_t count_max = count_lines(text) + 1; /* so that there is something to allocate */
  tokens->items = tp_alloc_array_zeroed(allocator, count_max, sizeof *tokens->items);
  tokens->by_id = tp_alloc_array_zeroed(allocator, count_max, sizeof(const tp_token *));
  tokens->by_name = tp_alloc_array_zeroed(allocator, count_max, sizeof(const tp_token *));
  tokens->text = tp_alloc(allocator, text.size + 1);
  tuplet_status status = TUPLET_OK;
  if (tokens->items == NULL || tokens->by_id == NULL || tokens->by_name == NULL || tokens->text == NULL) {
    status = tp_fail_nomem(error);
    goto out;
  }
  if (text.size > 0) memcpy(tokens->text, text.data, text.size);
  status = parse_lines(tokens, file, text.size, error);
  if (status == TUPLET_OK) status = sort(tokens, tokens->by_id, "id", compare_ids, file, error);
  if (status == TUPLET_OK) status = sort(tokens, tokens->by_name, "name", compare_names, file, error);
out:
  if (status == TUPLET_OK)
    *ret_tokens = tokens;
  else
    tp_tokens_free(tokens);
  return status;
}

void tp_token_print(const tp_token *token, tp_buffer *out) {
  char id[TP_TOKEN_ID_SIZE], time[TP_TOKEN_TIME_SIZE];
  tp_token_id_print(token->id, id);
  tp_buffer_append_format(out, "name=%s id=%s rights=%s databases=%.*s", token->name, id,
                          token->may_write ? "read-write" : "read-only", (int)token->databases.size,
                          (const char *)token->databases.data);
  if (token->created_at_ms > 0) {
    tp_token_time_print(token->created_at_ms, time);
    tp_buffer_append_format(out, " created=%s", time);
  }
  if (token->expires_at_ms != TP_TOKEN_NEVER) tp_token_time_print(token->expires_at_ms, time);
  tp_buffer_append_format(out,
                          " expires=%s sha256=", token->expires_at_ms != TP_TOKEN_NEVER ? time : "never");
  tp_hex_append(out, (tuplet_bytes){token->hash, sizeof token->hash});
  tp_buffer_append_byte(out, '\n');
}

/* text_lex.c: JavaScript source text as tokens. */
#include "codec/text_lex.h"

#include "base/status.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <string.h>

enum {
  FOUND_SIZE_MAX = 40, /* how much of the source an error quotes, bytes */
  BYTE_ORDER_MARK = 0xFEFF,
  LINE_SEPARATOR = 0x2028,
  PARAGRAPH_SEPARATOR = 0x2029
};

static const char not_utf8[] = "text in UTF-8";

void tp_lexer_init(tp_lexer *lexer, const tuplet_allocator *allocator, const char *source, size_t size,
                   tuplet_error *error) {
  *lexer = (tp_lexer){.source = source, .size = size, .error = error};
  tp_buffer_init(&lexer->content, allocator);
}

void tp_lexer_done(tp_lexer *lexer) {
  tp_buffer_done(&lexer->content);
}

/* ---- Characters ---- */

static bool is_line_end(uint32_t c) {
  return c == '\n' || c == '\r' || c == LINE_SEPARATOR || c == PARAGRAPH_SEPARATOR;
}

static bool is_ascii_name(uint32_t c, bool first) {
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return c < 0x80;
  if (c == '$' || c == '_') return true;
  return !first && c >= '0' && c <= '9';
}

static bool is_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
         c == 0x3000 || c == BYTE_ORDER_MARK || is_line_end(c);
}

/* Which characters beyond ASCII JavaScript takes in a name is a table of Unicode's; here all but spaces are
 * taken when read, and none is written without quotes. */
static bool is_name(uint32_t c, bool first) {
  return c < 0x80 ? is_ascii_name(c, first) : !is_space(c);
}

bool tp_text_is_identifier(tuplet_bytes text) {
  const uint8_t *bytes = text.data;
  for (size_t i = 0; i < text.size; i++) {
    if (!is_ascii_name(bytes[i], i == 0)) return false;
  }
  return text.size > 0;
}

bool tp_text_is_plain(uint32_t c) {
  if (c < ' ' || (c >= 0x7F && c < 0xA0) || tp_code_point_is_surrogate(c)) return false;
  bool changes_direction = c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
                           (c >= 0x2066 && c <= 0x2069);
  return !changes_direction && !is_line_end(c) && c != BYTE_ORDER_MARK;
}

/* ---- Errors ---- */

/* The code point at `at`; a byte that is no UTF-8 counts as one character. */
static size_t character_at(const tp_lexer *lexer, size_t at, uint32_t *ret_code_point) {
  size_t size = tp_utf8_decode(lexer->source + at, lexer->size - at, ret_code_point);
  if (size > 0) return size;
  *ret_code_point = TP_CODE_POINT_REPLACEMENT;
  return 1;
}

static void locate(const tp_lexer *lexer, size_t offset, size_t *ret_line, size_t *ret_column) {
  size_t line = 1, column = 1;
  for (size_t at = 0; at < offset;) {
    uint32_t c;
    at += character_at(lexer, at, &c);
    bool first_of_two = c == '\r' && at < lexer->size && lexer->source[at] == '\n';
    if (is_line_end(c) && !first_of_two) {
      line++;
      column = 1;
    } else {
      column++;
    }
  }
  *ret_line = line;
  *ret_column = column;
}

/* What an error quotes: the start of [start, end), on one line, whole characters, printable. */
static void quote(const tp_lexer *lexer, size_t start, size_t end, char ret_text[FOUND_SIZE_MAX + 8]) {
  size_t size = 0;
  bool cut = false;
  while (start < end && !cut) {
    uint32_t c;
    size_t length = tp_utf8_decode(lexer->source + start, lexer->size - start, &c);
    bool plain = length > 0 && tp_text_is_plain(c);
    cut = size + (plain ? length : 1) > FOUND_SIZE_MAX;
    if (cut) break;
    if (plain) {
      memcpy(ret_text + size, lexer->source + start, length);
      size += length;
    } else {
      ret_text[size++] = '?';
    }
    start += length > 0 ? length : 1;
  }
  memcpy(ret_text + size, cut ? "..." : "", cut ? 4 : 1);
}

tuplet_status tp_lexer_fail_at(tp_lexer *lexer, size_t start, size_t end, const char *expected) {
  size_t line, column;
  locate(lexer, start, &line, &column);
  if (start >= lexer->size)
    return tp_fail(lexer->error, TUPLET_SYNTAX,
                   "line %zu, column %zu: expected %s, found the end of the text", line, column, expected);
  while (end > start + 1 && is_space((uint8_t)lexer->source[end - 1]) &&
         (uint8_t)lexer->source[end - 1] < 0x80)
    end--;
  char found[FOUND_SIZE_MAX + 8];
  quote(lexer, start, end, found);
  return tp_fail(lexer->error, TUPLET_SYNTAX, "line %zu, column %zu: expected %s, found %s", line, column,
                 expected, found);
}

tuplet_status tp_lexer_fail(tp_lexer *lexer, const char *expected) {
  return tp_lexer_fail_at(lexer, lexer->token.start, lexer->token.end, expected);
}

/* ---- Whitespace and comments ---- */

static tuplet_status skip_comment(tp_lexer *lexer, size_t *at) {
  size_t start = *at;
  if (lexer->source[start + 1] == '*') {
    for (size_t i = start + 2; i + 1 < lexer->size; i++) {
      if (lexer->source[i] != '*' || lexer->source[i + 1] != '/') continue;
      *at = i + 2;
      return TUPLET_OK;
    }
    return tp_lexer_fail_at(lexer, lexer->size, lexer->size, "*/ at the end of the comment");
  }
  size_t i = start;
  while (i < lexer->size) {
    uint32_t c;
    size_t length = character_at(lexer, i, &c);
    if (is_line_end(c)) break;
    i += length;
  }
  *at = i;
  return TUPLET_OK;
}

static tuplet_status skip_space(tp_lexer *lexer, size_t *at) {
  while (*at < lexer->size) {
    char c = lexer->source[*at];
    if (c == '/' && lexer->size - *at > 1 &&
        (lexer->source[*at + 1] == '/' || lexer->source[*at + 1] == '*')) {
      tuplet_status status = skip_comment(lexer, at);
      if (status != TUPLET_OK) return status;
      continue;
    }
    uint32_t code_point;
    size_t length = tp_utf8_decode(lexer->source + *at, lexer->size - *at, &code_point);
    if (length == 0) return tp_lexer_fail_at(lexer, *at, *at + 1, not_utf8);
    if (!is_space(code_point)) break;
    *at += length;
  }
  return TUPLET_OK;
}

/* ---- Strings ---- */

static bool read_hex(const tp_lexer *lexer, size_t at, size_t digits, uint32_t *ret_number) {
  if (lexer->size - at < digits) return false;
  uint32_t number = 0;
  for (size_t i = 0; i < digits; i++) {
    uint32_t c = (uint8_t)lexer->source[at + i], lower = c | 0x20;
    if (c >= '0' && c <= '9') {
      number = number * 16 + (c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      number = number * 16 + (lower - 'a' + 10);
    } else {
      return false;
    }
  }
  *ret_number = number;
  return true;
}

/* \u{1F600}: `at` is behind the brace; moves it behind the closing one. */
static bool read_braced(const tp_lexer *lexer, size_t *at, uint32_t *ret_code_point) {
  uint32_t code_point = 0, digit;
  size_t start = *at;
  while (*at < lexer->size && read_hex(lexer, *at, 1, &digit)) {
    code_point = code_point * 16 + digit;
    if (code_point > TP_CODE_POINT_MAX) return false;
    ++*at;
  }
  if (*at == start || *at == lexer->size || lexer->source[*at] != '}') return false;
  ++*at;
  *ret_code_point = code_point;
  return true;
}

/* `at` is behind "\u" or "\x"; moves it behind the escape. */
static bool read_code(const tp_lexer *lexer, char kind, size_t *at, uint32_t *ret_code_point) {
  if (kind == 'u' && *at < lexer->size && lexer->source[*at] == '{') {
    ++*at;
    return read_braced(lexer, at, ret_code_point);
  }
  size_t digits = kind == 'u' ? 4 : 2;
  if (!read_hex(lexer, *at, digits, ret_code_point)) return false;
  *at += digits;
  return true;
}

/* `at` is behind a backslash; moves it behind the escape and appends what that means. */
static tuplet_status read_escape(tp_lexer *lexer, size_t *at) {
  static const char letters[] = "nrtbfv0", meanings[] = "\n\r\t\b\f\v";
  size_t start = *at - 1;
  if (*at >= lexer->size) return tp_lexer_fail_at(lexer, lexer->size, lexer->size, "an escape sequence");
  uint32_t c;
  size_t length = tp_utf8_decode(lexer->source + *at, lexer->size - *at, &c);
  if (length == 0) return tp_lexer_fail_at(lexer, *at, *at + 1, not_utf8);
  *at += length;
  if (c == 'u' || c == 'x') {
    if (!read_code(lexer, (char)c, at, &c))
      return tp_lexer_fail_at(lexer, start, start + 2, "hexadecimal digits that make a code point");
  } else if (is_line_end(c)) {
    if (c == '\r' && *at < lexer->size && lexer->source[*at] == '\n') ++*at;
    return TUPLET_OK; /* a continued line */
  } else if (c >= '0' && c <= '9') {
    bool digit_follows = *at < lexer->size && lexer->source[*at] >= '0' && lexer->source[*at] <= '9';
    if (c != '0' || digit_follows)
      return tp_lexer_fail_at(lexer, start, *at, "an escape sequence (\\0 is the only one with a digit)");
    c = 0;
  } else if (c < 0x80) {
    const char *letter = strchr(letters, (char)c);
    if (letter != NULL && *letter != '\0') c = (uint8_t)meanings[letter - letters];
  }
  tp_wtf8_append(&lexer->content, 0, c);
  return TUPLET_OK;
}

/* Reads up to the closing quote; `at` is behind the opening one and moves behind the closing one. */
static tuplet_status read_string(tp_lexer *lexer, char quote_character, size_t *at) {
  tp_buffer_clear(&lexer->content);
  while (*at < lexer->size) {
    uint32_t c;
    size_t length = tp_utf8_decode(lexer->source + *at, lexer->size - *at, &c);
    if (length == 0) return tp_lexer_fail_at(lexer, *at, *at + 1, not_utf8);
    size_t start = *at;
    *at += length;
    if (c == (uint8_t)quote_character) return TUPLET_OK;
    if (c == '\\') {
      tuplet_status status = read_escape(lexer, at);
      if (status != TUPLET_OK) return status;
      continue;
    }
    if (quote_character == '`') {
      if (c == '$' && *at < lexer->size && lexer->source[*at] == '{')
        return tp_lexer_fail_at(lexer, start, start + 2, "a template without substitutions");
      if (c == '\r') { /* a template's line ends are \n, whatever the file's are */
        if (*at < lexer->size && lexer->source[*at] == '\n') ++*at;
        c = '\n';
      }
    } else if (c == '\n' || c == '\r') {
      return tp_lexer_fail_at(lexer, start, *at, "the string's closing quote on the same line");
    }
    tp_wtf8_append(&lexer->content, 0, c);
  }
  return tp_lexer_fail_at(lexer, lexer->size, lexer->size, "the string's closing quote");
}

static tuplet_status lex_string(tp_lexer *lexer, size_t start) {
  size_t at = start + 1;
  tuplet_status status = read_string(lexer, lexer->source[start], &at);
  if (status != TUPLET_OK) return status;
  if (lexer->content.failed) return tp_fail_nomem(lexer->error);
  lexer->token =
      (tp_token){.type = TP_TOKEN_STRING, .text = tp_buffer_view(&lexer->content), .start = start, .end = at};
  return TUPLET_OK;
}

/* ---- Numbers, names, punctuation ---- */

static tuplet_status lex_number(tp_lexer *lexer, size_t start) {
  const char *text = lexer->source + start;
  size_t size_max = lexer->size - start, size = 0;
  bool hexadecimal = size_max > 1 && text[0] == '0' && (text[1] | 0x20) == 'x';
  while (size < size_max) {
    char c = text[size];
    bool exponent_sign = (c == '+' || c == '-') && size > 0 && !hexadecimal && (text[size - 1] | 0x20) == 'e';
    if (!is_ascii_name((uint8_t)c, false) && c != '.' && !exponent_sign) break;
    size++;
  }
  lexer->token = (tp_token){.type = TP_TOKEN_NUMBER, .start = start, .end = start + size};
  if (text[size - 1] == 'n') {
    lexer->token.type = TP_TOKEN_BIGINT;
    lexer->token.text = (tuplet_bytes){text, size - 1};
  } else if (!tp_number_from_text(text, size, &lexer->token.number)) {
    return tp_lexer_fail(lexer, "a number");
  }
  return TUPLET_OK;
}

static size_t name_size(const tp_lexer *lexer, size_t start) {
  size_t at = start;
  while (at < lexer->size) {
    uint32_t c;
    size_t length = tp_utf8_decode(lexer->source + at, lexer->size - at, &c);
    if (length == 0 || !is_name(c, at == start)) break;
    at += length;
  }
  return at - start;
}

static bool starts_number(const tp_lexer *lexer, size_t start) {
  const char *text = lexer->source + start;
  if (*text == '.') return lexer->size - start > 1 && text[1] >= '0' && text[1] <= '9';
  return *text >= '0' && *text <= '9';
}

static tuplet_status lex_at(tp_lexer *lexer, size_t start) {
  if (start == lexer->size) {
    lexer->token = (tp_token){.type = TP_TOKEN_END, .start = start, .end = start};
    return TUPLET_OK;
  }
  char c = lexer->source[start];
  if (c == '"' || c == '\'' || c == '`') return lex_string(lexer, start);
  if (starts_number(lexer, start)) return lex_number(lexer, start);
  size_t size = name_size(lexer, start);
  if (size > 0) {
    lexer->token = (tp_token){
        .type = TP_TOKEN_NAME, .text = {lexer->source + start, size}, .start = start, .end = start + size};
    return TUPLET_OK;
  }
  lexer->token = (tp_token){.type = TP_TOKEN_PUNCTUATOR, .punctuator = c, .start = start, .end = start + 1};
  if (c == '=' && lexer->size - start > 1 && lexer->source[start + 1] == '>') {
    lexer->token.punctuator = TP_PUNCTUATOR_ARROW;
    lexer->token.end++;
  }
  return TUPLET_OK;
}

tuplet_status tp_lexer_next(tp_lexer *lexer) {
  size_t at = lexer->token.end;
  tuplet_status status = skip_space(lexer, &at);
  if (status != TUPLET_OK) return status;
  return lex_at(lexer, at);
}

/* ---- Regular expressions ---- */

/* The size of the body that starts `text` and is ended by a slash or by the text's end; SIZE_MAX when it is
 * no body of a literal. */
static size_t regexp_body_size(const char *text, size_t text_size) {
  bool in_class = false;
  size_t at = 0;
  while (at < text_size) {
    uint32_t c;
    size_t length = tp_utf8_decode(text + at, text_size - at, &c);
    if (length == 0 || is_line_end(c)) return SIZE_MAX;
    if (c == '/' && !in_class) break;
    if (at == 0 && c == '*') return SIZE_MAX;
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    at += length;
    if (c != '\\') continue;
    length = tp_utf8_decode(text + at, text_size - at, &c);
    if (length == 0 || is_line_end(c)) return SIZE_MAX;
    at += length;
  }
  return in_class || at == 0 ? SIZE_MAX : at;
}

tuplet_status tp_lexer_regexp(tp_lexer *lexer, tuplet_bytes *ret_source, tuplet_bytes *ret_flags) {
  size_t start = lexer->token.start, body = start + 1;
  size_t size = regexp_body_size(lexer->source + body, lexer->size - body);
  if (size == SIZE_MAX || body + size >= lexer->size)
    return tp_lexer_fail_at(lexer, start, lexer->size, "a regular expression that ends on its line");
  size_t flags = body + size + 1;
  size_t flags_size = name_size(lexer, flags);
  lexer->token.end = flags + flags_size;
  *ret_source = (tuplet_bytes){lexer->source + body, size};
  *ret_flags = (tuplet_bytes){lexer->source + flags, flags_size};
  return tp_lexer_next(lexer);
}

bool tp_regexp_is_literal(tuplet_bytes source) {
  const char *text = source.data;
  for (size_t at = 0; at < source.size;) {
    uint32_t c;
    size_t length = tp_utf8_decode(text + at, source.size - at, &c);
    if (length == 0 || !tp_text_is_plain(c)) return false;
    at += length;
  }
  return source.size > 0 && regexp_body_size(text, source.size) == source.size;
}

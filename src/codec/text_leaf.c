/* text_leaf.c: the parts of JavaScript's notation that hold no other values. */
#include "codec/text_leaf.h"

#include "codec/number.h"
#include "codec/text_lex.h"
#include "codec/utf8.h"

#include <string.h>

bool tp_text_equals(tuplet_bytes text, const char *other) {
  return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

/* ---- Strings ---- */

static const char *short_escape(uint32_t c) {
  switch (c) {
  case '"': return "\\\"";
  case '\\': return "\\\\";
  case '\n': return "\\n";
  case '\r': return "\\r";
  case '\t': return "\\t";
  case '\b': return "\\b";
  case '\f': return "\\f";
  default: return NULL;
  }
}

void tp_text_append_string(tp_buffer *out, tuplet_bytes wtf8) {
  const uint8_t *bytes = wtf8.data;
  size_t plain_from = 0;
  tp_buffer_append_byte(out, '"');
  for (size_t at = 0; at < wtf8.size;) {
    uint32_t c;
    size_t length = tp_wtf8_decode(bytes + at, wtf8.size - at, &c);
    if (length == 0) { /* no tree holds such a string; never loop on one */
      length = 1;
      c = TP_CODE_POINT_REPLACEMENT;
    }
    const char *escape = short_escape(c);
    if (escape != NULL || !tp_text_is_plain(c)) {
      if (at > plain_from) tp_buffer_append(out, bytes + plain_from, at - plain_from);
      plain_from = at + length;
      if (escape != NULL) {
        tp_buffer_append_text(out, escape);
      } else {
        tp_buffer_append_format(out, "\\u%04x", c); /* all of them are below U+10000 */
      }
    }
    at += length;
  }
  if (wtf8.size > plain_from) tp_buffer_append(out, bytes + plain_from, wtf8.size - plain_from);
  tp_buffer_append_byte(out, '"');
}

void tp_text_append_number(tp_buffer *out, double number) {
  char text[TP_NUMBER_TEXT_SIZE];
  tp_buffer_append(out, text, tp_number_to_text(number, text));
}

/* ---- Keys ---- */

/* Only index-like numbers are keys without quotes: {1e21: 0} is legal as well, but nobody writes it. */
static bool is_index(double number) {
  return number >= 0 && number < 4294967295.0 && number == (double)(uint32_t)number;
}

static void append_number_key(tp_buffer *out, double number) {
  char text[TP_NUMBER_TEXT_SIZE];
  number += 0.0; /* the key -0 is "0" */
  size_t size = tp_number_to_text(number, text);
  if (is_index(number)) {
    tp_buffer_append(out, text, size);
  } else {
    tp_text_append_string(out, (tuplet_bytes){text, size});
  }
}

void tp_text_append_literal_key(tp_buffer *out, const tuplet_node *key) {
  if (key->type == TUPLET_NODE_NUMBER) {
    append_number_key(out, key->as.number);
  } else if (tp_text_equals(key->as.string, "__proto__")) {
    tp_buffer_append_text(out, "[\"__proto__\"]"); /* without brackets it would set the prototype */
  } else if (tp_text_is_identifier(key->as.string)) {
    tp_buffer_append(out, key->as.string.data, key->as.string.size);
  } else {
    tp_text_append_string(out, key->as.string);
  }
}

void tp_text_append_access_key(tp_buffer *out, const tuplet_node *key) {
  if (key->type == TUPLET_NODE_STRING && tp_text_is_identifier(key->as.string)) {
    tp_buffer_append_byte(out, '.');
    tp_buffer_append(out, key->as.string.data, key->as.string.size);
    return;
  }
  tp_buffer_append_byte(out, '[');
  if (key->type == TUPLET_NODE_NUMBER) {
    append_number_key(out, key->as.number);
  } else {
    tp_text_append_string(out, key->as.string);
  }
  tp_buffer_append_byte(out, ']');
}

/* ---- Regular expressions ---- */

static const struct {
  char letter;
  uint16_t bit;
} regexp_flags[] = {{'d', TUPLET_REGEXP_D}, {'g', TUPLET_REGEXP_G}, {'i', TUPLET_REGEXP_I},
                    {'l', TUPLET_REGEXP_L}, {'m', TUPLET_REGEXP_M}, {'s', TUPLET_REGEXP_S},
                    {'u', TUPLET_REGEXP_U}, {'v', TUPLET_REGEXP_V}, {'y', TUPLET_REGEXP_Y}};

enum { REGEXP_FLAG_COUNT = sizeof regexp_flags / sizeof regexp_flags[0] };

void tp_text_append_regexp(tp_buffer *out, tuplet_bytes source, uint32_t flags) {
  char letters[REGEXP_FLAG_COUNT + 1];
  size_t count = 0;
  for (size_t i = 0; i < REGEXP_FLAG_COUNT; i++) {
    if ((flags & regexp_flags[i].bit) != 0) letters[count++] = regexp_flags[i].letter;
  }
  letters[count] = '\0';
  if (tp_regexp_is_literal(source)) {
    tp_buffer_append_byte(out, '/');
    tp_buffer_append(out, source.data, source.size);
    tp_buffer_append_byte(out, '/');
    tp_buffer_append_text(out, letters);
    return;
  }
  tp_buffer_append_text(out, "new RegExp(");
  tp_text_append_string(out, source);
  if (count > 0) tp_buffer_append_format(out, ", \"%s\"", letters);
  tp_buffer_append_byte(out, ')');
}

bool tp_regexp_flags_from_text(tuplet_bytes text, uint32_t *ret_flags) {
  const char *letters = text.data;
  uint32_t flags = 0;
  for (size_t i = 0; i < text.size; i++) {
    uint32_t bit = 0;
    for (size_t j = 0; j < REGEXP_FLAG_COUNT; j++) {
      if (regexp_flags[j].letter == letters[i]) bit = regexp_flags[j].bit;
    }
    if (bit == 0 || (flags & bit) != 0) return false;
    flags |= bit;
  }
  *ret_flags = flags;
  return true;
}

/* ---- Errors ---- */

static const struct {
  const char *name;
  tuplet_error_type type;
} error_names[] = {{"Error", TUPLET_ERROR_PLAIN},        {"EvalError", TUPLET_ERROR_EVAL},
                   {"RangeError", TUPLET_ERROR_RANGE},   {"ReferenceError", TUPLET_ERROR_REFERENCE},
                   {"SyntaxError", TUPLET_ERROR_SYNTAX}, {"TypeError", TUPLET_ERROR_TYPE},
                   {"URIError", TUPLET_ERROR_URI}};

enum { ERROR_NAME_COUNT = sizeof error_names / sizeof error_names[0] };

const char *tp_error_name(tuplet_error_type type) {
  for (size_t i = 0; i < ERROR_NAME_COUNT; i++) {
    if (error_names[i].type == type) return error_names[i].name;
  }
  return error_names[0].name;
}

bool tp_error_type_named(tuplet_bytes name, tuplet_error_type *ret_type) {
  for (size_t i = 0; i < ERROR_NAME_COUNT; i++) {
    if (!tp_text_equals(name, error_names[i].name)) continue;
    *ret_type = error_names[i].type;
    return true;
  }
  return false;
}

/* text_leaf.h: the parts of JavaScript's notation that hold no other values, and the names in it that the
 * printer and the parser share. */
#ifndef TP_CODEC_TEXT_LEAF_H
#define TP_CODEC_TEXT_LEAF_H

#include "base/buffer.h"

/* How many bytes of buffers a text may ask for by their number alone, "new ArrayBuffer(65536)", beyond its
 * own size. The printer lists the bytes where this would be exceeded, so that all it prints parses. */
enum { TP_TEXT_ZEROS_MAX = 1 << 20 };

/* "…" with escapes; also a JSON string, unless there are lone surrogates. */
void tp_text_append_string(tp_buffer *out, tuplet_bytes wtf8);

/* As JavaScript writes it, but for -0. */
void tp_text_append_number(tp_buffer *out, double number);

/* A property's name in a literal, {name: , "a b": , 5: , ["__proto__"]: }, and behind what has it: .name,
 * ["a b"], [5]. `key` is a STRING or NUMBER node. */
void tp_text_append_literal_key(tp_buffer *out, const tuplet_node *key);
void tp_text_append_access_key(tp_buffer *out, const tuplet_node *key);

/* /source/flags, or new RegExp("source", "flags") where the source cannot stand between slashes. */
void tp_text_append_regexp(tp_buffer *out, tuplet_bytes source, uint32_t flags);

/* The bits of a regular expression's flags; false when a letter is none, or stands twice. */
bool tp_regexp_flags_from_text(tuplet_bytes text, uint32_t *ret_flags);

/* The constructor of errors of a type ("Error" for unknown ones), and back. */
const char *tp_error_name(tuplet_error_type type);
bool tp_error_type_named(tuplet_bytes name, tuplet_error_type *ret_type);

bool tp_text_equals(tuplet_bytes text, const char *other);

#endif

/* text_view.h: the elements of typed arrays as JavaScript numbers, and back. For the printer and the parser
 * of values; nothing else looks inside a buffer. */
#ifndef TP_CODEC_TEXT_VIEW_H
#define TP_CODEC_TEXT_VIEW_H

#include "base/buffer.h"

typedef struct tp_view_kind {
  const char *name; /* the constructor's */
  tuplet_view_type type;
  bool is_bigint;
} tp_view_kind;

/* NULL for a type, respectively a name, that there is none of. */
const tp_view_kind *tp_view_kind_of(tuplet_view_type type);
const tp_view_kind *tp_view_kind_named(tuplet_bytes name);

/* Appends one element, converted as JavaScript does when a number is stored: modulo 2^n, clamped, or rounded.
 * Not for BigInt arrays and DataView. */
void tp_view_append_number(tp_buffer *out, tuplet_view_type type, double number);

/* The same for BigInt64Array and BigUint64Array: modulo 2^64. */
void tp_view_append_bigint(tp_buffer *out, bool negative, tuplet_bytes little_endian);

/* Appends the element at `data` as JavaScript text. */
void tp_view_element_to_text(tp_buffer *out, tuplet_view_type type, const uint8_t *data);

/* Whether printing the elements and reading them again gives the same bytes: false where a NaN has other bits
 * than JavaScript's own NaN. */
bool tp_view_elements_are_plain(tuplet_view_type type, const uint8_t *data, size_t size);

#endif

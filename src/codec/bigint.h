/* bigint.h: integers of any size as text. The arithmetic is OpenSSL's; its memory is OpenSSL's, too. */
#ifndef TP_CODEC_BIGINT_H
#define TP_CODEC_BIGINT_H

#include "base/buffer.h"

/* The largest magnitude that is turned into text or read from it: no value or key can hold a larger one, and
 * the time of a conversion grows with the square of the size. */
enum { TP_BIGINT_SIZE_MAX = 65536 };

/* Appends the decimal digits of an integer, after '-' when it is negative (and not 0). magnitude:
 * little-endian bytes, zeros at the end allowed. No "n" is added. Errors: TUPLET_LIMIT, TUPLET_NOMEM. Any
 * thread. */
tuplet_status tp_bigint_to_text(bool negative, tuplet_bytes magnitude, tp_buffer *out, tuplet_error *error);

/* Reads `text`, all of it, as the digits of a JavaScript BigInt literal without its "n": decimal, 0x, 0o or
 * 0b, '_' between digits; no sign. Appends the magnitude, little-endian without zeros at its end: nothing for
 * 0. Errors: TUPLET_SYNTAX, TUPLET_LIMIT, TUPLET_NOMEM. Any thread. */
tuplet_status tp_bigint_from_text(const char *text, size_t size, tp_buffer *out, tuplet_error *error);

/* Reverses bytes in place: between big-endian (keys) and little-endian (values). */
void tp_bigint_reverse(uint8_t *bytes, size_t size);

#endif

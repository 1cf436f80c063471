/* utf8.h: text between UTF-8, WTF-8, UTF-16LE and Latin-1.
 *
 * JavaScript strings are sequences of 16-bit units and may hold half a surrogate pair. WTF-8 is UTF-8 that
 * also lets such a lone surrogate stand, as its three bytes (ED A0..BF xx); a whole pair is always the four
 * bytes of its code point, never two times three. Trees hold WTF-8; keys and everything public hold UTF-8.
 *
 * All functions are pure, take any bytes, and may be called from any thread. Appending functions report out
 * of memory through the buffer's own `failed`. */
#ifndef TP_CODEC_UTF8_H
#define TP_CODEC_UTF8_H

#include "base/buffer.h"

enum {
  TP_UTF8_SIZE_MAX = 4,               /* bytes of one code point */
  TP_CODE_POINT_REPLACEMENT = 0xFFFD, /* what stands for what UTF-8 cannot say */
  TP_CODE_POINT_MAX = 0x10FFFF
};

static inline bool tp_code_point_is_high_surrogate(uint32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDBFF;
}

static inline bool tp_code_point_is_low_surrogate(uint32_t code_point) {
  return code_point >= 0xDC00 && code_point <= 0xDFFF;
}

static inline bool tp_code_point_is_surrogate(uint32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

/* Whether all of `text` is UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Empty text is. */
bool tp_utf8_is_valid(tuplet_bytes text);

/* The same for WTF-8. */
bool tp_wtf8_is_valid(tuplet_bytes text);

/* The code point at the start of `text`: returns how many bytes it takes, or 0 when there is none (text is
 * empty, cut off or malformed). The WTF-8 one also gives surrogates; it does not look whether two make a
 * pair. */
size_t tp_utf8_decode(const void *text, size_t size, uint32_t *ret_code_point);
size_t tp_wtf8_decode(const void *text, size_t size, uint32_t *ret_code_point);

/* Writes a code point (at most TP_CODE_POINT_MAX; a surrogate as its three bytes) and returns how many bytes
 * it took. */
size_t tp_wtf8_encode(uint32_t code_point, uint8_t ret_bytes[TP_UTF8_SIZE_MAX]);

/* Appends a code point to the WTF-8 string that began at offset `start` of `out`: a low surrogate after a
 * high one makes their pair whole, so that a string may come in UTF-16 units. */
void tp_wtf8_append(tp_buffer *out, size_t start, uint32_t code_point);

/* Appends UTF-16LE as WTF-8. False when the size is odd. */
bool tp_wtf8_append_utf16le(tp_buffer *out, tuplet_bytes utf16le);

/* Appends WTF-8 as UTF-16LE. False when the text is not WTF-8; `out` then holds the part before the fault. */
bool tp_utf16le_append_wtf8(tp_buffer *out, tuplet_bytes wtf8);

/* Appends Latin-1 (ISO 8859-1: every byte is its code point) as UTF-8. */
void tp_utf8_append_latin1(tp_buffer *out, tuplet_bytes latin1);

/* Appends WTF-8 as UTF-8, U+FFFD for every lone surrogate, as JavaScript's toWellFormed() does. False when
 * the text is not WTF-8; `out` then holds the part before the fault. */
bool tp_utf8_append_wtf8(tp_buffer *out, tuplet_bytes wtf8);

#endif

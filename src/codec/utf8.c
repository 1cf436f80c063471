/* utf8.c: text between UTF-8, WTF-8, UTF-16LE and Latin-1.
 *
 * Most text is ASCII, so runs of it are skipped eight bytes at a time; everything else goes through one
 * decoder. */
#include "codec/utf8.h"

#include <string.h>

static bool is_continuation(uint8_t byte) {
  return (byte & 0xC0) == 0x80;
}

/* How many ASCII bytes `text` starts with. */
static size_t ascii_size(const uint8_t *text, size_t size) {
  size_t at = 0;
  for (; size - at >= 8; at += 8) {
    uint64_t word;
    memcpy(&word, text + at, sizeof word);
    if ((word & UINT64_C(0x8080808080808080)) != 0) break;
  }
  while (at < size && text[at] < 0x80) at++;
  return at;
}

size_t tp_wtf8_decode(const void *text, size_t size, uint32_t *ret_code_point) {
  const uint8_t *bytes = text;
  if (size == 0) return 0;
  uint8_t lead = bytes[0];
  if (lead < 0x80) {
    *ret_code_point = lead;
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4) return 0; /* a stray continuation, an overlong form, above U+10FFFF */
  if (size < 2 || !is_continuation(bytes[1])) return 0;
  uint32_t code_point = bytes[1] & 0x3Fu;
  if (lead < 0xE0) {
    *ret_code_point = (uint32_t)(lead & 0x1F) << 6 | code_point;
    return 2;
  }
  if (size < 3 || !is_continuation(bytes[2])) return 0;
  code_point = code_point << 6 | (bytes[2] & 0x3Fu);
  if (lead < 0xF0) {
    code_point |= (uint32_t)(lead & 0x0F) << 12;
    if (code_point < 0x800) return 0;
    *ret_code_point = code_point;
    return 3;
  }
  if (size < 4 || !is_continuation(bytes[3])) return 0;
  code_point = (uint32_t)(lead & 0x07) << 18 | code_point << 6 | (bytes[3] & 0x3Fu);
  if (code_point < 0x10000 || code_point > TP_CODE_POINT_MAX) return 0;
  *ret_code_point = code_point;
  return 4;
}

size_t tp_utf8_decode(const void *text, size_t size, uint32_t *ret_code_point) {
  uint32_t code_point;
  size_t used = tp_wtf8_decode(text, size, &code_point);
  if (used == 0 || tp_code_point_is_surrogate(code_point)) return 0;
  *ret_code_point = code_point;
  return used;
}

bool tp_utf8_is_valid(tuplet_bytes text) {
  const uint8_t *bytes = text.data;
  for (size_t at = 0;;) {
    if (at < text.size) at += ascii_size(bytes + at, text.size - at);
    if (at == text.size) return true;
    uint32_t code_point;
    size_t used = tp_utf8_decode(bytes + at, text.size - at, &code_point);
    if (used == 0) return false;
    at += used;
  }
}

bool tp_wtf8_is_valid(tuplet_bytes text) {
  const uint8_t *bytes = text.data;
  bool after_high = false;
  for (size_t at = 0;;) {
    size_t ascii = at < text.size ? ascii_size(bytes + at, text.size - at) : 0;
    at += ascii;
    if (ascii > 0) after_high = false;
    if (at == text.size) return true;
    uint32_t code_point;
    size_t used = tp_wtf8_decode(bytes + at, text.size - at, &code_point);
    if (used == 0 || (after_high && tp_code_point_is_low_surrogate(code_point))) return false;
    after_high = tp_code_point_is_high_surrogate(code_point);
    at += used;
  }
}

size_t tp_wtf8_encode(uint32_t code_point, uint8_t ret_bytes[TP_UTF8_SIZE_MAX]) {
  if (code_point < 0x80) {
    ret_bytes[0] = (uint8_t)code_point;
    return 1;
  }
  if (code_point < 0x800) {
    ret_bytes[0] = (uint8_t)(0xC0 | code_point >> 6);
    ret_bytes[1] = (uint8_t)(0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    ret_bytes[0] = (uint8_t)(0xE0 | code_point >> 12);
    ret_bytes[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
    ret_bytes[2] = (uint8_t)(0x80 | (code_point & 0x3F));
    return 3;
  }
  ret_bytes[0] = (uint8_t)(0xF0 | code_point >> 18);
  ret_bytes[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3F));
  ret_bytes[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
  ret_bytes[3] = (uint8_t)(0x80 | (code_point & 0x3F));
  return 4;
}

static uint32_t join_surrogates(uint32_t high, uint32_t low) {
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

void tp_wtf8_append(tp_buffer *out, size_t start, uint32_t code_point) {
  uint8_t *room = tp_buffer_reserve(out, TP_UTF8_SIZE_MAX);
  if (room == NULL) return;
  uint32_t before;
  if (tp_code_point_is_low_surrogate(code_point) && out->size - start >= 3 &&
      tp_wtf8_decode(room - 3, 3, &before) == 3 && tp_code_point_is_high_surrogate(before)) {
    code_point = join_surrogates(before, code_point);
    out->size -= 3;
    room -= 3;
  }
  out->size += tp_wtf8_encode(code_point, room);
}

bool tp_wtf8_append_utf16le(tp_buffer *out, tuplet_bytes utf16le) {
  if (utf16le.size % 2 != 0) return false;
  size_t unit_count = utf16le.size / 2;
  const uint8_t *units = utf16le.data;
  if (unit_count == 0) return true;
  /* A unit takes at most three bytes: a pair takes four. Half of SIZE_MAX times three would overflow. */
  uint8_t *room = unit_count > SIZE_MAX / 3 ? NULL : tp_buffer_reserve(out, unit_count * 3);
  if (room == NULL) {
    out->failed = true;
    return true;
  }
  uint8_t *end = room;
  for (size_t i = 0; i < unit_count; i++) {
    uint32_t code_point = (uint32_t)(units[2 * i] | units[2 * i + 1] << 8);
    if (tp_code_point_is_high_surrogate(code_point) && i + 1 < unit_count) {
      uint32_t low = (uint32_t)(units[2 * i + 2] | units[2 * i + 3] << 8);
      if (tp_code_point_is_low_surrogate(low)) {
        code_point = join_surrogates(code_point, low);
        i++;
      }
    }
    uint8_t bytes[TP_UTF8_SIZE_MAX];
    size_t used = tp_wtf8_encode(code_point, bytes);
    memcpy(end, bytes, used);
    end += used;
  }
  out->size += (size_t)(end - room);
  return true;
}

static uint8_t *write_utf16le_unit(uint8_t *out, uint32_t unit) {
  out[0] = (uint8_t)unit;
  out[1] = (uint8_t)(unit >> 8);
  return out + 2;
}

bool tp_utf16le_append_wtf8(tp_buffer *out, tuplet_bytes wtf8) {
  const uint8_t *text = wtf8.data;
  if (wtf8.size == 0) return true;
  /* A byte of WTF-8 becomes at most one unit. */
  uint8_t *room = wtf8.size > SIZE_MAX / 2 ? NULL : tp_buffer_reserve(out, wtf8.size * 2);
  if (room == NULL) {
    out->failed = true;
    return true;
  }
  uint8_t *end = room;
  bool after_high = false;
  bool valid = true;
  for (size_t at = 0; at < wtf8.size;) {
    uint32_t code_point;
    size_t used = tp_wtf8_decode(text + at, wtf8.size - at, &code_point);
    valid = used > 0 && !(after_high && tp_code_point_is_low_surrogate(code_point));
    if (!valid) break;
    after_high = tp_code_point_is_high_surrogate(code_point);
    at += used;
    if (code_point < 0x10000) {
      end = write_utf16le_unit(end, code_point);
    } else {
      end = write_utf16le_unit(end, 0xD800 + ((code_point - 0x10000) >> 10));
      end = write_utf16le_unit(end, 0xDC00 + ((code_point - 0x10000) & 0x3FF));
    }
  }
  out->size += (size_t)(end - room);
  return valid;
}

void tp_utf8_append_latin1(tp_buffer *out, tuplet_bytes latin1) {
  const uint8_t *text = latin1.data;
  for (size_t at = 0; at < latin1.size;) {
    size_t ascii = ascii_size(text + at, latin1.size - at);
    tp_buffer_append(out, text + at, ascii);
    at += ascii;
    size_t run = at;
    while (run < latin1.size && text[run] >= 0x80) run++;
    uint8_t *room = tp_buffer_reserve(out, 2 * (run - at));
    if (room == NULL) return;
    for (; at < run; at++) {
      *room++ = (uint8_t)(0xC0 | text[at] >> 6);
      *room++ = (uint8_t)(0x80 | (text[at] & 0x3F));
      out->size += 2;
    }
  }
}

bool tp_utf8_append_wtf8(tp_buffer *out, tuplet_bytes wtf8) {
  static const uint8_t replacement[3] = {0xEF, 0xBF, 0xBD}; /* as long as what it replaces */
  const uint8_t *text = wtf8.data;
  bool after_high = false;
  size_t run = 0; /* where the bytes begin that are still to be copied */
  size_t at = 0;
  while (at < wtf8.size) {
    uint32_t code_point;
    size_t used = tp_wtf8_decode(text + at, wtf8.size - at, &code_point);
    if (used == 0 || (after_high && tp_code_point_is_low_surrogate(code_point))) break;
    after_high = tp_code_point_is_high_surrogate(code_point);
    if (tp_code_point_is_surrogate(code_point)) {
      tp_buffer_append(out, text + run, at - run);
      tp_buffer_append(out, replacement, sizeof replacement);
      run = at + used;
    }
    at += used;
  }
  if (at > run) tp_buffer_append(out, text + run, at - run);
  return at == wtf8.size;
}

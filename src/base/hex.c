/* hex.c: bytes as lower-case hexadecimal text and back. */
#include "base/hex.h"

void tp_hex_write(const void *data, size_t size, char *ret_text) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++) {
    ret_text[2 * i] = digits[bytes[i] >> 4];
    ret_text[2 * i + 1] = digits[bytes[i] & 15];
  }
}

void tp_hex_append(tp_buffer *out, tuplet_bytes bytes) {
  if (bytes.size > SIZE_MAX / 2) {
    out->failed = true;
    return;
  }
  uint8_t *room = tp_buffer_reserve(out, bytes.size * 2);
  if (room == NULL) return;
  tp_hex_write(bytes.data, bytes.size, (char *)room);
  out->size += bytes.size * 2;
}

/* The value of a digit, plus one; 0: it is none. */
static const uint8_t digit_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool tp_hex_read(const char *text, size_t text_size, uint8_t *ret_data, size_t size) {
  if (text_size % 2 != 0 || text_size / 2 != size) return false;
  for (size_t i = 0; i < size; i++) {
    unsigned high = digit_values[(uint8_t)text[2 * i]];
    unsigned low = digit_values[(uint8_t)text[2 * i + 1]];
    if (high == 0 || low == 0) return false;
    ret_data[i] = (uint8_t)((high - 1) << 4 | (low - 1));
  }
  return true;
}

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

static int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool tp_hex_read(const char *text, size_t text_size, uint8_t *ret_data, size_t size) {
  if (text_size % 2 != 0 || text_size / 2 != size) return false;
  for (size_t i = 0; i < size; i++) {
    int high = digit_value(text[2 * i]);
    int low = digit_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    ret_data[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

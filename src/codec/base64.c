/* base64.c: bytes as URL-safe base64 with padding, and back. */
#include "codec/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void tp_base64_append(tp_buffer *out, tuplet_bytes bytes) {
  const uint8_t *data = bytes.data;
  for (size_t at = 0; at < bytes.size; at += 3) {
    size_t left = bytes.size - at;
    uint32_t bits = (uint32_t)data[at] << 16;
    if (left > 1) bits |= (uint32_t)data[at + 1] << 8;
    if (left > 2) bits |= data[at + 2];
    char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 0x3F],
                     left > 1 ? alphabet[bits >> 6 & 0x3F] : '=', left > 2 ? alphabet[bits & 0x3F] : '='};
    tp_buffer_append(out, group, sizeof group);
  }
}

/* The six bits of a letter, or 64. */
static uint32_t letter_value(char letter) {
  if (letter >= 'A' && letter <= 'Z') return (uint32_t)(letter - 'A');
  if (letter >= 'a' && letter <= 'z') return (uint32_t)(letter - 'a') + 26;
  if (letter >= '0' && letter <= '9') return (uint32_t)(letter - '0') + 52;
  return letter == '-' ? 62 : letter == '_' ? 63 : 64;
}

/* Reads four letters of which the last `padding` are '='. */
static bool read_group(const char *text, size_t padding, uint32_t *ret_bits) {
  uint32_t bits = 0;
  for (size_t i = 0; i < 4 - padding; i++) {
    uint32_t value = letter_value(text[i]);
    if (value == 64) return false;
    bits |= value << (18 - 6 * i);
  }
  *ret_bits = bits;
  return (bits & ((1u << 8 * padding) - 1)) == 0; /* bits that no byte takes */
}

bool tp_base64_read(const char *text, size_t text_size, uint8_t *ret_data, size_t *ret_size) {
  if (text_size % 4 != 0) return false;
  uint8_t *out = ret_data;
  for (size_t at = 0; at < text_size; at += 4) {
    size_t padding = 0;
    if (at + 4 == text_size && text[at + 3] == '=') padding = text[at + 2] == '=' ? 2 : 1;
    uint32_t bits;
    if (!read_group(text + at, padding, &bits)) return false;
    for (size_t i = 0; i < 3 - padding; i++) *out++ = (uint8_t)(bits >> (16 - 8 * i));
  }
  *ret_size = (size_t)(out - ret_data);
  return true;
}

/* text.c: WTF-8 to what Node-API takes: Latin-1 where that can say it, as the engine itself would store it,
 * else UTF-16. */
#include "text.h"

#include <stdlib.h>

enum { ON_STACK = 256 };

/* The code point at *at, and *at moved behind it. */
static uint32_t next_code_point(const uint8_t *bytes, size_t *at) {
  static const uint8_t FIRST_BITS[] = {0x7F, 0, 0x1F, 0x0F, 0x07}; /* by the number of bytes */
  uint8_t first = bytes[(*at)++];
  int size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (size == 1) return first;
  uint32_t code_point = first & FIRST_BITS[size];
  for (int i = 1; i < size; i++) code_point = code_point << 6 | (bytes[(*at)++] & 0x3F);
  return code_point;
}

static napi_status make_latin1(napi_env env, tuplet_bytes wtf8, size_t size, char *units,
                               napi_value *ret_string) {
  size_t at = 0;
  for (size_t i = 0; i < size; i++) units[i] = (char)next_code_point(wtf8.data, &at);
  return napi_create_string_latin1(env, units, size, ret_string);
}

static napi_status make_utf16(napi_env env, tuplet_bytes wtf8, size_t size, char16_t *units,
                              napi_value *ret_string) {
  size_t at = 0;
  for (size_t i = 0; i < size; i++) {
    uint32_t code_point = next_code_point(wtf8.data, &at);
    if (code_point < 0x10000) {
      units[i] = (char16_t)code_point;
    } else {
      units[i++] = (char16_t)(0xD800 + ((code_point - 0x10000) >> 10));
      units[i] = (char16_t)(0xDC00 + ((code_point - 0x10000) & 0x3FF));
    }
  }
  return napi_create_string_utf16(env, units, size, ret_string);
}

napi_status tp_js_text_make(napi_env env, tuplet_bytes wtf8, napi_value *ret_string) {
  const uint8_t *bytes = wtf8.data;
  size_t ascii = 0;
  while (ascii < wtf8.size && bytes[ascii] < 0x80) ascii++;
  if (ascii == wtf8.size)
    return napi_create_string_latin1(env, wtf8.size > 0 ? wtf8.data : "", wtf8.size, ret_string);

  size_t units = 0; /* of UTF-16; of Latin-1 there are as many */
  bool latin1 = true;
  for (size_t i = 0; i < wtf8.size; i++) {
    units += (bytes[i] & 0xC0) != 0x80;
    units += bytes[i] >= 0xF0;
    latin1 = latin1 && bytes[i] <= 0xC3;
  }
  char16_t on_stack[ON_STACK];
  char16_t *buffer = units <= ON_STACK ? on_stack : malloc(units * sizeof *buffer);
  if (buffer == NULL) return napi_generic_failure;
  napi_status status = latin1 ? make_latin1(env, wtf8, units, (char *)buffer, ret_string)
                              : make_utf16(env, wtf8, units, buffer, ret_string);
  if (buffer != on_stack) free(buffer);
  return status;
}

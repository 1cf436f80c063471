/* v8_scan.c: the bytes under the V8 reader. */
#include "codec/v8_scan.h"

#include "base/status.h"
#include "codec/utf8.h"
#include "codec/v8_tags.h"

#include <string.h>

void tp_v8_scanner_init(tp_v8_scanner *scanner, const tuplet_allocator *allocator, tuplet_bytes encoded,
                        tuplet_error *error) {
  *scanner = (tp_v8_scanner){.data = encoded.data, .size = encoded.size, .error = error};
  tp_buffer_init(&scanner->text, allocator);
}

void tp_v8_scanner_done(tp_v8_scanner *scanner) {
  tp_buffer_done(&scanner->text);
}

tuplet_status tp_v8_malformed(const tp_v8_scanner *scanner, size_t offset, const char *what) {
  return tp_fail(scanner->error, TUPLET_MALFORMED, "malformed V8 value: %s at offset %zu", what, offset);
}

static tuplet_status cut_off(const tp_v8_scanner *scanner) {
  return tp_v8_malformed(scanner, scanner->size, "the bytes end too early");
}

tuplet_status tp_v8_scan_byte(tp_v8_scanner *scanner, uint8_t *ret_byte) {
  if (scanner->at == scanner->size) return cut_off(scanner);
  *ret_byte = scanner->data[scanner->at++];
  return TUPLET_OK;
}

tuplet_status tp_v8_scan_bytes(tp_v8_scanner *scanner, uint64_t size, tuplet_bytes *ret_bytes) {
  if (size > tp_v8_rest(scanner)) return cut_off(scanner);
  *ret_bytes = (tuplet_bytes){scanner->data + scanner->at, (size_t)size};
  scanner->at += (size_t)size;
  return TUPLET_OK;
}

tuplet_status tp_v8_scan_double(tp_v8_scanner *scanner, double *ret_number) {
  tuplet_bytes bytes = {0};
  tuplet_status status = tp_v8_scan_bytes(scanner, sizeof *ret_number, &bytes);
  if (status != TUPLET_OK) return status;
  const uint8_t *data = bytes.data;
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof bits; i++) bits |= (uint64_t)data[i] << 8 * i;
  memcpy(ret_number, &bits, sizeof bits);
  return TUPLET_OK;
}

static tuplet_status scan_integer(tp_v8_scanner *scanner, uint64_t max, uint64_t *ret_number) {
  size_t start = scanner->at;
  uint64_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    uint8_t byte = 0;
    tuplet_status status = tp_v8_scan_byte(scanner, &byte);
    if (status != TUPLET_OK) return status;
    uint64_t group = byte & 0x7Fu;
    if (shift > 63 || (group << shift) >> shift != group)
      return tp_v8_malformed(scanner, start, "an integer is too large");
    number |= group << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (number > max) return tp_v8_malformed(scanner, start, "an integer is too large");
  *ret_number = number;
  return TUPLET_OK;
}

tuplet_status tp_v8_scan_varint(tp_v8_scanner *scanner, uint32_t *ret_number) {
  uint64_t number;
  tuplet_status status = scan_integer(scanner, UINT32_MAX, &number);
  if (status == TUPLET_OK) *ret_number = (uint32_t)number;
  return status;
}

tuplet_status tp_v8_scan_size(tp_v8_scanner *scanner, size_t *ret_size) {
  uint64_t number;
  tuplet_status status = scan_integer(scanner, SIZE_MAX, &number);
  if (status == TUPLET_OK) *ret_size = (size_t)number;
  return status;
}

bool tp_v8_scan_if_tag(tp_v8_scanner *scanner, uint8_t tag) {
  size_t at = scanner->at;
  while (at < scanner->size && scanner->data[at] == TP_V8_PADDING) at++;
  if (at == scanner->size || scanner->data[at] != tag) return false;
  scanner->at = at + 1;
  return true;
}

tuplet_status tp_v8_scan_tag(tp_v8_scanner *scanner, uint8_t *ret_tag) {
  tuplet_status status;
  do {
    status = tp_v8_scan_byte(scanner, ret_tag);
  } while (status == TUPLET_OK && *ret_tag == TP_V8_PADDING);
  return status;
}

bool tp_v8_is_string_tag(uint8_t tag) {
  return tag == TP_V8_LATIN1 || tag == TP_V8_UTF16 || tag == TP_V8_UTF8;
}

tuplet_status tp_v8_scan_string(tp_v8_scanner *scanner, uint8_t tag, tuplet_bytes *ret_wtf8) {
  size_t start = scanner->at;
  uint32_t size;
  tuplet_bytes bytes = {0};
  tuplet_status status = tp_v8_scan_varint(scanner, &size);
  if (status == TUPLET_OK) status = tp_v8_scan_bytes(scanner, size, &bytes);
  if (status != TUPLET_OK) return status;
  tp_buffer *text = &scanner->text;
  tp_buffer_clear(text);
  if (tag == TP_V8_LATIN1) {
    tp_utf8_append_latin1(text, bytes);
  } else if (tag == TP_V8_UTF16) {
    if (!tp_wtf8_append_utf16le(text, bytes))
      return tp_v8_malformed(scanner, start, "a two-byte string has an odd size");
  } else {
    if (!tp_utf8_is_valid(bytes)) return tp_v8_malformed(scanner, start, "a UTF-8 string is not UTF-8");
    tp_buffer_append(text, bytes.data, bytes.size);
  }
  if (text->failed) return tp_fail_nomem(scanner->error);
  *ret_wtf8 = tp_buffer_view(text);
  return TUPLET_OK;
}

tuplet_status tp_v8_scan_any_string(tp_v8_scanner *scanner, tuplet_bytes *ret_wtf8) {
  uint8_t tag;
  tuplet_status status = tp_v8_scan_tag(scanner, &tag);
  if (status != TUPLET_OK) return status;
  if (!tp_v8_is_string_tag(tag)) return tp_v8_malformed(scanner, scanner->at - 1, "a string is missing");
  return tp_v8_scan_string(scanner, tag, ret_wtf8);
}

/* v8_scan.h: the bytes under the V8 reader: a position, integers, strings. Knows no values but strings. */
#ifndef TP_CODEC_V8_SCAN_H
#define TP_CODEC_V8_SCAN_H

#include "base/buffer.h"

typedef struct tp_v8_scanner {
  const uint8_t *data;
  size_t size;
  size_t at;
  tp_buffer text; /* the last string */
  tuplet_error *error;
} tp_v8_scanner;

void tp_v8_scanner_init(tp_v8_scanner *scanner, const tuplet_allocator *allocator, tuplet_bytes encoded,
                        tuplet_error *error);
void tp_v8_scanner_done(tp_v8_scanner *scanner);

static inline size_t tp_v8_rest(const tp_v8_scanner *scanner) {
  return scanner->size - scanner->at;
}

/* Fails with TUPLET_MALFORMED: "malformed V8 value: <what> at offset <offset>". */
tuplet_status tp_v8_malformed(const tp_v8_scanner *scanner, size_t offset, const char *what);

/* All of these: TUPLET_MALFORMED when the bytes end too early, and where said below. */
tuplet_status tp_v8_scan_byte(tp_v8_scanner *scanner, uint8_t *ret_byte);
tuplet_status tp_v8_scan_bytes(tp_v8_scanner *scanner, uint64_t size, tuplet_bytes *ret_bytes);
tuplet_status tp_v8_scan_double(tp_v8_scanner *scanner, double *ret_number);

/* An integer of at most 32 bits, respectively as many as size_t has. Malformed when it is larger. */
tuplet_status tp_v8_scan_varint(tp_v8_scanner *scanner, uint32_t *ret_number);
tuplet_status tp_v8_scan_size(tp_v8_scanner *scanner, size_t *ret_size);

/* The next tag that is no padding. */
tuplet_status tp_v8_scan_tag(tp_v8_scanner *scanner, uint8_t *ret_tag);

/* Whether the next tag that is no padding is this one; if so it is consumed. */
bool tp_v8_scan_if_tag(tp_v8_scanner *scanner, uint8_t tag);

bool tp_v8_is_string_tag(uint8_t tag);

/* The string behind such a tag, as WTF-8 in scanner->text until the next string. Malformed: UTF-16 of odd
 * size, UTF-8 that is none. TUPLET_NOMEM. */
tuplet_status tp_v8_scan_string(tp_v8_scanner *scanner, uint8_t tag, tuplet_bytes *ret_wtf8);

/* The same, tag included; malformed when the tag is another. */
tuplet_status tp_v8_scan_any_string(tp_v8_scanner *scanner, tuplet_bytes *ret_wtf8);

#endif

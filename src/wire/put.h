/* put.h: writing messages field by field, as proto3 has them, without building message structs; for the files
 * of this folder. */
#ifndef TP_WIRE_PUT_H
#define TP_WIRE_PUT_H

#include "base/buffer.h"

enum { TP_WIRE_VARINT = 0, TP_WIRE_FIXED64 = 1, TP_WIRE_BYTES = 2, TP_WIRE_FIXED32 = 5 };
enum { TP_WIRE_VARINT_SIZE_MAX = 10 };

static inline size_t tp_wire_varint_size(uint64_t number) {
  size_t size = 1;
  for (; number >= 0x80; number >>= 7) size++;
  return size;
}

static inline size_t tp_wire_varint_write(uint64_t number, uint8_t *ret_bytes) {
  size_t size = 0;
  for (; number >= 0x80; number >>= 7) ret_bytes[size++] = (uint8_t)(number | 0x80);
  ret_bytes[size++] = (uint8_t)number;
  return size;
}

static inline void tp_wire_put_varint(tp_buffer *out, uint64_t number) {
  uint8_t bytes[TP_WIRE_VARINT_SIZE_MAX];
  tp_buffer_append(out, bytes, tp_wire_varint_write(number, bytes));
}

/* Field numbers are below 16, so that a tag is one byte. */
static inline void tp_wire_put_tag(tp_buffer *out, unsigned field, unsigned wire_type) {
  tp_buffer_append_byte(out, (uint8_t)(field << 3 | wire_type));
}

static inline void tp_wire_put_number(tp_buffer *out, unsigned field, uint64_t number) {
  tp_wire_put_tag(out, field, TP_WIRE_VARINT);
  tp_wire_put_varint(out, number);
}

static inline void tp_wire_put_bytes(tp_buffer *out, unsigned field, const void *data, size_t size) {
  tp_wire_put_tag(out, field, TP_WIRE_BYTES);
  tp_wire_put_varint(out, size);
  tp_buffer_append(out, data, size);
}

static inline size_t tp_wire_bytes_field_size(size_t size) {
  return 1 + tp_wire_varint_size(size) + size;
}

#endif

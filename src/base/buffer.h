/* buffer.h: bytes that grow at the end.
 *
 * Failure is sticky: once memory ran out, `failed` stays set and further appends do nothing, so an encoder
 * appends throughout and checks once at its end. */
#ifndef TP_BASE_BUFFER_H
#define TP_BASE_BUFFER_H

#include "tuplet.h"

#include <string.h>

typedef struct tp_buffer {
  const tuplet_allocator *allocator;
  uint8_t *data;
  size_t size;
  size_t capacity;
  bool failed;
} tp_buffer;

void tp_buffer_init(tp_buffer *buffer, const tuplet_allocator *allocator);
void tp_buffer_done(tp_buffer *buffer);

/* Empties it, keeps the memory, and forgets a failure. */
void tp_buffer_clear(tp_buffer *buffer);

/* Room for `size` more bytes, which the caller fills and then counts in buffer->size; NULL when out of
 * memory. */
uint8_t *tp_buffer_reserve(tp_buffer *buffer, size_t size);

/* As tp_buffer_append, when there is no room for them. */
void tp_buffer_append_growing(tp_buffer *buffer, const void *data, size_t size);

static inline void tp_buffer_append(tp_buffer *buffer, const void *data, size_t size) {
  if (size == 0) return;
  if (size > buffer->capacity - buffer->size || buffer->failed) {
    tp_buffer_append_growing(buffer, data, size);
    return;
  }
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
}

static inline void tp_buffer_append_byte(tp_buffer *buffer, uint8_t byte) {
  if (buffer->size < buffer->capacity && !buffer->failed)
    buffer->data[buffer->size++] = byte;
  else
    tp_buffer_append_growing(buffer, &byte, 1);
}

void tp_buffer_append_text(tp_buffer *buffer, const char *text);
void tp_buffer_append_format(tp_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes the first `size` bytes. */
void tp_buffer_consume(tp_buffer *buffer, size_t size);

/* Hands the bytes over, NUL-ended; the buffer is empty afterwards. TUPLET_NOMEM if it had failed. */
tuplet_status tp_buffer_take(tp_buffer *buffer, tuplet_owned *ret_owned, tuplet_error *error);

static inline tuplet_bytes tp_buffer_view(const tp_buffer *buffer) {
  return (tuplet_bytes){buffer->data, buffer->size};
}

#endif

/* buffer.c: bytes that grow at the end. */
#include "base/buffer.h"

#include "base/alloc.h"
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER_CAPACITY_MIN = 64 };

void tp_buffer_init(tp_buffer *buffer, const tuplet_allocator *allocator) {
  *buffer = (tp_buffer){.allocator = allocator};
}

void tp_buffer_done(tp_buffer *buffer) {
  tp_free(buffer->allocator, buffer->data);
  tp_buffer_init(buffer, buffer->allocator);
}

void tp_buffer_clear(tp_buffer *buffer) {
  buffer->size = 0;
  buffer->failed = false;
}

uint8_t *tp_buffer_reserve(tp_buffer *buffer, size_t size) {
  if (buffer->failed) return NULL;
  if (buffer->data != NULL && size <= buffer->capacity - buffer->size) return buffer->data + buffer->size;
  size_t capacity = buffer->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : buffer->capacity;
  while (capacity - buffer->size < size) {
    if (capacity > SIZE_MAX / 2) {
      buffer->failed = true;
      return NULL;
    }
    capacity *= 2;
  }
  uint8_t *data = tp_realloc(buffer->allocator, buffer->data, capacity);
  if (data == NULL) {
    buffer->failed = true;
    return NULL;
  }
  buffer->data = data;
  buffer->capacity = capacity;
  return data + buffer->size;
}

void tp_buffer_append_growing(tp_buffer *buffer, const void *data, size_t size) {
  uint8_t *room = tp_buffer_reserve(buffer, size);
  if (room == NULL) return;
  memcpy(room, data, size);
  buffer->size += size;
}

void tp_buffer_append_text(tp_buffer *buffer, const char *text) {
  tp_buffer_append(buffer, text, strlen(text));
}

void tp_buffer_append_format(tp_buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  uint8_t *room = length < 0 ? NULL : tp_buffer_reserve(buffer, (size_t)length + 1);
  if (room == NULL) {
    buffer->failed = true;
  } else {
    (void)vsnprintf((char *)room, (size_t)length + 1, format, again);
    buffer->size += (size_t)length;
  }
  va_end(again);
}

void tp_buffer_consume(tp_buffer *buffer, size_t size) {
  if (size == 0) return;
  memmove(buffer->data, buffer->data + size, buffer->size - size);
  buffer->size -= size;
}

tuplet_status tp_buffer_take(tp_buffer *buffer, tuplet_owned *ret_owned, tuplet_error *error) {
  uint8_t *end = tp_buffer_reserve(buffer, 1);
  if (end == NULL) return tp_fail_nomem(error);
  *end = '\0';
  *ret_owned = (tuplet_owned){buffer->data, buffer->size, buffer->allocator};
  tp_buffer_init(buffer, buffer->allocator);
  return TUPLET_OK;
}

/* letter.c: the messages that are put into a queue. */
#include "letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What begins a value of V8's format 15 that is a string of single bytes; its length follows. */
static const uint8_t head[] = {0xff, 0x0f, '"'};

enum { TEXT_SIZE = 127 }; /* lengths below 128 take one byte */

/* What stands before the number. */
static size_t print_name(const tp_bench_data *data, char text[TEXT_SIZE]) {
  return (size_t)snprintf(text, TEXT_SIZE, "tuplet-bench %s ", data->plan->name);
}

void tp_bench_letter_put(const tp_bench_data *data, uint64_t number, tp_buffer *out) {
  char text[TEXT_SIZE];
  size_t size = print_name(data, text);
  size += (size_t)snprintf(text + size, sizeof text - size, "%" PRIu64, number);
  tp_buffer_append(out, head, sizeof head);
  tp_buffer_append_byte(out, (uint8_t)size);
  tp_buffer_append(out, text, size);
}

bool tp_bench_letter_read(const tp_bench_data *data, tuplet_bytes payload, uint64_t *ret_number) {
  char text[TEXT_SIZE];
  size_t name_size = print_name(data, text);
  const uint8_t *bytes = payload.data;
  size_t start = sizeof head + 1;
  if (payload.size <= start + name_size || memcmp(bytes, head, sizeof head) != 0 ||
      bytes[sizeof head] != payload.size - start || memcmp(bytes + start, text, name_size) != 0)
    return false;
  uint64_t number = 0;
  for (size_t i = start + name_size; i < payload.size; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') return false;
    number = number * 10 + (uint64_t)(bytes[i] - '0');
  }
  *ret_number = number;
  return true;
}

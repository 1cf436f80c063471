/* queue_text.c: how the texts beside a message are written in Deno's tables. */
#include "engine/sqlite/queue_text.h"

#include "base/status.h"
#include "codec/limits.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { ATTEMPT_MARK = '+', ATTEMPT_DIGITS_MAX = 9 };

/* Retry delays of a message that brings none, ms; Deno's. */
static const uint32_t default_backoff_ms[] = {100, 1000, 5000, 30000, 60000};

/* Every message has its delays written, and every byte of its keys: too often for a format to be read each
 * time. */
static void append_number(tp_buffer *out, uint32_t number) {
  char digits[10];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  tp_buffer_append(out, digits + at, sizeof digits - at);
}

void tp_queue_schedule_append(tp_buffer *out, const tp_enqueue *enqueue) {
  const uint32_t *delays = enqueue->has_backoff ? enqueue->backoff_ms : default_backoff_ms;
  size_t count = enqueue->has_backoff ? enqueue->backoff_count
                                      : sizeof default_backoff_ms / sizeof default_backoff_ms[0];
  tp_buffer_append_byte(out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i > 0) tp_buffer_append_byte(out, ',');
    append_number(out, delays[i]);
  }
  tp_buffer_append_byte(out, ']');
}

void tp_queue_keys_append(tp_buffer *out, const tp_enqueue *enqueue) {
  tp_buffer_append_byte(out, '[');
  for (size_t i = 0; i < enqueue->keys_if_undelivered_count; i++) {
    tuplet_bytes key = enqueue->keys_if_undelivered[i];
    tp_buffer_append_text(out, i == 0 ? "[" : ",[");
    for (size_t j = 0; j < key.size; j++) {
      if (j > 0) tp_buffer_append_byte(out, ',');
      append_number(out, ((const uint8_t *)key.data)[j]);
    }
    tp_buffer_append_byte(out, ']');
  }
  tp_buffer_append_byte(out, ']');
}

/* NULL when the text is no JSON array, or when out of memory, which *ret_status tells. */
static json_t *load_array(tuplet_bytes text, tuplet_status *ret_status, tuplet_error *error) {
  json_error_t problem;
  json_t *array = json_loadb(text.data, text.size, 0, &problem);
  *ret_status = TUPLET_OK;
  if (array == NULL && json_error_code(&problem) == json_error_out_of_memory)
    *ret_status = tp_fail_nomem(error);
  if (array != NULL && !json_is_array(array)) {
    json_decref(array);
    array = NULL;
  }
  return array;
}

static tuplet_status dump_rest(json_t *schedule, tp_arena *arena, tuplet_bytes *ret_rest,
                               tuplet_error *error) {
  if (json_array_remove(schedule, 0) != 0) return tp_fail_nomem(error);
  char *text = json_dumps(schedule, JSON_COMPACT);
  if (text == NULL) return tp_fail_nomem(error);
  *ret_rest = tp_arena_copy(arena, (tuplet_bytes){text, strlen(text)});
  free(text); /* jansson's is the C library's */
  return ret_rest->data != NULL ? TUPLET_OK : tp_fail_nomem(error);
}

tuplet_status tp_queue_schedule_next(tuplet_bytes schedule, tp_arena *arena, int64_t *ret_delay_ms,
                                     tuplet_bytes *ret_rest, tuplet_error *error) {
  tuplet_status status;
  *ret_delay_ms = -1;
  *ret_rest = (tuplet_bytes){"[]", 2};
  json_t *array = load_array(schedule, &status, error);
  if (array == NULL) return status;
  const json_t *first = json_array_get(array, 0);
  if (json_is_integer(first)) {
    json_int_t delay_ms = json_integer_value(first);
    if (delay_ms < 0) delay_ms = 0;
    if (delay_ms > TP_LIMIT_QUEUE_BACKOFF_MS_MAX) delay_ms = TP_LIMIT_QUEUE_BACKOFF_MS_MAX;
    *ret_delay_ms = delay_ms;
    status = dump_rest(array, arena, ret_rest, error);
  }
  json_decref(array);
  return status;
}

/* An array of byte numbers. */
static tuplet_status read_key(const json_t *numbers, tp_arena *arena, tuplet_bytes *ret_key,
                              tuplet_error *error) {
  size_t size = json_array_size(numbers);
  if (!json_is_array(numbers) || size > TP_LIMIT_KEY_WRITE_SIZE_MAX)
    return tp_fail(error, TUPLET_CORRUPT, "a message names a key that is none");
  uint8_t *key = tp_arena_alloc(arena, size);
  if (key == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < size; i++) {
    const json_t *number = json_array_get(numbers, i);
    json_int_t byte = json_integer_value(number);
    if (!json_is_integer(number) || byte < 0 || byte > UINT8_MAX)
      return tp_fail(error, TUPLET_CORRUPT, "a message names a key that is none");
    key[i] = (uint8_t)byte;
  }
  *ret_key = tuplet_view(key, size);
  return TUPLET_OK;
}

tuplet_status tp_queue_keys_read(tuplet_bytes text, tp_arena *arena, const tuplet_bytes **ret_keys,
                                 size_t *ret_count, tuplet_error *error) {
  tuplet_status status;
  json_t *array = load_array(text, &status, error);
  if (array == NULL)
    return status != TUPLET_OK ? status
                               : tp_fail(error, TUPLET_CORRUPT, "a message names keys that are none");
  size_t count = json_array_size(array);
  tuplet_bytes *keys = tp_arena_alloc_array_zeroed(arena, count, sizeof *keys);
  if (keys == NULL) status = tp_fail_nomem(error);
  for (size_t i = 0; i < count && status == TUPLET_OK; i++)
    status = read_key(json_array_get(array, i), arena, &keys[i], error);
  json_decref(array);
  if (status != TUPLET_OK) return status;
  *ret_keys = keys;
  *ret_count = count;
  return TUPLET_OK;
}

/* Where the mark of an id's attempt is; its size when it bears none. */
static size_t find_mark(tuplet_bytes id, uint32_t *ret_attempt) {
  const char *text = id.data;
  *ret_attempt = 1;
  size_t mark = id.size;
  while (mark > 0 && text[mark - 1] >= '0' && text[mark - 1] <= '9') mark--;
  size_t digits = id.size - mark;
  if (mark == 0 || text[mark - 1] != ATTEMPT_MARK || digits == 0 || digits > ATTEMPT_DIGITS_MAX)
    return id.size;
  uint32_t attempt = 0;
  for (size_t i = mark; i < id.size; i++) attempt = attempt * 10 + (uint32_t)(text[i] - '0');
  if (attempt == 0) return id.size;
  *ret_attempt = attempt;
  return mark - 1;
}

uint32_t tp_queue_id_attempt(tuplet_bytes id, size_t *ret_public_size) {
  uint32_t attempt;
  *ret_public_size = find_mark(id, &attempt);
  return attempt;
}

tuplet_bytes tp_queue_id_next(tuplet_bytes id, tp_arena *arena) {
  char suffix[1 + ATTEMPT_DIGITS_MAX + 2];
  uint32_t attempt;
  size_t size = find_mark(id, &attempt);
  int suffix_size =
      snprintf(suffix, sizeof suffix, "%c%u", ATTEMPT_MARK, attempt < 999999999 ? attempt + 1 : attempt);
  char *next = tp_arena_alloc(arena, size + (size_t)suffix_size);
  if (next == NULL) return (tuplet_bytes){0};
  if (size > 0) memcpy(next, id.data, size);
  memcpy(next + size, suffix, (size_t)suffix_size);
  return tuplet_view(next, size + (size_t)suffix_size);
}

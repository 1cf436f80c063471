/* datapath_budget_test.c: what decoding may take of memory is enough for every request that is allowed, and
 * little enough for the others. */
#include "wire/datapath.h"

#include "datapath.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) ((ProtobufCBinaryData){sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)})

static void check_fits(const Com__Deno__Kv__Datapath__AtomicWrite *message) {
  tp_arena arena;
  tp_write write;
  tuplet_error error = {0};
  size_t size = com__deno__kv__datapath__atomic_write__get_packed_size(message);
  uint8_t *bytes = malloc(size);
  assert_non_null(bytes);
  assert_int_equal(com__deno__kv__datapath__atomic_write__pack(message, bytes), size);
  tp_arena_init(&arena, NULL, 4096);
  if (tp_atomic_write_decode((tuplet_bytes){bytes, size}, &arena, &write, &error) != TUPLET_OK)
    fail_msg("%zu mutations, %zu enqueues: %s", message->n_mutations, message->n_enqueues, error.message);
  tp_arena_done(&arena);
  free(bytes);
}

/* Small values and keys cost the most for each of their bytes. */
static void the_largest_writes_fit_the_budget(void **state) {
  (void)state;
  enum { CHECK_COUNT = 100, CHANGE_COUNT = 1000, KEY_COUNT = 10 };
  static Com__Deno__Kv__Datapath__Check *checks[CHECK_COUNT];
  static Com__Deno__Kv__Datapath__Mutation *mutations[CHANGE_COUNT];
  static Com__Deno__Kv__Datapath__Enqueue *enqueues[CHANGE_COUNT];
  ProtobufCBinaryData keys[KEY_COUNT];
  uint32_t schedule[KEY_COUNT] = {0};
  for (size_t i = 0; i < KEY_COUNT; i++) keys[i] = BYTES("\x26");
  Com__Deno__Kv__Datapath__Check check = COM__DENO__KV__DATAPATH__CHECK__INIT;
  check.key = BYTES("\x26");
  Com__Deno__Kv__Datapath__KvValue value = COM__DENO__KV__DATAPATH__KV_VALUE__INIT;
  value.encoding = COM__DENO__KV__DATAPATH__VALUE_ENCODING__VE_BYTES;
  Com__Deno__Kv__Datapath__Mutation mutation = COM__DENO__KV__DATAPATH__MUTATION__INIT;
  mutation.key = BYTES("\x26");
  mutation.value = &value;
  mutation.mutation_type = COM__DENO__KV__DATAPATH__MUTATION_TYPE__M_SET;
  Com__Deno__Kv__Datapath__Enqueue enqueue = COM__DENO__KV__DATAPATH__ENQUEUE__INIT;
  enqueue.keys_if_undelivered = keys;
  enqueue.n_keys_if_undelivered = KEY_COUNT;
  enqueue.backoff_schedule = schedule;
  enqueue.n_backoff_schedule = KEY_COUNT;
  for (size_t i = 0; i < CHECK_COUNT; i++) checks[i] = &check;
  for (size_t i = 0; i < CHANGE_COUNT; i++) mutations[i] = &mutation;
  for (size_t i = 0; i < CHANGE_COUNT; i++) enqueues[i] = &enqueue;
  Com__Deno__Kv__Datapath__AtomicWrite write = COM__DENO__KV__DATAPATH__ATOMIC_WRITE__INIT;
  write.checks = checks;
  write.n_checks = CHECK_COUNT;
  write.mutations = mutations;
  write.enqueues = enqueues;

  static const size_t mutation_counts[] = {CHANGE_COUNT, 0, CHANGE_COUNT / 2};
  for (size_t i = 0; i < sizeof mutation_counts / sizeof *mutation_counts; i++) {
    write.n_mutations = mutation_counts[i];
    write.n_enqueues = CHANGE_COUNT - mutation_counts[i];
    check_fits(&write);
    enqueue.n_backoff_schedule = 0; /* the next time without */
  }
}

typedef struct counting {
  size_t taken;
} counting;

static void *counting_reallocate(void *context, void *pointer, size_t new_size) {
  counting *count = context;
  count->taken += new_size;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  return realloc(pointer, new_size);
}

/* Two bytes a field: what parsing would spend on them is far more than the message. */
static void a_message_of_tiny_fields_cannot_take_more_than_its_budget(void **state) {
  (void)state;
  static const uint8_t outermost[] = {0x0a, 0x12, 0x1a, 0x22 /* unknown */};
  const size_t size = (size_t)1536 * 1024;
  tp_write write;
  uint8_t *bytes = calloc(1, size);
  assert_non_null(bytes);
  for (size_t i = 0; i < sizeof outermost; i++) {
    for (size_t j = 0; j < size; j += 2) bytes[j] = outermost[i];
    counting count = {0};
    const tuplet_allocator allocator = {counting_reallocate, &count};
    tp_arena arena;
    tp_arena_init(&arena, &allocator, 4096);
    assert_int_equal(tp_atomic_write_decode((tuplet_bytes){bytes, size}, &arena, &write, NULL), TUPLET_LIMIT);
    tp_arena_done(&arena);
    assert_true(count.taken <= 2 * TP_DATAPATH_DECODE_OVERHEAD + 3 * size);
  }

  /* One enqueue with a million empty keys. */
  uint8_t head[] = {0x1a, 0, 0, 0};
  size_t inner = size - sizeof head;
  head[1] = (uint8_t)(0x80 | (inner & 0x7f));
  head[2] = (uint8_t)(0x80 | (inner >> 7 & 0x7f));
  head[3] = (uint8_t)(inner >> 14);
  for (size_t j = 0; j < size; j += 2) bytes[j] = 0x1a;
  memcpy(bytes, head, sizeof head);
  counting count = {0};
  const tuplet_allocator allocator = {counting_reallocate, &count};
  tp_arena arena;
  tp_arena_init(&arena, &allocator, 4096);
  assert_int_equal(tp_atomic_write_decode((tuplet_bytes){bytes, size}, &arena, &write, NULL), TUPLET_LIMIT);
  tp_arena_done(&arena);
  assert_true(count.taken <= 2 * TP_DATAPATH_DECODE_OVERHEAD + 3 * size);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_largest_writes_fit_the_budget),
      cmocka_unit_test(a_message_of_tiny_fields_cannot_take_more_than_its_budget),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

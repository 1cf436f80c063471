/* limits_check_test.c: the limits that the public interface cannot meet yet, or meets elsewhere: reads of
 * many ranges, queues, and values as the protocol brings them. The others: ../api/limits_test.c. */
#include "store/limits_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/limits.h"

#define BYTES(text) ((tuplet_bytes){text, sizeof(text) - 1})

static const uint8_t zeros[70000];

static void expect(tuplet_status status, const tuplet_error *error, tuplet_status wanted,
                   const char *message) {
  assert_int_equal(status, wanted);
  if (wanted == TUPLET_OK) return;
  assert_int_equal(error->status, wanted);
  assert_string_equal(error->message, message);
}

static void ranges_of_one_read_share_its_entries(void **state) {
  (void)state;
  tp_read_range ranges[11];
  tuplet_error error;
  for (size_t i = 0; i < 11; i++) ranges[i] = (tp_read_range){BYTES("a"), BYTES("b"), .limit = 100};
  tp_read read = {.ranges = ranges, .range_count = 10};
  expect(tp_limits_check_read(&read, &error), &error, TUPLET_OK, NULL);
  ranges[9].limit = 101;
  expect(tp_limits_check_read(&read, &error), &error, TUPLET_LIMIT, "Too many entries (max 1000)");
  for (size_t i = 0; i < 11; i++) ranges[i].limit = UINT32_MAX; /* a sum that would wrap in 32 bits */
  expect(tp_limits_check_read(&read, &error), &error, TUPLET_LIMIT, "Too many entries (max 1000)");
  for (size_t i = 0; i < 11; i++) ranges[i].limit = 1;
  read.range_count = 11;
  expect(tp_limits_check_read(&read, &error), &error, TUPLET_LIMIT, "Too many ranges (max 10)");
  read.range_count = 10;
  ranges[9].limit = 0;
  expect(tp_limits_check_read(&read, &error), &error, TUPLET_INVALID,
         "Limit must be a positive integer: received 0");
}

static void either_bound_of_a_range_may_be_too_large(void **state) {
  (void)state;
  tuplet_error error;
  for (int which = 0; which < 2; which++) {
    for (size_t size = 2049; size <= 2050; size++) {
      tp_read_range range = {.limit = 1};
      *(which == 0 ? &range.start : &range.end) = tuplet_view(zeros, size);
      tp_read read = {.ranges = &range, .range_count = 1};
      expect(tp_limits_check_read(&read, &error), &error, size == 2049 ? TUPLET_OK : TUPLET_LIMIT,
             "Key too large for read (max 2049 bytes)");
    }
  }
}

static tuplet_status check_mutation(tp_mutation mutation, tuplet_error *error) {
  tp_write write = {.mutations = &mutation, .mutation_count = 1};
  return tp_limits_check_write(&write, error);
}

static void values_are_what_their_encoding_says(void **state) {
  (void)state;
  tuplet_error error;
  tp_mutation set = {.key = BYTES("\x02k\0"), .encoding = 3, .expires_at_ms = TP_EXPIRES_NEVER};
  expect(check_mutation(set, &error), &error, TUPLET_OK, NULL);
  set.encoding = 0;
  expect(check_mutation(set, &error), &error, TUPLET_INVALID, "The value encoding 0 is unknown.");
  set.encoding = 4;
  expect(check_mutation(set, &error), &error, TUPLET_INVALID, "The value encoding 4 is unknown.");
  set.encoding = TUPLET_ENCODING_LE64;
  for (size_t size = 7; size <= 9; size++) {
    char message[64];
    (void)snprintf(message, sizeof message, "A KvU64 has 8 bytes: received %zu", size);
    set.value = tuplet_view(zeros, size);
    expect(check_mutation(set, &error), &error, size == 8 ? TUPLET_OK : TUPLET_INVALID, message);
  }
  set.type = TP_MUTATION_DELETE; /* has no value: what stands there means nothing */
  set.encoding = 77;
  expect(check_mutation(set, &error), &error, TUPLET_OK, NULL);
}

static tuplet_status check_enqueue(tp_enqueue enqueue, tuplet_error *error) {
  tp_write write = {.enqueues = &enqueue, .enqueue_count = 1};
  return tp_limits_check_write(&write, error);
}

static void messages_have_limits(void **state) {
  (void)state;
  tuplet_error error;
  uint32_t backoff_ms[11];
  tuplet_bytes keys[11];
  for (size_t i = 0; i < 11; i++) backoff_ms[i] = 3600000;
  for (size_t i = 0; i < 11; i++) keys[i] = BYTES("\x02k\0");
  tp_enqueue enqueue = {.payload = {zeros, 65536},
                        .keys_if_undelivered = keys,
                        .keys_if_undelivered_count = 10,
                        .backoff_ms = backoff_ms,
                        .backoff_count = 10,
                        .has_backoff = true};
  expect(check_enqueue(enqueue, &error), &error, TUPLET_OK, NULL);
  enqueue.payload.size++;
  expect(check_enqueue(enqueue, &error), &error, TUPLET_LIMIT, "enqueue payload too large (max 65536 bytes)");
  enqueue.payload.size--;
  enqueue.backoff_count++;
  expect(check_enqueue(enqueue, &error), &error, TUPLET_LIMIT,
         "Invalid backoffSchedule, max 10 intervals allowed");
  enqueue.backoff_count--;
  backoff_ms[7]++;
  expect(check_enqueue(enqueue, &error), &error, TUPLET_LIMIT,
         "Invalid backoffSchedule, interval at index 7 is invalid");
  backoff_ms[7]--;
  enqueue.keys_if_undelivered_count++;
  expect(check_enqueue(enqueue, &error), &error, TUPLET_LIMIT, "Too many keysIfUndelivered (max 10)");
  enqueue.keys_if_undelivered_count--;
  keys[3].size = 0;
  expect(check_enqueue(enqueue, &error), &error, TUPLET_INVALID, "key cannot be empty");
  keys[3] = tuplet_view(zeros, 2049);
  expect(check_enqueue(enqueue, &error), &error, TUPLET_LIMIT, "Key too large for write (max 2048 bytes)");
}

static void mutations_and_messages_count_together(void **state) {
  (void)state;
  static tp_mutation mutations[1000];
  static tp_enqueue enqueues[1000];
  tuplet_error error;
  for (size_t i = 0; i < 1000; i++)
    mutations[i] = (tp_mutation){.type = TP_MUTATION_DELETE, .key = BYTES("\x02k\0"), .expires_at_ms = -1};
  tp_write write = {
      .mutations = mutations, .mutation_count = 600, .enqueues = enqueues, .enqueue_count = 400};
  expect(tp_limits_check_write(&write, &error), &error, TUPLET_OK, NULL);
  write.enqueue_count = 401;
  expect(tp_limits_check_write(&write, &error), &error, TUPLET_LIMIT, "Too many mutations (max 1000)");
  write.enqueue_count = SIZE_MAX;
  expect(tp_limits_check_write(&write, &error), &error, TUPLET_LIMIT, "Too many mutations (max 1000)");
}

static void a_watched_key_is_at_most_as_large_as_a_written_one(void **state) {
  (void)state;
  tuplet_error error;
  tuplet_bytes keys[11];
  for (size_t i = 0; i < 11; i++) keys[i] = tuplet_view(zeros, 2048);
  expect(tp_limits_check_watch(keys, 10, &error), &error, TUPLET_OK, NULL);
  expect(tp_limits_check_watch(keys, 11, &error), &error, TUPLET_LIMIT, "Too many keys (max 10)");
  keys[9].size++;
  expect(tp_limits_check_watch(keys, 10, &error), &error, TUPLET_LIMIT,
         "Key too large for read (max 2049 bytes)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_of_one_read_share_its_entries),
      cmocka_unit_test(either_bound_of_a_range_may_be_too_large),
      cmocka_unit_test(values_are_what_their_encoding_says),
      cmocka_unit_test(messages_have_limits),
      cmocka_unit_test(mutations_and_messages_count_together),
      cmocka_unit_test(a_watched_key_is_at_most_as_large_as_a_written_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

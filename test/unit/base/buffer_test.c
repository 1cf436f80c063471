/* buffer_test.c: appending, taking, and a failure that stays until the buffer is cleared. */
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

static void what_is_appended_stands_in_order(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  tp_buffer_append(&buffer, NULL, 0);
  assert_int_equal(tp_buffer_view(&buffer).size, 0);
  tp_buffer_append(&buffer, "a\0b", 3);
  tp_buffer_append_byte(&buffer, 0xFF);
  tp_buffer_append_text(&buffer, "text");
  tp_buffer_append_format(&buffer, "%d-%s", 42, "x");
  assert_false(buffer.failed);
  assert_int_equal(buffer.size, 12);
  assert_memory_equal(buffer.data, "a\0b\xFFtext42-x", 12);
  tp_buffer_done(&buffer);
  assert_null(buffer.data);
}

static void it_grows_past_every_size(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  for (unsigned i = 0; i < 20000; i++) tp_buffer_append_byte(&buffer, (uint8_t)i);
  tp_buffer_append_format(&buffer, "%5000d", 7);
  assert_int_equal(buffer.size, 25000);
  for (unsigned i = 0; i < 20000; i++) assert_int_equal(buffer.data[i], i & 0xFF);
  assert_int_equal(buffer.data[24999], '7');
  tp_buffer_done(&buffer);
}

static void reserved_room_counts_when_the_caller_says_so(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  uint8_t *room = tp_buffer_reserve(&buffer, 1000);
  assert_non_null(room);
  memset(room, 'r', 1000);
  assert_int_equal(buffer.size, 0);
  buffer.size = 999;
  tp_buffer_append_byte(&buffer, 'e');
  assert_int_equal(buffer.data[998], 'r');
  assert_int_equal(buffer.data[999], 'e');
  tp_buffer_done(&buffer);
}

static void room_for_nothing_is_room(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  assert_non_null(tp_buffer_reserve(&buffer, 0)); /* NULL is for out of memory */
  assert_false(buffer.failed);
  assert_int_equal(buffer.size, 0);
  tp_buffer_done(&buffer);
}

static void consuming_removes_from_the_front(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  tp_buffer_append_text(&buffer, "0123456789");
  tp_buffer_consume(&buffer, 0);
  tp_buffer_consume(&buffer, 4);
  assert_int_equal(buffer.size, 6);
  assert_memory_equal(buffer.data, "456789", 6);
  tp_buffer_consume(&buffer, 6);
  assert_int_equal(buffer.size, 0);
  tp_buffer_done(&buffer);
}

static void taking_hands_over_and_leaves_it_empty(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_buffer buffer;
  tp_buffer_init(&buffer, &faults.allocator);
  tp_buffer_append_text(&buffer, "handed over");
  tuplet_owned owned;
  tuplet_error error;
  assert_int_equal(tp_buffer_take(&buffer, &owned, &error), TUPLET_OK);
  assert_string_equal(owned.data, "handed over");
  assert_int_equal(owned.size, strlen("handed over"));
  assert_null(buffer.data);
  assert_int_equal(buffer.size, 0);

  tuplet_owned empty;
  assert_int_equal(tp_buffer_take(&buffer, &empty, &error), TUPLET_OK);
  assert_int_equal(empty.size, 0);
  assert_string_equal(empty.data, "");

  tuplet_owned_free(&owned);
  assert_null(owned.data);
  tuplet_owned_free(&owned); /* zeroed: may be freed again */
  tuplet_owned_free(&empty);
  tuplet_owned_free(NULL);
  tp_buffer_done(&buffer);
  assert_int_equal(faults.live, 0);
}

static void a_failure_stays_until_cleared(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 2);
  tp_buffer buffer;
  tp_buffer_init(&buffer, &faults.allocator);
  tp_buffer_append_text(&buffer, "kept");
  assert_null(tp_buffer_reserve(&buffer, 1 << 20));
  assert_true(buffer.failed);
  tp_buffer_append_text(&buffer, "x"); /* there would be room */
  assert_int_equal(buffer.size, 4);
  tuplet_owned owned;
  tuplet_error error = {0};
  assert_int_equal(tp_buffer_take(&buffer, &owned, &error), TUPLET_NOMEM);
  assert_int_equal(error.status, TUPLET_NOMEM);

  tp_buffer_clear(&buffer);
  tp_buffer_append_text(&buffer, "again");
  assert_false(buffer.failed);
  assert_memory_equal(buffer.data, "again", 5);
  tp_buffer_done(&buffer);
  assert_int_equal(faults.live, 0);
}

static void impossible_sizes_fail(void **state) {
  (void)state;
  tp_buffer buffer;
  tp_buffer_init(&buffer, NULL);
  tp_buffer_append_text(&buffer, "some");
  assert_null(tp_buffer_reserve(&buffer, SIZE_MAX));
  assert_true(buffer.failed);
  tp_buffer_done(&buffer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_appended_stands_in_order),
      cmocka_unit_test(it_grows_past_every_size),
      cmocka_unit_test(reserved_room_counts_when_the_caller_says_so),
      cmocka_unit_test(room_for_nothing_is_room),
      cmocka_unit_test(consuming_removes_from_the_front),
      cmocka_unit_test(taking_hands_over_and_leaves_it_empty),
      cmocka_unit_test(a_failure_stays_until_cleared),
      cmocka_unit_test(impossible_sizes_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* hex_test.c: hexadecimal text, there and back. */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

static void every_byte_comes_back(void **state) {
  (void)state;
  uint8_t bytes[256], again[256] = {0};
  char text[512];
  for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
  tp_hex_write(bytes, sizeof bytes, text);
  assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
  assert_memory_equal(text + 508, "feff", 4);
  assert_true(tp_hex_read(text, sizeof text, again, sizeof again));
  assert_memory_equal(again, bytes, sizeof bytes);
}

static void both_cases_are_read(void **state) {
  (void)state;
  uint8_t bytes[3];
  assert_true(tp_hex_read("aBCdEf", 6, bytes, sizeof bytes));
  assert_memory_equal(bytes, "\xAB\xCD\xEF", 3);
  assert_true(tp_hex_read("", 0, bytes, 0));
}

static void anything_else_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"",       "0",      "000",    "0000000", "00000",
                                      "0000g0", "00 000", "0x0000", "00-000",  "@@@@@@",
                                      "``````", "GGGGGG", "//////", "::::::",  "\xFF\xFF\xFF\xFF\xFF\xFF"};
  uint8_t bytes[3];
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    assert_false(tp_hex_read(texts[i], strlen(texts[i]), bytes, sizeof bytes));
  }
}

static void appending_adds_digits(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_buffer_append_text(&out, "x");
  tp_hex_append(&out, (tuplet_bytes){"\x00\x7F\xFF", 3});
  tp_hex_append(&out, (tuplet_bytes){NULL, 0});
  assert_int_equal(out.size, 7);
  assert_memory_equal(out.data, "x007fff", 7);
  tp_buffer_done(&out);
}

static void no_memory_shows_in_the_buffer(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 1);
  tp_buffer out;
  tp_buffer_init(&out, &faults.allocator);
  tp_hex_append(&out, (tuplet_bytes){"\x01", 1});
  assert_true(out.failed);
  tp_buffer_clear(&out);
  tp_hex_append(&out, (tuplet_bytes){"\x01", SIZE_MAX / 2 + 1}); /* twice that is more than there can be */
  assert_true(out.failed);
  tp_buffer_done(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_byte_comes_back),         cmocka_unit_test(both_cases_are_read),
      cmocka_unit_test(anything_else_is_refused),      cmocka_unit_test(appending_adds_digits),
      cmocka_unit_test(no_memory_shows_in_the_buffer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

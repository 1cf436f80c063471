/* bigint_test.c: integers of any size as text, and back. */
#include "codec/bigint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "support/fault_allocator.h"

typedef struct bigint_case {
  const char *literal;       /* digits, as they are read */
  const char *decimal;       /* as they are written */
  const char *little_endian; /* hex */
} bigint_case;

static const bigint_case cases[] = {
    {"0", "0", ""},
    {"1", "1", "01"},
    {"255", "255", "ff"},
    {"256", "256", "0001"},
    {"18446744073709551615", "18446744073709551615", "ffffffffffffffff"},
    {"18446744073709551616", "18446744073709551616", "000000000000000001"},
    {"340282366920938463463374607431768223801", "340282366920938463463374607431768223801",
     "3930000000000000000000000000000001"},
    {"1_000_000", "1000000", "40420f"},
    {"0x0", "0", ""},
    {"0x00", "0", ""},
    {"0xF", "15", "0f"},
    {"0X1_0000_0000_0000_0000", "18446744073709551616", "000000000000000001"},
    {"0o777", "511", "ff01"},
    {"0O10", "8", "08"},
    {"0b1_0000_0001", "257", "0101"},
    {"0B0", "0", ""},
};

static const char *const bad[] = {"",    "-1",  "+1",   "1n",   "_1",   "1_", "1__0", "01",
                                  "00",  "0x",  "0x_1", "0x1_", "0xg",  "0b", "0b2",  "0o8",
                                  "1.0", "1e3", " 1",   "1 ",   "\xff", "0_1"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void read_hex(const char *hex, uint8_t *ret_bytes, size_t *ret_size) {
  *ret_size = strlen(hex) / 2;
  assert_true(tp_hex_read(hex, strlen(hex), ret_bytes, *ret_size));
}

static void literals_are_read(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < COUNT(cases); i++) {
    uint8_t bytes[64];
    size_t size;
    read_hex(cases[i].little_endian, bytes, &size);
    tp_buffer_clear(&out);
    tp_buffer_append_byte(&out, '#'); /* what is there already stays */
    assert_int_equal(tp_bigint_from_text(cases[i].literal, strlen(cases[i].literal), &out, NULL), TUPLET_OK);
    assert_int_equal(out.size, 1 + size);
    if (size > 0) assert_memory_equal(out.data + 1, bytes, size);
  }
  tp_buffer_done(&out);
}

static void magnitudes_are_written(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < COUNT(cases); i++) {
    uint8_t bytes[64] = {0};
    size_t size;
    read_hex(cases[i].little_endian, bytes, &size);
    tp_buffer_clear(&out);
    /* A zero at the end changes nothing. */
    assert_int_equal(tp_bigint_to_text(false, (tuplet_bytes){bytes, size + i % 2}, &out, NULL), TUPLET_OK);
    assert_int_equal(tp_bigint_to_text(true, (tuplet_bytes){bytes, size}, &out, NULL), TUPLET_OK);
    tp_buffer_append_byte(&out, '\0');
    char expected[128];
    (void)snprintf(expected, sizeof expected, "%s%s%s", cases[i].decimal, size > 0 ? "-" : "",
                   cases[i].decimal);
    assert_string_equal((char *)out.data, expected);
  }
  tp_buffer_done(&out);
}

static void what_is_no_literal_is_refused(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < COUNT(bad); i++) {
    tuplet_error error = {0};
    assert_int_equal(tp_bigint_from_text(bad[i], strlen(bad[i]), &out, &error), TUPLET_SYNTAX);
    assert_int_equal(error.status, TUPLET_SYNTAX);
    assert_non_null(strstr(error.message, "is not the digits of a BigInt"));
  }
  assert_int_equal(out.size, 0);
  tp_buffer_done(&out);
}

static void the_largest_fits_and_the_next_does_not(void **state) {
  (void)state;
  tp_buffer magnitude;
  tp_buffer text;
  tp_buffer_init(&magnitude, NULL);
  tp_buffer_init(&text, NULL);
  for (size_t i = 0; i < TP_BIGINT_SIZE_MAX; i++) tp_buffer_append_byte(&magnitude, 0xFF);
  assert_int_equal(tp_bigint_to_text(false, tp_buffer_view(&magnitude), &text, NULL), TUPLET_OK);

  tp_buffer again;
  tp_buffer_init(&again, NULL);
  assert_int_equal(tp_bigint_from_text((char *)text.data, text.size, &again, NULL), TUPLET_OK);
  assert_int_equal(again.size, magnitude.size);
  assert_memory_equal(again.data, magnitude.data, magnitude.size);

  tp_buffer_append_byte(&magnitude, 1);
  assert_int_equal(tp_bigint_to_text(false, tp_buffer_view(&magnitude), &text, NULL), TUPLET_LIMIT);
  text.data[text.size - 1]++; /* the largest ends in 5: one more takes another byte */
  assert_int_equal(tp_bigint_from_text((char *)text.data, text.size, &again, NULL), TUPLET_LIMIT);
  tp_buffer_append_text(&text, "000000");
  assert_int_equal(tp_bigint_from_text((char *)text.data, text.size, &again, NULL), TUPLET_LIMIT);

  tp_buffer_clear(&text);
  tp_buffer_append_text(&text, "0x1");
  for (size_t i = 0; i < (size_t)TP_BIGINT_SIZE_MAX * 2; i++) tp_buffer_append_byte(&text, '0');
  assert_int_equal(tp_bigint_from_text((char *)text.data, text.size, &again, NULL), TUPLET_LIMIT);
  tp_buffer_done(&again);
  tp_buffer_done(&magnitude);
  tp_buffer_done(&text);
}

static void random_bigints_survive_both_ways(void **state) {
  (void)state;
  unsigned seed = 12345;
  tp_buffer text;
  tp_buffer out;
  tp_buffer_init(&text, NULL);
  tp_buffer_init(&out, NULL);
  for (int round = 0; round < 500; round++) {
    uint8_t bytes[80] = {0};
    size_t size = (size_t)rand_r(&seed) % sizeof bytes + 1;
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)rand_r(&seed);
    bytes[size - 1] |= 1;
    tp_buffer_clear(&text);
    tp_buffer_clear(&out);
    assert_int_equal(tp_bigint_to_text(false, (tuplet_bytes){bytes, size}, &text, NULL), TUPLET_OK);
    assert_int_equal(tp_bigint_from_text((char *)text.data, text.size, &out, NULL), TUPLET_OK);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, bytes, size);
  }
  tp_buffer_done(&text);
  tp_buffer_done(&out);
}

static void out_of_memory_is_reported(void **state) {
  (void)state;
  static const char *const literals[] = {"18446744073709551616", "0xFFFFFFFFFFFFFFFFFF", "12"};
  static const uint8_t magnitude[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (size_t n = 1;; n++) {
    bool fired = false;
    for (size_t i = 0; i < COUNT(literals) + 2; i++) {
      fault_allocator faults;
      fault_allocator_init(&faults, n);
      tp_buffer out;
      tp_buffer_init(&out, &faults.allocator);
      tuplet_status status =
          i < COUNT(literals)
              ? tp_bigint_from_text(literals[i], strlen(literals[i]), &out, NULL)
              : tp_bigint_to_text(true, (tuplet_bytes){magnitude, i == COUNT(literals) ? 1 : 9}, &out, NULL);
      assert_int_equal(status, fault_allocator_fired(&faults) ? TUPLET_NOMEM : TUPLET_OK);
      fired = fired || fault_allocator_fired(&faults);
      tp_buffer_done(&out);
      assert_int_equal(faults.live, 0);
    }
    if (!fired) break;
  }
}

static void reversing_turns_bytes_around(void **state) {
  (void)state;
  uint8_t bytes[] = {1, 2, 3};
  tp_bigint_reverse(bytes, 3);
  assert_memory_equal(bytes, "\3\2\1", 3);
  tp_bigint_reverse(bytes, 2);
  assert_memory_equal(bytes, "\2\3\1", 3);
  tp_bigint_reverse(bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(literals_are_read),
      cmocka_unit_test(magnitudes_are_written),
      cmocka_unit_test(what_is_no_literal_is_refused),
      cmocka_unit_test(the_largest_fits_and_the_next_does_not),
      cmocka_unit_test(random_bigints_survive_both_ways),
      cmocka_unit_test(out_of_memory_is_reported),
      cmocka_unit_test(reversing_turns_bytes_around),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* number_test.c: numbers as JavaScript writes and reads them. The vectors are Deno's. */
#include "codec/number.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Calls `check` with the first word and the rest of every line of a file of vectors. */
static void for_each_line(const char *path, void (*check)(const char *word, const char *rest)) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[2048];
  size_t count = 0;
  for (; fgets(line, sizeof line, file) != NULL; count++) {
    line[strcspn(line, "\n")] = '\0';
    char *space = strchr(line, ' ');
    assert_non_null(space);
    *space = '\0';
    check(line, space + 1);
  }
  (void)fclose(file);
  assert_true(count > 50);
}

static uint64_t bits_of(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

static void check_both_ways(const char *hex, const char *expected) {
  uint64_t bits = strtoull(hex, NULL, 16);
  double number;
  memcpy(&number, &bits, sizeof number);
  char text[TP_NUMBER_TEXT_SIZE];
  size_t size = tp_number_to_text(number, text);
  assert_string_equal(text, expected);
  assert_int_equal(size, strlen(expected));
  double read = 0;
  assert_true(tp_number_from_text(text, size, &read));
  assert_int_equal(bits_of(read), bits);
}

static void check_literal(const char *expected, const char *text) {
  double number = 0;
  bool is_number = tp_number_from_text(text, strlen(text), &number);
  if (is_number == (strcmp(expected, "bad") == 0)) fail_msg("\"%s\": expected %s", text, expected);
  if (is_number && bits_of(number) != strtoull(expected, NULL, 16))
    fail_msg("\"%s\": expected %s, got %016llx", text, expected, (unsigned long long)bits_of(number));
}

static void numbers_are_written_as_deno_writes_them(void **state) {
  (void)state;
  for_each_line(TEST_VECTORS "/numbers.txt", check_both_ways);
}

static void literals_are_read_as_deno_reads_them(void **state) {
  (void)state;
  for_each_line(TEST_VECTORS "/number_literals.txt", check_literal);
}

static void only_the_given_size_is_read(void **state) {
  (void)state;
  double number = 0;
  assert_true(tp_number_from_text("1234", 2, &number));
  assert_true(number == 12);
  assert_false(tp_number_from_text("1", 0, &number));
  assert_false(tp_number_from_text("1\0", 2, &number));
}

static void nan_of_any_kind_is_nan(void **state) {
  (void)state;
  char text[TP_NUMBER_TEXT_SIZE];
  assert_int_equal(tp_number_to_text(-(double)NAN, text), 3);
  assert_string_equal(text, "NaN");
}

static void the_locale_changes_nothing(void **state) {
  (void)state;
  assert_non_null(setlocale(LC_NUMERIC, "comma")); /* made for this test; LOCPATH leads to it */
  assert_string_equal(localeconv()->decimal_point, ",");
  check_both_ways("3ff8000000000000", "1.5");
  check_both_ways("3fb999999999999a", "0.1");
  check_both_ways("0000000000000001", "5e-324");
  check_literal("3ff8000000000000", "1.5");
  check_literal("bad", "1,5");
  assert_non_null(setlocale(LC_NUMERIC, "C"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_written_as_deno_writes_them),
      cmocka_unit_test(literals_are_read_as_deno_reads_them),
      cmocka_unit_test(only_the_given_size_is_read),
      cmocka_unit_test(nan_of_any_kind_is_nan),
      cmocka_unit_test(the_locale_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* trim_test.c: when memory is given back, and when not. */
#include "server/host/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void gives_back_when_most_have_left(void **state) {
  (void)state;
  tp_trim trim = {0};
  assert_false(tp_trim_look(&trim, 0));
  assert_false(tp_trim_look(&trim, 10000));
  assert_false(tp_trim_look(&trim, 5000));
  assert_true(tp_trim_look(&trim, 4999));
  assert_false(tp_trim_look(&trim, 4999)); /* once */
  assert_false(tp_trim_look(&trim, 2500));
  assert_true(tp_trim_look(&trim, 100));
}

static void leaves_small_crowds_alone(void **state) {
  (void)state;
  tp_trim trim = {0};
  assert_false(tp_trim_look(&trim, 255));
  assert_false(tp_trim_look(&trim, 0));
  assert_false(tp_trim_look(&trim, 256));
  assert_true(tp_trim_look(&trim, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_back_when_most_have_left),
      cmocka_unit_test(leaves_small_crowds_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

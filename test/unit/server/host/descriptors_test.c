/* descriptors_test.c: how descriptors are shared between connections and databases. */
#include "server/host/descriptors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

static void lets_in_what_is_asked_for_where_there_is_room(void **state) {
  (void)state;
  assert_int_equal(tp_descriptors_bound(524288, 16384, 512), 16384);
  assert_int_equal(tp_descriptors_bound(UINT64_MAX, UINT32_MAX, UINT32_MAX), UINT32_MAX);
  assert_int_equal(tp_descriptors_bound(1024, 1, 512), 1);
}

static void leaves_databases_enough_to_be_opened(void **state) {
  (void)state;
  uint32_t bound = tp_descriptors_bound(20000, 16384, 512);
  assert_in_range(bound, 10000, 20000 - 2 * 512);
  assert_true(tp_descriptors_bound(20000, 16384, 256) > bound);
}

static void leaves_connections_half_of_what_there_is(void **state) {
  (void)state;
  assert_int_equal(tp_descriptors_bound(1024, 16384, 512), 512);
  assert_int_equal(tp_descriptors_bound(100, 16384, 1), 50);
}

static void raises_the_soft_limit_to_the_hard_one(void **state) {
  (void)state;
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  struct rlimit lower = {.rlim_cur = 200, .rlim_max = limit.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
  uint64_t raised = tp_descriptors_raise();
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  assert_true(limit.rlim_cur == limit.rlim_max);
  assert_true(limit.rlim_cur == RLIM_INFINITY ? raised == UINT64_MAX : raised == limit.rlim_cur);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lets_in_what_is_asked_for_where_there_is_room),
      cmocka_unit_test(leaves_databases_enough_to_be_opened),
      cmocka_unit_test(leaves_connections_half_of_what_there_is),
      cmocka_unit_test(raises_the_soft_limit_to_the_hard_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* deadline_test.c: waiting for a condition until a moment. */
#include "base/deadline.h"

#include "base/clock.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct signalled {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool is_set;
} signalled;

static void init_signalled(signalled *it) {
  *it = (signalled){0};
  assert_int_equal(pthread_mutex_init(&it->mutex, NULL), 0);
  assert_int_equal(tp_deadline_init_cond(&it->cond), 0);
}

static void done_signalled(signalled *it) {
  assert_int_equal(pthread_cond_destroy(&it->cond), 0);
  assert_int_equal(pthread_mutex_destroy(&it->mutex), 0);
}

static tuplet_status wait_until_set(signalled *it, tp_deadline deadline) {
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&it->mutex);
  while (!it->is_set && status == TUPLET_OK) status = tp_deadline_wait(&deadline, &it->cond, &it->mutex);
  (void)pthread_mutex_unlock(&it->mutex);
  return status;
}

static void *set(void *context) {
  signalled *it = context;
  (void)pthread_mutex_lock(&it->mutex);
  it->is_set = true;
  (void)pthread_cond_signal(&it->cond);
  (void)pthread_mutex_unlock(&it->mutex);
  return NULL;
}

static int64_t now_ns(void) {
  const tp_clock clock = tp_clock_system();
  return tp_clock_monotonic_ns(&clock);
}

static int64_t moment_ns(tp_deadline deadline) {
  return (int64_t)deadline.at.tv_sec * 1000000000 + deadline.at.tv_nsec;
}

static void a_wait_ends_when_its_time_is_over_and_not_before(void **state) {
  (void)state;
  signalled it;
  init_signalled(&it);
  int64_t start_ns = now_ns();
  assert_int_equal(wait_until_set(&it, tp_deadline_in(20)), TUPLET_TIMEOUT);
  assert_true(now_ns() - start_ns >= 20000000);
  start_ns = now_ns();
  assert_int_equal(wait_until_set(&it, tp_deadline_in_ns(7000000)), TUPLET_TIMEOUT);
  assert_true(now_ns() - start_ns >= 7000000);
  assert_int_equal(wait_until_set(&it, tp_deadline_in(0)), TUPLET_TIMEOUT);
  assert_int_equal(wait_until_set(&it, tp_deadline_in_ns(-1)), TUPLET_TIMEOUT);
  done_signalled(&it);
}

static void whether_a_moment_has_come_can_be_asked(void **state) {
  (void)state;
  tp_deadline now = tp_deadline_in(0), earlier = now, later = tp_deadline_in(60000),
              never = tp_deadline_in(-1);
  earlier.at.tv_sec--;
  earlier.at.tv_nsec = 999999999;
  assert_true(tp_deadline_is_over(&now));
  assert_true(tp_deadline_is_over(&earlier));
  assert_false(tp_deadline_is_over(&later));
  later.at.tv_nsec = 0;
  assert_false(tp_deadline_is_over(&later));
  assert_false(tp_deadline_is_over(&never));
}

static void a_signal_ends_a_wait(void **state) {
  (void)state;
  const int64_t timeouts_ms[] = {INT64_C(24) * 3600 * 1000, TUPLET_FOREVER, INT64_MAX};
  for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
    signalled it;
    init_signalled(&it);
    pthread_t thread;
    assert_int_equal(tp_thread_start(&thread, "tp-test", set, &it, NULL), TUPLET_OK);
    assert_int_equal(wait_until_set(&it, tp_deadline_in(timeouts_ms[i])), TUPLET_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    done_signalled(&it);
  }
}

static void a_moment_is_so_far_from_now_as_was_asked_for(void **state) {
  (void)state;
  /* Parts of a second that are carried into the seconds, whatever the clock shows just now. */
  for (int64_t part_ms = 0; part_ms < 1000; part_ms += 37) {
    int64_t before_ns = now_ns();
    tp_deadline in_ms = tp_deadline_in(5000 + part_ms);
    tp_deadline in_ns = tp_deadline_in_ns((5000 + part_ms) * 1000000 + 999999);
    int64_t after_ns = now_ns();
    assert_false(in_ms.is_never);
    assert_false(in_ns.is_never);
    assert_in_range(in_ms.at.tv_nsec, 0, 999999999);
    assert_in_range(in_ns.at.tv_nsec, 0, 999999999);
    assert_in_range(moment_ns(in_ms) - (5000 + part_ms) * 1000000, before_ns, after_ns);
    assert_in_range(moment_ns(in_ns) - (5000 + part_ms) * 1000000 - 999999, before_ns, after_ns);
  }
}

static void what_clocks_cannot_count_is_never(void **state) {
  (void)state;
  assert_true(tp_deadline_in(TUPLET_FOREVER).is_never);
  assert_true(tp_deadline_in(INT64_MAX).is_never);
  assert_true(tp_deadline_in(INT64_MIN).is_never);
  assert_false(tp_deadline_in_ns(INT64_MAX).is_never); /* 292 years are still counted */
  assert_true(moment_ns(tp_deadline_in(INT64_C(90) * 365 * 24 * 3600 * 1000)) > now_ns());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wait_ends_when_its_time_is_over_and_not_before),
      cmocka_unit_test(whether_a_moment_has_come_can_be_asked),
      cmocka_unit_test(a_signal_ends_a_wait),
      cmocka_unit_test(a_moment_is_so_far_from_now_as_was_asked_for),
      cmocka_unit_test(what_clocks_cannot_count_is_never),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

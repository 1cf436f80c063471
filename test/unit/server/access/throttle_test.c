/* throttle_test.c: who fails again and again waits longer and longer, and nobody else does. */
#include "server/access/throttle.h"

#include "../../support/fault_allocator.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const tp_throttle_config usual = {
    .failures_max = 3, .held_per_address_max = 4, .held_max = 6, .address_max = 64};

static int setup(void **state) {
  return tp_throttle_new(&usual, (tp_throttle **)state, NULL) == TUPLET_OK ? 0 : -1;
}

static int teardown(void **state) {
  tp_throttle_free(*state);
  return 0;
}

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

/* A failure whose answer is not held for long. */
static tp_throttle_sentence fail_once(tp_throttle *throttle, const char *peer, int64_t now_ms) {
  tp_throttle_sentence sentence = tp_throttle_fail(throttle, view(peer), now_ms);
  if (sentence.verdict == TP_THROTTLE_HOLD) tp_throttle_release(throttle, view(peer));
  return sentence;
}

static void the_first_failures_are_answered_at_once_and_later_ones_ever_later(void **state) {
  tp_throttle *throttle = *state;
  static const uint32_t delays_ms[] = {0, 0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
  for (size_t i = 0; i < sizeof delays_ms / sizeof *delays_ms; i++) {
    assert_int_equal(tp_throttle_would_hold(throttle, view("192.0.2.1"), 1000), delays_ms[i] > 0);
    tp_throttle_sentence sentence = fail_once(throttle, "192.0.2.1", 1000);
    assert_int_equal(sentence.verdict, delays_ms[i] > 0 ? TP_THROTTLE_HOLD : TP_THROTTLE_NOW);
    assert_int_equal(sentence.delay_ms, delays_ms[i]);
    assert_int_equal(sentence.failures, i + 1);
  }
}

static void a_minute_makes_up_for_as_many_failures_as_may_be(void **state) {
  tp_throttle *throttle = *state;
  for (int i = 0; i < 3; i++) assert_int_equal(fail_once(throttle, "192.0.2.1", 0).verdict, TP_THROTTLE_NOW);
  assert_true(tp_throttle_would_hold(throttle, view("192.0.2.1"), 19999));
  assert_false(tp_throttle_would_hold(throttle, view("192.0.2.1"), 20000));
  for (int64_t now_ms = 20000; now_ms < 600000; now_ms += 20000) /* three a minute go on for ever */
    assert_int_equal(fail_once(throttle, "192.0.2.1", now_ms).verdict, TP_THROTTLE_NOW);
}

static void even_who_failed_all_day_is_forgiven(void **state) {
  tp_throttle *throttle = *state;
  for (int i = 0; i < 100000; i++) (void)fail_once(throttle, "192.0.2.1", 0);
  assert_true(tp_throttle_would_hold(throttle, view("192.0.2.1"), 60000));
  assert_false(tp_throttle_would_hold(throttle, view("192.0.2.1"), (int64_t)17 * 60000));
}

static void a_clock_that_stands_still_or_jumps_far_does_no_harm(void **state) {
  tp_throttle *throttle = *state;
  for (int i = 0; i < 10; i++) (void)fail_once(throttle, "192.0.2.1", INT64_MAX / 2);
  assert_true(tp_throttle_would_hold(throttle, view("192.0.2.1"), 0));
  assert_false(tp_throttle_would_hold(throttle, view("192.0.2.1"), INT64_MAX));
}

static void addresses_do_not_pay_for_each_other(void **state) {
  tp_throttle *throttle = *state;
  for (int i = 0; i < 10; i++) (void)fail_once(throttle, "192.0.2.1", 0);
  assert_true(tp_throttle_would_hold(throttle, view("192.0.2.1"), 0));
  static const char *const others[] = {"192.0.2.2", "192.0.3.1", "2001:db8::1", "::1"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_false(tp_throttle_would_hold(throttle, view(others[i]), 0));
    assert_int_equal(fail_once(throttle, others[i], 0).verdict, TP_THROTTLE_NOW);
  }
}

static void one_host_has_one_account_however_its_address_is_written(void **state) {
  tp_throttle *throttle = *state;
  static const struct {
    const char *one, *other;
    bool same;
  } cases[] = {
      {"192.0.2.1", "::ffff:192.0.2.1", true},
      {"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
      {"2001:db8:0:2::1", "2001:db8:0:3::1", false},
      {"fe80::1%eth0", "fe80::2%eth1", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int k = 0; k < 5; k++) (void)fail_once(throttle, cases[i].one, 0);
    assert_int_equal(tp_throttle_would_hold(throttle, view(cases[i].other), 0), cases[i].same);
  }
}

static void what_is_no_address_is_never_delayed(void **state) {
  tp_throttle *throttle = *state;
  static const char *const peers[] = {
      "",      "unix",      "localhost",
      "1.2.3", "1.2.3.4.5", "0123456789012345678901234567890123456789012345678901234567890123456789"};
  for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
    for (int k = 0; k < 20; k++)
      assert_int_equal(tp_throttle_fail(throttle, view(peers[i]), 0).verdict, TP_THROTTLE_NOW);
    assert_false(tp_throttle_would_hold(throttle, view(peers[i]), 0));
    tp_throttle_release(throttle, view(peers[i]));
  }
}

static void without_a_limit_nothing_is_delayed(void **state) {
  (void)state;
  tp_throttle_config config = usual;
  tp_throttle *throttle;
  config.failures_max = 0;
  assert_int_equal(tp_throttle_new(&config, &throttle, NULL), TUPLET_OK);
  for (int i = 0; i < 100; i++)
    assert_int_equal(tp_throttle_fail(throttle, view("192.0.2.1"), 0).verdict, TP_THROTTLE_NOW);
  tp_throttle_free(throttle);
}

static void answers_that_wait_are_bounded_for_each_and_for_all(void **state) {
  tp_throttle *throttle = *state;
  static const char *const peers[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
  for (size_t i = 0; i < 3; i++) {
    for (int k = 0; k < 3; k++)
      assert_int_equal(tp_throttle_fail(throttle, view(peers[i]), 0).verdict, TP_THROTTLE_NOW);
  }
  for (int k = 0; k < 4; k++)
    assert_int_equal(tp_throttle_fail(throttle, view(peers[0]), 0).verdict, TP_THROTTLE_HOLD);
  assert_false(tp_throttle_would_hold(throttle, view(peers[0]), 0));
  tp_throttle_sentence refused = tp_throttle_fail(throttle, view(peers[0]), 0);
  assert_int_equal(refused.verdict, TP_THROTTLE_REFUSE);
  assert_int_equal(refused.delay_ms, 1600);
  assert_int_equal(tp_throttle_fail(throttle, view(peers[1]), 0).verdict, TP_THROTTLE_HOLD);
  assert_int_equal(tp_throttle_fail(throttle, view(peers[1]), 0).verdict, TP_THROTTLE_HOLD);
  assert_int_equal(tp_throttle_fail(throttle, view(peers[2]), 0).verdict, TP_THROTTLE_REFUSE);
  tp_throttle_release(throttle, view(peers[0]));
  assert_int_equal(tp_throttle_fail(throttle, view(peers[2]), 0).verdict, TP_THROTTLE_HOLD);
  assert_int_equal(tp_throttle_fail(throttle, view(peers[2]), 0).verdict, TP_THROTTLE_REFUSE);
}

/* Far more addresses than there is room for: those who owe most stay known. */
static void a_flood_of_addresses_does_not_wash_the_worst_away(void **state) {
  tp_throttle *throttle = *state;
  for (int i = 0; i < 12; i++) (void)fail_once(throttle, "192.0.2.1", 0);
  for (int i = 0; i < 10000; i++) {
    char peer[32];
    (void)snprintf(peer, sizeof peer, "10.%d.%d.1", i / 200, i % 200);
    (void)fail_once(throttle, peer, 1);
  }
  assert_true(tp_throttle_would_hold(throttle, view("192.0.2.1"), 1));
}

/* All places of the table may be taken by addresses whose answers wait. */
static void an_address_for_which_there_is_no_room_is_refused(void **state) {
  (void)state;
  tp_throttle_config config = {
      .failures_max = 1, .held_per_address_max = 1, .held_max = 100, .address_max = 8};
  tp_throttle *throttle;
  char peer[32];
  assert_int_equal(tp_throttle_new(&config, &throttle, NULL), TUPLET_OK);
  for (int i = 1; i <= 8; i++) {
    (void)snprintf(peer, sizeof peer, "10.0.0.%d", i);
    assert_int_equal(tp_throttle_fail(throttle, view(peer), 0).verdict, TP_THROTTLE_NOW);
    assert_int_equal(tp_throttle_fail(throttle, view(peer), 0).verdict, TP_THROTTLE_HOLD);
  }
  assert_int_equal(tp_throttle_fail(throttle, view("10.0.0.9"), 0).verdict, TP_THROTTLE_REFUSE);
  tp_throttle_release(throttle, view("10.0.0.3"));
  assert_int_equal(tp_throttle_fail(throttle, view("10.0.0.9"), 0).verdict, TP_THROTTLE_NOW);
  tp_throttle_free(throttle);
}

static void *fail_often(void *context) {
  for (int i = 0; i < 2000; i++) {
    char peer[32];
    (void)snprintf(peer, sizeof peer, "10.0.0.%d", i % 100);
    (void)fail_once(context, peer, i);
    (void)tp_throttle_would_hold(context, view(peer), i);
  }
  return NULL;
}

static void threads_may_fail_at_once(void **state) {
  tp_throttle *throttle = *state;
  pthread_t threads[3];
  for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, fail_often, throttle), 0);
  for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < 6; i++) { /* nothing was left held: all places are free */
    char peer[32];
    (void)snprintf(peer, sizeof peer, "10.0.1.%d", i);
    for (int k = 0; k < 3; k++) (void)tp_throttle_fail(throttle, view(peer), 0);
    assert_int_equal(tp_throttle_fail(throttle, view(peer), 0).verdict, TP_THROTTLE_HOLD);
  }
}

static void running_out_of_memory_is_told_and_leaves_nothing(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_throttle_config config = usual;
    config.allocator = &faults.allocator;
    tp_throttle *throttle = NULL;
    tuplet_status status = tp_throttle_new(&config, &throttle, NULL);
    if (!fault_allocator_fired(&faults)) {
      assert_int_equal(status, TUPLET_OK);
      tp_throttle_free(throttle);
      assert_int_equal(faults.live, 0);
      break;
    }
    assert_int_equal(status, TUPLET_NOMEM);
    assert_int_equal(faults.live, 0);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_first_failures_are_answered_at_once_and_later_ones_ever_later),
      TEST(a_minute_makes_up_for_as_many_failures_as_may_be),
      TEST(even_who_failed_all_day_is_forgiven),
      TEST(a_clock_that_stands_still_or_jumps_far_does_no_harm),
      TEST(addresses_do_not_pay_for_each_other),
      TEST(one_host_has_one_account_however_its_address_is_written),
      TEST(what_is_no_address_is_never_delayed),
      TEST(without_a_limit_nothing_is_delayed),
      TEST(answers_that_wait_are_bounded_for_each_and_for_all),
      TEST(a_flood_of_addresses_does_not_wash_the_worst_away),
      TEST(an_address_for_which_there_is_no_room_is_refused),
      TEST(threads_may_fail_at_once),
      TEST(running_out_of_memory_is_told_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

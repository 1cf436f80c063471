/* housekeeper_test.c: when sweeps start and in which steps, and when others' changes are looked for, with an
 * engine that only takes notes. */
#include "store/housekeeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/latch.h"

enum { NOTED_MAX = 64 };

/* What each sweep is to come to, and what was asked of it. */
typedef struct noting_engine {
  tp_engine base;
  pthread_mutex_t mutex;
  latch swept, polled;
  size_t sweep_count;
  uint32_t row_max;
  uint32_t left;         /* rows that are due */
  tuplet_status failure; /* of the first sweep; TUPLET_OK: none */
  bool foreign_changes;
  void (*on_change)(void *context); /* when it was asked to tell of changes */
  void *on_change_context;
} noting_engine;

static void sweep(tp_engine *base, tp_sweep *asked) {
  noting_engine *engine = (noting_engine *)(void *)base; /* its first member */
  (void)pthread_mutex_lock(&engine->mutex);
  engine->sweep_count++;
  engine->row_max = asked->row_max;
  asked->status = engine->failure;
  engine->failure = TUPLET_OK;
  asked->removed = 0;
  if (asked->status == TUPLET_OK) {
    asked->removed = engine->left < asked->row_max ? engine->left : asked->row_max;
    engine->left -= asked->removed;
  }
  asked->next_expiry_ms = engine->left > 0 ? asked->now_ms : TP_EXPIRES_NEVER;
  (void)pthread_mutex_unlock(&engine->mutex);
  asked->on_done(asked);
  latch_add(&engine->swept);
}

static tuplet_status poll_foreign_changes(tp_engine *base, bool *ret_changed, bool *ret_queue_changed,
                                          tuplet_error *error) {
  *ret_queue_changed = false;
  (void)error;
  noting_engine *engine = (noting_engine *)(void *)base; /* its first member */
  (void)pthread_mutex_lock(&engine->mutex);
  *ret_changed = engine->foreign_changes;
  engine->foreign_changes = false;
  (void)pthread_mutex_unlock(&engine->mutex);
  latch_add(&engine->polled);
  return TUPLET_OK;
}

static tuplet_status notice_changes(tp_engine *base, void (*on_change)(void *context), void *context,
                                    tuplet_error *error) {
  (void)error;
  noting_engine *engine = (noting_engine *)(void *)base; /* its first member */
  (void)pthread_mutex_lock(&engine->mutex);
  engine->on_change = on_change;
  engine->on_change_context = context;
  (void)pthread_mutex_unlock(&engine->mutex);
  return TUPLET_OK;
}

static void notice_stop(tp_engine *base) {
  noting_engine *engine = (noting_engine *)(void *)base; /* its first member */
  engine->on_change = NULL;
}

static const tp_engine_ops telling_ops = {.sweep = sweep,
                                          .poll_foreign_changes = poll_foreign_changes,
                                          .notice_changes = notice_changes,
                                          .notice_stop = notice_stop};

static const tp_engine_ops noting_ops = {.sweep = sweep, .poll_foreign_changes = poll_foreign_changes};

typedef struct fixture {
  noting_engine engine;
  tp_watch_hub hub;
  tp_range_hub range_hub;
  tp_housekeeper housekeeper;
  tuplet_error error;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  f->engine = (noting_engine){.base = {.ops = &noting_ops},
                              .mutex = PTHREAD_MUTEX_INITIALIZER,
                              .swept = LATCH_INIT,
                              .polled = LATCH_INIT};
  *state = f;
  if (tp_watch_hub_init(&f->hub, NULL, &f->error) != TUPLET_OK) return -1;
  return tp_range_hub_init(&f->range_hub, NULL, &f->error) == TUPLET_OK ? 0 : -1;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tp_range_hub_done(&f->range_hub);
  tp_watch_hub_done(&f->hub);
  free(f);
  return 0;
}

static void start(fixture *f, bool sweeps) {
  assert_int_equal(tp_housekeeper_init(&f->housekeeper, tp_clock_system(), &f->engine.base, &f->hub,
                                       &f->range_hub, NULL, sweeps, &f->error),
                   TUPLET_OK);
}

static void stop(fixture *f) {
  tp_housekeeper_stop(&f->housekeeper);
  tp_housekeeper_done(&f->housekeeper);
}

/* Small steps, so that writers get their turn, one right after the other until nothing is due. */
static void many_rows_are_removed_in_small_steps(void **state) {
  fixture *f = *state;
  f->engine.left = 10000;
  start(f, true);
  tp_housekeeper_note_expiry(&f->housekeeper, 1);
  assert_true(latch_wait(&f->engine.swept, 1));
  (void)pthread_mutex_lock(&f->engine.mutex);
  uint32_t row_max = f->engine.row_max;
  (void)pthread_mutex_unlock(&f->engine.mutex);
  assert_true(row_max > 0 && row_max <= 1000);
  size_t steps = 10000 / row_max + 1; /* the last one finds fewer */
  assert_true(latch_wait(&f->engine.swept, steps));
  stop(f);
  assert_int_equal(f->engine.left, 0);
  assert_int_equal(f->engine.sweep_count, steps);
}

static void nothing_is_swept_before_its_time(void **state) {
  fixture *f = *state;
  start(f, true);
  tp_clock clock = tp_clock_system();
  tp_housekeeper_note_expiry(&f->housekeeper, tp_clock_unix_ms(&clock) + 3600000);
  tp_housekeeper_note_expiry(&f->housekeeper, tp_clock_unix_ms(&clock) + 7200000);
  stop(f);
  assert_int_equal(f->engine.sweep_count, 0);
}

static void a_database_that_is_only_read_is_not_swept(void **state) {
  fixture *f = *state;
  start(f, false);
  tp_housekeeper_note_expiry(&f->housekeeper, 1);
  tp_housekeeper_note_watch(&f->housekeeper);
  stop(f);
  assert_int_equal(f->engine.sweep_count, 0);
}

static void after_a_failure_the_sweep_rests(void **state) {
  fixture *f = *state;
  f->engine.failure = TUPLET_FULL;
  f->engine.left = 5;
  start(f, true);
  tp_housekeeper_note_expiry(&f->housekeeper, 1);
  assert_true(latch_wait(&f->engine.swept, 1));
  tp_housekeeper_note_expiry(&f->housekeeper, 1); /* what is new does not hurry it */
  stop(f);
  assert_int_equal(f->engine.sweep_count, 1);
}

static void wake(void *context) {
  latch_add(context);
}

static void others_changes_wake_all_who_watch(void **state) {
  fixture *f = *state;
  f->engine.base.shared = true;
  start(f, true);
  latch woken = LATCH_INIT;
  tp_hub_member member = {.wake = wake, .context = &woken};
  tp_hub_subscription subscription = {.member = &member, .key = {"k", 1}};
  member.subscriptions = &subscription;
  member.subscription_count = 1;
  assert_int_equal(tp_watch_hub_join(&f->hub, &member, &f->error), TUPLET_OK);
  tp_watch_hub_looking(&f->hub, &member);
  tp_housekeeper_note_watch(&f->housekeeper);
  assert_true(latch_wait(&f->engine.polled, 2)); /* again and again while somebody watches */
  assert_int_equal(latch_count(&woken), 1);
  (void)pthread_mutex_lock(&f->engine.mutex);
  f->engine.foreign_changes = true;
  (void)pthread_mutex_unlock(&f->engine.mutex);
  assert_true(latch_wait(&woken, 2));
  tp_watch_hub_leave(&f->hub, &member);
  stop(f);
}

/* A change is told when it begins to be written, and can be seen when the disk has it. */
static void what_is_told_is_looked_for_until_it_can_be_seen(void **state) {
  fixture *f = *state;
  enum { LOOKS = 10, SOON_MS = 5000 }; /* once a second, as without being told, would take twice as long */
  f->engine.base = (tp_engine){.ops = &telling_ops, .shared = true};
  start(f, true);
  latch woken = LATCH_INIT;
  tp_hub_member member = {.wake = wake, .context = &woken};
  tp_hub_subscription subscription = {.member = &member, .key = {"k", 1}};
  member.subscriptions = &subscription;
  member.subscription_count = 1;
  assert_int_equal(tp_watch_hub_join(&f->hub, &member, &f->error), TUPLET_OK);
  tp_watch_hub_looking(&f->hub, &member);
  tp_housekeeper_note_watch(&f->housekeeper);
  assert_true(latch_wait(&f->engine.polled, 1));
  (void)pthread_mutex_lock(&f->engine.mutex);
  assert_non_null(f->engine.on_change); /* it asked before it looked */
  f->engine.on_change(f->engine.on_change_context);
  (void)pthread_mutex_unlock(&f->engine.mutex);
  tp_clock clock = tp_clock_system();
  int64_t told_ns = tp_clock_monotonic_ns(&clock);
  assert_true(latch_wait(&f->engine.polled, 1 + LOOKS));
  assert_true(tp_clock_monotonic_ns(&clock) - told_ns < (int64_t)SOON_MS * 1000000);
  (void)pthread_mutex_lock(&f->engine.mutex);
  f->engine.foreign_changes = true;
  (void)pthread_mutex_unlock(&f->engine.mutex);
  assert_true(latch_wait(&woken, 2));
  tp_watch_hub_leave(&f->hub, &member);
  stop(f);
  assert_null(f->engine.on_change);
}

static void what_is_not_shared_is_not_looked_at(void **state) {
  fixture *f = *state;
  start(f, true);
  latch woken = LATCH_INIT;
  tp_hub_member member = {.wake = wake, .context = &woken};
  tp_hub_subscription subscription = {.member = &member, .key = {"k", 1}};
  member.subscriptions = &subscription;
  member.subscription_count = 1;
  assert_int_equal(tp_watch_hub_join(&f->hub, &member, &f->error), TUPLET_OK);
  tp_watch_hub_looking(&f->hub, &member);
  tp_clock clock = tp_clock_system();
  (void)tp_watch_hub_shown(&f->hub, &member, tp_clock_unix_ms(&clock) + 30);
  tp_housekeeper_note_watch(&f->housekeeper);
  assert_true(latch_wait(&woken, 2)); /* by the expiry */
  tp_watch_hub_leave(&f->hub, &member);
  stop(f);
  assert_int_equal(latch_count(&f->engine.polled), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(many_rows_are_removed_in_small_steps, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_is_swept_before_its_time, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_database_that_is_only_read_is_not_swept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(after_a_failure_the_sweep_rests, set_up, tear_down),
      cmocka_unit_test_setup_teardown(others_changes_wake_all_who_watch, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_told_is_looked_for_until_it_can_be_seen, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_not_shared_is_not_looked_at, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* queue_test.c: handing out messages with a clock of the test's, over a database in memory: leases are kept
 * whatever the clock does, no message is lost for want of memory, and who closes waits for what runs. */
#include "store/queue.h"

#include "engine/sqlite/sqlite_engine.h"
#include "support/latch.h"
#include "support/shared_fault_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 1000000, HOUR_MS = 3600000, STEP_MS = 50, STEPS_MAX = 20000, HELD_MAX = 256 };

typedef struct seam {
  shared_fault_allocator faults;
  _Atomic int64_t unix_ms;
  _Atomic int64_t monotonic_ms;
  tp_engine *engine;
  tp_queue *queue;
} seam;

static int64_t clock_unix_ms(void *context) {
  return atomic_load(&((seam *)context)->unix_ms);
}

static int64_t clock_monotonic_ns(void *context) {
  return atomic_load(&((seam *)context)->monotonic_ms) * 1000000;
}

static void on_commit(void *context, const tp_commit *commit) {
  seam *s = context;
  if (commit->message_due_ms != TP_EXPIRES_NEVER) tp_queue_note_due(s->queue, commit->message_due_ms);
}

static void seam_open(seam *s) {
  tuplet_error error;
  shared_fault_allocator_init(&s->faults, 0, false);
  atomic_init(&s->unix_ms, START_MS);
  atomic_init(&s->monotonic_ms, 1);
  tp_clock clock = {clock_unix_ms, clock_monotonic_ns, s};
  tp_sqlite_config config = {.allocator = &s->faults.allocator, .clock = clock, .cache_kib = 1024};
  assert_int_equal(tp_sqlite_engine_open(&config, &s->engine, &error), TUPLET_OK);
  assert_int_equal(tp_queue_new(&s->faults.allocator, clock, s->engine, &s->queue, &error), TUPLET_OK);
  s->engine->ops->set_observer(s->engine, (tp_engine_observer){on_commit, s});
}

static void seam_close(seam *s) {
  tp_queue_stop(s->queue);
  s->engine->ops->close(s->engine);
  tp_queue_free(s->queue);
  assert_int_equal(atomic_load(&s->faults.live), 0);
}

/* The time goes on, and the queue's thread, which waits by the real clock, looks at it. */
static void advance(seam *s, int64_t unix_ms, int64_t monotonic_ms) {
  (void)atomic_fetch_add(&s->unix_ms, unix_ms);
  (void)atomic_fetch_add(&s->monotonic_ms, monotonic_ms);
  tp_queue_note_foreign(s->queue);
}

static void rest(void) {
  const struct timespec moment = {.tv_nsec = 200000};
  (void)nanosleep(&moment, NULL);
}

/* ---- Writing and reading ---- */

typedef struct own_write {
  tp_write write;
  latch done;
} own_write;

static void on_written(tp_write *write) {
  latch_add(&((own_write *)(void *)write)->done);
}

/* A message that comes twice and goes under its own text in the end. */
static tuplet_status enqueue(seam *s, const char *payload) {
  static const uint32_t backoff_ms[] = {10};
  const tuplet_bytes bytes = {payload, strlen(payload)};
  const tp_enqueue message = {.payload = bytes,
                              .due_at_ms = atomic_load(&s->unix_ms),
                              .keys_if_undelivered = &bytes,
                              .keys_if_undelivered_count = 1,
                              .backoff_ms = backoff_ms,
                              .backoff_count = 1,
                              .has_backoff = true};
  tp_arena arena;
  tp_arena_init(&arena, &s->faults.allocator, 1024);
  own_write own = {.done = LATCH_INIT};
  own.write = (tp_write){.enqueues = &message, .enqueue_count = 1, .arena = &arena, .on_done = on_written};
  s->engine->ops->write(s->engine, &own.write);
  assert_true(latch_wait(&own.done, 1));
  tp_arena_done(&arena);
  return own.write.status;
}

typedef struct own_read {
  tp_read read;
  latch done;
  size_t row_count;
} own_read;

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index;
  (void)row;
  (void)error;
  ((own_read *)(void *)read)->row_count++;
  return TUPLET_OK;
}

static void on_read(tp_read *read, tuplet_status status, const tuplet_error *error) {
  (void)error;
  assert_int_equal(status, TUPLET_OK);
  latch_add(&((own_read *)(void *)read)->done);
}

static bool is_undelivered(seam *s, const char *payload) {
  tp_read_range range = {
      .start = {payload, strlen(payload)}, .end = {payload, strlen(payload) + 1}, .limit = 1};
  own_read own = {.done = LATCH_INIT};
  own.read = (tp_read){.ranges = &range,
                       .range_count = 1,
                       .now_ms = atomic_load(&s->unix_ms),
                       .on_row = on_row,
                       .on_done = on_read};
  s->engine->ops->read(s->engine, NULL, &own.read);
  assert_true(latch_wait(&own.done, 1));
  return own.row_count > 0;
}

static uint64_t messages_left(seam *s) {
  tp_queue_state state;
  tuplet_error error;
  tuplet_status status = s->engine->ops->queue_state(s->engine, 100, &state, &error);
  if (status == TUPLET_NOMEM && atomic_load(&s->faults.fired)) return 1; /* there may be some */
  assert_int_equal(status, TUPLET_OK);
  return state.waiting + state.running;
}

/* ---- A listener that keeps what it gets ---- */

typedef struct keeper {
  pthread_mutex_t mutex;
  tp_delivery *held[HELD_MAX];
  size_t held_count;
  latch came, ended;
  atomic_int last_status;
  tp_queue_listener *listener;
} keeper;

static void on_message(void *context, tp_delivery *delivery) {
  keeper *k = context;
  (void)pthread_mutex_lock(&k->mutex);
  k->held[k->held_count++] = delivery;
  (void)pthread_mutex_unlock(&k->mutex);
  latch_add(&k->came);
}

static tuplet_status keeper_listen(keeper *k, seam *s, uint32_t in_flight_max) {
  *k = (keeper){.mutex = PTHREAD_MUTEX_INITIALIZER, .came = LATCH_INIT, .ended = LATCH_INIT};
  const tp_queue_listening config = {in_flight_max, on_message, k};
  tuplet_error error;
  return tp_queue_listen(s->queue, &config, &k->listener, &error);
}

static tp_delivery *keeper_take(keeper *k) {
  (void)pthread_mutex_lock(&k->mutex);
  tp_delivery *delivery = k->held_count == 0 ? NULL : k->held[--k->held_count];
  (void)pthread_mutex_unlock(&k->mutex);
  return delivery;
}

static void on_ended(void *context, tuplet_status status, const tuplet_error *error) {
  (void)error;
  keeper *k = context;
  atomic_store(&k->last_status, status);
  latch_add(&k->ended);
}

static tuplet_status keeper_end(keeper *k, tp_delivery *delivery, tp_finish_outcome outcome) {
  size_t ended = latch_count(&k->ended);
  tp_delivery_finish(delivery, outcome, on_ended, k);
  assert_true(latch_wait(&k->ended, ended + 1));
  return (tuplet_status)atomic_load(&k->last_status);
}

/* ---- The clock ---- */

/* However the clocks move, a message that is held here is not given out here again, and its lease lasts. */
static void a_message_stays_with_who_has_it_whatever_the_clock_does(void **state) {
  (void)state;
  static const int64_t moves_ms[][2] = {
      {HOUR_MS, 0},       /* set forward, or the machine has slept */
      {-HOUR_MS, 0},      /* set back */
      {HOUR_MS, HOUR_MS}, /* the process was stopped */
      {6000, 6000},       {2500, 2500},
  };
  for (size_t i = 0; i < sizeof moves_ms / sizeof *moves_ms; i++) {
    seam s;
    keeper k;
    seam_open(&s);
    assert_int_equal(keeper_listen(&k, &s, 10), TUPLET_OK);
    assert_int_equal(enqueue(&s, "message"), TUPLET_OK);
    assert_true(latch_wait(&k.came, 1));
    advance(&s, moves_ms[i][0], moves_ms[i][1]);
    for (int n = 0; n < 50; n++) {
      rest();
      advance(&s, 100, 100);
    }
    assert_int_equal(latch_count(&k.came), 1);
    assert_int_equal(keeper_end(&k, keeper_take(&k), TP_FINISH_DONE), TUPLET_OK);
    assert_int_equal(messages_left(&s), 0);
    tp_queue_listener_close(k.listener);
    seam_close(&s);
  }
}

/* ---- Many of them ---- */

static void a_thousand_listeners_share_fairly(void **state) {
  (void)state;
  enum { LISTENERS = 1000, MESSAGES = 3000 };
  seam s;
  seam_open(&s);
  keeper *keepers = calloc(LISTENERS, sizeof *keepers);
  assert_non_null(keepers);
  for (int i = 0; i < LISTENERS; i++) assert_int_equal(keeper_listen(&keepers[i], &s, 3), TUPLET_OK);
  for (int i = 0; i < MESSAGES; i++) assert_int_equal(enqueue(&s, "message"), TUPLET_OK);
  for (int i = 0; i < LISTENERS; i++) assert_true(latch_wait(&keepers[i].came, 3));
  /* All their leases are renewed, in as many turns as it takes. */
  for (int n = 0; n < 100; n++) {
    advance(&s, 100, 100);
    rest();
  }
  for (int i = 0; i < LISTENERS; i++) {
    assert_int_equal(latch_count(&keepers[i].came), 3);
    for (tp_delivery *delivery; (delivery = keeper_take(&keepers[i])) != NULL;)
      tp_delivery_finish(delivery, TP_FINISH_DONE, on_ended, &keepers[i]);
  }
  for (int i = 0; i < LISTENERS; i++) {
    assert_true(latch_wait(&keepers[i].ended, 3));
    assert_int_equal(atomic_load(&keepers[i].last_status), TUPLET_OK);
    tp_queue_listener_close(keepers[i].listener);
  }
  assert_int_equal(messages_left(&s), 0);
  free(keepers);
  seam_close(&s);
}

/* ---- Closing ---- */

typedef struct closer {
  keeper other;
  latch came;
} closer;

static void close_the_other(void *context, tp_delivery *delivery) {
  closer *c = context;
  tp_queue_listener_close(c->other.listener);
  c->other.listener = NULL; /* the next message may come here, too */
  tp_delivery_finish(delivery, TP_FINISH_DONE, NULL, NULL);
  latch_add(&c->came);
}

static void a_listener_may_be_closed_while_another_is_called(void **state) {
  (void)state;
  seam s;
  closer c = {.came = LATCH_INIT};
  tp_queue_listener *listener = NULL;
  tuplet_error error;
  seam_open(&s);
  const tp_queue_listening config = {1, close_the_other, &c};
  assert_int_equal(keeper_listen(&c.other, &s, 1), TUPLET_OK);
  assert_int_equal(tp_queue_listen(s.queue, &config, &listener, &error), TUPLET_OK);
  assert_int_equal(enqueue(&s, "one"), TUPLET_OK);
  assert_int_equal(enqueue(&s, "two"), TUPLET_OK);
  assert_true(latch_wait(&c.came, 1));
  if (latch_count(&c.other.came) > 0)
    assert_int_equal(keeper_end(&c.other, keeper_take(&c.other), TP_FINISH_RETURNED), TUPLET_OK);
  tp_queue_listener_close(listener);
  seam_close(&s);
}

static void what_is_held_when_its_listener_closes_keeps_its_lease_until_it_is_ended(void **state) {
  (void)state;
  seam s;
  keeper k;
  seam_open(&s);
  assert_int_equal(keeper_listen(&k, &s, 1), TUPLET_OK);
  assert_int_equal(enqueue(&s, "message"), TUPLET_OK);
  assert_true(latch_wait(&k.came, 1));
  tp_queue_listener_close(k.listener);
  for (int n = 0; n < 100; n++) {
    advance(&s, 100, 100);
    rest();
  }
  assert_int_equal(keeper_end(&k, keeper_take(&k), TP_FINISH_DONE), TUPLET_OK);
  assert_int_equal(messages_left(&s), 0);
  seam_close(&s);
}

/* ---- Memory ---- */

/* Ends "good" messages as handled and others as failed until none is left, by the test's clock. There is
 * memory again some steps after there was none. */
static bool drain(seam *s, keeper *k) {
  enum { STEPS_WITHOUT_MEMORY = 5 };
  bool good_is_done = false;
  int steps_without = 0;
  for (int step = 0; step < STEPS_MAX; step++) {
    if (atomic_load(&s->faults.fired) && steps_without++ == STEPS_WITHOUT_MEMORY)
      shared_fault_allocator_heal(&s->faults);
    for (tp_delivery *delivery; (delivery = keeper_take(k)) != NULL;) {
      bool is_good = delivery->payload.size == strlen("good");
      tuplet_status status = keeper_end(k, delivery, is_good ? TP_FINISH_DONE : TP_FINISH_FAILED);
      if (is_good && status == TUPLET_OK) good_is_done = true;
    }
    if (messages_left(s) == 0) return good_is_done;
    advance(s, STEP_MS, STEP_MS);
    rest();
  }
  print_error("messages are left\n");
  fail();
  return false;
}

static bool run_short_of_memory(size_t fail_at, bool persistent) {
  seam s;
  keeper k;
  seam_open(&s);
  s.faults.persistent = persistent;
  atomic_store(&s.faults.count, 0);
  atomic_store(&s.faults.fail_at, fail_at);
  static const char *const payloads[] = {"good", "bad"};
  for (size_t i = 0; i < 2; i++) {
    while (enqueue(&s, payloads[i]) != TUPLET_OK) shared_fault_allocator_heal(&s.faults);
  }
  while (keeper_listen(&k, &s, 4) != TUPLET_OK) shared_fault_allocator_heal(&s.faults);
  bool good_is_done = drain(&s, &k);
  shared_fault_allocator_heal(&s.faults);
  /* Each message had its end: handled, or under its key when all its attempts were lost for want of memory.
   */
  assert_true(good_is_done || is_undelivered(&s, "good"));
  assert_true(is_undelivered(&s, "bad"));
  bool fired = atomic_load(&s.faults.fired);
  tp_queue_listener_close(k.listener);
  seam_close(&s);
  return fired;
}

static void no_message_is_lost_for_want_of_memory(void **state) {
  (void)state;
  for (int persistent = 0; persistent < 2; persistent++) {
    size_t fail_at = 1;
    while (run_short_of_memory(fail_at, persistent)) fail_at++;
    assert_true(fail_at > 8);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_stays_with_who_has_it_whatever_the_clock_does),
      cmocka_unit_test(a_thousand_listeners_share_fairly),
      cmocka_unit_test(a_listener_may_be_closed_while_another_is_called),
      cmocka_unit_test(what_is_held_when_its_listener_closes_keeps_its_lease_until_it_is_ended),
      cmocka_unit_test(no_message_is_lost_for_want_of_memory),
  };
  return cmocka_run_group_tests_name("store_queue", tests, NULL, NULL);
}

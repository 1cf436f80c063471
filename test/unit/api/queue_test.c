/* queue_test.c: messages are delivered at least once, in their order, to one listener at a time, and end as
 * their schedule says. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { LONG_MS = 60000 }; /* far longer than anything here takes: only a hang reaches it */

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* A number as a message. */
static void enqueue(database *d, tuplet_db *db, int number, const tuplet_enqueue_options *options) {
  char text[16];
  tuplet_value value;
  tuplet_owned owned;
  int size = snprintf(text, sizeof text, "%d", number);
  EXPECT(d, TUPLET_OK, tuplet_value_from_text(text, (size_t)size, NULL, &value, &owned, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_enqueue(db, value, options, NULL, &d->error));
  tuplet_owned_free(&owned);
}

static int number_of(tuplet_value value) {
  tuplet_owned text;
  tuplet_error error;
  assert_int_equal(tuplet_value_to_text(value, NULL, &text, &error), TUPLET_OK);
  int number = (int)strtol(text.data, NULL, 10);
  tuplet_owned_free(&text);
  return number;
}

static tuplet_listener *listen_to(database *d, tuplet_db *db, uint32_t in_flight_max) {
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.in_flight_max = in_flight_max;
  tuplet_listener *listener = NULL;
  EXPECT(d, TUPLET_OK, tuplet_listen(db, &options, NULL, NULL, &listener, &d->error));
  return listener;
}

static tuplet_message *next_message(database *d, tuplet_listener *listener) {
  tuplet_message *message = NULL;
  EXPECT(d, TUPLET_OK, tuplet_listener_next(listener, LONG_MS, &message, &d->error));
  return message;
}

static void expect_none(database *d, tuplet_listener *listener, int64_t wait_ms) {
  tuplet_message *message = NULL;
  EXPECT(d, TUPLET_TIMEOUT, tuplet_listener_next(listener, wait_ms, &message, &d->error));
}

static void messages_come_in_the_order_they_are_due(void **state) {
  database *d = *state;
  tuplet_enqueue_options soon = TUPLET_ENQUEUE_OPTIONS_INIT;
  soon.delay_ms = 60;
  enqueue(d, d->db, 9, &soon);
  for (int i = 0; i < 5; i++) {
    enqueue(d, d->db, i, NULL);
    int64_t enqueued_ms = now_ms();
    while (now_ms() == enqueued_ms) continue; /* the order of a single millisecond is nobody's */
  }
  tuplet_listener *listener = listen_to(d, d->db, 0);
  for (int i = 0; i < 6; i++) {
    tuplet_message *message = next_message(d, listener);
    assert_int_equal(number_of(message->payload), i < 5 ? i : 9);
    assert_int_equal(message->attempt, 1);
    EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
  }
  expect_none(d, listener, 5);
  tuplet_listener_close(listener);
}

static void a_waiting_listener_hears_at_once_and_a_delay_is_kept(void **state) {
  database *d = *state;
  tuplet_listener *listener = listen_to(d, d->db, 0);
  expect_none(d, listener, 5);
  enqueue(d, d->db, 1, NULL);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(next_message(d, listener), &d->error));

  tuplet_enqueue_options later = TUPLET_ENQUEUE_OPTIONS_INIT;
  later.delay_ms = 150;
  int64_t enqueued_ms = now_ms();
  enqueue(d, d->db, 2, &later);
  tuplet_message *message = next_message(d, listener);
  assert_true(now_ms() - enqueued_ms >= 150);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
  tuplet_listener_close(listener);
}

static void what_fails_comes_again_and_ends_under_its_keys(void **state) {
  database *d = *state;
  static const uint32_t backoff_ms[] = {20, 40};
  const tuplet_key keys[] = {TUPLET_KEY("failed", 1), TUPLET_KEY("failed", 2)};
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.backoff_ms = backoff_ms;
  options.backoff_count = COUNT_OF(backoff_ms);
  options.keys_if_undelivered = keys;
  options.keys_if_undelivered_count = COUNT_OF(keys);
  tuplet_listener *listener = listen_to(d, d->db, 0);
  tuplet_watch *watch = NULL;
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, keys, 2, &watch, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  enqueue(d, d->db, 7, &options);

  char id[64] = "";
  int64_t failed_ms = 0;
  for (uint32_t attempt = 1; attempt <= 3; attempt++) {
    tuplet_message *message = next_message(d, listener);
    if (attempt > 1) assert_true(now_ms() - failed_ms >= backoff_ms[attempt - 2]);
    assert_int_equal(message->attempt, attempt);
    if (attempt == 1) (void)snprintf(id, sizeof id, "%s", message->id);
    assert_string_equal(message->id, id);
    failed_ms = now_ms();
    EXPECT(d, TUPLET_OK, tuplet_message_nack(message, &d->error));
  }
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  for (size_t i = 0; i < 2; i++) {
    assert_true(entries->items[i].exists);
    assert_int_equal(number_of(entries->items[i].value), 7);
  }
  /* In one commit. */
  assert_int_equal(compare_versionstamps(&entries->items[0].versionstamp, &entries->items[1].versionstamp),
                   0);
  expect_none(d, listener, 5);
  tuplet_watch_close(watch);
  tuplet_listener_close(listener);
}

static void closing_gives_back_what_is_unfinished_at_once(void **state) {
  database *d = *state;
  for (int i = 0; i < 10; i++) enqueue(d, d->db, i, NULL);
  tuplet_listener *first = listen_to(d, d->db, 10);
  tuplet_message *held = next_message(d, first);
  int held_number = number_of(held->payload);
  tuplet_listener_close(first);
  tuplet_listener *second = listen_to(d, d->db, 10);
  bool seen[10] = {false};
  for (int i = 0; i < 10; i++) {
    tuplet_message *message = next_message(d, second);
    assert_int_equal(message->attempt, 1); /* it was not handled */
    seen[number_of(message->payload)] = true;
    EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
  }
  for (int i = 0; i < 10; i++) assert_true(seen[i]);
  assert_int_equal(number_of(held->payload), held_number); /* stays readable for who has it */
  EXPECT(d, TUPLET_NOT_FOUND, tuplet_message_ack(held, &d->error));
  tuplet_listener_close(second);
}

static void no_more_are_in_flight_than_asked_for_and_listeners_share(void **state) {
  database *d = *state;
  for (int i = 0; i < 6; i++) enqueue(d, d->db, i, NULL);
  tuplet_listener *listeners[] = {listen_to(d, d->db, 2), listen_to(d, d->db, 2)};
  tuplet_message *messages[2][2];
  for (size_t i = 0; i < 2; i++) {
    for (size_t k = 0; k < 2; k++) messages[i][k] = next_message(d, listeners[i]);
    expect_none(d, listeners[i], 5);
  }
  EXPECT(d, TUPLET_OK, tuplet_message_ack(messages[0][0], &d->error));
  messages[0][0] = next_message(d, listeners[0]);
  for (size_t i = 0; i < 4; i++) EXPECT(d, TUPLET_OK, tuplet_message_ack(messages[i / 2][i % 2], &d->error));
  tuplet_message *last = NULL;
  tuplet_status status = tuplet_listener_next(listeners[0], 200, &last, &d->error);
  if (status == TUPLET_TIMEOUT) last = next_message(d, listeners[1]);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(last, &d->error));
  for (size_t i = 0; i < 2; i++) tuplet_listener_close(listeners[i]);
}

typedef struct handled {
  latch count;
  int numbers[64];
} handled;

static void handle(void *context, tuplet_message *message) {
  handled *h = context;
  (void)pthread_mutex_lock(&h->count.mutex);
  h->numbers[number_of(message->payload)]++;
  (void)pthread_mutex_unlock(&h->count.mutex);
  (void)tuplet_message_ack(message, NULL);
  latch_add(&h->count);
}

static void a_callback_on_several_threads_gets_each_once(void **state) {
  database *d = *state;
  handled h = {.count = LATCH_INIT};
  tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
  options.thread_count = 4;
  tuplet_listener *listener = NULL;
  EXPECT(d, TUPLET_OK, tuplet_listen(d->db, &options, handle, &h, &listener, &d->error));
  for (int i = 0; i < 64; i++) enqueue(d, d->db, i, NULL);
  assert_true(latch_wait(&h.count, 64));
  tuplet_listener_close(listener);
  for (int i = 0; i < 64; i++) assert_int_equal(h.numbers[i], 1);
}

static void another_handle_on_the_file_is_heard_and_never_shares_a_message(void **state) {
  database *d = *state;
  tuplet_db *other = open_another(d);
  tuplet_listener *listeners[] = {listen_to(d, d->db, 4), listen_to(d, other, 4)};
  bool seen[40] = {false};
  for (int i = 0; i < 40; i++) enqueue(d, i % 2 == 0 ? d->db : other, i, NULL);
  for (int left = 40; left > 0;) {
    for (size_t k = 0; k < 2; k++) {
      tuplet_message *message = NULL;
      if (tuplet_listener_next(listeners[k], 20, &message, &d->error) != TUPLET_OK) continue;
      int number = number_of(message->payload);
      assert_false(seen[number]);
      seen[number] = true;
      left--;
      EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
    }
  }
  for (size_t i = 0; i < 2; i++) tuplet_listener_close(listeners[i]);
  tuplet_close(other);
}

static void an_atomic_operation_enqueues_whole_or_not_at_all(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "there");
  tuplet_listener *listener = listen_to(d, d->db, 0);
  for (int holds = 0; holds < 2; holds++) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    EXPECT(d, TUPLET_OK,
           tuplet_atomic_check(atomic, holds ? TUPLET_KEY("no") : TUPLET_KEY("k"), NULL, &d->error));
    EXPECT(d, TUPLET_OK,
           tuplet_atomic_set(atomic, TUPLET_KEY("s"), text_value("x"), TUPLET_NEVER, &d->error));
    EXPECT(d, TUPLET_OK, tuplet_atomic_enqueue(atomic, text_value("bytes"), NULL, &d->error));
    EXPECT(d, holds ? TUPLET_OK : TUPLET_CONFLICT, tuplet_atomic_commit(atomic, NULL, &d->error));
    tuplet_atomic_free(atomic);
  }
  tuplet_message *message = next_message(d, listener);
  tuplet_owned text;
  EXPECT(d, TUPLET_OK, tuplet_value_to_text(message->payload, NULL, &text, &d->error));
  assert_non_null(strstr(text.data, "Uint8Array"));
  tuplet_owned_free(&text);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
  expect_none(d, listener, 5);
  tuplet_listener_close(listener);
}

static void mistakes_are_told(void **state) {
  database *d = *state;
  static const uint32_t six[6] = {1, 1, 1, 1, 1, 1};
  static const uint32_t hours[] = {0, 3600001};
  tuplet_enqueue_options options = TUPLET_ENQUEUE_OPTIONS_INIT;
  options.delay_ms = -1;
  EXPECT_ERROR(d, TUPLET_INVALID, "Delay must be >= 0: received -1",
               tuplet_enqueue(d->db, text_value("x"), &options, NULL, &d->error));
  options.delay_ms = TUPLET_ENQUEUE_DELAY_MS_MAX + 1;
  EXPECT_ERROR(d, TUPLET_LIMIT, "Delay cannot be greater than 30 days: received 2592000001",
               tuplet_enqueue(d->db, text_value("x"), &options, NULL, &d->error));
  options.delay_ms = 0;
  options.backoff_ms = six;
  options.backoff_count = 6;
  EXPECT_ERROR(d, TUPLET_LIMIT, "Invalid backoffSchedule, max 5 intervals allowed",
               tuplet_enqueue(d->db, text_value("x"), &options, NULL, &d->error));
  options.backoff_ms = hours;
  options.backoff_count = 2;
  EXPECT_ERROR(d, TUPLET_LIMIT, "Invalid backoffSchedule, interval at index 1 is invalid",
               tuplet_enqueue(d->db, text_value("x"), &options, NULL, &d->error));
  EXPECT(d, TUPLET_TYPE, tuplet_enqueue(d->db, tuplet_value_u64(1), NULL, NULL, &d->error));
  static uint8_t large[65537];
  EXPECT_ERROR(d, TUPLET_LIMIT, "enqueue payload too large (max 65536 bytes)",
               tuplet_enqueue(d->db, tuplet_value_bytes(large, sizeof large), NULL, NULL, &d->error));
  tuplet_listen_options listen = TUPLET_LISTEN_OPTIONS_INIT;
  tuplet_listener *listener = NULL;
  listen.in_flight_max = 1001;
  EXPECT(d, TUPLET_INVALID, tuplet_listen(d->db, &listen, NULL, NULL, &listener, &d->error));
  listen.in_flight_max = 0;
  listen.thread_count = 65;
  EXPECT(d, TUPLET_INVALID, tuplet_listen(d->db, &listen, NULL, NULL, &listener, &d->error));
}

static void *wait_for_message(void *context) {
  tuplet_message *message = NULL;
  return (void *)(intptr_t)tuplet_listener_next(context, LONG_MS, &message, NULL);
}

static void closing_the_database_ends_who_waits_and_what_is_held(void **state) {
  database *d = *state;
  enqueue(d, d->db, 1, NULL);
  tuplet_listener *listener = listen_to(d, d->db, 1);
  tuplet_message *held = next_message(d, listener);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, wait_for_message, listener), 0);
  tuplet_close(d->db);
  void *result;
  assert_int_equal(pthread_join(thread, &result), 0);
  assert_int_equal((tuplet_status)(intptr_t)result, TUPLET_CLOSED);
  EXPECT(d, TUPLET_NOT_FOUND, tuplet_message_ack(held, &d->error));
  tuplet_listener_close(listener);
  d->db = NULL;
  if (in_memory(d)) return;
  d->db = open_another(d);
  listener = listen_to(d, d->db, 1);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(next_message(d, listener), &d->error));
  tuplet_listener_close(listener);
}

/* ---- With much of everything ---- */

/* A callback that ends each message in its turn, now or later, or leaves it to who closes. */
typedef struct restless {
  latch begun;
  atomic_int number;
  atomic_int held_count;
  tuplet_message *held[64];
} restless;

static void handle_restlessly(void *context, tuplet_message *message) {
  restless *r = context;
  int number = atomic_fetch_add(&r->number, 1);
  if (number % 4 == 0) {
    (void)tuplet_message_ack(message, NULL);
  } else if (number % 4 == 1) {
    (void)tuplet_message_ack_async(message, NULL, NULL, NULL);
  } else if (number % 4 == 2) {
    (void)tuplet_message_nack_async(message, NULL, NULL, NULL);
  } else {
    int slot = atomic_fetch_add(&r->held_count, 1);
    if (slot < (int)COUNT_OF(r->held))
      r->held[slot] = message;
    else
      (void)tuplet_message_ack_async(message, NULL, NULL, NULL);
  }
  latch_add(&r->begun);
}

static void closing_in_the_midst_of_it_waits_for_callbacks_and_loses_nothing(void **state) {
  database *d = *state;
  enum { ROUNDS = 12, MESSAGES = 60 };
  tuplet_enqueue_options never_dead = TUPLET_ENQUEUE_OPTIONS_INIT;
  static const uint32_t backoff_ms[] = {0, 0, 0, 0, 0};
  never_dead.backoff_ms = backoff_ms;
  never_dead.backoff_count = COUNT_OF(backoff_ms);
  for (int round = 0; round < ROUNDS; round++) {
    restless r = {.begun = LATCH_INIT};
    tuplet_listen_options options = TUPLET_LISTEN_OPTIONS_INIT;
    options.thread_count = 4;
    options.in_flight_max = 16;
    tuplet_listener *listener = NULL;
    EXPECT(d, TUPLET_OK, tuplet_listen(d->db, &options, handle_restlessly, &r, &listener, &d->error));
    for (int i = 0; i < MESSAGES; i++) enqueue(d, d->db, i, &never_dead);
    assert_true(latch_wait(&r.begun, (size_t)(1 + round)));
    bool by_database = round == ROUNDS - 1 && !in_memory(d);
    if (by_database)
      tuplet_close(d->db);
    else
      tuplet_listener_close(listener);
    size_t begun = latch_count(&r.begun);
    for (int i = 0; i < atomic_load(&r.held_count) && i < (int)COUNT_OF(r.held); i++)
      EXPECT(d, TUPLET_NOT_FOUND, tuplet_message_ack(r.held[i], &d->error));
    assert_int_equal(latch_count(&r.begun), begun); /* none was called after it had returned */
    if (!by_database) continue;
    tuplet_listener_close(listener);
    d->db = open_another(d);
  }
  /* What was left is there at once. */
  tuplet_listener *listener = listen_to(d, d->db, 0);
  tuplet_message *message = NULL;
  while (tuplet_listener_next(listener, 100, &message, &d->error) == TUPLET_OK)
    EXPECT(d, TUPLET_OK, tuplet_message_ack(message, &d->error));
  tuplet_listener_close(listener);
}

static void fill(database *d, int count) {
  enum { PER_COMMIT = 1000 };
  tuplet_value value;
  tuplet_owned owned;
  EXPECT(d, TUPLET_OK, tuplet_value_from_text("7", 1, NULL, &value, &owned, &d->error));
  for (int i = 0; i < count; i += PER_COMMIT) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    for (int k = 0; k < PER_COMMIT; k++)
      EXPECT(d, TUPLET_OK, tuplet_atomic_enqueue(atomic, value, NULL, &d->error));
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
    tuplet_atomic_free(atomic);
  }
  tuplet_owned_free(&owned);
}

static void count_ended(void *context, tuplet_status status, const tuplet_error *error) {
  (void)error;
  if (status == TUPLET_OK) latch_add(context);
}

static void end_at_once(void *context, tuplet_message *message) {
  (void)tuplet_message_ack_async(message, count_ended, context, NULL);
}

/* What a message of a long queue takes exactly is for bench/queue to measure. */
static void a_long_queue_is_handled_as_a_short_one(void **state) {
  database *d = *state;
  enum { MESSAGES = 50000 };
  fill(d, MESSAGES);
  latch ended = LATCH_INIT;
  tuplet_listener *listener = NULL;
  int64_t begun_ms = now_ms();
  EXPECT(d, TUPLET_OK, tuplet_listen(d->db, NULL, end_at_once, &ended, &listener, &d->error));
  assert_true(latch_wait(&ended, 1000));
  int64_t first_ms = now_ms() - begun_ms;
  tuplet_listener_close(listener);
  EXPECT(d, TUPLET_OK, tuplet_listen(d->db, NULL, end_at_once, &ended, &listener, &d->error));
  assert_true(latch_wait(&ended, MESSAGES));
  tuplet_listener_close(listener);
  assert_true(first_ms < 20000); /* not as if it went through all of them for each */
  listener = listen_to(d, d->db, 0);
  expect_none(d, listener, 50);
  tuplet_listener_close(listener);
}

static int64_t processor_time_ms(void) {
  struct timespec used;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * INT64_C(1000) + used.tv_nsec / 1000000;
}

static void who_waits_for_messages_costs_no_processor_time(void **state) {
  database *d = *state;
  enum { WAIT_MS = 2500 };
  tuplet_enqueue_options later = TUPLET_ENQUEUE_OPTIONS_INIT;
  later.delay_ms = LONG_MS;
  tuplet_listener *listener = listen_to(d, d->db, 0);
  enqueue(d, d->db, 1, NULL);
  EXPECT(d, TUPLET_OK, tuplet_message_ack(next_message(d, listener), &d->error));
  enqueue(d, d->db, 2, &later);
  expect_none(d, listener, 500);
  int64_t begun_ms = processor_time_ms();
  expect_none(d, listener, WAIT_MS);
  int64_t used_ms = processor_time_ms() - begun_ms;
  tuplet_listener_close(listener);
  if (used_ms > WAIT_MS / 50) print_error("%d ms of the processor\n", (int)used_ms);
  assert_true(used_ms <= WAIT_MS / 50); /* polling every millisecond takes more, with sanitizers or without */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(messages_come_in_the_order_they_are_due),
      ON_BOTH(a_waiting_listener_hears_at_once_and_a_delay_is_kept),
      ON_BOTH(what_fails_comes_again_and_ends_under_its_keys),
      ON_BOTH(closing_gives_back_what_is_unfinished_at_once),
      ON_BOTH(no_more_are_in_flight_than_asked_for_and_listeners_share),
      ON_BOTH(a_callback_on_several_threads_gets_each_once),
      ON_FILE(another_handle_on_the_file_is_heard_and_never_shares_a_message),
      ON_BOTH(an_atomic_operation_enqueues_whole_or_not_at_all),
      ON_MEMORY(mistakes_are_told),
      ON_BOTH(closing_the_database_ends_who_waits_and_what_is_held),
      ON_BOTH(closing_in_the_midst_of_it_waits_for_callbacks_and_loses_nothing),
      ON_FILE(a_long_queue_is_handled_as_a_short_one),
      ON_BOTH(who_waits_for_messages_costs_no_processor_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

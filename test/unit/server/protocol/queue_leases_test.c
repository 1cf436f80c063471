/* queue_leases_test.c: a message with a listener is found by its id, by those who may have it, once. */
#include "server/protocol/queue_leases.h"

#include "../../support/fault_allocator.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 20000, ID_SIZE = 16 };

/* A lease as a stream has it. */
typedef struct held {
  tp_queue_lease lease;
  tp_delivery delivery;
  char id[ID_SIZE];
} held;

static int setup(void **state) {
  return tp_queue_leases_new(NULL, (tp_queue_leases **)state, NULL) == TUPLET_OK ? 0 : -1;
}

static int teardown(void **state) {
  tp_queue_leases_free(*state);
  return 0;
}

static tuplet_bytes view(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static void hold(tp_queue_leases *leases, held *message, int number, const tp_session *session,
                 tp_queue_lease_list *list) {
  *message = (held){0};
  (void)snprintf(message->id, sizeof message->id, "m%d", number);
  message->delivery = (tp_delivery){.id = view(message->id)};
  message->lease = (tp_queue_lease){.delivery = &message->delivery};
  tp_queue_leases_add(leases, &message->lease, session, list);
}

static tp_session session_of(uint64_t token_id, const char *database) {
  tp_session session = {.token_id = token_id};
  (void)snprintf((char *)session.database_id, sizeof session.database_id, "%s", database);
  return session;
}

static void a_message_is_taken_once_by_its_token_in_its_database(void **state) {
  tp_queue_leases *leases = *state;
  tp_queue_lease_list list = {0};
  held message;
  const tp_session own = session_of(1, "a");
  const tp_session other_token = session_of(2, "a");
  const tp_session other_database = session_of(1, "b");
  hold(leases, &message, 7, &own, &list);
  assert_null(tp_queue_leases_take(leases, view("m"), 0, &own));
  assert_null(tp_queue_leases_take(leases, view("m77"), 0, &own));
  assert_null(tp_queue_leases_take(leases, view(""), 0, &own));
  assert_null(tp_queue_leases_take(leases, view("m7"), 0, &other_token));
  assert_null(tp_queue_leases_take(leases, view("m7"), 0, &other_database));
  tp_session later = own;
  later.expires_at_ms = 99;
  assert_ptr_equal(tp_queue_leases_take(leases, view("m7"), 0, &later), &message.lease);
  assert_null(tp_queue_leases_take(leases, view("m7"), 0, &own));
  assert_null(tp_queue_leases_take_any(leases, &list));
}

static void an_attempt_that_is_over_takes_no_other(void **state) {
  tp_queue_leases *leases = *state;
  tp_queue_lease_list list = {0};
  held message;
  const tp_session session = session_of(1, "a");
  hold(leases, &message, 7, &session, &list);
  message.delivery.attempt = 2;
  assert_null(tp_queue_leases_take(leases, view("m7"), 1, &session));
  assert_null(tp_queue_leases_take(leases, view("m7"), 3, &session));
  assert_ptr_equal(tp_queue_leases_take(leases, view("m7"), 2, &session), &message.lease);
  hold(leases, &message, 7, &session, &list);
  message.delivery.attempt = 2;
  assert_ptr_equal(tp_queue_leases_take(leases, view("m7"), 0, &session), &message.lease);
}

/* When a lease ran out unnoticed, the message may be with somebody else under the same id. */
static void of_two_with_one_id_the_newer_is_taken_first(void **state) {
  tp_queue_leases *leases = *state;
  tp_queue_lease_list lists[2] = {0};
  held messages[2];
  const tp_session session = session_of(1, "a");
  hold(leases, &messages[0], 1, &session, &lists[0]);
  hold(leases, &messages[1], 1, &session, &lists[1]);
  assert_ptr_equal(tp_queue_leases_take(leases, view("m1"), 0, &session), &messages[1].lease);
  assert_ptr_equal(tp_queue_leases_take_any(leases, &lists[0]), &messages[0].lease);
  assert_null(tp_queue_leases_take_any(leases, &lists[1]));
}

static void many_are_told_apart(void **state) {
  tp_queue_leases *leases = *state;
  tp_queue_lease_list lists[2] = {0};
  const tp_session session = session_of(1, "a");
  held *messages = calloc(MANY, sizeof *messages);
  assert_non_null(messages);
  for (int i = 0; i < MANY; i++) hold(leases, &messages[i], i, &session, &lists[i % 2]);
  for (int i = 0; i < MANY; i += 3)
    assert_ptr_equal(tp_queue_leases_take(leases, view(messages[i].id), 0, &session), &messages[i].lease);
  int left[2] = {0};
  for (int l = 0; l < 2; l++) {
    for (tp_queue_lease *lease; (lease = tp_queue_leases_take_any(leases, &lists[l])) != NULL; left[l]++)
      assert_ptr_equal(lease->list, &lists[l]);
  }
  assert_int_equal(left[0] + left[1], MANY - (MANY + 2) / 3);
  free(messages);
}

/* ---- Threads ---- */

typedef struct player {
  tp_queue_leases *leases;
  tp_session session;
  held *messages;
  const held *others; /* another player's, which this one takes */
  size_t taken, returned;
} player;

enum { PLAYER_COUNT = 4, PLAYED = 2000 };

/* A stream that adds its own, finishes another's, and ends. */
static void *play(void *context) {
  player *p = context;
  tp_queue_lease_list list = {0};
  for (int i = 0; i < PLAYED; i++) {
    tp_queue_leases_add(p->leases, &p->messages[i].lease, &p->session, &list);
    if (tp_queue_leases_take(p->leases, view(p->others[i].id), 0, &p->session) != NULL) p->taken++;
  }
  while (tp_queue_leases_take_any(p->leases, &list) != NULL) p->returned++;
  return NULL;
}

static void whatever_threads_do_each_message_is_taken_once(void **state) {
  player players[PLAYER_COUNT];
  pthread_t threads[PLAYER_COUNT];
  held *messages = calloc((size_t)PLAYER_COUNT * PLAYED, sizeof *messages);
  assert_non_null(messages);
  for (int i = 0; i < PLAYER_COUNT * PLAYED; i++) {
    (void)snprintf(messages[i].id, sizeof messages[i].id, "m%d", i);
    messages[i].delivery.id = view(messages[i].id);
    messages[i].lease.delivery = &messages[i].delivery;
  }
  for (int i = 0; i < PLAYER_COUNT; i++)
    players[i] = (player){.leases = *state,
                          .session = session_of(1, "a"),
                          .messages = messages + (ptrdiff_t)i * PLAYED,
                          .others = messages + (ptrdiff_t)((i + 1) % PLAYER_COUNT) * PLAYED};
  for (int i = 0; i < PLAYER_COUNT; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
  size_t sum = 0;
  for (int i = 0; i < PLAYER_COUNT; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    sum += players[i].taken + players[i].returned;
  }
  assert_int_equal(sum, PLAYER_COUNT * PLAYED);
  free(messages);
}

static void without_memory_there_is_no_table(void **state) {
  (void)state;
  tuplet_error error;
  tp_queue_leases *leases;
  fault_allocator faults;
  fault_allocator_init(&faults, 1);
  assert_int_equal(tp_queue_leases_new(&faults.allocator, &leases, &error), TUPLET_NOMEM);
  assert_int_equal(faults.live, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_message_is_taken_once_by_its_token_in_its_database),
      TEST(an_attempt_that_is_over_takes_no_other),
      TEST(of_two_with_one_id_the_newer_is_taken_first),
      TEST(many_are_told_apart),
      TEST(whatever_threads_do_each_message_is_taken_once),
      cmocka_unit_test(without_memory_there_is_no_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

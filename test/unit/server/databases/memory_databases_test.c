/* memory_databases_test.c: databases in memory come when they are used, and go when they are not. */
#include "server/databases/memory_databases.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Few, so that their bounds are met soon. */
enum {
  ENTRY_MAX = 6,
  OPEN_MAX = 3,
  IDLE_TIMEOUT_MS = 60000,
  BUSY_MS = 1000,
  ENTRY_BUSY_MS = 5000,
  MEMORY_SIZE_MAX = 1024 * 1024
};

typedef struct fixture {
  int64_t now_ms;
  tp_memory_databases *databases;
  int evicted_count; /* how often on_evicted was called */
  tuplet_error error;
} fixture;

static int64_t test_unix_ms(void *context) {
  const fixture *f = context;
  return f->now_ms;
}

static int64_t test_monotonic_ns(void *context) {
  const fixture *f = context;
  return f->now_ms * 1000000;
}

static void on_evicted(void *context) {
  fixture *f = context;
  f->evicted_count++;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  f->now_ms = 1000000;
  const tp_databases_config config = {.clock = {test_unix_ms, test_monotonic_ns, f},
                                      .memory = {.entry_max = ENTRY_MAX,
                                                 .open_max = OPEN_MAX,
                                                 .idle_timeout_ms = IDLE_TIMEOUT_MS,
                                                 .busy_ms = BUSY_MS,
                                                 .entry_busy_ms = ENTRY_BUSY_MS,
                                                 .size_max = MEMORY_SIZE_MAX},
                                      .on_evicted = on_evicted,
                                      .on_evicted_context = f};
  *state = f;
  return tp_memory_databases_new(&config, &f->databases, &f->error) == TUPLET_OK ? 0 : -1;
}

static int teardown(void **state) {
  fixture *f = *state;
  tp_memory_databases_close(f->databases);
  tp_memory_databases_free(f->databases);
  free(f);
  return 0;
}

typedef struct database_id {
  uint8_t bytes[TP_AUTH_DATABASE_ID_SIZE];
} database_id;

static database_id exchange(fixture *f, uint64_t connection) {
  database_id result = {{0}};
  assert_int_equal(tp_memory_databases_exchange(f->databases, connection, result.bytes, &f->error),
                   TUPLET_OK);
  return result;
}

/* Uses a database for a moment; what came of it. */
static tuplet_status use(fixture *f, database_id id) {
  tp_database *database;
  tuplet_status status = tp_memory_databases_acquire(f->databases, id.bytes, &database, &f->error);
  if (status == TUPLET_OK) {
    assert_non_null(database->store);
    tp_memory_databases_release(f->databases, database);
  }
  return status;
}

static void assert_count(fixture *f, size_t entries, size_t open) {
  tp_databases_count count = {0};
  tp_memory_databases_count(f->databases, &count);
  assert_int_equal(count.entries, entries);
  assert_int_equal(count.open, open);
}

static void every_exchange_has_a_database_of_its_own_opened_when_used(void **state) {
  fixture *f = *state;
  database_id first = exchange(f, 0);
  database_id second = exchange(f, 0);
  assert_memory_not_equal(&first, &second, sizeof first);
  assert_count(f, 2, 0);

  tp_database *a;
  tp_database *b;
  assert_int_equal(tp_memory_databases_acquire(f->databases, first.bytes, &a, &f->error), TUPLET_OK);
  assert_count(f, 2, 1);
  assert_int_equal(tp_memory_databases_acquire(f->databases, second.bytes, &b, &f->error), TUPLET_OK);
  assert_ptr_not_equal(a->store, b->store);
  tp_memory_databases_release(f->databases, a);
  tp_memory_databases_release(f->databases, b);
  assert_count(f, 2, 2);
}

static void one_store_serves_all_who_use_it(void **state) {
  fixture *f = *state;
  database_id one = exchange(f, 0);
  tp_database *a;
  tp_database *b;
  assert_int_equal(tp_memory_databases_acquire(f->databases, one.bytes, &a, &f->error), TUPLET_OK);
  assert_int_equal(tp_memory_databases_acquire(f->databases, one.bytes, &b, &f->error), TUPLET_OK);
  assert_ptr_equal(a->store, b->store);
  tp_memory_databases_release(f->databases, a);
  tp_memory_databases_release(f->databases, b);
}

static void a_connection_gets_its_database_again(void **state) {
  fixture *f = *state;
  database_id first = exchange(f, 7);
  database_id other = exchange(f, 8);
  database_id again = exchange(f, 7);
  assert_memory_equal(&first, &again, sizeof first);
  assert_memory_not_equal(&first, &other, sizeof first);
}

static void repeated_exchanges_keep_a_database_alive(void **state) {
  fixture *f = *state;
  database_id first = exchange(f, 7);
  assert_int_equal(use(f, first), TUPLET_OK);
  for (int i = 0; i < 10; i++) {
    f->now_ms += IDLE_TIMEOUT_MS - 1;
    (void)exchange(f, 7);
    tp_memory_databases_sweep(f->databases);
  }
  assert_int_equal(use(f, first), TUPLET_OK);
}

static void an_unknown_id_is_not_found(void **state) {
  fixture *f = *state;
  database_id unknown = {"nobody's"};
  assert_int_equal(use(f, unknown), TUPLET_NOT_FOUND);
}

static void what_is_not_used_goes_away(void **state) {
  fixture *f = *state;
  database_id used = exchange(f, 0);
  database_id unused = exchange(f, 0);
  f->now_ms += IDLE_TIMEOUT_MS - 1;
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 2, 0);
  assert_int_equal(use(f, used), TUPLET_OK);

  f->now_ms += 1;
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 1, 1);
  assert_int_equal(use(f, unused), TUPLET_NOT_FOUND);

  f->now_ms += IDLE_TIMEOUT_MS;
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 0, 0);
  assert_int_equal(use(f, used), TUPLET_NOT_FOUND);
}

static void what_is_in_use_stays_however_long(void **state) {
  fixture *f = *state;
  database_id one = exchange(f, 0);
  database_id other = exchange(f, 0);
  tp_database *database;
  assert_int_equal(tp_memory_databases_acquire(f->databases, one.bytes, &database, &f->error), TUPLET_OK);
  f->now_ms += (int64_t)10 * IDLE_TIMEOUT_MS;
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 1, 1);
  assert_int_equal(use(f, other), TUPLET_NOT_FOUND);
  tp_memory_databases_release(f->databases, database);
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 1, 1);
  f->now_ms += IDLE_TIMEOUT_MS;
  tp_memory_databases_sweep(f->databases);
  assert_count(f, 0, 0);
}

static void beyond_the_bound_the_oldest_unused_entry_is_forgotten(void **state) {
  fixture *f = *state;
  database_id opened = exchange(f, 0);
  assert_int_equal(use(f, opened), TUPLET_OK);
  database_id ids[3 * ENTRY_MAX];
  for (size_t i = 0; i < (size_t)3 * ENTRY_MAX; i++) {
    f->now_ms += ENTRY_BUSY_MS;
    ids[i] = exchange(f, 0);
  }
  assert_count(f, ENTRY_MAX, 1);
  assert_int_equal(use(f, opened), TUPLET_OK);
  assert_int_equal(use(f, ids[0]), TUPLET_NOT_FOUND);
  assert_int_equal(use(f, ids[3 * ENTRY_MAX - 1]), TUPLET_OK);
}

static void what_was_made_a_moment_ago_is_not_forgotten_for_another(void **state) {
  fixture *f = *state;
  database_id first = exchange(f, 0);
  database_id other = {{0}};
  for (size_t i = 1; i < ENTRY_MAX; i++) (void)exchange(f, 0);
  f->now_ms += ENTRY_BUSY_MS - 1;
  assert_int_equal(tp_memory_databases_exchange(f->databases, 0, other.bytes, &f->error), TUPLET_BUSY);
  assert_non_null(strstr(f->error.message, "in use"));
  assert_int_equal(use(f, first), TUPLET_OK);
  assert_int_equal(f->evicted_count, 0);
  f->now_ms += 1;
  (void)exchange(f, 0);
  assert_int_equal(f->evicted_count, 1);
  assert_int_equal(use(f, first), TUPLET_OK);
}

static void what_is_evicted_is_told_once_and_ended_later(void **state) {
  fixture *f = *state;
  for (size_t i = 0; i < OPEN_MAX; i++) assert_int_equal(use(f, exchange(f, 0)), TUPLET_OK);
  f->now_ms += BUSY_MS;
  for (size_t i = 0; i < OPEN_MAX; i++) assert_int_equal(use(f, exchange(f, 0)), TUPLET_OK);
  assert_int_equal(f->evicted_count, 1); /* more joined it, but nobody had come for it yet */
  assert_count(f, OPEN_MAX, OPEN_MAX);
  tp_memory_databases_end_evicted(f->databases);
  f->now_ms += BUSY_MS;
  assert_int_equal(use(f, exchange(f, 0)), TUPLET_OK);
  assert_int_equal(f->evicted_count, 2); /* which closing the databases ends */
}

static void beyond_the_bound_of_open_ones_the_one_unused_for_longest_is_closed(void **state) {
  fixture *f = *state;
  database_id ids[OPEN_MAX + 1];
  for (size_t i = 0; i <= OPEN_MAX; i++) ids[i] = exchange(f, 0);
  for (size_t i = 0; i < OPEN_MAX; i++) assert_int_equal(use(f, ids[i]), TUPLET_OK);
  assert_int_equal(use(f, ids[OPEN_MAX]), TUPLET_BUSY); /* all were in use a moment ago */
  assert_non_null(strstr(f->error.message, "try again later"));

  f->now_ms += BUSY_MS;
  assert_int_equal(use(f, ids[0]), TUPLET_OK);
  assert_int_equal(use(f, ids[OPEN_MAX]), TUPLET_OK);
  assert_count(f, OPEN_MAX, OPEN_MAX);
  assert_int_equal(use(f, ids[1]), TUPLET_NOT_FOUND);
  assert_int_equal(use(f, ids[0]), TUPLET_OK);
}

static void what_is_in_use_is_never_closed_to_make_room(void **state) {
  fixture *f = *state;
  tp_database *databases[OPEN_MAX];
  for (size_t i = 0; i < OPEN_MAX; i++)
    assert_int_equal(
        tp_memory_databases_acquire(f->databases, exchange(f, 0).bytes, &databases[i], &f->error), TUPLET_OK);
  f->now_ms += (int64_t)100 * BUSY_MS;
  assert_int_equal(use(f, exchange(f, 0)), TUPLET_BUSY);
  for (size_t i = 0; i < OPEN_MAX; i++) tp_memory_databases_release(f->databases, databases[i]);
}

/* ---- What one may hold ---- */

typedef struct set_operation {
  tp_write write; /* first, so that the one is found from the other */
  atomic_bool done;
} set_operation;

static void on_set(tp_write *write) {
  set_operation *operation = (set_operation *)(void *)write;
  atomic_store(&operation->done, true);
}

/* Sets the key of that number to a large value, or deletes it. */
static tuplet_status change(tp_store *store, tp_mutation_type type, uint8_t number) {
  static const uint8_t value[65000];
  const uint8_t key[] = {0x02, 'a', (uint8_t)('0' + number / 64), (uint8_t)('0' + number % 64), 0x00};
  tp_mutation mutation = {.type = type,
                          .key = {key, sizeof key},
                          .value = {value, sizeof value},
                          .encoding = TUPLET_ENCODING_BYTES,
                          .expires_at_ms = TP_EXPIRES_NEVER};
  tp_arena arena;
  tp_arena_init(&arena, NULL, 4096);
  set_operation operation = {
      .write = {.mutations = &mutation, .mutation_count = 1, .arena = &arena, .on_done = on_set}};
  atomic_init(&operation.done, false);
  tp_store_write(store, &operation.write);
  while (!atomic_load(&operation.done)) (void)sched_yield();
  tp_arena_done(&arena);
  return operation.write.status;
}

static void one_that_has_grown_too_large_is_full_and_can_still_be_used(void **state) {
  fixture *f = *state;
  tp_database *database;
  tp_database *other;
  assert_int_equal(tp_memory_databases_acquire(f->databases, exchange(f, 0).bytes, &database, &f->error),
                   TUPLET_OK);
  assert_int_equal(tp_memory_databases_acquire(f->databases, exchange(f, 0).bytes, &other, &f->error),
                   TUPLET_OK);
  uint8_t count = 0;
  while (count < 64 && change(database->store, TP_MUTATION_SET, count) == TUPLET_OK) count++;
  assert_in_range(count, 8, 16);
  assert_int_equal(change(database->store, TP_MUTATION_SET, count), TUPLET_FULL);
  assert_int_equal(change(database->store, TP_MUTATION_DELETE, 0), TUPLET_OK);
  assert_int_equal(change(database->store, TP_MUTATION_SET, count), TUPLET_OK);
  assert_int_equal(change(other->store, TP_MUTATION_SET, count), TUPLET_OK);
  tp_memory_databases_release(f->databases, database);
  tp_memory_databases_release(f->databases, other);
}

/* ---- Several loops at once ---- */

enum { THREAD_COUNT = 4, TURN_COUNT = 50 };

typedef struct user {
  tp_memory_databases *databases;
  database_id id;
  tp_store *store; /* the one it met */
  tuplet_status status;
} user;

/* Uses its database again and again. */
static void *run_user(void *context) {
  user *u = context;
  for (int i = 0; i < TURN_COUNT && u->status == TUPLET_OK; i++) {
    tp_database *database;
    u->status = tp_memory_databases_acquire(u->databases, u->id.bytes, &database, NULL);
    if (u->status != TUPLET_OK) break;
    if (u->store != NULL && u->store != database->store) u->status = TUPLET_MISUSE;
    u->store = database->store;
    tp_memory_databases_release(u->databases, database);
  }
  return NULL;
}

static void those_who_open_one_at_once_get_the_same(void **state) {
  fixture *f = *state;
  pthread_t threads[THREAD_COUNT];
  user users[THREAD_COUNT];
  database_id one = exchange(f, 0);
  for (size_t i = 0; i < THREAD_COUNT; i++) {
    users[i] = (user){.databases = f->databases, .id = one};
    assert_int_equal(pthread_create(&threads[i], NULL, run_user, &users[i]), 0);
  }
  for (size_t i = 0; i < THREAD_COUNT; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (size_t i = 0; i < THREAD_COUNT; i++) {
    assert_int_equal(users[i].status, TUPLET_OK);
    assert_ptr_equal(users[i].store, users[0].store);
  }
  assert_count(f, 1, 1);
}

/* As a server does that stops: its loops release what requests have used while the stores are closed. */
typedef struct releaser {
  tp_memory_databases *databases;
  tp_database *used[OPEN_MAX];
} releaser;

static void *run_releaser(void *context) {
  releaser *r = context;
  for (size_t i = 0; i < OPEN_MAX; i++) {
    (void)sched_yield();
    tp_memory_databases_release(r->databases, r->used[i]);
  }
  return NULL;
}

static void entries_may_be_released_while_their_stores_are_closed(void **state) {
  fixture *f = *state;
  releaser r = {.databases = f->databases};
  for (size_t i = 0; i < OPEN_MAX; i++)
    assert_int_equal(tp_memory_databases_acquire(f->databases, exchange(f, 0).bytes, &r.used[i], &f->error),
                     TUPLET_OK);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, run_releaser, &r), 0);
  tp_memory_databases_close(f->databases);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_count(f, OPEN_MAX, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_exchange_has_a_database_of_its_own_opened_when_used),
      TEST(one_store_serves_all_who_use_it),
      TEST(a_connection_gets_its_database_again),
      TEST(repeated_exchanges_keep_a_database_alive),
      TEST(an_unknown_id_is_not_found),
      TEST(what_is_not_used_goes_away),
      TEST(what_is_in_use_stays_however_long),
      TEST(beyond_the_bound_the_oldest_unused_entry_is_forgotten),
      TEST(what_was_made_a_moment_ago_is_not_forgotten_for_another),
      TEST(what_is_evicted_is_told_once_and_ended_later),
      TEST(beyond_the_bound_of_open_ones_the_one_unused_for_longest_is_closed),
      TEST(what_is_in_use_is_never_closed_to_make_room),
      TEST(one_that_has_grown_too_large_is_full_and_can_still_be_used),
      TEST(those_who_open_one_at_once_get_the_same),
      TEST(entries_may_be_released_while_their_stores_are_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* watch_test.c: tuplet_watch_next: the present state first, then every change, by whomever, merged when it is
 * fetched late. With a callback: watch_async_test.c. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>

enum { LONG_MS = 60000 }; /* far longer than anything here takes: only a hang reaches it */

static tuplet_watch *watch_keys(database *d, tuplet_db *db, const tuplet_key *keys, size_t count) {
  tuplet_watch *watch = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_open(db, keys, count, &watch, &d->error));
  return watch;
}

static const tuplet_entry *next_entry(database *d, tuplet_watch *watch) {
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  return entries->items;
}

static void expect_nothing_new(database *d, tuplet_watch *watch) {
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_TIMEOUT, tuplet_watch_next(watch, 0, &entries, &d->error));
  EXPECT(d, TUPLET_TIMEOUT, tuplet_watch_next(watch, 5, &entries, &d->error));
  assert_null(entries);
}

static void the_present_state_comes_first(void **state) {
  database *d = *state;
  tuplet_versionstamp versionstamp = put(d, TUPLET_KEY("b"), tuplet_value_u64(7));
  const tuplet_key keys[] = {TUPLET_KEY("a"), TUPLET_KEY("b"), TUPLET_KEY("a")};
  tuplet_watch *watch = watch_keys(d, d->db, keys, COUNT_OF(keys));
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, 0, &entries, &d->error));
  assert_int_equal(entries->count, 3);
  assert_false(entries->items[0].exists);
  assert_memory_equal(entries->items[0].key.data,
                      "\x02"
                      "a",
                      3);
  assert_true(entries->items[1].exists);
  assert_int_equal(entries->items[1].value.u64, 7);
  assert_int_equal(compare_versionstamps(&entries->items[1].versionstamp, &versionstamp), 0);
  assert_false(entries->items[2].exists);
  expect_nothing_new(d, watch);
  tuplet_watch_close(watch);
}

static void changes_and_deletions_are_delivered(void **state) {
  database *d = *state;
  tuplet_watch *watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1);
  assert_false(next_entry(d, watch)->exists);
  put_text(d, TUPLET_KEY("k"), "first");
  assert_true(is_text(next_entry(d, watch), "first"));
  put_text(d, TUPLET_KEY("k"), "first"); /* the same value again is a change: its versionstamp differs */
  assert_true(is_text(next_entry(d, watch), "first"));
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
  assert_false(next_entry(d, watch)->exists);
  tuplet_watch_close(watch);
}

static void other_keys_and_refused_writes_are_no_change(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_watch *watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1);
  (void)next_entry(d, watch);
  put_text(d, TUPLET_KEY("k", 1), "longer");
  put_text(d, TUPLET_KEY("j"), "other");
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  (void)tuplet_atomic_check(atomic, TUPLET_KEY("k"), NULL, NULL);
  (void)tuplet_atomic_delete(atomic, TUPLET_KEY("k"), NULL);
  EXPECT(d, TUPLET_CONFLICT, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_atomic_free(atomic);
  expect_nothing_new(d, watch);
  tuplet_watch_close(watch);
}

static void a_raw_watch_also_tells_of_writes_that_change_nothing(void **state) {
  database *d = *state;
  tuplet_watch *watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1);
  tuplet_watch_set_raw(watch, true);
  assert_false(next_entry(d, watch)->exists);
  expect_nothing_new(d, watch);
  for (int i = 0; i < 2; i++) {
    EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
    assert_false(next_entry(d, watch)->exists);
  }
  put_text(d, TUPLET_KEY("other"), "v");
  expect_nothing_new(d, watch);
  put_text(d, TUPLET_KEY("k"), "v");
  assert_true(is_text(next_entry(d, watch), "v"));
  tuplet_watch_close(watch);
}

static void changes_that_were_not_fetched_are_merged(void **state) {
  database *d = *state;
  tuplet_watch *watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1);
  for (uint64_t i = 0; i < 100; i++) (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(i));
  assert_int_equal(next_entry(d, watch)->value.u64, 99);
  expect_nothing_new(d, watch);
  put_text(d, TUPLET_KEY("k"), "there");
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
  assert_false(next_entry(d, watch)->exists);
  put_text(d, TUPLET_KEY("k"), "came and went");
  EXPECT(d, TUPLET_OK, tuplet_delete(d->db, TUPLET_KEY("k"), NULL, &d->error));
  expect_nothing_new(d, watch); /* absent as before */
  tuplet_watch_close(watch);
}

/* ---- Beside writers ---- */

enum { GROUP_SIZE = 5, ROUNDS = 200 };

typedef struct group_writer {
  tuplet_db *db;
  tuplet_status status;
} group_writer;

static void *write_groups(void *context) {
  group_writer *writer = context;
  for (uint64_t round = 1; writer->status == TUPLET_OK && round <= ROUNDS; round++) {
    tuplet_atomic *atomic = tuplet_atomic_new(writer->db);
    for (int i = 0; i < GROUP_SIZE; i++)
      (void)tuplet_atomic_set(atomic, TUPLET_KEY("group", i), tuplet_value_u64(round), TUPLET_NEVER, NULL);
    writer->status = tuplet_atomic_commit(atomic, NULL, NULL);
    tuplet_atomic_free(atomic);
  }
  return NULL;
}

/* All keys carry the same number each time, the numbers only grow, and the last one comes. */
static void follow_groups(database *d, tuplet_db *writing, tuplet_db *watching) {
  tuplet_part parts[GROUP_SIZE][2];
  tuplet_key keys[GROUP_SIZE];
  for (int i = 0; i < GROUP_SIZE; i++) {
    parts[i][0] = tuplet_part_text("group");
    parts[i][1] = tuplet_part_signed(i);
    keys[i] = (tuplet_key){parts[i], 2, {NULL, 0}};
  }
  tuplet_watch *watch = watch_keys(d, watching, keys, GROUP_SIZE);
  group_writer writer = {.db = writing};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, write_groups, &writer), 0);
  uint64_t last = 0;
  int torn = 0, backward = 0;
  tuplet_status status = TUPLET_OK;
  bool first = true;
  while (status == TUPLET_OK && last < ROUNDS) {
    const tuplet_entries *entries = NULL;
    status = tuplet_watch_next(watch, LONG_MS, &entries, &d->error);
    if (status != TUPLET_OK) break;
    uint64_t number = entries->items[0].value.u64;
    for (size_t i = 1; i < GROUP_SIZE; i++) torn += entries->items[i].value.u64 != number;
    backward += first ? 0 : number <= last;
    first = false;
    last = number;
  }
  (void)pthread_join(thread, NULL);
  tuplet_watch_close(watch);
  EXPECT(d, TUPLET_OK, writer.status);
  EXPECT(d, TUPLET_OK, status);
  assert_int_equal(torn, 0);
  assert_int_equal(backward, 0);
}

static void several_keys_come_in_one_snapshot(void **state) {
  database *d = *state;
  follow_groups(d, d->db, d->db);
}

static void changes_by_another_handle_are_noticed(void **state) {
  database *d = *state;
  tuplet_db *other = open_another(d);
  follow_groups(d, other, d->db);
  tuplet_close(other);
}

static void a_read_only_handle_can_watch(void **state) {
  database *d = *state;
  tuplet_open_options options = quick_options();
  options.read_only = true;
  tuplet_db *reader = NULL;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &reader, &d->error));
  follow_groups(d, d->db, reader);
  tuplet_close(reader);
}

typedef struct late_writer {
  tuplet_db *db;
  int64_t pause_ms;
} late_writer;

static void *write_late(void *context) {
  const late_writer *writer = context;
  (void)usleep((useconds_t)writer->pause_ms * 1000);
  (void)tuplet_set(writer->db, TUPLET_KEY("k"), text_value("late"), TUPLET_NEVER, NULL, NULL);
  return NULL;
}

static void a_waiting_thread_is_woken(void **state) {
  database *d = *state;
  tuplet_watch *watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1);
  (void)next_entry(d, watch);
  late_writer writer = {d->db, 20};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, write_late, &writer), 0);
  const tuplet_entries *entries = NULL;
  tuplet_status status = tuplet_watch_next(watch, TUPLET_FOREVER, &entries, &d->error);
  (void)pthread_join(thread, NULL);
  EXPECT(d, TUPLET_OK, status);
  assert_true(is_text(entries->items, "late"));
  tuplet_watch_close(watch);
}

/* ---- Many watches ---- */

static void each_watch_has_a_state_of_its_own(void **state) {
  database *d = *state;
  enum { WATCHES = 50 };
  tuplet_watch *watches[WATCHES];
  for (int i = 0; i < WATCHES; i++) {
    const tuplet_key keys[] = {TUPLET_KEY("shared"), TUPLET_KEY("own", i)};
    watches[i] = watch_keys(d, d->db, keys, 2);
    (void)next_entry(d, watches[i]);
  }
  for (int i = 1; i < WATCHES; i += 2) tuplet_watch_close(watches[i]); /* leaves the others' alone */
  put_text(d, TUPLET_KEY("own", 4), "v");
  for (int i = 0; i < WATCHES; i += 2) {
    if (i == 4) assert_true(is_text(next_entry(d, watches[i]) + 1, "v"));
    expect_nothing_new(d, watches[i]);
  }
  put_text(d, TUPLET_KEY("shared"), "all");
  for (int i = 0; i < WATCHES; i += 2) {
    assert_true(is_text(next_entry(d, watches[i]), "all"));
    tuplet_watch_close(watches[i]);
  }
}

static void watching_no_key_is_done(void **state) {
  database *d = *state;
  tuplet_watch *watch = watch_keys(d, d->db, NULL, 0);
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_DONE, tuplet_watch_next(watch, TUPLET_FOREVER, &entries, &d->error));
  EXPECT(d, TUPLET_DONE, tuplet_watch_next(watch, TUPLET_FOREVER, &entries, &d->error));
  tuplet_watch_close(watch);
}

static void more_than_ten_keys_are_too_many(void **state) {
  database *d = *state;
  const tuplet_key key = TUPLET_KEY("k");
  tuplet_key keys[11];
  for (size_t i = 0; i < COUNT_OF(keys); i++) keys[i] = key;
  tuplet_watch *watch = NULL;
  EXPECT_ERROR(d, TUPLET_LIMIT, "Too many keys (max 10)",
               tuplet_watch_open(d->db, keys, 11, &watch, &d->error));
  watch = watch_keys(d, d->db, keys, 10);
  (void)next_entry(d, watch);
  tuplet_watch_close(watch);
}

/* ---- The end ---- */

typedef struct waiter {
  tuplet_watch *watch;
  latch started;
  tuplet_status status;
} waiter;

/* Its watch's owner: closes it as soon as it is told of the end. */
static void *wait_for_the_end(void *context) {
  waiter *w = context;
  const tuplet_entries *entries;
  w->status = tuplet_watch_next(w->watch, TUPLET_FOREVER, &entries, NULL);
  latch_add(&w->started);
  while (w->status == TUPLET_OK) w->status = tuplet_watch_next(w->watch, TUPLET_FOREVER, &entries, NULL);
  tuplet_watch_close(w->watch);
  return NULL;
}

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  (void)status, (void)commit, (void)error;
  latch_add(context);
}

static void closing_the_database_ends_those_who_wait(void **state) {
  database *d = *state;
  enum { WAITERS = 8, WRITES = 50 };
  waiter waiters[WAITERS];
  pthread_t threads[WAITERS];
  latch written = LATCH_INIT;
  for (int i = 0; i < WAITERS; i++) {
    waiters[i] = (waiter){.watch = watch_keys(d, d->db, &TUPLET_KEY("k"), 1), .started = LATCH_INIT};
    assert_int_equal(pthread_create(&threads[i], NULL, wait_for_the_end, &waiters[i]), 0);
  }
  bool started = true;
  for (int i = 0; i < WAITERS; i++) started = latch_wait(&waiters[i].started, 1) && started;
  for (int i = 0; i < WRITES; i++) /* so that watches are woken while they end */
    EXPECT(d, TUPLET_OK,
           tuplet_set_async(d->db, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, on_commit, &written,
                            &d->error));
  tuplet_close(d->db);
  d->db = NULL;
  for (int i = 0; i < WAITERS; i++) (void)pthread_join(threads[i], NULL);
  assert_true(started);
  assert_int_equal(latch_count(&written), WRITES);
  for (int i = 0; i < WAITERS; i++) EXPECT(d, TUPLET_CLOSED, waiters[i].status);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(the_present_state_comes_first),
      ON_BOTH(changes_and_deletions_are_delivered),
      ON_MEMORY(other_keys_and_refused_writes_are_no_change),
      ON_MEMORY(a_raw_watch_also_tells_of_writes_that_change_nothing),
      ON_MEMORY(changes_that_were_not_fetched_are_merged),
      ON_BOTH(several_keys_come_in_one_snapshot),
      ON_FILE(changes_by_another_handle_are_noticed),
      ON_FILE(a_read_only_handle_can_watch),
      ON_BOTH(a_waiting_thread_is_woken),
      ON_BOTH(each_watch_has_a_state_of_its_own),
      ON_BOTH(watching_no_key_is_done),
      ON_MEMORY(more_than_ten_keys_are_too_many),
      ON_BOTH(closing_the_database_ends_those_who_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

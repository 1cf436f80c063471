/* snapshot_test.c: readers keep their snapshot from read to read, and nobody notices: every read sees what
 * was committed before it, by whomever, and the log starts over although somebody reads all the time. */
#include "fixture.h"

#include "base/clock.h"
#include "engine/sqlite/reader_pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* ---- A pool of readers beside plain SQLite ---- */

typedef struct reading {
  tp_sqlite_location location;
  tp_sqlite_reader_pool pool;
  sqlite3 *neighbour;
} reading;

static void reading_open(reading *r, const fixture *f) {
  tuplet_close(db_open(f->path)); /* makes the tables */
  *r = (reading){.location = {.name = f->path, .path = f->path, .cache_kib = 256}};
  r->neighbour = sql_open(f->path);
  sql_run(r->neighbour, "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0");
  sql_run(r->neighbour, "INSERT INTO kv (k, v, v_encoding, version) VALUES (x'02610000', x'00', 2, 0)");
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_reader_pool_init(&r->pool, NULL, &r->location, &error), error);
}

static void reading_close(reading *r) {
  tp_sqlite_reader_pool_done(&r->pool);
  sql_close(r->neighbour);
}

static void write_version(reading *r, int64_t version) {
  char sql[80];
  (void)snprintf(sql, sizeof sql, "UPDATE kv SET version = %lld", (long long)version);
  sql_run(r->neighbour, sql);
}

/* The versions of the rows that a read found. */
typedef struct own_read {
  tp_read read;
  int64_t version;
  size_t row_count;
  tuplet_status wanted; /* what on_row returns */
} own_read;

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index, (void)error;
  own_read *own = (own_read *)(void *)read;
  own->version = version_of(&row->versionstamp);
  own->row_count++;
  return own->wanted;
}

static own_read read_with(reading *r, tp_sqlite_reader *reader, size_t range_count, tuplet_status wanted) {
  static const tp_read_range ranges[] = {{{"\x02"
                                           "a\0\0",
                                           4},
                                          {"\x02"
                                           "a\0\0",
                                           5},
                                          1,
                                          false},
                                         {{"", 0}, {"\xff", 1}, 100, false}};
  own_read own = {.read = {.ranges = ranges, .range_count = range_count, .on_row = on_row}, .wanted = wanted};
  tuplet_error error = {0};
  EXPECT(wanted, tp_sqlite_reader_read(&r->pool, reader, &own.read, &error), error);
  assert_int_equal(own.row_count, wanted == TUPLET_OK ? range_count : 1);
  return own;
}

static int64_t read_version(reading *r, tp_sqlite_reader *reader) {
  return read_with(r, reader, 1, TUPLET_OK).version;
}

static tp_sqlite_reader *take(reading *r) {
  tp_sqlite_reader *reader = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_reader_take(&r->pool, &reader, &error), error);
  return reader;
}

static bool holds(tp_sqlite_reader *reader) {
  (void)pthread_mutex_lock(&reader->mutex);
  bool is_held = reader->snapshot.is_held;
  (void)pthread_mutex_unlock(&reader->mutex);
  return is_held;
}

/* Reads closely enough, sooner or later, on a machine that does other things as well. */
static void read_until_held(reading *r, tp_sqlite_reader *reader) {
  int64_t end_ms = now_ms() + PATIENCE_MS;
  while (!holds(reader)) {
    assert_true(now_ms() < end_ms);
    (void)read_version(r, reader);
  }
}

/* Whether the neighbour could move all of the log into the file, with nobody left who reads from the log. */
static bool log_starts_over(reading *r) {
  return sqlite3_wal_checkpoint_v2(r->neighbour, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) == SQLITE_OK;
}

static void a_held_snapshot_shows_what_a_neighbour_commits(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *reader = take(&r);
  for (int64_t version = 1; version <= 300; version++) {
    read_until_held(&r, reader);
    write_version(&r, version);
    assert_int_equal(read_version(&r, reader), version);
    assert_int_equal(read_with(&r, reader, 2, TUPLET_OK).version, version);
  }
  tp_sqlite_reader_give_back(&r.pool, reader);
  reading_close(&r);
}

static void a_snapshot_that_nobody_uses_is_ended(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *in_hand = take(&r);
  tp_sqlite_reader *idle = take(&r);
  read_until_held(&r, in_hand);
  read_until_held(&r, idle);
  tp_sqlite_reader_give_back(&r.pool, idle);
  int64_t end_ms = now_ms() + PATIENCE_MS;
  while (holds(in_hand) || holds(idle)) {
    assert_true(now_ms() < end_ms);
    sleep_ms(1);
  }
  write_version(&r, 1);
  assert_true(log_starts_over(&r));

  read_until_held(&r, in_hand); /* and once more, after the thread has slept */
  while (holds(in_hand)) {
    assert_true(now_ms() < end_ms);
    sleep_ms(1);
  }
  tp_sqlite_reader_give_back(&r.pool, in_hand);
  reading_close(&r);
}

typedef struct busy_reader {
  reading *reading;
  atomic_bool stop;
} busy_reader;

static void *read_all_the_time(void *context) {
  busy_reader *busy = context;
  tp_sqlite_reader *reader = take(busy->reading);
  while (!atomic_load(&busy->stop)) (void)read_version(busy->reading, reader);
  tp_sqlite_reader_give_back(&busy->reading->pool, reader);
  return NULL;
}

static void the_log_starts_over_while_somebody_reads_all_the_time(void **state) {
  reading r;
  reading_open(&r, *state);
  busy_reader busy = {.reading = &r};
  pthread_t thread;
  thread_start(&thread, read_all_the_time, &busy);
  for (int64_t round = 1; round <= 5; round++) {
    write_version(&r, round);
    int64_t end_ms = now_ms() + PATIENCE_MS;
    while (!log_starts_over(&r)) assert_true(now_ms() < end_ms);
  }
  atomic_store(&busy.stop, true);
  thread_join(thread);
  reading_close(&r);
}

static void a_read_that_fails_ends_the_snapshot(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *reader = take(&r);
  read_until_held(&r, reader);
  (void)read_with(&r, reader, 2, TUPLET_NOMEM);
  assert_false(holds(reader));
  write_version(&r, 7);
  assert_int_equal(read_version(&r, reader), 7);
  tp_sqlite_reader_give_back(&r.pool, reader);
  reading_close(&r);
}

static void a_locked_reader_has_no_transaction(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *reader = take(&r);
  read_until_held(&r, reader);
  tp_sqlite_connection *connection = tp_sqlite_reader_lock(reader);
  assert_true(sqlite3_get_autocommit(connection->db));
  tp_sqlite_reader_unlock(reader);
  tp_sqlite_reader_give_back(&r.pool, reader);
  reading_close(&r);
}

/* ---- Another process ---- */

typedef struct neighbour_process {
  const char *path;
  int orders[2], answers[2]; /* pipes */
} neighbour_process;

/* Commits once for each byte that it is sent, and answers when that is done. */
static int write_when_told(void *context) {
  neighbour_process *n = context;
  (void)close(n->orders[1]);
  sqlite3 *db = NULL;
  if (sqlite3_open(n->path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, PATIENCE_MS) != SQLITE_OK) return 1;
  char byte;
  while (read(n->orders[0], &byte, 1) == 1) {
    if (sqlite3_exec(db, "UPDATE kv SET version = version + 1", NULL, NULL, NULL) != SQLITE_OK) return 2;
    if (write(n->answers[1], &byte, 1) != 1) return 3;
  }
  return sqlite3_close(db) == SQLITE_OK ? 0 : 4;
}

static void a_held_snapshot_shows_what_another_process_commits(void **state) {
  const fixture *f = *state;
  reading r;
  reading_open(&r, f);
  reading_close(&r); /* the rows are there, and nothing is open */
  neighbour_process n = {.path = f->path};
  assert_int_equal(pipe(n.orders), 0);
  assert_int_equal(pipe(n.answers), 0);
  pid_t child = child_start(write_when_told, &n);
  (void)close(n.orders[0]);
  r = (reading){.location = {.name = f->path, .path = f->path, .cache_kib = 256}};
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_reader_pool_init(&r.pool, NULL, &r.location, &error), error);
  tp_sqlite_reader *reader = take(&r);
  for (int64_t version = 1; version <= 200; version++) {
    read_until_held(&r, reader);
    char byte = 0;
    assert_int_equal(write(n.orders[1], &byte, 1), 1);
    assert_int_equal(read(n.answers[0], &byte, 1), 1);
    assert_int_equal(read_version(&r, reader), version);
  }
  (void)close(n.orders[1]);
  assert_int_equal(child_wait(child), 0);
  (void)close(n.answers[0]);
  (void)close(n.answers[1]);
  tp_sqlite_reader_give_back(&r.pool, reader);
  tp_sqlite_reader_pool_done(&r.pool);
}

/* ---- Through the whole library ---- */

enum { WRITES = 400, READERS = 3 };

typedef struct counting {
  tuplet_db *db;
  _Atomic uint64_t acknowledged;
} counting;

static void *count_up(void *context) {
  counting *c = context;
  tuplet_error error = {0};
  for (uint64_t i = 1; i <= WRITES; i++) {
    EXPECT(TUPLET_OK, tuplet_set(c->db, TUPLET_KEY("n"), tuplet_value_u64(i), TUPLET_NEVER, NULL, &error),
           error);
    atomic_store(&c->acknowledged, i);
  }
  return NULL;
}

static void *look(void *context) {
  counting *c = context;
  tuplet_error error = {0};
  for (uint64_t at_least = 0; at_least < WRITES;) {
    at_least = atomic_load(&c->acknowledged);
    tuplet_entry *entry = NULL;
    EXPECT(TUPLET_OK, tuplet_get(c->db, TUPLET_KEY("n"), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
    assert_true(entry->value.u64 >= at_least);
    tuplet_entry_free(entry);
  }
  return NULL;
}

static void no_read_is_older_than_what_was_acknowledged_before_it(void **state) {
  const fixture *f = *state;
  counting c = {.db = db_open(f->path)};
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_set(c.db, TUPLET_KEY("n"), tuplet_value_u64(0), TUPLET_NEVER, NULL, &error),
         error);
  pthread_t threads[READERS + 1];
  for (int i = 0; i < READERS; i++) thread_start(&threads[i], look, &c);
  thread_start(&threads[READERS], count_up, &c);
  for (int i = 0; i <= READERS; i++) thread_join(threads[i]);
  tuplet_close(c.db);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_held_snapshot_shows_what_a_neighbour_commits),
      TEST(a_snapshot_that_nobody_uses_is_ended),
      TEST(the_log_starts_over_while_somebody_reads_all_the_time),
      TEST(a_read_that_fails_ends_the_snapshot),
      TEST(a_locked_reader_has_no_transaction),
      TEST(a_held_snapshot_shows_what_another_process_commits),
      TEST(no_read_is_older_than_what_was_acknowledged_before_it),
  };
  return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}

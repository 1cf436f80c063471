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
  sql_run(r->neighbour,
          "INSERT OR REPLACE INTO kv (k, v, v_encoding, version) VALUES (x'02610000', x'00', 2, 0)");
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
  size_t value_size;
  size_t row_count;
  tuplet_status wanted; /* what on_row returns */
} own_read;

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index, (void)error;
  own_read *own = (own_read *)(void *)read;
  own->version = version_of(&row->versionstamp);
  own->value_size = row->value.size;
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

static own_read read_key(reading *r, tp_sqlite_reader *reader, tuplet_bytes key, tuplet_status expected) {
  uint8_t end[64];
  assert_true(key.size < sizeof end);
  if (key.size > 0) memcpy(end, key.data, key.size);
  end[key.size] = 0;
  tp_read_range range = {key, {end, key.size + 1}, 1, false};
  own_read own = {.read = {.ranges = &range, .range_count = 1, .now_ms = 1000, .on_row = on_row}};
  tuplet_error error = {0};
  EXPECT(expected, tp_sqlite_reader_read(&r->pool, reader, &own.read, &error), error);
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

static bool is_looking_up(tp_sqlite_reader *reader) {
  (void)pthread_mutex_lock(&reader->mutex);
  bool is_at_work = reader->connection.lookup.is_at_work;
  (void)pthread_mutex_unlock(&reader->mutex);
  return is_at_work;
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

/* Found, missing, expired and large rows by turns, and keys that begin alike. */
static void keys_are_found_by_one_statement_while_a_snapshot_is_held(void **state) {
  enum { KEYS = 12, EXPIRED = 7, LARGE = 6, LARGE_SIZE = 60000, LOOKUPS = 2000 };
  reading r;
  reading_open(&r, *state);
  sql_run(r.neighbour,
          "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7)"
          " INSERT INTO kv (k, v, v_encoding, version, expiration_ms)"
          " SELECT zeroblob(i), zeroblob(iif(i = 6, 60000, i)), 2, 100 + i, iif(i = 7, 1, -1) FROM n");
  static const uint8_t zeros[KEYS];
  tp_sqlite_reader *reader = take(&r);
  int64_t end_ms = now_ms() + PATIENCE_MS;
  uint64_t random = 1;
  for (int lookups = 0; lookups < LOOKUPS;) {
    assert_true(now_ms() < end_ms);
    random = random * 6364136223846793005u + 1442695040888963407u;
    size_t size = (size_t)(random >> 33) % KEYS;
    own_read own = read_key(&r, reader, (tuplet_bytes){zeros, size}, TUPLET_OK);
    assert_int_equal(own.row_count, size < EXPIRED);
    if (size < EXPIRED) {
      assert_int_equal(own.version, 100 + size);
      assert_int_equal(own.value_size, size == LARGE ? LARGE_SIZE : size);
    }
    if (is_looking_up(reader)) lookups++;
  }
  (void)tp_sqlite_reader_lock(&r.pool, reader);
  assert_false(reader->connection.lookup.is_at_work);
  tp_sqlite_reader_unlock(reader);
  tp_sqlite_reader_give_back(&r.pool, reader);
  reading_close(&r);
}

static void a_snapshot_that_could_not_be_ended_shows_nothing_old(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *reader = take(&r);
  read_until_held(&r, reader);
  tp_sqlite_connection *connection = &reader->connection;
  (void)pthread_mutex_lock(&reader->mutex);
  bool was_held = reader->snapshot.is_held;
  (void)sqlite3_finalize(
      connection->statements[TP_SQL_COMMIT]); /* to be prepared again, which takes memory */
  connection->statements[TP_SQL_COMMIT] = NULL;
  (void)sqlite3_hard_heap_limit64(sqlite3_memory_used());
  tp_sqlite_snapshot_release(&reader->snapshot, connection);
  bool is_left_over = !sqlite3_get_autocommit(connection->db);
  (void)pthread_mutex_unlock(&reader->mutex);
  (void)sqlite3_hard_heap_limit64(0);
  assert_int_equal(is_left_over, was_held);
  write_version(&r, 1);
  assert_int_equal(read_version(&r, reader), 1);
  assert_true(log_starts_over(&r));
  tp_sqlite_reader_give_back(&r.pool, reader);
  reading_close(&r);
}

static void a_lack_of_memory_ends_the_statement_and_no_more(void **state) {
  enum { SIZE = 60000 };
  reading r;
  reading_open(&r, *state);
  sql_run(r.neighbour, "INSERT INTO kv (k, v, v_encoding, version) VALUES (x'00', zeroblob(60000), 2, 1)");
  const tuplet_bytes small = {"\x02"
                              "a\0\0",
                              4},
                     large = {"", 1};
  tp_sqlite_reader *reader = take(&r);
  int64_t end_ms = now_ms() + PATIENCE_MS;
  for (int round = 0; round < 20; round++) {
    while (!is_looking_up(reader)) {
      assert_true(now_ms() < end_ms);
      (void)read_key(&r, reader, small, TUPLET_OK);
    }
    (void)sqlite3_hard_heap_limit64(sqlite3_memory_used());
    (void)read_key(&r, reader, large, TUPLET_NOMEM);
    (void)sqlite3_hard_heap_limit64(0);
    assert_false(is_looking_up(reader));
    assert_int_equal(read_key(&r, reader, large, TUPLET_OK).value_size, SIZE);
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

enum { BUSY_READERS = 3 };

typedef struct busy_readers {
  reading *reading;
  pthread_t threads[BUSY_READERS];
  size_t count;
  atomic_bool stop;
} busy_readers;

static void *read_all_the_time(void *context) {
  busy_readers *busy = context;
  tp_sqlite_reader *reader = take(busy->reading);
  while (!atomic_load(&busy->stop)) (void)read_version(busy->reading, reader);
  tp_sqlite_reader_give_back(&busy->reading->pool, reader);
  return NULL;
}

static void busy_readers_start(busy_readers *busy, reading *r, size_t count) {
  *busy = (busy_readers){.reading = r, .count = count};
  for (size_t i = 0; i < count; i++) thread_start(&busy->threads[i], read_all_the_time, busy);
}

static void busy_readers_stop(busy_readers *busy) {
  atomic_store(&busy->stop, true);
  for (size_t i = 0; i < busy->count; i++) thread_join(busy->threads[i]);
}

/* Even where a program that knows nothing of us does it, by trying now and then. */
static void the_log_starts_over_while_somebody_reads_all_the_time(void **state) {
  for (size_t count = 1; count <= BUSY_READERS; count++) {
    reading r;
    reading_open(&r, *state);
    busy_readers busy;
    busy_readers_start(&busy, &r, count);
    for (int64_t round = 1; round <= 5; round++) {
      write_version(&r, round);
      int64_t end_ms = now_ms() + PATIENCE_MS;
      while (!log_starts_over(&r)) assert_true(now_ms() < end_ms);
    }
    busy_readers_stop(&busy);
    reading_close(&r);
  }
}

static void move_on(reading *r) {
  tp_deadline deadline = tp_deadline_in(PATIENCE_MS);
  tp_sqlite_readers_move_on(&r->pool, &deadline);
  assert_false(tp_deadline_is_over(&deadline));
}

static void readers_move_on_so_that_the_log_starts_over(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *in_hand = take(&r);
  busy_readers busy;
  busy_readers_start(&busy, &r, BUSY_READERS);
  assert_int_equal(sqlite3_busy_timeout(r.neighbour, 0), SQLITE_OK);
  for (int64_t version = 1; version <= 50; version++) {
    read_until_held(&r, in_hand);
    write_version(&r, version);
    move_on(&r);
    int64_t end_ms = now_ms() + PATIENCE_MS;
    while (!log_starts_over(&r)) {
      assert_true(now_ms() < end_ms);
      move_on(&r);
    }
  }
  busy_readers_stop(&busy);
  tp_sqlite_reader_give_back(&r.pool, in_hand);
  reading_close(&r);
}

/* A read that wants the readers to move on while it is at work. */
typedef struct long_read {
  tp_read read;
  reading *reading;
  bool was_over;
} long_read;

static tuplet_status wait_for_the_others(tp_read *read, size_t range_index, const tp_row *row,
                                         tuplet_error *error) {
  (void)range_index, (void)row, (void)error;
  long_read *own = (long_read *)(void *)read;
  tp_deadline deadline = tp_deadline_in(20);
  tp_sqlite_readers_move_on(&own->reading->pool, &deadline);
  own->was_over = tp_deadline_is_over(&deadline);
  return TUPLET_OK;
}

static void a_long_read_is_waited_for_until_the_deadline(void **state) {
  reading r;
  reading_open(&r, *state);
  tp_sqlite_reader *reader = take(&r);
  static const tp_read_range all[] = {{{"", 0}, {"\xff", 1}, 100, false}};
  long_read own = {.read = {.ranges = all, .range_count = 1, .on_row = wait_for_the_others}, .reading = &r};
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_reader_read(&r.pool, reader, &own.read, &error), error);
  assert_true(own.was_over);
  move_on(&r); /* now that it has ended */
  tp_sqlite_reader_give_back(&r.pool, reader);
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
  tp_sqlite_connection *connection = tp_sqlite_reader_lock(&r.pool, reader);
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
      TEST(keys_are_found_by_one_statement_while_a_snapshot_is_held),
      TEST(a_snapshot_that_could_not_be_ended_shows_nothing_old),
      TEST(a_lack_of_memory_ends_the_statement_and_no_more),
      TEST(a_snapshot_that_nobody_uses_is_ended),
      TEST(the_log_starts_over_while_somebody_reads_all_the_time),
      TEST(readers_move_on_so_that_the_log_starts_over),
      TEST(a_long_read_is_waited_for_until_the_deadline),
      TEST(a_read_that_fails_ends_the_snapshot),
      TEST(a_locked_reader_has_no_transaction),
      TEST(a_held_snapshot_shows_what_another_process_commits),
      TEST(no_read_is_older_than_what_was_acknowledged_before_it),
  };
  return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}

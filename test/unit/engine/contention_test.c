/* contention_test.c: others at the same file: they hold the write lock, or an old snapshot; and the
 * write-ahead log, which must stay bounded all the same. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Neighbours that hold the write lock ---- */

enum { HOLD_COUNT = 6, HOLD_MS = 60, WRITER_COUNT = 8 };

/* Takes the lock again and again; 0 when all went well. In a process of its own, without cmocka. */
static int hold_lock(void *context) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(context, &db, SQLITE_OPEN_READWRITE, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(db, 30000);
  for (int i = 0; rc == SQLITE_OK && i < HOLD_COUNT; i++) {
    rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) break;
    sleep_ms(HOLD_MS);
    rc = sqlite3_exec(db, "UPDATE data_version SET version = version + 3; COMMIT", NULL, NULL, NULL);
    sleep_ms(2);
  }
  (void)sqlite3_close(db);
  return rc == SQLITE_OK ? 0 : 1;
}

static void *hold_lock_here(void *context) {
  return hold_lock(context) == 0 ? context : NULL;
}

typedef struct writer {
  tuplet_db *db;
  const atomic_bool *stop;
  int number;
  int count;
  int64_t last_version;
  tuplet_error error;
} writer;

static void *write_until_stopped(void *context) {
  writer *w = context;
  while (!atomic_load(w->stop)) {
    tuplet_versionstamp versionstamp;
    tuplet_status status = tuplet_set(w->db, TUPLET_KEY(w->number, w->count), tuplet_value_u64(1),
                                      TUPLET_NEVER, &versionstamp, &w->error);
    if (status != TUPLET_OK) break;
    if (version_of(&versionstamp) <= w->last_version) w->error.status = TUPLET_CORRUPT;
    w->last_version = version_of(&versionstamp);
    w->count++;
  }
  return NULL;
}

static void neighbours_that_hold_the_lock_cause_no_errors(void **state) {
  const fixture *f = *state;
  tuplet_close(db_open(f->path));
  char path[sizeof f->path];
  memcpy(path, f->path, sizeof path);
  pid_t process = child_start(hold_lock, path);
  tuplet_db *db = db_open(f->path);
  pthread_t holder;
  thread_start(&holder, hold_lock_here, path);
  atomic_bool stop = false;
  writer writers[WRITER_COUNT];
  pthread_t threads[WRITER_COUNT];
  for (int i = 0; i < WRITER_COUNT; i++) {
    writers[i] = (writer){.db = db, .stop = &stop, .number = i};
    thread_start(&threads[i], write_until_stopped, &writers[i]);
  }
  void *held = NULL;
  assert_int_equal(pthread_join(holder, &held), 0);
  assert_ptr_equal(held, path);
  assert_int_equal(child_wait(process), 0);
  atomic_store(&stop, true);
  int64_t count = 0;
  for (int i = 0; i < WRITER_COUNT; i++) {
    thread_join(threads[i]);
    EXPECT(TUPLET_OK, writers[i].error.status, writers[i].error);
    assert_true(writers[i].count > 0);
    count += writers[i].count;
  }
  tuplet_close(db);
  assert_int_equal(sql_integer_on(f->path, "SELECT count(DISTINCT version) FROM kv"), count);
}

/* The sweep of what has expired waits for the lock, which a neighbour keeps for as long as it likes. */
static void closing_does_not_wait_for_a_neighbour(void **state) {
  enum { SOON_MS = 20, SWEEP_STARTED_MS = 200, LONG_MS = 20000 };
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  int64_t soon_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + SOON_MS;
  EXPECT(TUPLET_OK, tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), soon_ms, NULL, &error), error);
  sqlite3 *neighbour = sql_open(f->path);
  sql_run(neighbour, "BEGIN IMMEDIATE");
  sleep_ms(SWEEP_STARTED_MS); /* if it has not, the close is easier */
  int64_t begun_ms = now_ms();
  tuplet_close(db);
  assert_in_range(now_ms() - begun_ms, 0, LONG_MS); /* a lock is waited for for a minute */
  sql_close(neighbour);
}

/* ---- The log ---- */

static const int64_t MIB = 1 << 20;
enum { PAGE_SIZE = 4096, LARGE_SIZE = 60000, LARGE_KEYS = 40 };

static fault_vfs *vfs;

/* Writes large values over one another. */
static void write_large(tuplet_db *db, int64_t size) {
  static uint8_t bytes[LARGE_SIZE];
  tuplet_error error = {0};
  for (int64_t written = 0, i = 0; written < size; written += LARGE_SIZE, i++) {
    memset(bytes, (int)(i % 251), sizeof bytes); /* unchanged pages would not be written again */
    EXPECT(TUPLET_OK,
           tuplet_set(db, TUPLET_KEY(i % LARGE_KEYS), tuplet_value_bytes(bytes, sizeof bytes), TUPLET_NEVER,
                      NULL, &error),
           error);
  }
}

static void the_log_starts_over_when_a_long_reader_lets_go(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  write_large(db, 1 * MIB);
  sqlite3 *reader = sql_open(f->path);
  sql_run(reader, "BEGIN; SELECT count(*) FROM kv");
  write_large(db, 16 * MIB);
  int64_t pinned = log_size(f->path);
  assert_true(pinned > 16 * MIB); /* the reader holds it all */
  sql_run(reader, "COMMIT");
  sql_close(reader);
  write_large(db, 48 * MIB);
  assert_in_range(log_size(f->path), 1, pinned + 24 * MIB);
  tuplet_close(db);
  assert_int_equal(log_size(f->path), -1);
}

/* ---- The log under a stream of writes ---- */

enum { WINDOW = 256, KEY_COUNT = 20000, PAGES_WRITTEN = 24000, READER_COUNT = 2 };

typedef struct stream {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int in_flight;
  tuplet_error error; /* the first */
} stream;

static void on_committed(void *context, tuplet_status status, const tuplet_commit *commit,
                         const tuplet_error *error) {
  (void)commit;
  stream *s = context;
  (void)pthread_mutex_lock(&s->mutex);
  s->in_flight--;
  if (status != TUPLET_OK && s->error.status == TUPLET_OK) s->error = *error;
  (void)pthread_cond_signal(&s->changed);
  (void)pthread_mutex_unlock(&s->mutex);
}

/* Waits until fewer than `limit` are in flight. */
static void wait_below(stream *s, int limit) {
  (void)pthread_mutex_lock(&s->mutex);
  while (s->in_flight >= limit) (void)pthread_cond_wait(&s->changed, &s->mutex);
  if (limit > 1) s->in_flight++;
  (void)pthread_mutex_unlock(&s->mutex);
}

static void *read_until_stopped(void *context) {
  writer *w = context;
  uint32_t random = (uint32_t)w->number;
  while (!atomic_load(w->stop)) {
    random = random * 1664525 + 1013904223;
    tuplet_entry *entry = NULL;
    tuplet_status status =
        tuplet_get(w->db, TUPLET_KEY(random >> 8 & 0x3FFF), TUPLET_CONSISTENCY_STRONG, &entry, &w->error);
    if (status < 0) break;
    tuplet_entry_free(entry);
    w->count++;
  }
  return NULL;
}

static void the_log_stays_bounded_under_a_stream_of_writes(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  atomic_bool stop = false;
  writer readers[READER_COUNT];
  pthread_t threads[READER_COUNT];
  for (int i = 0; i < READER_COUNT; i++) {
    readers[i] = (writer){.db = db, .stop = &stop, .number = i};
    thread_start(&threads[i], read_until_stopped, &readers[i]);
  }
  stream s = {.in_flight = 0};
  assert_int_equal(pthread_mutex_init(&s.mutex, NULL), 0);
  assert_int_equal(pthread_cond_init(&s.changed, NULL), 0);
  static const uint8_t value[900];
  uint32_t random = 1;
  int64_t largest = 0;
  uint64_t written_before = fault_vfs_written_size(vfs);
  while (fault_vfs_written_size(vfs) - written_before < 4096ULL * PAGES_WRITTEN) {
    random = random * 1664525 + 1013904223;
    wait_below(&s, WINDOW);
    tuplet_error error = {0};
    EXPECT(TUPLET_OK,
           tuplet_set_async(db, TUPLET_KEY((random >> 8) % KEY_COUNT),
                            tuplet_value_bytes(value, sizeof value), TUPLET_NEVER, on_committed, &s, &error),
           error);
    int64_t size = log_size(f->path);
    if (size > largest) largest = size;
  }
  wait_below(&s, 1);
  EXPECT(TUPLET_OK, s.error.status, s.error);
  atomic_store(&stop, true);
  for (int i = 0; i < READER_COUNT; i++) {
    thread_join(threads[i]);
    EXPECT(TUPLET_OK, readers[i].error.status, readers[i].error);
    assert_true(readers[i].count > 0);
  }
  assert_in_range(largest, 1, 64 * MIB);
  tuplet_close(db);
  (void)pthread_cond_destroy(&s.changed);
  (void)pthread_mutex_destroy(&s.mutex);
}

static int setup(void **state) {
  vfs = fault_vfs_new();
  return fixture_setup(state);
}

static int teardown(void **state) {
  int rc = fixture_teardown(state);
  fault_vfs_free(vfs);
  return rc;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(neighbours_that_hold_the_lock_cause_no_errors),
      TEST(closing_does_not_wait_for_a_neighbour),
      TEST(the_log_starts_over_when_a_long_reader_lets_go),
      TEST(the_log_stays_bounded_under_a_stream_of_writes),
  };
  return cmocka_run_group_tests_name("contention", tests, NULL, NULL);
}

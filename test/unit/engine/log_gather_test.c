/* log_gather_test.c: a commit's pages reach the log in few writes, and all of them before it is acknowledged;
 * what a commit that failed left is nothing that a later one writes. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_SIZE = 4096, VALUE_SIZE = 3000, LARGE_VALUE_SIZE = 60000, ROWS_MAX = 14 };

static fault_vfs *vfs;

/* Sets `count` rows in one operation, to values that differ from number to number. */
static tuplet_status try_set_rows(tuplet_db *db, int count, size_t size, int number, tuplet_error *error) {
  static uint8_t value[LARGE_VALUE_SIZE];
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  assert_non_null(atomic);
  for (int i = 0; i < count; i++) {
    memset(value, number + i, size);
    assert_int_equal(
        tuplet_atomic_set(atomic, TUPLET_KEY("row", i), tuplet_value_bytes(value, size), TUPLET_NEVER, NULL),
        TUPLET_OK);
  }
  tuplet_status status = tuplet_atomic_commit(atomic, NULL, error);
  tuplet_atomic_free(atomic);
  return status;
}

static void set_rows(tuplet_db *db, int count, size_t size, int number) {
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, try_set_rows(db, count, size, number, &error), error);
}

/* As another connection sees them: each row's first and last byte. */
static void assert_rows(sqlite3 *neighbour, int count, size_t size, int number) {
  char *rows = sql_rows(neighbour, "SELECT length(v), hex(substr(v, 1, 1)), hex(substr(v, -1, 1)) FROM kv"
                                   " ORDER BY k");
  char expected[64 * ROWS_MAX] = "";
  for (int i = 0; i < count; i++) {
    size_t end = strlen(expected);
    unsigned byte = (unsigned)(number + i) & 0xFF;
    (void)snprintf(expected + end, sizeof expected - end, "%zu|%02X|%02X\n", size, byte, byte);
  }
  assert_string_equal(rows, expected);
  free(rows);
}

static void assert_sound(sqlite3 *sql) {
  char *sound = sql_rows(sql, "PRAGMA integrity_check");
  assert_string_equal(sound, "ok\n");
  free(sound);
}

static void a_commit_is_one_write(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  for (int i = 0; i < 20; i++) set_rows(db, 10, VALUE_SIZE, i); /* until the log has room */
  sql_run_on(f->path, "PRAGMA wal_checkpoint(RESTART)");
  set_rows(db, 10, VALUE_SIZE, 100);
  for (int i = 0; i < 5; i++) {
    uint64_t writes = fault_vfs_count(vfs, FAULT_WRITE);
    uint64_t syncs = fault_vfs_count(vfs, FAULT_SYNC);
    uint64_t written_size = fault_vfs_written_size(vfs);
    set_rows(db, 10, VALUE_SIZE, 101 + i);
    assert_int_equal(fault_vfs_count(vfs, FAULT_WRITE) - writes, 1);
    assert_int_equal(fault_vfs_count(vfs, FAULT_SYNC) - syncs, 1);
    assert_true(fault_vfs_written_size(vfs) - written_size >= 10ULL * PAGE_SIZE);
  }
  tuplet_close(db);
}

static void each_commit_is_there_for_others_at_once(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  sqlite3 *neighbour = sql_open(f->path);
  for (int i = 0; i < 20; i++) {
    int count = i % 3 == 0 ? 1 : ROWS_MAX - 1;
    size_t size = i % 2 == 0 ? VALUE_SIZE : LARGE_VALUE_SIZE; /* in one part, and in many */
    set_rows(db, ROWS_MAX - 1, 1, 0);
    set_rows(db, count, size, i);
    if (count > 1) assert_rows(neighbour, count, size, i);
    if (i == 10) sql_run(neighbour, "PRAGMA wal_checkpoint(RESTART)");
  }
  assert_sound(neighbour);
  sql_close(neighbour);
  tuplet_close(db);
}

static void pages_of_every_size_are_written(void **state) {
  const fixture *f = *state;
  for (int page_size = 512; page_size <= 65536; page_size *= 2) {
    fixture_empty(f);
    char sql[120];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA page_size = %d; PRAGMA journal_mode = WAL; CREATE TABLE t (a);"
                   " DROP TABLE t",
                   page_size);
    sql_run_on(f->path, sql);
    tuplet_db *db = db_open(f->path);
    for (int i = 0; i < 5; i++) set_rows(db, ROWS_MAX - 1, i % 2 == 0 ? LARGE_VALUE_SIZE : VALUE_SIZE, i);
    sqlite3 *neighbour = sql_open(f->path);
    assert_rows(neighbour, ROWS_MAX - 1, LARGE_VALUE_SIZE, 4);
    char *kept = sql_rows(neighbour, "PRAGMA page_size");
    assert_int_equal(strtol(kept, NULL, 10), page_size);
    free(kept);
    assert_sound(neighbour);
    sql_close(neighbour);
    tuplet_close(db);
  }
}

static void what_a_full_disk_left_is_dropped(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  sqlite3 *neighbour = sql_open(f->path);
  for (int i = 0; i < 3; i++) set_rows(db, 4, VALUE_SIZE, i);
  sql_run(neighbour, "PRAGMA wal_checkpoint"); /* from here on the file need not grow for these rows */
  set_rows(db, 4, VALUE_SIZE, 2);
  tuplet_error error = {0};
  fault_vfs_fill_disk(vfs);
  EXPECT(TUPLET_FULL, try_set_rows(db, ROWS_MAX - 1, LARGE_VALUE_SIZE, 50, &error), error);
  assert_rows(neighbour, 4, VALUE_SIZE, 2);
  /* There is no room behind the log still, but there is in it. */
  sql_run(neighbour, "PRAGMA wal_checkpoint(RESTART)");
  set_rows(db, 4, VALUE_SIZE, 3);
  assert_rows(neighbour, 4, VALUE_SIZE, 3);
  assert_sound(neighbour);
  sql_close(neighbour);
  tuplet_close(db);
}

static void what_a_failed_commit_left_is_dropped(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  sqlite3 *neighbour = sql_open(f->path);
  /* The log becomes longer than the large commits need, so that the writes that fail are theirs. */
  do {
    set_rows(db, 4, VALUE_SIZE, 2);
  } while (log_size(f->path) < 2 * ROWS_MAX * LARGE_VALUE_SIZE);
  sql_run(neighbour, "PRAGMA wal_checkpoint(RESTART)");
  set_rows(db, 4, VALUE_SIZE, 3);
  tuplet_error error = {0};
  for (int n = 1; n <= 3; n++) {
    fault_vfs_fail(vfs, FAULT_WRITE, n, 1, SQLITE_IOERR);
    EXPECT(TUPLET_IO, try_set_rows(db, ROWS_MAX - 1, LARGE_VALUE_SIZE, 50, &error), error);
    fault_vfs_heal(vfs);
    assert_rows(neighbour, 4, VALUE_SIZE, 2 + n);
    set_rows(db, 4, VALUE_SIZE, 3 + n);
    assert_rows(neighbour, 4, VALUE_SIZE, 3 + n);
  }
  assert_sound(neighbour);
  sql_close(neighbour);
  tuplet_close(db);
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
      TEST(a_commit_is_one_write),
      TEST(each_commit_is_there_for_others_at_once),
      TEST(pages_of_every_size_are_written),
      TEST(what_a_full_disk_left_is_dropped),
      TEST(what_a_failed_commit_left_is_dropped),
  };
  return cmocka_run_group_tests_name("log_gather", tests, NULL, NULL);
}

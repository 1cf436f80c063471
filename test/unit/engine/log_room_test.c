/* log_room_test.c: the log's file is lengthened ahead of commits, in steps; that costs nothing when it fails,
 * and whatever is behind the last commit (zeros, an earlier round's frames, half a write) is no part of the
 * database. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
  LOG_HEADER_SIZE = 32,
  FRAME_HEADER_SIZE = 24,
  PAGE_SIZE = 4096,
  FRAME_SIZE = FRAME_HEADER_SIZE + PAGE_SIZE,
  SECTOR_SIZE = 512,
  KIB = 1024,
  STEP_MIN = 64 * KIB,
  STEP_MAX = 256 * KIB
};

static tuplet_status try_set(tuplet_db *db, int key, int number, tuplet_error *error) {
  return tuplet_set(db, TUPLET_KEY("row", key), tuplet_value_u64((uint64_t)number), TUPLET_NEVER, NULL,
                    error);
}

static void set(tuplet_db *db, int key, int number) {
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, try_set(db, key, number, &error), error);
}

/* -1 when there is no such row. */
static int get(tuplet_db *db, int key) {
  tuplet_entry *entry;
  tuplet_error error = {0};
  tuplet_status status = tuplet_get(db, TUPLET_KEY("row", key), TUPLET_CONSISTENCY_STRONG, &entry, &error);
  if (status == TUPLET_NOT_FOUND) return -1;
  EXPECT(TUPLET_OK, status, error);
  int number = (int)entry->value.u64;
  tuplet_entry_free(entry);
  return number;
}

static void assert_sound(const char *path) {
  sqlite3 *sql = sql_open(path);
  char *sound = sql_rows(sql, "PRAGMA integrity_check");
  assert_string_equal(sound, "ok\n");
  free(sound);
  sql_close(sql);
}

/* How far the frames of the log's present round go; 0 when there is no log, or an empty one. */
static int64_t used_size(const char *path) {
  if (log_size(path) < LOG_HEADER_SIZE) return 0;
  char log_path[512];
  (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
  file_bytes log = file_read(log_path);
  const char *salts = log.data + 16;
  size_t used = LOG_HEADER_SIZE;
  while (used + FRAME_SIZE <= log.size && memcmp(log.data + used + 8, salts, 8) == 0) used += FRAME_SIZE;
  free(log.data);
  return (int64_t)used;
}

static int64_t room_of(const char *path) {
  return log_size(path) - used_size(path);
}

/* ---- How long ---- */

static void the_log_is_lengthened_in_steps(void **state) {
  const fixture *f = *state;
  enum { SETS = 400 };
  tuplet_db *db = db_open(f->path);
  set(db, 0, 0);
  assert_int_equal(room_of(f->path), 0); /* a database that is written to once stays as small as it is */
  int step_count = 0;
  int64_t size = log_size(f->path);
  for (int i = 1; i < SETS; i++) {
    set(db, i % 10, i);
    assert_in_range(room_of(f->path), 0, STEP_MAX + STEP_MIN);
    int64_t grown = log_size(f->path);
    if (grown == size) continue;
    assert_int_equal(grown % STEP_MIN, 0);
    assert_true(grown <= 2 * size || grown == STEP_MIN);
    step_count++;
    size = grown;
  }
  assert_true(used_size(f->path) > (int64_t)SETS * FRAME_SIZE);
  assert_in_range(step_count, 2, 4 + SETS * 2 * FRAME_SIZE / STEP_MAX);
  tuplet_close(db);
  assert_int_equal(log_size(f->path), -1);
}

static void a_log_that_starts_over_is_not_lengthened_again(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  for (int i = 0; i < 50; i++) set(db, i % 10, i);
  int64_t size = log_size(f->path);
  sql_run_on(f->path, "PRAGMA wal_checkpoint(RESTART)");
  for (int i = 0; i < 40; i++) set(db, i % 10, 50 + i);
  assert_true(used_size(f->path) < size);
  assert_int_equal(log_size(f->path), size);
  tuplet_close(db);
}

static void a_log_that_somebody_cut_gets_room_again(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 20; i++) set(db, i, round * 20 + i);
    assert_in_range(room_of(f->path), 1, STEP_MAX);
    sql_run_on(f->path, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(log_size(f->path), 0);
  }
  for (int i = 0; i < 20; i++) assert_int_equal(get(db, i), 80 + i);
  tuplet_close(db);
  assert_sound(f->path);
}

static void relaxed_durability_needs_no_room(void **state) {
  const fixture *f = *state;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.durability = TUPLET_DURABILITY_RELAXED;
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_open(f->path, &options, &db, &error), error);
  for (int i = 0; i < 20; i++) set(db, i, i);
  assert_int_equal(room_of(f->path), 0);
  tuplet_close(db);
}

/* Others that write to the same log find their place as ever. */
static void neighbours_write_behind_the_last_commit(void **state) {
  const fixture *f = *state;
  enum { ROUNDS = 100 };
  tuplet_db *db = db_open(f->path);
  sqlite3 *neighbour = sql_open(f->path);
  sql_run(neighbour, "CREATE TABLE theirs (number INTEGER)");
  for (int i = 0; i < ROUNDS; i++) {
    set(db, i, i);
    char sql[100];
    (void)snprintf(sql, sizeof sql, "INSERT INTO theirs VALUES (%d)", i);
    sql_run(neighbour, sql);
  }
  for (int i = 0; i < ROUNDS; i++) assert_int_equal(get(db, i), i);
  char *rows = sql_rows(neighbour, "SELECT count(DISTINCT number) FROM theirs");
  assert_string_equal(rows, "100\n");
  free(rows);
  sql_close(neighbour);
  tuplet_close(db);
  assert_sound(f->path);
}

/* ---- Disks that fail ---- */

static fault_vfs *vfs;

static void a_commit_goes_on_where_the_log_cannot_be_lengthened(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  set(db, 0, 0); /* the next one lengthens it */
  fault_vfs_fail(vfs, FAULT_WRITE, 1, 1, SQLITE_FULL);
  set(db, 0, 1);
  assert_true(fault_vfs_fired(vfs));
  /* Nor is it tried again at once: a commit is one write, and there are no others. */
  for (int i = 2; i < 10; i++) {
    uint64_t writes = fault_vfs_count(vfs, FAULT_WRITE);
    set(db, 0, i);
    assert_int_equal(fault_vfs_count(vfs, FAULT_WRITE) - writes, 1);
  }
  assert_int_equal(get(db, 0), 9);
  tuplet_close(db);
  assert_sound(f->path);
}

static void the_size_of_the_log_that_cannot_be_told_is_no_failure(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  set(db, 0, 0);
  fault_vfs_fail(vfs, FAULT_SIZE, 1, FAULT_FOREVER, SQLITE_IOERR);
  for (int i = 1; i < 10; i++) set(db, 0, i);
  assert_true(fault_vfs_fired(vfs));
  assert_int_equal(room_of(f->path), 0);
  fault_vfs_heal(vfs);
  tuplet_close(db);
}

static void room_serves_when_the_disk_is_full(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  for (int i = 0; i < 3; i++) set(db, i, i);
  int64_t room = room_of(f->path);
  assert_true(room > INT64_C(4) * FRAME_SIZE);
  fault_vfs_fill_disk(vfs);
  tuplet_error error = {0};
  int count = 3;
  while (try_set(db, count, count, &error) == TUPLET_OK) count++;
  assert_int_equal(error.status, TUPLET_FULL);
  assert_true(count >= 3 + (int)(room / (INT64_C(4) * FRAME_SIZE)));
  EXPECT(TUPLET_FULL, try_set(db, count, count, &error), error);
  fault_vfs_heal(vfs);
  set(db, count, count);
  for (int i = 0; i <= count; i++) assert_int_equal(get(db, i), i);
  tuplet_close(db);
  assert_sound(f->path);
}

static int write_below_limit(void *context) {
  const fixture *f = context;
  (void)signal(SIGXFSZ, SIG_DFL); /* whoever started the tests may have ignored it */
  tuplet_db *db = db_open(f->path);
  set(db, 0, 0);
  rlim_t size_max = (rlim_t)log_size(f->path) + UINT64_C(3) * FRAME_SIZE;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){size_max, size_max}), 0);
  set(db, 0, 1);
  bool is_lengthened = room_of(f->path) != 0;
  tuplet_close(db);
  return is_lengthened ? 1 : 0;
}

/* A program that writes past its limit is ended by a signal: not for the sake of room. */
static void the_log_is_not_lengthened_past_a_limit(void **state) {
  const fixture *f = *state;
  fixture copy = *f;
  assert_int_equal(child_wait(child_start(write_below_limit, &copy)), 0);
}

/* ---- Power cuts ---- */

enum { CUT_SETS = 6, CUT_ROUNDS = 3 };

/* Sets one row again and again, one commit each, while the log is lengthened, starts over and is written
 * over; returns the last number that was acknowledged. */
static int run_until_power_cut(const char *path) {
  int acknowledged = -1;
  tuplet_db *db = NULL;
  if (tuplet_open(path, NULL, &db, NULL) != TUPLET_OK) return acknowledged;
  for (int i = 0; i < CUT_ROUNDS * CUT_SETS; i++) {
    if (try_set(db, 0, i, NULL) == TUPLET_OK) acknowledged = i;
    if (i % CUT_SETS != CUT_SETS - 1) continue;
    sqlite3 *beside = NULL;
    if (sqlite3_open_v2(path, &beside, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
      (void)sqlite3_exec(beside, "PRAGMA wal_checkpoint(RESTART)", NULL, NULL, NULL);
    (void)sqlite3_close(beside);
  }
  tuplet_close(db);
  return acknowledged;
}

static void a_power_cut_at_any_write_loses_nothing_acknowledged(void **state) {
  const fixture *f = *state;
  for (fault_survival survival = FAULT_LOSE_UNSYNCED; survival <= FAULT_MIX_UNSYNCED; survival++) {
    bool fired = true;
    int n = 1;
    for (; fired; n += n < 30 ? 1 : 3) {
      fixture_empty(f);
      fault_vfs_track(vfs);
      fault_vfs_cut_power(vfs, FAULT_WRITE | FAULT_SYNC, n);
      int acknowledged = run_until_power_cut(f->path);
      fired = fault_vfs_fired(vfs);
      fault_vfs_restore(vfs, survival, (uint64_t)n);
      tuplet_db *db = db_open(f->path);
      int number = get(db, 0);
      assert_true(number >= acknowledged);
      if (!fired) assert_int_equal(acknowledged, CUT_ROUNDS * CUT_SETS - 1);
      tuplet_close(db);
      assert_sound(f->path);
    }
    assert_true(n > CUT_ROUNDS * CUT_SETS * 4); /* it happens everywhere */
  }
}

/* ---- Torn logs ---- */

typedef enum tear { TEAR_CUT, TEAR_ZEROS, TEAR_GARBAGE, TEAR_COUNT } tear;

/* The database and its log as they are now, and then anew with the log's end torn from `from` on. */
typedef struct image {
  file_bytes database, log;
} image;

static image image_take(const char *path) {
  char log_path[512];
  (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
  return (image){file_read(path), file_read(log_path)};
}

static void image_free(image *i) {
  free(i->database.data);
  free(i->log.data);
}

static void image_store(const image *i, const char *path, size_t from, tear how) {
  char *log = malloc(i->log.size + 1);
  assert_non_null(log);
  memcpy(log, i->log.data, i->log.size);
  size_t size = how == TEAR_CUT ? from : i->log.size;
  if (from < size) memset(log + from, how == TEAR_ZEROS ? 0 : 0xA5, size - from);
  char log_path[512];
  (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
  file_write(path, i->database.data, i->database.size);
  file_write(log_path, log, size);
  free(log);
}

/* `before` was acknowledged when the log went to `synced`, `after` when it went to `used`. */
static void assert_torn_anywhere(const char *path, const image *whole, int64_t synced, int64_t used,
                                 int before, int after) {
  assert_true(synced < used && used < (int64_t)whole->log.size);
  for (tear how = TEAR_CUT; how < TEAR_COUNT; how++) {
    size_t step = SECTOR_SIZE;
    for (size_t from = (size_t)synced; from <= whole->log.size; from += step) {
      if ((int64_t)from > used) step = (size_t)8 * SECTOR_SIZE; /* of no commit */
      image_store(whole, path, from, how);
      tuplet_db *db = db_open(path);
      assert_int_equal(get(db, 0), (int64_t)from < used ? before : after);
      set(db, 1, 1); /* and the log goes on behind that */
      assert_int_equal(get(db, 0), (int64_t)from < used ? before : after);
      tuplet_close(db);
      if (from / SECTOR_SIZE % 16 == 0) assert_sound(path);
    }
  }
}

static void a_torn_log_holds_all_that_was_synced(void **state) {
  const fixture *f = *state;
  char torn_path[sizeof f->path + 8];
  (void)snprintf(torn_path, sizeof torn_path, "%s.torn", f->path);
  tuplet_db *db = db_open(f->path);
  for (int i = 0; i < 5; i++) set(db, 0, i);
  int64_t synced = used_size(f->path);
  set(db, 0, 5);
  image whole = image_take(f->path);
  assert_torn_anywhere(torn_path, &whole, synced, used_size(f->path), 4, 5);
  image_free(&whole);

  /* The same with frames of the round before behind the last one. */
  sql_run_on(f->path, "PRAGMA wal_checkpoint(RESTART)");
  set(db, 0, 6);
  synced = used_size(f->path);
  set(db, 0, 7);
  whole = image_take(f->path);
  assert_torn_anywhere(torn_path, &whole, synced, used_size(f->path), 6, 7);
  image_free(&whole);
  tuplet_close(db);
}

static int setup_vfs(void **state) {
  vfs = fault_vfs_new();
  return fixture_setup(state);
}

static int teardown_vfs(void **state) {
  int rc = fixture_teardown(state);
  fault_vfs_free(vfs);
  return rc;
}

int main(void) {
#define TEST(name)       cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_vfs, teardown_vfs)
  const struct CMUnitTest tests[] = {
      TEST(the_log_is_lengthened_in_steps),
      TEST(a_log_that_starts_over_is_not_lengthened_again),
      TEST(a_log_that_somebody_cut_gets_room_again),
      TEST(relaxed_durability_needs_no_room),
      TEST(neighbours_write_behind_the_last_commit),
      FAULT_TEST(a_commit_goes_on_where_the_log_cannot_be_lengthened),
      FAULT_TEST(the_size_of_the_log_that_cannot_be_told_is_no_failure),
      FAULT_TEST(room_serves_when_the_disk_is_full),
      TEST(the_log_is_not_lengthened_past_a_limit),
      FAULT_TEST(a_power_cut_at_any_write_loses_nothing_acknowledged),
      FAULT_TEST(a_torn_log_holds_all_that_was_synced),
  };
  return cmocka_run_group_tests_name("log_room", tests, NULL, NULL);
}

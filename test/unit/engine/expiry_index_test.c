/* expiry_index_test.c: the index of expiries is not written when a write keeps the expiry, and is right when
 * it does not. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t HOUR_MS = 3600000;

/* The pages that the log got from `*place` on, as a set of page numbers below 64; *place is then its end. */
static uint64_t pages_logged(const char *path, int64_t *place) {
  enum { LOG_HEADER_SIZE = 32, FRAME_HEADER_SIZE = 24, PAGE_SIZE = 4096 };
  char log_path[512];
  (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
  file_bytes log = file_read(log_path);
  uint64_t pages = 0;
  if (*place == 0) *place = LOG_HEADER_SIZE;
  for (; *place + FRAME_HEADER_SIZE <= (int64_t)log.size; *place += FRAME_HEADER_SIZE + PAGE_SIZE) {
    const uint8_t *frame = (const uint8_t *)log.data + *place;
    uint32_t page = (uint32_t)frame[0] << 24 | (uint32_t)frame[1] << 16 | (uint32_t)frame[2] << 8 | frame[3];
    if (page == 0) break; /* room ahead */
    assert_in_range(page, 1, 63);
    pages |= UINT64_C(1) << page;
  }
  free(log.data);
  return pages;
}

static uint64_t root_page(const char *path, const char *name) {
  char sql[100];
  (void)snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", name);
  return UINT64_C(1) << sql_integer_on(path, sql);
}

static void set_expiring(tuplet_db *db, int64_t expire_in_ms) {
  tuplet_error error = {0};
  EXPECT(
      TUPLET_OK,
      tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64((uint64_t)expire_in_ms), expire_in_ms, NULL, &error),
      error);
}

static void a_write_that_keeps_the_expiry_leaves_the_index_alone(void **state) {
  const fixture *f = *state;
  tuplet_close(db_open(f->path));
  uint64_t index = root_page(f->path, "kv_expiration_ms_idx");
  uint64_t rows = root_page(f->path, "kv");
  tuplet_db *db = db_open(f->path);
  int64_t place = 0;
  set_expiring(db, TUPLET_NEVER);
  assert_int_equal(pages_logged(f->path, &place) & (index | rows), index | rows); /* it is new in both */

  set_expiring(db, TUPLET_NEVER);
  assert_int_equal(pages_logged(f->path, &place) & (index | rows), rows);

  tuplet_atomic *atomic = tuplet_atomic_new(db);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("a"), 1, &error), error);
  EXPECT(TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &error), error);
  tuplet_atomic_free(atomic);
  assert_int_equal(pages_logged(f->path, &place) & (index | rows), rows);

  set_expiring(db, HOUR_MS);
  assert_int_equal(pages_logged(f->path, &place) & (index | rows), index | rows);

  set_expiring(db, TUPLET_NEVER);
  assert_int_equal(pages_logged(f->path, &place) & (index | rows), index | rows);
  tuplet_close(db);
}

/* What the index itself has, as "how many|with an expiry", and whether it agrees with the rows. */
static void assert_index(const char *path, const char *expected) {
  sqlite3 *db = sql_open(path);
  char *rows = sql_rows(db, "SELECT count(*), sum(expiration_ms > 0) FROM kv INDEXED BY kv_expiration_ms_idx"
                            " WHERE expiration_ms >= -1");
  assert_string_equal(rows, expected);
  free(rows);
  char *sound = sql_rows(db, "PRAGMA integrity_check");
  assert_string_equal(sound, "ok\n");
  free(sound);
  sql_close(db);
}

static void the_index_follows_the_expiry(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  set_expiring(db, TUPLET_NEVER);
  assert_index(f->path, "1|0\n");
  set_expiring(db, HOUR_MS);
  assert_index(f->path, "1|1\n");
  set_expiring(db, 2 * HOUR_MS);
  assert_index(f->path, "1|1\n");
  assert_true(sql_integer_on(f->path, "SELECT min(expiration_ms) - strftime('%s', 'now') * 1000 FROM kv") >
              HOUR_MS);

  /* A sum drops the expiry. */
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  EXPECT(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("a"), 1, &error), error);
  EXPECT(TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &error), error);
  tuplet_atomic_free(atomic);
  assert_index(f->path, "1|0\n");

  set_expiring(db, HOUR_MS);
  EXPECT(TUPLET_OK, tuplet_delete(db, TUPLET_KEY("a"), NULL, &error), error);
  assert_index(f->path, "0|NULL\n");
  tuplet_close(db);
}

/* Random writes of all kinds agree with a simple count of them. */
static void the_index_agrees_with_the_rows_after_many_writes(void **state) {
  const fixture *f = *state;
  enum { KEYS = 40, WRITES = 300 };
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  int state_of[KEYS] = {0}; /* 0 absent, 1 for ever, 2 with an expiry */
  uint32_t random = 7;
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  for (int i = 0; i < WRITES; i++) {
    random = random * 1664525 + 1013904223;
    int key = (int)(random >> 8) % KEYS;
    int next = (int)(random >> 20) % 3;
    tuplet_status status = next == 0 ? tuplet_atomic_delete(atomic, TUPLET_KEY(key), &error)
                                     : tuplet_atomic_set(atomic, TUPLET_KEY(key), tuplet_value_u64(1),
                                                         next == 1 ? TUPLET_NEVER : HOUR_MS + i, &error);
    EXPECT(TUPLET_OK, status, error);
    state_of[key] = next;
    if (i % 7 != 0 && i != WRITES - 1) continue;
    EXPECT(TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &error), error);
    tuplet_atomic_free(atomic);
    atomic = tuplet_atomic_new(db);
  }
  tuplet_atomic_free(atomic);
  tuplet_close(db);
  int present = 0, expiring = 0;
  for (int i = 0; i < KEYS; i++) {
    if (state_of[i] > 0) present++;
    if (state_of[i] == 2) expiring++;
  }
  char expected[40];
  (void)snprintf(expected, sizeof expected, "%d|%d\n", present, expiring);
  assert_index(f->path, expected);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_write_that_keeps_the_expiry_leaves_the_index_alone),
      TEST(the_index_follows_the_expiry),
      TEST(the_index_agrees_with_the_rows_after_many_writes),
  };
  return cmocka_run_group_tests_name("expiry_index", tests, NULL, NULL);
}

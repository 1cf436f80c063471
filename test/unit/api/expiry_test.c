/* expiry_test.c: entries that expire are absent to everything from then on, and their rows go soon after. The
 * very millisecond is tested with a clock that stands still: ../store/expiry_test.c. */
#include "support/database.h"

#include "support/latch.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first column of the first row, from the file itself. */
static int64_t query(const database *d, const char *sql) {
  sqlite3 *file = NULL;
  sqlite3_stmt *statement = NULL;
  int64_t result = -100;
  if (sqlite3_open_v2(d->path, &file, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
      sqlite3_busy_timeout(file, 10000) == SQLITE_OK &&
      sqlite3_prepare_v2(file, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    result = sqlite3_column_int64(statement, 0);
  }
  (void)sqlite3_finalize(statement);
  (void)sqlite3_close_v2(file);
  return result;
}

/* False when it does not come to that within a minute. */
static bool comes_to(const database *d, const char *sql, int64_t wanted) {
  for (int i = 0; i < 6000; i++) {
    if (query(d, sql) == wanted) return true;
    (void)usleep(10000);
  }
  return false;
}

/* ---- Absent ---- */

static void what_expires_at_once_was_never_there(void **state) {
  database *d = *state;
  const tuplet_key keys[] = {TUPLET_KEY("a", 1), TUPLET_KEY("a", 2)};
  put_text(d, keys[1], "stays");
  for (int round = 0; round < 2; round++) { /* as a new entry, and over one that was there */
    EXPECT(d, TUPLET_OK, tuplet_set(d->db, keys[0], text_value("gone"), 0, NULL, &d->error));
    expect_absent(d, keys[0]);
    tuplet_entries *entries = NULL;
    EXPECT(d, TUPLET_OK, tuplet_get_many(d->db, keys, 2, TUPLET_CONSISTENCY_STRONG, &entries, &d->error));
    assert_false(entries->items[0].exists);
    assert_true(entries->items[1].exists);
    tuplet_entries_free(entries);

    const tuplet_selector selector = {.prefix = &TUPLET_KEY("a")};
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.limit = 1; /* what is gone does not count */
    tuplet_list *list = NULL;
    const tuplet_entry *entry = NULL;
    EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &selector, &options, &list, &d->error));
    EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));
    assert_true(is_text(entry, "stays"));
    EXPECT(d, TUPLET_DONE, tuplet_list_next(list, &entry, &d->error));
    tuplet_list_close(list);

    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    (void)tuplet_atomic_check(atomic, keys[0], NULL, NULL);
    (void)tuplet_atomic_set(atomic, keys[0], text_value("there"), TUPLET_NEVER, NULL);
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
    tuplet_atomic_free(atomic);
    expect_text(d, d->db, keys[0], "there");
  }
}

static void counters_start_anew_after_expiry(void **state) {
  database *d = *state;
  for (int i = 0; i < 3; i++) {
    EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_u64(50), 0, NULL, &d->error));
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    if (i == 0) (void)tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 3, NULL);
    if (i == 1) (void)tuplet_atomic_min(atomic, TUPLET_KEY("k"), 60, NULL);
    if (i == 2) (void)tuplet_atomic_max(atomic, TUPLET_KEY("k"), 2, NULL);
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
    tuplet_atomic_free(atomic);
    expect_u64(d, TUPLET_KEY("k"), i == 0 ? 3 : i == 1 ? 60 : 2);
  }
}

/* Whatever the machine's speed: found only before the expiry, absent only from it on. */
static void an_entry_is_there_until_its_time_and_not_after(void **state) {
  database *d = *state;
  enum { EXPIRE_IN_MS = 40 };
  int64_t earliest = now_ms() + EXPIRE_IN_MS;
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), text_value("v"), EXPIRE_IN_MS, NULL, &d->error));
  int64_t latest = now_ms() + EXPIRE_IN_MS;
  for (;;) {
    tuplet_entry *entry = NULL;
    int64_t before = now_ms();
    tuplet_status status = tuplet_get(d->db, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &entry, &d->error);
    tuplet_entry_free(entry);
    if (status == TUPLET_NOT_FOUND) break;
    EXPECT(d, TUPLET_OK, status);
    assert_true(before < latest);
  }
  assert_true(now_ms() >= earliest);
}

static void a_watch_delivers_the_disappearance(void **state) {
  database *d = *state;
  enum { LONG_MS = 60000 };
  const tuplet_key keys[] = {TUPLET_KEY("stays"), TUPLET_KEY("goes")};
  tuplet_watch *watch = NULL;
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, keys, 2, &watch, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, keys[0], text_value("v"), TUPLET_NEVER, NULL, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, keys[1], text_value("v"), 150, NULL, &d->error));
  do { /* on a slow machine it may be gone before it was seen */
    EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  } while (entries->items[1].exists);
  assert_true(is_text(&entries->items[0], "v"));
  EXPECT(d, TUPLET_TIMEOUT, tuplet_watch_next(watch, 0, &entries, &d->error));
  tuplet_watch_close(watch);
}

static void a_watch_sees_what_another_handle_lets_expire(void **state) {
  database *d = *state;
  enum { LONG_MS = 60000 };
  tuplet_db *other = open_another(d);
  EXPECT(d, TUPLET_OK, tuplet_set(other, TUPLET_KEY("k"), text_value("v"), 3600000, NULL, &d->error));
  tuplet_watch *watch = NULL;
  const tuplet_entries *entries = NULL;
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, &TUPLET_KEY("k"), 1, &watch, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  assert_true(entries->items[0].exists);
  EXPECT(d, TUPLET_OK, tuplet_set(other, TUPLET_KEY("k"), text_value("w"), 150, NULL, &d->error));
  do {
    EXPECT(d, TUPLET_OK, tuplet_watch_next(watch, LONG_MS, &entries, &d->error));
  } while (entries->items[0].exists);
  tuplet_watch_close(watch);
  tuplet_close(other);
}

/* ---- The expiry of later writes ---- */

static void the_last_write_decides_the_expiry(void **state) {
  database *d = *state;
  static const char expiry[] = "SELECT expiration_ms FROM kv";
  int64_t before = now_ms();
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_u64(1), 3600000, NULL, &d->error));
  int64_t stored = query(d, expiry);
  assert_true(stored >= before + 3600000 && stored <= now_ms() + 3600000);
  (void)put(d, TUPLET_KEY("k"), tuplet_value_u64(1)); /* without an expiry: drops it */
  assert_int_equal(query(d, expiry), -1);
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_u64(1), 7200000, NULL, &d->error));
  assert_true(query(d, expiry) >= before + 7200000);
  for (int i = 0; i < 3; i++) {
    EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("k"), tuplet_value_u64(1), 3600000, NULL, &d->error));
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    if (i == 0) (void)tuplet_atomic_sum(atomic, TUPLET_KEY("k"), 1, NULL);
    if (i == 1) (void)tuplet_atomic_min(atomic, TUPLET_KEY("k"), 1, NULL);
    if (i == 2) (void)tuplet_atomic_max(atomic, TUPLET_KEY("k"), 1, NULL);
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
    tuplet_atomic_free(atomic);
    assert_int_equal(query(d, expiry), -1);
  }
}

/* ---- Rows ---- */

static void rows_are_removed_soon(void **state) {
  database *d = *state;
  static const char rows[] = "SELECT count(*) FROM kv";
  for (int i = 0; i < 10; i++)
    EXPECT(d, TUPLET_OK,
           tuplet_set(d->db, TUPLET_KEY("soon", i), text_value("v"), (int64_t)30 * i, NULL, &d->error));
  put_text(d, TUPLET_KEY("stays"), "v");
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, TUPLET_KEY("later"), text_value("v"), 3600000, NULL, &d->error));
  assert_true(comes_to(d, rows, 2));
  expect_text(d, d->db, TUPLET_KEY("later"), "v");
}

static void rows_that_expired_while_closed_are_removed(void **state) {
  database *d = *state;
  static const char rows[] = "SELECT count(*) FROM kv";
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  for (int i = 0; i < 600; i++) /* more than one step of the sweep */
    (void)tuplet_atomic_set(atomic, TUPLET_KEY("k", i), text_value("v"), 3600000, NULL);
  EXPECT(d, TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_atomic_free(atomic);
  tuplet_close(d->db);
  sqlite3 *file = NULL;
  assert_int_equal(sqlite3_open(d->path, &file), SQLITE_OK);
  assert_int_equal(sqlite3_exec(file, "UPDATE kv SET expiration_ms = 1000", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(file), SQLITE_OK);
  d->db = open_another(d);
  expect_absent(d, TUPLET_KEY("k", 0));
  assert_true(comes_to(d, rows, 0));
}

static void a_read_only_handle_hides_and_leaves_them(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_close(d->db);
  sqlite3 *file = NULL;
  assert_int_equal(sqlite3_open(d->path, &file), SQLITE_OK);
  assert_int_equal(sqlite3_exec(file, "UPDATE kv SET expiration_ms = 1000", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(file), SQLITE_OK);
  tuplet_open_options options = quick_options();
  options.read_only = true;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &d->db, &d->error));
  expect_absent(d, TUPLET_KEY("k"));
  assert_int_equal(query(d, "SELECT count(*) FROM kv"), 1);
}

/* ---- Beside a writer ---- */

enum { ROWS = 20000, ROWS_PER_WRITE = 1000 };

static void on_commit(void *context, tuplet_status status, const tuplet_commit *commit,
                      const tuplet_error *error) {
  (void)commit, (void)error;
  if (status == TUPLET_OK) latch_add(context);
}

/* Many rows expire at once; gives how many writes got through before the last of them was removed. */
static int writes_beside_a_sweep(database *d) {
  latch written = LATCH_INIT;
  for (int i = 0; i < ROWS; i += ROWS_PER_WRITE) {
    tuplet_atomic *atomic = tuplet_atomic_new(d->db);
    for (int j = 0; j < ROWS_PER_WRITE; j++)
      (void)tuplet_atomic_set(atomic, TUPLET_KEY("k", i + j), text_value("v"), 0, NULL);
    EXPECT(d, TUPLET_OK, tuplet_atomic_commit_async(atomic, on_commit, &written, &d->error));
  }
  assert_true(latch_wait(&written, ROWS / ROWS_PER_WRITE));
  int writes = 0;
  do {
    put_text(d, TUPLET_KEY("other"), "v");
    writes++;
  } while (query(d, "SELECT count(*) FROM kv WHERE expiration_ms >= 0") > 0 && writes < 1000000);
  return writes;
}

/* Each step of the sweep removes few rows and shares its commit with the writes that came meanwhile, so that
 * a writer goes on between the steps. A machine that gives the writer no turn at all gets another chance. */
static void thousands_of_expiries_do_not_hold_a_writer_up(void **state) {
  database *d = *state;
  int writes = 0;
  for (int attempt = 0; writes < 5 && attempt < 3; attempt++) writes = writes_beside_a_sweep(d);
  assert_true(writes >= 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(what_expires_at_once_was_never_there),
      ON_BOTH(counters_start_anew_after_expiry),
      ON_BOTH(an_entry_is_there_until_its_time_and_not_after),
      ON_BOTH(a_watch_delivers_the_disappearance),
      ON_FILE(a_watch_sees_what_another_handle_lets_expire),
      ON_FILE(the_last_write_decides_the_expiry),
      ON_FILE(rows_are_removed_soon),
      ON_FILE(rows_that_expired_while_closed_are_removed),
      ON_FILE(a_read_only_handle_hides_and_leaves_them),
      ON_FILE(thousands_of_expiries_do_not_hold_a_writer_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* group_commit_test.c: writes that wait share one transaction and one sync, and yet each stands alone. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fault_vfs *vfs;

/* ---- What SQLite is told, on every connection of the process ---- */

static struct {
  atomic_int begins;
  atomic_int version_updates;
  atomic_int pages_max; /* of the database; 0: no limit */
} sqlite_watch;

static int on_statement(unsigned type, void *context, void *statement, void *sql) {
  (void)type;
  (void)context;
  (void)statement;
  if (strncmp(sql, "BEGIN IMMEDIATE", 15) == 0) (void)atomic_fetch_add(&sqlite_watch.begins, 1);
  if (strncmp(sql, "UPDATE data_version", 19) == 0) (void)atomic_fetch_add(&sqlite_watch.version_updates, 1);
  return 0;
}

static int on_connection(sqlite3 *db, const char **ret_error, const struct sqlite3_api_routines *api) {
  (void)ret_error;
  (void)api;
  int pages_max = atomic_load(&sqlite_watch.pages_max);
  if (pages_max > 0) {
    char sql[60];
    (void)snprintf(sql, sizeof sql, "PRAGMA max_page_count = %d", pages_max);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK) return rc;
  }
  return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

/* SQLite takes the entry point as a pointer to a function of no arguments. */
static void (*connection_hook(void))(void) {
  union {
    int (*typed)(sqlite3 *, const char **, const struct sqlite3_api_routines *);
    void (*untyped)(void);
  } hook = {.typed = on_connection};
  return hook.untyped;
}

/* ---- Forming a group: the sync of a first write is held until the others wait behind it ---- */

typedef struct gate {
  latch entered;
  latch released;
} gate;

static void hold(void *context) {
  gate *g = context;
  latch_count_down(&g->entered);
  latch_wait(&g->released);
}

typedef struct outcome {
  latch *pending;
  tuplet_status status;
  tuplet_commit commit;
  tuplet_error error;
} outcome;

static void on_committed(void *context, tuplet_status status, const tuplet_commit *commit,
                         const tuplet_error *error) {
  outcome *o = context;
  o->status = status;
  o->commit = *commit;
  o->error = *error;
  latch_count_down(o->pending);
}

/* Commits operations as one group (as long as it takes no more than a group may hold), in their order. */
static void commit_together(tuplet_db *db, tuplet_atomic **atomics, outcome *outcomes, size_t count) {
  gate g;
  latch pending;
  outcome first = {.pending = &pending};
  latch_init(&g.entered, 1);
  latch_init(&g.released, 1);
  latch_init(&pending, (int)count + 1);
  fault_vfs_on_sync(vfs, hold, &g);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK,
         tuplet_set_async(db, TUPLET_KEY("first"), tuplet_value_u64(0), TUPLET_NEVER, on_committed, &first,
                          &error),
         error);
  latch_wait(&g.entered);
  fault_vfs_on_sync(vfs, NULL, NULL);
  for (size_t i = 0; i < count; i++) {
    outcomes[i] = (outcome){.pending = &pending};
    EXPECT(TUPLET_OK, tuplet_atomic_commit_async(atomics[i], on_committed, &outcomes[i], &error), error);
  }
  latch_count_down(&g.released);
  latch_wait(&pending);
  EXPECT(TUPLET_OK, first.status, first.error);
  latch_done(&g.entered);
  latch_done(&g.released);
  latch_done(&pending);
}

static uint64_t stored_counter(tuplet_db *db, tuplet_key key) {
  tuplet_entry *entry;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_get(db, key, TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
  uint64_t counter = 0;
  assert_int_equal(entry->value.encoding, TUPLET_ENCODING_LE64);
  memcpy(&counter, entry->value.data.data, sizeof counter);
  tuplet_entry_free(entry);
  return counter;
}

/* ---- Sharing ---- */

/* `groups`: how many groups so many writes make. */
static void assert_shared(const fixture *f, size_t count, int groups) {
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_set(db, TUPLET_KEY("before"), tuplet_value_u64(0), TUPLET_NEVER, NULL, &error),
         error);
  tuplet_atomic **atomics = calloc(count, sizeof(tuplet_atomic *));
  outcome *outcomes = calloc(count, sizeof *outcomes);
  assert_non_null(atomics);
  assert_non_null(outcomes);
  for (size_t i = 0; i < count; i++) {
    atomics[i] = tuplet_atomic_new(db);
    EXPECT(TUPLET_OK, tuplet_atomic_set(atomics[i], TUPLET_KEY(i), tuplet_value_u64(i), TUPLET_NEVER, &error),
           error);
  }
  uint64_t syncs = fault_vfs_count(vfs, FAULT_SYNC);
  int begins = atomic_load(&sqlite_watch.begins);
  int updates = atomic_load(&sqlite_watch.version_updates);
  commit_together(db, atomics, outcomes, count);
  /* And one for the write that held the gate. */
  assert_int_equal(fault_vfs_count(vfs, FAULT_SYNC) - syncs, groups + 1);
  assert_int_equal(atomic_load(&sqlite_watch.begins) - begins, groups + 1);
  assert_int_equal(atomic_load(&sqlite_watch.version_updates) - updates, groups + 1);
  int64_t last = 0;
  for (size_t i = 0; i < count; i++) {
    EXPECT(TUPLET_OK, outcomes[i].status, outcomes[i].error);
    int64_t version = version_of(&outcomes[i].commit.versionstamp);
    assert_true(version > last);
    last = version;
  }
  tuplet_close(db);
  assert_int_equal(sql_integer_on(f->path, "SELECT version FROM data_version"), last);
  assert_int_equal(sql_integer_on(f->path, "SELECT count(*) FROM kv"), count + 2);
  free(atomics);
  free(outcomes);
}

static void writes_that_wait_share_a_sync(void **state) {
  assert_shared(*state, 300, 1);
}

static void a_group_has_a_largest_size(void **state) {
  assert_shared(*state, 700, 2);
}

enum { THREAD_COUNT = 64, WRITES_EACH = 10 };

typedef struct writer {
  tuplet_db *db;
  int number;
  int64_t versions[WRITES_EACH];
} writer;

static void *write_some(void *context) {
  writer *w = context;
  for (int i = 0; i < WRITES_EACH; i++) {
    tuplet_versionstamp versionstamp;
    tuplet_status status =
        tuplet_set(w->db, TUPLET_KEY(w->number, i), tuplet_value_u64(1), TUPLET_NEVER, &versionstamp, NULL);
    w->versions[i] = status == TUPLET_OK ? version_of(&versionstamp) : -1;
  }
  return NULL;
}

static void take_a_while(void *context) {
  (void)context;
  sleep_ms(1);
}

static int compare_versions(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return left < right ? -1 : left > right;
}

static void threads_that_write_at_once_share_syncs(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  fault_vfs_on_sync(vfs, take_a_while, NULL);
  uint64_t syncs = fault_vfs_count(vfs, FAULT_SYNC);
  writer writers[THREAD_COUNT];
  pthread_t threads[THREAD_COUNT];
  for (int i = 0; i < THREAD_COUNT; i++) {
    writers[i] = (writer){.db = db, .number = i};
    thread_start(&threads[i], write_some, &writers[i]);
  }
  int64_t versions[THREAD_COUNT * WRITES_EACH];
  for (int i = 0; i < THREAD_COUNT; i++) {
    thread_join(threads[i]);
    for (int j = 0; j < WRITES_EACH; j++) {
      versions[i * WRITES_EACH + j] = writers[i].versions[j];
      assert_true(writers[i].versions[j] > (j == 0 ? 0 : writers[i].versions[j - 1]));
    }
  }
  syncs = fault_vfs_count(vfs, FAULT_SYNC) - syncs;
  assert_in_range(syncs, 1, THREAD_COUNT * WRITES_EACH / 3);
  qsort(versions, sizeof versions / sizeof versions[0], sizeof versions[0], compare_versions);
  for (int i = 1; i < THREAD_COUNT * WRITES_EACH; i++) assert_true(versions[i] > versions[i - 1]);
  tuplet_close(db);
}

/* ---- Standing alone ---- */

enum { MEMBER_COUNT = 7 };

/* Every member counts, the one in the middle in a way that fails, and the one after it checks wrongly. */
static void commit_with_a_bad_member(tuplet_db *db, tuplet_key bad_key, tuplet_value bad_value, bool bad_sum,
                                     outcome outcomes[MEMBER_COUNT]) {
  tuplet_atomic *atomics[MEMBER_COUNT];
  tuplet_error error = {0};
  for (int i = 0; i < MEMBER_COUNT; i++) {
    atomics[i] = tuplet_atomic_new(db);
    EXPECT(TUPLET_OK, tuplet_atomic_sum(atomics[i], TUPLET_KEY("count"), 1, &error), error);
    EXPECT(TUPLET_OK,
           tuplet_atomic_set(atomics[i], TUPLET_KEY("member", i), tuplet_value_u64(1), TUPLET_NEVER, &error),
           error);
  }
  tuplet_atomic *bad = atomics[MEMBER_COUNT / 2];
  if (bad_sum) {
    EXPECT(TUPLET_OK, tuplet_atomic_sum(bad, bad_key, 1, &error), error);
  } else {
    EXPECT(TUPLET_OK, tuplet_atomic_set(bad, bad_key, bad_value, TUPLET_NEVER, &error), error);
  }
  EXPECT(TUPLET_OK, tuplet_atomic_check(atomics[MEMBER_COUNT / 2 + 1], TUPLET_KEY("member", 0), NULL, &error),
         error);
  commit_together(db, atomics, outcomes, MEMBER_COUNT);
}

static void assert_neighbours_unharmed(tuplet_db *db, const outcome outcomes[MEMBER_COUNT],
                                       tuplet_status bad) {
  int64_t last = 0;
  for (int i = 0; i < MEMBER_COUNT; i++) {
    tuplet_status expected = i == MEMBER_COUNT / 2       ? bad
                             : i == MEMBER_COUNT / 2 + 1 ? TUPLET_CONFLICT
                                                         : TUPLET_OK;
    EXPECT(expected, outcomes[i].status, outcomes[i].error);
    assert_int_equal(outcomes[i].error.status, expected < 0 ? expected : TUPLET_OK);
    assert_int_equal(outcomes[i].error.message[0] != '\0', expected < 0);
    assert_int_equal(outcomes[i].commit.failed_check_count, expected == TUPLET_CONFLICT);
    if (expected != TUPLET_OK) continue;
    int64_t version = version_of(&outcomes[i].commit.versionstamp);
    assert_true(version > last);
    last = version;
  }
  assert_int_equal(stored_counter(db, TUPLET_KEY("count")), MEMBER_COUNT - 2);
  tuplet_entry *entry;
  tuplet_error error = {0};
  EXPECT(TUPLET_NOT_FOUND,
         tuplet_get(db, TUPLET_KEY("member", MEMBER_COUNT / 2), TUPLET_CONSISTENCY_STRONG, &entry, &error),
         error);
}

static void a_member_of_the_wrong_type_harms_nobody(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_key key = TUPLET_KEY("text");
  EXPECT(TUPLET_OK, tuplet_set(db, key, tuplet_value_bytes("x", 1), TUPLET_NEVER, NULL, &error), error);
  outcome outcomes[MEMBER_COUNT];
  commit_with_a_bad_member(db, key, (tuplet_value){0}, true, outcomes);
  assert_neighbours_unharmed(db, outcomes, TUPLET_TYPE);
  tuplet_close(db);
}

/* SQLite fails the statement, and with it the transaction: the others go again, each by itself. */
static void a_member_without_room_on_the_disk_harms_nobody(void **state) {
  const fixture *f = *state;
  tuplet_close(db_open(f->path));
  atomic_store(&sqlite_watch.pages_max, 14); /* the file has 9 */
  tuplet_db *db = db_open(f->path);
  static const uint8_t large[60000];
  outcome outcomes[MEMBER_COUNT];
  commit_with_a_bad_member(db, TUPLET_KEY("large"), tuplet_value_bytes(large, sizeof large), false, outcomes);
  assert_neighbours_unharmed(db, outcomes, TUPLET_FULL);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_set(db, TUPLET_KEY("later"), tuplet_value_u64(0), TUPLET_NEVER, NULL, &error),
         error);
  tuplet_close(db);
}

static void a_disk_that_fails_once_harms_nobody(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_key key = TUPLET_KEY("text");
  EXPECT(TUPLET_OK, tuplet_set(db, key, tuplet_value_bytes("x", 1), TUPLET_NEVER, NULL, &error), error);
  outcome outcomes[MEMBER_COUNT];
  fault_vfs_fail(vfs, FAULT_SYNC, 2, 1, SQLITE_IOERR); /* the group's; the first is the gate's */
  commit_with_a_bad_member(db, key, (tuplet_value){0}, true, outcomes);
  assert_true(fault_vfs_fired(vfs));
  assert_neighbours_unharmed(db, outcomes, TUPLET_TYPE);
  tuplet_close(db);
}

static void a_member_sees_what_those_before_it_did(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  enum { COUNT = 3 };
  tuplet_atomic *atomics[COUNT];
  tuplet_error error = {0};
  for (int i = 0; i < COUNT; i++) {
    atomics[i] = tuplet_atomic_new(db);
    EXPECT(TUPLET_OK, tuplet_atomic_sum(atomics[i], TUPLET_KEY("count"), 5, &error), error);
  }
  /* Only one of two can be the first to make it. */
  for (int i = 0; i < 2; i++) {
    EXPECT(TUPLET_OK, tuplet_atomic_check(atomics[i], TUPLET_KEY("count"), NULL, &error), error);
  }
  outcome outcomes[COUNT];
  commit_together(db, atomics, outcomes, COUNT);
  EXPECT(TUPLET_OK, outcomes[0].status, outcomes[0].error);
  EXPECT(TUPLET_CONFLICT, outcomes[1].status, outcomes[1].error);
  EXPECT(TUPLET_OK, outcomes[2].status, outcomes[2].error);
  assert_int_equal(stored_counter(db, TUPLET_KEY("count")), 10);
  tuplet_close(db);
}

static int setup(void **state) {
  atomic_store(&sqlite_watch.pages_max, 0);
  vfs = fault_vfs_new();
  return sqlite3_auto_extension(connection_hook()) == SQLITE_OK ? fixture_setup(state) : -1;
}

static int teardown(void **state) {
  int rc = fixture_teardown(state);
  sqlite3_reset_auto_extension();
  fault_vfs_free(vfs);
  return rc;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(writes_that_wait_share_a_sync),
      TEST(a_group_has_a_largest_size),
      TEST(threads_that_write_at_once_share_syncs),
      TEST(a_member_of_the_wrong_type_harms_nobody),
      TEST(a_member_without_room_on_the_disk_harms_nobody),
      TEST(a_disk_that_fails_once_harms_nobody),
      TEST(a_member_sees_what_those_before_it_did),
  };
  return cmocka_run_group_tests_name("group_commit", tests, NULL, NULL);
}

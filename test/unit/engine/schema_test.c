/* schema_test.c: the file is a Deno KV file: new ones, old ones, and several processes making one. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The tables as the format's older versions had them. */
static const char version_1[] =
    "CREATE TABLE migration_state (k integer not null primary key, version integer not null);"
    "INSERT INTO migration_state VALUES (0, 1);"
    "CREATE TABLE data_version (k integer primary key, version integer not null);"
    "INSERT INTO data_version VALUES (0, 41);"
    "CREATE TABLE kv (k blob primary key, v blob not null, v_encoding integer not null,"
    " version integer not null) WITHOUT ROWID;"
    "INSERT INTO kv VALUES (x'026100', x'0102', 3, 7), (x'026200', x'0500000000000000', 2, 41);";
static const char version_2[] =
    "UPDATE migration_state SET version = 2;"
    "CREATE TABLE queue (ts integer not null, id text not null, data blob not null,"
    " backoff_schedule text not null, keys_if_undelivered blob not null, primary key (ts, id));"
    "CREATE TABLE queue_running (deadline integer not null, id text not null, data blob not null,"
    " backoff_schedule text not null, keys_if_undelivered blob not null, primary key (deadline, id));"
    "INSERT INTO queue VALUES (4000000000000, 'id', x'5f', '[100]', '[]');";

static void make_deno_file(const char *path) {
  file_bytes sql = file_read(TEST_VECTORS "/deno.sql");
  sql_run_on(path, "PRAGMA journal_mode = WAL");
  sql_run_on(path, sql.data);
  free(sql.data);
}

static void assert_same_schema_as_denos(const fixture *f) {
  char deno_path[160];
  (void)snprintf(deno_path, sizeof deno_path, "%s/deno.sqlite", f->folder);
  make_deno_file(deno_path);
  char *expected = sql_schema_on(deno_path);
  char *schema = sql_schema_on(f->path);
  assert_non_null(strstr(expected, "column|kv|5|expiration_ms|INTEGER|1|-1|0")); /* it is no empty text */
  assert_string_equal(schema, expected);
  free(schema);
  free(expected);
}

static void assert_rows(const char *path, const char *query, const char *expected) {
  sqlite3 *db = sql_open(path);
  char *rows = sql_rows(db, query);
  assert_string_equal(rows, expected);
  free(rows);
  sql_close(db);
}

/* ---- New files ---- */

static void a_new_file_has_denos_tables(void **state) {
  fixture *f = *state;
  tuplet_close(db_open(f->path));
  assert_same_schema_as_denos(f);
  assert_rows(f->path,
              "SELECT k, version FROM migration_state UNION ALL SELECT k, version + seq FROM data_version",
              "0|3\n0|0\n");
  assert_rows(f->path, "PRAGMA journal_mode", "wal\n");
}

static void an_empty_file_is_a_new_file(void **state) {
  fixture *f = *state;
  file_write(f->path, "", 0);
  tuplet_close(db_open(f->path));
  assert_same_schema_as_denos(f);
}

static void opening_again_changes_nothing(void **state) {
  fixture *f = *state;
  tuplet_close(db_open(f->path));
  file_bytes before = file_read(f->path);
  tuplet_close(db_open(f->path));
  file_bytes after = file_read(f->path);
  assert_int_equal(after.size, before.size);
  assert_memory_equal(after.data, before.data, before.size);
  free(before.data);
  free(after.data);
}

/* ---- Files of others ---- */

static void a_file_that_deno_wrote_is_read_as_it_is(void **state) {
  fixture *f = *state;
  make_deno_file(f->path);
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_key keys[] = {TUPLET_KEY("a"), TUPLET_KEY("b", 1), TUPLET_KEY("c", 1.0), TUPLET_KEY("d")};
  static const struct {
    uint32_t encoding;
    size_t size;
    int64_t version;
  } expected[] = {{TUPLET_ENCODING_V8, 8, 6},
                  {TUPLET_ENCODING_BYTES, 3, 7},
                  {TUPLET_ENCODING_LE64, 8, 14},
                  {TUPLET_ENCODING_V8, 10, 18}};
  tuplet_entries *entries;
  EXPECT(TUPLET_OK, tuplet_get_many(db, keys, 4, TUPLET_CONSISTENCY_STRONG, &entries, &error), error);
  for (size_t i = 0; i < 4; i++) {
    assert_true(entries->items[i].exists);
    assert_int_equal(entries->items[i].value.encoding, expected[i].encoding);
    assert_int_equal(entries->items[i].value.data.size, expected[i].size);
    assert_int_equal(version_of(&entries->items[i].versionstamp), expected[i].version);
  }
  tuplet_entries_free(entries);

  tuplet_versionstamp versionstamp;
  EXPECT(TUPLET_OK, tuplet_set(db, keys[0], tuplet_value_u64(1), TUPLET_NEVER, &versionstamp, &error), error);
  assert_true(version_of(&versionstamp) > 22); /* the file's last */
  tuplet_close(db);
  assert_same_schema_as_denos(f);
  assert_rows(f->path, "SELECT count(*), min(ts) FROM queue", "1|1795272236557\n");
}

static void assert_migrated(const fixture *f) {
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_entry *entry;
  EXPECT(TUPLET_OK, tuplet_get(db, TUPLET_KEY("a"), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
  assert_int_equal(entry->value.encoding, TUPLET_ENCODING_BYTES);
  assert_int_equal(entry->value.data.size, 2);
  assert_memory_equal(entry->value.data.data, "\1\2", 2);
  assert_int_equal(version_of(&entry->versionstamp), 7);
  tuplet_entry_free(entry);

  tuplet_atomic *atomic = tuplet_atomic_new(db);
  EXPECT(TUPLET_OK, tuplet_atomic_sum(atomic, TUPLET_KEY("b"), 3, &error), error);
  tuplet_commit commit;
  EXPECT(TUPLET_OK, tuplet_atomic_commit(atomic, &commit, &error), error);
  tuplet_atomic_free(atomic);
  assert_true(version_of(&commit.versionstamp) > 41);
  tuplet_close(db);

  assert_same_schema_as_denos(f);
  assert_rows(f->path, "SELECT hex(k), hex(v), v_encoding, expiration_ms, seq FROM kv",
              "026100|0102|3|-1|0\n026200|0800000000000000|2|-1|0\n");
  assert_rows(f->path, "SELECT version FROM migration_state", "3\n");
}

static void a_file_of_version_1_is_brought_up_to_date(void **state) {
  fixture *f = *state;
  sql_run_on(f->path, version_1);
  assert_migrated(f);
}

static void a_file_of_version_2_is_brought_up_to_date_with_its_queue(void **state) {
  fixture *f = *state;
  sql_run_on(f->path, version_1);
  sql_run_on(f->path, version_2);
  assert_migrated(f);
  assert_rows(f->path, "SELECT ts, id, hex(data), backoff_schedule, keys_if_undelivered FROM queue",
              "4000000000000|id|5F|[100]|[]\n");
}

static void an_old_file_opened_for_reading_says_what_it_needs(void **state) {
  fixture *f = *state;
  sql_run_on(f->path, version_1);
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = true;
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_FORMAT, tuplet_open(f->path, &options, &db, &error), error);
  assert_non_null(strstr(error.message, f->path));
  assert_non_null(strstr(error.message, "version 1"));
  assert_rows(f->path, "SELECT version FROM migration_state", "1\n");
}

/* ---- Several at once ---- */

typedef struct creator {
  const char *path;
  int start; /* a pipe's end: closed when all may start */
  int64_t number;
} creator;

static int create_and_write(void *context) {
  const creator *c = context;
  char byte;
  (void)!read(c->start, &byte, 1); /* returns when the parent closes its end */
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  tuplet_status status = tuplet_open(c->path, NULL, &db, &error);
  if (status == TUPLET_OK) {
    status = tuplet_set(db, TUPLET_KEY(c->number), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error);
  }
  if (status != TUPLET_OK) (void)fprintf(stderr, "%s\n", error.message);
  tuplet_close(db);
  return status == TUPLET_OK ? 0 : 1;
}

static void create_at_once(const fixture *f, const char *first_sql) {
  enum { ROUNDS = 6, PROCESSES = 4 };
  for (int round = 0; round < ROUNDS; round++) {
    fixture_empty(f);
    if (first_sql != NULL) sql_run_on(f->path, first_sql);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
      creator c = {f->path, ends[0], i};
      children[i] = child_start(create_and_write, &c);
    }
    /* The children hold the writing end, too: a byte for each starts them. */
    assert_int_equal(write(ends[1], "....", PROCESSES), PROCESSES);
    for (int i = 0; i < PROCESSES; i++) assert_int_equal(child_wait(children[i]), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    int rows = PROCESSES + (first_sql == NULL ? 0 : 2);
    assert_int_equal(sql_integer_on(f->path, "SELECT count(DISTINCT version) FROM kv"), rows);
  }
}

static void processes_may_make_the_same_file_at_once(void **state) {
  fixture *f = *state;
  create_at_once(f, NULL);
  assert_same_schema_as_denos(f);
}

static void processes_may_migrate_the_same_file_at_once(void **state) {
  fixture *f = *state;
  create_at_once(f, version_1);
  assert_same_schema_as_denos(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_new_file_has_denos_tables),
      TEST(an_empty_file_is_a_new_file),
      TEST(opening_again_changes_nothing),
      TEST(a_file_that_deno_wrote_is_read_as_it_is),
      TEST(a_file_of_version_1_is_brought_up_to_date),
      TEST(a_file_of_version_2_is_brought_up_to_date_with_its_queue),
      TEST(an_old_file_opened_for_reading_says_what_it_needs),
      TEST(processes_may_make_the_same_file_at_once),
      TEST(processes_may_migrate_the_same_file_at_once),
  };
  return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}

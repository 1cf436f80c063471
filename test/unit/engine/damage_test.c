/* damage_test.c: what is no database, or a damaged one: refused with a reason that names the file, and left
 * as it is. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static fault_vfs *vfs; /* for speed: it leaves out real syncs */

/* Opening fails with `expected`, names the path, and changes nothing, not even the folder. */
static void assert_refused(const fixture *f, tuplet_status expected, const char *reason) {
  file_bytes before = file_read(f->path);
  for (int read_only = 0; read_only < 2; read_only++) {
    tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
    options.read_only = read_only != 0;
    tuplet_db *db = NULL;
    tuplet_error error = {0};
    EXPECT(expected, tuplet_open(f->path, &options, &db, &error), error);
    assert_non_null(strstr(error.message, f->path));
    assert_non_null(strstr(error.message, reason));
    file_bytes after = file_read(f->path);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, before.size);
    free(after.data);
    /* SQLite cannot take a log away that it may only read; it leaves an empty one. */
    assert_true(log_size(f->path) <= (read_only ? 0 : -1));
    fixture_remove_log(f);
  }
  free(before.data);
}

/* ---- Not ours ---- */

static void a_newer_version_is_refused_and_left_alone(void **state) {
  fixture *f = *state;
  tuplet_close(db_open(f->path));
  sql_run_on(f->path, "UPDATE migration_state SET version = 4");
  assert_refused(f, TUPLET_FORMAT, "version 4");
  sql_run_on(f->path, "PRAGMA journal_mode = DELETE");
  assert_refused(f, TUPLET_FORMAT, "version 4");
  sql_run_on(f->path, "UPDATE migration_state SET version = -1");
  assert_refused(f, TUPLET_FORMAT, "version -1");
}

static void somebody_elses_database_is_refused_and_left_alone(void **state) {
  fixture *f = *state;
  sql_run_on(f->path, "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
  assert_refused(f, TUPLET_FORMAT, "not a Deno KV");
  sql_run_on(f->path, "PRAGMA journal_mode = WAL");
  assert_refused(f, TUPLET_FORMAT, "not a Deno KV");
}

static void a_text_is_refused_and_left_alone(void **state) {
  fixture *f = *state;
  static const char text[] = "Dear diary,\n";
  char long_text[5000];
  memset(long_text, 'a', sizeof long_text);
  file_write(f->path, text, sizeof text);
  assert_refused(f, TUPLET_FORMAT, "not a database");
  file_write(f->path, long_text, sizeof long_text);
  assert_refused(f, TUPLET_FORMAT, "not a database");
}

static void tables_of_the_right_name_but_not_the_format_are_told_by_use(void **state) {
  fixture *f = *state;
  sql_run_on(f->path, "CREATE TABLE migration_state (k integer primary key, version integer);"
                      "INSERT INTO migration_state VALUES (0, 3); CREATE TABLE kv (k, w)");
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_entry *entry;
  EXPECT(TUPLET_FORMAT, tuplet_get(db, TUPLET_KEY("a"), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
  assert_non_null(strstr(error.message, f->path));
  EXPECT(TUPLET_FORMAT, tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error),
         error);
  tuplet_close(db);
}

/* ---- Not to be opened ---- */

static void assert_not_opened(const char *path, const char *reason) {
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_IO, tuplet_open(path, NULL, &db, &error), error);
  assert_non_null(strstr(error.message, path));
  assert_non_null(strstr(error.message, reason));
}

static void a_folder_is_no_database(void **state) {
  const fixture *f = *state;
  assert_not_opened(f->folder, strerror(EISDIR));
}

static void a_missing_folder_is_not_made(void **state) {
  const fixture *f = *state;
  char path[200];
  (void)snprintf(path, sizeof path, "%s/none/kv.sqlite", f->folder);
  assert_not_opened(path, strerror(ENOENT));
}

static void a_missing_file_is_not_made_for_reading(void **state) {
  const fixture *f = *state;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = true;
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_IO, tuplet_open(f->path, &options, &db, &error), error);
  assert_non_null(strstr(error.message, f->path));
  assert_int_equal(file_size(f->path), -1);
}

/* As somebody with no rights; the exit status is that of the call, positive. */
static int use_without_rights(const char *path, bool read_only) {
  enum { NOBODY = 65534 };
  if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) return 100;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = read_only;
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  tuplet_status status = tuplet_open(path, &options, &db, &error);
  if (status == TUPLET_OK && !read_only) {
    status = tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error);
  }
  tuplet_close(db);
  if (status < 0 && strstr(error.message, path) == NULL) return 101;
  return -status;
}

static int open_without_rights(void *context) {
  return use_without_rights(context, false);
}

static int read_without_rights(void *context) {
  return use_without_rights(context, true);
}

static void missing_rights_are_told(void **state) {
  fixture *f = *state;
  /* A new file in a folder that cannot be written. */
  assert_int_equal(chmod(f->folder, 0555), 0);
  assert_int_equal(child_wait(child_start(open_without_rights, f->path)), -TUPLET_IO);
  assert_int_equal(file_size(f->path), -1);
  /* A file that cannot be read. */
  assert_int_equal(chmod(f->folder, 0755), 0);
  tuplet_close(db_open(f->path));
  assert_int_equal(chmod(f->path, 0), 0);
  assert_int_equal(child_wait(child_start(open_without_rights, f->path)), -TUPLET_IO);
  /* One that cannot be written, in a folder that can. */
  assert_int_equal(chmod(f->folder, 0777), 0);
  assert_int_equal(chmod(f->path, 0444), 0);
  assert_int_equal(child_wait(child_start(open_without_rights, f->path)), -TUPLET_READ_ONLY);
  /* One that can, in a folder that cannot hold its log. */
  assert_int_equal(chmod(f->folder, 0555), 0);
  assert_int_equal(chmod(f->path, 0666), 0);
  assert_int_equal(child_wait(child_start(open_without_rights, f->path)), -TUPLET_READ_ONLY);
  fixture_remove_log(f); /* which the one before could not take away */
  assert_int_equal(child_wait(child_start(read_without_rights, f->path)), -TUPLET_READ_ONLY);
  /* While somebody else has it open, it can be read. */
  sqlite3 *other = sql_open(f->path);
  sql_run(other, "SELECT count(*) FROM kv");
  assert_int_equal(child_wait(child_start(read_without_rights, f->path)), 0);
  sql_close(other);
}

/* ---- Damaged ---- */

enum { ROW_COUNT = 60, VALUE_SIZE = 700 };

static void make_rows(const char *path) {
  tuplet_db *db = db_open(path);
  tuplet_error error = {0};
  tuplet_atomic *atomic = tuplet_atomic_new(db);
  char value[VALUE_SIZE];
  for (int i = 0; i < ROW_COUNT; i++) {
    memset(value, 'a' + i % 26, sizeof value);
    EXPECT(TUPLET_OK,
           tuplet_atomic_set(atomic, TUPLET_KEY("row", i), tuplet_value_bytes(value, sizeof value),
                             i % 2 == 0 ? TUPLET_NEVER : 1000000, &error),
           error);
  }
  EXPECT(TUPLET_OK, tuplet_atomic_commit(atomic, NULL, &error), error);
  tuplet_atomic_free(atomic);
  tuplet_close(db);
}

/* Whatever comes of it: a status, and rows of the right size. Returns the first error. */
static tuplet_status use(const char *path) {
  tuplet_db *db = NULL;
  tuplet_status status = tuplet_open(path, NULL, &db, NULL);
  if (status != TUPLET_OK) return status;
  tuplet_key prefix = TUPLET_KEY("row");
  tuplet_selector selector = {.prefix = &prefix};
  for (int reverse = 0; reverse < 2; reverse++) {
    tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
    options.reverse = reverse != 0;
    tuplet_list *list = NULL;
    assert_int_equal(tuplet_list_open(db, &selector, &options, &list, NULL), TUPLET_OK);
    const tuplet_entry *entry;
    tuplet_status listed;
    int count = 0;
    while ((listed = tuplet_list_next(list, &entry, NULL)) == TUPLET_OK) count++;
    tuplet_list_close(list);
    assert_true(count < 10000);
    if (status == TUPLET_OK && listed < 0) status = listed;
  }
  for (int i = 0; i < ROW_COUNT; i += 7) {
    tuplet_status written = tuplet_set(db, TUPLET_KEY("row", i), tuplet_value_u64(1),
                                       i % 2 == 0 ? 5000 : TUPLET_NEVER, NULL, NULL);
    if (status == TUPLET_OK && written < 0) status = written;
  }
  tuplet_close(db);
  return status;
}

static void a_truncated_file_is_corrupt(void **state) {
  fixture *f = *state;
  make_rows(f->path);
  file_bytes whole = file_read(f->path);
  for (size_t size = 100; size <= whole.size - 4096; size += size < 5000 ? 700 : 4096) {
    file_write(f->path, whole.data, size);
    assert_refused(f, TUPLET_CORRUPT, "malformed");
  }
  /* A part of the last page is found missing when the page is needed. */
  for (size_t size = whole.size - 4095; size < whole.size; size += 500) {
    file_write(f->path, whole.data, size);
    tuplet_status status = use(f->path);
    assert_true(status == TUPLET_CORRUPT || status == TUPLET_OK);
    fixture_remove_log(f);
  }
  for (size_t size = 2; size < 100; size += 7) { /* not even the header; a single byte is none to SQLite */
    file_write(f->path, whole.data, size);
    tuplet_status status = use(f->path);
    assert_true(status == TUPLET_CORRUPT || status == TUPLET_FORMAT);
  }
  free(whole.data);
}

static void flipped_bytes_are_survived(void **state) {
  fixture *f = *state;
  make_rows(f->path);
  file_bytes whole = file_read(f->path);
  uint32_t random = 12345;
  int corrupt = 0;
  enum { TRIALS = 120, FLIPS = 40 };
  for (int trial = 0; trial < TRIALS; trial++) {
    char *damaged = malloc(whole.size);
    assert_non_null(damaged);
    memcpy(damaged, whole.data, whole.size);
    for (int i = 0; i < FLIPS; i++) {
      random = random * 1664525 + 1013904223;
      /* Mostly where pages begin, where their structure is. */
      size_t page = random % (whole.size / 4096) * 4096;
      random = random * 1664525 + 1013904223;
      size_t place = page + (i % 2 == 0 ? random >> 8 & 0x3F : random >> 8 & 0xFFF);
      if (place >= 100) damaged[place] = (char)(damaged[place] ^ (char)(random >> 24));
    }
    fixture_empty(f);
    file_write(f->path, damaged, whole.size);
    free(damaged);
    tuplet_status status = use(f->path);
    if (status == TUPLET_CORRUPT || status == TUPLET_FORMAT) corrupt++;
  }
  free(whole.data);
  assert_true(corrupt > TRIALS / 2);
}

static void an_impossible_last_version_is_corrupt(void **state) {
  fixture *f = *state;
  static const char *const versions[] = {"9223372036854775807", "9223372036854775806", "-1"};
  for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
    make_rows(f->path);
    char sql[100];
    (void)snprintf(sql, sizeof sql, "UPDATE data_version SET version = %s", versions[i]);
    sql_run_on(f->path, sql);
    tuplet_db *db = db_open(f->path);
    tuplet_error error = {0};
    EXPECT(TUPLET_CORRUPT, tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error),
           error);
    assert_non_null(strstr(error.message, f->path));
    assert_non_null(strstr(error.message, versions[i]));
    tuplet_entry *entry;
    EXPECT(TUPLET_OK, tuplet_get(db, TUPLET_KEY("row", 0), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
    tuplet_entry_free(entry);
    tuplet_close(db);
    fixture_empty(f);
  }
}

static void a_missing_last_version_is_corrupt(void **state) {
  fixture *f = *state;
  make_rows(f->path);
  sql_run_on(f->path, "DELETE FROM data_version");
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_CORRUPT, tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error),
         error);
  assert_non_null(strstr(error.message, "data_version"));
  tuplet_close(db);
}

/* Nobody gets another row for his. */
static void a_table_of_a_name_that_is_needed_is_told(void **state) {
  fixture *f = *state;
  make_rows(f->path);
  sql_run_on(f->path, "CREATE TABLE tuplet_wanted (k); INSERT INTO tuplet_wanted SELECT k FROM kv");
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_status status = TUPLET_NOT_FOUND;
  for (int64_t end_ms = now_ms() + 20000; status == TUPLET_NOT_FOUND;) { /* until a snapshot is held */
    assert_true(now_ms() < end_ms);
    tuplet_entry *entry = NULL;
    status = tuplet_get(db, TUPLET_KEY("nothing"), TUPLET_CONSISTENCY_STRONG, &entry, &error);
  }
  EXPECT(TUPLET_FORMAT, status, error);
  assert_non_null(strstr(error.message, "tuplet_wanted"));
  tuplet_close(db);
}

/* ---- Odd rows ---- */

static void odd_rows_are_taken_as_they_come(void **state) {
  fixture *f = *state;
  tuplet_close(db_open(f->path));
  /* A file whose columns are not as strict, as an early program may have made it. */
  sql_run_on(f->path,
             "DROP TABLE kv; CREATE TABLE kv (k blob primary key, v blob, v_encoding integer,"
             " version integer, seq integer default 0, expiration_ms integer default -1) WITHOUT ROWID;"
             "CREATE INDEX kv_expiration_ms_idx ON kv (expiration_ms);"
             "INSERT INTO kv VALUES (x'026100', x'01', 3, 1, 0, NULL), (x'026200', x'02', 99, 2, 0, -1),"
             " (x'026300', NULL, 3, 3, 0, -1), (x'026400', 'text', 3, 4, 0, -1),"
             " (x'026500', x'05', 3, NULL, NULL, NULL), ('text', x'06', 3, 6, 0, -1)");
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_key keys[] = {TUPLET_KEY("a"), TUPLET_KEY("b"), TUPLET_KEY("c"), TUPLET_KEY("d"), TUPLET_KEY("e")};
  static const size_t sizes[] = {1, 1, 0, 4, 1}; /* no expiry is never; no value is an empty one */
  for (size_t i = 0; i < 5; i++) {
    tuplet_entry *entry;
    tuplet_status status = tuplet_get(db, keys[i], TUPLET_CONSISTENCY_STRONG, &entry, &error);
    EXPECT(TUPLET_OK, status, error);
    assert_int_equal(entry->value.data.size, sizes[i]);
    if (i == 1) {
      tuplet_owned text;
      EXPECT(TUPLET_INVALID, tuplet_value_to_text(entry->value, NULL, &text, &error), error);
      assert_string_equal(error.message, "The value encoding 99 is unknown.");
    }
    tuplet_entry_free(entry);
  }

  /* Overwriting mends them, whichever expiry they get. */
  for (size_t i = 0; i < 5; i++) {
    EXPECT(TUPLET_OK,
           tuplet_set(db, keys[i], tuplet_value_u64(i), i % 2 == 0 ? TUPLET_NEVER : 1000000, NULL, &error),
           error);
  }
  tuplet_close(db);
  assert_int_equal(sql_integer_on(f->path,
                                  "SELECT count(*) FROM kv WHERE typeof(k) = 'blob' AND v_encoding = 2"
                                  " AND seq = 0 AND typeof(expiration_ms) = 'integer'"),
                   5);
  assert_int_equal(sql_integer_on(f->path, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                           " integrity_check = 'ok'"),
                   1);
}

static void a_sum_onto_an_unknown_encoding_is_refused(void **state) {
  fixture *f = *state;
  tuplet_close(db_open(f->path));
  sql_run_on(f->path, "INSERT INTO kv VALUES (x'026100', x'0100000000000000', 99, 1, 0, -1),"
                      " (x'026200', x'01', 2, 1, 0, -1)");
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  tuplet_key keys[] = {TUPLET_KEY("a"), TUPLET_KEY("b")};
  for (size_t i = 0; i < 2; i++) {
    tuplet_atomic *atomic = tuplet_atomic_new(db);
    EXPECT(TUPLET_OK, tuplet_atomic_sum(atomic, keys[i], 1, &error), error);
    EXPECT(TUPLET_TYPE, tuplet_atomic_commit(atomic, NULL, &error), error);
    tuplet_atomic_free(atomic);
  }
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
      TEST(a_newer_version_is_refused_and_left_alone),
      TEST(somebody_elses_database_is_refused_and_left_alone),
      TEST(a_text_is_refused_and_left_alone),
      TEST(tables_of_the_right_name_but_not_the_format_are_told_by_use),
      TEST(a_folder_is_no_database),
      TEST(a_missing_folder_is_not_made),
      TEST(a_missing_file_is_not_made_for_reading),
      TEST(missing_rights_are_told),
      TEST(a_truncated_file_is_corrupt),
      TEST(flipped_bytes_are_survived),
      TEST(an_impossible_last_version_is_corrupt),
      TEST(a_missing_last_version_is_corrupt),
      TEST(a_table_of_a_name_that_is_needed_is_told),
      TEST(odd_rows_are_taken_as_they_come),
      TEST(a_sum_onto_an_unknown_encoding_is_refused),
  };
  return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}

/* open_test.c: which database a path names, and what an open handle shares with others. */
#include "support/database.h"

#include <sys/stat.h>

/* ---- In memory ---- */

static void handles_in_memory_see_nothing_of_each_other(void **state) {
  database *d = *state;
  tuplet_db *other = open_another(d);
  assert_string_equal(tuplet_path(d->db), ":memory:");
  put_text(d, TUPLET_KEY("k"), "mine");
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_NOT_FOUND,
         tuplet_get(other, TUPLET_KEY("k"), TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  EXPECT(d, TUPLET_OK,
         tuplet_set(other, TUPLET_KEY("k"), text_value("theirs"), TUPLET_NEVER, NULL, &d->error));
  expect_text(d, d->db, TUPLET_KEY("k"), "mine");
  tuplet_close(other);
  expect_text(d, d->db, TUPLET_KEY("k"), "mine");
}

static void a_database_in_memory_ends_with_its_handle(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_close(d->db);
  d->db = open_another(d);
  expect_absent(d, TUPLET_KEY("k"));
}

/* ---- In files ---- */

static void a_file_keeps_what_was_written(void **state) {
  database *d = *state;
  assert_string_equal(tuplet_path(d->db), d->path);
  tuplet_versionstamp before = put(d, TUPLET_KEY("k", 1), text_value("v"));
  tuplet_close(d->db);
  d->db = open_another(d);
  expect_text(d, d->db, TUPLET_KEY("k", 1), "v");
  tuplet_versionstamp read = versionstamp_of(d, TUPLET_KEY("k", 1));
  assert_memory_equal(&read, &before, sizeof read);
  tuplet_versionstamp after = put(d, TUPLET_KEY("k", 1), text_value("w"));
  assert_true(compare_versionstamps(&after, &before) > 0);
}

static void handles_on_one_file_see_each_others_writes(void **state) {
  database *d = *state;
  tuplet_db *other = open_another(d);
  tuplet_versionstamp last = {{0}};
  for (int i = 0; i < 50; i++) {
    tuplet_db *writer = i % 2 == 0 ? d->db : other;
    tuplet_db *reader = i % 2 == 0 ? other : d->db;
    char text[16];
    (void)snprintf(text, sizeof text, "%d", i);
    tuplet_versionstamp versionstamp;
    EXPECT(d, TUPLET_OK,
           tuplet_set(writer, TUPLET_KEY("k"), text_value(text), TUPLET_NEVER, &versionstamp, &d->error));
    assert_true(compare_versionstamps(&versionstamp, &last) > 0);
    last = versionstamp;
    expect_text(d, reader, TUPLET_KEY("k"), text);
  }
  tuplet_close(other);
}

static void a_relative_path_means_the_same_file_after_chdir(void **state) {
  database *d = *state;
  char before[4096], deeper[300];
  assert_non_null(getcwd(before, sizeof before));
  (void)snprintf(deeper, sizeof deeper, "%s/deeper", d->directory);
  assert_int_equal(mkdir(deeper, 0700), 0);
  assert_int_equal(chdir(d->directory), 0);
  tuplet_status status = tuplet_open("kv.sqlite3", NULL, &d->db, &d->error);
  int rc = chdir(deeper);
  /* The first read and write open connections of their own only now. */
  if (status == TUPLET_OK) {
    put_text(d, TUPLET_KEY("k"), "v");
    expect_text(d, d->db, TUPLET_KEY("k"), "v");
  }
  assert_int_equal(chdir(before), 0);
  EXPECT(d, TUPLET_OK, status);
  assert_int_equal(rc, 0);
  assert_string_equal(tuplet_path(d->db), d->path);
  (void)snprintf(deeper, sizeof deeper, "%s/deeper/kv.sqlite3", d->directory);
  assert_int_not_equal(access(deeper, F_OK), 0);
}

/* A name that SQLite would take for a URI, were it asked to. */
static void odd_names_are_just_names(void **state) {
  database *d = *state;
  static const char *const names[] = {"file:k?mode=memory", "k v%20'\".db", "caf\xC3\xA9", "x:memory:", "#1"};
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    (void)snprintf(d->path, sizeof d->path, "%s/%s", d->directory, names[i]);
    d->db = open_another(d);
    assert_string_equal(tuplet_path(d->db), d->path);
    put_text(d, TUPLET_KEY("k"), names[i]);
    tuplet_close(d->db);
    assert_int_equal(access(d->path, F_OK), 0);
    d->db = open_another(d);
    expect_text(d, d->db, TUPLET_KEY("k"), names[i]);
    tuplet_close(d->db);
    d->db = NULL;
  }
}

/* ---- Reading only ---- */

static void a_read_only_handle_reads_and_refuses_to_write(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  tuplet_open_options options = quick_options();
  options.read_only = true;
  tuplet_db *reader = NULL;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &reader, &d->error));
  expect_text(d, reader, TUPLET_KEY("k"), "v");
  EXPECT(d, TUPLET_READ_ONLY,
         tuplet_set(reader, TUPLET_KEY("k"), text_value("w"), TUPLET_NEVER, NULL, &d->error));
  EXPECT(d, TUPLET_READ_ONLY, tuplet_delete(reader, TUPLET_KEY("k"), NULL, &d->error));
  put_text(d, TUPLET_KEY("k"), "written meanwhile");
  expect_text(d, reader, TUPLET_KEY("k"), "written meanwhile");
  tuplet_close(reader);
}

static void a_read_only_file_must_exist(void **state) {
  database *d = *state;
  tuplet_open_options options = quick_options();
  options.read_only = true;
  EXPECT(d, TUPLET_IO, tuplet_open(d->path, &options, &d->db, &d->error));
  assert_non_null(strstr(d->error.message, d->path));
  assert_int_not_equal(access(d->path, F_OK), 0);
}

static void a_read_only_database_in_memory_stays_empty(void **state) {
  database *d = *state;
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = true;
  EXPECT(d, TUPLET_OK, tuplet_open(":memory:", &options, &d->db, &d->error));
  EXPECT(d, TUPLET_READ_ONLY,
         tuplet_set(d->db, TUPLET_KEY("k"), text_value("v"), TUPLET_NEVER, NULL, &d->error));
  expect_absent(d, TUPLET_KEY("k"));
}

/* ---- No path ---- */

/* Opens with NULL as path in a working directory, and back; gives the path that was opened. */
static void open_default(database *d, const char *directory, char *ret_path, size_t size) {
  char before[4096];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(directory), 0);
  tuplet_db *db = NULL;
  tuplet_status status = tuplet_open(NULL, NULL, &db, &d->error);
  assert_int_equal(chdir(before), 0);
  EXPECT(d, TUPLET_OK, status);
  (void)snprintf(ret_path, size, "%s", tuplet_path(db));
  tuplet_close(db);
  assert_int_equal(access(ret_path, F_OK), 0);
}

static void no_path_means_the_one_of_the_environment(void **state) {
  database *d = *state;
  char path[400];
  assert_int_equal(setenv("DENO_KV_DEFAULT_PATH", d->path, 1), 0);
  open_default(d, "/", path, sizeof path);
  assert_string_equal(path, d->path);
  assert_int_equal(setenv("DENO_KV_DEFAULT_PATH", "relative.db", 1), 0);
  open_default(d, d->directory, path, sizeof path);
  (void)snprintf(d->path, sizeof d->path, "%s/relative.db", d->directory);
  assert_string_equal(path, d->path);
  assert_int_equal(setenv("DENO_KV_DEFAULT_PATH", ":memory:", 1), 0);
  EXPECT(d, TUPLET_OK, tuplet_open(NULL, NULL, &d->db, &d->error));
  assert_string_equal(tuplet_path(d->db), ":memory:");
  assert_int_equal(unsetenv("DENO_KV_DEFAULT_PATH"), 0);
}

static void each_working_directory_has_its_own_default(void **state) {
  database *d = *state;
  char data_home[300], path[600], again[600], other[600];
  (void)snprintf(data_home, sizeof data_home, "%s/new/data", d->directory);
  assert_int_equal(unsetenv("DENO_KV_DEFAULT_PATH"), 0);
  assert_int_equal(setenv("XDG_DATA_HOME", data_home, 1), 0);
  open_default(d, d->directory, path, sizeof path);
  open_default(d, "/", other, sizeof other);
  assert_int_equal(setenv("DENO_KV_DEFAULT_PATH", "", 1), 0); /* as good as none */
  open_default(d, d->directory, again, sizeof again);
  assert_int_equal(unsetenv("DENO_KV_DEFAULT_PATH"), 0);
  assert_string_equal(path, again);
  assert_string_not_equal(path, other);
  char folder[600];
  (void)snprintf(folder, sizeof folder, "%s/tuplet/", data_home);
  assert_memory_equal(path, folder, strlen(folder));
  struct stat found;
  assert_int_equal(stat(folder, &found), 0);
  assert_int_equal(found.st_mode & 0777, 0700); /* nobody else's business */
}

static void without_a_data_folder_it_is_below_home(void **state) {
  database *d = *state;
  const char *home = getenv("HOME");
  char *kept = home == NULL ? NULL : strdup(home);
  char path[600], wanted[300];
  assert_int_equal(unsetenv("DENO_KV_DEFAULT_PATH"), 0);
  assert_int_equal(setenv("XDG_DATA_HOME", "not/absolute", 1), 0);
  assert_int_equal(setenv("HOME", d->directory, 1), 0);
  open_default(d, "/", path, sizeof path);
  assert_int_equal(unsetenv("HOME"), 0);
  tuplet_status status = tuplet_open(NULL, NULL, &d->db, &d->error);
  if (kept != NULL) assert_int_equal(setenv("HOME", kept, 1), 0);
  free(kept);
  (void)snprintf(wanted, sizeof wanted, "%s/.local/share/tuplet/", d->directory);
  assert_memory_equal(path, wanted, strlen(wanted));
  EXPECT(d, TUPLET_INVALID, status);
  assert_non_null(strstr(d->error.message, "HOME"));
}

/* ---- Servers ---- */

static tuplet_status open_url(database *d, const char *url, const char *token) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.access_token = token;
  options.timeout_ms = 300;
  return tuplet_open(url, &options, &d->db, &d->error);
}

static void a_url_needs_an_access_token(void **state) {
  database *d = *state;
  static const char *const urls[] = {"http://localhost:1", "HTTPS://localhost:1/databases/1/connect"};
  assert_int_equal(unsetenv("DENO_KV_ACCESS_TOKEN"), 0);
  for (size_t i = 0; i < COUNT_OF(urls); i++) {
    EXPECT(d, TUPLET_DENIED, open_url(d, urls[i], NULL));
    assert_non_null(strstr(d->error.message, urls[i]));
    assert_non_null(strstr(d->error.message, "DENO_KV_ACCESS_TOKEN"));
  }
}

static void what_cannot_be_sent_is_refused(void **state) {
  database *d = *state;
  EXPECT(d, TUPLET_INVALID, open_url(d, "http://localhost:1", "a token\r\nx: y"));
  assert_null(strstr(d->error.message, "a token"));
  EXPECT(d, TUPLET_INVALID, open_url(d, "http://user:secret@localhost:1", "a-token"));
  assert_null(strstr(d->error.message, "secret"));
  EXPECT(d, TUPLET_INVALID, open_url(d, "http://", "a-token"));
  EXPECT(d, TUPLET_INVALID, open_url(d, "http://localhost:port", "a-token"));
}

static void a_server_that_is_not_there_is_an_error(void **state) {
  database *d = *state;
  EXPECT(d, TUPLET_IO, open_url(d, "http://127.0.0.1:1/", "a-token"));
  assert_non_null(strstr(d->error.message, "http://127.0.0.1:1/"));
  assert_null(d->db);
}

/* ---- What cannot be opened ---- */

static void an_error_names_the_file(void **state) {
  database *d = *state;
  EXPECT(d, TUPLET_INVALID, tuplet_open("", NULL, &d->db, &d->error));

  EXPECT(d, TUPLET_IO, tuplet_open(d->directory, NULL, &d->db, &d->error));
  assert_non_null(strstr(d->error.message, d->directory));

  char path[400];
  (void)snprintf(path, sizeof path, "%s/absent/kv.sqlite3", d->directory);
  EXPECT(d, TUPLET_IO, tuplet_open(path, NULL, &d->db, &d->error));
  assert_non_null(strstr(d->error.message, path));

  FILE *file = fopen(d->path, "w");
  assert_non_null(file);
  assert_true(fputs("This is a text, as long as a page or not, and no database at all.", file) >= 0);
  for (int i = 0; i < 1000; i++) (void)fputs("more of the same\n", file);
  assert_int_equal(fclose(file), 0);
  EXPECT(d, TUPLET_FORMAT, tuplet_open(d->path, NULL, &d->db, &d->error));
  assert_non_null(strstr(d->error.message, d->path));
  assert_null(d->db);
}

/* ---- Options ---- */

static void options_of_an_older_header_are_completed(void **state) {
  database *d = *state;
  tuplet_open_options options;
  memset(&options, 0xFF, sizeof options); /* what lies past struct_size is not looked at */
  options.struct_size = offsetof(tuplet_open_options, read_only) + sizeof options.read_only;
  options.read_only = false;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &d->db, &d->error));
  put_text(d, TUPLET_KEY("k"), "v");
}

static void options_of_a_newer_header_are_read_as_far_as_known(void **state) {
  database *d = *state;
  struct {
    tuplet_open_options known;
    char unknown[64];
  } options = {.known = TUPLET_OPEN_OPTIONS_INIT};
  memset(options.unknown, 0xFF, sizeof options.unknown);
  options.known.struct_size = sizeof options;
  options.known.cache_kib = 64;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options.known, &d->db, &d->error));
  put_text(d, TUPLET_KEY("k"), "v");
}

static void every_durability_keeps_what_was_written(void **state) {
  database *d = *state;
  static const tuplet_durability durabilities[] = {TUPLET_DURABILITY_FULL, TUPLET_DURABILITY_RELAXED};
  for (size_t i = 0; i < COUNT_OF(durabilities); i++) {
    tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
    options.durability = durabilities[i];
    EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &d->db, &d->error));
    put_text(d, TUPLET_KEY("k", (int)i), "v");
    tuplet_close(d->db);
  }
  d->db = open_another(d);
  expect_text(d, d->db, TUPLET_KEY("k", 0), "v");
  expect_text(d, d->db, TUPLET_KEY("k", 1), "v");
}

/* ---- Closing ---- */

static void lists_watches_and_operations_outlive_the_database(void **state) {
  database *d = *state;
  put_text(d, TUPLET_KEY("k"), "v");
  const tuplet_selector everything = {.prefix = &TUPLET_KEY_EMPTY};
  tuplet_list *list = NULL;
  tuplet_watch *watch = NULL;
  EXPECT(d, TUPLET_OK, tuplet_list_open(d->db, &everything, NULL, &list, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_watch_open(d->db, &TUPLET_KEY("k"), 1, &watch, &d->error));
  tuplet_atomic *atomic = tuplet_atomic_new(d->db);
  assert_non_null(atomic);
  const tuplet_entry *entry;
  const tuplet_entries *entries;
  const char *cursor;
  EXPECT(d, TUPLET_OK, tuplet_list_next(list, &entry, &d->error));

  tuplet_close(d->db);
  d->db = NULL;
  EXPECT(d, TUPLET_CLOSED, tuplet_list_next(list, &entry, &d->error));
  EXPECT(d, TUPLET_OK, tuplet_list_cursor(list, &cursor, &d->error));
  EXPECT(d, TUPLET_CLOSED, tuplet_watch_next(watch, TUPLET_FOREVER, &entries, &d->error));
  EXPECT(d, TUPLET_CLOSED, tuplet_atomic_commit(atomic, NULL, &d->error));
  tuplet_list_close(list);
  tuplet_watch_close(watch);
  tuplet_atomic_free(atomic);
}

static void the_version_is_that_of_the_header(void **state) {
  (void)state;
  char version[32];
  (void)snprintf(version, sizeof version, "%d.%d.%d", TUPLET_VERSION_MAJOR, TUPLET_VERSION_MINOR,
                 TUPLET_VERSION_PATCH);
  assert_string_equal(tuplet_version(), version);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      ON_MEMORY(handles_in_memory_see_nothing_of_each_other),
      ON_MEMORY(a_database_in_memory_ends_with_its_handle),
      ON_FILE(a_file_keeps_what_was_written),
      ON_FILE(handles_on_one_file_see_each_others_writes),
      ON_FOLDER(a_relative_path_means_the_same_file_after_chdir),
      ON_FOLDER(odd_names_are_just_names),
      ON_FILE(a_read_only_handle_reads_and_refuses_to_write),
      ON_FOLDER(a_read_only_file_must_exist),
      ON_FOLDER(a_read_only_database_in_memory_stays_empty),
      ON_FOLDER(no_path_means_the_one_of_the_environment),
      ON_FOLDER(each_working_directory_has_its_own_default),
      ON_FOLDER(without_a_data_folder_it_is_below_home),
      ON_FOLDER(a_url_needs_an_access_token),
      ON_FOLDER(what_cannot_be_sent_is_refused),
      ON_FOLDER(a_server_that_is_not_there_is_an_error),
      ON_FOLDER(an_error_names_the_file),
      ON_FOLDER(options_of_an_older_header_are_completed),
      ON_FOLDER(options_of_a_newer_header_are_read_as_far_as_known),
      ON_FOLDER(every_durability_keeps_what_was_written),
      ON_BOTH(lists_watches_and_operations_outlive_the_database),
      cmocka_unit_test(the_version_is_that_of_the_header),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* database.h: a database to test with, in memory or in a file of a folder of its own; the same test runs on
 * both.
 *
 *   int main(void) {
 *     const struct CMUnitTest tests[] = {ON_BOTH(a_behaviour), ON_FILE(another)};
 *     return cmocka_run_group_tests(tests, NULL, NULL);
 *   }
 *
 * Only the thread that cmocka runs on may assert: other threads note what they see, and their starter
 * asserts. */
#ifndef TEST_SUPPORT_DATABASE_H
#define TEST_SUPPORT_DATABASE_H

#include "tuplet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct database {
  tuplet_db *db;
  char directory[256]; /* empty for a database in memory */
  char path[300];
  tuplet_error error;
} database;

/* ---- Statuses ---- */

static inline void expect_status(tuplet_status wanted, tuplet_status status, const tuplet_error *error,
                                 const char *file, int line) {
  if (status == wanted) return;
  print_error("%s instead of %s: %s\n", tuplet_status_name(status), tuplet_status_name(wanted),
              status < 0 ? error->message : "(no error)");
  _fail(file, line);
}

/* EXPECT(d, TUPLET_OK, tuplet_delete(d->db, key, NULL, &d->error)) */
#define EXPECT(d, wanted, call)                                                                              \
  do {                                                                                                       \
    tuplet_status expect_got = (call);                                                                       \
    expect_status(wanted, expect_got, &(d)->error, __FILE__, __LINE__);                                      \
  } while (0)

#define EXPECT_ERROR(d, wanted, text, call)                                                                  \
  do {                                                                                                       \
    EXPECT(d, wanted, call);                                                                                 \
    assert_int_equal((d)->error.status, wanted);                                                             \
    assert_string_equal((d)->error.message, text);                                                           \
  } while (0)

/* ---- Set up and torn down ---- */

static inline tuplet_open_options quick_options(void) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.durability = TUPLET_DURABILITY_RELAXED; /* no test cuts the power */
  return options;
}

static inline tuplet_db *open_another(database *d) {
  tuplet_open_options options = quick_options();
  tuplet_db *db = NULL;
  EXPECT(d, TUPLET_OK, tuplet_open(d->path, &options, &db, &d->error));
  return db;
}

static inline int set_up_directory(void **state) {
  database *d = calloc(1, sizeof *d);
  if (d == NULL) return -1;
  const char *folder = getenv("TMPDIR");
  (void)snprintf(d->directory, sizeof d->directory, "%s/tuplet-test-XXXXXX",
                 folder == NULL ? "/tmp" : folder);
  if (mkdtemp(d->directory) == NULL) {
    free(d);
    return -1;
  }
  (void)snprintf(d->path, sizeof d->path, "%s/kv.sqlite3", d->directory);
  *state = d;
  return 0;
}

static inline int set_up_file(void **state) {
  if (set_up_directory(state) != 0) return -1;
  database *d = *state;
  tuplet_open_options options = quick_options();
  return tuplet_open(d->path, &options, &d->db, &d->error) == TUPLET_OK ? 0 : -1;
}

static inline int set_up_memory(void **state) {
  database *d = calloc(1, sizeof *d);
  if (d == NULL) return -1;
  (void)snprintf(d->path, sizeof d->path, ":memory:");
  *state = d;
  return tuplet_open(d->path, NULL, &d->db, &d->error) == TUPLET_OK ? 0 : -1;
}

static inline bool in_memory(const database *d) {
  return d->directory[0] == '\0';
}

/* The paths come from mkdtemp, so that they need no quoting. */
static inline int remove_directory(const char *path) {
  char command[320];
  (void)snprintf(command, sizeof command, "rm -rf %s", path);
  return system(command);
}

static inline int tear_down(void **state) {
  database *d = *state;
  tuplet_close(d->db);
  int result = in_memory(d) ? 0 : remove_directory(d->directory);
  free(d);
  return result;
}

#define ON_MEMORY(test)                                                                                      \
  { #test " (in memory)", test, set_up_memory, tear_down, NULL }
#define ON_FILE(test)                                                                                        \
  { #test " (in a file)", test, set_up_file, tear_down, NULL }
#define ON_BOTH(test) ON_MEMORY(test), ON_FILE(test)
/* A folder, and nothing opened in it. */
#define ON_FOLDER(test)                                                                                      \
  { #test, test, set_up_directory, tear_down, NULL }

/* ---- Entries ---- */

static inline tuplet_value text_value(const char *text) {
  return tuplet_value_bytes(text, strlen(text));
}

static inline tuplet_versionstamp put(database *d, tuplet_key key, tuplet_value value) {
  tuplet_versionstamp versionstamp;
  EXPECT(d, TUPLET_OK, tuplet_set(d->db, key, value, TUPLET_NEVER, &versionstamp, &d->error));
  return versionstamp;
}

static inline void put_text(database *d, tuplet_key key, const char *text) {
  (void)put(d, key, text_value(text));
}

static inline bool is_text(const tuplet_entry *entry, const char *text) {
  return entry->exists && entry->value.encoding == TUPLET_ENCODING_BYTES &&
         entry->value.data.size == strlen(text) &&
         (text[0] == '\0' || memcmp(entry->value.data.data, text, strlen(text)) == 0);
}

static inline void expect_text(database *d, tuplet_db *db, tuplet_key key, const char *text) {
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(db, key, TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  assert_true(is_text(entry, text));
  tuplet_entry_free(entry);
}

static inline void expect_u64(database *d, tuplet_key key, uint64_t number) {
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(d->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  assert_int_equal(entry->value.encoding, TUPLET_ENCODING_LE64);
  assert_int_equal(entry->value.u64, number);
  tuplet_entry_free(entry);
}

static inline void expect_absent(database *d, tuplet_key key) {
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_NOT_FOUND, tuplet_get(d->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  assert_null(entry);
}

static inline tuplet_versionstamp versionstamp_of(database *d, tuplet_key key) {
  tuplet_entry *entry = NULL;
  EXPECT(d, TUPLET_OK, tuplet_get(d->db, key, TUPLET_CONSISTENCY_STRONG, &entry, &d->error));
  tuplet_versionstamp versionstamp = entry->versionstamp;
  tuplet_entry_free(entry);
  return versionstamp;
}

static inline int compare_versionstamps(const tuplet_versionstamp *a, const tuplet_versionstamp *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

#endif

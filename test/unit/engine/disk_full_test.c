/* disk_full_test.c: a full disk refuses writes and nothing else, and only as long as it is full. */
#include "fixture.h"

#include "support/fault_vfs.h"

#include <string.h>

enum { TRIES = 5 };

static fault_vfs *vfs;

static tuplet_status write_number(tuplet_db *db, int number, tuplet_error *error) {
  return tuplet_set(db, TUPLET_KEY(number), tuplet_value_u64((uint64_t)number), TUPLET_NEVER, NULL, error);
}

static void assert_readable(tuplet_db *db, int count) {
  tuplet_key prefix = TUPLET_KEY_EMPTY;
  tuplet_selector selector = {.prefix = &prefix};
  tuplet_list *list;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_list_open(db, &selector, NULL, &list, &error), error);
  const tuplet_entry *entry;
  for (int i = 0; i < count; i++) EXPECT(TUPLET_OK, tuplet_list_next(list, &entry, &error), error);
  EXPECT(TUPLET_DONE, tuplet_list_next(list, &entry, &error), error);
  tuplet_list_close(list);
}

static void a_full_disk_refuses_writes_and_serves_reads(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, write_number(db, 0, &error), error);
  fault_vfs_fill_disk(vfs);
  for (int i = 1; i <= TRIES; i++) {
    EXPECT(TUPLET_FULL, write_number(db, i, &error), error);
    assert_non_null(strstr(error.message, f->path));
    EXPECT(TUPLET_FULL, tuplet_delete(db, TUPLET_KEY(0), NULL, &error), error); /* needs room in the log */
    assert_readable(db, 1);
  }
  fault_vfs_heal(vfs);
  for (int i = 1; i <= TRIES; i++) EXPECT(TUPLET_OK, write_number(db, i, &error), error);
  assert_readable(db, 1 + TRIES);
  tuplet_close(db);
}

static void closing_on_a_full_disk_loses_nothing(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  static const uint8_t large[60000]; /* for which the database file must grow */
  EXPECT(TUPLET_OK,
         tuplet_set(db, TUPLET_KEY(0), tuplet_value_bytes(large, sizeof large), TUPLET_NEVER, NULL, &error),
         error);
  fault_vfs_fill_disk(vfs);
  EXPECT(TUPLET_FULL, write_number(db, 1, &error), error);
  tuplet_close(db);
  assert_true(log_size(f->path) > (int64_t)sizeof large); /* where it stays meanwhile */

  db = db_open(f->path); /* the disk is still full */
  assert_readable(db, 1);
  EXPECT(TUPLET_FULL, write_number(db, 1, &error), error);
  tuplet_close(db);

  fault_vfs_heal(vfs);
  db = db_open(f->path);
  assert_readable(db, 1);
  EXPECT(TUPLET_OK, write_number(db, 1, &error), error);
  tuplet_close(db);
  assert_int_equal(log_size(f->path), -1);
}

static void a_database_cannot_be_made_on_a_full_disk(void **state) {
  const fixture *f = *state;
  fault_vfs_fill_disk(vfs);
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_FULL, tuplet_open(f->path, NULL, &db, &error), error);
  assert_non_null(strstr(error.message, f->path));
  fault_vfs_heal(vfs);
  tuplet_close(db_open(f->path)); /* what is left of the attempt is no obstacle */
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
      TEST(a_full_disk_refuses_writes_and_serves_reads),
      TEST(closing_on_a_full_disk_loses_nothing),
      TEST(a_database_cannot_be_made_on_a_full_disk),
  };
  return cmocka_run_group_tests_name("disk_full", tests, NULL, NULL);
}

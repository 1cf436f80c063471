/* moved_file_test.c: what happens to an open database whose file is moved, replaced or removed. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tuplet_status write_number(tuplet_db *db, int number, tuplet_error *error) {
  return tuplet_set(db, TUPLET_KEY(number), tuplet_value_u64((uint64_t)number), TUPLET_NEVER, NULL, error);
}

static tuplet_status read_number(tuplet_db *db, int number, tuplet_error *error) {
  tuplet_entry *entry = NULL;
  tuplet_status status = tuplet_get(db, TUPLET_KEY(number), TUPLET_CONSISTENCY_STRONG, &entry, error);
  tuplet_entry_free(entry);
  return status;
}

static void path_of_moved(const fixture *f, char ret_path[200]) {
  (void)snprintf(ret_path, 200, "%s/moved", f->folder);
}

static void a_moved_file_takes_no_more_writes_until_it_is_back(void **state) {
  const fixture *f = *state;
  char moved[200];
  path_of_moved(f, moved);
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, write_number(db, 1, &error), error);
  assert_int_equal(rename(f->path, moved), 0);
  EXPECT(TUPLET_IO, write_number(db, 2, &error), error);
  assert_non_null(strstr(error.message, f->path));
  assert_non_null(strstr(error.message, "moved"));
  assert_int_equal(file_size(f->path), -1); /* and none is made in its place */
  assert_int_equal(rename(moved, f->path), 0);
  EXPECT(TUPLET_OK, write_number(db, 3, &error), error);
  tuplet_close(db);

  db = db_open(f->path);
  EXPECT(TUPLET_OK, read_number(db, 1, &error), error);
  EXPECT(TUPLET_NOT_FOUND, read_number(db, 2, &error), error);
  EXPECT(TUPLET_OK, read_number(db, 3, &error), error);
  tuplet_close(db);
}

static void a_file_in_its_place_is_left_alone(void **state) {
  const fixture *f = *state;
  char moved[200];
  path_of_moved(f, moved);
  tuplet_close(db_open(f->path)); /* a whole database, for the other file */
  file_bytes other = file_read(f->path);
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, write_number(db, 1, &error), error);
  assert_int_equal(rename(f->path, moved), 0);
  file_write(f->path, other.data, other.size);

  EXPECT(TUPLET_IO, write_number(db, 2, &error), error);
  EXPECT(TUPLET_IO, read_number(db, 1, &error), error); /* needs a new connection: nobody has read before */
  assert_non_null(strstr(error.message, f->path));
  tuplet_close(db);
  file_bytes after = file_read(f->path);
  assert_int_equal(after.size, other.size);
  assert_memory_equal(after.data, other.data, other.size);
  free(after.data);
  free(other.data);
}

static void a_removed_file_takes_no_more_writes_and_can_be_read_as_before(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, write_number(db, 1, &error), error);
  EXPECT(TUPLET_OK, read_number(db, 1, &error), error);
  assert_int_equal(unlink(f->path), 0);
  EXPECT(TUPLET_IO, write_number(db, 2, &error), error);
  EXPECT(TUPLET_OK, read_number(db, 1, &error), error); /* over a connection that is open */
  tuplet_close(db);
  assert_int_equal(file_size(f->path), -1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_moved_file_takes_no_more_writes_until_it_is_back),
      TEST(a_file_in_its_place_is_left_alone),
      TEST(a_removed_file_takes_no_more_writes_and_can_be_read_as_before),
  };
  return cmocka_run_group_tests_name("moved_file", tests, NULL, NULL);
}

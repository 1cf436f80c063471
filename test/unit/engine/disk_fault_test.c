/* disk_fault_test.c: every single operation on the files fails once, and from every one on all of them do:
 * errors are told, nothing acknowledged is lost, nothing is there in part, and work goes on afterwards. */
#include "scenario.h"

#include "support/fault_vfs.h"

#include <stdio.h>
#include <stdlib.h>

/* When the fault ends. */
typedef enum ending {
  AFTER_ONE,    /* operation */
  BEFORE_CLOSE, /* and a write must succeed then */
  AFTER_CLOSE
} ending;

static fault_vfs *vfs;

/* Failing the n-th operation of a kind. Returns false when the scenario has no more that many. */
static bool fails_at(const fixture *f, fault_kind kind, int code, ending end, int n) {
  fixture_empty(f);
  fault_vfs_fail(vfs, (unsigned)kind, n, end == AFTER_ONE ? 1 : FAULT_FOREVER, code);
  scenario s;
  scenario_run(&s, f->path, TUPLET_DURABILITY_FULL);
  bool fired = fault_vfs_fired(vfs);
  if (end != AFTER_CLOSE) {
    fault_vfs_heal(vfs);
    scenario_expect_writable(&s);
  }
  scenario_close(&s);
  fault_vfs_heal(vfs);
  scenario_verify(&s, false);
  if (!fired) assert_int_equal(scenario_acknowledged(&s), SCENARIO_ROUNDS * SCENARIO_WRITES);
  return fired || fault_vfs_fired(vfs);
}

/* Every operation of a kind; beyond the first `dense` of them only some. */
static void fail_each(const fixture *f, fault_kind kind, int code) {
  enum { DENSE = 16 };
  for (ending end = AFTER_ONE; end <= AFTER_CLOSE; end++) {
    int n = 1;
    while (fails_at(f, kind, code, end, n)) n += n < DENSE ? 1 : n / 8;
    assert_true(n > 1); /* it happens at all */
  }
}

static void a_failing_open_is_survived(void **state) {
  fail_each(*state, FAULT_OPEN, SQLITE_IOERR);
}
static void a_failing_read_is_survived(void **state) {
  fail_each(*state, FAULT_READ, SQLITE_IOERR);
}
static void a_failing_write_is_survived(void **state) {
  fail_each(*state, FAULT_WRITE, SQLITE_IOERR);
}
static void a_full_disk_at_any_write_is_survived(void **state) {
  fail_each(*state, FAULT_WRITE, SQLITE_FULL);
}
static void a_failing_sync_is_survived(void **state) {
  fail_each(*state, FAULT_SYNC, SQLITE_IOERR);
}
static void a_failing_truncate_is_survived(void **state) {
  fail_each(*state, FAULT_TRUNCATE, SQLITE_IOERR);
}
static void a_failing_look_at_the_size_is_survived(void **state) {
  fail_each(*state, FAULT_SIZE, SQLITE_IOERR);
}
static void a_failing_lock_is_survived(void **state) {
  fail_each(*state, FAULT_LOCK, SQLITE_IOERR);
}
static void failing_shared_memory_is_survived(void **state) {
  fail_each(*state, FAULT_SHM_MAP, SQLITE_IOERR);
}
static void a_failing_delete_is_survived(void **state) {
  fail_each(*state, FAULT_DELETE, SQLITE_IOERR);
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
      TEST(a_failing_open_is_survived),
      TEST(a_failing_read_is_survived),
      TEST(a_failing_write_is_survived),
      TEST(a_full_disk_at_any_write_is_survived),
      TEST(a_failing_sync_is_survived),
      TEST(a_failing_truncate_is_survived),
      TEST(a_failing_look_at_the_size_is_survived),
      TEST(a_failing_lock_is_survived),
      TEST(failing_shared_memory_is_survived),
      TEST(a_failing_delete_is_survived),
  };
  return cmocka_run_group_tests_name("disk_fault", tests, NULL, NULL);
}

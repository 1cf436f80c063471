/* power_cut_test.c: the power goes at every sync, and at writes in between. What was acknowledged survives
 * with full durability, whatever the disk kept of what was not synced; with relaxed durability the newest
 * writes may be gone, but no write is there in part. Part of the proof is a crash of the process alone: then
 * all that was written stays. */
#include "scenario.h"

#include "support/fault_vfs.h"

#include <stdio.h>

static fault_vfs *vfs;

/* The power goes at the n-th of these operations. Returns false when there are not so many. */
static bool survives_at(const fixture *f, unsigned kinds, int n, fault_survival survival,
                        tuplet_durability durability) {
  fixture_empty(f);
  fault_vfs_track(vfs);
  fault_vfs_cut_power(vfs, kinds, n);
  scenario s;
  scenario_run(&s, f->path, durability);
  scenario_close(&s);
  bool fired = fault_vfs_fired(vfs);
  fault_vfs_restore(vfs, survival, (uint64_t)n);
  scenario_verify(&s, durability == TUPLET_DURABILITY_RELAXED && survival != FAULT_KEEP_UNSYNCED);
  if (!fired) assert_int_equal(scenario_acknowledged(&s), SCENARIO_ROUNDS * SCENARIO_WRITES);
  return fired;
}

/* Every operation of these kinds; beyond the first `dense` only some. */
static void cut_each(const fixture *f, unsigned kinds, fault_survival survival,
                     tuplet_durability durability) {
  enum { DENSE = 10 };
  int n = 1;
  while (survives_at(f, kinds, n, survival, durability)) n += n < DENSE ? 1 : n / 10;
  assert_true(n > DENSE); /* it happens at all */
}

static void a_power_cut_at_a_sync_loses_nothing_acknowledged(void **state) {
  for (fault_survival survival = FAULT_LOSE_UNSYNCED; survival <= FAULT_MIX_UNSYNCED; survival++) {
    cut_each(*state, FAULT_SYNC, survival, TUPLET_DURABILITY_FULL);
  }
}

static void a_power_cut_at_a_write_loses_nothing_acknowledged(void **state) {
  unsigned kinds = FAULT_WRITE | FAULT_TRUNCATE | FAULT_DELETE;
  for (fault_survival survival = FAULT_LOSE_UNSYNCED; survival <= FAULT_MIX_UNSYNCED; survival++) {
    cut_each(*state, kinds, survival, TUPLET_DURABILITY_FULL);
  }
}

static void relaxed_durability_keeps_operations_whole(void **state) {
  unsigned kinds = FAULT_WRITE | FAULT_SYNC | FAULT_DELETE;
  cut_each(*state, kinds, FAULT_MIX_UNSYNCED, TUPLET_DURABILITY_RELAXED);
  cut_each(*state, kinds, FAULT_LOSE_UNSYNCED, TUPLET_DURABILITY_RELAXED);
}

static void relaxed_durability_survives_a_crash_of_the_process(void **state) {
  cut_each(*state, FAULT_WRITE | FAULT_DELETE, FAULT_KEEP_UNSYNCED, TUPLET_DURABILITY_RELAXED);
}

/* The model itself: what relaxed durability leaves unsynced is lost in it. */
static void the_disk_loses_what_is_not_synced(void **state) {
  const fixture *f = *state;
  fault_vfs_track(vfs);
  tuplet_close(db_open(f->path));
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.durability = TUPLET_DURABILITY_RELAXED;
  tuplet_db *db = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_open(f->path, &options, &db, &error), error);
  EXPECT(TUPLET_OK, tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error), error);
  fault_vfs_cut_power(vfs, FAULT_KINDS_ALL, 1);
  tuplet_close(db);
  fault_vfs_restore(vfs, FAULT_LOSE_UNSYNCED, 0);
  db = db_open(f->path);
  tuplet_entry *entry;
  EXPECT(TUPLET_NOT_FOUND, tuplet_get(db, TUPLET_KEY("a"), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
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
      TEST(the_disk_loses_what_is_not_synced),
      TEST(a_power_cut_at_a_sync_loses_nothing_acknowledged),
      TEST(a_power_cut_at_a_write_loses_nothing_acknowledged),
      TEST(relaxed_durability_keeps_operations_whole),
      TEST(relaxed_durability_survives_a_crash_of_the_process),
  };
  return cmocka_run_group_tests_name("power_cut", tests, NULL, NULL);
}

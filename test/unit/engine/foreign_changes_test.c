/* foreign_changes_test.c: the engine tells changes by others from its own. */
#include "fixture.h"

#include "base/arena.h"
#include "base/clock.h"
#include "engine/sqlite/sqlite_engine.h"

#include <string.h>
#include <unistd.h>

static tp_engine *engine_open(const char *path, bool read_only) {
  tp_sqlite_config config = {
      .clock = tp_clock_system(), .path = path, .read_only = read_only, .cache_kib = 1024};
  tp_engine *engine = NULL;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_engine_open(&config, &engine, &error), error);
  return engine;
}

/* ---- Writing at the seam ---- */

typedef struct own_write {
  tp_write write;
  latch pending;
} own_write;

static void on_written(tp_write *write) {
  latch_count_down(&((own_write *)(void *)write)->pending);
}

static tuplet_status write_row(tp_engine *engine, const char *key, bool wrong_check) {
  tp_arena arena;
  tp_arena_init(&arena, NULL, 1024);
  tuplet_bytes encoded = {key, strlen(key)};
  tp_mutation mutation = {.type = TP_MUTATION_SET,
                          .key = encoded,
                          .encoding = TUPLET_ENCODING_BYTES,
                          .value = encoded,
                          .expires_at_ms = TP_EXPIRES_NEVER};
  tp_check check = {.key = encoded, .versionstamp = {{0xFF}}};
  uint32_t failed_checks[1];
  own_write own = {.write = {.mutations = &mutation,
                             .mutation_count = 1,
                             .checks = &check,
                             .check_count = wrong_check ? 1 : 0,
                             .failed_checks = failed_checks,
                             .arena = &arena,
                             .on_done = on_written}};
  latch_init(&own.pending, 1);
  engine->ops->write(engine, &own.write);
  latch_wait(&own.pending);
  latch_done(&own.pending);
  tp_arena_done(&arena);
  return own.write.status;
}

static bool changed(tp_engine *engine) {
  bool found = false, in_queue = false;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, engine->ops->poll_foreign_changes(engine, &found, &in_queue, &error), error);
  return found;
}

/* Whatever the first looks say, in the end there is nothing more to tell. */
static void settle(tp_engine *engine) {
  for (int i = 0; i < 3; i++) {
    if (!changed(engine)) return;
  }
  fail_msg("changes without end");
}

static void assert_own(tp_engine *engine, const char *key) {
  assert_int_equal(write_row(engine, key, false), TUPLET_OK);
}

/* ---- The tests ---- */

static void own_commits_are_not_foreign(void **state) {
  const fixture *f = *state;
  tp_engine *engine = engine_open(f->path, false);
  assert_own(engine, "a"); /* the first cannot know who wrote before */
  settle(engine);
  for (int i = 0; i < 5; i++) {
    assert_own(engine, "b");
    assert_false(changed(engine));
  }
  assert_int_equal(write_row(engine, "b", true), TUPLET_CONFLICT);
  assert_false(changed(engine));
  engine->ops->close(engine);
}

static void another_connections_commit_is_foreign(void **state) {
  const fixture *f = *state;
  tp_engine *engine = engine_open(f->path, false);
  assert_own(engine, "a");
  settle(engine);
  sqlite3 *other = sql_open(f->path);
  sql_run(other, "BEGIN; UPDATE data_version SET version = version + 1;"
                 "INSERT INTO kv VALUES (x'01', x'', 3, (SELECT version FROM data_version), 0, -1); COMMIT");
  assert_true(changed(engine));
  assert_false(changed(engine)); /* told once */

  sql_run(other, "BEGIN; SELECT count(*) FROM kv; COMMIT");
  assert_false(changed(engine)); /* no write */
  sql_run(other, "PRAGMA wal_checkpoint(TRUNCATE)");
  settle(engine); /* the log began anew, which may look like a change once */
  sql_close(other);
  engine->ops->close(engine);
}

static void a_foreign_commit_between_own_ones_is_noticed(void **state) {
  const fixture *f = *state;
  tp_engine *engine = engine_open(f->path, false);
  assert_own(engine, "a");
  settle(engine);
  for (int i = 0; i < 3; i++) {
    assert_own(engine, "a");
    sql_run_on(f->path, "UPDATE data_version SET version = version + 1");
    assert_own(engine, "a");
    assert_true(changed(engine));
    assert_false(changed(engine));
  }
  engine->ops->close(engine);
}

static bool last_is_own(tp_engine *engine) {
  tp_survey survey = {.after_ms = INT64_MAX};
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, engine->ops->survey(engine, &survey, &error), error);
  return survey.is_own;
}

static void a_commit_that_changes_nothing_does_not_take_a_foreign_one_for_its_own(void **state) {
  const fixture *f = *state;
  tp_engine *engine = engine_open(f->path, false);
  assert_own(engine, "a");
  assert_true(last_is_own(engine));
  sql_run_on(f->path, "UPDATE data_version SET version = version + 1");
  assert_false(last_is_own(engine));
  assert_int_equal(write_row(engine, "b", true), TUPLET_CONFLICT);
  assert_false(last_is_own(engine));
  assert_own(engine, "a");
  assert_true(last_is_own(engine));
  engine->ops->close(engine);
}

/* A child that is started before the engine, and waits until it is told to write. */
typedef struct told {
  char path[sizeof((fixture *)0)->path];
  int ends[2];
} told;

static int write_when_told(void *context) {
  const told *t = context;
  char byte;
  if (read(t->ends[0], &byte, 1) != 1) return 1;
  tuplet_db *db = NULL;
  tuplet_status status = tuplet_open(t->path, NULL, &db, NULL);
  if (status == TUPLET_OK) {
    status = tuplet_set(db, TUPLET_KEY("a"), tuplet_value_u64(1), TUPLET_NEVER, NULL, NULL);
  }
  tuplet_close(db);
  return status == TUPLET_OK ? 0 : 1;
}

static void another_processes_commit_is_foreign(void **state) {
  const fixture *f = *state;
  told t;
  memcpy(t.path, f->path, sizeof t.path);
  assert_int_equal(pipe(t.ends), 0);
  pid_t child = child_start(write_when_told, &t);
  tp_engine *engine = engine_open(f->path, false);
  assert_own(engine, "a");
  settle(engine);
  assert_int_equal(write(t.ends[1], "w", 1), 1);
  assert_int_equal(child_wait(child), 0);
  assert_true(changed(engine));
  settle(engine);
  engine->ops->close(engine);
  assert_int_equal(close(t.ends[0]), 0);
  assert_int_equal(close(t.ends[1]), 0);
}

static void a_reader_hears_of_every_commit(void **state) {
  const fixture *f = *state;
  tuplet_db *db = db_open(f->path);
  tp_engine *engine = engine_open(f->path, true);
  settle(engine);
  tuplet_error error = {0};
  for (int i = 0; i < 3; i++) {
    EXPECT(TUPLET_OK, tuplet_set(db, TUPLET_KEY(i), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error), error);
    assert_true(changed(engine));
    assert_false(changed(engine));
  }
  engine->ops->close(engine);
  tuplet_close(db);
}

static void memory_has_no_foreign_changes(void **state) {
  (void)state;
  tp_engine *engine = engine_open(NULL, false);
  assert_false(engine->shared);
  assert_own(engine, "a");
  assert_false(changed(engine));
  engine->ops->close(engine);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(own_commits_are_not_foreign),
      TEST(another_connections_commit_is_foreign),
      TEST(a_foreign_commit_between_own_ones_is_noticed),
      TEST(a_commit_that_changes_nothing_does_not_take_a_foreign_one_for_its_own),
      TEST(another_processes_commit_is_foreign),
      TEST(a_reader_hears_of_every_commit),
      TEST(memory_has_no_foreign_changes),
  };
  return cmocka_run_group_tests_name("foreign_changes", tests, NULL, NULL);
}

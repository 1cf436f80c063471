/* scenario.c: what a program does with a database, while things fail below it. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 300, LARGE_VALUE_SIZE = 20000, LARGE_WRITE = 3 };

static size_t value_size(int number) {
  return number == LARGE_WRITE ? LARGE_VALUE_SIZE : VALUE_SIZE;
}

static uint8_t value_byte(int round, int number) {
  return (uint8_t)(1 + round * SCENARIO_WRITES + number);
}

/* ---- Doing ---- */

static void on_committed(void *context, tuplet_status status, const tuplet_commit *commit,
                         const tuplet_error *error) {
  scenario_write *write = context;
  write->completions++;
  write->status = status;
  write->error_empty = error->status == TUPLET_OK && error->message[0] == '\0';
  if (status == TUPLET_OK) write->version = version_of(&commit->versionstamp);
  latch_count_down(&write->owner->pending);
}

/* An operation of two rows and a counter that only go together. */
static tuplet_atomic *gather(const scenario *s, int round, int number) {
  static uint8_t bytes[LARGE_VALUE_SIZE];
  memset(bytes, value_byte(round, number), sizeof bytes);
  tuplet_value value = tuplet_value_bytes(bytes, value_size(number));
  tuplet_key a = TUPLET_KEY(round, number, "a");
  tuplet_atomic *atomic = tuplet_atomic_new(s->db);
  assert_non_null(atomic);
  assert_int_equal(tuplet_atomic_check(atomic, a, NULL, NULL), TUPLET_OK);
  assert_int_equal(tuplet_atomic_set(atomic, a, value, TUPLET_NEVER, NULL), TUPLET_OK);
  assert_int_equal(tuplet_atomic_sum(atomic, TUPLET_KEY(round, "count"), 1, NULL), TUPLET_OK);
  assert_int_equal(tuplet_atomic_set(atomic, TUPLET_KEY(round, number, "b"), value, 3600000, NULL),
                   TUPLET_OK);
  return atomic;
}

static void run_round(scenario *s, int round) {
  latch_init(&s->pending, SCENARIO_WRITES);
  for (int i = 0; i < SCENARIO_WRITES; i++) {
    tuplet_atomic *atomic = gather(s, round, i);
    s->writes[round][i] = (scenario_write){.owner = s};
    tuplet_error error = {0};
    EXPECT(TUPLET_OK, tuplet_atomic_commit_async(atomic, on_committed, &s->writes[round][i], &error), error);
  }
  latch_wait(&s->pending);
  latch_done(&s->pending);
  for (int i = 0; i < SCENARIO_WRITES; i++) {
    const scenario_write *write = &s->writes[round][i];
    assert_int_equal(write->completions, 1);
    assert_true(write->status <= 0);
    assert_int_equal(write->error_empty, write->status == TUPLET_OK);
  }
}

/* A read sees what was acknowledged, or says why not. */
static void read_back(const scenario *s, int round) {
  for (int i = 0; i < SCENARIO_WRITES; i++) {
    tuplet_entry *entry = NULL;
    tuplet_error error = {0};
    tuplet_status status =
        tuplet_get(s->db, TUPLET_KEY(round, i, "a"), TUPLET_CONSISTENCY_STRONG, &entry, &error);
    if (status < 0) {
      assert_true(error.message[0] != '\0');
      continue;
    }
    bool acknowledged = s->writes[round][i].status == TUPLET_OK;
    assert_int_equal(status, acknowledged ? TUPLET_OK : TUPLET_NOT_FOUND);
    if (entry == NULL) continue;
    assert_int_equal(entry->value.data.size, value_size(i));
    assert_int_equal(version_of(&entry->versionstamp), s->writes[round][i].version);
    tuplet_entry_free(entry);
  }
}

/* What another program may do at any time. Whether it succeeds does not matter. */
static void checkpoint_beside(const char *path) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
    (void)sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
  }
  (void)sqlite3_close(db);
}

void scenario_run(scenario *s, const char *path, tuplet_durability durability) {
  *s = (scenario){.path = path};
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.durability = durability;
  tuplet_error error = {0};
  if (tuplet_open(path, &options, &s->db, &error) != TUPLET_OK) {
    assert_true(error.status < 0);
    assert_non_null(strstr(error.message, path));
    return;
  }
  for (int round = 0; round < SCENARIO_ROUNDS; round++) {
    run_round(s, round);
    read_back(s, round);
    if (round == 1) checkpoint_beside(path);
  }
}

void scenario_expect_writable(const scenario *s) {
  if (s->db == NULL) return;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_set(s->db, TUPLET_KEY("later"), tuplet_value_u64(1), TUPLET_NEVER, NULL, &error),
         error);
  tuplet_entry *entry;
  EXPECT(TUPLET_OK, tuplet_get(s->db, TUPLET_KEY("later"), TUPLET_CONSISTENCY_STRONG, &entry, &error), error);
  tuplet_entry_free(entry);
}

void scenario_close(scenario *s) {
  tuplet_close(s->db);
  s->db = NULL;
}

int scenario_acknowledged(const scenario *s) {
  int count = 0;
  for (int round = 0; round < SCENARIO_ROUNDS; round++) {
    for (int i = 0; i < SCENARIO_WRITES; i++) {
      if (s->writes[round][i].completions == 1 && s->writes[round][i].status == TUPLET_OK) count++;
    }
  }
  return count;
}

/* ---- Looking ---- */

/* Whether the operation is there; never in part. */
static bool is_there(tuplet_db *db, int round, int number) {
  tuplet_key keys[] = {TUPLET_KEY(round, number, "a"), TUPLET_KEY(round, number, "b")};
  tuplet_entries *entries;
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tuplet_get_many(db, keys, 2, TUPLET_CONSISTENCY_STRONG, &entries, &error), error);
  bool there = entries->items[0].exists;
  assert_int_equal(entries->items[1].exists, there);
  if (there) assert_memory_equal(&entries->items[0].versionstamp, &entries->items[1].versionstamp, 10);
  for (int i = 0; there && i < 2; i++) {
    tuplet_bytes data = entries->items[i].value.data;
    assert_int_equal(data.size, value_size(number));
    for (size_t j = 0; j < data.size; j++) {
      if (((const uint8_t *)data.data)[j] != value_byte(round, number)) fail_msg("byte %zu", j);
    }
  }
  tuplet_entries_free(entries);
  return there;
}

static uint64_t counter(tuplet_db *db, int round) {
  tuplet_entry *entry;
  tuplet_error error = {0};
  tuplet_status status =
      tuplet_get(db, TUPLET_KEY(round, "count"), TUPLET_CONSISTENCY_STRONG, &entry, &error);
  if (status == TUPLET_NOT_FOUND) return 0;
  EXPECT(TUPLET_OK, status, error);
  uint64_t count = 0;
  assert_int_equal(entry->value.encoding, TUPLET_ENCODING_LE64);
  memcpy(&count, entry->value.data.data, sizeof count);
  tuplet_entry_free(entry);
  return count;
}

void scenario_verify(const scenario *s, bool acknowledged_may_be_lost) {
  tuplet_db *db = db_open(s->path);
  int64_t last_version = 0;
  for (int round = 0; round < SCENARIO_ROUNDS; round++) {
    uint64_t count = 0;
    for (int i = 0; i < SCENARIO_WRITES; i++) {
      const scenario_write *write = &s->writes[round][i];
      bool there = is_there(db, round, i);
      if (there) count++;
      if (write->completions == 0) assert_false(there);
      if (write->completions == 0 || write->status != TUPLET_OK) continue;
      assert_true(there || acknowledged_may_be_lost);
      assert_true(write->version > last_version); /* they were submitted in this order */
      last_version = write->version;
    }
    assert_int_equal(counter(db, round), count);
  }
  tuplet_close(db);
  sqlite3 *sql = sql_open(s->path);
  char *sound = sql_rows(sql, "PRAGMA integrity_check");
  assert_string_equal(sound, "ok\n");
  free(sound);
  sql_close(sql);
}

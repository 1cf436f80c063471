/* queue_lease_test.c: messages at the engine's seam: what a turn leases, renews and ends, with a clock of the
 * test's, beside what others write into the same tables. */
#include "fixture.h"

#include "base/arena.h"
#include "base/clock.h"
#include "engine/sqlite/sqlite_engine.h"
#include "support/fault_vfs.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { START_MS = 1000000, LEASE_MS = 5000, HOUR_MS = 3600000 };

typedef struct seam {
  const fixture *f;
  tp_engine *engine;
  _Atomic int64_t now_ms;
  tp_arena arena;
  int64_t observed_due_ms;
  size_t observed_changes;
} seam;

static int64_t clock_unix_ms(void *context) {
  return atomic_load(&((seam *)context)->now_ms);
}

static int64_t clock_monotonic_ns(void *context) {
  return atomic_load(&((seam *)context)->now_ms) * 1000000;
}

static void on_commit(void *context, const tp_commit *commit) {
  seam *s = context;
  s->observed_due_ms = commit->message_due_ms;
  s->observed_changes += commit->change_count;
}

static void seam_open(seam *s, const fixture *f) {
  *s = (seam){.f = f, .observed_due_ms = TP_EXPIRES_NEVER};
  atomic_init(&s->now_ms, START_MS);
  tp_sqlite_config config = {
      .clock = {clock_unix_ms, clock_monotonic_ns, s}, .path = f->path, .cache_kib = 1024};
  tuplet_error error = {0};
  EXPECT(TUPLET_OK, tp_sqlite_engine_open(&config, &s->engine, &error), error);
  s->engine->ops->set_observer(s->engine, (tp_engine_observer){on_commit, s});
  tp_arena_init(&s->arena, NULL, 4096);
}

static void seam_close(seam *s) {
  s->engine->ops->close(s->engine);
  tp_arena_done(&s->arena);
}

/* ---- Writing and turning ---- */

typedef struct own_write {
  tp_write write;
  latch pending;
} own_write;

static void on_written(tp_write *write) {
  latch_count_down(&((own_write *)(void *)write)->pending);
}

static tuplet_status submit(seam *s, own_write *own) {
  own->write.arena = &s->arena;
  own->write.on_done = on_written;
  latch_init(&own->pending, 1);
  s->engine->ops->write(s->engine, &own->write);
  latch_wait(&own->pending);
  latch_done(&own->pending);
  return own->write.status;
}

static tuplet_status enqueue(seam *s, const char *payload, int64_t due_at_ms, const tuplet_bytes *keys,
                             size_t key_count) {
  static const uint32_t backoff_ms[] = {100, 700};
  const tp_enqueue message = {.payload = {payload, strlen(payload)},
                              .due_at_ms = due_at_ms,
                              .keys_if_undelivered = keys,
                              .keys_if_undelivered_count = key_count,
                              .backoff_ms = backoff_ms,
                              .backoff_count = 2,
                              .has_backoff = true};
  own_write own = {.write = {.enqueues = &message, .enqueue_count = 1}};
  return submit(s, &own);
}

static tuplet_status finish(seam *s, const tp_message *message, tp_finish_outcome outcome) {
  const tp_finish end = {message->id, message->lease_until_ms, outcome};
  own_write own = {.write = {.finishes = &end, .finish_count = 1}};
  tuplet_status status = submit(s, &own);
  assert_true(own.write.lease_lost == (status == TUPLET_CONFLICT));
  return status;
}

typedef struct own_turn {
  tp_queue_turn turn;
  latch pending;
} own_turn;

static void on_turned(tp_queue_turn *turn) {
  latch_count_down(&((own_turn *)(void *)turn)->pending);
}

static tp_queue_turn turn_with(seam *s, tp_queue_turn given) {
  own_turn own = {.turn = given};
  own.turn.lease_ms = LEASE_MS;
  own.turn.arena = &s->arena;
  own.turn.on_done = on_turned;
  latch_init(&own.pending, 1);
  s->engine->ops->queue_turn(s->engine, &own.turn);
  latch_wait(&own.pending);
  latch_done(&own.pending);
  return own.turn;
}

/* Leases up to so many messages. */
static tp_queue_turn lease(seam *s, size_t message_max) {
  tp_queue_turn turn =
      turn_with(s, (tp_queue_turn){.run_out_until_ms = TP_EXPIRES_NEVER, .message_max = message_max});
  assert_int_equal(turn.status, TUPLET_OK);
  return turn;
}

static tp_message lease_one(seam *s) {
  tp_queue_turn turn = lease(s, 1);
  assert_int_equal(turn.message_count, 1);
  return turn.messages[0];
}

static void assert_payload(const tp_message *message, const char *payload) {
  assert_int_equal(message->payload.size, strlen(payload));
  assert_memory_equal(message->payload.data, payload, message->payload.size);
}

static int64_t count_in(const seam *s, const char *table) {
  char sql[320];
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
  return sql_integer_on(s->f->path, sql);
}

static void assert_counts(const seam *s, int64_t waiting, int64_t running) {
  assert_int_equal(count_in(s, "queue"), waiting);
  assert_int_equal(count_in(s, "queue_running"), running);
}

/* ---- Leases ---- */

static void what_is_due_is_leased_in_its_order(void **state) {
  seam s;
  seam_open(&s, *state);
  assert_int_equal(enqueue(&s, "second", START_MS - 10, NULL, 0), TUPLET_OK);
  assert_int_equal(enqueue(&s, "first", START_MS - 20, NULL, 0), TUPLET_OK);
  assert_int_equal(enqueue(&s, "later", START_MS + 30, NULL, 0), TUPLET_OK);
  assert_int_equal(s.observed_due_ms, START_MS + 30);
  tp_queue_turn turn = lease(&s, 10);
  assert_int_equal(turn.message_count, 2);
  assert_payload(&turn.messages[0], "first");
  assert_payload(&turn.messages[1], "second");
  assert_int_equal(turn.messages[0].attempt, 1);
  assert_int_equal(turn.messages[0].lease_until_ms, START_MS + LEASE_MS);
  assert_int_equal(turn.next_due_ms, START_MS + 30);
  assert_int_equal(turn.next_run_out_ms, START_MS + LEASE_MS);
  assert_int_equal(lease(&s, 10).message_count, 0);
  assert_counts(&s, 1, 2);
  for (size_t i = 0; i < 2; i++) assert_int_equal(finish(&s, &turn.messages[i], TP_FINISH_DONE), TUPLET_OK);
  assert_int_equal(finish(&s, &turn.messages[0], TP_FINISH_DONE), TUPLET_CONFLICT);
  assert_counts(&s, 1, 0);
  seam_close(&s);
}

static void a_renewed_lease_goes_on_and_a_lost_one_is_told(void **state) {
  seam s;
  seam_open(&s, *state);
  assert_int_equal(enqueue(&s, "kept", START_MS, NULL, 0), TUPLET_OK);
  assert_int_equal(enqueue(&s, "lost", START_MS, NULL, 0), TUPLET_OK);
  tp_queue_turn turn = lease(&s, 2);
  tp_lease leases[2];
  for (size_t i = 0; i < 2; i++)
    leases[i] = (tp_lease){.id = turn.messages[i].id, .lease_until_ms = turn.messages[i].lease_until_ms};
  size_t kept = memcmp(turn.messages[0].payload.data, "kept", 4) == 0 ? 0 : 1;
  sql_run_on(s.f->path, "DELETE FROM queue_running WHERE data = CAST('lost' AS BLOB)");
  atomic_store(&s.now_ms, START_MS + 2 * LEASE_MS); /* even one that has run out: nobody has ended it */
  tp_queue_turn renewal = turn_with(
      &s, (tp_queue_turn){.run_out_until_ms = TP_EXPIRES_NEVER, .leases = leases, .lease_count = 2});
  assert_int_equal(renewal.status, TUPLET_OK);
  assert_int_equal(renewal.lease_until_ms, START_MS + 3 * LEASE_MS);
  assert_false(leases[kept].is_lost);
  assert_true(leases[1 - kept].is_lost);
  assert_int_equal(finish(&s, &turn.messages[kept], TP_FINISH_DONE), TUPLET_CONFLICT); /* the old name */
  turn.messages[kept].lease_until_ms = renewal.lease_until_ms;
  assert_int_equal(finish(&s, &turn.messages[kept], TP_FINISH_DONE), TUPLET_OK);
  assert_counts(&s, 0, 0);
  seam_close(&s);
}

static void only_what_had_run_out_by_the_given_moment_is_ended(void **state) {
  seam s;
  seam_open(&s, *state);
  assert_int_equal(enqueue(&s, "message", START_MS, NULL, 0), TUPLET_OK);
  tp_message message = lease_one(&s);
  atomic_store(&s.now_ms, START_MS + HOUR_MS); /* the clock was set, or the turn has waited */
  assert_int_equal(lease(&s, 1).message_count, 0);
  tp_queue_turn early =
      turn_with(&s, (tp_queue_turn){.run_out_until_ms = message.lease_until_ms - 1, .message_max = 1});
  assert_int_equal(early.message_count, 0);
  assert_counts(&s, 0, 1);
  tp_queue_turn turn = turn_with(&s, (tp_queue_turn){.run_out_until_ms = message.lease_until_ms});
  assert_int_equal(turn.next_due_ms, START_MS + HOUR_MS + 100); /* its first delay */
  assert_int_equal(turn.next_run_out_ms, TP_EXPIRES_NEVER);
  assert_int_equal(finish(&s, &message, TP_FINISH_DONE), TUPLET_CONFLICT);
  assert_counts(&s, 1, 0);
  seam_close(&s);
}

static void a_lease_counts_from_the_moment_it_is_written(void **state) {
  seam s;
  seam_open(&s, *state);
  assert_int_equal(enqueue(&s, "message", START_MS, NULL, 0), TUPLET_OK);
  atomic_store(&s.now_ms, START_MS - HOUR_MS); /* set back: not due any more */
  assert_int_equal(lease(&s, 1).message_count, 0);
  atomic_store(&s.now_ms, START_MS + HOUR_MS);
  assert_int_equal(lease_one(&s).lease_until_ms, START_MS + HOUR_MS + LEASE_MS);
  seam_close(&s);
}

static void what_is_returned_is_due_at_once_as_it_was(void **state) {
  seam s;
  seam_open(&s, *state);
  assert_int_equal(enqueue(&s, "message", START_MS - 7, NULL, 0), TUPLET_OK);
  tp_message first = lease_one(&s);
  assert_int_equal(finish(&s, &first, TP_FINISH_RETURNED), TUPLET_OK);
  assert_int_equal(s.observed_due_ms, START_MS);
  tp_message second = lease_one(&s);
  assert_int_equal(second.attempt, 1);
  assert_int_equal(second.id.size, first.id.size);
  assert_memory_equal(second.id.data, first.id.data, first.id.size);
  seam_close(&s);
}

static void what_keeps_failing_ends_under_its_keys_in_one_commit(void **state) {
  seam s;
  seam_open(&s, *state);
  static const char a[] = "\2a", b[] = "\2b"; /* their NUL is part of them */
  const tuplet_bytes keys[] = {{a, sizeof a}, {b, sizeof b}};
  assert_int_equal(enqueue(&s, "message", START_MS, keys, 2), TUPLET_OK);
  static const int64_t delays_ms[] = {100, 700};
  for (uint32_t attempt = 1; attempt <= 3; attempt++) {
    tp_message message = lease_one(&s);
    assert_int_equal(message.attempt, attempt);
    assert_int_equal(message.public_id_size, 36); /* a UUID, each time */
    if (attempt == 3) {                           /* this time who has it dies */
      tp_queue_turn turn = turn_with(&s, (tp_queue_turn){.run_out_until_ms = message.lease_until_ms});
      assert_int_equal(turn.status, TUPLET_OK);
      break;
    }
    assert_int_equal(finish(&s, &message, TP_FINISH_FAILED), TUPLET_OK);
    int64_t due_ms = atomic_load(&s.now_ms) + delays_ms[attempt - 1];
    assert_int_equal(s.observed_due_ms, due_ms);
    atomic_store(&s.now_ms, due_ms - 1);
    assert_int_equal(lease(&s, 1).message_count, 0);
    atomic_store(&s.now_ms, due_ms);
  }
  assert_counts(&s, 0, 0);
  assert_int_equal(s.observed_changes, 2);
  assert_int_equal(count_in(&s, "kv WHERE v = CAST('message' AS BLOB) AND v_encoding = 1"), 2);
  assert_int_equal(sql_integer_on(s.f->path, "SELECT count(DISTINCT version) FROM kv"), 1);
  assert_int_equal(
      sql_integer_on(s.f->path, "SELECT max(kv.version) = data_version.version FROM kv, data_version"), 1);
  seam_close(&s);
}

/* ---- What others may have written ---- */

static void schedules_that_are_none_are_at_their_end(void **state) {
  static const struct {
    const char *text;
    int64_t delay_ms; /* -1: it does not come again */
    const char *rest;
  } cases[] = {{"[]", -1, ""},
               {"null", -1, ""},
               {"", -1, ""},
               {"[", -1, ""},
               {"{}", -1, ""},
               {"7", -1, ""},
               {"[null]", -1, ""},
               {"[\"5\"]", -1, ""},
               {"[1.5]", -1, ""},
               {"[5,\"x\"]", 5, "[\"x\"]"},
               {"[-5,1]", 0, "[1]"},
               {"[99999999999]", HOUR_MS, "[]"},
               {" [ 20 , 30 ] ", 20, "[30]"}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    seam s;
    seam_open(&s, *state);
    char sql[256];
    (void)snprintf(sql, sizeof sql, "INSERT INTO queue VALUES (1, 'id', x'00', '%s', '[[2,97,0]]')",
                   cases[i].text);
    sql_run_on(s.f->path, sql);
    tp_message message = lease_one(&s);
    assert_int_equal(finish(&s, &message, TP_FINISH_FAILED), TUPLET_OK);
    if (cases[i].delay_ms < 0) {
      assert_counts(&s, 0, 0);
      assert_int_equal(count_in(&s, "kv"), 1);
    } else {
      (void)snprintf(sql, sizeof sql,
                     "queue WHERE ts = %" PRId64 " AND backoff_schedule = '%s' AND id = 'id+2'",
                     START_MS + cases[i].delay_ms, cases[i].rest);
      assert_int_equal(count_in(&s, sql), 1);
    }
    seam_close(&s);
    fixture_empty(s.f);
  }
}

static void a_message_whose_keys_are_damaged_is_not_lost(void **state) {
  static const char *const texts[] = {"",       "null",    "[",       "[1]", "[[256]]",
                                      "[[-1]]", "[\"a\"]", "[[1.5]]", "{}"};
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    seam s;
    seam_open(&s, *state);
    char sql[256];
    (void)snprintf(sql, sizeof sql, "INSERT INTO queue VALUES (1, 'id', x'00', '[]', '%s')", texts[i]);
    sql_run_on(s.f->path, sql);
    tp_message message = lease_one(&s);
    assert_int_equal(finish(&s, &message, TP_FINISH_FAILED), TUPLET_OK);
    assert_counts(&s, 1, 0);
    assert_int_equal(lease(&s, 1).next_due_ms, START_MS + HOUR_MS); /* not again and again */
    seam_close(&s);
    fixture_empty(s.f);
  }
}

static void any_id_will_do(void **state) {
  static const struct {
    const char *sql;
    uint32_t attempt;
    size_t public_size;
    const char *next;
  } cases[] = {{"''", 1, 0, "+2"},
               {"'+'", 1, 1, "++2"},
               {"'+7'", 7, 0, "+8"},
               {"'a+0'", 1, 3, "a+0+2"},
               {"'a+b'", 1, 3, "a+b+2"},
               {"'a+2'", 2, 1, "a+3"},
               {"'a+1+12'", 12, 3, "a+1+13"},
               {"'a+999999999'", 999999999, 1, "a+999999999"},
               {"'a+1000000000'", 1, 12, "a+1000000000+2"},
               {"'é'", 1, 2, "é+2"},
               {"x'6100'", 1, 2, NULL},
               {"17", 1, 2, "17+2"}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    seam s;
    seam_open(&s, *state);
    char sql[256];
    (void)snprintf(sql, sizeof sql, "INSERT INTO queue VALUES (1, %s, x'00', '[5]', '[]')", cases[i].sql);
    sql_run_on(s.f->path, sql);
    tp_message message = lease_one(&s);
    assert_int_equal(message.attempt, cases[i].attempt);
    assert_int_equal(message.public_id_size, cases[i].public_size);
    assert_int_equal(finish(&s, &message, TP_FINISH_FAILED), TUPLET_OK);
    assert_counts(&s, 1, 0);
    (void)snprintf(sql, sizeof sql, "queue WHERE id = '%s'", cases[i].next == NULL ? "" : cases[i].next);
    if (cases[i].next != NULL) assert_int_equal(count_in(&s, sql), 1);
    seam_close(&s);
    fixture_empty(s.f);
  }
}

static void two_messages_of_one_id_are_both_delivered(void **state) {
  seam s;
  seam_open(&s, *state);
  sql_run_on(s.f->path,
             "INSERT INTO queue VALUES (1, 'id', x'01', '[5]', '[]'), (2, 'id', x'02', '[5]', '[]')");
  tp_queue_turn turn = lease(&s, 2);
  assert_int_equal(turn.message_count, 2);
  assert_int_not_equal(turn.messages[0].lease_until_ms, turn.messages[1].lease_until_ms);
  for (size_t i = 0; i < 2; i++) assert_int_equal(finish(&s, &turn.messages[i], TP_FINISH_FAILED), TUPLET_OK);
  assert_counts(&s, 2, 0);
  seam_close(&s);
}

static void times_that_are_none_keep_nobody_busy(void **state) {
  seam s;
  seam_open(&s, *state);
  sql_run_on(s.f->path,
             "INSERT INTO queue VALUES ('soon', 'a', x'01', '[]', '[]'), (x'00', 'b', x'', '[]', '[]');"
             "INSERT INTO queue_running VALUES ('soon', 'a', x'01', '[]', '[]')");
  tp_queue_turn turn = lease(&s, 10);
  assert_int_equal(turn.message_count, 0);
  assert_int_equal(turn.next_due_ms, TP_EXPIRES_NEVER);
  assert_int_equal(turn.next_run_out_ms, TP_EXPIRES_NEVER);
  sql_run_on(s.f->path, "INSERT INTO queue VALUES (-5, 'c', x'03', '[]', '[]')");
  assert_int_equal(lease(&s, 10).message_count, 1); /* long due */
  seam_close(&s);
}

/* ---- A disk that fails ---- */

static void a_full_disk_neither_leases_nor_loses(void **state) {
  fault_vfs *vfs = fault_vfs_new();
  seam s;
  seam_open(&s, *state);
  static char payload[30000];
  memset(payload, 'x', sizeof payload - 1);
  for (int i = 0; i < 4; i++) assert_int_equal(enqueue(&s, payload, START_MS, NULL, 0), TUPLET_OK);
  tp_message held = lease_one(&s);
  fault_vfs_fail(vfs, FAULT_WRITE, 1, FAULT_FOREVER, SQLITE_FULL); /* the log has room, so let it be none */
  for (int i = 0; i < 3; i++) {
    tp_queue_turn turn =
        turn_with(&s, (tp_queue_turn){.run_out_until_ms = TP_EXPIRES_NEVER, .message_max = 2});
    assert_int_equal(turn.status, TUPLET_FULL);
    assert_int_equal(finish(&s, &held, TP_FINISH_DONE), TUPLET_FULL);
  }
  assert_counts(&s, 3, 1);
  fault_vfs_heal(vfs);
  assert_int_equal(finish(&s, &held, TP_FINISH_DONE), TUPLET_OK);
  assert_int_equal(lease(&s, 10).message_count, 3);
  assert_counts(&s, 0, 3);
  seam_close(&s);
  fixture_empty(s.f);
  fault_vfs_free(vfs);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(what_is_due_is_leased_in_its_order),
      TEST(a_renewed_lease_goes_on_and_a_lost_one_is_told),
      TEST(only_what_had_run_out_by_the_given_moment_is_ended),
      TEST(a_lease_counts_from_the_moment_it_is_written),
      TEST(what_is_returned_is_due_at_once_as_it_was),
      TEST(what_keeps_failing_ends_under_its_keys_in_one_commit),
      TEST(schedules_that_are_none_are_at_their_end),
      TEST(a_message_whose_keys_are_damaged_is_not_lost),
      TEST(any_id_will_do),
      TEST(two_messages_of_one_id_are_both_delivered),
      TEST(times_that_are_none_keep_nobody_busy),
      TEST(a_full_disk_neither_leases_nor_loses),
  };
  return cmocka_run_group_tests_name("queue_lease", tests, NULL, NULL);
}

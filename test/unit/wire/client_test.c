/* client_test.c: what a client writes the server's decoder reads, and the other way round; wrong answers are
 * refused. */
#include "wire/client.h"
#include "wire/datapath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK_SIZE = 4096 };

/* [true], [false] and [true, false] */
#define KEY_TRUE  ((tuplet_bytes){"\x27", 1})
#define KEY_FALSE ((tuplet_bytes){"\x26", 1})
#define KEY_BOTH  ((tuplet_bytes){"\x27\x26", 2})

typedef struct fixture {
  tp_buffer out;
  tp_arena arena;
  tuplet_error error;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  tp_buffer_init(&f->out, NULL);
  tp_arena_init(&f->arena, NULL, CHUNK_SIZE);
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tp_buffer_done(&f->out);
  tp_arena_done(&f->arena);
  free(f);
  return 0;
}

static void assert_bytes(tuplet_bytes wanted, tuplet_bytes got) {
  assert_int_equal(got.size, wanted.size);
  if (wanted.size > 0) assert_memory_equal(got.data, wanted.data, wanted.size);
}

/* ---- Requests ---- */

static void a_read_arrives_as_it_was_asked(void **state) {
  fixture *f = *state;
  const tp_read_range ranges[] = {{.start = {NULL, 0}, .end = {"\xff", 1}, .limit = 500, .reverse = true},
                                  {.start = KEY_TRUE, .end = {"\x27\x00", 2}, .limit = 1}};
  tp_snapshot_read_encode(&f->out, ranges, 2);
  tp_read_range *decoded;
  size_t count;
  assert_int_equal(tp_snapshot_read_decode(tp_buffer_view(&f->out), &f->arena, &decoded, &count, &f->error),
                   TUPLET_OK);
  assert_int_equal(count, 2);
  for (size_t i = 0; i < 2; i++) {
    assert_bytes(ranges[i].start, decoded[i].start);
    assert_bytes(ranges[i].end, decoded[i].end);
    assert_int_equal(decoded[i].limit, ranges[i].limit);
    assert_int_equal(decoded[i].reverse, ranges[i].reverse);
  }
}

static void a_write_arrives_as_it_was_asked(void **state) {
  fixture *f = *state;
  const tp_check checks[] = {{.key = KEY_TRUE, .must_be_absent = true},
                             {.key = KEY_FALSE, .versionstamp = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}}};
  const tp_mutation mutations[] = {
      {.type = TP_MUTATION_SET,
       .key = KEY_TRUE,
       .value = {"v", 1},
       .encoding = 3,
       .expires_at_ms = 12345678901234},
      {.type = TP_MUTATION_SET,
       .key = KEY_BOTH,
       .value = {"", 0},
       .encoding = 3,
       .expires_at_ms = TP_EXPIRES_NEVER},
      {.type = TP_MUTATION_DELETE, .key = KEY_FALSE, .expires_at_ms = TP_EXPIRES_NEVER},
      {.type = TP_MUTATION_SUM,
       .key = KEY_FALSE,
       .value = {"\xff\x0f\x49\x02", 4},
       .encoding = 1,
       .sum_min = {"\xff\x0f\x49\x00", 4},
       .sum_max = {"\xff\x0f\x49\x08", 4},
       .sum_clamp = true,
       .expires_at_ms = TP_EXPIRES_NEVER},
      {.type = TP_MUTATION_MIN,
       .key = KEY_TRUE,
       .value = {"12345678", 8},
       .encoding = 2,
       .expires_at_ms = TP_EXPIRES_NEVER},
      {.type = TP_MUTATION_MAX,
       .key = KEY_TRUE,
       .value = {"12345678", 8},
       .encoding = 2,
       .expires_at_ms = TP_EXPIRES_NEVER},
      {.type = TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY,
       .key = KEY_TRUE,
       .value = {"w", 1},
       .encoding = 3,
       .expires_at_ms = TP_EXPIRES_NEVER},
  };
  const tuplet_bytes undelivered[] = {KEY_TRUE, KEY_BOTH};
  const uint32_t backoff_ms[] = {0, 300, 3600000};
  const tp_enqueue enqueues[] = {{.payload = {"\xff\x0f\x54", 3},
                                  .due_at_ms = 1700000000000,
                                  .keys_if_undelivered = undelivered,
                                  .keys_if_undelivered_count = 2,
                                  .backoff_ms = backoff_ms,
                                  .backoff_count = 3,
                                  .has_backoff = true},
                                 {.payload = {"\xff\x0f\x46", 3}}};
  const tp_write write = {.checks = checks,
                          .check_count = 2,
                          .mutations = mutations,
                          .mutation_count = sizeof mutations / sizeof *mutations,
                          .enqueues = enqueues,
                          .enqueue_count = 2};
  assert_int_equal(tp_atomic_write_is_sayable(&write, &f->error), TUPLET_OK);
  tp_atomic_write_encode(&f->out, &write);
  tp_write got;
  assert_int_equal(tp_atomic_write_decode(tp_buffer_view(&f->out), &f->arena, &got, &f->error), TUPLET_OK);
  assert_int_equal(got.check_count, 2);
  assert_true(got.checks[0].must_be_absent);
  assert_false(got.checks[1].must_be_absent);
  assert_memory_equal(&got.checks[1].versionstamp, &checks[1].versionstamp, sizeof(tuplet_versionstamp));
  assert_int_equal(got.mutation_count, write.mutation_count);
  for (size_t i = 0; i < got.mutation_count; i++) {
    assert_int_equal(got.mutations[i].type, mutations[i].type);
    assert_bytes(mutations[i].key, got.mutations[i].key);
    assert_bytes(mutations[i].value, got.mutations[i].value);
    assert_bytes(mutations[i].sum_min, got.mutations[i].sum_min);
    assert_bytes(mutations[i].sum_max, got.mutations[i].sum_max);
    assert_int_equal(got.mutations[i].expires_at_ms, mutations[i].expires_at_ms);
    assert_int_equal(got.mutations[i].encoding, mutations[i].encoding);
    assert_int_equal(got.mutations[i].sum_clamp, mutations[i].sum_clamp);
  }
  assert_int_equal(got.enqueue_count, 2);
  assert_bytes(enqueues[0].payload, got.enqueues[0].payload);
  assert_int_equal(got.enqueues[0].due_at_ms, enqueues[0].due_at_ms);
  assert_int_equal(got.enqueues[0].keys_if_undelivered_count, 2);
  assert_bytes(KEY_BOTH, got.enqueues[0].keys_if_undelivered[1]);
  assert_int_equal(got.enqueues[0].backoff_count, 3);
  assert_memory_equal(got.enqueues[0].backoff_ms, backoff_ms, sizeof backoff_ms);
  assert_false(got.enqueues[1].has_backoff);
}

static void an_expiry_of_long_ago_is_not_never(void **state) {
  fixture *f = *state;
  const tp_mutation mutation = {
      .type = TP_MUTATION_SET, .key = KEY_TRUE, .value = {"v", 1}, .encoding = 3, .expires_at_ms = 0};
  const tp_write write = {.mutations = &mutation, .mutation_count = 1};
  tp_atomic_write_encode(&f->out, &write);
  tp_write got;
  assert_int_equal(tp_atomic_write_decode(tp_buffer_view(&f->out), &f->arena, &got, &f->error), TUPLET_OK);
  assert_int_equal(got.mutations[0].expires_at_ms, 1);
}

static void an_empty_schedule_cannot_be_said(void **state) {
  fixture *f = *state;
  const tp_enqueue enqueue = {.payload = {"\xff\x0f\x54", 3}, .has_backoff = true};
  const tp_write write = {.enqueues = &enqueue, .enqueue_count = 1};
  assert_int_equal(tp_atomic_write_is_sayable(&write, &f->error), TUPLET_UNSUPPORTED);
}

static void a_watch_and_the_ends_of_messages_arrive(void **state) {
  fixture *f = *state;
  const tuplet_bytes keys[] = {KEY_TRUE, {"", 0}, KEY_BOTH};
  tp_watch_encode(&f->out, keys, 3);
  tuplet_bytes *got;
  size_t count;
  assert_int_equal(tp_watch_decode(tp_buffer_view(&f->out), &f->arena, &got, &count, &f->error), TUPLET_OK);
  assert_int_equal(count, 3);
  for (size_t i = 0; i < 3; i++) assert_bytes(keys[i], got[i]);

  uint32_t in_flight_max;
  tp_buffer_clear(&f->out);
  tp_queue_listen_encode(&f->out, 17);
  assert_int_equal(tp_queue_listen_decode(tp_buffer_view(&f->out), &f->arena, &in_flight_max, &f->error),
                   TUPLET_OK);
  assert_int_equal(in_flight_max, 17);

  for (int success = 0; success < 2; success++) {
    tuplet_bytes id;
    uint32_t got_attempt;
    bool got_success;
    tp_buffer_clear(&f->out);
    tp_queue_finish_encode(&f->out, (tuplet_bytes){"an-id", 5}, (uint32_t)success * 300, success == 1);
    assert_int_equal(tp_queue_finish_decode(tp_buffer_view(&f->out), &f->arena, &id, &got_attempt,
                                            &got_success, &f->error),
                     TUPLET_OK);
    assert_int_equal(got_attempt, success * 300);
    assert_bytes((tuplet_bytes){"an-id", 5}, id);
    assert_int_equal(got_success, success == 1);
  }
}

/* ---- Answers ---- */

static const tp_read_range all = {.start = {NULL, 0}, .end = {"\xff", 1}, .limit = 2};

static tp_row row_of(tuplet_bytes key) {
  return (tp_row){.key = key,
                  .value = {"value", 5},
                  .encoding = TUPLET_ENCODING_BYTES,
                  .versionstamp = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}};
}

static void write_rows(fixture *f, const tuplet_bytes *keys, size_t count, size_t range_count) {
  tp_snapshot_read_output output;
  tp_buffer_clear(&f->out);
  tp_snapshot_read_output_begin(&output, &f->out);
  for (size_t i = 0; i < count; i++) {
    tp_row row = row_of(keys[i]);
    tp_snapshot_read_output_row(&output, 0, &row);
  }
  tp_snapshot_read_output_end(&output, range_count);
}

static tuplet_status read_rows(fixture *f, const tp_read_range *ranges, size_t range_count,
                               const tp_range_rows **ret_rows) {
  bool is_strong = false;
  tuplet_status status = tp_snapshot_read_output_decode(tp_buffer_view(&f->out), &f->arena, ranges,
                                                        range_count, ret_rows, &is_strong, &f->error);
  if (status == TUPLET_OK) assert_true(is_strong);
  return status;
}

static void rows_come_back_range_by_range(void **state) {
  fixture *f = *state;
  const tp_read_range ranges[] = {all, {.start = KEY_TRUE, .end = KEY_BOTH, .limit = 1}};
  const tp_range_rows *rows;
  write_rows(f, (tuplet_bytes[]){KEY_FALSE, KEY_BOTH}, 2, 2);
  assert_int_equal(read_rows(f, ranges, 2, &rows), TUPLET_OK);
  assert_int_equal(rows[0].row_count, 2);
  assert_int_equal(rows[1].row_count, 0);
  const tp_row wanted = row_of(KEY_BOTH);
  assert_bytes(wanted.key, rows[0].rows[1].key);
  assert_bytes(wanted.value, rows[0].rows[1].value);
  assert_int_equal(rows[0].rows[1].encoding, wanted.encoding);
  assert_memory_equal(&rows[0].rows[1].versionstamp, &wanted.versionstamp, sizeof wanted.versionstamp);
  assert_int_equal(rows[0].rows[1].expires_at_ms, TP_EXPIRES_NEVER);
  assert_true(f->out.size <= tp_snapshot_read_output_size_max(ranges, 2));
}

static void answers_that_were_not_asked_for_are_refused(void **state) {
  fixture *f = *state;
  const tp_range_rows *rows;
  const tp_read_range narrow = {.start = KEY_TRUE, .end = KEY_BOTH, .limit = 5};
  tp_read_range reverse = all;
  reverse.reverse = true;

  write_rows(f, (tuplet_bytes[]){KEY_FALSE, KEY_TRUE, KEY_BOTH}, 3, 1); /* more than the limit */
  assert_int_equal(read_rows(f, &all, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_FALSE, KEY_TRUE}, 2, 1); /* the wrong way round */
  assert_int_equal(read_rows(f, &reverse, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_TRUE, KEY_FALSE}, 2, 1);
  assert_int_equal(read_rows(f, &reverse, 1, &rows), TUPLET_OK);
  assert_int_equal(read_rows(f, &all, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_TRUE, KEY_TRUE}, 2, 1); /* twice the same */
  assert_int_equal(read_rows(f, &all, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_FALSE}, 1, 1); /* outside */
  assert_int_equal(read_rows(f, &narrow, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_BOTH}, 1, 1);
  assert_int_equal(read_rows(f, &narrow, 1, &rows), TUPLET_MALFORMED);
  write_rows(f, (tuplet_bytes[]){KEY_TRUE}, 1, 2); /* another number of ranges */
  assert_int_equal(read_rows(f, &narrow, 1, &rows), TUPLET_MALFORMED);
  tp_buffer_clear(&f->out);
  tp_buffer_append_text(&f->out, "no message");
  assert_int_equal(read_rows(f, &narrow, 1, &rows), TUPLET_MALFORMED);
}

static void a_server_may_take_no_reads(void **state) {
  fixture *f = *state;
  const tp_range_rows *rows;
  tp_buffer_append(&f->out, "\x10\x01", 2); /* read_disabled */
  assert_int_equal(read_rows(f, &all, 1, &rows), TUPLET_BUSY);
  tp_buffer_clear(&f->out);
  tp_buffer_append(&f->out, "\x40\x02", 2); /* SR_READ_DISABLED */
  assert_int_equal(read_rows(f, &all, 1, &rows), TUPLET_BUSY);
}

static void outcomes_of_writes_come_back(void **state) {
  fixture *f = *state;
  uint32_t failed[3] = {0};
  const tp_check checks[3] = {{.key = KEY_TRUE}, {.key = KEY_FALSE}, {.key = KEY_BOTH}};
  tp_write write = {.checks = checks, .check_count = 3, .failed_checks = failed};
  const tuplet_versionstamp versionstamp = {{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}};
  tp_atomic_write_output_success(&f->out, &versionstamp);
  assert_int_equal(tp_atomic_write_output_decode(tp_buffer_view(&f->out), &f->arena, &write, &f->error),
                   TUPLET_OK);
  assert_memory_equal(&write.versionstamp, &versionstamp, sizeof versionstamp);

  tp_buffer_clear(&f->out);
  tp_atomic_write_output_check_failure(&f->out, (uint32_t[]){0, 2}, 2);
  assert_int_equal(tp_atomic_write_output_decode(tp_buffer_view(&f->out), &f->arena, &write, &f->error),
                   TUPLET_CONFLICT);
  assert_int_equal(write.failed_check_count, 2);
  assert_int_equal(failed[1], 2);

  tp_buffer_clear(&f->out);
  tp_atomic_write_output_check_failure(&f->out, NULL, 0); /* as a server that does not tell which */
  assert_int_equal(tp_atomic_write_output_decode(tp_buffer_view(&f->out), &f->arena, &write, &f->error),
                   TUPLET_CONFLICT);
  assert_int_equal(write.failed_check_count, 0);

  tp_buffer_clear(&f->out);
  tp_atomic_write_output_disabled(&f->out);
  assert_int_equal(tp_atomic_write_output_decode(tp_buffer_view(&f->out), &f->arena, &write, &f->error),
                   TUPLET_READ_ONLY);
}

static void wrong_outcomes_of_writes_are_refused(void **state) {
  fixture *f = *state;
  uint32_t failed[2];
  const tp_check checks[2] = {{.key = KEY_TRUE}, {.key = KEY_FALSE}};
  tp_write write = {.checks = checks, .check_count = 2, .failed_checks = failed};
  static const char *const answers[] = {
      "",                             /* no status */
      "\x08\x09",                     /* an unknown one */
      "\x08\x01",                     /* success without a versionstamp */
      "\x08\x01\x12\x01x",            /* with one of a byte */
      "\x08\x02\x22\x01\x02",         /* a check that does not exist */
      "\x08\x02\x22\x02\x01\x01",     /* one twice */
      "\x08\x02\x22\x03\x01\x01\x01", /* more than there are */
      "\x08",
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    tuplet_bytes answer = {answers[i], strlen(answers[i])};
    assert_int_equal(tp_atomic_write_output_decode(answer, &f->arena, &write, &f->error), TUPLET_MALFORMED);
  }
  write.check_count = 0;
  assert_int_equal(tp_atomic_write_output_decode((tuplet_bytes){"\x08\x02", 2}, &f->arena, &write, &f->error),
                   TUPLET_MALFORMED);
}

static void watched_entries_come_back(void **state) {
  fixture *f = *state;
  const tuplet_bytes keys[] = {KEY_TRUE, KEY_FALSE, KEY_BOTH};
  const tp_watched_entry *entries;
  tp_row row = row_of(KEY_TRUE);
  tp_watch_output_begin(&f->out);
  tp_watch_output_key(&f->out, true, &row);
  tp_watch_output_key(&f->out, true, NULL);
  tp_watch_output_key(&f->out, false, NULL);
  tuplet_bytes message = tp_buffer_view(&f->out);
  assert_int_equal(tp_watch_output_decode(message, &f->arena, keys, 3, &entries, &f->error), TUPLET_OK);
  assert_true(entries[0].changed && entries[1].changed && !entries[2].changed);
  assert_bytes(KEY_TRUE, entries[0].row->key);
  assert_bytes(row.value, entries[0].row->value);
  assert_memory_equal(&entries[0].row->versionstamp, &row.versionstamp, sizeof row.versionstamp);
  assert_null(entries[1].row);
  assert_null(entries[2].row);
}

static void wrong_answers_to_watches_are_refused(void **state) {
  fixture *f = *state;
  const tuplet_bytes keys[] = {KEY_FALSE, KEY_TRUE};
  const tp_watched_entry *entries;
  tp_row row = row_of(KEY_TRUE);
  tp_watch_output_begin(&f->out);
  tp_watch_output_key(&f->out, true, &row);
  tuplet_bytes message = tp_buffer_view(&f->out);
  const struct {
    tuplet_bytes message;
    size_t key_count;
    tuplet_status status;
  } cases[] = {{message, 1, TUPLET_MALFORMED}, /* of another key */
               {message, 2, TUPLET_MALFORMED},    {message, 0, TUPLET_MALFORMED},
               {{"\x08\x02", 2}, 1, TUPLET_BUSY}, {{"\xff", 1}, 1, TUPLET_MALFORMED},
               {{NULL, 0}, 1, TUPLET_MALFORMED}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(
        tp_watch_output_decode(cases[i].message, &f->arena, keys, cases[i].key_count, &entries, &f->error),
        cases[i].status);
}

static void messages_come_back(void **state) {
  fixture *f = *state;
  tp_message message;
  tp_queue_message_encode(&f->out, (tuplet_bytes){"id", 2}, (tuplet_bytes){"payload", 7}, 3, 5000);
  assert_int_equal(tp_queue_message_decode(tp_buffer_view(&f->out), &f->arena, &message, &f->error),
                   TUPLET_OK);
  assert_bytes((tuplet_bytes){"id", 2}, message.id);
  assert_bytes((tuplet_bytes){"payload", 7}, message.payload);
  assert_int_equal(message.attempt, 3);
  tp_buffer_clear(&f->out);
  tp_queue_message_encode(&f->out, (tuplet_bytes){"", 0}, (tuplet_bytes){"payload", 7}, 3, 5000);
  assert_int_equal(tp_queue_message_decode(tp_buffer_view(&f->out), &f->arena, &message, &f->error),
                   TUPLET_MALFORMED);
}

#define TEST(test)                                                                                           \
  { #test, test, set_up, tear_down, NULL }

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_read_arrives_as_it_was_asked),
      TEST(a_write_arrives_as_it_was_asked),
      TEST(an_expiry_of_long_ago_is_not_never),
      TEST(an_empty_schedule_cannot_be_said),
      TEST(a_watch_and_the_ends_of_messages_arrive),
      TEST(rows_come_back_range_by_range),
      TEST(answers_that_were_not_asked_for_are_refused),
      TEST(a_server_may_take_no_reads),
      TEST(outcomes_of_writes_come_back),
      TEST(wrong_outcomes_of_writes_are_refused),
      TEST(watched_entries_come_back),
      TEST(wrong_answers_to_watches_are_refused),
      TEST(messages_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

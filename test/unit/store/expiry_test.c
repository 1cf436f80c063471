/* expiry_test.c: the very millisecond of an expiry, with a clock that stands where the test puts it. */
#include "api/open.h"
#include "codec/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/latch.h"

enum { START_MS = 1000000, HOUR_MS = 3600000 };

typedef struct fixture {
  atomic_llong now_ms;
  tp_store *store;
  tuplet_error error;
} fixture;

static int64_t test_unix_ms(void *context) {
  fixture *f = context;
  return atomic_load(&f->now_ms);
}

static int64_t test_monotonic_ns(void *context) {
  return test_unix_ms(context) * 1000000;
}

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  if (f == NULL) return -1;
  atomic_init(&f->now_ms, START_MS);
  *state = f;
  const tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  tp_clock clock = {test_unix_ms, test_monotonic_ns, f};
  return tp_open_store(":memory:", &options, clock, &f->store, NULL, &f->error) == TUPLET_OK ? 0 : -1;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tp_store_close(f->store);
  free(f);
  return 0;
}

/* ---- Writing ---- */

typedef struct waited_write {
  tp_write write;
  latch done;
} waited_write;

static void on_written(tp_write *write) {
  waited_write *waited = (waited_write *)(void *)write; /* its first member */
  latch_add(&waited->done);
}

/* NULL: none. */
static tuplet_status commit(fixture *f, const tp_check *check, const tp_mutation *mutation) {
  tp_arena arena;
  tp_arena_init(&arena, NULL, 512);
  uint32_t failed_checks[1];
  waited_write waited = {.write = {.checks = check,
                                   .check_count = check == NULL ? 0 : 1,
                                   .mutations = mutation,
                                   .mutation_count = mutation == NULL ? 0 : 1,
                                   .arena = &arena,
                                   .on_done = on_written,
                                   .failed_checks = failed_checks},
                         .done = LATCH_INIT};
  tp_store_write(f->store, &waited.write);
  assert_true(latch_wait(&waited.done, 1));
  tp_arena_done(&arena);
  return waited.write.status;
}

static const tuplet_bytes key = {"\x02k", 3}, key_end = {"\x02k\0", 4};

static tp_mutation counter(tp_mutation_type type, int64_t expires_at_ms) {
  return (tp_mutation){.type = type,
                       .key = key,
                       .encoding = TUPLET_ENCODING_LE64,
                       .value = {"\x07\0\0\0\0\0\0", 8},
                       .expires_at_ms = expires_at_ms};
}

static void set_to_expire(fixture *f, int64_t expires_at_ms) {
  tp_mutation set = counter(TP_MUTATION_SET, expires_at_ms);
  assert_int_equal(commit(f, NULL, &set), TUPLET_OK);
}

/* ---- Reading ---- */

typedef struct seen_rows {
  tp_read read;
  size_t count;
  uint8_t first_byte;
  tuplet_status status;
} seen_rows;

static tuplet_status on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)range_index, (void)error;
  seen_rows *seen = (seen_rows *)(void *)read; /* its first member */
  seen->count++;
  seen->first_byte = *(const uint8_t *)row->value.data;
  return TUPLET_OK;
}

static void on_read(tp_read *read, tuplet_status status, const tuplet_error *error) {
  (void)error;
  seen_rows *seen = (seen_rows *)(void *)read; /* its first member */
  seen->status = status;
}

static size_t count_rows(fixture *f, tp_read_range range, uint8_t *ret_first_byte) {
  seen_rows seen = {.read = {.ranges = &range, .range_count = 1, .on_row = on_row, .on_done = on_read}};
  tp_store_read(f->store, NULL, &seen.read);
  assert_int_equal(seen.status, TUPLET_OK);
  if (ret_first_byte != NULL) *ret_first_byte = seen.first_byte;
  return seen.count;
}

static size_t count_point(fixture *f) {
  return count_rows(f, (tp_read_range){.start = key, .end = key_end, .limit = 1}, NULL);
}

static size_t count_range(fixture *f, bool reverse) {
  tp_read_range range = {{"\x02", 1}, {"\x03", 1}, .limit = 10, .reverse = reverse};
  size_t count = count_rows(f, range, NULL);
  range.limit = TP_LIMIT_READ_ENTRIES_MAX; /* long ones are read otherwise */
  assert_int_equal(count_rows(f, range, NULL), count);
  return count;
}

/* ---- The millisecond ---- */

static void an_entry_is_there_until_the_millisecond_before(void **state) {
  fixture *f = *state;
  set_to_expire(f, START_MS + HOUR_MS);
  atomic_store(&f->now_ms, START_MS + HOUR_MS - 1);
  assert_int_equal(count_point(f), 1);
  assert_int_equal(count_range(f, false), 1);
  assert_int_equal(count_range(f, true), 1);
  atomic_store(&f->now_ms, START_MS + HOUR_MS);
  assert_int_equal(count_point(f), 0);
  assert_int_equal(count_range(f, false), 0);
  assert_int_equal(count_range(f, true), 0);
}

static void a_check_of_absence_succeeds_from_the_millisecond_on(void **state) {
  fixture *f = *state;
  const tp_check absent = {.key = key, .must_be_absent = true};
  set_to_expire(f, START_MS + HOUR_MS);
  atomic_store(&f->now_ms, START_MS + HOUR_MS - 1);
  assert_int_equal(commit(f, &absent, NULL), TUPLET_CONFLICT);
  atomic_store(&f->now_ms, START_MS + HOUR_MS);
  assert_int_equal(commit(f, &absent, NULL), TUPLET_OK);
}

static void a_sum_starts_from_its_operand_from_the_millisecond_on(void **state) {
  fixture *f = *state;
  static const tp_mutation_type types[] = {TP_MUTATION_SUM, TP_MUTATION_MIN, TP_MUTATION_MAX};
  for (size_t i = 0; i < 3; i++) {
    for (int expired = 0; expired <= 1; expired++) {
      tp_mutation set = counter(TP_MUTATION_SET, test_unix_ms(f) + HOUR_MS);
      set.value = tuplet_view("\x09\0\0\0\0\0\0", 8);
      assert_int_equal(commit(f, NULL, &set), TUPLET_OK);
      (void)atomic_fetch_add(&f->now_ms, HOUR_MS - 1 + expired);
      tp_mutation combine = counter(types[i], TP_EXPIRES_NEVER);
      assert_int_equal(commit(f, NULL, &combine), TUPLET_OK);
      (void)atomic_fetch_add(&f->now_ms, 1); /* the expiry is dropped in both cases */
      uint8_t result = 0;
      assert_int_equal(count_rows(f, (tp_read_range){.start = key, .end = key_end, .limit = 1}, &result), 1);
      static const uint8_t results[] = {16, 7, 9};
      assert_int_equal(result, expired == 1 ? 7 : results[i]);
    }
  }
}

static void what_has_expired_does_not_count_towards_a_limit(void **state) {
  fixture *f = *state;
  for (int i = 0; i < 10; i++) {
    char bytes[] = {2, (char)('a' + i), 0};
    tp_mutation set = counter(TP_MUTATION_SET, i % 2 == 1 ? START_MS + HOUR_MS : TP_EXPIRES_NEVER);
    set.key = tuplet_view(bytes, sizeof bytes);
    assert_int_equal(commit(f, NULL, &set), TUPLET_OK);
  }
  atomic_store(&f->now_ms, START_MS + HOUR_MS);
  const tp_read_range range = {{"\x02", 1}, {"\x03", 1}, .limit = 4};
  assert_int_equal(count_rows(f, range, NULL), 4);
  assert_int_equal(count_range(f, false), 5);
}

/* ---- Watches ---- */

typedef struct seen_poll {
  tp_watch_poll poll;
  bool exists, any_changed;
  tuplet_status status;
} seen_poll;

static tuplet_status on_key(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                            tuplet_error *error) {
  (void)index, (void)changed, (void)error;
  seen_poll *seen = (seen_poll *)(void *)poll; /* its first member */
  seen->exists = row != NULL;
  return TUPLET_OK;
}

static void on_polled(tp_watch_poll *poll, tuplet_status status, bool any_changed,
                      const tuplet_error *error) {
  (void)error;
  seen_poll *seen = (seen_poll *)(void *)poll; /* its first member */
  seen->status = status;
  seen->any_changed = any_changed;
}

static void wake(void *context) {
  latch_add(context);
}

static void expect_poll(tp_watch *watch, bool any_changed, bool exists) {
  seen_poll seen = {.poll = {on_key, on_polled}};
  tp_watch_poll_start(watch, NULL, &seen.poll);
  assert_int_equal(seen.status, TUPLET_OK);
  assert_int_equal(seen.any_changed, any_changed);
  assert_int_equal(seen.exists, exists);
}

static void a_watch_sees_the_disappearance_as_a_change(void **state) {
  fixture *f = *state;
  latch woken = LATCH_INIT;
  tp_watch *watch = NULL;
  set_to_expire(f, START_MS + HOUR_MS);
  assert_int_equal(tp_watch_open(f->store, &key, 1, wake, &woken, &watch, &f->error), TUPLET_OK);
  assert_true(latch_wait(&woken, 1)); /* at once, for the first state */
  expect_poll(watch, true, true);
  atomic_store(&f->now_ms, START_MS + HOUR_MS - 1);
  expect_poll(watch, false, true);
  atomic_store(&f->now_ms, START_MS + HOUR_MS);
  expect_poll(watch, true, false);
  expect_poll(watch, false, false);
  tp_watch_close(watch);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_entry_is_there_until_the_millisecond_before, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_check_of_absence_succeeds_from_the_millisecond_on, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_sum_starts_from_its_operand_from_the_millisecond_on, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(what_has_expired_does_not_count_towards_a_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_watch_sees_the_disappearance_as_a_change, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* range_hub_test.c: what members are told, commit by commit, with an engine that says what the test wants. */
#include "store/range_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

#define BYTES(text) ((tuplet_bytes){text, sizeof(text) - 1})

typedef struct fixture {
  tp_engine engine; /* first, so that the one is found from the other */
  uint8_t last;     /* the last commit, as a survey sees it */
  bool is_own;
  int64_t brief_until_ms; /* when the key "brief" expires; 0: it is not there */
  tuplet_status status;
  int surveys;
  fault_allocator faults;
  tp_range_hub hub;
  tp_range_member member;
  int wakes;
} fixture;

static tuplet_versionstamp number(uint8_t version) {
  return (tuplet_versionstamp){{0, 0, 0, 0, 0, 0, 0, version}};
}

static tuplet_status survey(tp_engine *engine, tp_survey *survey, tuplet_error *error) {
  fixture *f = (fixture *)(void *)engine;
  f->surveys++;
  survey->last = number(f->last);
  survey->is_own = f->is_own;
  if (f->status == TUPLET_OK && f->brief_until_ms > survey->after_ms)
    return survey->on_expiring(survey, BYTES("brief"), f->brief_until_ms, error);
  return f->status;
}

static const tp_engine_ops engine_ops = {.survey = survey};

static void wake(void *context) {
  fixture *f = context;
  f->wakes++;
}

static void init(fixture *f, size_t fail_at) {
  tuplet_error error;
  *f = (fixture){.engine = {.ops = &engine_ops}, .last = 10, .is_own = true};
  fault_allocator_init(&f->faults, fail_at);
  assert_int_equal(tp_range_hub_init(&f->hub, &f->faults.allocator, &error), TUPLET_OK);
  f->member = (tp_range_member){
      .node = {.start = BYTES("b"), .end = BYTES("c")}, .pending_max = 3, .wake = wake, .context = f};
  tp_range_hub_join(&f->hub, &f->member);
}

static void done(fixture *f) {
  tp_range_hub_leave(&f->hub, &f->member);
  tp_range_hub_done(&f->hub);
  assert_int_equal(f->faults.live, 0);
}

static bool commit(fixture *f, uint8_t version, tuplet_bytes key) {
  const tp_change change = {.key = key, .expires_at_ms = TP_EXPIRES_NEVER};
  const tp_commit commit = {.changes = &change,
                            .change_count = 1,
                            .versionstamp = number(version),
                            .previous = number((uint8_t)(version - 1))};
  return tp_range_hub_notify(&f->hub, &commit);
}

static tp_range_look look(fixture *f, uint8_t *ret_from) {
  tuplet_versionstamp from = {{0}};
  int64_t now_ms;
  tp_range_look found = tp_range_hub_look(&f->hub, &f->member, &from, &now_ms);
  *ret_from = from.bytes[7];
  return found;
}

static void expect_reread(fixture *f, uint8_t from) {
  uint8_t told;
  assert_int_equal(look(f, &told), TP_RANGE_REREAD);
  assert_int_equal(told, from);
}

static void begin(fixture *f) {
  assert_int_equal(tp_range_hub_serve(&f->hub, &f->engine, 1000, false), TP_EXPIRES_NEVER);
  expect_reread(f, f->last);
  f->wakes = 0;
}

/* The keys that are taken in a snapshot, one after the other; "-" when it is not time. */
static void expect_taken(fixture *f, uint8_t last, const char *keys) {
  char text[64] = "";
  size_t size = 0;
  uint8_t from;
  tp_range_keys taken = {0};
  tuplet_error error;
  const tuplet_versionstamp snapshot = number(last);
  (void)look(f, &from);
  tuplet_status status = tp_range_hub_take(&f->hub, &f->member, &snapshot, &taken, &error);
  if (status == TUPLET_TIMEOUT) text[0] = '-';
  for (size_t i = 0; i < taken.count; i++) {
    size += (size_t)snprintf(text + size, sizeof text - size, "%.*s ", (int)taken.items[i].size,
                             (const char *)taken.items[i].bytes);
    assert_true(size < sizeof text);
  }
  tp_range_keys_free(&f->faults.allocator, &taken);
  assert_string_equal(text, keys);
}

static void nobody_begins_before_the_engine_was_asked(void **state) {
  (void)state;
  fixture f;
  uint8_t from;
  init(&f, 0);
  assert_int_equal(look(&f, &from), TP_RANGE_NOTHING);
  f.status = TUPLET_IO;
  assert_int_equal(tp_range_hub_serve(&f.hub, &f.engine, 1000, false), 1100); /* it tries again */
  assert_int_equal(look(&f, &from), TP_RANGE_NOTHING);
  f.status = TUPLET_OK;
  begin(&f);
  assert_int_equal(look(&f, &from), TP_RANGE_NOTHING);
  done(&f);
}

static void keys_are_taken_in_order_when_all_commits_of_the_snapshot_are_known(void **state) {
  (void)state;
  fixture f;
  init(&f, 0);
  begin(&f);
  assert_false(commit(&f, 11, BYTES("b2")));
  assert_false(commit(&f, 12, BYTES("b1")));
  assert_false(commit(&f, 13, BYTES("a")));
  assert_int_equal(f.wakes, 1);
  expect_taken(&f, 14, "-"); /* one that was not told of yet */
  assert_int_equal(f.wakes, 1);
  assert_false(commit(&f, 14, BYTES("elsewhere")));
  assert_int_equal(f.wakes, 2); /* now it may look again */
  expect_taken(&f, 14, "b1 b2 ");
  done(&f);
}

static void what_changed_after_the_snapshot_stays(void **state) {
  (void)state;
  fixture f;
  init(&f, 0);
  begin(&f);
  (void)commit(&f, 11, BYTES("b1"));
  (void)commit(&f, 12, BYTES("b2"));
  (void)commit(&f, 13, BYTES("b1"));
  expect_taken(&f, 11, "b1 ");
  expect_taken(&f, 13, "b1 b2 ");
  expect_taken(&f, 13, "-");
  done(&f);
}

static void a_missing_commit_makes_it_begin_anew(void **state) {
  (void)state;
  fixture f;
  uint8_t from;
  init(&f, 0);
  begin(&f);
  (void)commit(&f, 11, BYTES("b1"));
  assert_true(commit(&f, 13, BYTES("b2")));
  assert_int_equal(look(&f, &from), TP_RANGE_NOTHING); /* not before the engine was asked again */
  f.last = 13;
  (void)tp_range_hub_serve(&f.hub, &f.engine, 1000, true);
  expect_reread(&f, 13);
  done(&f);
}

static void a_commit_of_others_is_found_by_asking(void **state) {
  (void)state;
  fixture f;
  uint8_t from;
  init(&f, 0);
  begin(&f);
  f.last = 11; /* ours, of which it will hear */
  (void)tp_range_hub_serve(&f.hub, &f.engine, 1000, true);
  assert_int_equal(look(&f, &from), TP_RANGE_NOTHING);
  (void)commit(&f, 11, BYTES("b1"));
  expect_taken(&f, 11, "b1 ");
  f.last = 12;
  f.is_own = false;
  int surveys = f.surveys;
  (void)tp_range_hub_serve(&f.hub, &f.engine, 1000, false); /* nobody suspects anything */
  assert_int_equal(f.surveys, surveys);
  (void)tp_range_hub_serve(&f.hub, &f.engine, 1000, true);
  expect_reread(&f, 12);
  done(&f);
}

static void too_many_pending_keys_make_it_begin_anew(void **state) {
  (void)state;
  fixture f;
  init(&f, 0);
  begin(&f);
  (void)commit(&f, 11, BYTES("b1"));
  (void)commit(&f, 12, BYTES("b2"));
  (void)commit(&f, 13, BYTES("b3"));
  (void)commit(&f, 14, BYTES("b4"));
  expect_reread(&f, 14);
  assert_int_equal(f.hub.pending_size, 0);
  (void)commit(&f, 15, BYTES("b4"));
  expect_taken(&f, 15, "b4 ");
  done(&f);
}

static void expiry_is_told_when_it_comes(void **state) {
  (void)state;
  fixture f;
  init(&f, 0);
  f.brief_until_ms = 1500;
  assert_int_equal(tp_range_hub_serve(&f.hub, &f.engine, 1000, false), 1500);
  expect_reread(&f, 10);
  expect_taken(&f, 10, "-");
  f.brief_until_ms = 0; /* somebody sweeps it away first */
  (void)tp_range_hub_serve(&f.hub, &f.engine, 1500, false);
  expect_taken(&f, 10, "brief ");
  done(&f);
}

static void what_there_is_no_memory_for_must_be_read_again(void **state) {
  (void)state;
  bool fired = true;
  for (size_t fail_at = 1; fired; fail_at++) {
    fixture f;
    uint8_t from;
    init(&f, fail_at);
    f.brief_until_ms = 100000000;
    tp_range_keys taken = {0};
    tuplet_error error;
    for (int i = 0; i < 3; i++) (void)tp_range_hub_serve(&f.hub, &f.engine, 1000 + i, false);
    assert_int_equal(look(&f, &from), TP_RANGE_REREAD);
    (void)commit(&f, 11, BYTES("b1"));
    (void)commit(&f, 12, BYTES("b2"));
    (void)commit(&f, 13, BYTES("b1"));
    const tuplet_versionstamp snapshot = number(12);
    tuplet_status status = tp_range_hub_take(&f.hub, &f.member, &snapshot, &taken, &error);
    if (status == TUPLET_OK)
      assert_int_equal(taken.count, 2);
    else
      assert_int_equal(look(&f, &from), TP_RANGE_REREAD);
    tp_range_keys_free(&f.faults.allocator, &taken);
    fired = fault_allocator_fired(&f.faults);
    done(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_begins_before_the_engine_was_asked),
      cmocka_unit_test(keys_are_taken_in_order_when_all_commits_of_the_snapshot_are_known),
      cmocka_unit_test(what_changed_after_the_snapshot_stays),
      cmocka_unit_test(a_missing_commit_makes_it_begin_anew),
      cmocka_unit_test(a_commit_of_others_is_found_by_asking),
      cmocka_unit_test(too_many_pending_keys_make_it_begin_anew),
      cmocka_unit_test(expiry_is_told_when_it_comes),
      cmocka_unit_test(what_there_is_no_memory_for_must_be_read_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* selector_test.c: ranges and cursors as Deno makes them; the cursors and messages here are Deno's own. */
#include "codec/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "codec/key.h"
#include "support/fault_allocator.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(text)  ((tuplet_bytes){text, sizeof(text) - 1})

typedef struct fixture {
  tp_arena arena;
  tp_selection selection;
  tp_range range;
  tuplet_error error;
} fixture;

static int set_up(void **state) {
  static fixture f;
  memset(&f, 0, sizeof f);
  tp_arena_init(&f.arena, NULL, 512);
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tp_arena_done(&f->arena);
  return 0;
}

static void assert_range(const tp_range *range, tuplet_bytes start, tuplet_bytes end) {
  assert_int_equal(range->start.size, start.size);
  if (start.size > 0) assert_memory_equal(range->start.data, start.data, start.size);
  assert_int_equal(range->end.size, end.size);
  if (end.size > 0) assert_memory_equal(range->end.data, end.data, end.size);
}

/* NULL: not given. */
static tuplet_status resolve(fixture *f, const tuplet_key *prefix, const tuplet_key *start,
                             const tuplet_key *end) {
  tuplet_selector selector = {prefix, start, end};
  return tp_selector_resolve(&selector, &f->arena, &f->selection, &f->error);
}

static tuplet_status apply(fixture *f, const char *cursor, bool reverse) {
  return tp_cursor_apply(&f->selection, cursor, strlen(cursor), reverse, &f->arena, &f->range, &f->error);
}

static void assert_refused(fixture *f, tuplet_status status, const char *message) {
  assert_int_equal(status, TUPLET_INVALID);
  assert_int_equal(f->error.status, TUPLET_INVALID);
  assert_string_equal(f->error.message, message);
}

static void assert_cursor(const fixture *f, tuplet_key key, const char *expected) {
  tp_buffer encoded;
  tp_buffer cursor;
  tp_buffer_init(&encoded, NULL);
  tp_buffer_init(&cursor, NULL);
  assert_int_equal(tp_key_encode(key, &encoded, NULL), TUPLET_OK);
  tp_cursor_append(&cursor, &f->selection, tp_buffer_view(&encoded));
  tp_buffer_append_byte(&cursor, '\0');
  assert_string_equal((char *)cursor.data, expected);
  tp_buffer_done(&encoded);
  tp_buffer_done(&cursor);
}

/* ---- Ranges ---- */

static void the_four_selectors_make_their_ranges(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0\0"),
               BYTES("\x02"
                     "a\0\xFF"));
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), &TUPLET_KEY("a", 1), NULL), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0\x15\1"),
               BYTES("\x02"
                     "a\0\xFF"));
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, &TUPLET_KEY("a", 1)), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0\0"),
               BYTES("\x02"
                     "a\0\x15\1"));
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a"), &TUPLET_KEY("b")), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0"),
               BYTES("\x02"
                     "b\0"));
}

static void the_empty_prefix_selects_everything(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY_EMPTY, NULL, NULL), TUPLET_OK);
  assert_range(&f->selection.range, BYTES("\0"), BYTES("\xFF"));
  assert_int_equal(resolve(f, &TUPLET_KEY_EMPTY, &TUPLET_KEY("b"), NULL), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "b\0"),
               BYTES("\xFF"));
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY_EMPTY, &TUPLET_KEY("b")), TUPLET_OK);
  assert_range(&f->selection.range, BYTES(""),
               BYTES("\x02"
                     "b\0"));
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY_EMPTY, &TUPLET_KEY_EMPTY), TUPLET_OK);
  assert_range(&f->selection.range, BYTES(""), BYTES(""));
}

static void start_may_equal_end(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a"), &TUPLET_KEY("a")), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0"),
               BYTES("\x02"
                     "a\0"));
}

static void a_bound_that_only_looks_like_an_extension_selects_nothing(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), &TUPLET_KEY(tuplet_part_string("a\0", 2)), NULL), TUPLET_OK);
  assert_range(&f->selection.range,
               BYTES("\x02"
                     "a\0\xFF\0"),
               BYTES("\x02"
                     "a\0\xFF\0"));
}

static void wrong_selectors_are_refused_with_denos_sentences(void **state) {
  fixture *f = *state;
  const tuplet_key a = TUPLET_KEY("a");
  const tuplet_key b = TUPLET_KEY("b");
  const tuplet_key a1 = TUPLET_KEY("a", 1);
  const char *start_outside = "Start key is not in the keyspace defined by prefix";
  const char *end_outside = "End key is not in the keyspace defined by prefix";
  const char *neither = "Selector must specify either 'prefix' or both 'start' and 'end' key";
  assert_refused(f, resolve(f, NULL, NULL, NULL), neither);
  assert_refused(f, resolve(f, NULL, &a, NULL), neither);
  assert_refused(f, resolve(f, NULL, NULL, &a), neither);
  assert_refused(f, resolve(f, &a, &a1, &a1),
                 "Selector can not specify both 'start' and 'end' key when specifying 'prefix'");
  assert_refused(f, resolve(f, &a, &a, NULL), start_outside);
  assert_refused(f, resolve(f, &a, &b, NULL), start_outside);
  assert_refused(f, resolve(f, &a1, &a, NULL), start_outside);
  assert_refused(f, resolve(f, &a, NULL, &a), end_outside);
  assert_refused(f, resolve(f, &a, NULL, &b), end_outside);
  assert_refused(f, resolve(f, &TUPLET_KEY_EMPTY, &TUPLET_KEY_EMPTY, NULL), start_outside);
  assert_refused(f, resolve(f, &TUPLET_KEY_EMPTY, NULL, &TUPLET_KEY_EMPTY), end_outside);
  assert_refused(f, resolve(f, NULL, &b, &a), "Start key is greater than end key");
  assert_refused(f, resolve(f, &TUPLET_KEY("\xFF"), NULL, NULL),
                 "part 1 of the key: a string that is not UTF-8");
}

/* ---- Cursors ---- */

static void cursors_are_what_follows_the_shared_bytes(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY_EMPTY, NULL, NULL), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a"), "AmEA");
  assert_cursor(f, TUPLET_KEY("a", 1.0), "AmEAIb_wAAAAAAAA");
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a", tuplet_view("\0\xFF", 2)), "AQD__wA=");
  assert_cursor(f, TUPLET_KEY("a", TUPLET_TRUE), "Jw==");
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), &TUPLET_KEY("a", 1), NULL), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a", 1), "FQE=");
  /* Two bounds share what their bytes share, be it half a part. */
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a", 1), &TUPLET_KEY("a", 300)), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a", 1), "FQE=");
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a"), &TUPLET_KEY("b")), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a"), "YQA=");
}

static void forward_a_cursor_continues_after_its_key(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_int_equal(apply(f, "FQE=", false), TUPLET_OK);
  assert_range(&f->range,
               BYTES("\x02"
                     "a\0\x15\1\0"),
               BYTES("\x02"
                     "a\0\xFF"));
  assert_int_equal(apply(f, "", false), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.end);
}

static void in_reverse_a_cursor_continues_before_its_key(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_int_equal(apply(f, "FQE=", true), TUPLET_OK);
  assert_range(&f->range,
               BYTES("\x02"
                     "a\0\0"),
               BYTES("\x02"
                     "a\0\x15\1"));
  assert_int_equal(apply(f, "", true), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.end);
}

static void past_the_last_key_there_is_nothing(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_int_equal(apply(f, "_w==", false), TUPLET_OK);
  assert_range(&f->range,
               BYTES("\x02"
                     "a\0\xFF"),
               BYTES("\x02"
                     "a\0\xFF"));
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a", 1), &TUPLET_KEY("a", 300)), TUPLET_OK);
  assert_int_equal(apply(f, "_w==", false), TUPLET_OK);
  assert_range(&f->range, f->selection.range.end, f->selection.range.end);
  assert_int_equal(apply(f, "AA==", true), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.start);
}

static void a_key_that_is_all_shared_has_a_cursor_that_goes_on(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a"), &TUPLET_KEY("a", 1.0)), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a"), "AA==");
  assert_int_equal(apply(f, "AA==", false), TUPLET_OK);
  assert_range(&f->range,
               BYTES("\x02"
                     "a\0\0\0"),
               f->selection.range.end);
  assert_int_equal(apply(f, "AA==", true), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.start);
  /* The same text where the bounds share less: there it is a key's own last byte. */
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a"), &TUPLET_KEY("ab")), TUPLET_OK);
  assert_cursor(f, TUPLET_KEY("a"), "AA==");
  assert_int_equal(apply(f, "AA==", false), TUPLET_OK);
  assert_range(&f->range,
               BYTES("\x02"
                     "a\0\0"),
               f->selection.range.end);
  assert_int_equal(apply(f, "AA==", true), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.start);
}

static void what_is_no_cursor_is_refused(void **state) {
  fixture *f = *state;
  static const char *const bad[] = {
      "!", "A", "AA", "Ag", "AmEAIb/wAAAAAAAA", "AmEAIb_wAAAAAAAA=", "AB", "AB==", " AA=="};
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  for (size_t i = 0; i < COUNT(bad); i++) {
    assert_refused(f, apply(f, bad[i], false), "invalid cursor");
    assert_refused(f, apply(f, bad[i], true), "invalid cursor");
  }
}

static void cursors_outside_the_selection_are_refused(void **state) {
  fixture *f = *state;
  assert_int_equal(resolve(f, NULL, &TUPLET_KEY("a", 1), &TUPLET_KEY("a", 300)), TUPLET_OK);
  assert_refused(f, apply(f, "AA==", false), "cursor out of bounds");
  assert_refused(f, apply(f, "_w==", true), "cursor out of bounds");
  assert_refused(f, apply(f, "AmIA", false), "cursor out of bounds");
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), &TUPLET_KEY("a", 1), NULL), TUPLET_OK);
  assert_refused(f, apply(f, "AA==", false), "cursor out of bounds");
  assert_int_equal(apply(f, "_w==", true), TUPLET_OK);
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, &TUPLET_KEY("a", 1)), TUPLET_OK);
  assert_refused(f, apply(f, "_w==", true), "cursor out of bounds");
  assert_int_equal(apply(f, "AA==", false), TUPLET_OK);
  /* Right at the start it is inside. */
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), &TUPLET_KEY("a", "b"), NULL), TUPLET_OK);
  assert_int_equal(apply(f, "AmI=", false), TUPLET_OK);
  assert_range(&f->range, f->selection.range.start, f->selection.range.end);
  /* A prefix is a bound, too: this one would reach ["a\0"]. */
  assert_int_equal(resolve(f, &TUPLET_KEY("a"), NULL, NULL), TUPLET_OK);
  assert_int_equal(apply(f, "_w==", true), TUPLET_OK);
  assert_refused(f, apply(f, "__8=", true), "cursor out of bounds");
}

/* ---- Memory ---- */

static void out_of_memory_is_reported(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_arena arena;
    tp_arena_init(&arena, &faults.allocator, 8); /* a chunk for nearly every allocation */
    tuplet_selector selector = {&TUPLET_KEY("a"), NULL, &TUPLET_KEY("a", "b")};
    tp_selection selection;
    tp_range range;
    tuplet_error error = {0};
    tuplet_status status = tp_selector_resolve(&selector, &arena, &selection, &error);
    if (status == TUPLET_OK) status = tp_cursor_apply(&selection, "AA==", 4, false, &arena, &range, &error);
    assert_int_equal(status, fault_allocator_fired(&faults) ? TUPLET_NOMEM : TUPLET_OK);
    tp_arena_done(&arena);
    assert_int_equal(faults.live, 0);
    if (status == TUPLET_OK) break;
    assert_int_equal(error.status, TUPLET_NOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_four_selectors_make_their_ranges),
      cmocka_unit_test(the_empty_prefix_selects_everything),
      cmocka_unit_test(start_may_equal_end),
      cmocka_unit_test(a_bound_that_only_looks_like_an_extension_selects_nothing),
      cmocka_unit_test(wrong_selectors_are_refused_with_denos_sentences),
      cmocka_unit_test(cursors_are_what_follows_the_shared_bytes),
      cmocka_unit_test(forward_a_cursor_continues_after_its_key),
      cmocka_unit_test(in_reverse_a_cursor_continues_before_its_key),
      cmocka_unit_test(past_the_last_key_there_is_nothing),
      cmocka_unit_test(a_key_that_is_all_shared_has_a_cursor_that_goes_on),
      cmocka_unit_test(what_is_no_cursor_is_refused),
      cmocka_unit_test(cursors_outside_the_selection_are_refused),
      cmocka_unit_test(out_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

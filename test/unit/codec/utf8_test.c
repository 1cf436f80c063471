/* utf8_test.c: what is UTF-8, what is WTF-8, and the ways between them, UTF-16LE and Latin-1. */
#include "codec/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

/* A C string literal with its zero bytes, as bytes. */
#define ROW(text)                                                                                            \
  { text, sizeof(text) - 1 } /* in a table */
#define BYTES(text) ((tuplet_bytes)ROW(text))

static void assert_buffer(const tp_buffer *buffer, tuplet_bytes expected) {
  assert_false(buffer->failed);
  assert_int_equal(buffer->size, expected.size);
  if (expected.size > 0) assert_memory_equal(buffer->data, expected.data, expected.size);
}

/* The first and the last of every length of UTF-8, and the neighbours of the surrogates. */
static const tuplet_bytes well_formed[] = {
    ROW(""),
    ROW("\0"),
    ROW("\x7F"),
    ROW("\xC2\x80"),
    ROW("\xDF\xBF"),
    ROW("\xE0\xA0\x80"),
    ROW("\xED\x9F\xBF"),
    ROW("\xEE\x80\x80"),
    ROW("\xEF\xBF\xBF"),
    ROW("\xF0\x90\x80\x80"),
    ROW("\xF4\x8F\xBF\xBF"),
    ROW("seven bytes of ASCII and then \xC3\xA9, \xE6\x97\xA5 and \xF0\x9F\x98\x80"),
};

static const tuplet_bytes malformed[] = {
    ROW("\x80"),
    ROW("\xBF"), /* continuations without a start */
    ROW("\xC0\x80"),
    ROW("\xC1\xBF"), /* overlong */
    ROW("\xE0\x80\x80"),
    ROW("\xE0\x9F\xBF"),
    ROW("\xF0\x80\x80\x80"),
    ROW("\xF0\x8F\xBF\xBF"),
    ROW("\xC2"),
    ROW("\xE0\xA0"),
    ROW("\xF0\x90\x80"), /* cut off by the end */
    ROW("\xC2x"),
    ROW("\xE0\xA0x"),
    ROW("\xF0\x90\x80x"),
    ROW("\xE0x\x80"),
    ROW("\xF0x\x80\x80"),
    ROW("\xF4\x90\x80\x80"),
    ROW("\xF5\x80\x80\x80"),
    ROW("\xFE"),
    ROW("\xFF"), /* above U+10FFFF */
    ROW("eight by\xFF"),
    ROW("eight bytes and more\xC2"),
};

static const tuplet_bytes lone_surrogates[] = {
    ROW("\xED\xA0\x80"),
    ROW("\xED\xAF\xBF"),
    ROW("\xED\xB0\x80"),
    ROW("\xED\xBF\xBF"),
    ROW("\xED\xB0\x80\xED\xA0\x80"), /* low, then high: no pair */
    ROW("\xED\xA0\x80\xED\xA0\x80"), /* two high ones */
    ROW("\xED\xA0\x80"
        "a\xED\xB0\x80"), /* a pair, but for what is between */
    ROW("\xED\xA0\x80\xE2\x82\xAC\xED\xB0\x80"),
};

static const tuplet_bytes split_pairs[] = {
    ROW("\xED\xA0\xBD\xED\xB8\x80"),
    ROW("ab\xED\xA0\x80\xED\xA0\x80\xED\xB0\x80"),
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void well_formed_text_is_valid(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(well_formed); i++) {
    assert_true(tp_utf8_is_valid(well_formed[i]));
    assert_true(tp_wtf8_is_valid(well_formed[i]));
  }
  assert_true(tp_utf8_is_valid((tuplet_bytes){NULL, 0}));
  assert_true(tp_wtf8_is_valid((tuplet_bytes){NULL, 0}));
}

static void malformed_text_is_not_valid(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < COUNT(malformed); i++) {
    assert_false(tp_utf8_is_valid(malformed[i]));
    assert_false(tp_wtf8_is_valid(malformed[i]));
    assert_false(tp_utf8_append_wtf8(&out, malformed[i]));
    assert_false(tp_utf16le_append_wtf8(&out, malformed[i]));
  }
  tp_buffer_done(&out);
}

static void lone_surrogates_are_wtf8_but_not_utf8(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(lone_surrogates); i++) {
    assert_false(tp_utf8_is_valid(lone_surrogates[i]));
    assert_true(tp_wtf8_is_valid(lone_surrogates[i]));
  }
}

static void pairs_of_three_bytes_are_not_wtf8(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < COUNT(split_pairs); i++) {
    assert_false(tp_wtf8_is_valid(split_pairs[i]));
    assert_false(tp_utf8_append_wtf8(&out, split_pairs[i]));
    assert_false(tp_utf16le_append_wtf8(&out, split_pairs[i]));
  }
  tp_buffer_done(&out);
}

static void every_code_point_survives_utf8_and_utf16(void **state) {
  (void)state;
  tp_buffer utf16;
  tp_buffer wtf8;
  tp_buffer_init(&utf16, NULL);
  tp_buffer_init(&wtf8, NULL);
  for (uint32_t code_point = 0; code_point <= TP_CODE_POINT_MAX; code_point++) {
    uint8_t bytes[TP_UTF8_SIZE_MAX];
    size_t size = tp_wtf8_encode(code_point, bytes);
    bool is_surrogate = tp_code_point_is_surrogate(code_point);
    uint32_t decoded = UINT32_MAX;
    assert_int_equal(tp_wtf8_decode(bytes, size, &decoded), size);
    assert_int_equal(decoded, code_point);
    assert_int_equal(tp_wtf8_decode(bytes, size - 1, &decoded), 0);
    assert_int_equal(tp_utf8_decode(bytes, size, &decoded), is_surrogate ? 0 : size);
    if (code_point % 7 != 0 && !is_surrogate) continue; /* the rest is the same over and over */
    tp_buffer_clear(&utf16);
    tp_buffer_clear(&wtf8);
    assert_true(tp_utf16le_append_wtf8(&utf16, (tuplet_bytes){bytes, size}));
    assert_int_equal(utf16.size, code_point < 0x10000 ? 2 : 4);
    assert_true(tp_wtf8_append_utf16le(&wtf8, tp_buffer_view(&utf16)));
    assert_buffer(&wtf8, (tuplet_bytes){bytes, size});
  }
  tp_buffer_done(&utf16);
  tp_buffer_done(&wtf8);
}

static void utf16_pairs_join_and_halves_stay(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  assert_true(tp_wtf8_append_utf16le(&out, BYTES("a\0\x3D\xD8\x00\xDE\x00\xDE\x3D\xD8")));
  assert_buffer(&out, BYTES("a\xF0\x9F\x98\x80\xED\xB8\x80\xED\xA0\xBD"));
  assert_true(tp_wtf8_append_utf16le(&out, BYTES("")));
  assert_false(tp_wtf8_append_utf16le(&out, BYTES("a\0b")));
  tp_buffer_done(&out);
}

static void code_units_join_within_their_own_string_only(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_wtf8_append(&out, 0, 0xD83D);
  tp_wtf8_append(&out, out.size, 0xDE00); /* another string begins here */
  assert_buffer(&out, BYTES("\xED\xA0\xBD\xED\xB8\x80"));
  tp_wtf8_append(&out, 3, 0xD83D);
  tp_wtf8_append(&out, 3, 0xDE00);
  tp_wtf8_append(&out, 3, 'x');
  tp_wtf8_append(&out, 3, 0xDE00);
  assert_buffer(&out, BYTES("\xED\xA0\xBD\xED\xB8\x80\xF0\x9F\x98\x80x\xED\xB8\x80"));
  tp_buffer_done(&out);
}

static void latin1_becomes_utf8(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  tp_utf8_append_latin1(&out, BYTES("plain text, \xE9\xFF and\x80\0"));
  assert_buffer(&out, BYTES("plain text, \xC3\xA9\xC3\xBF and\xC2\x80\0"));
  tp_utf8_append_latin1(&out, (tuplet_bytes){NULL, 0});
  tp_buffer_done(&out);
}

static void lone_surrogates_become_replacement_characters(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  assert_true(tp_utf8_append_wtf8(&out, BYTES("a\xED\xA0\x80"
                                              "b\xF0\x9F\x98\x80\xED\xB0\x80\xED\xB0\x81")));
  assert_buffer(&out, BYTES("a\xEF\xBF\xBD"
                            "b\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD"));
  tp_buffer_clear(&out);
  assert_true(tp_utf8_append_wtf8(&out, BYTES("")));
  assert_buffer(&out, BYTES(""));
  tp_buffer_done(&out);
}

static void out_of_memory_shows_in_the_buffer(void **state) {
  (void)state;
  for (int which = 0; which < 5; which++) {
    fault_allocator faults;
    fault_allocator_init(&faults, 1);
    tp_buffer out;
    tp_buffer_init(&out, &faults.allocator);
    switch (which) {
    case 0: assert_true(tp_wtf8_append_utf16le(&out, BYTES("a\0"))); break;
    case 1: assert_true(tp_utf16le_append_wtf8(&out, BYTES("a"))); break;
    case 2: tp_utf8_append_latin1(&out, BYTES("\xE9")); break;
    case 3: assert_true(tp_utf8_append_wtf8(&out, BYTES("\xED\xA0\x80"))); break;
    default: tp_wtf8_append(&out, 0, 'a'); break;
    }
    assert_true(out.failed);
    tp_buffer_done(&out);
    assert_int_equal(faults.live, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(well_formed_text_is_valid),
      cmocka_unit_test(malformed_text_is_not_valid),
      cmocka_unit_test(lone_surrogates_are_wtf8_but_not_utf8),
      cmocka_unit_test(pairs_of_three_bytes_are_not_wtf8),
      cmocka_unit_test(every_code_point_survives_utf8_and_utf16),
      cmocka_unit_test(utf16_pairs_join_and_halves_stay),
      cmocka_unit_test(code_units_join_within_their_own_string_only),
      cmocka_unit_test(latin1_becomes_utf8),
      cmocka_unit_test(lone_surrogates_become_replacement_characters),
      cmocka_unit_test(out_of_memory_shows_in_the_buffer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

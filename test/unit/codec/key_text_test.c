/* key_text_test.c: keys in JavaScript's notation. */
#include "codec/key.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "support/fault_allocator.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ROW(text)                                                                                            \
  { text, sizeof(text) - 1 } /* in a table */

/* What is printed for a key, and read as it. */
static const struct {
  const char *text;
  tuplet_bytes encoded;
} both_ways[] = {
    {"[]", ROW("")},
    {"[\"users\", 1n, true, new Uint8Array([1, 2])]", ROW("\x02users\0\x15\1\x27\x01\1\2\0")},
    {"[0n, -1n, 18446744073709551616n]", ROW("\x14\x13\xFE\x1D\x09\1\0\0\0\0\0\0\0\0")},
    {"[-18446744073709551616n]", ROW("\x0B\xF6\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")},
    {"[1, -0, 1.5, false]",
     ROW("\x21\xBF\xF0\0\0\0\0\0\0\x21\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x21\xBF\xF8\0\0\0\0\0\0\x26")},
    {"[NaN, Infinity, -Infinity]",
     ROW("\x21\xFF\xF8\0\0\0\0\0\0\x21\xFF\xF0\0\0\0\0\0\0\x21\0\x0F\xFF\xFF\xFF\xFF\xFF\xFF")},
    {"[\"\xC3\xA9\xF0\x9F\x98\x80\"]", ROW("\x02\xC3\xA9\xF0\x9F\x98\x80\0")},
    {"[\"\", new Uint8Array([])]", ROW("\x02\0\x01\0")},
};

/* What is read, too. */
static const struct {
  const char *text;
  tuplet_bytes encoded;
} read_only[] = {
    {" [ 'a' , 0x10n ] ", ROW("\x02"
                              "a\0\x15\x10")},
    {"[1_000n,]", ROW("\x16\x03\xE8")},
    {"[\"\\ud800\"]", ROW("\x02\xEF\xBF\xBD\0")},
    {"[new Uint16Array([1, 2])]", ROW("\x01\1\0\xFF\2\0\xFF\0")},
};

static const struct {
  const char *text;
  tuplet_status status;
  const char *message; /* a part of it; NULL: any */
} bad[] = {
    {"", TUPLET_SYNTAX, NULL},
    {"[", TUPLET_SYNTAX, NULL},
    {"[\"a\"] x", TUPLET_SYNTAX, NULL},
    {"\"users\"", TUPLET_INVALID, "a key is an array of its parts"},
    {"{}", TUPLET_INVALID, "a key is an array of its parts"},
    {"null", TUPLET_INVALID, "a key is an array of its parts"},
    {"[\"a\", null]", TUPLET_INVALID,
     "part 2 of the key: expected string, number, bigint, Uint8Array, boolean"},
    {"[\"a\", undefined]", TUPLET_INVALID, "part 2 of the key: expected"},
    {"[\"a\", , \"b\"]", TUPLET_INVALID, "part 2 of the key: expected"},
    {"[[]]", TUPLET_INVALID, "part 1 of the key: expected"},
    {"[{}]", TUPLET_INVALID, "part 1 of the key: expected"},
    {"[new Date(0)]", TUPLET_INVALID, "part 1 of the key: expected"},
    {"[new ArrayBuffer(1)]", TUPLET_INVALID, "part 1 of the key: expected"},
    {"[new String(\"a\")]", TUPLET_INVALID, "part 1 of the key: expected"},
};

static void assert_reads(const char *text, tuplet_bytes expected) {
  tuplet_owned encoded = {0};
  tuplet_error error = {0};
  if (tuplet_key_from_text(text, strlen(text), NULL, &encoded, &error) != TUPLET_OK)
    fail_msg("%s: %s", text, error.message);
  if (encoded.size != expected.size || memcmp(encoded.data, expected.data, expected.size) != 0)
    fail_msg("%s: other bytes", text);
  tuplet_owned_free(&encoded);
}

static void keys_print_as_javascript(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(both_ways); i++) {
    tuplet_owned text = {0};
    assert_int_equal(tuplet_key_to_text(tuplet_key_of(both_ways[i].encoded), NULL, &text, NULL), TUPLET_OK);
    assert_string_equal(text.data, both_ways[i].text);
    tuplet_owned_free(&text);
  }
}

static void keys_of_parts_print_as_they_are_stored(void **state) {
  (void)state;
  tuplet_owned text = {0};
  assert_int_equal(tuplet_key_to_text(TUPLET_KEY("a", 1, "\xED\xA0\x80", TUPLET_FALSE), NULL, &text, NULL),
                   TUPLET_OK);
  assert_string_equal(text.data, "[\"a\", 1n, \"\xEF\xBF\xBD\", false]");
  tuplet_owned_free(&text);
}

static void text_reads_as_the_key(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(both_ways); i++) assert_reads(both_ways[i].text, both_ways[i].encoded);
  for (size_t i = 0; i < COUNT(read_only); i++) assert_reads(read_only[i].text, read_only[i].encoded);
}

static void every_key_of_denos_survives_its_text(void **state) {
  (void)state;
  FILE *file = fopen(TEST_VECTORS "/keys.jsonl", "r");
  assert_non_null(file);
  char line[8192];
  size_t count = 0;
  for (; fgets(line, sizeof line, file) != NULL; count++) {
    json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    const char *hex = json_string_value(json_object_get(json, "hex"));
    uint8_t bytes[1024];
    tuplet_bytes encoded = {bytes, strlen(hex) / 2};
    assert_true(tp_hex_read(hex, strlen(hex), bytes, encoded.size));
    tuplet_owned text = {0};
    assert_int_equal(tuplet_key_to_text(tuplet_key_of(encoded), NULL, &text, NULL), TUPLET_OK);
    assert_reads(text.data, encoded);
    tuplet_owned_free(&text);
    json_decref(json);
  }
  (void)fclose(file);
  assert_int_equal(count, 306);
}

static void what_is_no_key_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(bad); i++) {
    tuplet_owned encoded = {0};
    tuplet_error error = {0};
    tuplet_status status = tuplet_key_from_text(bad[i].text, strlen(bad[i].text), NULL, &encoded, &error);
    if (status != bad[i].status || (bad[i].message != NULL && strstr(error.message, bad[i].message) == NULL))
      fail_msg("%s: %d, %s", bad[i].text, (int)status, error.message);
    assert_null(encoded.data);
  }
}

static void a_bigint_may_be_too_large(void **state) {
  (void)state;
  enum { DIGITS = 2 * 255 };
  char text[600] = "[0x";
  char *digits_end = text + 3 + DIGITS;
  memset(text + 3, 'F', DIGITS);
  memcpy(digits_end, "n]", sizeof "n]");
  tuplet_owned encoded = {0};
  assert_int_equal(tuplet_key_from_text(text, strlen(text), NULL, &encoded, NULL), TUPLET_OK);
  assert_int_equal(encoded.size, 2 + 255);
  tuplet_owned printed = {0};
  tuplet_bytes view = {encoded.data, encoded.size};
  assert_int_equal(tuplet_key_to_text(tuplet_key_of(view), NULL, &printed, NULL), TUPLET_OK);
  assert_reads(printed.data, view);
  tuplet_owned_free(&printed);
  tuplet_owned_free(&encoded);

  memcpy(digits_end, "0n]", sizeof "0n]");
  tuplet_error error = {0};
  assert_int_equal(tuplet_key_from_text(text, strlen(text), NULL, &encoded, &error), TUPLET_INVALID);
  assert_string_equal(error.message, "BigUint requires more than 255 bytes to be represented");
}

static void a_bad_encoded_key_is_refused(void **state) {
  (void)state;
  tuplet_owned text = {0};
  tuplet_error error = {0};
  assert_int_equal(tuplet_key_to_text(tuplet_key_of(tuplet_view("\x99", 1)), NULL, &text, &error),
                   TUPLET_INVALID);
  assert_string_equal(error.message, "malformed key: byte 0 is the unknown tag 0x99");
}

static void out_of_memory_is_reported(void **state) {
  (void)state;
  const char *text = "[\"users\", 1n, 1.5, true, new Uint8Array([1, 2]), 18446744073709551616n]";
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tuplet_owned encoded = {0};
    tuplet_owned printed = {0};
    tuplet_error error = {0};
    tuplet_status status = tuplet_key_from_text(text, strlen(text), &faults.allocator, &encoded, &error);
    if (status == TUPLET_OK)
      status = tuplet_key_to_text(tuplet_key_of(tuplet_view(encoded.data, encoded.size)), &faults.allocator,
                                  &printed, &error);
    assert_int_equal(status, fault_allocator_fired(&faults) ? TUPLET_NOMEM : TUPLET_OK);
    if (status == TUPLET_OK) assert_string_equal(printed.data, text);
    tuplet_owned_free(&encoded);
    tuplet_owned_free(&printed);
    assert_int_equal(faults.live, 0);
    if (status == TUPLET_OK) break;
    assert_int_equal(error.status, TUPLET_NOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_print_as_javascript),
      cmocka_unit_test(keys_of_parts_print_as_they_are_stored),
      cmocka_unit_test(text_reads_as_the_key),
      cmocka_unit_test(every_key_of_denos_survives_its_text),
      cmocka_unit_test(what_is_no_key_is_refused),
      cmocka_unit_test(a_bigint_may_be_too_large),
      cmocka_unit_test(a_bad_encoded_key_is_refused),
      cmocka_unit_test(out_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

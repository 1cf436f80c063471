/* base64_test.c: RFC 4648's own examples, the URL-safe letters, and all that is not canonical. */
#include "codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
  const char *bytes;
  size_t size;
  const char *text;
} cases[] = {
    {"", 0, ""},
    {"f", 1, "Zg=="},
    {"fo", 2, "Zm8="},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg=="},
    {"fooba", 5, "Zm9vYmE="},
    {"foobar", 6, "Zm9vYmFy"},
    {"\xFB\xFF\xFE", 3, "-__-"},
    {"\0", 1, "AA=="},
};

static const char *const bad[] = {"A",     "AA",   "AAA",  "AA=",      "=",    "====",
                                  "A===",  "AB==", "AAB=", "AA==AA==", "+/+/", "AA A",
                                  "AAA\n", "A=AA", "AA=A", "AAAA=",    "AAA.", "\xFF\xFF\xFF\xFF"};

static void bytes_and_text_correspond(void **state) {
  (void)state;
  tp_buffer out;
  tp_buffer_init(&out, NULL);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tp_buffer_clear(&out);
    tp_base64_append(&out, (tuplet_bytes){cases[i].bytes, cases[i].size});
    tp_buffer_append_byte(&out, '\0');
    assert_string_equal((char *)out.data, cases[i].text);
    uint8_t bytes[16];
    size_t size = 99;
    assert_true(tp_base64_size_max(strlen(cases[i].text)) >= cases[i].size);
    assert_true(tp_base64_read(cases[i].text, strlen(cases[i].text), bytes, &size));
    assert_int_equal(size, cases[i].size);
    assert_memory_equal(bytes, cases[i].bytes, size);
  }
  tp_buffer_done(&out);
}

static void what_is_not_canonical_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    uint8_t bytes[16];
    size_t size;
    assert_false(tp_base64_read(bad[i], strlen(bad[i]), bytes, &size));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_and_text_correspond),
      cmocka_unit_test(what_is_not_canonical_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

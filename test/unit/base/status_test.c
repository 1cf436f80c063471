/* status_test.c: names and sentences of statuses, and messages that are cut between characters. */
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_a_name_and_a_sentence(void **state) {
  (void)state;
#define ASSERT_STATUS(name, code, text)                                                                      \
  assert_string_equal(tuplet_status_name(code), "TUPLET_" #name);                                            \
  assert_string_equal(tuplet_status_text(code), text);
  TUPLET_STATUS_MAP(ASSERT_STATUS)
#undef ASSERT_STATUS
  assert_string_equal(tuplet_status_name(-1000), "TUPLET_?");
  assert_string_equal(tuplet_status_text(1000), "unknown status");
}

static void failing_fills_the_error_and_returns_the_status(void **state) {
  (void)state;
  tuplet_error error = {0};
  assert_int_equal(tp_fail(&error, TUPLET_LIMIT, "%s has %d", "it", 7), TUPLET_LIMIT);
  assert_int_equal(error.status, TUPLET_LIMIT);
  assert_string_equal(error.message, "it has 7");
  assert_int_equal(tp_fail_nomem(&error), TUPLET_NOMEM);
  assert_int_equal(error.status, TUPLET_NOMEM);
  assert_int_equal(tp_fail(NULL, TUPLET_IO, "nobody asked"), TUPLET_IO);
  assert_int_equal(tp_fail_nomem(NULL), TUPLET_NOMEM);
}

/* A message of `plain` letters and then `character` over and over. */
static void assert_cut_between_characters(size_t plain, const char *character) {
  char text[TUPLET_ERROR_MESSAGE_MAX * 2];
  size_t width = strlen(character), size = plain;
  memset(text, 'a', plain);
  while (size + width < sizeof text) {
    memcpy(text + size, character, width);
    size += width;
  }
  text[size] = '\0';
  tuplet_error error;
  (void)tp_fail(&error, TUPLET_INVALID, "%s", text);
  size_t room = TUPLET_ERROR_MESSAGE_MAX - 1;
  assert_int_equal(strlen(error.message), plain + (room - plain) / width * width);
  assert_memory_equal(error.message, text, strlen(error.message));
}

static void a_long_message_is_cut_between_characters(void **state) {
  (void)state;
  static const char *const characters[] = {"z", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x98\x80"};
  for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
    for (size_t plain = 0; plain < 8; plain++) assert_cut_between_characters(plain, characters[i]);
  }
}

static void a_message_that_just_fits_is_whole(void **state) {
  (void)state;
  char text[TUPLET_ERROR_MESSAGE_MAX];
  memset(text, 'a', sizeof text);
  memcpy(text + sizeof text - 3, "\xC3\xA9", 3);
  tuplet_error error;
  (void)tp_fail(&error, TUPLET_INVALID, "%s", text);
  assert_string_equal(error.message, text);
}

static void a_message_that_is_not_utf8_is_cut_somewhere(void **state) {
  (void)state;
  char text[TUPLET_ERROR_MESSAGE_MAX + 10];
  memset(text, 0x80, sizeof text);
  text[sizeof text - 1] = '\0';
  tuplet_error error;
  (void)tp_fail(&error, TUPLET_INVALID, "%s", text);
  assert_true(strlen(error.message) < TUPLET_ERROR_MESSAGE_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_a_name_and_a_sentence),
      cmocka_unit_test(failing_fills_the_error_and_returns_the_status),
      cmocka_unit_test(a_long_message_is_cut_between_characters),
      cmocka_unit_test(a_message_that_just_fits_is_whole),
      cmocka_unit_test(a_message_that_is_not_utf8_is_cut_somewhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

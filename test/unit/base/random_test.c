/* random_test.c: random bytes fill what they are asked to fill, and UUIDs have their form. */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_byte_of_a_block_is_filled_and_none_beyond(void **state) {
  (void)state;
  static uint8_t seen[1000], block[1002]; /* more than the 256 bytes that getrandom gives without a pause */
  tuplet_error error;
  /* A byte stays 0 by chance in all 20 rounds once in 2^160. */
  for (int round = 0; round < 20; round++) {
    memset(block, 0, sizeof block);
    assert_int_equal(tp_random_fill(block + 1, sizeof seen, &error), TUPLET_OK);
    assert_int_equal(block[0], 0);
    assert_int_equal(block[sizeof block - 1], 0);
    for (size_t i = 0; i < sizeof seen; i++) seen[i] |= block[i + 1];
  }
  for (size_t i = 0; i < sizeof seen; i++) assert_int_not_equal(seen[i], 0);
  assert_int_equal(tp_random_fill(NULL, 0, NULL), TUPLET_OK);
}

static void uuids_are_of_version_4_and_differ(void **state) {
  (void)state;
  char previous[TP_UUID_TEXT_SIZE] = "", uuid[TP_UUID_TEXT_SIZE];
  for (int i = 0; i < 100; i++) {
    tuplet_error error;
    assert_int_equal(tp_random_uuid(uuid, &error), TUPLET_OK);
    assert_int_equal(strlen(uuid), TP_UUID_TEXT_SIZE - 1);
    for (size_t j = 0; j < strlen(uuid); j++) {
      bool dash = j == 8 || j == 13 || j == 18 || j == 23;
      assert_true(dash ? uuid[j] == '-' : strchr("0123456789abcdef", uuid[j]) != NULL);
    }
    assert_int_equal(uuid[14], '4');
    assert_non_null(strchr("89ab", uuid[19]));
    assert_string_not_equal(uuid, previous);
    memcpy(previous, uuid, sizeof uuid);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_byte_of_a_block_is_filled_and_none_beyond),
      cmocka_unit_test(uuids_are_of_version_4_and_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* address_test.c: the addresses that a listener takes, and what it says of others. */
#include "net/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void reads_and_prints_addresses(void **state) {
  (void)state;
  static const char *const texts[] = {"127.0.0.1:4512", "0.0.0.0:0", "[::1]:65535", "[::]:80"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tp_address address;
    char text[ADDRESS_TEXT_SIZE];
    assert_int_equal(tp_address_parse(texts[i], &address, NULL), TUPLET_OK);
    tp_address_print(&address, text);
    assert_string_equal(text, texts[i]);
  }
}

static void refuses_what_is_not_an_address(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "4512",
                                      ":4512",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "::1:4512",
                                      "[::1]",
                                      "[]:1",
                                      "127.0.0.1:65536",
                                      "h:-1",
                                      "127.0.0.1:80x",
                                      "h:0x10",
                                      "h: 80",
                                      "127.0.0.1:000000"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tp_address address;
    tuplet_error error;
    assert_int_equal(tp_address_parse(texts[i], &address, &error), TUPLET_SYNTAX);
    assert_non_null(strstr(error.message, texts[i]));
  }
}

static void tells_the_port_that_was_free(void **state) {
  (void)state;
  tp_address wanted, bound;
  int socket = -1;
  assert_int_equal(tp_address_parse("127.0.0.1:0", &wanted, NULL), TUPLET_OK);
  assert_int_equal(tp_address_listen(&wanted, true, &socket, NULL), TUPLET_OK);
  assert_int_equal(tp_address_of_socket(socket, &bound, NULL), TUPLET_OK);
  assert_int_not_equal(tp_address_port(&bound), 0);
  assert_int_equal(close(socket), 0);
}

static void shares_a_port_only_when_asked_to(void **state) {
  (void)state;
  tp_address address;
  tuplet_error error;
  int first = -1, second = -1, third = -1;
  assert_int_equal(tp_address_parse("127.0.0.1:0", &address, NULL), TUPLET_OK);
  assert_int_equal(tp_address_listen(&address, true, &first, NULL), TUPLET_OK);
  assert_int_equal(tp_address_of_socket(first, &address, NULL), TUPLET_OK);
  assert_int_equal(tp_address_listen(&address, false, &second, NULL), TUPLET_OK);
  assert_int_equal(tp_address_listen(&address, true, &third, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "cannot listen on 127.0.0.1:"));
  assert_int_equal(close(first), 0);
  assert_int_equal(close(second), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_and_prints_addresses),
      cmocka_unit_test(refuses_what_is_not_an_address),
      cmocka_unit_test(tells_the_port_that_was_free),
      cmocka_unit_test(shares_a_port_only_when_asked_to),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

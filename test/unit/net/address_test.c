/* address_test.c: the addresses that can be listened at, as text and as the system has them. */
#include "net/address.h"

#include "net/private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static tp_address look_up_one(const char *text) {
  tp_address addresses[TP_ADDRESS_LOOK_UP_MAX];
  size_t count = 0;
  assert_int_equal(tp_address_look_up(text, addresses, &count, NULL), TUPLET_OK);
  assert_int_equal(count, 1);
  return addresses[0];
}

static void reads_and_prints_addresses(void **state) {
  (void)state;
  static const char *const texts[] = {"127.0.0.1:4512", "0.0.0.0:0",          "[::1]:65535",
                                      "[::]:80",        "unix:/run/a/b.sock", "unix:relative:1"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char text[TP_ADDRESS_TEXT_SIZE];
    assert_int_equal(tp_address_check(texts[i], NULL), TUPLET_OK);
    tp_address address = look_up_one(texts[i]);
    tp_address_print(&address, text);
    assert_string_equal(text, texts[i]);
  }
}

static void refuses_what_is_not_an_address(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "4512",
      ":4512",
      "127.0.0.1",
      "127.0.0.1:",
      "::1:4512",
      "[::1]",
      "[]:1",
      "unix:",
      "h:-1",
      "127.0.0.1:65536",
      "h:0x10",
      "h: 80",
      "h:80x",
      "127.0.0.1:000000",
      "unix",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tp_address addresses[TP_ADDRESS_LOOK_UP_MAX];
    size_t count;
    tuplet_error error;
    assert_int_equal(tp_address_check(texts[i], &error), TUPLET_SYNTAX);
    assert_non_null(strstr(error.message, texts[i]));
    assert_int_equal(tp_address_look_up(texts[i], addresses, &count, &error), TUPLET_SYNTAX);
    assert_non_null(strstr(error.message, texts[i]));
  }
}

/* 107 bytes are the most that the system takes. */
static void bounds_the_path_of_a_unix_domain_socket(void **state) {
  (void)state;
  char text[5 + 108 + 1] = "unix:", printed[TP_ADDRESS_TEXT_SIZE];
  tuplet_error error;
  memset(text + 5, 'x', 107);
  tp_address address = look_up_one(text);
  tp_address_print(&address, printed);
  assert_string_equal(printed, text);
  text[5 + 107] = 'x';
  assert_int_equal(tp_address_check(text, &error), TUPLET_SYNTAX);
  assert_non_null(strstr(error.message, "107"));
}

static void finds_all_addresses_of_a_name_once(void **state) {
  (void)state;
  tp_address addresses[TP_ADDRESS_LOOK_UP_MAX];
  size_t count = 0;
  assert_int_equal(tp_address_look_up("localhost:80", addresses, &count, NULL), TUPLET_OK);
  assert_true(count >= 1);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(tp_address_port(&addresses[i]), 80);
    for (size_t k = 0; k < i; k++) assert_false(tp_address_equals(&addresses[i], &addresses[k]));
  }
}

static void tells_which_name_is_not_known(void **state) {
  (void)state;
  tp_address addresses[TP_ADDRESS_LOOK_UP_MAX];
  size_t count;
  tuplet_error error;
  assert_int_equal(tp_address_look_up("no-such-host.invalid:80", addresses, &count, &error), TUPLET_IO);
  assert_non_null(strstr(error.message, "no-such-host.invalid"));
}

static void prints_peers_as_who_they_are(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"203.0.113.7", "203.0.113.7"},
      {"2001:db8::1", "2001:db8::1"},
      {"::ffff:203.0.113.7", "203.0.113.7"}, /* as sockets for both show IPv4 */
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  char text[TP_ADDRESS_PEER_SIZE];
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    struct sockaddr_storage peer = {0};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    if (inet_pton(AF_INET, pairs[i][0], &ipv4.sin_addr) == 1) {
      memcpy(&peer, &ipv4, sizeof ipv4);
    } else {
      assert_int_equal(inet_pton(AF_INET6, pairs[i][0], &ipv6.sin6_addr), 1);
      memcpy(&peer, &ipv6, sizeof ipv6);
    }
    tp_address_print_peer(&peer, text);
    assert_string_equal(text, pairs[i][1]);
  }
  tp_address_print_peer(&(struct sockaddr_storage){.ss_family = AF_UNIX}, text);
  assert_string_equal(text, "unix");
  tp_address_print_peer(&(struct sockaddr_storage){0}, text);
  assert_string_equal(text, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_and_prints_addresses),
      cmocka_unit_test(refuses_what_is_not_an_address),
      cmocka_unit_test(bounds_the_path_of_a_unix_domain_socket),
      cmocka_unit_test(finds_all_addresses_of_a_name_once),
      cmocka_unit_test(tells_which_name_is_not_known),
      cmocka_unit_test(prints_peers_as_who_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

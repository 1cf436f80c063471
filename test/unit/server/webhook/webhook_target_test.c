/* webhook_target_test.c: where messages of a queue are posted to, as an operator writes it. */
#include "server/webhook/webhook_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_target_is_a_url_with_or_without_a_database(void **state) {
  (void)state;
  static const struct {
    const char *text, *database, *url, *shown;
    bool is_secure;
  } cases[] = {
      {"http://a", "default", "http://a", "http://a", false},
      {"https://a.example:8443/b?c=d#e", "default", "https://a.example:8443/b?c=d#e",
       "https://a.example:8443", true},
      {"HTTPS://a/", "default", "HTTPS://a/", "https://a", true},
      {"http://[::1]:80/x=y", "default", "http://[::1]:80/x=y", "http://[::1]:80", false},
      {"orders=http://a/secret", "orders", "http://a/secret", "http://a", false},
      {"a_b-9=https://b=c/", "a_b-9", NULL, NULL, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tp_webhook_target target;
    tuplet_error error = {0};
    tuplet_status status = tp_webhook_target_parse(cases[i].text, &target, &error);
    if (cases[i].url == NULL) { /* a host cannot be written so */
      assert_int_equal(status, TUPLET_INVALID);
      continue;
    }
    if (status != TUPLET_OK) fail_msg("%s: %s", cases[i].text, error.message);
    assert_string_equal(target.database, cases[i].database);
    assert_string_equal(target.url, cases[i].url);
    assert_string_equal(target.shown, cases[i].shown);
    assert_int_equal(target.is_secure, cases[i].is_secure);
  }
}

static void what_is_none_is_refused_without_being_repeated(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "sesame",
                                      "ftp://sesame/",
                                      "file:///sesame",
                                      "http://",
                                      "http://sesame:99999/",
                                      "http://a b/sesame",
                                      "http://a/\nsesame",
                                      "http://user:sesame@a/",
                                      "http://sesame@a/",
                                      "Orders=http://sesame/",
                                      "v2=http://sesame/",
                                      "=http://sesame/",
                                      "a=b=http://sesame/"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    tp_webhook_target target;
    tuplet_error error = {0};
    if (tp_webhook_target_parse(texts[i], &target, &error) != TUPLET_INVALID)
      fail_msg("'%s' was taken", texts[i]);
    assert_true(strlen(error.message) > 10);
    assert_null(strstr(error.message, "sesame"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_target_is_a_url_with_or_without_a_database),
      cmocka_unit_test(what_is_none_is_refused_without_being_repeated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

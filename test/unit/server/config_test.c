/* config_test.c: denokv's command lines and variables mean here what they mean there. */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- An environment of the test's own: NAME, VALUE, NAME, VALUE, ..., NULL ---- */

static const char *const *environment;

static const char *lookup(const char *name) {
  for (const char *const *entry = environment; entry != NULL && *entry != NULL; entry += 2) {
    if (strcmp(entry[0], name) == 0) return entry[1];
  }
  return NULL;
}

enum { ARGUMENTS_MAX = 16 };

static tuplet_status read_config(const char *const *arguments, const char *const *variables,
                                 tp_serve_config *ret_config, tuplet_error *error) {
  char *argv[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t) "tuplet serve"};
  int argc = 1;
  for (; *arguments != NULL && argc <= ARGUMENTS_MAX; arguments++)
    argv[argc++] = (char *)(uintptr_t)*arguments;
  environment = variables;
  return tp_serve_config_read(argc, argv, lookup, ret_config, error);
}

/* A list that ends in NULL. */
#define LIST(...) ((const char *const[2 *ARGUMENTS_MAX]){__VA_ARGS__})
static const char *const none[] = {NULL};

static tp_serve_config accept(const char *const *arguments, const char *const *variables) {
  tp_serve_config config;
  tuplet_error error = {0};
  tuplet_status status = read_config(arguments, variables, &config, &error);
  if (status != TUPLET_OK) fail_msg("refused: %s", error.message);
  return config;
}

static void refuse(const char *const *arguments, const char *const *variables, const char *sentence) {
  tp_serve_config config;
  tuplet_error error = {0};
  assert_true(read_config(arguments, variables, &config, &error) < 0);
  if (strstr(error.message, sentence) == NULL) fail_msg("'%s' does not say '%s'", error.message, sentence);
}

static void nothing_at_all_serves_the_default_database(void **state) {
  (void)state;
  tp_serve_config config = accept(none, none);
  assert_null(config.path);
  assert_null(config.access_token);
  assert_string_equal(config.address, "0.0.0.0:4512");
  assert_false(config.read_only);
  assert_false(config.help);
  assert_int_equal(config.worker_count, 0);
}

static void every_flag_of_denokv_is_known(void **state) {
  (void)state;
  tp_serve_config config =
      accept(LIST("--sqlite-path", "/data/kv.db", "--access-token", "long-enough!", "--addr", "127.0.0.1:0",
                  "--read-only", "--num-workers", "3", "--atomic-write-batch-timeout-ms", "5"),
             none);
  assert_string_equal(config.path, "/data/kv.db");
  assert_string_equal(config.access_token, "long-enough!");
  assert_string_equal(config.address, "127.0.0.1:0");
  assert_true(config.read_only);
  assert_int_equal(config.worker_count, 3);
}

static void flags_come_in_any_order_and_with_an_equals_sign(void **state) {
  (void)state;
  const char *const *const orders[] = {
      LIST("--sqlite-path", "p", "--access-token", "0123456789ab", "--addr", "h:1", "--read-only",
           "--num-workers", "2"),
      LIST("--read-only", "--num-workers=2", "--addr=h:1", "--access-token=0123456789ab", "--sqlite-path=p"),
      LIST("--num-workers", "2", "p", "--addr=h:1", "--read-only", "--access-token", "0123456789ab"),
      LIST("--read-only", "--addr", "h:1", "--num-workers=2", "--access-token=0123456789ab", "--", "p"),
  };
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    tp_serve_config config = accept(orders[i], none);
    assert_string_equal(config.path, "p");
    assert_string_equal(config.access_token, "0123456789ab");
    assert_string_equal(config.address, "h:1");
    assert_true(config.read_only);
    assert_int_equal(config.worker_count, 2);
  }
}

static void the_environment_stands_in_for_flags(void **state) {
  (void)state;
  const char *const *variables =
      LIST("DENO_KV_SQLITE_PATH", "from/variable", "DENO_KV_ACCESS_TOKEN", "variable-token",
           "DENO_KV_NUM_WORKERS", "7", "DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS", "1");
  tp_serve_config config = accept(none, variables);
  assert_string_equal(config.path, "from/variable");
  assert_string_equal(config.access_token, "variable-token");
  assert_int_equal(config.worker_count, 7);

  config = accept(LIST("--access-token", "flag-token-long", "--num-workers", "1", "path"), variables);
  assert_string_equal(config.path, "path");
  assert_string_equal(config.access_token, "flag-token-long");
  assert_int_equal(config.worker_count, 1);
}

static void an_empty_variable_is_as_if_not_set(void **state) {
  (void)state;
  tp_serve_config config =
      accept(none, LIST("DENO_KV_SQLITE_PATH", "", "DENO_KV_ACCESS_TOKEN", "", "DENO_KV_NUM_WORKERS", ""));
  assert_null(config.path);
  assert_null(config.access_token);
  assert_int_equal(config.worker_count, 0);
}

static void an_access_token_must_be_long_and_visible(void **state) {
  (void)state;
  (void)accept(LIST("--access-token", "123456789012"), none);
  refuse(LIST("--access-token", "12345678901"), none, "--access-token has 11 characters; it must have 12 to");
  refuse(LIST("--access-token", ""), none, "has 0 characters");
  refuse(LIST("--access-token", "123456 89012"), none, "Character 7 of --access-token");
  refuse(LIST("--access-token", "1234567\t9012"), none, "Character 8 of --access-token");
  refuse(LIST("--access-token", "12345678901\xc3\xa9"), none, "Character 12 of --access-token");
  refuse(none, LIST("DENO_KV_ACCESS_TOKEN", "short"), "DENO_KV_ACCESS_TOKEN has 5 characters");
}

static void the_token_is_never_repeated_in_a_message(void **state) {
  (void)state;
  tp_serve_config config;
  tuplet_error error = {0};
  assert_int_equal(read_config(LIST("--access-token", "sesame"), none, &config, &error), TUPLET_INVALID);
  assert_null(strstr(error.message, "sesame"));
}

static void numbers_are_checked(void **state) {
  (void)state;
  static const char *const wrong[] = {"0", "-1", "257", "two", "2x", "", " 2", "99999999999999999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    refuse(LIST("--num-workers", wrong[i]), none, "--num-workers is '");
    if (*wrong[i] != '\0') refuse(none, LIST("DENO_KV_NUM_WORKERS", wrong[i]), "DENO_KV_NUM_WORKERS is '");
  }
  refuse(LIST("--atomic-write-batch-timeout-ms", "soon"), none, "--atomic-write-batch-timeout-ms is 'soon'");
  (void)accept(LIST("--atomic-write-batch-timeout-ms=0", "--num-workers=256"), none);
}

static void what_is_not_known_is_named(void **state) {
  (void)state;
  refuse(LIST("--frobnicate"), none, "There is no option --frobnicate.");
  refuse(LIST("-x"), none, "There is no option -x.");
  refuse(LIST("--addr"), none, "The option --addr needs an argument.");
  refuse(LIST("a", "b"), none, "not both 'a' and 'b'");
  refuse(LIST("--sqlite-path", "a", "b"), none, "given twice, as 'a' and as 'b'");
  refuse(LIST("--sqlite-path", ""), none, "is empty");
}

static void an_address_must_be_one(void **state) {
  (void)state;
  static const char *const wrong[] = {"127.0.0.1",  "foo",      "[::1", "::1:80", ":4512",
                                      "127.0.0.1:", "[::1]:0x", "h:-1", "h:70000"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) refuse(LIST("--addr", wrong[i]), none, wrong[i]);
  (void)accept(LIST("--addr", "[::1]:0"), none);
  (void)accept(LIST("--addr", "no-such-host.invalid:1"), none); /* which is for later to find out */
}

static void the_last_of_equal_flags_counts(void **state) {
  (void)state;
  tp_serve_config config =
      accept(LIST("--sqlite-path", "a", "--sqlite-path", "b", "--addr", "x:1", "--addr", "y:2"), none);
  assert_string_equal(config.path, "b");
  assert_string_equal(config.address, "y:2");
}

static void help_wins_over_what_follows(void **state) {
  (void)state;
  assert_true(accept(LIST("--help"), none).help);
  assert_true(accept(LIST("-h", "--frobnicate"), LIST("DENO_KV_ACCESS_TOKEN", "short")).help);
  assert_non_null(strstr(tp_serve_help, "--atomic-write-batch-timeout-ms"));
  assert_non_null(strstr(tp_serve_help, "without effect"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_at_all_serves_the_default_database),
      cmocka_unit_test(every_flag_of_denokv_is_known),
      cmocka_unit_test(flags_come_in_any_order_and_with_an_equals_sign),
      cmocka_unit_test(the_environment_stands_in_for_flags),
      cmocka_unit_test(an_empty_variable_is_as_if_not_set),
      cmocka_unit_test(an_access_token_must_be_long_and_visible),
      cmocka_unit_test(the_token_is_never_repeated_in_a_message),
      cmocka_unit_test(numbers_are_checked),
      cmocka_unit_test(what_is_not_known_is_named),
      cmocka_unit_test(an_address_must_be_one),
      cmocka_unit_test(the_last_of_equal_flags_counts),
      cmocka_unit_test(help_wins_over_what_follows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

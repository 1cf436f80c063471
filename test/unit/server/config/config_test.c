/* config_test.c: denokv's command lines and variables mean here what they mean there. */
#include "server/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
  assert_int_equal(config.address_count, 0);
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
  assert_string_equal(config.addresses[0], "127.0.0.1:0");
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
    assert_string_equal(config.addresses[0], "h:1");
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
  tp_serve_config config = accept(LIST("--sqlite-path", "a", "--sqlite-path", "b"), none);
  assert_string_equal(config.path, "b");
}

static void help_wins_over_what_follows(void **state) {
  (void)state;
  assert_true(accept(LIST("--help"), none).help);
  assert_true(accept(LIST("-h", "--frobnicate"), LIST("DENO_KV_ACCESS_TOKEN", "short")).help);
}

static void help_names_every_option_and_its_default(void **state) {
  (void)state;
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tp_serve_config_print_help(&text);
  tp_buffer_append_byte(&text, 0);
  assert_false(text.failed);
  static const char *const parts[] = {
      "--data-dir DIR\n", "[0.0.0.0:4512]",        "--idle-timeout TIME\n",
      "[75s]\n",          "--memory-max SIZE\n",   "[768M]\n",
      "[1536K]\n",        "--log-format FORMAT\n", "logfmt or json [logfmt]\n",
      "without effect"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (strstr((const char *)text.data, parts[i]) == NULL) fail_msg("there is no %s", parts[i]);
  }
  assert_null(strstr((const char *)text.data, "sync-from-s3"));
  tp_buffer_done(&text);
}

/* ---- The environment and the file ---- */

typedef struct config_folder {
  char name[64];
  char file[96];
} config_folder;

static void make_file(config_folder *folder, const char *text) {
  *folder = (config_folder){.name = "/tmp/tuplet-config-XXXXXX"};
  assert_non_null(mkdtemp(folder->name));
  (void)snprintf(folder->file, sizeof folder->file, "%s/tuplet.conf", folder->name);
  FILE *file = fopen(folder->file, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void remove_file(const config_folder *folder) {
  assert_int_equal(unlink(folder->file), 0);
  assert_int_equal(rmdir(folder->name), 0);
}

static void every_option_has_a_variable(void **state) {
  (void)state;
  tp_serve_config config =
      accept(none, LIST("TUPLET_DATA_DIR", "/srv/kv", "TUPLET_CREATE_DATABASES", "yes", "TUPLET_ADDR",
                        "127.0.0.1:1, [::1]:2", "TUPLET_IDLE_TIMEOUT", "2m", "TUPLET_MEMORY_MAX", "1G",
                        "TUPLET_LOG_FORMAT", "json", "TUPLET_TLS_VERSION_MIN", "1.3", "TUPLET_QUEUE_WEBHOOK",
                        "http://a/?b=1,2  orders=https://b:1/c"));
  assert_string_equal(config.data_dir, "/srv/kv");
  assert_true(config.create_databases);
  assert_int_equal(config.address_count, 2);
  assert_string_equal(config.addresses[1], "[::1]:2");
  assert_int_equal(config.bounds.idle_timeout_ms, 120000);
  assert_int_equal(config.bounds.memory_max, 1 << 30);
  assert_int_equal(config.log_format, TP_LOG_JSON);
  assert_int_equal(config.tls_version_min, 13);
  assert_int_equal(config.webhook_count, 2);
  assert_string_equal(config.webhooks[0], "http://a/?b=1,2");
  assert_string_equal(config.webhooks[1], "orders=https://b:1/c");
  tp_serve_config_done(&config);
}

static void webhooks_are_checked_before_anything_begins(void **state) {
  (void)state;
  tp_serve_config config = accept(LIST("--queue-webhook", "http://a", "--queue-webhook", "default=http://b",
                                       "--queue-webhook-concurrency", "3", "--queue-webhook-timeout", "2s"),
                                  none);
  assert_int_equal(config.webhook_count, 2);
  assert_int_equal(config.webhook_concurrency, 3);
  assert_int_equal(config.webhook_timeout_ms, 2000);
  tp_serve_config_done(&config);
  refuse(LIST("--queue-webhook", "orders=http://a"), none, "needs --data-dir");
  refuse(LIST("--queue-webhook", "http://a", "--read-only"), none, "--read-only");
  refuse(LIST("--queue-webhook-token", "0123456789ab"), none, "needs --queue-webhook");
  refuse(LIST("--queue-webhook-ca", "x"), none, "needs --queue-webhook");
  refuse(LIST("--queue-webhook", "gopher://a"), none, "http:// or https://");
  refuse(LIST("--queue-webhook", "http://me:pw@a/"), none, "user or a password");
  refuse(LIST("--queue-webhook", "http://a", "--queue-webhook-concurrency", "0"), none, "from 1 to 1000");
}

static void a_file_says_the_same_and_gives_way_to_the_others(void **state) {
  (void)state;
  config_folder folder;
  make_file(&folder, "# an example\n\n  data-dir = /from/file  \naddr = 127.0.0.1:7\naddr=[::1]:7\r\n"
                     "header-timeout = 250ms\nwatches-max = 5\nread-only = off\nlog-requests = on\n");
  tp_serve_config config = accept(LIST("--config", folder.file, "--watches-max=7"),
                                  LIST("TUPLET_HEADER_TIMEOUT", "300ms", "TUPLET_WATCHES_MAX", "6"));
  assert_string_equal(config.data_dir, "/from/file");
  assert_int_equal(config.address_count, 2);
  assert_string_equal(config.addresses[1], "[::1]:7");
  assert_int_equal(config.bounds.header_timeout_ms, 300);
  assert_int_equal(config.bounds.watches_max, 7);
  assert_false(config.read_only);
  assert_true(config.log_requests);
  tp_serve_config_done(&config);

  config = accept(LIST("--addr", "127.0.0.1:9"), LIST("TUPLET_CONFIG", folder.file));
  assert_int_equal(config.address_count, 1);
  assert_string_equal(config.addresses[0], "127.0.0.1:9");
  tp_serve_config_done(&config);
  remove_file(&folder);
}

static void mistakes_in_a_file_are_named_with_their_line(void **state) {
  (void)state;
  static const struct {
    const char *text;
    const char *sentence;
  } cases[] = {
      {"a line\n", "tuplet.conf, line 1: 'a line' is not of the form NAME = VALUE"},
      {"# x\nfrobnicate = 1\n", "line 2: there is no option 'frobnicate'"},
      {"config = other\n", "line 1: there is no option 'config'"},
      {"\nwatches-max = many\n", "line 2: watches-max is 'many'; it must be a number from 1 to"},
      {"idle-timeout = 75\n", "idle-timeout is '75'; it must be a number with its unit"},
      {"memory-max = 1M\n", "memory-max is '1M'; it must be a number of bytes"},
      {"addr = nowhere\n", "nowhere"},
      {"access-token = short\n", "access-token has 5 characters"},
      {"log-level = loud\n", "log-level is 'loud'; it must be one of: error, warning, info or debug"},
      {"read-only = perhaps\n", "read-only is 'perhaps'; it must be true or false"},
      {"sync-from-s3 = true\n", "not supported"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    config_folder folder;
    make_file(&folder, cases[i].text);
    refuse(LIST("--config", folder.file), none, cases[i].sentence);
    remove_file(&folder);
  }
  refuse(LIST("--config", "/no/such/file"), none, "Cannot open /no/such/file");
}

static void an_access_token_may_stand_in_a_file(void **state) {
  (void)state;
  config_folder folder;
  make_file(&folder, "from-a-file-token\nignored\n");
  tp_serve_config config = accept(LIST("--access-token-file", folder.file), none);
  assert_string_equal(config.access_token, "from-a-file-token");
  tp_serve_config_done(&config);
  refuse(LIST("--access-token-file", folder.file, "--access-token", "0123456789ab"), none, "Both");
  remove_file(&folder);
}

static void what_goes_together_is_asked_for_together(void **state) {
  (void)state;
  refuse(LIST("--tls-cert", "c.pem"), none, "--tls-key is missing");
  refuse(LIST("--tls-key", "k.pem"), none, "--tls-cert is missing");
  refuse(LIST("--tls-client-ca", "ca.pem"), none, "needs --tls-cert");
  refuse(LIST("--tls-client-mode", "required"), none, "needs --tls-client-ca");
  refuse(LIST("--create-databases"), none, "needs --data-dir");
  refuse(LIST("--s3-bucket", "b"), none, "not supported");
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
      cmocka_unit_test(help_names_every_option_and_its_default),
      cmocka_unit_test(every_option_has_a_variable),
      cmocka_unit_test(webhooks_are_checked_before_anything_begins),
      cmocka_unit_test(a_file_says_the_same_and_gives_way_to_the_others),
      cmocka_unit_test(mistakes_in_a_file_are_named_with_their_line),
      cmocka_unit_test(an_access_token_may_stand_in_a_file),
      cmocka_unit_test(what_goes_together_is_asked_for_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

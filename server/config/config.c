/* config.c: what the command line, the environment and a file say about how to serve.
 *
 * The three are read from the strongest to the weakest, the file last, since the others may name it; what a
 * stronger one has set a weaker one leaves alone. */
#include "server/config/config.h"

#include "base/status.h"
#include "codec/limits.h"
#include "net/address.h"
#include "server/config/config_file.h"
#include "server/config/config_table.h"
#include "server/webhook/webhook_target.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE_MAX = 256 * 1024, ARENA_CHUNK_SIZE = 1024 };

/* What getopt returns for the options that the table does not hold; the others are their numbers from
 * OPTION_FIRST. */
enum { OPTION_PATH = 'd', OPTION_HELP = 'h', OPTION_FIRST = 256 };

typedef enum setting_source {
  SOURCE_NONE,
  SOURCE_COMMAND_LINE,
  SOURCE_ENVIRONMENT,
  SOURCE_FILE
} setting_source;

typedef struct config_reading {
  tp_serve_config *config;
  setting_source source;                      /* that is being read */
  setting_source sources[TP_OPTIONS_MAX + 1]; /* by which each option was set */
  const char *(*lookup)(const char *name);
} config_reading;

tp_serve_config tp_serve_config_default(void) {
  tp_serve_config config = {.open_databases_max = 512,
                            .database_idle_timeout_ms = 5 * 60 * 1000,
                            .session_lifetime_ms = 60 * 60 * 1000,
                            .auth_failures_max = 10,
                            .tls_client_mode = TP_TLS_CLIENT_REQUIRED,
                            .tls_version_min = 12,
                            .webhook_concurrency = 16,
                            .webhook_timeout_ms = 30 * 1000,
                            .bounds = tp_bounds_default(),
                            .log_format = TP_LOG_LOGFMT,
                            .log_level = TP_LOG_INFO};
  tp_arena_init(&config.arena, NULL, ARENA_CHUNK_SIZE);
  return config;
}

void tp_serve_config_done(tp_serve_config *config) {
  tp_arena_done(&config->arena);
}

/* ---- One setting ---- */

/* The token travels in a header, so that it must be visible ASCII. It is not repeated in messages. */
static tuplet_status check_access_token(const char *name, const char *token, tuplet_error *error) {
  size_t size = strlen(token);
  if (size < TP_LIMIT_ACCESS_TOKEN_SIZE_MIN || size > TP_SERVE_ACCESS_TOKEN_SIZE_MAX)
    return tp_fail(error, TUPLET_INVALID, "%s has %zu characters; it must have %d to %d.", name, size,
                   TP_LIMIT_ACCESS_TOKEN_SIZE_MIN, TP_SERVE_ACCESS_TOKEN_SIZE_MAX);
  for (size_t i = 0; i < size; i++) {
    if (token[i] <= ' ' || token[i] > '~')
      return tp_fail(error, TUPLET_INVALID, "Character %zu of %s is not a visible ASCII character.", i + 1,
                     name);
  }
  return TUPLET_OK;
}

static tuplet_status add_address(tp_serve_config *config, const char *name, const char *text,
                                 tuplet_error *error) {
  tuplet_status status = tp_address_check(text, error);
  if (status != TUPLET_OK) return status;
  if (config->address_count == TP_SERVE_ADDRESSES_MAX)
    return tp_fail(error, TUPLET_INVALID, "%s is given more than %d times.", name, TP_SERVE_ADDRESSES_MAX);
  config->addresses[config->address_count++] = text;
  return TUPLET_OK;
}

static tuplet_status add_webhook(tp_serve_config *config, const char *name, const char *text,
                                 tuplet_error *error) {
  tp_webhook_target target;
  tuplet_error reason;
  tuplet_status status = tp_webhook_target_parse(text, &target, &reason);
  if (status != TUPLET_OK) return tp_fail(error, status, "%s: %s", name, reason.message);
  if (config->webhook_count == TP_WEBHOOKS_MAX)
    return tp_fail(error, TUPLET_INVALID, "%s is given more than %d times.", name, TP_WEBHOOKS_MAX);
  config->webhooks[config->webhook_count++] = text;
  return TUPLET_OK;
}

static tuplet_status set_choice(const tp_option *option, const char *name, const char *text, void *member,
                                tuplet_error *error) {
  for (const tp_option_choice *choice = option->choices; choice->text != NULL; choice++) {
    if (strcmp(choice->text, text) != 0) continue;
    memcpy(member, &choice->value, sizeof choice->value);
    return TUPLET_OK;
  }
  return tp_fail(error, TUPLET_INVALID, "%s is '%s'; it must be one of: %s.", name, text, option->help);
}

static tuplet_status set_number(const tp_option *option, const char *name, const char *text, void *member,
                                tuplet_error *error) {
  uint64_t number = 0;
  tuplet_status status;
  if (option->kind == TP_OPTION_SIZE)
    status = tp_config_read_size(name, text, option->range, &number, error);
  else if (option->kind == TP_OPTION_DURATION)
    status = tp_config_read_duration(name, text, option->range, &number, error);
  else
    status = tp_config_read_count(name, text, option->range, &number, error);
  if (status != TUPLET_OK || option->kind == TP_OPTION_UNUSED) return status;
  if (option->kind == TP_OPTION_SIZE) {
    memcpy(member, &(size_t){number}, sizeof(size_t));
  } else {
    uint32_t narrow = (uint32_t)number; /* the ranges see to it */
    memcpy(member, &narrow, sizeof narrow);
  }
  return TUPLET_OK;
}

/* name: how it was called where it was set, for messages. text NULL: a switch without a word. */
static tuplet_status set(config_reading *reading, const tp_option *option, const char *name, const char *text,
                         tuplet_error *error) {
  setting_source *source = &reading->sources[option - tp_options];
  if (*source != SOURCE_NONE && *source != reading->source) return TUPLET_OK;
  *source = reading->source;
  void *member = (char *)reading->config + option->offset;
  bool on = true;
  tuplet_status status = TUPLET_OK;
  switch (option->kind) {
  case TP_OPTION_SWITCH:
    if (text != NULL) status = tp_config_read_switch(name, text, &on, error);
    if (status == TUPLET_OK) memcpy(member, &on, sizeof on);
    return status;
  case TP_OPTION_UNSUPPORTED:
    return tp_fail(
        error, TUPLET_INVALID,
        "%s is denokv's and not supported: tuplet does not follow the backups of Deno Deploy in S3; `denokv "
        "pitr` makes a file of them that it serves.",
        name);
  case TP_OPTION_ADDRESSES: return add_address(reading->config, name, text, error);
  case TP_OPTION_WEBHOOKS: return add_webhook(reading->config, name, text, error);
  case TP_OPTION_CHOICE: return set_choice(option, name, text, member, error);
  case TP_OPTION_COUNT:
  case TP_OPTION_SIZE:
  case TP_OPTION_DURATION:
  case TP_OPTION_UNUSED: return set_number(option, name, text, member, error);
  case TP_OPTION_TOKEN: status = check_access_token(name, text, error); break;
  case TP_OPTION_ADDRESS: status = tp_address_check(text, error); break;
  case TP_OPTION_TEXT:
    if (*text == '\0') status = tp_fail(error, TUPLET_INVALID, "%s is empty.", name);
    break;
  }
  if (status == TUPLET_OK) memcpy(member, &text, sizeof text);
  return status;
}

/* ---- The file ---- */

static tuplet_status on_setting(void *context, const char *where, const char *name, const char *value,
                                tuplet_error *error) {
  size_t number = tp_option_find(name, strlen(name));
  if (number == tp_option_count || tp_options[number].offset == offsetof(tp_serve_config, config_file))
    return tp_fail(error, TUPLET_SYNTAX, "%s: there is no option '%s' in a file.", where, name);
  char full_name[640];
  (void)snprintf(full_name, sizeof full_name, "%s: %s", where, name);
  return set(context, &tp_options[number], full_name, value, error);
}

static tuplet_status read_file(config_reading *reading, const char *path, tuplet_error *error) {
  char *text;
  tuplet_status status = tp_config_file_load(path, FILE_SIZE_MAX, &reading->config->arena, &text, error);
  reading->source = SOURCE_FILE;
  if (status == TUPLET_OK) status = tp_config_file_parse(path, text, on_setting, reading, error);
  return status;
}

/* ---- The environment ---- */

/* A variable that is set to nothing counts as not set. */
static const char *read_variable(const config_reading *reading, const char *name) {
  const char *text = reading->lookup(name);
  return text != NULL && *text != '\0' ? text : NULL;
}

/* What may come several times: addresses, separated by commas or blanks, and webhooks, by blanks alone. */
static tuplet_status read_list(config_reading *reading, const tp_option *option, const char *name,
                               const char *text, tuplet_error *error) {
  const char *separators = option->kind == TP_OPTION_ADDRESSES ? ", " : " ";
  tuplet_bytes copy = tp_arena_copy(&reading->config->arena, (tuplet_bytes){text, strlen(text)});
  if (copy.data == NULL) return tp_fail_nomem(error);
  char *rest = (char *)(uintptr_t)copy.data; /* our own copy */
  tuplet_status status = TUPLET_OK;
  for (char *item; status == TUPLET_OK && (item = strsep(&rest, separators)) != NULL;) {
    if (*item != '\0') status = set(reading, option, name, item, error);
  }
  return status;
}

static tuplet_status read_one_variable(config_reading *reading, const tp_option *option, const char *name,
                                       tuplet_error *error) {
  const char *text = read_variable(reading, name);
  if (text == NULL) return TUPLET_OK;
  if (option->kind == TP_OPTION_ADDRESSES || option->kind == TP_OPTION_WEBHOOKS)
    return read_list(reading, option, name, text, error);
  return set(reading, option, name, text, error);
}

static tuplet_status read_environment(config_reading *reading, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  reading->source = SOURCE_ENVIRONMENT;
  for (size_t i = 0; i < tp_option_count && status == TUPLET_OK; i++) {
    const tp_option *option = &tp_options[i];
    char name[TP_OPTION_VARIABLE_SIZE];
    if (option->variable != NULL && option->kind != TP_OPTION_UNSUPPORTED)
      status = read_one_variable(reading, option, option->variable, error);
    tp_option_variable(option, name);
    if (status == TUPLET_OK) status = read_one_variable(reading, option, name, error);
  }
  return status;
}

/* ---- The command line ---- */

static void make_long_options(struct option ret_options[TP_OPTIONS_MAX + 3]) {
  size_t count = 0;
  for (; count < tp_option_count; count++) {
    const tp_option *option = &tp_options[count];
    bool is_switch = option->kind == TP_OPTION_SWITCH;
    int argument = is_switch ? optional_argument : option->argument == NULL ? no_argument : required_argument;
    ret_options[count] = (struct option){option->name, argument, NULL, OPTION_FIRST + (int)count};
  }
  ret_options[count++] = (struct option){"db", required_argument, NULL, OPTION_PATH};
  ret_options[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
  ret_options[count] = (struct option){0};
}

static tuplet_status read_operands(int argc, char **argv, tp_serve_config *config, tuplet_error *error) {
  if (argc - optind > 1)
    return tp_fail(error, TUPLET_INVALID, "One database can be served, not both '%s' and '%s'.", argv[optind],
                   argv[optind + 1]);
  if (argc - optind == 0) return TUPLET_OK;
  if (config->path != NULL)
    return tp_fail(error, TUPLET_INVALID, "The database is given twice, as '%s' and as '%s'.", config->path,
                   argv[optind]);
  if (*argv[optind] == '\0') return tp_fail(error, TUPLET_INVALID, "The path of the database is empty.");
  config->path = argv[optind];
  return TUPLET_OK;
}

static tuplet_status read_command_line(config_reading *reading, int argc, char **argv, tuplet_error *error) {
  struct option long_options[TP_OPTIONS_MAX + 3];
  tp_serve_config *config = reading->config;
  const size_t path_option = tp_option_find("sqlite-path", strlen("sqlite-path"));
  make_long_options(long_options);
  reading->source = SOURCE_COMMAND_LINE;
  optind = 0; /* starts getopt anew */
  opterr = 0;
  for (int code; (code = getopt_long(argc, argv, ":d:h", long_options, NULL)) != -1;) {
    const char *word = optind > 0 ? argv[optind - 1] : "";
    if (code == OPTION_HELP) {
      config->help = true;
      return TUPLET_OK;
    }
    if (code == ':') return tp_fail(error, TUPLET_INVALID, "The option %s needs an argument.", word);
    if (code == '?') return tp_fail(error, TUPLET_INVALID, "There is no option %s.", word);
    const tp_option *option = &tp_options[code == OPTION_PATH ? path_option : (size_t)(code - OPTION_FIRST)];
    char name[TP_OPTION_VARIABLE_SIZE];
    (void)snprintf(name, sizeof name, "--%s", option->name);
    tuplet_status status = set(reading, option, name, optarg, error);
    if (status != TUPLET_OK) return status;
  }
  tuplet_status status = read_operands(argc, argv, config, error);
  if (config->path != NULL) reading->sources[path_option] = SOURCE_COMMAND_LINE;
  return status;
}

/* ---- Everything ---- */

static tuplet_status load_access_token(tp_serve_config *config, tuplet_error *error) {
  if (config->access_token_file == NULL) return TUPLET_OK;
  if (config->access_token != NULL)
    return tp_fail(error, TUPLET_INVALID, "Both an access token and a file that holds one are given.");
  char *text;
  tuplet_status status = tp_config_file_load(config->access_token_file, TP_SERVE_ACCESS_TOKEN_SIZE_MAX + 2,
                                             &config->arena, &text, error);
  if (status != TUPLET_OK) return status;
  text[strcspn(text, "\r\n")] = '\0';
  config->access_token = text;
  return check_access_token(config->access_token_file, text, error);
}

static tuplet_status check_webhooks(const tp_serve_config *config, tuplet_error *error) {
  if (config->webhook_count == 0 && (config->webhook_token != NULL || config->webhook_ca != NULL))
    return tp_fail(error, TUPLET_INVALID, "--queue-webhook-%s needs --queue-webhook, the URL to post to.",
                   config->webhook_token != NULL ? "token" : "ca");
  if (config->webhook_count > 0 && config->read_only)
    return tp_fail(error, TUPLET_INVALID,
                   "--queue-webhook takes messages out of the queue, which --read-only forbids.");
  for (size_t i = 0; i < config->webhook_count && config->data_dir == NULL; i++) {
    tp_webhook_target target;
    tuplet_status status = tp_webhook_target_parse(config->webhooks[i], &target, error);
    if (status != TUPLET_OK) return status;
    if (strcmp(target.database, TP_DATABASE_DEFAULT_NAME) != 0)
      return tp_fail(error, TUPLET_INVALID, "--queue-webhook %s=... needs --data-dir, the folder of %s.",
                     target.database, target.database);
  }
  return TUPLET_OK;
}

static bool is_set(const config_reading *reading, const char *name) {
  return reading->sources[tp_option_find(name, strlen(name))] != SOURCE_NONE;
}

static tuplet_status check_together(const config_reading *reading, tuplet_error *error) {
  const tp_serve_config *config = reading->config;
  if ((config->tls_cert == NULL) != (config->tls_key == NULL))
    return tp_fail(error, TUPLET_INVALID, "--tls-cert and --tls-key go together; %s is missing.",
                   config->tls_cert == NULL ? "--tls-cert" : "--tls-key");
  if (config->tls_client_ca != NULL && config->tls_cert == NULL)
    return tp_fail(error, TUPLET_INVALID, "--tls-client-ca needs --tls-cert and --tls-key.");
  if (is_set(reading, "tls-client-mode") && config->tls_client_ca == NULL)
    return tp_fail(error, TUPLET_INVALID, "--tls-client-mode needs --tls-client-ca, whom to trust.");
  if (config->create_databases && config->data_dir == NULL)
    return tp_fail(error, TUPLET_INVALID, "--create-databases needs --data-dir, the folder to make them in.");
  return check_webhooks(config, error);
}

static tuplet_status read_everything(config_reading *reading, int argc, char **argv, tuplet_error *error) {
  tp_serve_config *config = reading->config;
  tuplet_status status = read_command_line(reading, argc, argv, error);
  if (status != TUPLET_OK || config->help) return status;
  status = read_environment(reading, error);
  if (status == TUPLET_OK && config->config_file != NULL)
    status = read_file(reading, config->config_file, error);
  if (status == TUPLET_OK) status = load_access_token(config, error);
  if (status == TUPLET_OK) status = check_together(reading, error);
  return status;
}

tuplet_status tp_serve_config_read(int argc, char **argv, const char *(*lookup)(const char *name),
                                   tp_serve_config *ret_config, tuplet_error *error) {
  tp_serve_config config = tp_serve_config_default();
  config_reading reading = {.config = &config, .lookup = lookup};
  tuplet_status status = read_everything(&reading, argc, argv, error);
  if (status == TUPLET_OK)
    *ret_config = config;
  else
    tp_serve_config_done(&config);
  return status;
}

/* config_table.c: every option of `tuplet serve`, and the text of --help that is made from them. */
#include "server/config/config_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define AT(member)    offsetof(tp_serve_config, member)
#define DAYS_MS(days) ((uint64_t)(days)*86400000)

/* What timers and the bounds' types can hold, and no less than leaves a client a chance. */
#define ANY_COUNT                                                                                            \
  { 1, 10000000 }

static const tp_option_choice tls_versions[] = {{"1.2", 12}, {"1.3", 13}, {NULL, 0}};
static const tp_option_choice tls_client_modes[] = {
    {"required", TP_TLS_CLIENT_REQUIRED}, {"optional", TP_TLS_CLIENT_OPTIONAL}, {NULL, 0}};
static const tp_option_choice log_formats[] = {{"logfmt", TP_LOG_LOGFMT}, {"json", TP_LOG_JSON}, {NULL, 0}};
static const tp_option_choice log_levels[] = {{"error", TP_LOG_ERROR},
                                              {"warning", TP_LOG_WARNING},
                                              {"info", TP_LOG_INFO},
                                              {"debug", TP_LOG_DEBUG},
                                              {NULL, 0}};

#define TIMEOUT(member, text)                                                                                \
  .kind = TP_OPTION_DURATION, .offset = AT(member), .argument = "TIME", .help = (text)
#define COUNT(member, text)     .kind = TP_OPTION_COUNT, .offset = AT(member), .argument = "N", .help = (text)
#define COUNT_ANY(member, text) COUNT(member, text), .range = ANY_COUNT
#define SIZE(member, text)      .kind = TP_OPTION_SIZE, .offset = AT(member), .argument = "SIZE", .help = (text)
#define TEXT(member, word, text)                                                                             \
  .kind = TP_OPTION_TEXT, .offset = AT(member), .argument = (word), .help = (text)
#define SWITCH(member, text) .kind = TP_OPTION_SWITCH, .offset = AT(member), .help = (text)

const tp_option tp_options[] = {
    {.section = "What is served",
     .name = "sqlite-path",
     .variable = "DENO_KV_SQLITE_PATH",
     TEXT(path, "PATH", "the same as PATH; also --db, -d")},
    {.name = "data-dir",
     TEXT(data_dir, "DIR",
          "a folder of databases: http://HOST:PORT/NAME opens the one called\n"
          "NAME, / the one called default")},
    {.name = "create-databases", SWITCH(create_databases, "a name that is opened and not there is made")},
    {.name = "read-only", SWITCH(read_only, "refuse writes; the database must exist")},
    {.name = "open-databases-max",
     COUNT(open_databases_max, "databases of DIR that are open at a time"),
     .range = {1, 1000000}},
    {.name = "database-idle-timeout",
     TIMEOUT(database_idle_timeout_ms, "how long one of DIR stays open without being used"),
     .range = {100, DAYS_MS(7)}},

    {.section = "Where",
     .name = "addr",
     .kind = TP_OPTION_ADDRESSES,
     .argument = "ADDRESS",
     .help = "HOST:PORT, [IPv6]:PORT or unix:PATH; may be given several times;\n"
             "port 0 takes any free one"},
    {.name = "metrics-addr",
     .kind = TP_OPTION_ADDRESS,
     .offset = AT(metrics_address),
     .argument = "ADDRESS",
     .help = "serve /metrics, /healthz and /readyz here, to everybody"},
    {.name = "num-workers",
     .variable = "DENO_KV_NUM_WORKERS",
     COUNT(worker_count, "threads that serve clients (one for each processor)"),
     .range = {1, TP_SERVE_WORKERS_MAX}},

    {.section = "TLS",
     .name = "tls-cert",
     TEXT(tls_cert, "FILE", "certificate and chain, PEM; then clients speak https")},
    {.name = "tls-key", TEXT(tls_key, "FILE", "its private key, PEM")},
    {.name = "tls-client-ca",
     TEXT(tls_client_ca, "FILE", "clients show a certificate signed by one of these, PEM")},
    {.name = "tls-client-mode",
     .kind = TP_OPTION_CHOICE,
     .offset = AT(tls_client_mode),
     .argument = "MODE",
     .choices = tls_client_modes,
     .help = "whether they have to: required or optional"},
    {.name = "tls-version-min",
     .kind = TP_OPTION_CHOICE,
     .offset = AT(tls_version_min),
     .argument = "VERSION",
     .choices = tls_versions,
     .help = "1.2 or 1.3"},

    {.section = "Who may",
     .name = "access-token",
     .variable = "DENO_KV_ACCESS_TOKEN",
     .kind = TP_OPTION_TOKEN,
     .offset = AT(access_token),
     .argument = "TOKEN",
     .help = "opens every database; at least 12 characters. Without it, and without\n"
             "a file of tokens, one is made, kept beside the database for its owner\n"
             "alone to read, and printed"},
    {.name = "access-token-file", TEXT(access_token_file, "FILE", "holds that token in its first line")},
    {.name = "tokens-file",
     TEXT(tokens_file, "FILE", "tokens with rights of their own; see tuplet-token(1)")},
    {.name = "session-lifetime",
     TIMEOUT(session_lifetime_ms, "how long an opened database stays so; clients renew by themselves"),
     .range = {1000, DAYS_MS(30)}},
    {.name = "auth-failures-max",
     COUNT(auth_failures_max, "of one address in a minute, before it is slowed down"),
     .range = {1, 1000000}},

    {.section = "Queues",
     .name = "queue-webhook",
     .kind = TP_OPTION_WEBHOOKS,
     .argument = "[NAME=]URL",
     .help = "post the messages of the queue of the database NAME (default) to URL;\n"
             "may be given several times"},
    {.name = "queue-webhook-token",
     .kind = TP_OPTION_TOKEN,
     .offset = AT(webhook_token),
     .argument = "TOKEN",
     .help = "sent to URL, as Authorization: Bearer TOKEN"},
    {.name = "queue-webhook-ca",
     TEXT(webhook_ca, "FILE", "URL's certificate is signed by one of these, PEM (the system's)")},
    {.name = "queue-webhook-concurrency",
     COUNT(webhook_concurrency, "messages that are being posted to one URL at a time"),
     .range = {1, 1000}},
    {.name = "queue-webhook-timeout",
     TIMEOUT(webhook_timeout_ms, "for the answer to a message; then it comes again later"),
     .range = {100, DAYS_MS(1)}},

    {.section = "Bounds", .name = "connections-max", COUNT_ANY(bounds.connections_max, "connections in all")},
    {.name = "connections-per-address-max",
     COUNT_ANY(bounds.connections_per_address_max, "connections of one IP address (IPv6: of one /64)")},
    {.name = "requests-per-connection-max",
     COUNT(bounds.requests_per_connection_max, "requests at a time on one connection"),
     .range = {1, 65536}},
    {.name = "requests-max",
     COUNT_ANY(bounds.requests_max, "requests at a time in all; watches do not count")},
    {.name = "header-size-max",
     SIZE(bounds.header_size_max, "request line and headers"),
     .range = {1024, UINT64_C(1) << 20}},
    {.name = "body-size-max",
     SIZE(bounds.body_size_max, "body of a request"),
     .range = {1024, UINT64_C(64) << 20}},
    {.name = "header-timeout",
     TIMEOUT(bounds.header_timeout_ms, "for a request's headers, and a connection's TLS handshake"),
     .range = {100, DAYS_MS(1)}},
    {.name = "body-timeout",
     TIMEOUT(bounds.body_timeout_ms, "for a request's body"),
     .range = {100, DAYS_MS(1)}},
    {.name = "idle-timeout",
     TIMEOUT(bounds.idle_timeout_ms, "for a connection without any request"),
     .range = {100, DAYS_MS(7)}},
    {.name = "send-timeout",
     TIMEOUT(bounds.send_timeout_ms, "for a client that does not take its answers"),
     .range = {100, DAYS_MS(1)}},
    {.name = "drain-timeout",
     TIMEOUT(bounds.drain_timeout_ms, "for answers to be taken when the server ends"),
     .range = {100, DAYS_MS(1)}},
    {.name = "watches-per-connection-max",
     COUNT_ANY(bounds.watches_per_connection_max, "watches on one connection")},
    {.name = "watches-max", COUNT_ANY(bounds.watches_max, "watches in all")},
    {.name = "memory-max",
     SIZE(bounds.memory_max, "request bodies and answers not yet taken, in all"),
     .range = {UINT64_C(16) << 20, UINT64_C(1) << 40}},

    {.section = "Logs, to standard error",
     .name = "log-format",
     .kind = TP_OPTION_CHOICE,
     .offset = AT(log_format),
     .argument = "FORMAT",
     .choices = log_formats,
     .help = "logfmt or json"},
    {.name = "log-level",
     .kind = TP_OPTION_CHOICE,
     .offset = AT(log_level),
     .argument = "LEVEL",
     .choices = log_levels,
     .help = "error, warning, info or debug"},
    {.name = "log-requests", SWITCH(log_requests, "a line for each request")},

    {.section = "Other",
     .name = "config",
     TEXT(config_file, "FILE", "read further options from here: lines `NAME = VALUE`, see tuplet.conf(5)")},
    {.name = "atomic-write-batch-timeout-ms",
     .variable = "DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS",
     .kind = TP_OPTION_UNUSED,
     .argument = "N",
     .range = {0, UINT32_MAX},
     .help = "accepted for denokv's sake, without effect: writes that come while\n"
             "another is being made durable are committed together, none waits for\n"
             "more to come"},
    {.name = "sync-from-s3", .kind = TP_OPTION_UNSUPPORTED},
    {.name = "s3-bucket", .variable = "DENO_KV_S3_BUCKET", .kind = TP_OPTION_UNSUPPORTED, .argument = "NAME"},
    {.name = "s3-endpoint",
     .variable = "DENO_KV_S3_ENDPOINT",
     .kind = TP_OPTION_UNSUPPORTED,
     .argument = "URL"},
    {.name = "s3-prefix", .variable = "DENO_KV_S3_PREFIX", .kind = TP_OPTION_UNSUPPORTED, .argument = "TEXT"},
};

const size_t tp_option_count = sizeof tp_options / sizeof *tp_options;
static_assert(sizeof tp_options / sizeof *tp_options <= TP_OPTIONS_MAX, "whoever counts them has room");

size_t tp_option_find(const char *name, size_t name_size) {
  size_t i = 0;
  while (i < tp_option_count &&
         (strlen(tp_options[i].name) != name_size || memcmp(tp_options[i].name, name, name_size) != 0))
    i++;
  return i;
}

void tp_option_variable(const tp_option *option, char ret_name[TP_OPTION_VARIABLE_SIZE]) {
  (void)snprintf(ret_name, TP_OPTION_VARIABLE_SIZE, "TUPLET_%s", option->name);
  for (char *c = ret_name; *c != '\0'; c++) {
    if (*c == '-') *c = '_';
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  }
}

/* ---- --help ---- */

static const char introduction[] =
    "Usage: tuplet serve [OPTION]... [PATH]\n"
    "\n"
    "Serves databases to Deno and Node programs: Deno.openKv(\"http://HOST:PORT\").\n"
    "The database is the file PATH, made when it is not there, or :memory:. Without PATH and DIR it\n"
    "is the file that DENO_KV_DEFAULT_PATH names, or else one of the working directory's own, kept\n"
    "below $XDG_DATA_HOME/tuplet or ~/.local/share/tuplet.\n";

static const char conclusion[] =
    "  -h, --help\n"
    "      show this text\n"
    "\n"
    "Every option can be said in the environment, too, as TUPLET_ and its name in capitals\n"
    "(TUPLET_DATA_DIR), and in the file of --config (data-dir = ...). The command line wins over the\n"
    "environment, and that over the file. DENO_KV_SQLITE_PATH, DENO_KV_ACCESS_TOKEN and\n"
    "DENO_KV_NUM_WORKERS are known as well.\n"
    "\n"
    "http://HOST:PORT/:memory: gives every client that opens it a private database in memory, which\n"
    "goes away when it is not used any more: for tests.\n"
    "\n"
    "SIGTERM and SIGINT finish what was accepted and end the server; a second one ends it at once.\n"
    "SIGHUP reads the certificate and the file of tokens again.\n";

/* The option's value in `config`, as one would write it; empty when there is none. */
static void print_value(const tp_option *option, const tp_serve_config *config,
                        char ret_text[TP_CONFIG_VALUE_TEXT_SIZE]) {
  const char *at = (const char *)config + option->offset;
  uint32_t number;
  int choice;
  size_t size;
  ret_text[0] = '\0';
  switch (option->kind) {
  case TP_OPTION_COUNT:
    memcpy(&number, at, sizeof number);
    if (number > 0) (void)snprintf(ret_text, TP_CONFIG_VALUE_TEXT_SIZE, "%" PRIu32, number);
    break;
  case TP_OPTION_DURATION:
    memcpy(&number, at, sizeof number);
    tp_config_print_duration(number, ret_text);
    break;
  case TP_OPTION_SIZE:
    memcpy(&size, at, sizeof size);
    tp_config_print_size(size, ret_text);
    break;
  case TP_OPTION_CHOICE:
    memcpy(&choice, at, sizeof choice);
    for (const tp_option_choice *next = option->choices; next->text != NULL; next++) {
      if (next->value == choice) (void)snprintf(ret_text, TP_CONFIG_VALUE_TEXT_SIZE, "%s", next->text);
    }
    break;
  case TP_OPTION_ADDRESSES:
    (void)snprintf(ret_text, TP_CONFIG_VALUE_TEXT_SIZE, "%s", TP_SERVE_ADDRESS_DEFAULT);
    break;
  default: break;
  }
}

static void print_option(const tp_option *option, const tp_serve_config *defaults, tp_buffer *out) {
  char value[TP_CONFIG_VALUE_TEXT_SIZE];
  if (option->section != NULL) tp_buffer_append_format(out, "\n%s:\n", option->section);
  tp_buffer_append_format(out, "      --%s%s%s\n", option->name, option->argument != NULL ? " " : "",
                          option->argument != NULL ? option->argument : "");
  for (const char *line = option->help; line != NULL;) {
    const char *end = strchrnul(line, '\n');
    tp_buffer_append_format(out, "            %.*s", (int)(end - line), line);
    line = *end == '\0' ? NULL : end + 1;
    print_value(option, defaults, value);
    if (line == NULL && value[0] != '\0') tp_buffer_append_format(out, " [%s]", value);
    tp_buffer_append_byte(out, '\n');
  }
}

void tp_serve_config_print_help(tp_buffer *out) {
  tp_serve_config defaults = tp_serve_config_default();
  tp_buffer_append_text(out, introduction);
  for (size_t i = 0; i < tp_option_count; i++) {
    if (tp_options[i].help != NULL) print_option(&tp_options[i], &defaults, out);
  }
  tp_buffer_append_text(out, conclusion);
}

/* serve.c: `tuplet serve`: from the command line to a server that runs until it is told to end. */
#include "server/serve.h"

#include "api/open.h"
#include "server/access/secrets.h"
#include "server/config/config.h"
#include "server/databases/data_dir.h"
#include "server/host/certificate.h"
#include "server/host/descriptors.h"
#include "server/host/systemd.h"
#include "server/protocol/exchange.h"
#include "server/server.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_SYSTEM = 5 };

/* What a run of the program holds. */
typedef struct serve_run {
  tp_serve_config config;
  tp_log log;
  tp_log_losses log_losses;
  tp_engine_stats stats;
  tp_clock clock;
  tp_catalog *catalog; /* NULL: there is no data directory */
  tuplet_owned path;   /* of the server's own file; data NULL: it has none */
  tuplet_owned secrets_file;
  tp_secrets_source secrets_source;
  tp_secrets secrets;
  tp_auth *auth;
  tp_tls_context *tls; /* NULL: in clear */
  tp_server *server;
  tp_systemd systemd;
} serve_run;

static const char *lookup(const char *name) {
  return getenv(name);
}

/* Every connection takes a descriptor. */
static void bound_connections(serve_run *serving) {
  tp_serve_config *config = &serving->config;
  uint64_t limit = tp_descriptors_raise();
  uint32_t databases = config->data_dir != NULL ? config->open_databases_max : 1;
  uint32_t bound = tp_descriptors_bound(limit, config->bounds.connections_max, databases);
  if (bound < config->bounds.connections_max)
    tp_log_write(&serving->log, TP_LOG_WARNING,
                 "the limit of %llu open files leaves room for %u connections, not for %u (connections-max)",
                 (unsigned long long)limit, bound, config->bounds.connections_max);
  config->bounds.connections_max = bound;
}

static bool in_memory(const serve_run *serving) {
  return strcmp(serving->path.data, ":memory:") == 0;
}

static tuplet_status load_secrets(serve_run *serving, const char *path, tuplet_error *error) {
  tuplet_owned_free(&serving->secrets_file);
  tuplet_status status =
      tp_secrets_load(NULL, path, &serving->secrets, &serving->secrets_source, &serving->secrets_file, error);
  if (status != TUPLET_OK) return status;
  const char *file = serving->secrets_file.data;
  if (serving->secrets_source == TP_SECRETS_EXPOSED)
    tp_log_write(&serving->log, TP_LOG_WARNING,
                 "%s can be read by others than its owner; run: chmod 600 '%s'", file, file);
  if (serving->secrets_source == TP_SECRETS_FLEETING)
    tp_log_write(&serving->log, TP_LOG_WARNING,
                 "%s cannot be made: clients have to open the database anew after every start of the server",
                 file);
  return TUPLET_OK;
}

/* Those of the data directory, if there is one; the id of the server's own file is always that file's. */
static tuplet_status open_secrets(serve_run *serving, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  char id[TP_UUID_TEXT_SIZE] = "";
  if (serving->path.data != NULL && in_memory(serving)) {
    serving->secrets_source = TP_SECRETS_FLEETING;
    status = tp_secrets_make(NULL, &serving->secrets, error);
  } else if (serving->path.data != NULL) {
    status = load_secrets(serving, serving->path.data, error);
  }
  if (status != TUPLET_OK || serving->catalog == NULL) return status;
  memcpy(id, serving->secrets.database_id, sizeof id);
  tuplet_owned path = {0};
  status = tp_data_dir_secrets_path(serving->catalog, &path, error);
  if (status == TUPLET_OK) status = load_secrets(serving, path.data, error);
  tuplet_owned_free(&path);
  if (serving->path.data != NULL) memcpy(serving->secrets.database_id, id, sizeof id);
  return status;
}

/* The one that was given, or that was made and kept; NULL: only those of the tokens file count. */
static const char *access_token(const serve_run *serving) {
  if (serving->config.access_token != NULL) return serving->config.access_token;
  return serving->config.tokens_file != NULL ? NULL : serving->secrets.access_token;
}

static tuplet_status start(serve_run *serving, tuplet_error *error) {
  tuplet_open_options options = TUPLET_OPEN_OPTIONS_INIT;
  options.read_only = serving->config.read_only;
  static const char *const default_address[] = {TP_SERVE_ADDRESS_DEFAULT};
  tp_server_config config = tp_server_config_default();
  config.log = &serving->log;
  config.log_requests = serving->config.log_requests;
  config.metrics_address = serving->config.metrics_address;
  config.metrics_inherited = serving->systemd.metrics_sockets;
  config.metrics_inherited_count = serving->systemd.metrics_socket_count;
  config.stats = &serving->stats;
  bool has_place = serving->config.address_count > 0 || serving->systemd.socket_count > 0;
  config.addresses = has_place ? serving->config.addresses : default_address;
  config.address_count = has_place ? serving->config.address_count : 1;
  config.inherited = serving->systemd.sockets;
  config.inherited_count = serving->systemd.socket_count;
  config.worker_count = serving->config.worker_count;
  config.read_only = serving->config.read_only;
  config.session_ms = serving->config.session_lifetime_ms;
  config.auth_failures_max = serving->config.auth_failures_max;
  config.tokens_file = serving->config.tokens_file;
  config.create_databases = serving->config.create_databases;
  config.open_databases_max = serving->config.open_databases_max;
  config.database_idle_timeout_ms = serving->config.database_idle_timeout_ms;
  config.bounds = serving->config.bounds;
  config.webhook = (tp_webhook_config){.targets = serving->config.webhooks,
                                       .target_count = serving->config.webhook_count,
                                       .token = serving->config.webhook_token,
                                       .ca_file = serving->config.webhook_ca,
                                       .concurrency = serving->config.webhook_concurrency,
                                       .timeout_ms = serving->config.webhook_timeout_ms,
                                       .may_create_database = serving->config.create_databases};
  tuplet_status status = tp_engine_stats_init(&serving->stats, NULL, error);
  if (status == TUPLET_OK)
    status = tp_certificate_open(&serving->config, &serving->log, &serving->tls, error);
  if (status != TUPLET_OK) return status;
  config.tls = serving->tls;
  if (serving->config.data_dir != NULL)
    status = tp_data_dir_open(&serving->config, &serving->log, &serving->catalog, error);
  if (status == TUPLET_OK && (serving->catalog == NULL || serving->config.path != NULL))
    status = tp_open_store_for_server(serving->config.path, &options, serving->clock,
                                      &(tp_open_wants){.stats = &serving->stats}, &config.store,
                                      &serving->path, error);
  if (status != TUPLET_OK) return status;
  config.catalog = serving->catalog;

  status = open_secrets(serving, error);
  if (status == TUPLET_OK) {
    status = tp_auth_new(NULL, access_token(serving), serving->secrets.session_secret, &serving->auth, error);
  }
  if (status != TUPLET_OK) {
    tp_store_close(config.store);
    return status;
  }
  config.auth = serving->auth;
  tuplet_bytes id = {serving->secrets.database_id, strlen(serving->secrets.database_id)};
  (void)tp_database_id_from_text(id, config.database_id); /* secrets.c saw to it that it is one */
  return tp_server_start(&config, &serving->server, error);
}

/* ---- What the operator is told ---- */

/* The address that a client on this machine uses: one that stands for all is none to connect to. */
static void print_client_address(const char *address, char *ret_text, size_t size) {
  const char *port = strrchr(address, ':');
  if (strncmp(address, "0.0.0.0:", 8) == 0)
    (void)snprintf(ret_text, size, "127.0.0.1%s", port);
  else if (strncmp(address, "[::]:", 5) == 0)
    (void)snprintf(ret_text, size, "[::1]%s", port);
  else
    (void)snprintf(ret_text, size, "%s", address);
}

static const char *scheme_of(const serve_run *serving) {
  return serving->tls != NULL ? "https://" : "http://";
}

static bool is_unix(const char *address) {
  return strncmp(address, "unix:", 5) == 0;
}

/* The first that Deno can connect to, if there is one. */
static const char *first_address(const tp_server *server) {
  for (size_t i = 0; i < tp_server_address_count(server); i++) {
    if (!is_unix(tp_server_address(server, i))) return tp_server_address(server, i);
  }
  return tp_server_address(server, 0);
}

static void print_introduction(const serve_run *serving) {
  char address[256];
  print_client_address(first_address(serving->server), address, sizeof address);
  const char *token = serving->secrets.access_token;
  const char *mode = serving->config.read_only ? " (read-only)" : "";
  if (serving->path.data != NULL) (void)printf("Database: %s%s\n", (const char *)serving->path.data, mode);
  if (serving->catalog != NULL) (void)printf("Databases: %s/*%s\n", tp_catalog_path(serving->catalog), mode);
  if (serving->config.access_token != NULL || serving->config.tokens_file != NULL) {
    token = "...";
  } else {
    (void)printf("Access token: %s\n", token);
    if (serving->secrets_source == TP_SECRETS_FLEETING)
      (void)printf("(for this run; --access-token sets one)\n");
    else
      (void)printf("(kept in %s)\n", (const char *)serving->secrets_file.data);
  }
  if (is_unix(address)) {
    (void)printf("Try it:\n\n  curl --unix-socket '%s' http://localhost/healthz\n\n", address + 5);
    return;
  }
  (void)printf(
      "Try it:\n\n"
      "  DENO_KV_ACCESS_TOKEN=%s deno eval --unstable-kv 'const kv = await Deno.openKv(\"%s%s\"); "
      "await kv.set([\"hello\"], \"world\"); console.log(await kv.get([\"hello\"])); kv.close()'\n\n",
      token, scheme_of(serving), address);
}

static void log_addresses(const serve_run *serving) {
  for (size_t i = 0; i < tp_server_address_count(serving->server); i++) {
    const char *place = tp_server_address(serving->server, i);
    const char *scheme = is_unix(place) ? "" : scheme_of(serving);
    tp_log_write(&serving->log, TP_LOG_INFO, "Listening on %s%s", scheme, place);
  }
  const char *metrics = tp_server_metrics_address(serving->server);
  if (metrics != NULL)
    tp_log_write(&serving->log, TP_LOG_INFO, "Metrics are at %s%s", is_unix(metrics) ? "" : "http://",
                 metrics);
}

/* ---- What systemd is told ---- */

/* Nothing depends on it but what systemd shows and waits for. */
static void check_notice(const serve_run *serving, tuplet_status status, const tuplet_error *error) {
  if (status != TUPLET_OK) tp_log_write(&serving->log, TP_LOG_WARNING, "%s", error->message);
}

static void notify_ready(const serve_run *serving) {
  tuplet_error error;
  char text[256];
  size_t count = tp_server_address_count(serving->server);
  (void)snprintf(text, sizeof text, count > 1 ? "Listening on %s and %zu more" : "Listening on %s",
                 tp_server_address(serving->server, 0), count - 1);
  check_notice(serving, tp_systemd_notify_ready(&serving->systemd, text, &error), &error);
}

static void notify_stopping(const serve_run *serving) {
  tuplet_error error;
  check_notice(serving, tp_systemd_notify_stopping(&serving->systemd, "Ending connections", &error), &error);
}

/* A server with a loop that does not come round gives no sign of life, and so is started anew. */
static void notify_watchdog(const serve_run *serving) {
  tuplet_error error;
  if (!tp_server_is_moving(serving->server)) return;
  check_notice(serving, tp_systemd_notify_watchdog(&serving->systemd, &error), &error);
}

/* ---- The end ---- */

static void exit_at_once(int signal_number) {
  _exit(128 + signal_number);
}

/* SIGTERM and SIGINT still end the process at once: a start may have to wait, for a file that others hold. */
static void prepare_signals(sigset_t *ret_signals) {
  (void)sigemptyset(ret_signals);
  (void)sigaddset(ret_signals, SIGHUP);
  (void)pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
  (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
}

/* From here on they are waited for. All other threads block every signal. */
static void block_ends(sigset_t *signals) {
  (void)sigaddset(signals, SIGTERM);
  (void)sigaddset(signals, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* SIGHUP: what can be read again while serving. What cannot be read stays as it was. */
static void reload(serve_run *serving) {
  tuplet_error error;
  tp_log_write(&serving->log, TP_LOG_INFO, "Reloading");
  check_notice(serving, tp_systemd_notify_reloading(&serving->systemd, &error), &error);
  tp_certificate_reload(serving->tls, &serving->log);
  tp_server_reload_tokens(serving->server);
}

/* The next signal; meanwhile signs of life as often as they are wanted. */
static int wait_for_signal(const serve_run *serving, const sigset_t *signals) {
  enum { SIGNS_PER_INTERVAL = 4 };
  uint32_t pause_ms = serving->systemd.watchdog_ms / SIGNS_PER_INTERVAL + 1;
  const struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000L};
  for (;;) {
    int signal_number = sigtimedwait(signals, NULL, serving->systemd.watchdog_ms > 0 ? &pause : NULL);
    if (signal_number > 0) return signal_number;
    if (errno == EAGAIN) notify_watchdog(serving);
  }
}

/* Returns when the server is to end; from then on the same signals end the process. */
static void run_until_signal(serve_run *serving, const sigset_t *signals) {
  notify_ready(serving);
  while (wait_for_signal(serving, signals) == SIGHUP) {
    reload(serving);
    notify_ready(serving);
  }
  notify_stopping(serving);
  const struct sigaction action = {.sa_handler = exit_at_once};
  (void)sigaction(SIGTERM, &action, NULL);
  (void)sigaction(SIGINT, &action, NULL);
  (void)signal(SIGHUP, SIG_IGN);
  (void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static void end(serve_run *serving) {
  tp_server_stop(serving->server);
  tp_catalog_close(serving->catalog);
  tp_tls_context_free(serving->tls);
  tp_auth_free(serving->auth);
  tp_engine_stats_done(&serving->stats);
  tp_log_close(&serving->log);
  tuplet_owned_free(&serving->path);
  tuplet_owned_free(&serving->secrets_file);
  OPENSSL_cleanse(&serving->secrets, sizeof serving->secrets);
  tp_serve_config_done(&serving->config);
}

static void open_log(serve_run *serving) {
  serving->log.level = (tp_log_level)serving->config.log_level;
  serving->log.format = (tp_log_format)serving->config.log_format;
  serving->log.losses = &serving->log_losses;
  tp_log_open(&serving->log, STDERR_FILENO);
}

static int print_help(void) {
  tp_buffer text;
  tp_buffer_init(&text, NULL);
  tp_serve_config_print_help(&text);
  bool printed = !text.failed && fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0;
  tp_buffer_done(&text);
  return printed ? EXIT_SUCCESS : EXIT_SYSTEM;
}

int tp_serve_main(int argc, char **argv) {
  serve_run serving = {.log = {.descriptor = -1}, .clock = tp_clock_system()};
  tuplet_error error = {0};
  if (tp_serve_config_read(argc, argv, lookup, &serving.config, &error) != TUPLET_OK) {
    (void)fprintf(stderr, "tuplet serve: %s\nTry 'tuplet serve --help'.\n", error.message);
    return EXIT_USAGE;
  }
  if (serving.config.help) {
    tp_serve_config_done(&serving.config);
    return print_help();
  }
  tp_open_process_is_ours();
  open_log(&serving);
  sigset_t signals;
  prepare_signals(&signals);
  bound_connections(&serving);
  int code = EXIT_SUCCESS;
  if (tp_systemd_read(lookup, &serving.systemd, &error) == TUPLET_OK &&
      start(&serving, &error) == TUPLET_OK) {
    block_ends(&signals);
    print_introduction(&serving);
    (void)fflush(stdout);
    log_addresses(&serving);
    run_until_signal(&serving, &signals);
  } else {
    (void)fprintf(stderr, "tuplet serve: %s\n", error.message);
    code = EXIT_SYSTEM;
  }
  end(&serving);
  return code;
}

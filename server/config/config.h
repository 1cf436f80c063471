/* config.h: what the command line, the environment and a file say about how to serve.
 *
 * All three say the same things under the same names (`--data-dir D`, `TUPLET_DATA_DIR=D`, `data-dir = D`);
 * the command line wins over the environment, and that over the file. One table, in config_table.c, holds
 * them all, and makes the text of --help. */
#ifndef TP_SERVER_CONFIG_H
#define TP_SERVER_CONFIG_H

#include "base/arena.h"
#include "base/buffer.h"
#include "server/config/bounds.h"
#include "server/monitor/log.h"
#include "server/webhook/webhook.h"

#define TP_SERVE_ADDRESS_DEFAULT "0.0.0.0:4512"

enum { TP_SERVE_WORKERS_MAX = 256, TP_SERVE_ADDRESSES_MAX = 16, TP_SERVE_ACCESS_TOKEN_SIZE_MAX = 1024 };

typedef enum tp_tls_client_mode {
  TP_TLS_CLIENT_REQUIRED, /* no connection without a certificate of tls_client_ca's */
  TP_TLS_CLIENT_OPTIONAL  /* one that is shown must be */
} tp_tls_client_mode;

/* Strings are views of the arguments and the environment, or lie in `arena`. */
typedef struct tp_serve_config {
  bool help; /* --help: nothing else counts */

  /* What is served. */
  const char *path;      /* the default database's file; NULL: data_dir's, or as tuplet_open has it */
  const char *data_dir;  /* named databases live here; NULL: there are none */
  bool create_databases; /* a name that is opened and not there is made */
  bool read_only;
  uint32_t open_databases_max; /* of data_dir's, at a time */
  uint32_t database_idle_timeout_ms;

  /* Where. */
  const char *addresses[TP_SERVE_ADDRESSES_MAX]; /* "HOST:PORT", "[IPv6]:PORT", "unix:PATH" */
  size_t address_count;                          /* 0: TP_SERVE_ADDRESS_DEFAULT, or systemd's sockets */
  const char *metrics_address;                   /* NULL: none */
  uint32_t worker_count;                         /* 0: as many as there are processors */

  /* TLS; paths of PEM files. */
  const char *tls_cert; /* NULL: in clear */
  const char *tls_key;
  const char *tls_client_ca; /* NULL: clients show no certificates */
  int tls_client_mode;       /* tp_tls_client_mode */
  int tls_version_min;       /* 12, 13 */

  /* Who may. */
  const char *access_token;      /* NULL: one is made and kept, unless there is a tokens_file */
  const char *access_token_file; /* holds it in one line */
  const char *tokens_file;
  uint32_t session_lifetime_ms;
  uint32_t auth_failures_max; /* of one address within a minute, before it is slowed down */

  /* Queues. */
  const char *webhooks[TP_WEBHOOKS_MAX]; /* "[NAME=]URL" */
  size_t webhook_count;
  const char *webhook_token; /* NULL: none */
  const char *webhook_ca;    /* a path; NULL: the system's authorities */
  uint32_t webhook_concurrency;
  uint32_t webhook_timeout_ms;

  tp_bounds bounds;

  /* Logs. */
  int log_format; /* tp_log_format */
  int log_level;  /* tp_log_level */
  bool log_requests;

  const char *config_file;
  tp_arena arena;
} tp_serve_config;

/* What holds when nothing is said. */
tp_serve_config tp_serve_config_default(void);

/* `lookup` is getenv, or a test's. argv[0] is the program's name; argv is reordered. Not thread-safe
 * (getopt). Errors: TUPLET_INVALID, TUPLET_SYNTAX (an address, the file), TUPLET_IO (a file), TUPLET_NOMEM.
 * On success tp_serve_config_done has to follow. */
tuplet_status tp_serve_config_read(int argc, char **argv, const char *(*lookup)(const char *name),
                                   tp_serve_config *ret_config, tuplet_error *error);
void tp_serve_config_done(tp_serve_config *config);

/* Writes the text of --help, defaults included. */
void tp_serve_config_print_help(tp_buffer *out);

#endif

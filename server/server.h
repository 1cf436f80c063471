/* server.h: a database, served: loops, listeners, and everything between them. Knows no command line and no
 * signals, so that tests run it as the program does. */
#ifndef TP_SERVER_SERVER_H
#define TP_SERVER_SERVER_H

#include "server/webhook/webhook.h"
#include "server/worker.h"

typedef struct tp_server tp_server;

typedef struct tp_server_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const tp_log *log;            /* borrowed */
  bool log_requests;            /* a line for each */
  tp_engine_stats *stats;       /* the store's, and of others that are opened; borrowed */
  const char *metrics_address;  /* NULL: none; see monitor.h */
  const int *metrics_inherited; /* sockets that listen already; taken over */
  size_t metrics_inherited_count;
  tp_auth *auth;   /* borrowed */
  tp_store *store; /* the server's own file; taken over, also when starting fails; NULL: it
                      has none */
  uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE]; /* the store's */
  const tp_catalog *catalog;                     /* the data directory, borrowed; NULL: there is none */
  bool create_databases;                         /* a name that is opened and not there is made */
  uint32_t open_databases_max;                   /* of the data directory, at a time */
  uint32_t database_idle_timeout_ms;
  const char *const *addresses; /* as tp_address_check has it */
  size_t address_count;
  tp_tls_context *tls;  /* borrowed; NULL: in clear */
  const int *inherited; /* sockets that listen already; taken over, also when starting fails */
  size_t inherited_count;
  uint32_t worker_count; /* 0: as many as there are processors */
  bool read_only;
  int64_t session_ms;         /* how long a session token is valid */
  uint32_t auth_failures_max; /* of an address within a minute; 0: any number */
  const char *tokens_file;    /* borrowed; read again whenever it changes; NULL: none */
  tp_webhook_config webhook;  /* no targets: none */
  tp_bounds bounds;
} tp_server_config;

/* One worker, no address, an hour's sessions, the default bounds. */
tp_server_config tp_server_config_default(void);

/* Serves from the moment it returns. Blocks for a moment. Errors: TUPLET_SYNTAX (the address), TUPLET_IO, and
 * those of opening a reader. */
tuplet_status tp_server_start(const tp_server_config *config, tp_server **ret_server, tuplet_error *error);

/* What it listens on, as tp_endpoints_address has it; a name may have become several. Lives as long as the
 * server. */
size_t tp_server_address_count(const tp_server *server);
const char *tp_server_address(const tp_server *server, size_t number);

/* The same for the address of metrics; NULL without one. */
const char *tp_server_metrics_address(const tp_server *server);

tp_net_gate_counts tp_server_connections(const tp_server *server);

/* Whether every loop has come round since the call before; asks each for the next. Does not wait. One thread
 * at a time.
 */
bool tp_server_is_moving(tp_server *server);

/* Bytes of requests and of answers that are held at this moment, of those that count (see tp_http_budget).
 * Any thread. */
size_t tp_server_memory(const tp_server *server);

/* Requests that are being answered at this moment, endless ones not counted. Any thread. */
size_t tp_server_request_count(const tp_server *server);

/* A worker's loop, for those who measure: what they post there they decide the turns with. Lives as long as
 * the server. */
tp_loop *tp_server_loop(const tp_server *server, uint32_t worker);

/* Reads the file of tokens again, and ends what its old tokens allowed and the new ones do not. A file that
 * cannot be read changes nothing, and is told of in the log. Blocks for a moment. */
void tp_server_reload_tokens(tp_server *server);

/* Accepts nothing more, ends watches and listeners, answers what was accepted, closes the store, and ends.
 * Blocks, at most for about bounds.drain_timeout_ms beyond the commits under way. NULL is fine. */
void tp_server_stop(tp_server *server);

#endif

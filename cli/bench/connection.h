/* connection.h: one connection to a server: the socket, TLS, and HTTP on it. For libuv's loops.
 *
 *   CLOSED ──open──► CONNECTING ──► HANDSHAKING ──► OPEN ──► CLOSING ──► CLOSED, on_closed
 *                         └───────────────────────────►──────►┘
 * In clear there is no handshake. */
#ifndef TP_CLI_BENCH_CONNECTION_H
#define TP_CLI_BENCH_CONNECTION_H

#include "server.h"

#include <uv.h>

typedef enum tp_bench_connection_state {
  TP_BENCH_CONNECTION_CLOSED,
  TP_BENCH_CONNECTION_CONNECTING,
  TP_BENCH_CONNECTION_HANDSHAKING,
  TP_BENCH_CONNECTION_OPEN,
  TP_BENCH_CONNECTION_CLOSING /* libuv still has the handle */
} tp_bench_connection_state;

enum { TP_BENCH_PROBLEM_SIZE = 160 };

typedef struct tp_bench_connection tp_bench_connection;

/* Whom a connection tells. */
typedef struct tp_bench_connection_owner {
  void (*on_open)(tp_bench_connection *connection);
  /* After events were seen to: the moment to send what has come together. */
  void (*on_turn_end)(tp_bench_connection *connection);
  /* What was under way has no answer. `problem` says why it ended; empty: as it was asked to. */
  void (*on_closed)(tp_bench_connection *connection);
} tp_bench_connection_owner;

struct tp_bench_connection {
  uv_poll_t poll;
  tp_bench_server *server;
  const tp_bench_connection_owner *owner;
  tp_bench_connection_state state;
  int fd;
  SSL *tls;
  tp_bench_http_client *http; /* when OPEN */
  bool is_http2;
  bool was_open;
  bool wants_write;
  tp_buffer out;
  size_t sent; /* of `out` */
  char problem[TP_BENCH_PROBLEM_SIZE];
};

/* Of a zeroed one. Takes memory only later. */
void tp_bench_connection_init(tp_bench_connection *connection, tp_bench_server *server,
                              const tp_bench_connection_owner *owner);
/* When CLOSED. */
void tp_bench_connection_done(tp_bench_connection *connection);

/* When CLOSED: begins to connect. False, with the problem, when it cannot even begin; then it is CLOSED. */
bool tp_bench_connection_open(tp_bench_connection *connection, uv_loop_t *loop);

/* Starts a call when OPEN. False: see tp_bench_http_start. */
bool tp_bench_connection_start(tp_bench_connection *connection, tp_bench_call *call);

/* Sends what calls have put together. */
void tp_bench_connection_flush(tp_bench_connection *connection);

/* Unless CLOSED or CLOSING. */
void tp_bench_connection_close(tp_bench_connection *connection);

#endif

/* server.h: what is known about a server before the first request: where it is, what its session is, how it
 * is to be trusted. */
#ifndef TP_CLI_BENCH_SERVER_H
#define TP_CLI_BENCH_SERVER_H

#include "http_client.h"
#include "plan.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/socket.h>

typedef struct tp_remote_session tp_remote_session;

typedef struct tp_bench_server {
  tp_remote_session *session;
  int64_t exchanged_ns; /* monotonic */
  tp_bench_http http;
  tp_bench_head head;
  tp_buffer texts; /* where the head's own texts are */
  char *host;
  char *port;
  struct sockaddr_storage address;
  socklen_t address_size;
  SSL_CTX *tls;             /* NULL: in clear */
  bool has_queue;           /* for listeners over the network: the extension queue/1 */
  atomic_bool speaks_http2; /* what the connections have come to speak; of any thread */
} tp_bench_server;

/* How long its session is good for, milliseconds; negative when it is over. */
int64_t tp_bench_server_left_ms(const tp_bench_server *server);

/* The metadata exchange, and a look at whether the endpoint can be connected to. Blocks. A zeroed server is
 * fine for tp_bench_server_done. Errors: TUPLET_IO, TUPLET_DENIED, TUPLET_MALFORMED, TUPLET_UNSUPPORTED,
 * TUPLET_INVALID, TUPLET_NOMEM. */
tuplet_status tp_bench_server_init(tp_bench_server *server, const tp_bench_place *place, tuplet_error *error);
void tp_bench_server_done(tp_bench_server *server);

#endif

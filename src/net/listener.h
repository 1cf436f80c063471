/* listener.h: a TCP socket that accepts HTTP connections on one loop and drives them.
 *
 * For N loops: tp_listener_open on the first, tp_listener_join on the others. The kernel spreads connections
 * over them (SO_REUSEPORT). */
#ifndef TP_NET_LISTENER_H
#define TP_NET_LISTENER_H

#include "http/http.h"
#include "net/loop.h"

typedef struct tp_listener tp_listener;

#define TP_LISTENER_CONNECTIONS_MAX   4096u
#define TP_LISTENER_BACKLOG           511
#define TP_LISTENER_IDLE_TIMEOUT_MS   75000u
#define TP_LISTENER_HEAD_TIMEOUT_MS   15000u
#define TP_LISTENER_BODY_TIMEOUT_MS   30000u
#define TP_LISTENER_SEND_TIMEOUT_MS   30000u
#define TP_LISTENER_LINGER_TIMEOUT_MS 1000u
#define TP_LISTENER_DRAIN_TIMEOUT_MS  1000u

typedef struct tp_listener_config {
  tp_http_limits limits;
  tp_http_budget *budget;     /* may be shared with other listeners; NULL: none */
  uint32_t connections_max;   /* of this listener; beyond it a connection gets a 503 and is closed */
  uint32_t idle_timeout_ms;   /* a connection without any request */
  uint32_t head_timeout_ms;   /* from a request's first byte to the last of its head, */
  uint32_t body_timeout_ms;   /* and from there to its last */
  uint32_t send_timeout_ms;   /* the peer takes neither 4 KiB of responses nor all that there is */
  uint32_t linger_timeout_ms; /* after our last byte, for the peer to read it and close */
  uint32_t drain_timeout_ms;  /* while draining, for the rest of requests and HTTP/2's answer to its end */
  /* As in tp_http_conn_config; may be NULL. */
  void (*on_head)(void *context, tp_http_request *request);
  /* Called on the loop's thread for every request. tp_http_request_connection gives numbers from 1, each once
   * for this listener. */
  void (*on_request)(void *context, tp_http_request *request);
  /* As in tp_http_conn_config; may be NULL. Requests may end, and so it be called, after the listener's end.
   */
  void (*on_finish)(void *context, const tp_http_request *request, const tp_http_outcome *outcome);
  void *context;
} tp_listener_config;

/* The TP_LISTENER_... and TP_HTTP_... constants; no budget; on_head and on_request are left NULL. */
tp_listener_config tp_listener_config_default(void);

/* Binds and listens. address: "HOST:PORT", "[IPv6]:PORT"; a host name may be looked up, which blocks; port 0
 * is any free one. Not from the loop's thread. Memory comes from the loop's allocator.
 *
 * Errors: TUPLET_SYNTAX (address), TUPLET_IO (look-up, bind; also when another program listens there),
 * TUPLET_NOMEM. */
tuplet_status tp_listener_open(tp_loop *loop, const char *address, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error);

/* One more listener, on another loop, for the address and port that `first` is bound to. Errors as above. */
tuplet_status tp_listener_join(tp_loop *loop, const tp_listener *first, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error);

/* "127.0.0.1:4512", "[::1]:4512": what it is really bound to. Lives as long as the listener. Any thread. */
const char *tp_listener_address(const tp_listener *listener);
uint16_t tp_listener_port(const tp_listener *listener);

/* Open connections at this moment. Any thread. */
size_t tp_listener_connection_count(const tp_listener *listener);

/* Stops accepting and lets every connection finish what it accepted (tp_http_conn_shutdown). Returns at once.
 * Any thread; more than once is fine. */
void tp_listener_drain(tp_listener *listener);

/* Drains, waits up to timeout_ms for the connections to end, cuts the rest, and frees the listener. Requests
 * that handlers still have live on (http.h). Blocks; not from the loop's thread. NULL is fine. */
void tp_listener_close(tp_listener *listener, uint32_t timeout_ms);

#endif

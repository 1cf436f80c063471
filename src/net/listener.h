/* listener.h: accepts HTTP connections on one loop, from the sockets of a server's endpoints, and drives
 * them. */
#ifndef TP_NET_LISTENER_H
#define TP_NET_LISTENER_H

#include "http/http.h"
#include "net/endpoint.h"
#include "net/gate.h"
#include "net/loop.h"
#include "net/tls.h"

typedef struct tp_listener tp_listener;

/* Connections that wait to be accepted; the system has a bound of its own, net.core.somaxconn. */
#define TP_LISTENER_BACKLOG           4096
#define TP_LISTENER_IDLE_TIMEOUT_MS   75000u
#define TP_LISTENER_HEAD_TIMEOUT_MS   15000u
#define TP_LISTENER_BODY_TIMEOUT_MS   30000u
#define TP_LISTENER_SEND_TIMEOUT_MS   30000u
#define TP_LISTENER_LINGER_TIMEOUT_MS 1000u
#define TP_LISTENER_DRAIN_TIMEOUT_MS  1000u
#define TP_LISTENER_HANDSHAKE_TURN_US 5000u

/* How a TLS handshake ended. Texts live until on_handshake returns. */
typedef struct tp_listener_handshake {
  const char *peer;    /* as tp_http_request_peer */
  const char *failure; /* why it failed, in a few words; NULL when it did not */
  const char *version; /* "TLSv1.3" */
  const char *cipher;  /* "TLS_AES_128_GCM_SHA256" */
  const char *alpn;    /* "h2", "http/1.1", "none" */
  bool is_resumed;
} tp_listener_handshake;

typedef struct tp_listener_config {
  tp_http_limits limits;
  tp_http_budget *budget; /* may be shared with other listeners; NULL: none */
  /* May be shared with other listeners; NULL: none. Who is not admitted gets a 503 (the server is full) or
   * 429 (the address has its share), or under a flood of them just the end. */
  tp_net_gate *gate;
  tp_tls_context *tls;      /* must outlive the listener; NULL: in clear. Unix-domain sockets always are */
  uint32_t idle_timeout_ms; /* a connection without any request, after its first bytes */
  uint32_t head_timeout_ms; /* from a connection's begin to the first bytes, TLS's handshake included, from a
                               request's to the last of its head, */
  uint32_t body_timeout_ms; /* and from there to its last */
  uint32_t send_timeout_ms; /* the peer takes neither 4 KiB of responses nor all that there is */
  uint32_t linger_timeout_ms; /* after our last byte, for the peer to read it and close */
  /* So long handshakes may take of each turn of the loop, by one of them more or less, while others wait. */
  uint32_t handshake_turn_us;
  uint32_t drain_timeout_ms; /* while draining, for the rest of requests and HTTP/2's answer to its end */
  /* As in tp_http_conn_config; may be NULL. */
  void (*on_head)(void *context, tp_http_request *request);
  /* Called on the loop's thread for every request. tp_http_request_connection gives numbers from 1, each once
   * for this listener. */
  void (*on_request)(void *context, tp_http_request *request);
  /* As in tp_http_conn_config; may be NULL. */
  bool (*is_exempt)(void *context, const tp_http_request *request);
  /* As in tp_http_conn_config; may be NULL. Requests may end, and so it be called, after the listener's end.
   */
  void (*on_finish)(void *context, const tp_http_request *request, const tp_http_outcome *outcome);
  /* A TLS handshake has ended. On the loop's thread; may be NULL. */
  void (*on_handshake)(void *context, const tp_listener_handshake *handshake);
  void *context;
} tp_listener_config;

/* The TP_LISTENER_... and TP_HTTP_... constants; no budget; the functions are left NULL. */
tp_listener_config tp_listener_config_default(void);

/* Accepts from all endpoints, beside the listeners of other loops. Not from the loop's thread; one at a time
 * for the same endpoints. Memory comes from the loop's allocator. Out of descriptors or memory, it leaves
 * connections waiting until there are some. Errors: TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_listener_open(tp_loop *loop, tp_endpoints *endpoints, const tp_listener_config *config,
                               tp_listener **ret_listener, tuplet_error *error);

/* Open connections at this moment. Any thread. */
size_t tp_listener_connection_count(const tp_listener *listener);

/* Stops accepting and lets every connection finish what it accepted (tp_http_conn_shutdown). Returns at once.
 * Any thread; more than once is fine. */
void tp_listener_drain(tp_listener *listener);

/* Drains, waits up to timeout_ms for the connections to end, cuts the rest, and frees the listener. Requests
 * that handlers still have live on (http.h). Blocks; not from the loop's thread. NULL is fine. */
void tp_listener_close(tp_listener *listener, uint32_t timeout_ms);

#endif

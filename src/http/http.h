/* http.h: HTTP/1.1 and HTTP/2 on the server's side, as bytes in, events out. No sockets, no clock, no
 * threads.
 *
 *                     receive                      on_request
 *   transport ──────► tp_http_conn ──────────────► handler          a handler cannot tell which protocol
 *   (src/net, tests,      │   ▲                       │             brought its request
 *    fuzzers)  ◄──────────┘   └───────────────────────┘
 *                output         tp_http_respond...
 *
 * The first bytes of a connection tell the protocol: HTTP/2's preface (prior knowledge), or else HTTP/1.1.
 *
 * A request reaches its handler complete, body included, and is the handler's until the handler finishes it,
 * at once or later, with exactly one of tp_http_respond, tp_http_respond_text, tp_http_respond_end and
 * tp_http_respond_abort. Until then the request, its body and its arena stay, even if the peer or the whole
 * connection has gone in the meantime (on_abort tells): finishing it then sends nothing and frees it. So work
 * on other threads may read the body without a copy.
 *
 * Threads: a connection and its requests belong to one thread, the loop's. Other threads may only read what a
 * request's accessors returned, and only until the request is finished.
 *
 * Memory: what a peer can make the connection hold is bounded by tp_http_limits and tp_http_budget. Running
 * out of memory ends the connection (tp_http_conn_wants_close), nothing else.
 */
#ifndef TP_HTTP_HTTP_H
#define TP_HTTP_HTTP_H

#include "base/arena.h"

#include <stdatomic.h>

typedef struct tp_http_conn tp_http_conn;
typedef struct tp_http_request tp_http_request;

/* ---- Requests, as a handler sees them -------------------------------------------------------------------
 */

/* All views live until the request is finished. */

/* "GET", "POST", ... */
tuplet_bytes tp_http_request_method(const tp_http_request *request);

/* Path and query, "/a/b?c=d", as they came: nothing is decoded. "*" in OPTIONS requests. */
tuplet_bytes tp_http_request_target(const tp_http_request *request);

/* Host and port that the peer asked for (Host, :authority); data is NULL when HTTP/1.0 left it out. */
tuplet_bytes tp_http_request_authority(const tp_http_request *request);

/* The first header of that name (lower-case), without surrounding blanks; data is NULL when there is none,
 * and never NULL when there is one. Neither "host" nor "cookie" nor HTTP/2's pseudo-headers are among the
 * headers. */
tuplet_bytes tp_http_request_header(const tp_http_request *request, const char *name);

/* The number of the connection it came on, as the transport gave it; 0 when the connection has gone. */
uint64_t tp_http_request_connection(const tp_http_request *request);

/* Who sent it, as the transport knows: an IP address as text, without a port, or "unix"; empty when it does
 * not know, or when the connection has gone. */
tuplet_bytes tp_http_request_peer(const tp_http_request *request);

/* Whether it came encrypted; false when the connection has gone. */
bool tp_http_request_is_secure(const tp_http_request *request);

/* A number of the handler's own for each connection, 0 at first, to count what it keeps for its requests;
 * NULL when the connection has gone. */
uint32_t *tp_http_request_tally(const tp_http_request *request);

/* Room of the handler's own for each connection, TP_HTTP_MEMO_SIZE bytes, zero at first and aligned for any
 * type: for what it wants to remember from one request of a client to the next. NULL when the connection has
 * gone. */
#define TP_HTTP_MEMO_SIZE ((size_t)192)
void *tp_http_request_memo(const tp_http_request *request);

/* "HTTP/1.0", "HTTP/1.1" or "HTTP/2"; empty when the connection has gone. */
const char *tp_http_request_protocol(const tp_http_request *request);

/* At most limits.body_size_max bytes. */
tuplet_bytes tp_http_request_body(const tp_http_request *request);

/* Inside on_head: the request is wanted, but not its body, which is then empty. So much of a request that is
 * to be refused later costs no memory. */
void tp_http_request_skip_body(tp_http_request *request);
bool tp_http_request_body_is_skipped(const tp_http_request *request);

/* Whether the budget had no room for it, and it is handled all the same: see is_exempt. */
bool tp_http_request_is_surplus(const tp_http_request *request);

/* For what the handler needs while it works on the request. Only for the loop's thread. */
tp_arena *tp_http_request_arena(tp_http_request *request);

/* A pointer of the handler's own; NULL at first. */
void tp_http_request_set_user(tp_http_request *request, void *user);
void *tp_http_request_user(const tp_http_request *request);

/* How a request ended, for who counts and logs. */
typedef struct tp_http_outcome {
  int status;             /* of the response; 0: there was none */
  bool is_complete;       /* false: given up, or nobody was there any more to take all of it */
  uint64_t request_size;  /* bytes of the body that came */
  uint64_t response_size; /* bytes of the body that were written, taken by the peer or not */
} tp_http_outcome;

/* What a handler wants to hear about a request that it keeps. Either may be NULL. Both may finish the
 * request, and other requests. */
typedef struct tp_http_request_events {
  void *context;
  /* Everything written to the response so far is on its way: tp_http_respond_buffered fell to 0. */
  void (*on_writable)(void *context, tp_http_request *request);
  /* Nobody is there any more to take the response. Comes once. The request must still be finished. */
  void (*on_abort)(void *context, tp_http_request *request);
} tp_http_request_events;

void tp_http_request_set_events(tp_http_request *request, const tp_http_request_events *events);

/* ---- Responses ------------------------------------------------------------------------------------------
 */

/* name is lower-case. Not allowed are the ones that frame the message, which the connection writes itself:
 * connection, content-length, date, keep-alive, transfer-encoding, upgrade. A value with a control character
 * turns the response into a 500. */
typedef struct tp_http_header {
  const char *name;
  const char *value;
} tp_http_header;

/* One header more, for whatever response the handler gives; before that. What it points to has to live until
 * the request is finished. */
void tp_http_request_set_response_header(tp_http_request *request, tp_http_header header);

/* The whole response at once. Everything is copied. Finishes the request. For HEAD the body is counted but
 * not sent; 204 and 304 have none. */
void tp_http_respond(tp_http_request *request, int status, const tp_http_header *headers, size_t header_count,
                     tuplet_bytes body);

/* The same with text/plain; how errors are told. A 429 and a 503 say when to come again (Retry-After). */
void tp_http_respond_text(tp_http_request *request, int status, const char *text);

/* A response in pieces: start, any number of writes, end (which finishes the request). Each write is sent
 * soon (all of one loop turn together), never held back to fill a frame. */
void tp_http_respond_start(tp_http_request *request, int status, const tp_http_header *headers,
                           size_t header_count);
/* Between start and end: the response has no end of its own. Then a peer that closes its side of an HTTP/1.1
 * connection is taken to be gone; who waits for the end of a response may do that and still gets it. And the
 * budget does not count the request among those that are handled any more. */
void tp_http_respond_endless(tp_http_request *request);
void tp_http_respond_write(tp_http_request *request, tuplet_bytes chunk);
void tp_http_respond_end(tp_http_request *request);

/* Bytes of the response that neither the transport nor (HTTP/2) the peer's window has taken yet. A handler
 * that streams stops writing while this is high and goes on in on_writable: nothing else bounds it. 0 after
 * an abort. */
size_t tp_http_respond_buffered(const tp_http_request *request);

/* Gives up on the response, whether started or not: the peer sees a stream reset (HTTP/2), respectively the
 * connection cut short (HTTP/1.1). Finishes the request. */
void tp_http_respond_abort(tp_http_request *request);

/* ---- Connections, as a transport drives them -------------------------------------------------------------
 */

#define TP_HTTP_HEAD_SIZE_MAX    ((size_t)32 * 1024)
#define TP_HTTP_BODY_SIZE_MAX    ((size_t)4 * 1024 * 1024)
#define TP_HTTP_BODIES_SIZE_MAX  ((size_t)16 * 1024 * 1024)
#define TP_HTTP_BODIES_SIZE_FREE ((size_t)64 * 1024)
#define TP_HTTP_HELD_SIZE_FREE   ((size_t)16 * 1024)
#define TP_HTTP_STREAMS_MAX      256u
#define TP_HTTP_OUTPUT_SIZE_MAX  ((size_t)8 * 1024 * 1024)
#define TP_HTTP_AHEAD_SIZE_MAX   ((size_t)256 * 1024)
#define TP_HTTP_INPUT_SIZE_MAX   ((size_t)64 * 1024)

typedef struct tp_http_limits {
  size_t head_size_max;   /* request line and headers; beyond it 414 or 431 */
  size_t body_size_max;   /* of one request; beyond it 413 */
  size_t bodies_size_max; /* of all unfinished requests of a connection together; beyond it 503 */
  /* So much of a connection's bodies, and of its heads and of output and input that waits, is not charged to
   * the budget: small requests always get through. */
  size_t bodies_size_free;
  size_t held_size_free;
  uint32_t streams_max;   /* requests that handlers have at a time; HTTP/2's streams */
  size_t output_size_max; /* while more than that waits to be sent, no request is read or handed to its
                             handler */
  size_t ahead_size_max; /* HTTP/1.1: the same, for requests sent ahead, whose answers the peer takes in order
                            anyway */
  size_t input_size_max; /* HTTP/1.1: requests sent ahead, while one is being handled */
} tp_http_limits;

/* The TP_HTTP_... constants above. */
tp_http_limits tp_http_limits_default(void);

/* What all connections that share it may take together. Beyond it requests get a 503 with Retry-After, and a
 * connection whose peer does not take its responses is given nothing more to do. Any thread. */
typedef struct tp_http_budget {
  atomic_size_t memory;   /* bytes: of requests, of output that waits, of what the server charges to it */
  atomic_size_t requests; /* that handlers have, endless ones not counted */
  size_t memory_max;
  size_t requests_max;
} tp_http_budget;

void tp_http_budget_init(tp_http_budget *budget, size_t memory_max, size_t requests_max);

/* For what a server holds on behalf of requests, such as responses in the making. False when it would be too
 * much: then nothing is charged. What was charged is to be discharged. A budget of NULL knows no bounds. */
bool tp_http_budget_charge(tp_http_budget *budget, size_t size);
void tp_http_budget_discharge(tp_http_budget *budget, size_t size);

typedef enum tp_http_protocol {
  TP_HTTP_DETECT, /* by the first bytes */
  TP_HTTP_1,      /* TLS's ALPN chose for us */
  TP_HTTP_2
} tp_http_protocol;

/* Borrowed things must outlive the connection and its requests. */
typedef struct tp_http_conn_config {
  const tuplet_allocator *allocator;
  /* For what only the connection's thread takes and gives back; NULL: `allocator` is for that, too. Outlives
   * the requests. */
  const tuplet_allocator *quick;
  tp_http_limits limits;
  tp_http_budget *budget; /* NULL: none */
  tp_http_protocol protocol;
  uint64_t number;  /* tells the transport's connections apart; never given twice */
  const char *peer; /* see tp_http_request_peer; NULL: unknown */
  bool is_secure;   /* the transport encrypts */
  /* The value of the Date header, 29 characters and a NUL, kept current by the transport; NULL: no such
   * header. */
  const char *date;
  /* A request's head is complete, and a body is to come. The handler may refuse it already, by
   * tp_http_respond or tp_http_respond_text: the body is then not kept, and on_request not called. Comes from
   * inside the parser: nothing else may be done to this or any request. NULL: bodies are kept unseen. */
  void (*on_head)(void *context, tp_http_request *request);
  /* A request is complete. The handler may finish it before it returns. */
  void (*on_request)(void *context, tp_http_request *request);
  /* Whether a request is handled even when the budget has no room for one more (then it is not counted): for
   * those that cost next to nothing and are asked when a server is busy. NULL: none is. */
  bool (*is_exempt)(void *context, const tp_http_request *request);
  /* A request is over: a handler has finished it, or it was refused before one saw it; then `request` may be
   * NULL (HTTP/1.1: it was malformed from the start). Called once for each. The request may only be read.
   * NULL: nobody is told. */
  void (*on_finish)(void *context, const tp_http_request *request, const tp_http_outcome *outcome);
  void *context; /* outlives the requests, as on_finish does */
  /* There is work for tp_http_conn_output, or wants_close changed, by something other than a call of the
   * transport (a handler answered later). Called once until the next tp_http_conn_output. The transport only
   * makes a note: it must not call the connection from here. */
  void (*on_wake)(void *wake_context, tp_http_conn *conn);
  void *wake_context;
} tp_http_conn_config;

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_http_conn_new(const tp_http_conn_config *config, tp_http_conn **ret_conn,
                               tuplet_error *error);

/* Requests that handlers still have hear on_abort now and live on until they are finished. NULL is fine.
 * Never from inside a callback of this connection. */
void tp_http_conn_free(tp_http_conn *conn);

/* Bytes from the peer, any amount, cut anywhere. Calls handlers. After an error of the peer's the connection
 * answers as the protocol says and wants to close; later bytes are ignored. */
void tp_http_conn_receive(tp_http_conn *conn, tuplet_bytes bytes);

/* The peer will send nothing more. Requests that are complete are still answered, streams are cut. */
void tp_http_conn_receive_end(tp_http_conn *conn);

/* Whether receive is welcome. While false the transport stops reading, so that the peer has to wait. */
bool tp_http_conn_wants_receive(const tp_http_conn *conn);

/* Bytes for the peer. Does the waiting work first (and so may call handlers); empty when there is nothing to
 * send. The view stays the same, byte for byte, until tp_http_conn_output_written has counted all of it,
 * whatever else happens to the connection but its end. */
tuplet_bytes tp_http_conn_output(tp_http_conn *conn);

/* The first `size` bytes of the output have been sent. May call handlers (on_writable). */
void tp_http_conn_output_written(tp_http_conn *conn, size_t size);

/* Gives back the room that is kept for the next output, when there is none at this moment. For connections
 * that rest. */
void tp_http_conn_shrink(tp_http_conn *conn);

/* Whether the connection is to be closed, now that its output is empty. */
bool tp_http_conn_wants_close(const tp_http_conn *conn);

/* Whether it is to be cut rather than closed: a response is incomplete, and the peer must not take its end
 * for the connection's. */
bool tp_http_conn_wants_cut(const tp_http_conn *conn);

/* Takes no new requests, finishes what was accepted, then wants to close. HTTP/2 peers get a GOAWAY, so that
 * they know which requests to send elsewhere; HTTP/1.1 peers "Connection: close". Handlers end endless
 * streams themselves. */
void tp_http_conn_shutdown(tp_http_conn *conn);

/* What a transport with a clock needs to end connections that do not move. */
typedef struct tp_http_progress {
  bool has_begun;    /* the first bytes have told the protocol */
  size_t receiving;  /* requests whose end is missing */
  uint64_t requests; /* so far, whatever became of them */
  size_t handling;   /* requests that handlers have */
  size_t unsent;     /* response bytes that wait for the transport or for the peer's window */
  uint64_t sent;     /* grows with the response bytes that have left */
} tp_http_progress;

tp_http_progress tp_http_conn_progress(const tp_http_conn *conn);

/* Ends all requests of which the end of the head has been missing for head_timeout_ms, or then the end of the
 * body for body_timeout_ms, each counted from the first call that saw it so, which the transport makes now
 * and then: 408 and close (HTTP/1.1); 408, and at the next call a reset, of that stream alone (HTTP/2; when
 * the head is incomplete nothing else can come, and the connection ends). Also tells HTTP/2 how time goes by:
 * a peer that does not acknowledge our settings within head_timeout_ms loses its connection. now_ms: any
 * clock that only goes forward. */
void tp_http_conn_expire_receiving(tp_http_conn *conn, uint64_t now_ms, uint64_t head_timeout_ms,
                                   uint64_t body_timeout_ms);

/* After tp_http_conn_shutdown, when the peer has had its time, and then now and then: nothing of the peer's
 * is waited for any more. Ends all requests whose end is missing, as above; only what handlers have and what
 * is unsent is still finished. */
void tp_http_conn_expire_shutdown(tp_http_conn *conn);

#endif

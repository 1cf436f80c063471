/* private.h: what the files of this folder share; the only header that shows libuv. */
#ifndef TP_NET_PRIVATE_H
#define TP_NET_PRIVATE_H

#include "net/endpoint.h"
#include "net/listener.h"
#include "net/loop.h"

#include "base/pool.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

enum {
  READ_SIZE = 64 * 1024,
  LOOP_KEPT_SIZE = 1024 * 1024, /* of memory that requests have used, for those to come */
  DATE_SIZE = 80                /* 29 and a NUL, as far as the compiler can tell more */
};

/* ---- loop.c ---------------------------------------------------------------------------------------------
 */

/* Something to be done once at the end of this turn of the loop, so that what a turn produces leaves
 * together. */
typedef struct tp_loop_chore {
  struct tp_loop_chore *next;
  bool is_queued;
  void (*run)(struct tp_loop_chore *chore);
} tp_loop_chore;

struct tp_loop {
  uv_loop_t uv;
  const tuplet_allocator *allocator;
  tp_pool pool; /* the thread's own */
  uv_thread_t thread;
  uv_async_t async;
  uv_prepare_t prepare;
  uv_check_t check;
  _Atomic(tp_loop_item *) posted; /* newest first */
  tp_loop_chore *chores;
  uint64_t turn; /* counts them */
  int64_t date_seconds;
  char date[DATE_SIZE];
  /* libuv asks for room and fills it in one go, so that one buffer does for all connections. */
  char read_room[READ_SIZE];
  char plain_room[READ_SIZE]; /* for what TLS makes of it */
};

void tp_loop_add_chore(tp_loop *loop, tp_loop_chore *chore);
void tp_loop_remove_chore(tp_loop *loop, tp_loop_chore *chore);
/* Brings loop->date up to date; to be called before handlers run. */
void tp_loop_refresh_date(tp_loop *loop);

/* ---- address.c ------------------------------------------------------------------------------------------
 */

enum {
  TP_ADDRESS_TEXT_SIZE = 128, /* "unix:", 107 bytes of path and a NUL */
  TP_ADDRESS_PEER_SIZE = 46,  /* an IPv6 address and a NUL */
  TP_ADDRESS_LOOK_UP_MAX = 8  /* of a name's; the rest is left out */
};

typedef struct tp_address {
  struct sockaddr_storage storage;
  socklen_t size;
} tp_address;

/* What an address stands for, each once. Errors: TUPLET_SYNTAX, TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_address_look_up(const char *text, tp_address ret_addresses[TP_ADDRESS_LOOK_UP_MAX],
                                 size_t *ret_count, tuplet_error *error);
bool tp_address_equals(const tp_address *a, const tp_address *b);
bool tp_address_is_unix(const tp_address *address);
bool tp_address_is_any_ipv6(const tp_address *address); /* "[::]" */
/* 0 for a Unix-domain socket. */
uint16_t tp_address_port(const tp_address *address);
void tp_address_print(const tp_address *address, char ret_text[TP_ADDRESS_TEXT_SIZE]);
/* As tp_http_request_peer shows it. */
void tp_address_print_peer(const struct sockaddr_storage *peer, char ret_text[TP_ADDRESS_PEER_SIZE]);

/* ---- endpoint.c -----------------------------------------------------------------------------------------
 */

/* A descriptor for one more loop to accept from, the caller's to close. Errors: TUPLET_IO. */
tuplet_status tp_endpoints_join(tp_endpoints *endpoints, size_t index, int *ret_socket, tuplet_error *error);

/* ---- listener.c, connection.c ---------------------------------------------------------------------------
 */

/* OPEN -> LINGERING -> CLOSED, or OPEN -> CLOSED
 *   OPEN       bytes go to and come from `http`, by way of `tls` where there is one
 *   LINGERING  our last byte is sent; the peer's are thrown away until it closes too or the time is over
 *   CLOSED     libuv still has the handle, until on_closed */
typedef enum tp_connection_state {
  CONNECTION_OPEN,
  CONNECTION_LINGERING,
  CONNECTION_CLOSED
} tp_connection_state;

typedef struct tp_connection {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe; /* a Unix-domain socket's */
  } socket;
  uv_write_t write;
  uv_shutdown_t shutdown;
  tp_loop_chore flush;
  tp_listener *listener;
  tp_net_gate_address *gate_address; /* with what it leaves the gate */
  struct tp_connection *previous, *next;
  tp_tls_conn *tls;   /* NULL: in clear */
  tp_http_conn *http; /* NULL for one that is refused, and during TLS's handshake */
  tp_connection_state state;
  bool is_reading;
  bool is_writing;   /* `write` is under way */
  bool has_ended;    /* the peer has closed its side */
  bool has_told_end; /* and `http` knows */
  bool is_refused;
  bool is_told_to_end; /* for idleness */
  bool is_draining;
  size_t write_size;
  size_t seal_charged; /* to the budget, for what waits sealed */
  uint64_t linger_until_ms;
  uint64_t drain_since_ms;
  /* By tp_http_progress: */
  uint64_t sent_wanted;   /* what `sent` is to reach, */
  uint64_t sent_since_ms; /* within the timeout from then */
  uint64_t requests, idle_since_ms;
  /* handshakes.c: */
  struct tp_connection *shake_previous, *shake_next; /* while it waits */
  bool shake_waits;                                  /* and is not read meanwhile */
  bool shake_is_next; /* it has waited, and is to be read before those that have not */
  char peer[TP_ADDRESS_PEER_SIZE];
} tp_connection;

/* A socket that a listener accepts from. */
typedef struct tp_listener_socket {
  uv_poll_t poll;
  tp_listener *listener;
  int descriptor; /* -1: closed */
  bool is_unix;
} tp_listener_socket;

struct tp_listener {
  tp_loop *loop;
  tp_listener_config config;
  tp_listener_socket *sockets;
  size_t socket_count;
  uv_timer_t tick;
  tp_loop_item drain_item;
  atomic_bool is_drain_posted;
  tp_connection *connections;
  atomic_size_t connection_count;
  uint64_t connection_number_last; /* of those accepted, from 1 */
  size_t refused_count;
  bool is_draining;
  bool is_exhausted; /* nothing is accepted until the next tick, or until a connection has ended */
  uint64_t tick_ms;
  /* handshakes.c: */
  uv_idle_t shake_turn;                    /* active while somebody waits */
  tp_connection *shake_first, *shake_last; /* those that wait */
  uint64_t shake_turn_number;              /* the turn of the loop */
  uint64_t shake_ns;                       /* in which handshakes took that long */
  size_t open_handles;                     /* of sockets, tick and shake_turn */
  bool is_closing;
  uv_mutex_t mutex; /* of the two below, by which tp_listener_close waits */
  uv_cond_t changed;
  bool is_empty;  /* drained, and no connection left */
  bool is_closed; /* libuv has forgotten us */
};

typedef enum tp_accepted {
  ACCEPTED_ONE,
  ACCEPTED_NONE,     /* nobody waits */
  ACCEPTED_EXHAUSTED /* no descriptors or memory left */
} tp_accepted;

tp_accepted tp_connection_accept(tp_listener_socket *socket);
/* Looks at the timeouts. */
void tp_connection_tick(tp_connection *connection);
void tp_connection_drain(tp_connection *connection);
void tp_connection_cut(tp_connection *connection);
/* Reads it again, if it is to be read. */
void tp_connection_resume(tp_connection *connection);
/* Makes the HTTP connection. Errors: TUPLET_NOMEM. */
tuplet_status tp_connection_open_http(tp_connection *connection, tp_http_protocol protocol);
/* A connection has gone; it is in no list any more. */
void tp_listener_connection_closed(tp_listener *listener);

/* ---- handshakes.c ---------------------------------------------------------------------------------------
 */

/* When the listener's loop takes notice of it; ends with closing its `shake_turn`. */
void tp_handshakes_begin(tp_listener *listener);
bool tp_handshake_is_under_way(const tp_connection *connection);
/* Whether it is not to be read now. */
bool tp_handshake_must_wait(const tp_connection *connection);
/* It is not read from now on, until its turn comes and tp_connection_resume is called for it. */
void tp_handshake_wait(tp_connection *connection);
/* It was read, and what came of it took that long. */
void tp_handshake_note(tp_connection *connection, uint64_t took_ns);
/* Its end. */
void tp_handshake_forget(tp_connection *connection);

/* ---- transport.c ----------------------------------------------------------------------------------------
 *
 * What http.h says of tp_http_conn_..., for connections with and without TLS. */

/* context: NULL: in clear. False when out of memory. */
bool tp_transport_begin(tp_connection *connection, tp_tls_context *context);
/* Frees what begin made. */
void tp_transport_end(tp_connection *connection);
/* Either may cut the connection. */
void tp_transport_receive(tp_connection *connection, tuplet_bytes bytes);
void tp_transport_receive_end(tp_connection *connection);
/* Cuts a connection that is not through its handshake. */
void tp_transport_give_up(tp_connection *connection, const char *why);
tuplet_bytes tp_transport_output(tp_connection *connection);
void tp_transport_output_written(tp_connection *connection, size_t size);
bool tp_transport_wants_receive(const tp_connection *connection);
bool tp_transport_wants_close(const tp_connection *connection);
bool tp_transport_wants_cut(const tp_connection *connection);

#endif

/* private.h: what the files of this folder share; the only header that shows libuv. */
#ifndef TP_NET_PRIVATE_H
#define TP_NET_PRIVATE_H

#include "net/listener.h"
#include "net/loop.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

enum {
  READ_SIZE = 64 * 1024,
  DATE_SIZE = 80 /* 29 and a NUL, as far as the compiler can tell more */,
  ADDRESS_TEXT_SIZE = 64
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
  uv_thread_t thread;
  uv_async_t async;
  uv_prepare_t prepare;
  uv_check_t check;
  _Atomic(tp_loop_item *) posted; /* newest first */
  tp_loop_chore *chores;
  int64_t date_seconds;
  char date[DATE_SIZE];
  /* libuv asks for room and fills it in one go, so that one buffer does for all connections. */
  char read_room[READ_SIZE];
};

void tp_loop_add_chore(tp_loop *loop, tp_loop_chore *chore);
void tp_loop_remove_chore(tp_loop *loop, tp_loop_chore *chore);
/* Brings loop->date up to date; to be called before handlers run. */
void tp_loop_refresh_date(tp_loop *loop);

/* ---- address.c ------------------------------------------------------------------------------------------
 */

typedef struct tp_address {
  struct sockaddr_storage storage;
  socklen_t size;
} tp_address;

tuplet_status tp_address_parse(const char *text, tp_address *ret_address, tuplet_error *error);
/* A listening socket, whose port further ones may share. The first fails when anybody else listens there. */
tuplet_status tp_address_listen(const tp_address *address, bool is_first, int *ret_socket,
                                tuplet_error *error);
/* What a socket is bound to. */
tuplet_status tp_address_of_socket(int socket, tp_address *ret_address, tuplet_error *error);
void tp_address_print(const tp_address *address, char ret_text[ADDRESS_TEXT_SIZE]);
uint16_t tp_address_port(const tp_address *address);

/* ---- listener.c, connection.c ---------------------------------------------------------------------------
 */

/* OPEN -> LINGERING -> CLOSED, or OPEN -> CLOSED
 *   OPEN       bytes go to and come from `http`
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
  struct tp_connection *previous, *next;
  tp_http_conn *http; /* NULL for one that is refused */
  tp_connection_state state;
  bool is_reading;
  bool is_writing; /* `write` is under way */
  bool has_ended;  /* the peer has closed its side */
  bool is_refused;
  bool is_told_to_end; /* for idleness */
  bool is_draining;
  size_t write_size;
  uint64_t linger_until_ms;
  uint64_t drain_since_ms;
  /* By tp_http_progress: */
  uint64_t sent_wanted;   /* what `sent` is to reach, */
  uint64_t sent_since_ms; /* within the timeout from then */
  uint64_t requests, idle_since_ms;
} tp_connection;

struct tp_listener {
  tp_loop *loop;
  tp_listener_config config;
  uv_tcp_t tcp;
  uv_timer_t tick;
  tp_loop_item drain_item;
  atomic_bool is_drain_posted;
  int socket;
  tp_address address;
  char address_text[ADDRESS_TEXT_SIZE];
  tp_connection *connections;
  atomic_size_t connection_count;
  uint64_t connection_number_last; /* of those accepted, from 1 */
  size_t refused_count;
  bool is_draining;
  bool accept_failed; /* a connection waits in libuv for memory */
  uint64_t tick_ms;
  int open_handles; /* tcp and tick */
  bool is_closing;
  uv_mutex_t mutex; /* of the two below, by which tp_listener_close waits */
  uv_cond_t changed;
  bool is_empty;  /* drained, and no connection left */
  bool is_closed; /* libuv has forgotten us */
};

/* Accepts what libuv announced. False when out of memory. */
bool tp_connection_accept(tp_listener *listener);
/* Looks at the timeouts. */
void tp_connection_tick(tp_connection *connection);
void tp_connection_drain(tp_connection *connection);
void tp_connection_cut(tp_connection *connection);
/* A connection has gone; it is in no list any more. */
void tp_listener_connection_closed(tp_listener *listener);

#endif

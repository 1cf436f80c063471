/* connection.c: one accepted socket and the HTTP connection that it carries, through what transport.c puts
 * between.
 *
 *   readable ──► tp_transport_receive ──► (handlers) ──► note for the end of the turn ──► flush:
 *   output as far as the socket takes it at once; the rest by libuv, and no more until that is done.
 *
 * Flushing at the end of a turn means that all that one turn of the loop answered leaves in one write. */
#include "base/alloc.h"
#include "net/private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
  REFUSED_MAX = 64, /* connections beyond the maximum that are being told so; the rest is just closed */
  SEND_SIZE_MIN = 4096,
  REST_MS = 1000 /* after that an idle connection keeps no room for what may come */
};

/* Their end is the connection's. */
#define REFUSAL(status, sentence)                                                                            \
  "HTTP/1.1 " status "\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n"                     \
  "connection: close\r\n\r\n" sentence

static const char refusal_full[] =
    REFUSAL("503 Service Unavailable", "The server has too many connections, try again in a moment.");
static const char refusal_address_full[] =
    REFUSAL("429 Too Many Requests", "There are too many connections from your address; close some.");

/* ---- The end --------------------------------------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle) {
  tp_connection *connection = handle->data;
  tp_listener *listener = connection->listener;
  tp_http_conn_free(connection->http);
  tp_transport_end(connection);
  tp_handshake_forget(connection);
  tp_loop_remove_chore(listener->loop, &connection->flush);
  *(connection->previous != NULL ? &connection->previous->next : &listener->connections) = connection->next;
  if (connection->next != NULL) connection->next->previous = connection->previous;
  if (connection->is_refused) {
    listener->refused_count--;
  } else {
    atomic_fetch_sub(&listener->connection_count, 1);
    if (listener->config.gate != NULL) tp_net_gate_leave(listener->config.gate, connection->gate_address);
  }
  tp_free(listener->loop->allocator, connection);
  tp_listener_connection_closed(listener);
}

static void close_now(tp_connection *connection) {
  if (connection->state == CONNECTION_CLOSED) return;
  connection->state = CONNECTION_CLOSED;
  uv_close(&connection->socket.handle, on_closed);
}

/* The peer sees a reset, not an orderly end. */
void tp_connection_cut(tp_connection *connection) {
  if (connection->state == CONNECTION_CLOSED) return;
  connection->state = CONNECTION_CLOSED;
  bool is_tcp = connection->socket.handle.type == UV_TCP; /* Unix-domain sockets know no reset */
  if (!is_tcp || uv_tcp_close_reset(&connection->socket.tcp, on_closed) != 0) {
    uv_close(&connection->socket.handle, on_closed); /* or a shutdown is under way: all has been sent */
  }
}

static void set_reading(tp_connection *connection, bool reads);

static void on_shutdown(uv_shutdown_t *shutdown, int status) {
  if (status < 0 && status != UV_ECANCELED) close_now(shutdown->data);
}

/* Closing at once could destroy our last words: a socket that is closed with unread bytes answers with a
 * reset. */
static void linger(tp_connection *connection) {
  connection->state = CONNECTION_LINGERING;
  connection->linger_until_ms =
      tp_loop_now_ms(connection->listener->loop) + connection->listener->config.linger_timeout_ms;
  connection->shutdown.data = connection;
  if (connection->has_ended ||
      uv_shutdown(&connection->shutdown, &connection->socket.stream, on_shutdown) != 0) {
    close_now(connection);
    return;
  }
  set_reading(connection, true);
}

/* ---- Reading --------------------------------------------------------------------------------------------
 */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_room) {
  (void)suggested;
  tp_connection *connection = handle->data;
  bool waits = tp_handshake_must_wait(connection); /* no room: libuv does not read then */
  *ret_room = uv_buf_init(connection->listener->loop->read_room, waits ? 0 : READ_SIZE);
}

static void receive(tp_connection *connection, tuplet_bytes bytes) {
  bool is_handshake = tp_handshake_is_under_way(connection);
  uint64_t since_ns = is_handshake ? uv_hrtime() : 0;
  tp_loop_refresh_date(connection->listener->loop);
  tp_transport_receive(connection, bytes);
  if (is_handshake) tp_handshake_note(connection, uv_hrtime() - since_ns);
  if (connection->state == CONNECTION_OPEN && !tp_transport_wants_receive(connection))
    set_reading(connection, false); /* or libuv would go on within this turn */
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room) {
  tp_connection *connection = stream->data;
  if (size == 0) return;
  if (size == UV_ENOBUFS) {
    tp_handshake_wait(connection);
    set_reading(connection, false);
    return;
  }
  if (size < 0) {
    connection->has_ended = true;
    connection->is_reading = false; /* libuv stops by itself */
    if (size != UV_EOF || connection->state == CONNECTION_LINGERING) {
      close_now(connection);
      return;
    }
    tp_transport_receive_end(connection);
  } else if (connection->state == CONNECTION_OPEN) {
    receive(connection, (tuplet_bytes){room->base, (size_t)size});
  }
  if (connection->state == CONNECTION_OPEN) tp_loop_add_chore(connection->listener->loop, &connection->flush);
}

static void set_reading(tp_connection *connection, bool reads) {
  if (connection->has_ended || reads == connection->is_reading) return;
  uv_stream_t *stream = &connection->socket.stream;
  if (reads) {
    if (uv_read_start(stream, on_room, on_read) != 0) {
      tp_connection_cut(connection);
      return;
    }
  } else {
    (void)uv_read_stop(stream);
  }
  connection->is_reading = reads;
}

void tp_connection_resume(tp_connection *connection) {
  if (connection->state == CONNECTION_OPEN) set_reading(connection, tp_transport_wants_receive(connection));
}

/* ---- Writing --------------------------------------------------------------------------------------------
 */

static void on_written(uv_write_t *write, int status) {
  tp_connection *connection = write->data;
  connection->is_writing = false;
  if (connection->state == CONNECTION_CLOSED) return;
  if (status < 0) {
    tp_connection_cut(connection);
    return;
  }
  tp_transport_output_written(connection, connection->write_size);
  tp_loop_add_chore(connection->listener->loop, &connection->flush);
}

static uv_buf_t make_buf(tuplet_bytes bytes) {
  union { /* libuv only reads from it but takes it without const */
    const void *in;
    char *out;
  } pointer = {.in = bytes.data};
  unsigned size = bytes.size > INT32_MAX ? INT32_MAX : (unsigned)bytes.size;
  return uv_buf_init(pointer.out, size);
}

/* Sends what there is. False when the connection broke. */
static bool write_output(tp_connection *connection) {
  uv_stream_t *stream = &connection->socket.stream;
  while (!connection->is_writing) {
    tuplet_bytes output = tp_transport_output(connection);
    if (output.size == 0) return true;
    uv_buf_t buf = make_buf(output);
    int written = uv_try_write(stream, &buf, 1);
    if (written > 0) {
      tp_transport_output_written(connection, (size_t)written);
    } else if (written == UV_EAGAIN || written == 0) {
      connection->write.data = connection;
      connection->write_size = buf.len;
      if (uv_write(&connection->write, stream, &buf, 1, on_written) != 0) return false;
      connection->is_writing = true;
    } else {
      return false;
    }
  }
  return true;
}

static void flush(tp_connection *connection) {
  if (connection->state != CONNECTION_OPEN) return;
  if (!write_output(connection) || tp_transport_wants_cut(connection)) {
    tp_connection_cut(connection);
    return;
  }
  if (!connection->is_writing && tp_transport_wants_close(connection)) {
    linger(connection);
    return;
  }
  if (!connection->shake_waits) tp_connection_resume(connection);
}

static void run_flush(tp_loop_chore *chore) {
  flush((tp_connection *)(void *)((char *)chore - offsetof(tp_connection, flush)));
}

static void on_wake(void *context, tp_http_conn *http) {
  (void)http;
  tp_connection *connection = context;
  tp_loop_add_chore(connection->listener->loop, &connection->flush);
}

/* ---- The beginning --------------------------------------------------------------------------------------
 */

tuplet_status tp_connection_open_http(tp_connection *connection, tp_http_protocol protocol) {
  tp_listener *listener = connection->listener;
  const tp_http_conn_config config = {.allocator = listener->loop->allocator,
                                      .quick = &listener->loop->pool.view,
                                      .number = ++listener->connection_number_last,
                                      .protocol = protocol,
                                      .peer = connection->peer,
                                      .is_secure = connection->tls != NULL,
                                      .limits = listener->config.limits,
                                      .budget = listener->config.budget,
                                      .date = listener->loop->date,
                                      .on_head = listener->config.on_head,
                                      .on_request = listener->config.on_request,
                                      .is_exempt = listener->config.is_exempt,
                                      .on_finish = listener->config.on_finish,
                                      .context = listener->config.context,
                                      .on_wake = on_wake,
                                      .wake_context = connection};
  return tp_http_conn_new(&config, &connection->http, NULL);
}

/* Why accepting failed. What is no want of ours happened to the connection, which is gone then (accept(2)).
 */
static tp_accepted accepted_nothing(int code) {
  switch (code) {
  case EAGAIN: return ACCEPTED_NONE;
  case ECONNABORTED:
  case EINTR:
  case EPERM: /* a firewall's word */
  case EPROTO:
  case ENETDOWN:
  case ENOPROTOOPT:
  case EHOSTDOWN:
  case ENONET:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case ETIMEDOUT: return ACCEPTED_ONE;
  default: return ACCEPTED_EXHAUSTED;
  }
}

/* Takes the descriptor over. NULL when out of memory. */
static tp_connection *connection_new(tp_listener *listener, int descriptor, bool is_unix) {
  tp_loop *loop = listener->loop;
  tp_connection *connection = tp_alloc_array_zeroed(loop->allocator, 1, sizeof *connection);
  if (connection == NULL) return NULL;
  int result = is_unix ? uv_pipe_init(&loop->uv, &connection->socket.pipe, 0)
                       : uv_tcp_init(&loop->uv, &connection->socket.tcp);
  assert(result == 0); /* they fail for flags only, of which there are none */
  result = is_unix ? uv_pipe_open(&connection->socket.pipe, descriptor)
                   : uv_tcp_open(&connection->socket.tcp, descriptor);
  assert(result == 0); /* for a descriptor that is something else, or in use already */
  (void)result;
  if (!is_unix) (void)uv_tcp_nodelay(&connection->socket.tcp, 1); /* without it answers only come later */
  connection->socket.handle.data = connection;
  connection->listener = listener;
  connection->flush.run = run_flush;
  connection->next = listener->connections;
  if (connection->next != NULL) connection->next->previous = connection;
  listener->connections = connection;
  connection->idle_since_ms = connection->sent_since_ms = tp_loop_now_ms(loop);
  return connection;
}

static void refuse(tp_connection *connection, tp_net_gate_answer answer) {
  uv_buf_t buf = make_buf(answer == TP_NET_GATE_FULL
                              ? (tuplet_bytes){refusal_full, sizeof refusal_full - 1}
                              : (tuplet_bytes){refusal_address_full, sizeof refusal_address_full - 1});
  connection->is_refused = true;
  connection->listener->refused_count++;
  if (uv_try_write(&connection->socket.stream, &buf, 1) < 0)
    close_now(connection);
  else
    linger(connection);
}

static void begin(tp_connection *connection, bool is_unix) {
  atomic_fetch_add(&connection->listener->connection_count, 1);
  if (tp_transport_begin(connection, is_unix ? NULL : connection->listener->config.tls))
    set_reading(connection, true);
  else
    tp_connection_cut(connection);
}

tp_accepted tp_connection_accept(tp_listener_socket *socket) {
  tp_listener *listener = socket->listener;
  struct sockaddr_storage peer = {0};
  socklen_t peer_size = sizeof peer;
  int descriptor =
      accept4(socket->descriptor, (struct sockaddr *)&peer, &peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return accepted_nothing(errno);
  tp_net_gate *gate = listener->config.gate;
  tp_net_gate_address *address = NULL;
  tp_net_gate_answer answer = gate == NULL ? TP_NET_GATE_ADMITTED : tp_net_gate_enter(gate, &peer, &address);
  bool is_admitted = answer == TP_NET_GATE_ADMITTED;
  bool is_clear = socket->is_unix || listener->config.tls == NULL; /* no handshake for a refusal */
  bool is_worth_a_word = answer != TP_NET_GATE_NOMEM && is_clear && listener->refused_count < REFUSED_MAX;
  if (!is_admitted && !is_worth_a_word) {
    (void)close(descriptor);
    return answer == TP_NET_GATE_NOMEM ? ACCEPTED_EXHAUSTED : ACCEPTED_ONE;
  }
  tp_connection *connection = connection_new(listener, descriptor, socket->is_unix);
  if (connection == NULL) {
    (void)close(descriptor);
    if (is_admitted && gate != NULL) tp_net_gate_leave(gate, address);
    return ACCEPTED_EXHAUSTED;
  }
  connection->gate_address = address;
  tp_address_print_peer(&peer, connection->peer);
  if (is_admitted)
    begin(connection, socket->is_unix);
  else
    refuse(connection, answer);
  return ACCEPTED_ONE;
}

/* ---- Time -----------------------------------------------------------------------------------------------
 */

static bool is_over(uint64_t now_ms, uint64_t since_ms, uint32_t timeout_ms) {
  return now_ms - since_ms >= timeout_ms;
}

/* An HTTP/2 peer is asked to go; if it does not do even that, it is cut the next time. */
static void end_idle(tp_connection *connection, uint64_t now_ms) {
  if (connection->is_told_to_end) {
    tp_connection_cut(connection);
    return;
  }
  connection->is_told_to_end = true;
  connection->idle_since_ms = now_ms;
  tp_http_conn_shutdown(connection->http);
}

/* Within each send_timeout_ms the peer has to take a little, or all that waited at its begin: who takes a
 * byte now and then would hold a connection and what waits in it for good. */
static bool has_stopped_reading(tp_connection *connection, const tp_http_progress *progress,
                                uint64_t now_ms) {
  if (progress->unsent == 0 || progress->sent >= connection->sent_wanted) {
    size_t wanted = progress->unsent < SEND_SIZE_MIN ? progress->unsent : SEND_SIZE_MIN;
    connection->sent_wanted = progress->sent + wanted;
    connection->sent_since_ms = now_ms;
  }
  return is_over(now_ms, connection->sent_since_ms, connection->listener->config.send_timeout_ms);
}

void tp_connection_tick(tp_connection *connection) {
  const tp_listener_config *config = &connection->listener->config;
  uint64_t now_ms = tp_loop_now_ms(connection->listener->loop);
  if (connection->state == CONNECTION_LINGERING && now_ms >= connection->linger_until_ms)
    close_now(connection);
  if (connection->state != CONNECTION_OPEN) return;
  if (connection->http == NULL) {
    if (is_over(now_ms, connection->idle_since_ms, config->head_timeout_ms))
      tp_transport_give_up(connection, "it took too long");
    return;
  }
  tp_http_progress progress = tp_http_conn_progress(connection->http);

  if (has_stopped_reading(connection, &progress, now_ms)) {
    tp_connection_cut(connection);
    return;
  }
  tp_http_conn_expire_receiving(connection->http, now_ms, config->head_timeout_ms, config->body_timeout_ms);
  bool is_idle = progress.receiving == 0 && progress.handling == 0 && progress.unsent == 0;
  if (!is_idle || progress.requests != connection->requests) connection->idle_since_ms = now_ms;
  connection->requests = progress.requests;
  if (is_idle && is_over(now_ms, connection->idle_since_ms, REST_MS)) tp_http_conn_shrink(connection->http);
  /* Whoever has something to ask does so at once; only then it may be silent for a while. */
  uint32_t silence_ms = progress.has_begun ? config->idle_timeout_ms : config->head_timeout_ms;
  if (is_over(now_ms, connection->idle_since_ms, silence_ms)) end_idle(connection, now_ms);
  bool is_draining = connection->is_draining && connection->state == CONNECTION_OPEN;
  if (is_draining && is_over(now_ms, connection->drain_since_ms, config->drain_timeout_ms))
    tp_http_conn_expire_shutdown(connection->http);
}

void tp_connection_drain(tp_connection *connection) {
  if (connection->state != CONNECTION_OPEN) return;
  if (connection->http == NULL) { /* nothing has been asked yet */
    tp_transport_give_up(connection, "the server ends");
    return;
  }
  connection->is_draining = true;
  connection->drain_since_ms = tp_loop_now_ms(connection->listener->loop);
  tp_http_conn_shutdown(connection->http);
}

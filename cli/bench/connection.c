/* connection.c: one connection to a server. */
#include "connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROOM_SIZE = 64 * 1024 };

typedef enum io_outcome { DONE, BLOCKED, ENDED } io_outcome;

static void on_events(uv_poll_t *poll, int status, int events);

/* ---- Ends ---- */

static void on_handle_closed(uv_handle_t *handle) {
  tp_bench_connection *connection = handle->data;
  SSL_free(connection->tls);
  connection->tls = NULL;
  (void)close(connection->fd);
  tp_bench_http_free(connection->http);
  connection->http = NULL;
  connection->state = TP_BENCH_CONNECTION_CLOSED;
  connection->owner->on_closed(connection);
}

void tp_bench_connection_close(tp_bench_connection *connection) {
  if (connection->state == TP_BENCH_CONNECTION_CLOSED || connection->state == TP_BENCH_CONNECTION_CLOSING)
    return;
  connection->state = TP_BENCH_CONNECTION_CLOSING;
  uv_close((uv_handle_t *)&connection->poll, on_handle_closed);
}

static io_outcome end_with(tp_bench_connection *connection, const char *problem) {
  (void)snprintf(connection->problem, sizeof connection->problem, "%s", problem);
  return ENDED;
}

/* OpenSSL's last reason, or the system's. */
static io_outcome end_with_tls(tp_bench_connection *connection) {
  int error_number = errno;
  unsigned long code = ERR_peek_error();
  long verified = SSL_get_verify_result(connection->tls);
  const char *reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                       : code != 0           ? ERR_reason_error_string(code)
                       : error_number != 0   ? strerror(error_number)
                                             : "the connection was closed";
  return end_with(connection, reason != NULL ? reason : "TLS failed");
}

/* ---- Bytes ---- */

/* Receives into `room`; BLOCKED: nothing is there. */
static io_outcome receive(tp_bench_connection *connection, void *room, size_t *ret_size) {
  if (connection->tls != NULL) {
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(connection->tls, room, ROOM_SIZE, ret_size);
    if (result == 1) return DONE;
    switch (SSL_get_error(connection->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return BLOCKED;
    case SSL_ERROR_ZERO_RETURN: return end_with(connection, "the server closed it");
    default: return end_with_tls(connection);
    }
  }
  ssize_t size = recv(connection->fd, room, ROOM_SIZE, 0);
  if (size > 0) {
    *ret_size = (size_t)size;
    return DONE;
  }
  if (size == 0) return end_with(connection, "the server closed it");
  return errno == EAGAIN || errno == EINTR ? BLOCKED : end_with(connection, strerror(errno));
}

static io_outcome send_some(tp_bench_connection *connection, const void *data, size_t size,
                            size_t *ret_sent) {
  if (connection->tls != NULL) {
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(connection->tls, data, size, ret_sent);
    if (result == 1) return DONE;
    int code = SSL_get_error(connection->tls, result);
    return code == SSL_ERROR_WANT_WRITE || code == SSL_ERROR_WANT_READ ? BLOCKED : end_with_tls(connection);
  }
  ssize_t sent = send(connection->fd, data, size, MSG_NOSIGNAL);
  if (sent >= 0) {
    *ret_sent = (size_t)sent;
    return DONE;
  }
  return errno == EAGAIN || errno == EINTR ? BLOCKED : end_with(connection, strerror(errno));
}

static void listen_for(tp_bench_connection *connection, bool wants_write) {
  if (connection->wants_write == wants_write) return;
  connection->wants_write = wants_write;
  (void)uv_poll_start(&connection->poll, wants_write ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_events);
}

void tp_bench_connection_flush(tp_bench_connection *connection) {
  if (connection->state != TP_BENCH_CONNECTION_OPEN) return;
  io_outcome outcome = DONE;
  const char *problem = tp_bench_http_produce(connection->http);
  if (problem != NULL) outcome = end_with(connection, problem);
  while (outcome == DONE && connection->sent < connection->out.size) {
    size_t sent = 0;
    outcome = send_some(connection, connection->out.data + connection->sent,
                        connection->out.size - connection->sent, &sent);
    if (outcome == DONE) connection->sent += sent;
  }
  if (outcome == ENDED) {
    tp_bench_connection_close(connection);
    return;
  }
  listen_for(connection, outcome == BLOCKED);
  if (connection->sent < connection->out.size) return;
  tp_buffer_clear(&connection->out);
  connection->sent = 0;
}

/* ---- Beginning ---- */

static io_outcome begin_http(tp_bench_connection *connection) {
  tp_bench_server *server = connection->server;
  connection->is_http2 = server->http != TP_BENCH_HTTP_1;
  if (connection->tls != NULL) {
    const unsigned char *protocol;
    unsigned size;
    SSL_get0_alpn_selected(connection->tls, &protocol, &size);
    connection->is_http2 = size == 2 && memcmp(protocol, "h2", 2) == 0;
    if (server->http == TP_BENCH_HTTP_2 && !connection->is_http2)
      return end_with(connection, "the server does not speak HTTP/2");
  }
  connection->http = connection->is_http2 ? tp_bench_http2_new(&server->head, &connection->out)
                                          : tp_bench_http1_new(&server->head, &connection->out);
  if (connection->http == NULL) return end_with(connection, "out of memory");
  atomic_store_explicit(&connection->server->speaks_http2, connection->is_http2, memory_order_relaxed);
  connection->state = TP_BENCH_CONNECTION_OPEN;
  connection->was_open = true;
  listen_for(connection, false);
  connection->owner->on_open(connection);
  return DONE;
}

static io_outcome begin_tls(tp_bench_connection *connection) {
  tp_bench_server *server = connection->server;
  connection->tls = SSL_new(server->tls);
  if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->fd) != 1)
    return end_with(connection, "out of memory");
  struct in6_addr address;
  bool is_ipv6 = server->host[0] == '[';
  bool is_address = is_ipv6 || inet_pton(AF_INET, server->host, &address) == 1;
  int set;
  if (is_address) {
    char text[INET6_ADDRSTRLEN + 2];
    (void)snprintf(text, sizeof text, "%s", server->host + (is_ipv6 ? 1 : 0));
    text[strcspn(text, "]")] = '\0';
    set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection->tls), text);
  } else {
    set = SSL_set1_host(connection->tls, server->host) == 1 &&
          SSL_set_tlsext_host_name(connection->tls, server->host) == 1;
  }
  SSL_set_connect_state(connection->tls);
  connection->state = TP_BENCH_CONNECTION_HANDSHAKING;
  return set == 1 ? DONE : end_with(connection, "the server's name is none that TLS can check");
}

static io_outcome shake_hands(tp_bench_connection *connection) {
  ERR_clear_error();
  errno = 0;
  int result = SSL_do_handshake(connection->tls);
  if (result == 1) return begin_http(connection);
  int code = SSL_get_error(connection->tls, result);
  if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE) return end_with_tls(connection);
  listen_for(connection, code == SSL_ERROR_WANT_WRITE);
  return BLOCKED;
}

/* ---- Events ---- */

static io_outcome read_all(tp_bench_connection *connection) {
  uint8_t room[ROOM_SIZE];
  for (;;) {
    size_t size = 0;
    io_outcome outcome = receive(connection, room, &size);
    if (outcome != DONE) return outcome;
    const char *problem = tp_bench_http_receive(connection->http, tuplet_view(room, size));
    if (problem != NULL) return end_with(connection, problem);
    if (tp_bench_http_is_at_end(connection->http)) return end_with(connection, "");
    /* Less than there was room for: asking again would be for nothing. TLS may have more in store. */
    if (size < ROOM_SIZE && connection->tls == NULL) return BLOCKED;
  }
}

/* What the system says is wrong with the socket; DONE: nothing. */
static io_outcome take_error(tp_bench_connection *connection) {
  int error_number = 0;
  socklen_t size = sizeof error_number;
  (void)getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
  return error_number == 0 ? DONE : end_with(connection, strerror(error_number));
}

static io_outcome go_on(tp_bench_connection *connection, int events) {
  io_outcome outcome = DONE;
  if (connection->state == TP_BENCH_CONNECTION_CONNECTING) {
    if (take_error(connection) == ENDED) return ENDED;
    outcome = connection->server->tls != NULL ? begin_tls(connection) : begin_http(connection);
  }
  if (outcome != ENDED && connection->state == TP_BENCH_CONNECTION_HANDSHAKING)
    outcome = shake_hands(connection);
  if (outcome != ENDED && connection->state == TP_BENCH_CONNECTION_OPEN && (events & UV_READABLE) != 0)
    outcome = read_all(connection);
  return outcome;
}

static void on_events(uv_poll_t *poll, int status, int events) {
  tp_bench_connection *connection = poll->data;
  if (connection->state == TP_BENCH_CONNECTION_CLOSING) return;
  io_outcome outcome = status < 0 ? take_error(connection) : go_on(connection, events);
  if (status < 0 && outcome != ENDED) outcome = end_with(connection, uv_strerror(status));
  if (outcome == ENDED) tp_bench_connection_close(connection);
  connection->owner->on_turn_end(connection);
}

void tp_bench_connection_init(tp_bench_connection *connection, tp_bench_server *server,
                              const tp_bench_connection_owner *owner) {
  connection->server = server;
  connection->owner = owner;
  tp_buffer_init(&connection->out, NULL);
}

void tp_bench_connection_done(tp_bench_connection *connection) {
  assert(connection->state == TP_BENCH_CONNECTION_CLOSED);
  tp_buffer_done(&connection->out);
}

bool tp_bench_connection_open(tp_bench_connection *connection, uv_loop_t *loop) {
  tp_bench_server *server = connection->server;
  union {
    const struct sockaddr_storage *storage;
    const struct sockaddr *address;
  } to = {&server->address};
  int on = 1;
  tp_buffer_clear(&connection->out);
  connection->sent = 0;
  connection->problem[0] = '\0';
  connection->was_open = false;
  connection->wants_write = false;
  connection->fd = socket(server->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) {
    (void)end_with(connection, strerror(errno));
    return false;
  }
  (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool refused = connect(connection->fd, to.address, server->address_size) != 0 && errno != EINPROGRESS;
  int code = refused ? uv_translate_sys_error(errno) : uv_poll_init(loop, &connection->poll, connection->fd);
  if (code != 0) {
    (void)end_with(connection, uv_strerror(code));
    (void)close(connection->fd);
    return false;
  }
  connection->poll.data = connection;
  connection->state = TP_BENCH_CONNECTION_CONNECTING;
  listen_for(connection, true);
  return true;
}

bool tp_bench_connection_start(tp_bench_connection *connection, tp_bench_call *call) {
  return connection->state == TP_BENCH_CONNECTION_OPEN && tp_bench_http_start(connection->http, call);
}

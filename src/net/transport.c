/* transport.c: what lies between a connection's socket and its HTTP: nothing, or TLS.
 *
 *   in clear   socket ◄──────────────────────► http
 *   TLS        socket ◄────► tls ◄───────────► http     (made once the handshake has told its protocol)
 *
 * Plaintext counts as sent when the bytes that carry it have left, so that http sees a peer that does not
 * read as it would in clear. */
#include "net/private.h"

/* What waits sealed lies there in clear, too: so much of it is not charged to the budget. */
#define SEAL_SIZE_FREE ((size_t)16 * 1024)

static const char *alpn_name(tp_tls_alpn alpn) {
  switch (alpn) {
  case TP_TLS_ALPN_H2: return "h2";
  case TP_TLS_ALPN_HTTP_1_1: return "http/1.1";
  case TP_TLS_ALPN_HTTP_1_0: return "http/1.0";
  case TP_TLS_ALPN_NONE: break;
  }
  return "none";
}

static tp_http_protocol protocol_of(tp_tls_alpn alpn) {
  switch (alpn) {
  case TP_TLS_ALPN_H2: return TP_HTTP_2;
  case TP_TLS_ALPN_HTTP_1_1:
  case TP_TLS_ALPN_HTTP_1_0: return TP_HTTP_1;
  case TP_TLS_ALPN_NONE: break;
  }
  return TP_HTTP_DETECT;
}

bool tp_transport_begin(tp_connection *connection, tp_tls_context *context) {
  if (context == NULL) return tp_connection_open_http(connection, TP_HTTP_DETECT) == TUPLET_OK;
  const tuplet_allocator *allocator = connection->listener->loop->allocator;
  return tp_tls_conn_new(context, allocator, &connection->tls, NULL) == TUPLET_OK;
}

/* ---- From the peer --------------------------------------------------------------------------------------
 */

/* failure: NULL when it succeeded. */
static void report_handshake(const tp_connection *connection, const char *failure) {
  const tp_listener_config *config = &connection->listener->config;
  if (config->on_handshake == NULL) return;
  const tp_listener_handshake handshake = {.peer = connection->peer,
                                           .failure = failure,
                                           .version = tp_tls_conn_version(connection->tls),
                                           .cipher = tp_tls_conn_cipher(connection->tls),
                                           .alpn = alpn_name(tp_tls_conn_alpn(connection->tls)),
                                           .is_resumed = tp_tls_conn_is_resumed(connection->tls)};
  config->on_handshake(config->context, &handshake);
}

/* Makes the HTTP connection once the handshake is done. False when there is none. */
static bool settle_handshake(tp_connection *connection) {
  if (connection->http != NULL) return true;
  tp_tls_conn *tls = connection->tls;
  switch (tp_tls_conn_state(tls)) {
  case TP_TLS_HANDSHAKING: return false;
  case TP_TLS_FAILED: report_handshake(connection, tp_tls_conn_failure(tls)); return false;
  case TP_TLS_OPEN: break;
  }
  report_handshake(connection, NULL);
  if (tp_connection_open_http(connection, protocol_of(tp_tls_conn_alpn(tls))) == TUPLET_OK) return true;
  tp_connection_cut(connection);
  return false;
}

static void receive_plaintext(tp_connection *connection) {
  tp_loop *loop = connection->listener->loop;
  size_t size;
  do {
    size = tp_tls_conn_read(connection->tls, loop->plain_room, sizeof loop->plain_room);
    if (!settle_handshake(connection)) return;
    if (size > 0) tp_http_conn_receive(connection->http, (tuplet_bytes){loop->plain_room, size});
  } while (size > 0);
}

void tp_transport_receive(tp_connection *connection, tuplet_bytes bytes) {
  if (connection->tls == NULL) {
    tp_http_conn_receive(connection->http, bytes);
    return;
  }
  tp_tls_conn_receive(connection->tls, bytes);
  receive_plaintext(connection);
  if (connection->http != NULL && tp_tls_conn_has_peer_closed(connection->tls))
    tp_transport_receive_end(connection);
}

void tp_transport_receive_end(tp_connection *connection) {
  if (connection->http == NULL) {
    tp_transport_give_up(connection, "the client went away");
  } else if (!connection->has_told_end) {
    connection->has_told_end = true;
    tp_http_conn_receive_end(connection->http);
  }
}

void tp_transport_give_up(tp_connection *connection, const char *why) {
  if (tp_tls_conn_state(connection->tls) == TP_TLS_HANDSHAKING) report_handshake(connection, why);
  tp_connection_cut(connection);
}

/* ---- To the peer ----------------------------------------------------------------------------------------
 */

/* The more at a time the better; where memory is short, a little has to do. */
static void seal(tp_connection *connection, tuplet_bytes output) {
  tp_http_budget *budget = connection->listener->config.budget;
  size_t size = output.size < TP_TLS_SEAL_SIZE_MAX ? output.size : TP_TLS_SEAL_SIZE_MAX;
  if (size > SEAL_SIZE_FREE) {
    if (tp_http_budget_charge(budget, size - SEAL_SIZE_FREE))
      connection->seal_charged += size - SEAL_SIZE_FREE;
    else
      size = SEAL_SIZE_FREE;
  }
  (void)tp_tls_conn_write(connection->tls, (tuplet_bytes){output.data, size});
}

static void discharge(tp_connection *connection) {
  if (connection->seal_charged > 0)
    tp_http_budget_discharge(connection->listener->config.budget, connection->seal_charged);
  connection->seal_charged = 0;
}

void tp_transport_end(tp_connection *connection) {
  discharge(connection);
  tp_tls_conn_free(connection->tls);
}

tuplet_bytes tp_transport_output(tp_connection *connection) {
  tp_tls_conn *tls = connection->tls;
  if (tls == NULL) return tp_http_conn_output(connection->http);
  tuplet_bytes sealed = tp_tls_conn_output(tls);
  if (sealed.size > 0 || connection->http == NULL || tp_tls_conn_is_closed(tls)) return sealed;
  tuplet_bytes output = tp_http_conn_output(connection->http);
  if (output.size > 0)
    seal(connection, output);
  else if (tp_http_conn_wants_close(connection->http) && !tp_http_conn_wants_cut(connection->http))
    tp_tls_conn_close(tls);
  return tp_tls_conn_output(tls);
}

void tp_transport_output_written(tp_connection *connection, size_t size) {
  if (connection->tls != NULL) {
    size = tp_tls_conn_output_written(connection->tls, size);
    if (tp_tls_conn_output(connection->tls).size == 0) discharge(connection);
  }
  if (connection->http != NULL && size > 0) tp_http_conn_output_written(connection->http, size);
}

bool tp_transport_wants_receive(const tp_connection *connection) {
  bool is_welcome = connection->tls == NULL || tp_tls_conn_wants_receive(connection->tls);
  return is_welcome && (connection->http == NULL || tp_http_conn_wants_receive(connection->http));
}

bool tp_transport_wants_close(const tp_connection *connection) {
  if (connection->tls != NULL) return tp_tls_conn_is_closed(connection->tls);
  return tp_http_conn_wants_close(connection->http);
}

bool tp_transport_wants_cut(const tp_connection *connection) {
  return connection->http != NULL && tp_http_conn_wants_cut(connection->http);
}

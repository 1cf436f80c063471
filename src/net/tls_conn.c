/* tls_conn.c: one TLS connection: OpenSSL between two streams of bytes.
 *
 * OpenSSL reads from `input`, which lends it the peer's bytes where they lie, and writes to `back`. What the
 * peer is to get is in `front`, which nobody touches while a transport sends it; when it is gone the two
 * change places. Plaintext is sealed only when both are empty, so what waits is TP_TLS_SEAL_SIZE_MAX and the
 * answers to what the peer sent meanwhile, for which it is read no further once they are too many
 * (wants_receive). */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/status.h"
#include "net/tls_private.h"

#include <assert.h>
#include <openssl/err.h>
#include <string.h>

enum {
  RECORD_SIZE = 16 * 1024,
  RECORD_OVERHEAD = 64,        /* more than any cipher adds to a record */
  OUTPUT_SIZE_MAX = 32 * 1024, /* of answers that nobody asked for; a certificate chain has room */
  OUTPUT_KEEP_MAX = 1024,      /* an empty buffer larger than that is given back */
  FUTILE_MAX = 16              /* messages in a row that bring no data */
};

static const char http_answer[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
                                  "connection: close\r\ncontent-length: 58\r\n\r\n"
                                  "This port speaks TLS: use https:// instead of http:// here";

struct tp_tls_conn {
  tp_tls_context *context;
  const tuplet_allocator *allocator;
  tp_tls_keys *keys; /* with `ssl`, from the first byte on */
  SSL *ssl;
  tp_tls_state state;
  const char *failure;
  tuplet_bytes input;
  tp_buffer front, back;
  size_t front_written;
  size_t sealed; /* bytes of plaintext in `front` and `back` that have not been reported as gone */
  tp_tls_hello hello;
  bool awaits_hello; /* its next message is a ClientHello, in clear */
  unsigned futile_count;
  bool has_peer_closed;
  bool is_closed;
};

/* ---- Between OpenSSL and the buffers --------------------------------------------------------------------
 */

static int fail_input(tp_tls_conn *conn, const char *failure) {
  conn->failure = failure;
  return 0;
}

static int on_bio_read(BIO *bio, char *room, size_t room_size, size_t *ret_size) {
  tp_tls_conn *conn = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *ret_size = 0;
  if (conn->futile_count > FUTILE_MAX) return fail_input(conn, "too many messages without data");
  size_t size = room_size < conn->input.size ? room_size : conn->input.size;
  if (size == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  tuplet_bytes taken = {conn->input.data, size};
  if (conn->awaits_hello && !tp_tls_hello_check(&conn->hello, taken))
    return fail_input(conn, "the greeting is too large, or none");
  memcpy(room, taken.data, size);
  conn->input.data = (const char *)conn->input.data + size;
  conn->input.size -= size;
  *ret_size = size;
  return 1;
}

static int on_bio_write(BIO *bio, const char *data, size_t size, size_t *ret_size) {
  tp_tls_conn *conn = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  tp_buffer_append(&conn->back, data, size);
  *ret_size = conn->back.failed ? 0 : size;
  return !conn->back.failed;
}

static long on_bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tp_tls_bio_method_new(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tuplet connection");
  if (method == NULL) return NULL;
  if (BIO_meth_set_read_ex(method, on_bio_read) != 1 || BIO_meth_set_write_ex(method, on_bio_write) != 1 ||
      BIO_meth_set_ctrl(method, on_bio_control) != 1) {
    BIO_meth_free(method);
    return NULL;
  }
  return method;
}

/* A ServerHello with this random is a HelloRetryRequest (RFC 8446, section 4.1.3), after which another
 * ClientHello comes. Its beginning tells enough. */
static bool asks_for_another_hello(const uint8_t *message, size_t size) {
  static const uint8_t beginning[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
  enum { RANDOM_AT = 6 };
  return size >= RANDOM_AT + sizeof beginning &&
         memcmp(message + RANDOM_AT, beginning, sizeof beginning) == 0;
}

static void observe_handshake(tp_tls_conn *conn, bool is_ours, const uint8_t *message, size_t size) {
  if (size == 0) return;
  if (is_ours && message[0] == SSL3_MT_SERVER_HELLO && asks_for_another_hello(message, size)) {
    conn->hello = (tp_tls_hello){0};
    conn->awaits_hello = true;
  } else if (!is_ours && message[0] == SSL3_MT_CLIENT_HELLO) {
    conn->awaits_hello = false;
  } else if (!is_ours && message[0] == SSL3_MT_KEY_UPDATE) {
    conn->futile_count++;
  }
}

/* OpenSSL answers a key update with another, and a renegotiation with a warning: who asks for them without
 * end gets an end. */
static void on_message(int is_ours, int version, int content, const void *data, size_t size, SSL *ssl,
                       void *context) {
  (void)version;
  (void)context;
  tp_tls_conn *conn = SSL_get_app_data(ssl);
  const uint8_t *message = data;
  if (content == SSL3_RT_HANDSHAKE) observe_handshake(conn, is_ours != 0, message, size);
  bool is_alert = content == SSL3_RT_ALERT && is_ours && size >= 2;
  if (is_alert && message[1] == SSL_AD_NO_RENEGOTIATION) conn->futile_count++;
}

void tp_tls_conn_observe(SSL_CTX *ssl_ctx) {
  SSL_CTX_set_msg_callback(ssl_ctx, on_message);
}

tp_tls_keys *tp_tls_conn_keys(const SSL *ssl) {
  const tp_tls_conn *conn = SSL_get_app_data(ssl);
  return conn->keys;
}

/* ---- Beginning and end ----------------------------------------------------------------------------------
 */

tuplet_status tp_tls_conn_new(tp_tls_context *context, const tuplet_allocator *allocator,
                              tp_tls_conn **ret_conn, tuplet_error *error) {
  tp_tls_conn *conn = tp_alloc_array_zeroed(allocator, 1, sizeof *conn);
  if (conn == NULL) return tp_fail_nomem(error);
  conn->context = context;
  conn->allocator = allocator;
  conn->awaits_hello = true;
  tp_buffer_init(&conn->front, allocator);
  tp_buffer_init(&conn->back, allocator);
  *ret_conn = conn;
  return TUPLET_OK;
}

void tp_tls_conn_free(tp_tls_conn *conn) {
  if (conn == NULL) return;
  SSL_free(conn->ssl);
  tp_tls_keys_unref(conn->keys);
  tp_buffer_done(&conn->front);
  tp_buffer_done(&conn->back);
  tp_free(conn->allocator, conn);
}

static void fail(tp_tls_conn *conn, const char *failure) {
  conn->state = TP_TLS_FAILED;
  if (conn->failure == NULL) conn->failure = failure;
  conn->input = (tuplet_bytes){0};
}

static bool make_ssl(tp_tls_conn *conn) {
  conn->keys = tp_tls_context_keys(conn->context);
  conn->ssl = SSL_new(conn->keys->ssl_ctx);
  BIO *bio = BIO_new(conn->context->bio_method);
  if (conn->ssl == NULL || bio == NULL) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, conn);
  BIO_set_init(bio, 1);
  SSL_set_bio(conn->ssl, bio, bio);
  SSL_set_accept_state(conn->ssl);
  return SSL_set_app_data(conn->ssl, conn) == 1;
}

/* With the first byte, so that who sends none costs little, and who does not speak TLS hardly more. */
static bool begin(tp_tls_conn *conn) {
  tp_tls_greeting greeting = tp_tls_greeting_of(*(const uint8_t *)conn->input.data);
  if (greeting == TP_TLS_GREETING_TLS && make_ssl(conn)) return true;
  if (greeting == TP_TLS_GREETING_HTTP) tp_buffer_append(&conn->back, http_answer, sizeof http_answer - 1);
  if (greeting == TP_TLS_GREETING_HTTP) fail(conn, "the client does not speak TLS but HTTP");
  fail(conn, greeting == TP_TLS_GREETING_TLS ? "out of memory" : "the client does not speak TLS");
  return false;
}

/* ---- Reading --------------------------------------------------------------------------------------------
 */

static const char *reason_of(const tp_tls_conn *conn) {
  long verified = SSL_get_verify_result(conn->ssl);
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  if (conn->back.failed) return "out of memory";
  const char *reason = tp_tls_last_reason();
  return reason != NULL ? reason : "the connection broke";
}

/* After a call of OpenSSL that did not do what it was to do. */
static void settle(tp_tls_conn *conn, int result) {
  switch (SSL_get_error(conn->ssl, result)) {
  case SSL_ERROR_WANT_READ: break;
  case SSL_ERROR_ZERO_RETURN:
    conn->has_peer_closed = true;
    conn->input = (tuplet_bytes){0};
    if (conn->state == TP_TLS_HANDSHAKING) fail(conn, "the client gave up");
    break;
  default: fail(conn, reason_of(conn)); break;
  }
  ERR_clear_error();
}

static bool shake_hands(tp_tls_conn *conn) {
  if (conn->state == TP_TLS_OPEN) return true;
  int result = SSL_do_handshake(conn->ssl);
  if (result == 1)
    conn->state = TP_TLS_OPEN;
  else
    settle(conn, result);
  return result == 1;
}

void tp_tls_conn_receive(tp_tls_conn *conn, tuplet_bytes bytes) {
  assert(conn->input.size == 0);
  if (conn->state != TP_TLS_FAILED && !conn->has_peer_closed) conn->input = bytes;
}

size_t tp_tls_conn_read(tp_tls_conn *conn, void *room, size_t room_size) {
  if (conn->state == TP_TLS_FAILED || conn->has_peer_closed) return 0;
  if (conn->ssl == NULL && (conn->input.size == 0 || !begin(conn))) return 0;
  ERR_clear_error();
  if (!shake_hands(conn)) return 0;
  size_t total = 0;
  while (total < room_size) {
    size_t size = 0;
    int result = SSL_read_ex(conn->ssl, (char *)room + total, room_size - total, &size);
    if (result != 1) {
      settle(conn, result);
      break;
    }
    total += size;
    conn->futile_count = 0;
  }
  return total;
}

static size_t output_size(const tp_tls_conn *conn) {
  return conn->front.size - conn->front_written + conn->back.size;
}

bool tp_tls_conn_wants_receive(const tp_tls_conn *conn) {
  if (conn->state == TP_TLS_FAILED) return false;
  return output_size(conn) <= OUTPUT_SIZE_MAX + TP_TLS_SEAL_SIZE_MAX;
}

/* ---- Writing --------------------------------------------------------------------------------------------
 */

size_t tp_tls_conn_write(tp_tls_conn *conn, tuplet_bytes bytes) {
  if (conn->state != TP_TLS_OPEN || conn->is_closed || output_size(conn) > 0) return 0;
  size_t wanted = bytes.size < TP_TLS_SEAL_SIZE_MAX ? bytes.size : TP_TLS_SEAL_SIZE_MAX;
  size_t done = 0;
  ERR_clear_error();
  /* All at once, rather than grown record by record. */
  (void)tp_buffer_reserve(&conn->back, wanted + (wanted / RECORD_SIZE + 1) * RECORD_OVERHEAD);
  while (done < wanted) {
    size_t size = 0;
    int result = SSL_write_ex(conn->ssl, (const char *)bytes.data + done, wanted - done, &size);
    if (result != 1) {
      fail(conn, reason_of(conn));
      ERR_clear_error();
      break;
    }
    done += size;
  }
  conn->sealed += done;
  return done;
}

void tp_tls_conn_close(tp_tls_conn *conn) {
  if (conn->is_closed) return;
  conn->is_closed = true;
  if (conn->state != TP_TLS_OPEN) return;
  ERR_clear_error();
  if (SSL_shutdown(conn->ssl) < 0) fail(conn, reason_of(conn));
  ERR_clear_error();
}

static void give_back(tp_buffer *buffer) {
  if (buffer->capacity > OUTPUT_KEEP_MAX)
    tp_buffer_done(buffer);
  else
    tp_buffer_clear(buffer);
}

tuplet_bytes tp_tls_conn_output(tp_tls_conn *conn) {
  if (conn->front.size == 0 && conn->back.size > 0) {
    tp_buffer swapped = conn->front;
    conn->front = conn->back;
    conn->back = swapped;
  }
  if (conn->front.size == 0) return (tuplet_bytes){0};
  return (tuplet_bytes){conn->front.data + conn->front_written, conn->front.size - conn->front_written};
}

/* Plaintext counts as gone byte for byte with what carries it, which is a little more. */
size_t tp_tls_conn_output_written(tp_tls_conn *conn, size_t size) {
  assert(size <= conn->front.size - conn->front_written);
  conn->front_written += size;
  size_t gone = size < conn->sealed ? size : conn->sealed;
  if (conn->front_written == conn->front.size) {
    give_back(&conn->front);
    conn->front_written = 0;
    gone = conn->sealed;
  }
  conn->sealed -= gone;
  return gone;
}

/* ---- What it is -----------------------------------------------------------------------------------------
 */

tp_tls_state tp_tls_conn_state(const tp_tls_conn *conn) {
  return conn->state;
}

bool tp_tls_conn_has_peer_closed(const tp_tls_conn *conn) {
  return conn->has_peer_closed;
}

bool tp_tls_conn_is_closed(const tp_tls_conn *conn) {
  return conn->is_closed || conn->state == TP_TLS_FAILED;
}

tp_tls_alpn tp_tls_conn_alpn(const tp_tls_conn *conn) {
  const uint8_t *name = NULL;
  unsigned size = 0;
  if (conn->ssl != NULL) SSL_get0_alpn_selected(conn->ssl, &name, &size);
  if (size == 0) return TP_TLS_ALPN_NONE;
  if (size == 2) return TP_TLS_ALPN_H2; /* on_alpn chooses nothing else that is as short */
  return name[size - 1] == '1' ? TP_TLS_ALPN_HTTP_1_1 : TP_TLS_ALPN_HTTP_1_0;
}

const char *tp_tls_conn_version(const tp_tls_conn *conn) {
  return conn->ssl != NULL ? SSL_get_version(conn->ssl) : "none";
}

const char *tp_tls_conn_cipher(const tp_tls_conn *conn) {
  const char *name = conn->ssl != NULL ? SSL_get_cipher_name(conn->ssl) : NULL;
  return name != NULL ? name : "none";
}

bool tp_tls_conn_is_resumed(const tp_tls_conn *conn) {
  return conn->ssl != NULL && SSL_session_reused(conn->ssl) == 1;
}

const char *tp_tls_conn_failure(const tp_tls_conn *conn) {
  return conn->failure != NULL ? conn->failure : "none";
}

/* tls.h: TLS on the server's side, by OpenSSL: certificates from files, and connections as bytes in, bytes
 * out.
 *
 *              receive, read                   write
 *   peer ─────► tp_tls_conn ─────► plaintext ──────► tp_tls_conn ─────► peer
 *                     └─────────────────────────────────► output (greetings, alerts)
 *
 * Spoken is TLS 1.3, and TLS 1.2 with ECDHE and AEAD ciphers only; ALPN is h2, http/1.1 or http/1.0. There is
 * no renegotiation, no compression, no early data. Nothing a peer does makes a connection hold more than a
 * few records: what it sends is handed over at once, and what waits for it is bounded by TP_TLS_SEAL_SIZE_MAX
 * and wants_receive.
 *
 * What OpenSSL allocates is OpenSSL's; the rest comes from the allocator given. */
#ifndef TP_NET_TLS_H
#define TP_NET_TLS_H

#include "base/clock.h"
#include "tuplet.h"

/* ---- Certificates ---------------------------------------------------------------------------------------
 */

typedef struct tp_tls_context tp_tls_context;

typedef enum tp_tls_version { TP_TLS_VERSION_1_2 = 12, TP_TLS_VERSION_1_3 = 13 } tp_tls_version;

/* PEM files. Strings are copied. */
typedef struct tp_tls_config {
  const char *cert_file;      /* the server's certificate, then those of the authorities between */
  const char *key_file;       /* its private key, not encrypted */
  const char *client_ca_file; /* authorities of clients' certificates; NULL: clients are not asked for any */
  bool client_is_optional;    /* a client without a certificate is served, too */
  tp_tls_version version_min;
  tp_clock clock; /* for the age of session tickets, and for telling what has expired */
} tp_tls_config;

enum { TP_TLS_SUBJECT_SIZE = 256 };

/* What an operator wants to know about the certificate in force. */
typedef struct tp_tls_certificate {
  char subject[TP_TLS_SUBJECT_SIZE];   /* "CN=db.example.org", cut when longer */
  int64_t not_before_ms, not_after_ms; /* when it is valid, since 1970 */
  bool is_valid_now;                   /* as of reading it */
  bool key_is_exposed;                 /* others than owner and group may read the key's file */
} tp_tls_certificate;

/* Reads the files. An expired certificate is no error here; see tp_tls_context_certificate.
 *
 * Errors: TUPLET_IO (a file cannot be read), TUPLET_INVALID (what is in it; a key that is another
 * certificate's), TUPLET_NOMEM. All name the file. */
tuplet_status tp_tls_context_new(const tuplet_allocator *allocator, const tp_tls_config *config,
                                 tp_tls_context **ret_context, tuplet_error *error);

/* After all its connections. NULL is fine. */
void tp_tls_context_free(tp_tls_context *context);

/* Reads the files again. On success connections from now on use them, and sessions of before are not resumed;
 * those that are open go on as they are. On failure all is as before: that is, too, when the new certificate
 * is not valid at this time though the one in force is. Any thread. Errors: as tp_tls_context_new. */
tuplet_status tp_tls_context_reload(tp_tls_context *context, tuplet_error *error);

/* The certificate in force. Any thread. */
void tp_tls_context_certificate(tp_tls_context *context, tp_tls_certificate *ret_certificate);

/* ---- Connections ----------------------------------------------------------------------------------------
 *
 * A connection belongs to one thread at a time. */

typedef struct tp_tls_conn tp_tls_conn;

/* HANDSHAKING -> OPEN -> FAILED, or HANDSHAKING -> FAILED */
typedef enum tp_tls_state {
  TP_TLS_HANDSHAKING,
  TP_TLS_OPEN,
  TP_TLS_FAILED /* nothing is read or written any more; what waits in `output` tells the peer why */
} tp_tls_state;

typedef enum tp_tls_alpn {
  TP_TLS_ALPN_NONE, /* the peer did not ask; its first bytes tell */
  TP_TLS_ALPN_H2,
  TP_TLS_ALPN_HTTP_1_1,
  TP_TLS_ALPN_HTTP_1_0
} tp_tls_alpn;

/* So much plaintext is sealed at a time, in records of 16 KiB. */
#define TP_TLS_SEAL_SIZE_MAX ((size_t)64 * 1024)

/* Small until the peer's first byte. The context must outlive it. Errors: TUPLET_NOMEM. */
tuplet_status tp_tls_conn_new(tp_tls_context *context, const tuplet_allocator *allocator,
                              tp_tls_conn **ret_conn, tuplet_error *error);

/* NULL is fine. */
void tp_tls_conn_free(tp_tls_conn *conn);

/* Bytes from the peer, any amount, cut anywhere. They are borrowed until tp_tls_conn_read has returned 0. */
void tp_tls_conn_receive(tp_tls_conn *conn, tuplet_bytes bytes);

/* Does what the bytes received ask for (the handshake, first) and puts plaintext into `room`. Returns its
 * size; 0 when all that was received is used up. To be called until then. */
size_t tp_tls_conn_read(tp_tls_conn *conn, void *room, size_t room_size);

/* Whether receive is welcome: while false the peer does not take what it made us answer. */
bool tp_tls_conn_wants_receive(const tp_tls_conn *conn);

/* Seals the first bytes of `bytes`, at most TP_TLS_SEAL_SIZE_MAX, and returns how many; 0 when there is
 * output already, or while nothing can be sent (not open, closed). They need not stay. */
size_t tp_tls_conn_write(tp_tls_conn *conn, tuplet_bytes bytes);

/* Says goodbye (close_notify): nothing is written from here on. Reading goes on. More than once is fine. */
void tp_tls_conn_close(tp_tls_conn *conn);

/* Bytes for the peer; empty when there are none. The view stays the same, byte for byte, until
 * tp_tls_conn_output_written has counted all of it. */
tuplet_bytes tp_tls_conn_output(tp_tls_conn *conn);

/* The first `size` bytes of the output have been sent. Returns how many bytes of plaintext, of those that
 * tp_tls_conn_write took, have gone with them: in the end all. */
size_t tp_tls_conn_output_written(tp_tls_conn *conn, size_t size);

tp_tls_state tp_tls_conn_state(const tp_tls_conn *conn);

/* The peer has said that it sends nothing more. */
bool tp_tls_conn_has_peer_closed(const tp_tls_conn *conn);

/* Whether goodbye has been said, or there is nobody to say it to. */
bool tp_tls_conn_is_closed(const tp_tls_conn *conn);

/* When OPEN or after: */
tp_tls_alpn tp_tls_conn_alpn(const tp_tls_conn *conn);
/* "TLSv1.3"; "TLS_AES_128_GCM_SHA256"; texts that live as long as the program. */
const char *tp_tls_conn_version(const tp_tls_conn *conn);
const char *tp_tls_conn_cipher(const tp_tls_conn *conn);
bool tp_tls_conn_is_resumed(const tp_tls_conn *conn);

/* When FAILED: why, in a few words, for logs; never NULL. Lives as long as the program. */
const char *tp_tls_conn_failure(const tp_tls_conn *conn);

#endif

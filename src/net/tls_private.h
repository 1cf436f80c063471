/* tls_private.h: what the files of TLS share. */
#ifndef TP_NET_TLS_PRIVATE_H
#define TP_NET_TLS_PRIVATE_H

#include "net/tls.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- tls_ticket.c: the keys that session tickets are sealed with ----------------------------------------
 *
 * A ticket holds a session's secret, so who gets a ticket key reads what TLS 1.2 sent under it, and with
 * TLS 1.3 may pose as the server towards those who resume. Each key is used for TP_TLS_TICKET_LIFETIME_MS,
 * understood for as long again, and then gone. Keys are never written anywhere, and a reload starts anew. */

#define TP_TLS_TICKET_LIFETIME_MS ((int64_t)60 * 60 * 1000)

typedef struct tp_tls_ticket_key {
  uint8_t name[16]; /* tells the keys apart; in clear in the ticket */
  uint8_t cipher_key[32], mac_key[32];
} tp_tls_ticket_key;

typedef struct tp_tls_tickets {
  pthread_mutex_t mutex;
  tp_clock clock;
  tp_tls_ticket_key current, previous;
  bool has_current, has_previous;
  int64_t current_since_ms; /* monotonic */
} tp_tls_tickets;

void tp_tls_tickets_init(tp_tls_tickets *tickets, const tp_clock *clock);
void tp_tls_tickets_done(tp_tls_tickets *tickets);

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb asks for. */
int tp_tls_tickets_apply(tp_tls_tickets *tickets, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, bool is_new);

/* ---- tls_hello.c: the first bytes, before OpenSSL sees them ---------------------------------------------
 */

/* OpenSSL makes room for a greeting as large as its header says, up to 128 KiB, before a byte of it has come.
 */
#define TP_TLS_HELLO_SIZE_MAX ((uint32_t)16 * 1024)

typedef enum tp_tls_greeting {
  TP_TLS_GREETING_TLS,
  TP_TLS_GREETING_HTTP, /* somebody speaks HTTP in clear */
  TP_TLS_GREETING_OTHER
} tp_tls_greeting;

/* What the first byte of a connection begins. */
tp_tls_greeting tp_tls_greeting_of(uint8_t first);

/* Follows the records in clear up to the end of a ClientHello. Zeroed is a fresh one. */
typedef struct tp_tls_hello {
  uint8_t head[5]; /* of a record */
  uint8_t head_size;
  uint8_t message_head_size; /* type and length, four bytes */
  uint32_t record_left;
  uint32_t message_size;
} tp_tls_hello;

/* Looks at the next bytes. False when they are no ClientHello or a too large one. */
bool tp_tls_hello_check(tp_tls_hello *hello, tuplet_bytes bytes);

/* ---- tls_context.c --------------------------------------------------------------------------------------
 */

/* What one reading of the files made. Lives until the last of its connections has gone. */
typedef struct tp_tls_keys {
  const tuplet_allocator *allocator;
  atomic_size_t refs;
  SSL_CTX *ssl_ctx;
  tp_tls_tickets tickets;
  tp_tls_certificate certificate;
} tp_tls_keys;

struct tp_tls_context {
  const tuplet_allocator *allocator;
  tp_tls_config config; /* its strings are ours */
  BIO_METHOD *bio_method;
  pthread_mutex_t mutex; /* of `keys` */
  tp_tls_keys *keys;     /* those in force */
};

/* The keys in force; to be unreferenced. */
tp_tls_keys *tp_tls_context_keys(tp_tls_context *context);
void tp_tls_keys_unref(tp_tls_keys *keys);

/* tls_files.c: reads the files into the SSL_CTX and describes the certificate. */
tuplet_status tp_tls_files_load(const tp_tls_config *config, SSL_CTX *ssl_ctx,
                                tp_tls_certificate *ret_certificate, tuplet_error *error);

/* ---- tls_conn.c -----------------------------------------------------------------------------------------
 */

/* How a connection's bytes get into OpenSSL and out of it; to be freed with BIO_meth_free. NULL: out of
 * memory. */
BIO_METHOD *tp_tls_bio_method_new(void);

/* Prepares an SSL_CTX for the connections of this file. */
void tp_tls_conn_observe(SSL_CTX *ssl_ctx);

/* The keys of the connection that `ssl` is part of. */
tp_tls_keys *tp_tls_conn_keys(const SSL *ssl);

/* The reason of OpenSSL's last error on this thread, in a few words that live as long as the program; NULL
 * when there is none. */
const char *tp_tls_last_reason(void);

#endif

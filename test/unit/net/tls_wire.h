/* tls_wire.h: a tp_tls_conn and a client of OpenSSL's, joined by memory, so that tests decide what arrives
 * when. */
#ifndef TEST_UNIT_NET_TLS_WIRE_H
#define TEST_UNIT_NET_TLS_WIRE_H

#include "../../support/certificates.h"
#include "base/buffer.h"
#include "net/tls.h"

#include <openssl/ssl.h>

/* An authority, a server's certificate of it in cert.pem and key.pem, its own in ca.pem, and a context that
 * uses them. */
typedef struct tls_setup {
  certificates files;
  identity authority, server;
  char cert_file[CERTIFICATES_PATH_SIZE], key_file[CERTIFICATES_PATH_SIZE], ca_file[CERTIFICATES_PATH_SIZE];
  tp_tls_config config;
  tp_tls_context *context;
  SSL_CTX *client; /* trusts the authority */
} tls_setup;

void tls_setup_init(tls_setup *setup);
void tls_setup_done(tls_setup *setup);
/* Makes the context, anew if there is one, of `config`. */
void tls_setup_start(tls_setup *setup);
/* Replaces cert.pem and key.pem. */
void tls_setup_replace(tls_setup *setup, const identity_options *options);
/* The clients show this certificate. */
void tls_setup_show(tls_setup *setup, const identity *shown);

typedef struct tls_wire {
  tp_tls_conn *conn;
  SSL *client;
  tp_buffer to_server, to_client; /* plaintext that has arrived there */
  size_t step;                    /* bytes handed over at a time; 0: all there are */
  size_t gone;                    /* plaintext that the server's side has reported as sent */
  int client_error;               /* of SSL_get_error, once it is one that lasts */
  int client_reason;              /* of OpenSSL's error then */
} tls_wire;

void tls_wire_open(tls_wire *wire, const tls_setup *setup);
void tls_wire_close(tls_wire *wire);
/* Carries bytes both ways until none are left; false when the handshake is not done. */
bool tls_wire_run(tls_wire *wire);
/* Bytes that the client has written, to be given to the server by the test itself. Freed by the caller. */
size_t tls_wire_take(tls_wire *wire, uint8_t **ret_bytes);
/* Gives the server bytes as if they came from the client, and collects what it reads. */
void tls_wire_give(tls_wire *wire, const void *bytes, size_t size);
void tls_wire_client_write(tls_wire *wire, const void *bytes, size_t size);
void tls_wire_server_write(tls_wire *wire, const void *bytes, size_t size);

#endif

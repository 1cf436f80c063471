/* tls_wire.c: a tp_tls_conn and a client of OpenSSL's, joined by memory. */
#include "tls_wire.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void tls_setup_replace(tls_setup *setup, const identity_options *options) {
  identity_done(&setup->server);
  setup->server = identity_make(options);
  certificates_write(&setup->files, "cert.pem", &setup->server.certificate, 1);
  certificates_write_key(&setup->files, "key.pem", setup->server.key, NULL);
}

void tls_setup_init(tls_setup *setup) {
  *setup = (tls_setup){0};
  certificates_init(&setup->files);
  setup->authority = identity_make(&(identity_options){.name = "Authority", .is_authority = true});
  tls_setup_replace(setup, &(identity_options){.name = "localhost", .issuer = &setup->authority});
  certificates_write(&setup->files, "ca.pem", &setup->authority.certificate, 1);
  certificates_path(&setup->files, "cert.pem", setup->cert_file);
  certificates_path(&setup->files, "key.pem", setup->key_file);
  certificates_path(&setup->files, "ca.pem", setup->ca_file);
  setup->config = (tp_tls_config){.cert_file = setup->cert_file,
                                  .key_file = setup->key_file,
                                  .version_min = TP_TLS_VERSION_1_2,
                                  .clock = tp_clock_system()};
  setup->client = SSL_CTX_new(TLS_client_method());
  assert_non_null(setup->client);
  assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(setup->client), setup->authority.certificate),
                   1);
  SSL_CTX_set_verify(setup->client, SSL_VERIFY_PEER, NULL);
}

void tls_setup_done(tls_setup *setup) {
  tp_tls_context_free(setup->context);
  SSL_CTX_free(setup->client);
  identity_done(&setup->authority);
  identity_done(&setup->server);
  certificates_done(&setup->files);
}

void tls_setup_start(tls_setup *setup) {
  tuplet_error error = {0};
  tp_tls_context_free(setup->context);
  setup->context = NULL;
  if (tp_tls_context_new(NULL, &setup->config, &setup->context, &error) != TUPLET_OK)
    fail_msg("%s", error.message);
}

void tls_setup_show(tls_setup *setup, const identity *shown) {
  assert_int_equal(SSL_CTX_use_certificate(setup->client, shown->certificate), 1);
  assert_int_equal(SSL_CTX_use_PrivateKey(setup->client, shown->key), 1);
}

void tls_wire_open(tls_wire *wire, const tls_setup *setup) {
  *wire = (tls_wire){0};
  assert_int_equal(tp_tls_conn_new(setup->context, NULL, &wire->conn, NULL), TUPLET_OK);
  wire->client = SSL_new(setup->client);
  assert_non_null(wire->client);
  SSL_set_bio(wire->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(wire->client);
  tp_buffer_init(&wire->to_server, NULL);
  tp_buffer_init(&wire->to_client, NULL);
}

void tls_wire_close(tls_wire *wire) {
  tp_tls_conn_free(wire->conn);
  SSL_free(wire->client);
  tp_buffer_done(&wire->to_server);
  tp_buffer_done(&wire->to_client);
}

static void note_client(tls_wire *wire, int result) {
  int problem = SSL_get_error(wire->client, result);
  if (problem == SSL_ERROR_WANT_READ) return;
  wire->client_error = problem;
  wire->client_reason = ERR_GET_REASON(ERR_peek_last_error());
}

static void run_client(tls_wire *wire) {
  char room[5000];
  size_t size = 0;
  if (wire->client_error != 0) return;
  ERR_clear_error();
  int result = SSL_do_handshake(wire->client);
  if (result != 1) {
    note_client(wire, result);
    return;
  }
  while ((result = SSL_read_ex(wire->client, room, sizeof room, &size)) == 1)
    tp_buffer_append(&wire->to_client, room, size);
  note_client(wire, result);
}

size_t tls_wire_take(tls_wire *wire, uint8_t **ret_bytes) {
  run_client(wire);
  char *data = NULL;
  BIO *bio = SSL_get_wbio(wire->client);
  long size = BIO_get_mem_data(bio, &data);
  *ret_bytes = malloc((size_t)size + 1);
  assert_non_null(*ret_bytes);
  if (size > 0) assert_int_equal(BIO_read(bio, *ret_bytes, (int)size), size);
  return (size_t)size;
}

static void give_once(tls_wire *wire, const void *bytes, size_t size) {
  char room[3000];
  /* A copy of its own, so that a sanitizer sees who reads it too late. */
  void *lent = malloc(size);
  assert_non_null(lent);
  memcpy(lent, bytes, size);
  tp_tls_conn_receive(wire->conn, (tuplet_bytes){lent, size});
  size_t got;
  while ((got = tp_tls_conn_read(wire->conn, room, sizeof room)) > 0)
    tp_buffer_append(&wire->to_server, room, got);
  free(lent);
}

void tls_wire_give(tls_wire *wire, const void *bytes, size_t size) {
  size_t step = wire->step > 0 ? wire->step : size;
  for (size_t at = 0; at < size; at += step)
    give_once(wire, (const char *)bytes + at, size - at < step ? size - at : step);
}

static size_t run_server(tls_wire *wire) {
  size_t moved = 0;
  for (;;) {
    tuplet_bytes output = tp_tls_conn_output(wire->conn);
    if (output.size == 0) return moved;
    size_t size = wire->step > 0 && wire->step < output.size ? wire->step : output.size;
    assert_int_equal(BIO_write(SSL_get_rbio(wire->client), output.data, (int)size), (int)size);
    wire->gone += tp_tls_conn_output_written(wire->conn, size);
    moved += size;
  }
}

bool tls_wire_run(tls_wire *wire) {
  size_t moved;
  do {
    uint8_t *bytes = NULL;
    moved = tls_wire_take(wire, &bytes);
    tls_wire_give(wire, bytes, moved);
    free(bytes);
    moved += run_server(wire);
  } while (moved > 0);
  run_client(wire);
  return SSL_is_init_finished(wire->client) == 1 && tp_tls_conn_state(wire->conn) == TP_TLS_OPEN;
}

void tls_wire_client_write(tls_wire *wire, const void *bytes, size_t size) {
  size_t written = 0;
  ERR_clear_error();
  assert_int_equal(SSL_write_ex(wire->client, bytes, size, &written), 1);
  assert_int_equal(written, size);
}

void tls_wire_server_write(tls_wire *wire, const void *bytes, size_t size) {
  for (size_t at = 0; at < size;) {
    size_t taken = tp_tls_conn_write(wire->conn, (tuplet_bytes){(const char *)bytes + at, size - at});
    assert_true(taken > 0);
    at += taken;
    (void)run_server(wire);
  }
}

/* tls_fuzz.c: bytes as what a client sends to a TLS port. The first byte of the input chooses where the rest
 * is cut, which must not change what becomes of the connection. */
#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tp_tls_context *context; /* made once: a key takes longer than an input */

static void check(bool holds) {
  if (!holds) abort();
}

/* The path of a file in memory. */
static FILE *open_file(char *ret_path, size_t path_size) {
  int descriptor = memfd_create("tls_fuzz", 0);
  check(descriptor >= 0);
  (void)snprintf(ret_path, path_size, "/proc/self/fd/%d", descriptor);
  FILE *file = fdopen(descriptor, "w");
  check(file != NULL);
  return file;
}

static X509 *make_certificate(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  check(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
  check(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL);
  check(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL);
  check(X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0);
  return certificate;
}

static void make_context(void) {
  char cert_path[64], key_path[64];
  EVP_PKEY *key = EVP_EC_gen("P-256");
  check(key != NULL);
  X509 *certificate = make_certificate(key);
  FILE *cert_file = open_file(cert_path, sizeof cert_path), *key_file = open_file(key_path, sizeof key_path);
  check(PEM_write_X509(cert_file, certificate) == 1 && fflush(cert_file) == 0);
  check(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(key_file) == 0);
  const tp_tls_config config = {.cert_file = cert_path,
                                .key_file = key_path,
                                .client_ca_file = cert_path,
                                .client_is_optional = true,
                                .clock = tp_clock_system()};
  check(tp_tls_context_new(NULL, &config, &context, NULL) == TUPLET_OK);
  (void)fclose(cert_file);
  (void)fclose(key_file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static void give(tp_tls_conn *conn, const uint8_t *data, size_t size) {
  char room[512];
  tp_tls_conn_receive(conn, (tuplet_bytes){data, size});
  while (tp_tls_conn_read(conn, room, sizeof room) > 0) continue;
  tuplet_bytes output = tp_tls_conn_output(conn);
  check(output.size < (size_t)32 * 1024);
  if (output.size > 0) (void)tp_tls_conn_output_written(conn, output.size);
}

static tp_tls_conn *serve(const uint8_t *data, size_t size, size_t step) {
  tp_tls_conn *conn = NULL;
  check(tp_tls_conn_new(context, NULL, &conn, NULL) == TUPLET_OK);
  for (size_t at = 0; at < size; at += step) give(conn, data + at, size - at < step ? size - at : step);
  return conn;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (context == NULL) make_context();
  if (size < 2) return 0;
  size_t step = (size_t)data[0] + 1;
  tp_tls_conn *whole = serve(data + 1, size - 1, size - 1), *cut = serve(data + 1, size - 1, step);
  check(tp_tls_conn_state(whole) == tp_tls_conn_state(cut));
  check(strcmp(tp_tls_conn_failure(whole), tp_tls_conn_failure(cut)) == 0);
  check(tp_tls_conn_has_peer_closed(whole) == tp_tls_conn_has_peer_closed(cut));
  tp_tls_conn_free(whole);
  tp_tls_conn_free(cut);
  return 0;
}

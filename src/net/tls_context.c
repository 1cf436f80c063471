/* tls_context.c: what connections are made with: versions, ciphers, ALPN, and the keys in force, which a
 * reload replaces while older connections keep theirs. */
#include "base/alloc.h"
#include "base/status.h"
#include "net/tls_private.h"

#include <openssl/err.h>
#include <string.h>
#include <time.h>

/* Of TLS 1.2 only what keeps past traffic secret should the key be lost (ECDHE), and needs no padding (AEAD):
 * none of those that RFC 9113, appendix A, forbids to HTTP/2. TLS 1.3 has no others. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

enum { CERTIFICATES_SIZE_MAX = 32 * 1024 /* of a client's */ };

/* ---- Settings -------------------------------------------------------------------------------------------
 */

static bool has_protocol(const uint8_t *offered, unsigned offered_size, const char *name) {
  size_t name_size = strlen(name);
  for (size_t at = 0; at < offered_size; at += 1 + (size_t)offered[at]) {
    bool fits = at + 1 + offered[at] <= offered_size;
    if (fits && offered[at] == name_size && memcmp(offered + at + 1, name, name_size) == 0) return true;
  }
  return false;
}

static int on_alpn(SSL *ssl, const uint8_t **ret_chosen, uint8_t *ret_chosen_size, const uint8_t *offered,
                   unsigned offered_size, void *context) {
  (void)ssl;
  (void)context;
  static const char *const known[] = {"h2", "http/1.1", "http/1.0"}; /* what we prefer first */
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!has_protocol(offered, offered_size, known[i])) continue;
    *ret_chosen = (const uint8_t *)known[i];
    *ret_chosen_size = (uint8_t)strlen(known[i]);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new) {
  return tp_tls_tickets_apply(&tp_tls_conn_keys(ssl)->tickets, name, iv, cipher, mac, is_new != 0);
}

/* Without the finite fields, which cost a server milliseconds a handshake. */
static bool set_groups(SSL_CTX *ssl_ctx) {
  char groups_newer[] = "X25519MLKEM768:X25519:P-256:P-384"; /* newer releases of OpenSSL know the first */
  char groups[] = "X25519:P-256:P-384";
  if (SSL_CTX_set1_groups_list(ssl_ctx, groups_newer) == 1) return true;
  ERR_clear_error();
  return SSL_CTX_set1_groups_list(ssl_ctx, groups) == 1;
}

/* Says everything itself: the system's own defaults (openssl.cnf) may be laxer, or name other versions. */
static bool configure(const tp_tls_config *config, SSL_CTX *ssl_ctx) {
  static const uint8_t session_context[] =
      "tuplet"; /* sessions with client certificates are resumed only with one */
  int version_min = config->version_min == TP_TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
  (void)SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  (void)SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_max_cert_list(ssl_ctx, CERTIFICATES_SIZE_MAX);
  (void)SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF); /* tickets are with the client */
  (void)SSL_CTX_set_timeout(ssl_ctx, (long)(TP_TLS_TICKET_LIFETIME_MS / 1000));
  SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, NULL);
  tp_tls_conn_observe(ssl_ctx);
  return SSL_CTX_set_min_proto_version(ssl_ctx, version_min) == 1 &&
         SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ssl_ctx, ciphers) == 1 && set_groups(ssl_ctx) &&
         SSL_CTX_set_num_tickets(ssl_ctx, 1) == 1 && SSL_CTX_set_max_early_data(ssl_ctx, 0) == 1 &&
         SSL_CTX_set_session_id_context(ssl_ctx, session_context, sizeof session_context - 1) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket) == 1;
}

/* ---- Keys -----------------------------------------------------------------------------------------------
 */

static tuplet_status make_keys(const tp_tls_context *context, tp_tls_keys **ret_keys, tuplet_error *error) {
  tp_tls_keys *keys = tp_alloc_array_zeroed(context->allocator, 1, sizeof *keys);
  if (keys == NULL) return tp_fail_nomem(error);
  keys->allocator = context->allocator;
  atomic_init(&keys->refs, 1);
  tp_tls_tickets_init(&keys->tickets, &context->config.clock);
  tuplet_status status = TUPLET_OK;
  ERR_clear_error();
  keys->ssl_ctx = SSL_CTX_new(TLS_server_method());
  if (keys->ssl_ctx == NULL || !configure(&context->config, keys->ssl_ctx))
    status = tp_fail(error, TUPLET_NOMEM, "OpenSSL cannot be set up: %s",
                     tp_tls_last_reason() != NULL ? tp_tls_last_reason() : "out of memory");
  if (status == TUPLET_OK)
    status = tp_tls_files_load(&context->config, keys->ssl_ctx, &keys->certificate, error);
  if (status == TUPLET_OK)
    *ret_keys = keys;
  else
    tp_tls_keys_unref(keys);
  return status;
}

void tp_tls_keys_unref(tp_tls_keys *keys) {
  if (keys == NULL || atomic_fetch_sub(&keys->refs, 1) > 1) return;
  SSL_CTX_free(keys->ssl_ctx);
  tp_tls_tickets_done(&keys->tickets);
  tp_free(keys->allocator, keys);
}

tp_tls_keys *tp_tls_context_keys(tp_tls_context *context) {
  (void)pthread_mutex_lock(&context->mutex);
  tp_tls_keys *keys = context->keys;
  (void)atomic_fetch_add(&keys->refs, 1);
  (void)pthread_mutex_unlock(&context->mutex);
  return keys;
}

/* ---- From outside ---------------------------------------------------------------------------------------
 */

static const char *copy_text(const tuplet_allocator *allocator, const char *text, bool *failed) {
  if (text == NULL) return NULL;
  size_t size = strlen(text) + 1;
  char *copy = tp_alloc(allocator, size);
  if (copy == NULL)
    *failed = true;
  else
    memcpy(copy, text, size);
  return copy;
}

static void free_text(const tuplet_allocator *allocator, const char *text) {
  union {
    const char *in;
    void *out;
  } pointer = {.in = text};
  tp_free(allocator, pointer.out);
}

tuplet_status tp_tls_context_new(const tuplet_allocator *allocator, const tp_tls_config *config,
                                 tp_tls_context **ret_context, tuplet_error *error) {
  tp_tls_context *context = tp_alloc_array_zeroed(allocator, 1, sizeof *context);
  if (context == NULL) return tp_fail_nomem(error);
  bool failed = false;
  context->allocator = allocator;
  context->config = *config;
  context->config.cert_file = copy_text(allocator, config->cert_file, &failed);
  context->config.key_file = copy_text(allocator, config->key_file, &failed);
  context->config.client_ca_file = copy_text(allocator, config->client_ca_file, &failed);
  context->bio_method = tp_tls_bio_method_new();
  (void)pthread_mutex_init(&context->mutex, NULL);
  tuplet_status status = failed || context->bio_method == NULL ? tp_fail_nomem(error)
                                                               : make_keys(context, &context->keys, error);
  if (status == TUPLET_OK)
    *ret_context = context;
  else
    tp_tls_context_free(context);
  return status;
}

void tp_tls_context_free(tp_tls_context *context) {
  if (context == NULL) return;
  tp_tls_keys_unref(context->keys);
  (void)pthread_mutex_destroy(&context->mutex);
  BIO_meth_free(context->bio_method);
  free_text(context->allocator, context->config.cert_file);
  free_text(context->allocator, context->config.key_file);
  free_text(context->allocator, context->config.client_ca_file);
  tp_free(context->allocator, context);
}

static bool is_valid_at(const tp_tls_certificate *certificate, int64_t now_ms) {
  return now_ms >= certificate->not_before_ms && now_ms <= certificate->not_after_ms;
}

static tuplet_status fail_not_valid(const tp_tls_context *context, const tp_tls_certificate *certificate,
                                    int64_t now_ms, tuplet_error *error) {
  bool is_expired = now_ms > certificate->not_after_ms;
  time_t seconds = (time_t)((is_expired ? certificate->not_after_ms : certificate->not_before_ms) / 1000);
  struct tm tm = {0};
  char day[16] = "";
  if (gmtime_r(&seconds, &tm) != NULL) (void)strftime(day, sizeof day, "%Y-%m-%d", &tm);
  return tp_fail(error, TUPLET_INVALID, "the certificate in %s %s on %s, and the one in force is still valid",
                 context->config.cert_file, is_expired ? "has expired" : "becomes valid only", day);
}

tuplet_status tp_tls_context_reload(tp_tls_context *context, tuplet_error *error) {
  tp_tls_keys *fresh = NULL;
  tuplet_status status = make_keys(context, &fresh, error);
  if (status != TUPLET_OK) return status;
  int64_t now_ms = tp_clock_unix_ms(&context->config.clock);
  tp_tls_keys *unused = fresh;
  (void)pthread_mutex_lock(&context->mutex);
  if (fresh->certificate.is_valid_now || !is_valid_at(&context->keys->certificate, now_ms)) {
    unused = context->keys;
    context->keys = fresh;
  }
  (void)pthread_mutex_unlock(&context->mutex);
  if (unused == fresh) status = fail_not_valid(context, &fresh->certificate, now_ms, error);
  tp_tls_keys_unref(unused);
  return status;
}

void tp_tls_context_certificate(tp_tls_context *context, tp_tls_certificate *ret_certificate) {
  tp_tls_keys *keys = tp_tls_context_keys(context);
  *ret_certificate = keys->certificate;
  tp_tls_keys_unref(keys);
}

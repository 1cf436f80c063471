/* tls_files.c: certificates and keys from PEM files, with errors that say which file and what about it. */
#include "base/status.h"
#include "net/tls_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 4 * 1024 * 1024, VERIFY_DEPTH_MAX = 8 };

const char *tp_tls_last_reason(void) {
  unsigned long code = ERR_peek_last_error();
  if (code == 0) return NULL;
  if (ERR_SYSTEM_ERROR(code)) return "the system refused";
  const char *reason = ERR_reason_error_string(code);
  return reason != NULL ? reason : "unknown reason";
}

static const char *last_reason(void) {
  const char *reason = tp_tls_last_reason();
  return reason != NULL ? reason : "unknown reason";
}

/* ---- A file's bytes -------------------------------------------------------------------------------------
 */

static tuplet_status read_all(int descriptor, const char *what, const char *path, BIO *bio,
                              tuplet_error *error) {
  char room[4096]; /* what is in it may be a key */
  tuplet_status status = TUPLET_OK;
  size_t total = 0;
  ssize_t size;
  while (status == TUPLET_OK && (size = read(descriptor, room, sizeof room)) != 0) {
    if (size < 0) {
      if (errno == EINTR) continue;
      status = tp_fail(error, TUPLET_IO, "%s %s cannot be read: %s", what, path, strerror(errno));
    } else if ((total += (size_t)size) > FILE_SIZE_MAX) {
      status = tp_fail(error, TUPLET_INVALID, "%s %s is larger than %d bytes", what, path, FILE_SIZE_MAX);
    } else if (BIO_write(bio, room, (int)size) != (int)size) {
      status = tp_fail_nomem(error);
    }
  }
  OPENSSL_cleanse(room, sizeof room);
  return status;
}

/* ret_mode: the file's permissions; NULL: they do not matter. */
static tuplet_status open_file(const char *what, const char *path, BIO **ret_bio, mode_t *ret_mode,
                               tuplet_error *error) {
  struct stat stat;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || fstat(descriptor, &stat) != 0) {
    int number = errno;
    if (descriptor >= 0) (void)close(descriptor);
    return tp_fail(error, TUPLET_IO, "%s %s cannot be opened: %s", what, path, strerror(number));
  }
  BIO *bio = BIO_new(BIO_s_mem()); /* clears its memory before it gives it back */
  tuplet_status status = bio == NULL ? tp_fail_nomem(error) : read_all(descriptor, what, path, bio, error);
  (void)close(descriptor);
  if (status != TUPLET_OK) {
    BIO_free(bio);
    return status;
  }
  *ret_bio = bio;
  if (ret_mode != NULL) *ret_mode = stat.st_mode;
  return TUPLET_OK;
}

/* ---- Certificates ---------------------------------------------------------------------------------------
 */

/* We know no passwords, and never ask at a terminal. */
static int on_password(char *room, int size, int is_writing, void *context) {
  (void)is_writing;
  if (size > 0) room[0] = '\0';
  *(bool *)context = true;
  return -1;
}

/* The next certificate of the file; none and TUPLET_OK at its end. */
static tuplet_status read_certificate(BIO *bio, const char *what, const char *path, X509 **ret_certificate,
                                      tuplet_error *error) {
  bool is_encrypted = false;
  ERR_clear_error();
  *ret_certificate = PEM_read_bio_X509(bio, NULL, on_password, &is_encrypted);
  if (*ret_certificate != NULL) return TUPLET_OK;
  unsigned long code = ERR_peek_last_error();
  bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (is_end) return TUPLET_OK;
  return tp_fail(error, TUPLET_INVALID, "%s %s has a certificate that cannot be read: %s", what, path,
                 last_reason());
}

static tuplet_status fail_without_certificate(const char *what, const char *path, tuplet_error *error) {
  return tp_fail(error, TUPLET_INVALID,
                 "%s %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", what, path);
}

static const char cert_what[] = "the TLS certificate file";
static const char key_what[] = "the TLS key file";
static const char ca_what[] = "the file of clients' certificate authorities";

/* The first is the server's, the others are sent along. */
static tuplet_status load_chain(const char *path, SSL_CTX *ssl_ctx, tuplet_error *error) {
  BIO *bio = NULL;
  tuplet_status status = open_file(cert_what, path, &bio, NULL, error);
  for (size_t i = 0; status == TUPLET_OK; i++) {
    X509 *certificate = NULL;
    status = read_certificate(bio, cert_what, path, &certificate, error);
    if (status == TUPLET_OK && certificate == NULL) {
      if (i == 0) status = fail_without_certificate(cert_what, path, error);
      break;
    }
    if (status != TUPLET_OK) break;
    int taken = i == 0 ? SSL_CTX_use_certificate(ssl_ctx, certificate)
                       : (int)SSL_CTX_add1_chain_cert(ssl_ctx, certificate);
    if (taken != 1)
      status = tp_fail(error, TUPLET_INVALID, "%s %s: certificate %zu is refused: %s", cert_what, path, i + 1,
                       last_reason());
    X509_free(certificate);
  }
  BIO_free(bio);
  return status;
}

static tuplet_status load_key(const tp_tls_config *config, SSL_CTX *ssl_ctx, bool *ret_is_exposed,
                              tuplet_error *error) {
  const char *path = config->key_file;
  BIO *bio = NULL;
  mode_t mode = 0;
  bool is_encrypted = false;
  tuplet_status status = open_file(key_what, path, &bio, &mode, error);
  if (status != TUPLET_OK) return status;
  ERR_clear_error();
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &is_encrypted);
  BIO_free(bio);
  if (is_encrypted) {
    status = tp_fail(error, TUPLET_INVALID,
                     "%s %s is encrypted; a server that starts by itself needs one that is not (openssl pkey "
                     "-in ... -out ...)",
                     key_what, path);
  } else if (key == NULL) {
    status = tp_fail(error, TUPLET_INVALID,
                     "%s %s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", key_what, path);
  } else if (X509_check_private_key(SSL_CTX_get0_certificate(ssl_ctx), key) != 1) {
    status = tp_fail(error, TUPLET_INVALID, "the key in %s is not that of the (first) certificate in %s",
                     path, config->cert_file);
  } else if (SSL_CTX_use_PrivateKey(ssl_ctx, key) != 1) {
    status = tp_fail(error, TUPLET_INVALID, "%s %s: the key is refused: %s", key_what, path, last_reason());
  }
  EVP_PKEY_free(key);
  *ret_is_exposed = S_ISREG(mode) && (mode & S_IROTH) != 0;
  return status;
}

/* Trusted are exactly those in the file, whether or not they are anybody's own root. */
static tuplet_status load_client_authorities(const tp_tls_config *config, SSL_CTX *ssl_ctx,
                                             tuplet_error *error) {
  const char *path = config->client_ca_file;
  X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
  BIO *bio = NULL;
  tuplet_status status = open_file(ca_what, path, &bio, NULL, error);
  for (size_t i = 0; status == TUPLET_OK; i++) {
    X509 *certificate = NULL;
    status = read_certificate(bio, ca_what, path, &certificate, error);
    if (status == TUPLET_OK && certificate == NULL) {
      if (i == 0) status = fail_without_certificate(ca_what, path, error);
      break;
    }
    if (status != TUPLET_OK) break;
    if (X509_STORE_add_cert(store, certificate) != 1 || SSL_CTX_add_client_CA(ssl_ctx, certificate) != 1)
      status = tp_fail_nomem(error);
    X509_free(certificate);
  }
  BIO_free(bio);
  if (status != TUPLET_OK) return status;
  (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify_depth(ssl_ctx, VERIFY_DEPTH_MAX);
  int mode = SSL_VERIFY_PEER | (config->client_is_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
  SSL_CTX_set_verify(ssl_ctx, mode, NULL);
  return TUPLET_OK;
}

/* ---- What an operator wants to know ---------------------------------------------------------------------
 */

static int64_t milliseconds_of(const ASN1_TIME *time) {
  struct tm tm;
  return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void print_first_host(X509 *certificate, char *ret_text, size_t size) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    (void)snprintf(ret_text, size, "%.*s", ASN1_STRING_length(name->d.dNSName),
                   (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    break;
  }
  GENERAL_NAMES_free(names);
}

/* Newer certificates have no subject but only names of hosts. */
static void print_subject(X509 *certificate, char *ret_text, size_t size) {
  ret_text[0] = '\0';
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio != NULL) {
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    int length = BIO_read(bio, ret_text, (int)size - 1);
    ret_text[length > 0 ? length : 0] = '\0';
    BIO_free(bio);
  }
  if (ret_text[0] == '\0') print_first_host(certificate, ret_text, size);
}

static void describe(X509 *certificate, const tp_clock *clock, tp_tls_certificate *ret_certificate) {
  print_subject(certificate, ret_certificate->subject, sizeof ret_certificate->subject);
  ret_certificate->not_before_ms = milliseconds_of(X509_get0_notBefore(certificate));
  ret_certificate->not_after_ms = milliseconds_of(X509_get0_notAfter(certificate));
  int64_t now_ms = tp_clock_unix_ms(clock);
  ret_certificate->is_valid_now =
      now_ms >= ret_certificate->not_before_ms && now_ms <= ret_certificate->not_after_ms;
}

tuplet_status tp_tls_files_load(const tp_tls_config *config, SSL_CTX *ssl_ctx,
                                tp_tls_certificate *ret_certificate, tuplet_error *error) {
  tp_tls_certificate certificate = {0};
  tuplet_status status = load_chain(config->cert_file, ssl_ctx, error);
  if (status == TUPLET_OK) status = load_key(config, ssl_ctx, &certificate.key_is_exposed, error);
  if (status == TUPLET_OK && config->client_ca_file != NULL)
    status = load_client_authorities(config, ssl_ctx, error);
  if (status == TUPLET_OK) {
    describe(SSL_CTX_get0_certificate(ssl_ctx), &config->clock, &certificate);
    *ret_certificate = certificate;
  }
  ERR_clear_error();
  return status;
}

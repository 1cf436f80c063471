/* certificates.c: authorities and certificates made on the spot. */
#include "certificates.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void add_extension(X509 *certificate, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  assert_non_null(extension);
  assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *certificate, const identity_options *options) {
  char host[CERTIFICATES_PATH_SIZE];
  if (options->is_authority) {
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    return;
  }
  (void)snprintf(host, sizeof host, "DNS:%s,IP:127.0.0.1", options->name);
  add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate, NID_ext_key_usage, options->is_for_clients ? "clientAuth" : "serverAuth");
  add_extension(certificate, NID_subject_alt_name, host);
}

identity identity_make(const identity_options *options) {
  long serial = 0;
  assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof serial), 1);
  identity made = {.certificate = X509_new()};
  made.key = options->rsa_bits > 0 ? EVP_RSA_gen((unsigned)options->rsa_bits) : EVP_EC_gen("P-256");
  assert_non_null(made.key);
  assert_non_null(made.certificate);
  bool is_default = options->begins_in_s == 0 && options->ends_in_s == 0;
  long begins = is_default ? -3600 : options->begins_in_s, ends = is_default ? 86400 : options->ends_in_s;
  X509 *certificate = made.certificate;
  assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
  assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial & 0x7fffffff), 1);
  assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), begins));
  assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), ends));
  assert_int_equal(X509_set_pubkey(certificate, made.key), 1);
  X509_NAME *name = X509_get_subject_name(certificate);
  const unsigned char *text = (const unsigned char *)options->name;
  assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0), 1);
  const identity *issuer = options->issuer != NULL ? options->issuer : &made;
  assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate)), 1);
  add_extensions(certificate, options);
  assert_true(X509_sign(certificate, issuer->key, EVP_sha256()) > 0);
  return made;
}

void identity_done(identity *made) {
  EVP_PKEY_free(made->key);
  X509_free(made->certificate);
  *made = (identity){0};
}

void certificates_init(certificates *files) {
  const char *parent = getenv("TMPDIR");
  (void)snprintf(files->folder, sizeof files->folder, "%s/tuplet-tls-XXXXXX",
                 parent != NULL ? parent : "/tmp");
  assert_non_null(mkdtemp(files->folder));
}

void certificates_done(certificates *files) {
  DIR *folder = opendir(files->folder);
  assert_non_null(folder);
  for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    if (entry->d_name[0] != '.') (void)unlinkat(dirfd(folder), entry->d_name, 0);
  }
  (void)closedir(folder);
  assert_int_equal(rmdir(files->folder), 0);
}

void certificates_path(const certificates *files, const char *name, char ret_path[CERTIFICATES_PATH_SIZE]) {
  int size = snprintf(ret_path, CERTIFICATES_PATH_SIZE, "%s/%s", files->folder, name);
  assert_true(size > 0 && size < CERTIFICATES_PATH_SIZE);
}

static FILE *open_to_write(const certificates *files, const char *name) {
  char path[CERTIFICATES_PATH_SIZE];
  certificates_path(files, name, path);
  int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(descriptor >= 0);
  FILE *file = fdopen(descriptor, "w");
  assert_non_null(file);
  return file;
}

void certificates_write(const certificates *files, const char *name, X509 *const *all, int count) {
  FILE *file = open_to_write(files, name);
  for (int i = 0; i < count; i++) assert_int_equal(PEM_write_X509(file, all[i]), 1);
  assert_int_equal(fclose(file), 0);
}

void certificates_write_key(const certificates *files, const char *name, EVP_PKEY *key,
                            const char *password) {
  FILE *file = open_to_write(files, name);
  const EVP_CIPHER *cipher = password != NULL ? EVP_aes_256_cbc() : NULL;
  int size = password != NULL ? (int)strlen(password) : 0;
  assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, cipher, password, size, NULL, NULL), 1);
  assert_int_equal(fclose(file), 0);
}

void certificates_write_text(const certificates *files, const char *name, const char *text) {
  FILE *file = open_to_write(files, name);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

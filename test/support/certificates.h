/* certificates.h: authorities and certificates made on the spot, as PEM files in a folder that goes with
 * them. */
#ifndef TEST_SUPPORT_CERTIFICATES_H
#define TEST_SUPPORT_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

enum { CERTIFICATES_PATH_SIZE = 128 };

/* A key and its certificate. */
typedef struct identity {
  EVP_PKEY *key;
  X509 *certificate;
} identity;

typedef struct identity_options {
  const char *name;       /* its CN; also the host name */
  const identity *issuer; /* NULL: signed by itself */
  bool is_authority;
  bool is_for_clients;
  long begins_in_s, ends_in_s; /* from now; both 0: from an hour ago, for a day */
  int rsa_bits;                /* 0: an elliptic curve's key */
} identity_options;

identity identity_make(const identity_options *options);
void identity_done(identity *made);

/* A new folder, and files in it. */
typedef struct certificates {
  char folder[CERTIFICATES_PATH_SIZE];
} certificates;

void certificates_init(certificates *files);
/* With all that is in it. */
void certificates_done(certificates *files);

void certificates_path(const certificates *files, const char *name, char ret_path[CERTIFICATES_PATH_SIZE]);
/* `count` certificates one after the other. */
void certificates_write(const certificates *files, const char *name, X509 *const *all, int count);
/* password: NULL: not encrypted. Only the owner may read it. */
void certificates_write_key(const certificates *files, const char *name, EVP_PKEY *key, const char *password);
void certificates_write_text(const certificates *files, const char *name, const char *text);

#endif

/* tls_ticket.c: the keys that session tickets are sealed with: made when needed, replaced by the clock. */
#include "net/tls_private.h"

#include "base/random.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { TICKET_FAILED = -1, TICKET_UNKNOWN = 0, TICKET_TAKEN = 1, TICKET_TO_RENEW = 2 };

void tp_tls_tickets_init(tp_tls_tickets *tickets, const tp_clock *clock) {
  *tickets = (tp_tls_tickets){.clock = *clock};
  (void)pthread_mutex_init(&tickets->mutex, NULL); /* without attributes it cannot fail on Linux */
}

void tp_tls_tickets_done(tp_tls_tickets *tickets) {
  (void)pthread_mutex_destroy(&tickets->mutex);
  OPENSSL_cleanse(&tickets->current, sizeof tickets->current);
  OPENSSL_cleanse(&tickets->previous, sizeof tickets->previous);
}

/* Lets the present time decide which keys there are; with the mutex held. */
static void age(tp_tls_tickets *tickets, int64_t now_ms) {
  int64_t age_ms = now_ms - tickets->current_since_ms;
  if (tickets->has_current && age_ms >= TP_TLS_TICKET_LIFETIME_MS) {
    tickets->previous = tickets->current;
    tickets->has_previous = true;
    tickets->has_current = false;
  }
  if (tickets->has_previous && age_ms >= 2 * TP_TLS_TICKET_LIFETIME_MS) {
    OPENSSL_cleanse(&tickets->previous, sizeof tickets->previous);
    tickets->has_previous = false;
  }
}

static bool make_current(tp_tls_tickets *tickets, int64_t now_ms) {
  if (tickets->has_current) return true;
  if (tp_random_fill(&tickets->current, sizeof tickets->current, NULL) != TUPLET_OK) return false;
  tickets->has_current = true;
  tickets->current_since_ms = now_ms;
  return true;
}

/* Copies the key to use, so that the work with it is done without the mutex. */
static int find_key(tp_tls_tickets *tickets, const uint8_t *name, bool is_new, tp_tls_ticket_key *ret_key) {
  int64_t now_ms = tp_clock_monotonic_ns(&tickets->clock) / 1000000;
  int result = TICKET_UNKNOWN;
  (void)pthread_mutex_lock(&tickets->mutex);
  age(tickets, now_ms);
  if (is_new) {
    result = make_current(tickets, now_ms) ? TICKET_TAKEN : TICKET_FAILED;
    *ret_key = tickets->current;
  } else if (tickets->has_current && memcmp(name, tickets->current.name, sizeof ret_key->name) == 0) {
    result = TICKET_TAKEN;
    *ret_key = tickets->current;
  } else if (tickets->has_previous && memcmp(name, tickets->previous.name, sizeof ret_key->name) == 0) {
    result = TICKET_TO_RENEW;
    *ret_key = tickets->previous;
  }
  (void)pthread_mutex_unlock(&tickets->mutex);
  return result;
}

static bool set_mac(EVP_MAC_CTX *mac, tp_tls_ticket_key *key) {
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, sizeof key->mac_key),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int tp_tls_tickets_apply(tp_tls_tickets *tickets, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, bool is_new) {
  tp_tls_ticket_key key = {0};
  int result = find_key(tickets, name, is_new, &key);
  if (result <= TICKET_UNKNOWN) return result;
  const EVP_CIPHER *aes = EVP_aes_256_cbc();
  bool is_ready = set_mac(mac, &key);
  if (is_new) {
    memcpy(name, key.name, sizeof key.name);
    is_ready = is_ready && RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1 &&
               EVP_EncryptInit_ex2(cipher, aes, key.cipher_key, iv, NULL) == 1;
  } else {
    is_ready = is_ready && EVP_DecryptInit_ex2(cipher, aes, key.cipher_key, iv, NULL) == 1;
  }
  OPENSSL_cleanse(&key, sizeof key);
  return is_ready ? result : TICKET_FAILED;
}

/* auth.c: who may open a database, and who has opened one. */
#include "server/access/auth.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "codec/base64.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

enum { MAC_SIZE = 32, SESSION_VERSION = 2, FLAG_MAY_WRITE = 1 };

/* Where things stand in a session token's bytes. */
enum {
  OFFSET_VERSION = 0,
  OFFSET_FLAGS = 1,
  OFFSET_DATABASE_ID = 2,
  OFFSET_TOKEN_ID = OFFSET_DATABASE_ID + TP_AUTH_DATABASE_ID_SIZE,
  OFFSET_EXPIRES_AT = OFFSET_TOKEN_ID + 8,
  OFFSET_MAC = OFFSET_EXPIRES_AT + 8,
  SESSION_SIZE = OFFSET_MAC + MAC_SIZE
};

struct tp_auth {
  const tuplet_allocator *allocator;
  EVP_MAC_CTX *sessions;         /* with the session key; only ever copied, and so free for all threads */
  uint8_t compare_key[MAC_SIZE]; /* random: see tp_auth_access_token_matches */
  uint8_t access_token_digest[MAC_SIZE]; /* under compare_key */
  bool has_access_token;

  pthread_rwlock_t lock; /* for `tokens`: read by every request, for a few instructions */
  tp_tokens *tokens;     /* NULL: none */
};

/* The usual kind lets readers that come without a pause keep a writer out for ever. */
static bool lock_init(pthread_rwlock_t *lock) {
  pthread_rwlockattr_t attributes;
  if (pthread_rwlockattr_init(&attributes) != 0) return false;
  bool made = pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
              pthread_rwlock_init(lock, &attributes) == 0;
  (void)pthread_rwlockattr_destroy(&attributes);
  return made;
}

static bool mac(const uint8_t key[MAC_SIZE], const void *data, size_t size, uint8_t ret_mac[MAC_SIZE]) {
  size_t written;
  return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, MAC_SIZE, data, size, ret_mac, MAC_SIZE,
                   &written) != NULL &&
         written == MAC_SIZE;
}

/* NULL when there is none. */
static EVP_MAC_CTX *mac_context_new(const uint8_t key[MAC_SIZE]) {
  EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *context = algorithm != NULL ? EVP_MAC_CTX_new(algorithm) : NULL;
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  if (context != NULL && EVP_MAC_init(context, key, MAC_SIZE, parameters) != 1) {
    EVP_MAC_CTX_free(context);
    context = NULL;
  }
  EVP_MAC_free(algorithm); /* the context has a reference of its own */
  return context;
}

/* The MAC of a session; far quicker than starting from the key. */
static bool session_mac(const tp_auth *auth, const void *data, size_t size, uint8_t ret_mac[MAC_SIZE]) {
  size_t written;
  EVP_MAC_CTX *context = EVP_MAC_CTX_dup(auth->sessions);
  bool made = context != NULL && EVP_MAC_update(context, data, size) == 1 &&
              EVP_MAC_final(context, ret_mac, &written, MAC_SIZE) == 1 && written == MAC_SIZE;
  EVP_MAC_CTX_free(context);
  return made;
}

tuplet_status tp_auth_new(const tuplet_allocator *allocator, const char *access_token,
                          const uint8_t secret[TP_AUTH_SECRET_SIZE], tp_auth **ret_auth,
                          tuplet_error *error) {
  _Static_assert((int)TP_AUTH_SECRET_SIZE == (int)MAC_SIZE, "the secret is a key");
  tp_auth *auth = tp_alloc(allocator, sizeof *auth);
  if (auth == NULL) return tp_fail_nomem(error);
  *auth = (tp_auth){.allocator = allocator, .has_access_token = access_token != NULL};
  if (!lock_init(&auth->lock)) {
    tp_free(allocator, auth);
    return tp_fail_nomem(error);
  }
  uint8_t session_key[MAC_SIZE];
  tuplet_status status = tp_random_fill(auth->compare_key, sizeof auth->compare_key, error);
  if (status != TUPLET_OK) goto out;

  const char *text = access_token != NULL ? access_token : "";
  size_t size = strlen(text);
  if (!mac(secret, text, size, session_key) ||
      !mac(auth->compare_key, text, size, auth->access_token_digest) ||
      (auth->sessions = mac_context_new(session_key)) == NULL)
    status = tp_fail(error, TUPLET_IO, "OpenSSL cannot make an HMAC-SHA-256.");
out:
  OPENSSL_cleanse(session_key, sizeof session_key);
  if (status == TUPLET_OK)
    *ret_auth = auth;
  else
    tp_auth_free(auth);
  return status;
}

void tp_auth_free(tp_auth *auth) {
  if (auth == NULL) return;
  const tuplet_allocator *allocator = auth->allocator;
  tp_tokens_free(auth->tokens);
  (void)pthread_rwlock_destroy(&auth->lock);
  EVP_MAC_CTX_free(auth->sessions);
  OPENSSL_cleanse(auth, sizeof *auth);
  tp_free(allocator, auth);
}

void tp_auth_set_tokens(tp_auth *auth, tp_tokens *tokens) {
  (void)pthread_rwlock_wrlock(&auth->lock);
  tp_tokens *old = auth->tokens;
  auth->tokens = tokens;
  (void)pthread_rwlock_unlock(&auth->lock);
  tp_tokens_free(old);
}

bool tp_auth_bearer(tuplet_bytes header, tuplet_bytes *ret_token) {
  static const char scheme[] = "bearer ";
  const size_t scheme_size = sizeof scheme - 1;
  if (header.size <= scheme_size || strncasecmp(header.data, scheme, scheme_size) != 0) return false;
  const char *token = (const char *)header.data + scheme_size;
  size_t size = header.size - scheme_size;
  while (size > 0 && *token == ' ') {
    token++;
    size--;
  }
  if (size == 0 || memchr(token, ' ', size) != NULL) return false;
  *ret_token = (tuplet_bytes){token, size};
  return true;
}

/* What is compared are digests under a key that nobody else has, so that neither the length nor the place of
 * the first wrong character shows in the time it takes. */
bool tp_auth_access_token_matches(const tp_auth *auth, tuplet_bytes token) {
  uint8_t digest[MAC_SIZE];
  return auth->has_access_token && mac(auth->compare_key, token.data, token.size, digest) &&
         CRYPTO_memcmp(digest, auth->access_token_digest, sizeof digest) == 0;
}

tuplet_status tp_auth_identify(tp_auth *auth, tuplet_bytes token, int64_t now_ms, tp_grant *ret_grant) {
  if (tp_auth_access_token_matches(auth, token)) {
    *ret_grant = (tp_grant){TP_AUTH_ACCESS_TOKEN_ID, true, TP_TOKEN_NEVER};
    return TUPLET_OK;
  }
  tuplet_status status = TUPLET_INVALID;
  (void)pthread_rwlock_rdlock(&auth->lock);
  const tp_token *found = auth->tokens != NULL ? tp_tokens_verify(auth->tokens, token) : NULL;
  if (found != NULL && now_ms >= found->expires_at_ms) {
    status = TUPLET_TIMEOUT;
  } else if (found != NULL) {
    *ret_grant = (tp_grant){found->id, found->may_write, found->expires_at_ms};
    status = TUPLET_OK;
  }
  (void)pthread_rwlock_unlock(&auth->lock);
  return status;
}

bool tp_auth_may_open(tp_auth *auth, uint64_t token_id, tuplet_bytes database) {
  if (token_id == TP_AUTH_ACCESS_TOKEN_ID) return auth->has_access_token;
  (void)pthread_rwlock_rdlock(&auth->lock);
  const tp_token *token = auth->tokens != NULL ? tp_tokens_find(auth->tokens, token_id) : NULL;
  bool may = token != NULL && tp_token_may_open(token, database);
  (void)pthread_rwlock_unlock(&auth->lock);
  return may;
}

/* ---- Sessions ---- */

static void put_u64(uint8_t *bytes, uint64_t number) {
  for (size_t i = 0; i < 8; i++) bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; i++) number = number << 8 | bytes[i];
  return number;
}

tuplet_status tp_auth_session_sign(const tp_auth *auth, const tp_session *session,
                                   char ret_token[TP_AUTH_SESSION_TOKEN_SIZE_MAX], tuplet_error *error) {
  uint8_t bytes[SESSION_SIZE] = {0};
  bytes[OFFSET_VERSION] = SESSION_VERSION;
  bytes[OFFSET_FLAGS] = session->may_write ? FLAG_MAY_WRITE : 0;
  memcpy(bytes + OFFSET_DATABASE_ID, session->database_id, TP_AUTH_DATABASE_ID_SIZE);
  put_u64(bytes + OFFSET_TOKEN_ID, session->token_id);
  put_u64(bytes + OFFSET_EXPIRES_AT, (uint64_t)session->expires_at_ms);
  if (!session_mac(auth, bytes, OFFSET_MAC, bytes + OFFSET_MAC))
    return tp_fail(error, TUPLET_IO, "OpenSSL could not sign a session token.");

  tuplet_status status = TUPLET_OK;
  tp_buffer text;
  tp_buffer_init(&text, auth->allocator);
  tp_base64_append(&text, (tuplet_bytes){bytes, sizeof bytes});
  if (text.failed || text.size >= TP_AUTH_SESSION_TOKEN_SIZE_MAX) {
    status = tp_fail_nomem(error);
  } else {
    memcpy(ret_token, text.data, text.size);
    ret_token[text.size] = '\0';
  }
  tp_buffer_done(&text);
  return status;
}

/* With the lock held. */
static tuplet_status narrow(const tp_tokens *tokens, tp_session *session, tuplet_bytes database) {
  const tp_token *token = tokens != NULL ? tp_tokens_find(tokens, session->token_id) : NULL;
  if (token == NULL) return TUPLET_CLOSED;
  if (token->expires_at_ms < session->expires_at_ms) session->expires_at_ms = token->expires_at_ms;
  if (!token->may_write) session->may_write = false;
  return database.data == NULL || tp_token_may_open(token, database) ? TUPLET_OK : TUPLET_NOT_FOUND;
}

tuplet_status tp_auth_session_check(tp_auth *auth, tp_session *session, tuplet_bytes database,
                                    int64_t now_ms) {
  tuplet_status status = auth->has_access_token ? TUPLET_OK : TUPLET_CLOSED;
  if (session->token_id != TP_AUTH_ACCESS_TOKEN_ID) {
    (void)pthread_rwlock_rdlock(&auth->lock);
    status = narrow(auth->tokens, session, database);
    (void)pthread_rwlock_unlock(&auth->lock);
  }
  if (status == TUPLET_OK && now_ms >= session->expires_at_ms) status = TUPLET_TIMEOUT;
  return status;
}

/* What a token says, if we have signed it. */
static bool read_signed(const tp_auth *auth, tuplet_bytes token, tp_session *ret_session) {
  uint8_t bytes[TP_AUTH_SESSION_TOKEN_SIZE_MAX];
  uint8_t expected[MAC_SIZE];
  size_t size;
  if (token.size >= TP_AUTH_SESSION_TOKEN_SIZE_MAX || tp_base64_size_max(token.size) > sizeof bytes ||
      !tp_base64_read(token.data, token.size, bytes, &size) || size != SESSION_SIZE ||
      bytes[OFFSET_VERSION] != SESSION_VERSION)
    return false;
  if (!session_mac(auth, bytes, OFFSET_MAC, expected) ||
      CRYPTO_memcmp(expected, bytes + OFFSET_MAC, MAC_SIZE) != 0)
    return false;
  *ret_session = (tp_session){.token_id = get_u64(bytes + OFFSET_TOKEN_ID),
                              .may_write = (bytes[OFFSET_FLAGS] & FLAG_MAY_WRITE) != 0,
                              .expires_at_ms = (int64_t)get_u64(bytes + OFFSET_EXPIRES_AT)};
  memcpy(ret_session->database_id, bytes + OFFSET_DATABASE_ID, TP_AUTH_DATABASE_ID_SIZE);
  return true;
}

/* Clients of a proxy share a connection, and with it its memo: the time that comparing takes must not tell
 * one of them how far a guess of another's token was right. As CRYPTO_memcmp, but words at a time. */
static bool texts_are_equal(const char a[TP_AUTH_SESSION_TOKEN_SIZE_MAX],
                            const char b[TP_AUTH_SESSION_TOKEN_SIZE_MAX]) {
  enum { WORD_COUNT = TP_AUTH_SESSION_TOKEN_SIZE_MAX / sizeof(uint64_t) };
  static_assert(WORD_COUNT * sizeof(uint64_t) == TP_AUTH_SESSION_TOKEN_SIZE_MAX, "it is whole words");
  uint64_t words[2][WORD_COUNT];
  memcpy(words[0], a, sizeof words[0]);
  memcpy(words[1], b, sizeof words[1]);
  uint64_t difference = 0;
  for (size_t i = 0; i < WORD_COUNT; i++) {
    difference |= words[0][i] ^ words[1][i];
    __asm__("" : "+r"(difference)); /* nothing is known of it that would allow to stop */
  }
  return difference == 0;
}

static bool recall(const tp_session_memo *memo, tuplet_bytes token, tp_session *ret_session) {
  if (memo == NULL || memo->size == 0 || memo->size != token.size) return false;
  char text[TP_AUTH_SESSION_TOKEN_SIZE_MAX] = {0};
  memcpy(text, token.data, token.size);
  if (!texts_are_equal(text, memo->text)) return false;
  *ret_session = memo->session;
  return true;
}

static void remember(tp_session_memo *memo, tuplet_bytes token, const tp_session *session) {
  if (memo == NULL) return;
  memset(memo->text, 0, sizeof memo->text);
  memcpy(memo->text, token.data, token.size);
  memo->size = token.size;
  memo->session = *session;
}

tuplet_status tp_auth_session_verify(tp_auth *auth, tuplet_bytes token, int64_t now_ms, tp_session_memo *memo,
                                     tp_session *ret_session) {
  tp_session session;
  if (!recall(memo, token, &session)) {
    if (!read_signed(auth, token, &session)) return TUPLET_INVALID;
    remember(memo, token, &session);
  }
  tuplet_status status = tp_auth_session_check(auth, &session, (tuplet_bytes){0}, now_ms);
  if (status == TUPLET_OK) *ret_session = session;
  return status;
}

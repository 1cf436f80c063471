/* auth.h: who may open a database, and who has opened one.
 *
 * The access token opens the metadata exchange. What that returns is a session token: a statement about a
 * database, rights and a time, signed by the server, so that the data path believes it without a look-up:
 *
 *   base64url( version 1 | flags 1 | database id 16 | expires_at_ms 8 | HMAC-SHA-256 of those 32 )
 *
 * The signing key comes from the server's secret and the access token: a session outlives a restart of the
 * server, but not a change of the access token. */
#ifndef TP_SERVER_AUTH_H
#define TP_SERVER_AUTH_H

#include "base/buffer.h"

enum {
  TP_AUTH_SECRET_SIZE = 32,
  TP_AUTH_DATABASE_ID_SIZE = 16,
  TP_AUTH_SESSION_TOKEN_SIZE_MAX = 96 /* with its NUL */
};

/* What a session token says. */
typedef struct tp_session {
  uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE];
  bool may_write;
  int64_t expires_at_ms; /* unix */
} tp_session;

typedef struct tp_auth tp_auth;

/* Copies what it needs. Errors: TUPLET_NOMEM, TUPLET_IO (no randomness, no cryptography). */
tuplet_status tp_auth_new(const tuplet_allocator *allocator, const char *access_token,
                          const uint8_t secret[TP_AUTH_SECRET_SIZE], tp_auth **ret_auth, tuplet_error *error);
void tp_auth_free(tp_auth *auth);

/* Everything below may be called on any thread. */

/* The token of "Bearer TOKEN"; false when the header is anything else. */
bool tp_auth_bearer(tuplet_bytes header, tuplet_bytes *ret_token);

/* Takes equally long for every wrong token of a length. */
bool tp_auth_access_token_matches(const tp_auth *auth, tuplet_bytes token);

/* Errors: TUPLET_NOMEM, TUPLET_IO. */
tuplet_status tp_auth_session_sign(const tp_auth *auth, const tp_session *session,
                                   char ret_token[TP_AUTH_SESSION_TOKEN_SIZE_MAX], tuplet_error *error);

/* TUPLET_OK, TUPLET_TIMEOUT (it was valid once), or TUPLET_INVALID (anything else). */
tuplet_status tp_auth_session_verify(const tp_auth *auth, tuplet_bytes token, int64_t now_ms,
                                     tp_session *ret_session);

#endif

/* auth.h: who may open a database, and who has opened one.
 *
 * The metadata exchange is opened by the access token, which may everything, or by one of the tokens of a
 * file (tokens.h), each with rights of its own. What it returns is a session token: a statement about a
 * token, a database, rights and a time, signed by the server:
 *
 *   base64url( version 2 | flags 1 | database id 16 | token id 8 | expires_at_ms 8 | HMAC-SHA-256 of those 34
 * )
 *
 * The signing key comes from the server's secret and the access token: a session outlives a restart of the
 * server, but not a change of the access token. What it says holds as long as its token may do so itself,
 * which is looked up with each request: a session of a token that is revoked, or may less than before, loses
 * as much. */
#ifndef TP_SERVER_AUTH_H
#define TP_SERVER_AUTH_H

#include "server/access/tokens.h"

enum {
  TP_AUTH_SECRET_SIZE = 32,
  TP_AUTH_DATABASE_ID_SIZE = 16,
  TP_AUTH_SESSION_TOKEN_SIZE_MAX = 96 /* with its NUL */
};

/* The access token's id: no other token has it. */
#define TP_AUTH_ACCESS_TOKEN_ID UINT64_C(0)

/* What a session token says. */
typedef struct tp_session {
  uint8_t database_id[TP_AUTH_DATABASE_ID_SIZE];
  uint64_t token_id; /* of the token that opened it */
  bool may_write;
  int64_t expires_at_ms; /* unix */
} tp_session;

/* A session token that was found genuine, and what it says: who shows the same one again is believed without
 * checking its signature again. All zeros: none. Belongs to one thread. */
typedef struct tp_session_memo {
  size_t size;                               /* of the text; 0: none */
  char text[TP_AUTH_SESSION_TOKEN_SIZE_MAX]; /* zeros follow it */
  tp_session session;                        /* as signed */
} tp_session_memo;

/* What a token may, apart from the databases. */
typedef struct tp_grant {
  uint64_t token_id;
  bool may_write;
  int64_t expires_at_ms; /* unix; TP_TOKEN_NEVER */
} tp_grant;

typedef struct tp_auth tp_auth;

/* access_token: NULL: there is none. Copies what it needs. Errors: TUPLET_NOMEM, TUPLET_IO (no randomness, no
 * cryptography). */
tuplet_status tp_auth_new(const tuplet_allocator *allocator, const char *access_token,
                          const uint8_t secret[TP_AUTH_SECRET_SIZE], tp_auth **ret_auth, tuplet_error *error);
void tp_auth_free(tp_auth *auth);

/* Everything below may be called on any thread. */

/* Replaces the tokens of the file; at first there are none. Takes them over. Waits until nobody looks at the
 * old ones. */
void tp_auth_set_tokens(tp_auth *auth, tp_tokens *tokens);

/* The token of "Bearer TOKEN"; false when the header is anything else. */
bool tp_auth_bearer(tuplet_bytes header, tuplet_bytes *ret_token);

/* Takes equally long for every wrong token of a length. */
bool tp_auth_access_token_matches(const tp_auth *auth, tuplet_bytes token);

/* Who bears that token: the access token, or one of the file's. TUPLET_OK, TUPLET_TIMEOUT (it was valid
 * once), or TUPLET_INVALID (anything else). */
tuplet_status tp_auth_identify(tp_auth *auth, tuplet_bytes token, int64_t now_ms, tp_grant *ret_grant);

/* Whether a token may open the database of that name; false when the token is gone. */
bool tp_auth_may_open(tp_auth *auth, uint64_t token_id, tuplet_bytes database);

/* Errors: TUPLET_NOMEM, TUPLET_IO. */
tuplet_status tp_auth_session_sign(const tp_auth *auth, const tp_session *session,
                                   char ret_token[TP_AUTH_SESSION_TOKEN_SIZE_MAX], tuplet_error *error);

/* What is left of it now. memo: remembers the token when its signature is right, and then spares checking
 * that, and nothing else, the next time; NULL: none. Results: those of tp_auth_session_check, or
 * TUPLET_INVALID: it is no session token. */
tuplet_status tp_auth_session_verify(tp_auth *auth, tuplet_bytes token, int64_t now_ms, tp_session_memo *memo,
                                     tp_session *ret_session);

/* Takes from a session what its token may not do any more. database: the present name of the session's; data
 * NULL: not yet known. TUPLET_OK, TUPLET_TIMEOUT (its time or its token's has passed), TUPLET_CLOSED (its
 * token is revoked), or TUPLET_NOT_FOUND (the token may not open that database). */
tuplet_status tp_auth_session_check(tp_auth *auth, tp_session *session, tuplet_bytes database,
                                    int64_t now_ms);

#endif

/* secrets.h: what a server has to remember about a database from one start to the next: the database's id,
 * the access token made for it, and the secret that signs sessions.
 *
 * They stand in a file of their own, DATABASE.secrets, which only its owner may read; nothing is added to the
 * database file, which is Deno's as much as ours. It is a text of lines "NAME VALUE". */
#ifndef TP_SERVER_SECRETS_H
#define TP_SERVER_SECRETS_H

#include "base/random.h"
#include "server/access/auth.h"

/* 33 random bytes as base64url */
enum { TP_SECRETS_ACCESS_TOKEN_SIZE = 45 };

typedef struct tp_secrets {
  char database_id[TP_UUID_TEXT_SIZE]; /* lower case */
  char access_token[TP_SECRETS_ACCESS_TOKEN_SIZE];
  uint8_t session_secret[TP_AUTH_SECRET_SIZE];
} tp_secrets;

/* What a file of secrets turned out to be. */
typedef enum tp_secrets_source {
  TP_SECRETS_KEPT,    /* they are in the file, and will be the same next time */
  TP_SECRETS_EXPOSED, /* likewise, but others than the owner may read the file */
  TP_SECRETS_FLEETING /* the file cannot be made here: they last as long as the process, but for the id, which
                         is made from the path */
} tp_secrets_source;

/* New ones, that are kept nowhere. Errors: TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_secrets_make(const tuplet_allocator *allocator, tp_secrets *ret_secrets,
                              tuplet_error *error);

/* Those of the database at `path`, from its file of secrets, which is made when it is not there. Two servers
 * that make it at the same time end up with the same. ret_file gets the file's name, the caller's to free.
 * Errors: TUPLET_FORMAT (the file holds something else), TUPLET_IO (also when it is not a regular file, or
 * not the user's own), TUPLET_NOMEM. */
tuplet_status tp_secrets_load(const tuplet_allocator *allocator, const char *path, tp_secrets *ret_secrets,
                              tp_secrets_source *ret_source, tuplet_owned *ret_file, tuplet_error *error);

#endif

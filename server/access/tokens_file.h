/* tokens_file.h: the file of tokens: read by the server, changed by `tuplet token`.
 *
 * It is replaced as a whole, so that a reader finds the old one or the new one; who changes it holds a lock
 * (flock) on it meanwhile, so that no change of another's is lost. Comments and lines of others stay as they
 * are.
 *
 * Who may write it decides who gets in: it has to belong to the server's user or to root (who takes
 * anybody's), nobody else may write it, and it must not be a symbolic link. Reading it gives no token away,
 * but who has which. */
#ifndef TP_SERVER_TOKENS_FILE_H
#define TP_SERVER_TOKENS_FILE_H

#include "server/access/tokens.h"

#include <sys/types.h>
#include <time.h>

/* What tells one state of a file from another. */
typedef struct tp_tokens_stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed_at, modified_at;
} tp_tokens_stamp;

typedef struct tp_tokens_file {
  tp_tokens *tokens; /* the caller's to free */
  tp_tokens_stamp stamp;
  bool is_exposed; /* others than owner and group may read it */
} tp_tokens_file;

/* TUPLET_NOT_FOUND when there is no such file. Errors: those of tp_tokens_parse, TUPLET_IO. Any thread. */
tuplet_status tp_tokens_file_read(const tuplet_allocator *allocator, const char *file,
                                  tp_tokens_file *ret_read, tuplet_error *error);

/* Of the file as it is now; false when there is none. Any thread. */
bool tp_tokens_file_stamp(const char *file, tp_tokens_stamp *ret_stamp);
bool tp_tokens_stamp_equals(const tp_tokens_stamp *a, const tp_tokens_stamp *b);

/* Adds a line for a token whose name, databases, rights and times are set, and makes the token itself. The
 * file is made when it is not there. Errors: TUPLET_INVALID (the name is taken, there are as many tokens as
 * may be), TUPLET_BUSY (others have been changing the file for ten seconds), and those of
 * tp_tokens_file_read. */
tuplet_status tp_tokens_file_add(const char *file, tp_token *token, char ret_text[TP_TOKEN_TEXT_SIZE],
                                 tuplet_error *error);

/* Removes the token of that name or id, and copies it (without its databases). TUPLET_OK, or
 * TUPLET_NOT_FOUND: there is no such token. Errors: those above, but for TUPLET_INVALID. */
tuplet_status tp_tokens_file_remove(const char *file, const char *name_or_id, tp_token *ret_token,
                                    tuplet_error *error);

#endif

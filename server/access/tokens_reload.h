/* tokens_reload.h: the file of tokens while a server runs: what it says counts from about a second after it
 * was changed, or at once when the server is told to look. A file that cannot be read changes nothing. */
#ifndef TP_SERVER_TOKENS_RELOAD_H
#define TP_SERVER_TOKENS_RELOAD_H

#include "server/access/auth.h"
#include "server/access/tokens_file.h"
#include "server/monitor/log.h"

/* How often the file is looked at. */
#define TP_TOKENS_RELOAD_INTERVAL_MS 1000u

/* Used by one thread at a time. Holds nothing that has to be given back. */
typedef struct tp_tokens_reload {
  const tuplet_allocator *allocator;
  const char *file; /* borrowed; NULL: there is none, and nothing is ever done */
  tp_auth *auth;
  const tp_log *log;
  tp_tokens_stamp stamp; /* of the file when it was last looked at */
  bool is_missing;
} tp_tokens_reload;

/* Gives the file's tokens to auth. auth and log are borrowed. Errors: TUPLET_NOT_FOUND, and those of
 * tp_tokens_file_read. */
tuplet_status tp_tokens_reload_init(tp_tokens_reload *reload, const tuplet_allocator *allocator,
                                    const char *file, tp_auth *auth, const tp_log *log, tuplet_error *error);

/* Reads the file again if it has changed, or in any case when `anyway`. Logs what came of it; nothing when
 * nothing has changed. Whether there are new tokens: sessions and watches of the old ones may have ended. */
bool tp_tokens_reload_run(tp_tokens_reload *reload, bool anyway);

#endif

/* open.h: from a path to a store; the only place that knows the concrete engines. */
#ifndef TP_API_OPEN_H
#define TP_API_OPEN_H

#include "store/store.h"

#include <stdatomic.h>

/* Opens the database that `path` names, as tuplet_open describes; options are complete, not NULL. ret_path
 * (may be NULL) gets the path that was opened in the end, NUL-ended, the caller's to free. */
tuplet_status tp_open_store(const char *path, const tuplet_open_options *options, tp_clock clock,
                            tp_store **ret_store, tuplet_owned *ret_path, tuplet_error *error);

/* What a server wants besides. All of it outlives the store. */
typedef struct tp_open_wants {
  tp_engine_stats *stats;      /* NULL: none */
  const atomic_bool *gives_up; /* once it is true, on any thread: locks of others are not waited for any more,
                                  and the opening fails with TUPLET_BUSY; NULL: never */
} tp_open_wants;

/* The same, for a server. Only files and memory can be served: a URL is TUPLET_UNSUPPORTED. */
tuplet_status tp_open_store_for_server(const char *path, const tuplet_open_options *options, tp_clock clock,
                                       const tp_open_wants *wants, tp_store **ret_store,
                                       tuplet_owned *ret_path, tuplet_error *error);

/* For a program in which nobody but us uses SQLite: spares what SQLite does for others. To be called before
 * anything is opened; never by a library. */
void tp_open_process_is_ours(void);

/* "3.40.1": of the library that holds files. */
const char *tp_open_sqlite_version(void);

/* Copies the database in the file `from`, as it is now, into the empty file `to`; versionstamps stay. Others
 * may use `from` meanwhile. Blocks; the copy is on stable storage afterwards. Errors: TUPLET_FORMAT,
 * TUPLET_CORRUPT, TUPLET_IO, TUPLET_FULL, TUPLET_BUSY, TUPLET_NOMEM. */
tuplet_status tp_file_copy(const char *from, const char *to, tuplet_error *error);

/* What the database in a file holds, in one snapshot. */
typedef struct tp_file_survey {
  int64_t entries;    /* without those that have expired */
  int64_t expiring;   /* of the entries */
  int64_t queued;     /* messages that wait */
  int64_t delivering; /* messages that were handed out and are not finished */
  tuplet_versionstamp last_commit;
} tp_file_survey;

/* Changes nothing; takes as long as reading the index of expiries. Errors: as above, but TUPLET_FULL. */
tuplet_status tp_file_survey_take(const char *path, tp_clock clock, tp_file_survey *ret_survey,
                                  tuplet_error *error);

#endif

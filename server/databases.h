/* databases.h: which databases a server has, from the path a client opens to the store that a request
 * reaches.
 *
 *   path            metadata exchange          request                    afterwards
 *   /               the server's database      its id; always open        closed with the server
 *   /:memory:       a new id, an entry here    opens a store, the first   closed when it was not used for
 *                                              time                       idle_timeout_ms
 *
 * An entry for a database in memory that nobody has used yet costs a few bytes, and so an exchange that comes
 * to nothing costs nothing. Entries and open stores are bounded: beyond entry_max the entry that was unused
 * for longest is evicted, stores that are open last; beyond open_max the open store that was unused for
 * longest is, in both cases unless it was in use a moment ago. What was evicted cannot be found any more;
 * closing it takes its time, and is left to a thread that serves nobody.
 *
 * Deno's client repeats its exchange every minute while a database is open, and goes on with what the answer
 * names: with a new id its data would be gone. It does so over the connection on which it opened the
 * database, and shares that with no other. So the same connection gets the same database. */
#ifndef TP_SERVER_DATABASES_H
#define TP_SERVER_DATABASES_H

#include "server/auth.h"
#include "store/store.h"

typedef struct tp_databases tp_databases;

/* A database while a request uses it. */
typedef struct tp_database tp_database;

typedef struct tp_databases_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  tp_store *store;                      /* the server's own; borrowed */
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE]; /* its id */
  size_t entry_max;                     /* databases in memory, used or not */
  size_t open_max;                      /* of them, open at a time */
  int64_t idle_timeout_ms;              /* how long one is kept without being used */
  int64_t busy_ms;                      /* used within that time, one is not closed to open another */
  int64_t entry_busy_ms;                /* used or made within that time, none is forgotten for another */
  uint64_t memory_size_max;             /* of a database in memory, bytes; beyond, writes are TUPLET_FULL */
  /* There is something for tp_databases_end_evicted, and was not before. Called with a lock held: it may only
   * make a note. NULL: nobody is told. */
  void (*on_evicted)(void *context);
  void *on_evicted_context;
} tp_databases_config;

#define TP_DATABASES_ENTRY_MAX       4096u
#define TP_DATABASES_OPEN_MAX        256u
#define TP_DATABASES_IDLE_TIMEOUT_MS ((int64_t)5 * 60 * 1000)
#define TP_DATABASES_BUSY_MS         ((int64_t)5 * 1000)
#define TP_DATABASES_ENTRY_BUSY_MS   ((int64_t)60 * 1000)
#define TP_DATABASES_MEMORY_SIZE_MAX ((uint64_t)64 * 1024 * 1024)

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_databases_new(const tp_databases_config *config, tp_databases **ret_databases,
                               tuplet_error *error);

/* Closes the stores of all databases in memory: their requests are completed, their watches must be closed
 * before. Blocks. */
void tp_databases_close(tp_databases *databases);

/* After tp_databases_close, when no database is in use any more. NULL is fine. */
void tp_databases_free(tp_databases *databases);

/* Everything below may be called on any thread. */

/* Whether a path names a database. */
bool tp_databases_has_path(tuplet_bytes path);

/* What a path names. connection: a number that the connection has and no other; 0 when it is shared by
 * clients that know nothing of each other. *ret_lasting tells whether the database outlives the server.
 * Errors: TUPLET_INVALID (no database has that path), TUPLET_NOMEM, TUPLET_IO, TUPLET_BUSY
 * (all entries are in use). */
tuplet_status tp_databases_exchange(tp_databases *databases, tuplet_bytes path, uint64_t connection,
                                    uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], bool *ret_lasting,
                                    tuplet_error *error);

/* The database of that id, opened now if need be; it stays until it is released. May block for the
 * milliseconds that opening this one takes. TUPLET_OK, or TUPLET_NOT_FOUND: there is none (any more). Errors:
 * TUPLET_BUSY (too many are open), and those of opening. */
tuplet_status tp_databases_acquire(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                                   tp_database **ret_database, tuplet_error *error);
void tp_database_release(tp_databases *databases, tp_database *database);

tp_store *tp_database_store(const tp_database *database);

/* Its present name, by which tokens say what they may open; "default", and ":memory:" for all of those. Lives
 * until the database is released. */
const char *tp_database_name(const tp_databases *databases, const tp_database *database);

/* Whether it is the server's own, for which loops have readers of their own. */
bool tp_database_is_default(const tp_databases *databases, const tp_database *database);

/* Forgets what was not used for long enough. Blocks for as long as closing takes; not for a loop that serves.
 */
void tp_databases_sweep(tp_databases *databases);

/* Ends what was evicted. Blocks likewise. */
void tp_databases_end_evicted(tp_databases *databases);

typedef struct tp_databases_count {
  size_t entries;
  size_t open; /* of them, open or being opened */
} tp_databases_count;

/* Of the databases in memory. */
tp_databases_count tp_databases_count_now(tp_databases *databases);

#endif

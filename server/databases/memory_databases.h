/* memory_databases.h: databases in memory: each exchange names a new one, which comes into being when it is
 * used and goes away when it is not.
 *
 * An entry for a database that nobody has used yet costs a few bytes, and so an exchange that comes to
 * nothing costs nothing. Entries and open stores are bounded: beyond entry_max the entry that was unused for
 * longest is evicted, stores that are open last; beyond open_max the open store that was unused for longest
 * is, in both cases unless it was in use a moment ago. What was evicted cannot be found any more; closing it
 * takes its time, and is left to a thread that serves nobody.
 *
 * Deno's client repeats its exchange every minute while a database is open, and goes on with what the answer
 * names: with a new id its data would be gone. It does so over the connection on which it opened the
 * database, and shares that with no other. So the same connection gets the same database. */
#ifndef TP_SERVER_MEMORY_DATABASES_H
#define TP_SERVER_MEMORY_DATABASES_H

#include "server/databases/databases_private.h"

typedef struct tp_memory_databases tp_memory_databases;

/* Of the config, `allocator`, `clock`, `memory` and `on_evicted` count. Errors: TUPLET_NOMEM. */
tuplet_status tp_memory_databases_new(const tp_databases_config *config, tp_memory_databases **ret_databases,
                                      tuplet_error *error);

/* Closes the stores: their requests are completed, their watches must be closed before. Blocks. */
void tp_memory_databases_close(tp_memory_databases *databases);

/* After tp_memory_databases_close, when none is in use any more. NULL is fine. */
void tp_memory_databases_free(tp_memory_databases *databases);

/* Everything below may be called on any thread. */

/* The id of a new one, or of that which the connection got before; connection as in tp_databases_exchange.
 * Errors: TUPLET_NOMEM, TUPLET_IO (no randomness), TUPLET_BUSY (all entries are in use). */
tuplet_status tp_memory_databases_exchange(tp_memory_databases *databases, uint64_t connection,
                                           uint8_t ret_id[TP_AUTH_DATABASE_ID_SIZE], tuplet_error *error);

/* The database of that id, opened now if need be; it stays until it is released. May block for the
 * millisecond that opening takes. TUPLET_OK, or TUPLET_NOT_FOUND. Errors: TUPLET_BUSY (too many are open),
 * and those of opening. */
tuplet_status tp_memory_databases_acquire(tp_memory_databases *databases,
                                          const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                                          tp_database **ret_database, tuplet_error *error);
void tp_memory_databases_release(tp_memory_databases *databases, tp_database *database);

/* Forgets what was not used for long enough. Blocks for as long as closing takes. */
void tp_memory_databases_sweep(tp_memory_databases *databases);

/* Ends what was evicted. Blocks likewise. */
void tp_memory_databases_end_evicted(tp_memory_databases *databases);

/* Fills `entries` and `open`. */
void tp_memory_databases_count(tp_memory_databases *databases, tp_databases_count *ret_count);

#endif

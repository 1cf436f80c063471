/* collection.h: the databases of a data directory as a server uses them: opened when they are wanted, closed
 * when they are not, many more of them known than open.
 *
 *            acquired                  opened
 *   CLOSED ───────────► OPENING ───────────────► OPEN ◄──► in use
 *      ▲                   │ failed                │ idle, or for another, or asked to let go; not in use
 *      │◄──────────────────┘                       ▼
 *      └──────────────────────────────────────  CLOSING      who acquires it meanwhile waits, and then it is
 *                                                            opened again
 *
 * Which databases there are is known from reading the data directory at the start, and kept current by asking
 * it: an exchange looks up its name there; an id that is not known, or no more where it was, makes the whole
 * directory be read again, unless it has not changed, and at most once a second.
 *
 * While a database is open here its hold (catalog.h) keeps others from renaming or deleting it. Who wants to
 * is noticed by tp_collection_sweep: the database then is `leaving`; nobody gets it any more, those who have
 * it are asked to release it, and then it is closed. */
#ifndef TP_SERVER_COLLECTION_H
#define TP_SERVER_COLLECTION_H

#include "server/databases/databases_private.h"

typedef struct tp_collection tp_collection;

/* Reads the data directory. Of the config, `allocator`, `clock`, `log` and what is about the data directory
 * count. Errors: TUPLET_NOMEM, TUPLET_IO. */
tuplet_status tp_collection_new(const tp_databases_config *config, tp_collection **ret_collection,
                                tuplet_error *error);

/* As those of tp_databases. */
void tp_collection_give_up(tp_collection *collection);
void tp_collection_stop(tp_collection *collection);
void tp_collection_close(tp_collection *collection);
void tp_collection_free(tp_collection *collection);

/* Everything below may be called on any thread. All but the sweep and the visit return at once. */

/* The lookup's name and may_create say what is wanted. */
void tp_collection_exchange(tp_collection *collection, tp_database_lookup *lookup);

tp_database *tp_collection_acquire_open(tp_collection *collection,
                                        const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]);

/* The wait's id says which. */
void tp_collection_acquire(tp_collection *collection, tp_database_wait *wait);
void tp_collection_release(tp_collection *collection, tp_database *database);

bool tp_collection_sweep(tp_collection *collection);

/* Fills `known` and `files_open`. */
void tp_collection_count(tp_collection *collection, tp_databases_count *ret_count);

tuplet_status tp_collection_visit(tp_collection *collection,
                                  void (*visit)(void *context, const char *name, tp_store *store),
                                  void *context, tuplet_error *error);

#endif

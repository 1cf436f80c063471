/* databases.h: which databases a server has, from the name that a client opens to the store that a request
 * reaches.
 *
 *   path         name       which one                                 its store
 *   /            default    the server's own file, if it has one;     open as long as the server
 *                           else `default` of the data directory      as below
 *   /NAME        NAME       a database of the data directory          opened when used, closed when it was
 * not used for a while, or for another
 *   /:memory:    :memory:   a new one for each client                 see memory_databases.h
 *
 * Opening a file, closing it and looking into the data directory wait for disks: that is done on threads of
 * the databases' own, and who asked is told when it is done. */
#ifndef TP_SERVER_DATABASES_H
#define TP_SERVER_DATABASES_H

#include "server/databases/catalog.h"
#include "server/databases/clerk.h"
#include "server/monitor/log.h"
#include "store/store.h"

typedef struct tp_databases tp_databases;

/* A database while a request uses it. */
typedef struct tp_database tp_database;

/* What bounds databases in memory. */
typedef struct tp_memory_bounds {
  size_t entry_max;        /* databases in memory, used or not */
  size_t open_max;         /* of them, open at a time */
  int64_t idle_timeout_ms; /* how long one is kept without being used */
  int64_t busy_ms;         /* used within that time, one is not closed to open another */
  int64_t entry_busy_ms;   /* used or made within that time, none is forgotten for another */
  uint64_t size_max;       /* of a database, bytes; beyond, writes are TUPLET_FULL */
} tp_memory_bounds;

tp_memory_bounds tp_memory_bounds_default(void);

/* What bounds databases of the data directory. */
#define TP_DATABASES_KNOWN_MAX       ((size_t)100000)
#define TP_DATABASES_OPEN_MAX        512u
#define TP_DATABASES_IDLE_TIMEOUT_MS ((int64_t)5 * 60 * 1000)

typedef struct tp_databases_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const tp_log *log;                    /* borrowed; NULL: nobody is told */
  tp_engine_stats *stats;               /* borrowed; of all that are opened here; NULL: none */
  tp_store *store;                      /* the server's own file, borrowed; NULL: it has none */
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE]; /* its id */
  tp_memory_bounds memory;
  /* Something in memory waits for tp_databases_end_evicted, and nothing did before. Called with a lock held:
   * it may only make a note. NULL: nobody is told. */
  void (*on_evicted)(void *context);
  void *on_evicted_context;
  const tp_catalog *catalog; /* the data directory, borrowed; NULL: there is none */
  bool read_only;            /* of its databases */
  size_t known_max;          /* of its databases; beyond, none is made */
  size_t open_max;           /* of them, open at a time, > 0 */
  int64_t idle_timeout_ms;   /* how long one stays open without being used */
} tp_databases_config;

/* Reads the data directory. Errors: TUPLET_NOMEM, TUPLET_IO. */
tuplet_status tp_databases_new(const tp_databases_config *config, tp_databases **ret_databases,
                               tuplet_error *error);

/* From now on nothing is waited for that other processes may hold for ever: an opening that meets their locks
 * fails with TUPLET_BUSY. For the end; any thread. */
void tp_databases_give_up(tp_databases *databases);

/* The end, in three steps. First, once or more often: everybody who waits is told, with TUPLET_CLOSED if need
 * be, and from then on nothing is opened any more. Blocks. */
void tp_databases_stop(tp_databases *databases);

/* Second, when loops have run what the first step posted: closes the stores, but for the server's own. Their
 * requests are completed, their watches must be closed before. Blocks. */
void tp_databases_close(tp_databases *databases);

/* Third, when no database is in use any more. NULL is fine. */
void tp_databases_free(tp_databases *databases);

/* Everything below may be called on any thread. */

/* The name of the database that has a path; a view of the path, or static. False: no database can have that
 * path. */
bool tp_database_name_from_path(tuplet_bytes path, tuplet_bytes *ret_name);

/* ---- Exchanges: from a name to an id ---- */

/* Belongs to the databases from tp_databases_exchange until on_done. */
typedef struct tp_database_lookup tp_database_lookup;
struct tp_database_lookup {
  /* Once, on any thread, also before tp_databases_exchange returns; no lock is held. */
  void (*on_done)(tp_database_lookup *lookup);

  /* TUPLET_OK, or TUPLET_NOT_FOUND: no database has that name. Errors: TUPLET_NOMEM, TUPLET_IO,
   * TUPLET_FORMAT, TUPLET_BUSY, TUPLET_FULL, TUPLET_CLOSED. Messages may name files: they are not for
   * clients. */
  tuplet_status status;
  tuplet_error error;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
  bool lasting; /* it outlives the server */

  /* The databases'. */
  tp_clerk_job job;
  void *owner;
  char name[TP_DATABASE_NAME_SIZE_MAX + 1];
  bool may_create;
};

/* The id of the database of that name, which comes from tp_database_name_from_path. connection: a number that
 * the connection has and no other; 0 when it is shared by clients that know nothing of each other.
 * may_create: a database of the data directory is made when it is not there. */
void tp_databases_exchange(tp_databases *databases, tuplet_bytes name, uint64_t connection, bool may_create,
                           tp_database_lookup *lookup);

/* ---- Requests: from an id to a store ---- */

/* Belongs to the databases from tp_databases_acquire until on_done. */
typedef struct tp_database_wait tp_database_wait;
struct tp_database_wait {
  void (*on_done)(tp_database_wait *wait); /* as above */

  /* TUPLET_OK, or TUPLET_NOT_FOUND: there is none of that id (any more). Errors: TUPLET_BUSY (too many are
   * open, or it is being renamed or deleted), TUPLET_CLOSED, and those of opening. Messages may name files.
   */
  tuplet_status status;
  tuplet_error error;
  tp_database *database;
  char name[TP_DATABASE_NAME_SIZE_MAX + 1]; /* for messages to clients; empty when not known */

  /* The databases'. */
  tp_database_wait *next;
  tp_clerk_job job;
  void *owner;
  uint8_t id[TP_AUTH_DATABASE_ID_SIZE];
};

/* The database of that id if it is open; NULL: it is not, or there is none. Never waits. */
tp_database *tp_databases_acquire_open(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE]);

/* The database of that id, opened if need be. */
void tp_databases_acquire(tp_databases *databases, const uint8_t id[TP_AUTH_DATABASE_ID_SIZE],
                          tp_database_wait *wait);

/* Whoever acquired it has to release it; until then it stays open. */
void tp_database_release(tp_databases *databases, tp_database *database);

tp_store *tp_database_store(const tp_database *database);

/* Its present name, by which tokens say what they may open. Lives until the database is released. */
const char *tp_database_name(const tp_databases *databases, const tp_database *database);

/* Whether it is the server's own file, for which loops have readers of their own. */
bool tp_database_is_default(const tp_databases *databases, const tp_database *database);

/* Whether those who use it are asked to let go of it, since somebody wants to rename or delete it. */
bool tp_database_is_leaving(const tp_database *database);

/* ---- Housekeeping ---- */

/* Closes what was not used for long enough, and what others ask to have let go. Now and then, for which
 * TP_DATABASES_SWEEP_INTERVAL_MS is good. Blocks for as long as closing databases in memory takes; not for a
 * loop that serves. Returns whether a database is leaving that is still in use: its watches are to be
 * ended. */
#define TP_DATABASES_SWEEP_INTERVAL_MS 500u
bool tp_databases_sweep(tp_databases *databases);

/* Ends what was evicted. Blocks likewise. */
void tp_databases_end_evicted(tp_databases *databases);

typedef struct tp_databases_count {
  size_t entries;    /* databases in memory, used or not */
  size_t open;       /* of them, open or being opened */
  size_t known;      /* lasting databases: the server's own file, and those of the data directory */
  size_t files_open; /* of them, open, being opened or being closed */
} tp_databases_count;

tp_databases_count tp_databases_count_now(tp_databases *databases);

/* Calls `visit` for each lasting database that is open, the server's own included; each stays open meanwhile,
 * and no lock is held. Errors: TUPLET_NOMEM. */
tuplet_status tp_databases_visit(tp_databases *databases,
                                 void (*visit)(void *context, const char *name, tp_store *store),
                                 void *context, tuplet_error *error);

#endif

/* connection.h: one SQLite connection of the engine, set up for its part, with its statements prepared once.
 */
#ifndef TP_ENGINE_SQLITE_CONNECTION_H
#define TP_ENGINE_SQLITE_CONNECTION_H

#include "engine/engine.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Where the database is and how to open it; shared by all connections of an engine. */
typedef struct tp_sqlite_location {
  const char *name; /* what SQLite opens: a path, or a URI of the memdb VFS */
  const char *path; /* what messages call it */
  bool in_memory;
  bool read_only;
  uint32_t cache_kib;
  uint64_t memory_size_max; /* bytes; 0: all that SQLite can */
  tuplet_durability durability;
  const atomic_bool *gives_up; /* locks of others' are not waited for any more; NULL: they always are */
  bool is_pinned;              /* tp_sqlite_location_pin: no other file may take its place */
  dev_t device;
  ino_t inode;
} tp_sqlite_location;

typedef enum tp_sqlite_statement {
  TP_SQL_BEGIN_READ,
  TP_SQL_BEGIN_WRITE,
  TP_SQL_COMMIT,
  TP_SQL_ROLLBACK,
  TP_SQL_GET,
  TP_SQL_LOOK_UP, /* see lookup.h */
  TP_SQL_LIST,
  TP_SQL_LIST_REVERSE,
  TP_SQL_LIST_LASTING,
  TP_SQL_LIST_LASTING_REVERSE,
  TP_SQL_GET_VERSION,
  TP_SQL_SET_VERSION,
  TP_SQL_CHECK,
  TP_SQL_UPSERT_KEEPING_EXPIRY,
  TP_SQL_UPSERT,
  TP_SQL_DELETE,
  TP_SQL_ENQUEUE,
  TP_SQL_DUE_MESSAGES,
  TP_SQL_DELETE_MESSAGE,
  TP_SQL_NEXT_DUE,
  TP_SQL_LEASE,
  TP_SQL_HAS_LEASE,
  TP_SQL_GET_LEASE,
  TP_SQL_RENEW_LEASE,
  TP_SQL_DELETE_LEASE,
  TP_SQL_RUN_OUT_LEASES,
  TP_SQL_NEXT_RUN_OUT,
  TP_SQL_DELETE_EXPIRED,
  TP_SQL_NEXT_EXPIRY,
  TP_SQL_EXPIRING,
  TP_SQL_DATA_VERSION,
  TP_SQL_QUEUE_STATE,
  TP_SQL_STATEMENT_COUNT
} tp_sqlite_statement;

#define TP_SQLITE_WANTED_TABLE "tuplet_wanted"

/* What TP_SQL_LOOK_UP takes its keys from; see lookup.h, whose own it is. */
typedef struct tp_sqlite_lookup {
  sqlite3_vtab table; /* the first: SQLite knows this by it */
  sqlite3_vtab_cursor cursor;
  tuplet_bytes wanted;
  bool was_asked; /* the step has taken the wanted key */
  bool has_table;
  bool is_at_work;
} tp_sqlite_lookup;

/* Used by one thread at a time. */
typedef struct tp_sqlite_connection {
  const tp_sqlite_location *location;
  sqlite3 *db;
  int64_t busy_wait_max_ms;    /* how long a lock of others' is waited for */
  int64_t busy_since_ns;       /* of the wait that is going on, monotonic */
  atomic_bool is_ending;       /* locks of others' are not waited for any more */
  const atomic_bool *gives_up; /* the same, for as long as the location's counts; or NULL */
  sqlite3_stmt *statements[TP_SQL_STATEMENT_COUNT]; /* prepared on first use */
  tp_sqlite_lookup lookup;
} tp_sqlite_connection;

/* A connection that may be half open is fine for tp_sqlite_connection_done. `writes`: for the committer. */
tuplet_status tp_sqlite_connection_init(tp_sqlite_connection *connection, const tp_sqlite_location *location,
                                        bool writes, tuplet_error *error);
void tp_sqlite_connection_done(tp_sqlite_connection *connection);

/* A connection that writes waits less for others' locks, and not at all once the location's gives_up is set,
 * until this tells it that the opening is over: what was accepted is written if it can be. */
void tp_sqlite_connection_opened(tp_sqlite_connection *connection);

/* Notes which file the path names, once it is open: connections that are opened later must find the same one,
 * since they would mix the log of one file with another. */
tuplet_status tp_sqlite_location_pin(tp_sqlite_location *location, tuplet_error *error);

/* Whether the connection's file still is what the path names: what is written to one that was moved or
 * removed is lost to whoever opens the path next. TUPLET_IO otherwise. */
tuplet_status tp_sqlite_check_place(const tp_sqlite_connection *connection, tuplet_error *error);

/* Makes the file one with a write-ahead log, which it stays: that changes the file, so it must be known to be
 * ours. */
tuplet_status tp_sqlite_enter_wal_mode(tp_sqlite_connection *connection, tuplet_error *error);

/* The prepared statement, ready for binding; NULL (with error filled and its status in ret_status) on
 * failure. */
sqlite3_stmt *tp_sqlite_prepared(tp_sqlite_connection *connection, tp_sqlite_statement which,
                                 tuplet_status *ret_status, tuplet_error *error);

/* Runs a statement that needs no parameters and whose rows do not matter. */
tuplet_status tp_sqlite_run(tp_sqlite_connection *connection, tp_sqlite_statement which, tuplet_error *error);

/* Steps a bound statement to its end, and resets it; its rows do not matter. */
tuplet_status tp_sqlite_finish(tp_sqlite_connection *connection, sqlite3_stmt *statement, const char *doing,
                               tuplet_error *error);

/* Ends a read or write transaction without a trace, if one is open. */
void tp_sqlite_abandon(tp_sqlite_connection *connection);

/* Binds bytes without copying them; they must stay until the statement is reset. An empty view is an empty
 * blob, not NULL. */
int tp_sqlite_bind_bytes(sqlite3_stmt *statement, int index, tuplet_bytes bytes);

/* A column's bytes, valid until the statement's next step or reset. */
tuplet_bytes tp_sqlite_column_bytes(sqlite3_stmt *statement, int column);

/* A row's expiry, unix ms, or TP_EXPIRES_NEVER: rows of older files may have NULL there. */
int64_t tp_sqlite_column_expiry(sqlite3_stmt *statement, int column);

static inline bool tp_sqlite_is_expired(int64_t expires_at_ms, int64_t now_ms) {
  return expires_at_ms >= 0 && expires_at_ms <= now_ms;
}

#endif

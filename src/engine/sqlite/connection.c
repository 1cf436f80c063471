/* connection.c: one SQLite connection of the engine, set up for its part. */
#include "engine/sqlite/connection.h"

#include "base/clock.h"
#include "base/status.h"
#include "engine/sqlite/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long another process may hold the write lock before an operation gives up with TUPLET_BUSY. Long: a
 * healthy neighbour holds it for milliseconds, and giving up is of no use to a caller who would only try
 * again. */
enum { BUSY_WAIT_MAX_MS = 60000 };

/* While opening for writing, less: only who has the whole file for itself is in the way, or others that open
 * it at the same time; and a server has few threads that open files. */
enum { OPENING_WAIT_MAX_MS = 15000 };

/* A WAL that grew past this, because a reader held on to it, is cut back when it starts over. */
enum { WAL_KEPT_SIZE_MAX = 64 << 20 };

/* memdb keeps a database in one block, and SQLite allocates no larger ones than 2 GiB: stop just below, where
 * it is a full disk rather than a lack of memory. */
static const sqlite3_int64 memory_size_limit = INT64_C(0x7fff0000);

static const char *const statement_texts[TP_SQL_STATEMENT_COUNT] = {
    [TP_SQL_BEGIN_READ] = "BEGIN",
    [TP_SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [TP_SQL_COMMIT] = "COMMIT",
    [TP_SQL_ROLLBACK] = "ROLLBACK",
    [TP_SQL_GET] = "SELECT v, v_encoding, version, expiration_ms FROM kv WHERE k = ?1",
    [TP_SQL_LOOK_UP] = "SELECT v, v_encoding, version, expiration_ms, kv.k FROM " TP_SQLITE_WANTED_TABLE
                       " AS wanted LEFT JOIN kv ON kv.k = wanted.k",
#define LIST(columns, order) "SELECT " columns " FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k" order
    [TP_SQL_LIST] = LIST("v, v_encoding, version, k, expiration_ms", ""),
    [TP_SQL_LIST_REVERSE] = LIST("v, v_encoding, version, k, expiration_ms", " DESC"),
    [TP_SQL_LIST_LASTING] = LIST("v, v_encoding, version, k", ""),
    [TP_SQL_LIST_LASTING_REVERSE] = LIST("v, v_encoding, version, k", " DESC"),
#undef LIST
    [TP_SQL_GET_VERSION] = "SELECT version FROM data_version WHERE k = 0",
    [TP_SQL_SET_VERSION] = "UPDATE data_version SET version = ?1 WHERE k = 0",
    [TP_SQL_CHECK] = "SELECT version, expiration_ms FROM kv WHERE k = ?1",
    /* Leaves the expiry index alone, which is most of the cost of an overwrite; changes nothing when the row
     * has another expiry. */
    [TP_SQL_UPSERT_KEEPING_EXPIRY] =
        "INSERT INTO kv (k, v, v_encoding, version, expiration_ms) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (k) DO UPDATE SET v = excluded.v, v_encoding = excluded.v_encoding,"
        " version = excluded.version, seq = 0 WHERE expiration_ms = excluded.expiration_ms",
    [TP_SQL_UPSERT] = "INSERT INTO kv (k, v, v_encoding, version, expiration_ms) VALUES (?1, ?2, ?3, ?4, ?5)"
                      " ON CONFLICT (k) DO UPDATE SET v = excluded.v, v_encoding = excluded.v_encoding,"
                      " version = excluded.version, seq = 0, expiration_ms = excluded.expiration_ms",
    [TP_SQL_DELETE] = "DELETE FROM kv WHERE k = ?1",
    [TP_SQL_ENQUEUE] = "INSERT OR IGNORE INTO queue (ts, id, data, backoff_schedule, keys_if_undelivered)"
                       " VALUES (?1, ?2, ?3, ?4, ?5)",
    [TP_SQL_DUE_MESSAGES] = "SELECT ts, id, data, backoff_schedule, keys_if_undelivered, rowid FROM queue"
                            " WHERE ts <= ?1 ORDER BY ts LIMIT ?2",
    [TP_SQL_DELETE_MESSAGE] = "DELETE FROM queue WHERE rowid = ?1",
    [TP_SQL_NEXT_DUE] = "SELECT min(ts) FROM queue",
    [TP_SQL_LEASE] =
        "INSERT OR IGNORE INTO queue_running"
        " (deadline, id, data, backoff_schedule, keys_if_undelivered) VALUES (?1, ?2, ?3, ?4, ?5)",
    [TP_SQL_HAS_LEASE] = "SELECT rowid FROM queue_running WHERE deadline = ?1 AND id = ?2",
    [TP_SQL_GET_LEASE] = "SELECT deadline, id, data, backoff_schedule, keys_if_undelivered, rowid"
                         " FROM queue_running WHERE deadline = ?1 AND id = ?2",
    [TP_SQL_RENEW_LEASE] = "UPDATE OR IGNORE queue_running SET deadline = ?3 WHERE deadline = ?1 AND id = ?2",
    [TP_SQL_DELETE_LEASE] = "DELETE FROM queue_running WHERE rowid = ?1",
    [TP_SQL_RUN_OUT_LEASES] = "SELECT deadline, id, data, backoff_schedule, keys_if_undelivered, rowid"
                              " FROM queue_running WHERE deadline <= ?1 ORDER BY deadline LIMIT ?2",
    [TP_SQL_NEXT_RUN_OUT] = "SELECT min(deadline) FROM queue_running",
    [TP_SQL_DELETE_EXPIRED] =
        "DELETE FROM kv WHERE k IN (SELECT k FROM kv INDEXED BY kv_expiration_ms_idx"
        " WHERE expiration_ms >= 0 AND expiration_ms <= ?1 ORDER BY expiration_ms LIMIT ?2)",
    [TP_SQL_EXPIRING] = "SELECT k, expiration_ms FROM kv INDEXED BY kv_expiration_ms_idx"
                        " WHERE expiration_ms > ?1 ORDER BY expiration_ms LIMIT ?2",
    [TP_SQL_NEXT_EXPIRY] = "SELECT min(expiration_ms) FROM kv WHERE expiration_ms >= 0",
    [TP_SQL_DATA_VERSION] = "PRAGMA data_version",
    /* In the order of the primary key, and so from its index alone: messages are large. */
    [TP_SQL_QUEUE_STATE] = "SELECT (SELECT count(*) FROM (SELECT 1 FROM queue ORDER BY ts LIMIT ?1)),"
                           " (SELECT count(*) FROM (SELECT 1 FROM queue_running ORDER BY deadline LIMIT ?1)),"
                           " (SELECT min(ts) FROM queue)",
};

/* Waits a little longer each time: a neighbour's commit takes some hundred microseconds to milliseconds. */
static int wait_while_busy(void *context, int attempt) {
  tp_sqlite_connection *connection = context;
  enum { SHORT_WAITS = 20, SHORT_WAIT_US = 200, LONG_WAIT_US = 2000 };
  tp_clock clock = tp_clock_system();
  int64_t now_ns = tp_clock_monotonic_ns(&clock);
  if (attempt == 0) connection->busy_since_ns = now_ns;
  if (atomic_load(&connection->is_ending)) return 0;
  if (connection->gives_up != NULL && atomic_load(connection->gives_up)) return 0;
  if (now_ns - connection->busy_since_ns > connection->busy_wait_max_ms * 1000000) return 0;
  (void)usleep(attempt < SHORT_WAITS ? SHORT_WAIT_US : LONG_WAIT_US); /* cut short by a signal is fine */
  return 1;
}

static tuplet_status run_text(tp_sqlite_connection *connection, const char *sql, tuplet_error *error) {
  int rc = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) return TUPLET_OK;
  return tp_sqlite_fail(connection->db, rc, connection->location->path, "opening", error);
}

tuplet_status tp_sqlite_enter_wal_mode(tp_sqlite_connection *connection, tuplet_error *error) {
  sqlite3_stmt *statement = NULL;
  int rc;
  /* Switching needs the file alone for a moment, and SQLite does not call the busy handler for that. */
  for (int attempt = 0;; attempt++) {
    rc = sqlite3_prepare_v2(connection->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    if ((rc & 0xFF) != SQLITE_BUSY || !wait_while_busy(connection, attempt)) break;
    (void)sqlite3_finalize(statement); /* repeats the step's result */
    statement = NULL;
  }
  tuplet_status status = TUPLET_OK;
  if (rc != SQLITE_ROW) {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "entering WAL mode", error);
  } else if (sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0) {
    status = tp_sqlite_fail(NULL, SQLITE_IOERR, connection->location->path,
                            "entering WAL mode: the file system does not support it", error);
  }
  (void)sqlite3_finalize(statement); /* repeats the step's result */
  return status;
}

static tuplet_status set_up(tp_sqlite_connection *connection, bool writes, tuplet_error *error) {
  const tp_sqlite_location *location = connection->location;
  (void)sqlite3_extended_result_codes(connection->db, 1);
  (void)sqlite3_busy_handler(connection->db, wait_while_busy, connection);
  (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  /* What a file of somebody else's might run inside our statements. */
  (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);

  char pragmas[256];
  (void)snprintf(pragmas, sizeof pragmas,
                 "PRAGMA cache_size = -%" PRIu32 "; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;",
                 location->cache_kib);
  tuplet_status status = run_text(connection, pragmas, error);
  if (status != TUPLET_OK) return status;

  if (location->in_memory) {
    sqlite3_int64 size_max = memory_size_limit;
    uint64_t wanted = location->memory_size_max;
    if (wanted > 0 && wanted < (uint64_t)size_max) size_max = (sqlite3_int64)wanted;
    (void)sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_SIZE_LIMIT, &size_max);
    return run_text(connection, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;", error);
  }
  if (!writes) return run_text(connection, "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON;", error);

  (void)snprintf(pragmas, sizeof pragmas,
                 "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = %d;",
                 location->durability == TUPLET_DURABILITY_FULL ? "FULL" : "NORMAL", (int)WAL_KEPT_SIZE_MAX);
  return run_text(connection, pragmas, error);
}

/* ---- The file in its place ---- */

static tuplet_status fail_moved(const char *path, tuplet_error *error) {
  return tp_fail(
      error, TUPLET_IO,
      "%s: the file was moved, replaced or removed while it is open; nothing is written until it is back",
      path);
}

tuplet_status tp_sqlite_location_pin(tp_sqlite_location *location, tuplet_error *error) {
  if (location->in_memory) return TUPLET_OK;
  struct stat attributes;
  if (stat(location->path, &attributes) != 0)
    return tp_fail(error, TUPLET_IO, "%s: %s", location->path, strerror(errno));
  location->device = attributes.st_dev;
  location->inode = attributes.st_ino;
  location->is_pinned = true;
  return TUPLET_OK;
}

tuplet_status tp_sqlite_check_place(const tp_sqlite_connection *connection, tuplet_error *error) {
  int has_moved = 0;
  /* A file system of another kind (memdb, a test's) does not know, and says so. */
  (void)sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
  return has_moved ? fail_moved(connection->location->path, error) : TUPLET_OK;
}

static tuplet_status check_pinned(const tp_sqlite_connection *connection, tuplet_error *error) {
  const tp_sqlite_location *location = connection->location;
  struct stat attributes;
  if (!location->is_pinned) return TUPLET_OK;
  if (stat(location->path, &attributes) != 0 || attributes.st_dev != location->device ||
      attributes.st_ino != location->inode)
    return fail_moved(location->path, error);
  return tp_sqlite_check_place(connection, error);
}

tuplet_status tp_sqlite_connection_init(tp_sqlite_connection *connection, const tp_sqlite_location *location,
                                        bool writes, tuplet_error *error) {
  *connection = (tp_sqlite_connection){.location = location,
                                       .gives_up = location->gives_up,
                                       .busy_wait_max_ms = writes ? OPENING_WAIT_MAX_MS : BUSY_WAIT_MAX_MS};
  /* One thread uses a connection at a time, so SQLite need not lock it. */
  int flags = SQLITE_OPEN_NOMUTEX;
  if (location->in_memory) flags |= SQLITE_OPEN_URI;
  flags |= location->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (!location->read_only && writes && !location->is_pinned) flags |= SQLITE_OPEN_CREATE;
  int rc = sqlite3_open_v2(location->name, &connection->db, flags, NULL);
  tuplet_status status = rc == SQLITE_OK
                             ? check_pinned(connection, error)
                             : tp_sqlite_fail(connection->db, rc, location->path, "opening", error);
  if (status == TUPLET_OK) status = set_up(connection, writes && !location->read_only, error);
  if (status != TUPLET_OK) tp_sqlite_connection_done(connection);
  return status;
}

void tp_sqlite_connection_opened(tp_sqlite_connection *connection) {
  connection->busy_wait_max_ms = BUSY_WAIT_MAX_MS;
  connection->gives_up = NULL;
}

void tp_sqlite_connection_done(tp_sqlite_connection *connection) {
  for (int i = 0; i < TP_SQL_STATEMENT_COUNT; i++) {
    (void)sqlite3_finalize(connection->statements[i]); /* repeats an error reported before */
    connection->statements[i] = NULL;
  }
  (void)sqlite3_close_v2(connection->db); /* cannot fail: nothing of the connection is left open */
  connection->db = NULL;
}

sqlite3_stmt *tp_sqlite_prepared(tp_sqlite_connection *connection, tp_sqlite_statement which,
                                 tuplet_status *ret_status, tuplet_error *error) {
  sqlite3_stmt **slot = &connection->statements[which];
  if (*slot != NULL) return *slot;
  int rc =
      sqlite3_prepare_v3(connection->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
  if (rc == SQLITE_OK) return *slot;
  *ret_status = tp_sqlite_fail(connection->db, rc, connection->location->path, statement_texts[which], error);
  return NULL;
}

tuplet_status tp_sqlite_finish(tp_sqlite_connection *connection, sqlite3_stmt *statement, const char *doing,
                               tuplet_error *error) {
  int rc;
  errno = 0; /* see failure.c */
  do {
    rc = sqlite3_step(statement);
  } while (rc == SQLITE_ROW);
  tuplet_status status = TUPLET_OK;
  if (rc != SQLITE_DONE) {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, doing, error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

tuplet_status tp_sqlite_run(tp_sqlite_connection *connection, tp_sqlite_statement which,
                            tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  return tp_sqlite_finish(connection, statement, statement_texts[which], error);
}

void tp_sqlite_abandon(tp_sqlite_connection *connection) {
  if (connection->db == NULL || sqlite3_get_autocommit(connection->db)) return;
  /* A rollback that fails leaves the transaction to the next one, which tries again; nothing was committed.
   */
  (void)tp_sqlite_run(connection, TP_SQL_ROLLBACK, NULL);
}

int tp_sqlite_bind_bytes(sqlite3_stmt *statement, int index, tuplet_bytes bytes) {
  const void *data = bytes.size == 0 ? "" : bytes.data;
  return sqlite3_bind_blob64(statement, index, data, bytes.size, SQLITE_STATIC);
}

tuplet_bytes tp_sqlite_column_bytes(sqlite3_stmt *statement, int column) {
  const void *data = sqlite3_column_blob(statement, column); /* before the size, as SQLite asks */
  return (tuplet_bytes){data, (size_t)sqlite3_column_bytes(statement, column)};
}

int64_t tp_sqlite_column_expiry(sqlite3_stmt *statement, int column) {
  int64_t expires_at_ms = sqlite3_column_int64(statement, column); /* NULL reads as 0 */
  if (expires_at_ms > 0) return expires_at_ms;
  bool never = expires_at_ms < 0 || sqlite3_column_type(statement, column) == SQLITE_NULL;
  return never ? TP_EXPIRES_NEVER : expires_at_ms;
}

/* schema.c: the tables of a Deno KV file. The names and columns are Deno's: they are the format. */
#include "engine/sqlite/schema.h"

#include "base/status.h"
#include "engine/sqlite/failure.h"

enum { SCHEMA_VERSION = 3 };

/* What each version of the format added to the one before. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE data_version (k integer primary key, version integer not null);"
    "INSERT INTO data_version (k, version) VALUES (0, 0);"
    "CREATE TABLE kv (k blob primary key, v blob not null, v_encoding integer not null,"
    " version integer not null) WITHOUT ROWID;",

    "CREATE TABLE queue (ts integer not null, id text not null, data blob not null,"
    " backoff_schedule text not null, keys_if_undelivered blob not null, primary key (ts, id));"
    "CREATE TABLE queue_running (deadline integer not null, id text not null, data blob not null,"
    " backoff_schedule text not null, keys_if_undelivered blob not null, primary key (deadline, id));",

    "ALTER TABLE data_version ADD COLUMN seq integer not null default 0;"
    "ALTER TABLE kv ADD COLUMN seq integer not null default 0;"
    "ALTER TABLE kv ADD COLUMN expiration_ms integer not null default -1;"
    "CREATE INDEX kv_expiration_ms_idx ON kv (expiration_ms);",
};

static tuplet_status run_text(tp_sqlite_connection *connection, const char *sql, const char *doing,
                              tuplet_error *error) {
  int rc = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) return TUPLET_OK;
  return tp_sqlite_fail(connection->db, rc, connection->location->path, doing, error);
}

/* The first column of the first row; *ret_found is false when there is no row. */
static tuplet_status query_integer(tp_sqlite_connection *connection, const char *sql, bool *ret_found,
                                   int64_t *ret_integer, tuplet_error *error) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  tuplet_status status = TUPLET_OK;
  if (rc == SQLITE_ROW) {
    *ret_found = true;
    *ret_integer = sqlite3_column_int64(statement, 0);
  } else if (rc == SQLITE_DONE) {
    *ret_found = false;
  } else {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "reading its version", error);
  }
  (void)sqlite3_finalize(statement); /* repeats the step's result */
  return status;
}

tuplet_status tp_sqlite_schema_version(tp_sqlite_connection *connection, int64_t *ret_version,
                                       tuplet_error *error) {
  const char *path = connection->location->path;
  bool found;
  int64_t tables = 0, ours = 0;
  tuplet_status status =
      query_integer(connection, "SELECT count(*) FROM sqlite_schema", &found, &tables, error);
  if (status != TUPLET_OK) return status;
  status = query_integer(
      connection, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migration_state'",
      &found, &ours, error);
  if (status != TUPLET_OK) return status;
  *ret_version = 0;
  if (tables == 0) return TUPLET_OK;
  if (ours == 0) return tp_fail(error, TUPLET_FORMAT, "%s: a SQLite database, but not a Deno KV one", path);

  status = query_integer(connection, "SELECT version FROM migration_state WHERE k = 0", &found, ret_version,
                         error);
  if (status != TUPLET_OK) return status;
  if (!found) *ret_version = 0;
  if (*ret_version < 0 || *ret_version > SCHEMA_VERSION) {
    return tp_fail(
        error, TUPLET_FORMAT,
        "%s: its format is version %lld, made by a newer program; this one knows versions up to %d", path,
        (long long)*ret_version, (int)SCHEMA_VERSION);
  }
  return TUPLET_OK;
}

static tuplet_status migrate(tp_sqlite_connection *connection, tuplet_error *error) {
  int64_t version;
  tuplet_status status =
      tp_sqlite_schema_version(connection, &version, error); /* again, now that nobody else can write */
  if (status != TUPLET_OK) return status;
  if (version == SCHEMA_VERSION) return TUPLET_OK;
  status = run_text(connection,
                    "CREATE TABLE IF NOT EXISTS migration_state"
                    " (k integer not null primary key, version integer not null)",
                    "making its tables", error);
  for (; status == TUPLET_OK && version < SCHEMA_VERSION; version++) {
    status = run_text(connection, migrations[version], "making its tables", error);
  }
  if (status != TUPLET_OK) return status;
  return run_text(connection, "INSERT OR REPLACE INTO migration_state (k, version) VALUES (0, 3)",
                  "making its tables", error);
}

tuplet_status tp_sqlite_schema_prepare(tp_sqlite_connection *connection, tuplet_error *error) {
  int64_t version;
  tuplet_status status = tp_sqlite_schema_version(connection, &version, error);
  if (status != TUPLET_OK) return status;
  bool current = version == SCHEMA_VERSION;
  if (connection->location->read_only) {
    if (current) return TUPLET_OK;
    return tp_fail(error, TUPLET_FORMAT, "%s: its format is version %lld; it must be opened for writing once",
                   connection->location->path, (long long)version);
  }
  if (!connection->location->in_memory) status = tp_sqlite_enter_wal_mode(connection, error);
  if (status != TUPLET_OK || current) return status;
  status = tp_sqlite_run(connection, TP_SQL_BEGIN_WRITE, error);
  if (status != TUPLET_OK) return status;
  status = migrate(connection, error);
  if (status == TUPLET_OK) status = tp_sqlite_run(connection, TP_SQL_COMMIT, error);
  if (status != TUPLET_OK) tp_sqlite_abandon(connection);
  return status;
}

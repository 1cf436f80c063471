/* rows.c: writing the rows of the table kv. */
#include "engine/sqlite/rows.h"

#include "engine/sqlite/failure.h"

static tuplet_status put(tp_sqlite_connection *connection, const tp_change *change, int64_t version,
                         tp_sqlite_statement which, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = tp_sqlite_bind_bytes(statement, 1, change->key);
  if (rc == SQLITE_OK) rc = tp_sqlite_bind_bytes(statement, 2, change->value);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 3, change->encoding);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 4, version);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 5, change->expires_at_ms);
  if (rc != SQLITE_OK)
    return tp_sqlite_fail(connection->db, rc, connection->location->path, "writing", error);
  return tp_sqlite_finish(connection, statement, "writing", error);
}

static tuplet_status set_row(tp_sqlite_connection *connection, const tp_change *change, int64_t version,
                             tuplet_error *error) {
  tuplet_status status = put(connection, change, version, TP_SQL_UPSERT_KEEPING_EXPIRY, error);
  if (status != TUPLET_OK || sqlite3_changes(connection->db) > 0) return status;
  return put(connection, change, version, TP_SQL_UPSERT, error);
}

static tuplet_status delete_row(tp_sqlite_connection *connection, tuplet_bytes key, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_DELETE, &status, error);
  if (statement == NULL) return status;
  int rc = tp_sqlite_bind_bytes(statement, 1, key);
  if (rc != SQLITE_OK)
    return tp_sqlite_fail(connection->db, rc, connection->location->path, "deleting", error);
  return tp_sqlite_finish(connection, statement, "deleting", error);
}

tuplet_status tp_sqlite_write_row(tp_sqlite_connection *connection, const tp_change *change, int64_t version,
                                  tuplet_error *error) {
  return change->removed ? delete_row(connection, change->key, error)
                         : set_row(connection, change, version, error);
}

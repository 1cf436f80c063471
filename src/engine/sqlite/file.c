/* file.c: what is done to the file of a database as a whole: copying it, counting what it holds. */
#include "engine/sqlite/file.h"

#include "base/status.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/schema.h"

enum { CACHE_KIB = 2048 };

static tp_sqlite_location location_of(const char *path, bool read_only) {
  return (tp_sqlite_location){.name = path, .path = path, .read_only = read_only, .cache_kib = CACHE_KIB};
}

/* Reads all of one snapshot into the file of the other. */
static tuplet_status run_backup(tp_sqlite_connection *from, tp_sqlite_connection *to, tuplet_error *error) {
  sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
  if (backup == NULL)
    return tp_sqlite_fail(to->db, sqlite3_extended_errcode(to->db), to->location->path, "copying", error);
  int rc = sqlite3_backup_step(backup, -1);
  int finished = sqlite3_backup_finish(backup);
  if (rc == SQLITE_DONE && finished == SQLITE_OK) return TUPLET_OK;
  return tp_sqlite_fail(to->db, rc == SQLITE_DONE ? finished : rc, from->location->path, "copying", error);
}

tuplet_status tp_sqlite_file_copy(const char *from, const char *to, tuplet_error *error) {
  const tp_sqlite_location source_location = location_of(from, true);
  const tp_sqlite_location target_location = location_of(to, false);
  tp_sqlite_connection source = {0};
  tp_sqlite_connection target = {0};
  int64_t version = 0;
  tuplet_status status = tp_sqlite_connection_init(&source, &source_location, false, error);
  if (status == TUPLET_OK) status = tp_sqlite_schema_version(&source, &version, error);
  if (status == TUPLET_OK && version == 0)
    status = tp_fail(error, TUPLET_FORMAT, "%s: an empty file, and no Deno KV database", from);
  if (status == TUPLET_OK) status = tp_sqlite_connection_init(&target, &target_location, true, error);
  if (status == TUPLET_OK) status = run_backup(&source, &target, error);
  tp_sqlite_connection_done(&target);
  tp_sqlite_connection_done(&source);
  return status;
}

static tuplet_status count_one(tp_sqlite_connection *connection, const char *sql, int64_t now_ms,
                               int64_t *ret_count, tuplet_error *error) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK && sqlite3_bind_parameter_count(statement) > 0)
    rc = sqlite3_bind_int64(statement, 1, now_ms);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  tuplet_status status = TUPLET_OK;
  if (rc == SQLITE_ROW)
    *ret_count = sqlite3_column_int64(statement, 0);
  else if (rc == SQLITE_DONE)
    *ret_count = 0;
  else
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "counting", error);
  (void)sqlite3_finalize(statement); /* repeats the step's result */
  return status;
}

/* SQLite counts in the index of expiries, which is much smaller than the table. */
static const char *const count_texts[TP_SQLITE_FILE_COUNTS] = {
    "SELECT count(*) - count(CASE WHEN expiration_ms BETWEEN 0 AND ?1 THEN 1 END) FROM kv",
    "SELECT count(*) FROM kv WHERE expiration_ms >= 0 AND expiration_ms > ?1",
    "SELECT count(*) FROM queue",
    "SELECT count(*) FROM queue_running",
    "SELECT version FROM data_version WHERE k = 0",
};

tuplet_status tp_sqlite_file_count(const char *path, int64_t now_ms,
                                   int64_t ret_counts[TP_SQLITE_FILE_COUNTS], tuplet_error *error) {
  const tp_sqlite_location location = location_of(path, true);
  tp_sqlite_connection connection;
  int64_t counts[TP_SQLITE_FILE_COUNTS];
  tuplet_status status = tp_sqlite_connection_init(&connection, &location, false, error);
  if (status != TUPLET_OK) return status;
  status = tp_sqlite_run(&connection, TP_SQL_BEGIN_READ, error);
  if (status == TUPLET_OK)
    status = tp_sqlite_schema_prepare(&connection, error); /* looks, as nothing is written */
  for (int i = 0; i < TP_SQLITE_FILE_COUNTS && status == TUPLET_OK; i++)
    status = count_one(&connection, count_texts[i], now_ms, &counts[i], error);
  tp_sqlite_abandon(&connection);
  tp_sqlite_connection_done(&connection);
  for (int i = 0; i < TP_SQLITE_FILE_COUNTS && status == TUPLET_OK; i++) ret_counts[i] = counts[i];
  return status;
}

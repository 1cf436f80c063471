/* read.c: snapshot reads on one connection. This is the hot path: a read of one key runs one prepared
 * statement and copies nothing. */
#include "engine/sqlite/read.h"

#include "base/status.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/lookup.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

tuplet_versionstamp tp_sqlite_versionstamp(int64_t version) {
  tuplet_versionstamp versionstamp = {{0}};
  uint64_t big_endian = htobe64((uint64_t)version);
  memcpy(versionstamp.bytes, &big_endian, sizeof big_endian);
  return versionstamp;
}

int64_t tp_sqlite_version_of(const tuplet_versionstamp *versionstamp) {
  uint64_t big_endian;
  memcpy(&big_endian, versionstamp->bytes, sizeof big_endian);
  return (int64_t)be64toh(big_endian);
}

/* Columns: v, v_encoding, version. */
static void take_row(sqlite3_stmt *statement, tuplet_bytes key, int64_t expires_at_ms, tp_row *ret_row) {
  ret_row->key = key;
  ret_row->value = tp_sqlite_column_bytes(statement, 0);
  ret_row->encoding = (uint32_t)sqlite3_column_int64(statement, 1);
  ret_row->versionstamp = tp_sqlite_versionstamp(sqlite3_column_int64(statement, 2));
  ret_row->expires_at_ms = expires_at_ms;
}

static tuplet_status hand_over(sqlite3_stmt *statement, tp_read *read, size_t index, tuplet_error *error) {
  tp_row row;
  take_row(statement, read->ranges[index].start, tp_sqlite_column_expiry(statement, 3), &row);
  if (tp_sqlite_is_expired(row.expires_at_ms, read->now_ms)) return TUPLET_OK;
  return read->on_row(read, index, &row, error);
}

static tuplet_status read_point_held(tp_sqlite_connection *connection, tp_read *read, size_t index,
                                     tuplet_error *error) {
  sqlite3_stmt *row = NULL;
  tuplet_status status = tp_sqlite_look_up(connection, read->ranges[index].start, &row, error);
  return row == NULL ? status : hand_over(row, read, index, error);
}

static tuplet_status read_point(tp_sqlite_connection *connection, tp_read *read, size_t index,
                                tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_GET, &status, error);
  if (statement == NULL) return status;
  int rc = tp_sqlite_bind_bytes(statement, 1, read->ranges[index].start);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW)
    status = hand_over(statement, read, index, error);
  else if (rc != SQLITE_DONE)
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "reading", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

/* Whether some row of the snapshot expires sometime. */
static tuplet_status find_expiring(tp_sqlite_connection *connection, bool *ret_some_expire,
                                   tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_NEXT_EXPIRY, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW)
    *ret_some_expire = sqlite3_column_type(statement, 0) != SQLITE_NULL;
  else
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "looking for expiries", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

/* A row costs a tenth less without its expiry. So for ranges that are likely to be long it is found out first
 * whether there are any. */
static bool is_long(const tp_read_range *range) {
  enum { LONG_RANGE_MIN = 128 };
  return range->limit >= LONG_RANGE_MIN;
}

static tuplet_status read_range(tp_sqlite_connection *connection, tp_read *read, size_t index,
                                tuplet_error *error) {
  const tp_read_range *range = &read->ranges[index];
  bool some_expire = true;
  tuplet_status status = is_long(range) ? find_expiring(connection, &some_expire, error) : TUPLET_OK;
  if (status != TUPLET_OK) return status;
  tp_sqlite_statement which = some_expire ? TP_SQL_LIST : TP_SQL_LIST_LASTING;
  if (range->reverse) which = some_expire ? TP_SQL_LIST_REVERSE : TP_SQL_LIST_LASTING_REVERSE;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = tp_sqlite_bind_bytes(statement, 1, range->start);
  if (rc == SQLITE_OK) rc = tp_sqlite_bind_bytes(statement, 2, range->end);
  for (uint32_t given = 0; rc == SQLITE_OK && given < range->limit;) {
    int step = sqlite3_step(statement);
    if (step == SQLITE_DONE) break;
    if (step != SQLITE_ROW) {
      rc = step;
      break;
    }
    tp_row row;
    int64_t expires_at_ms = some_expire ? tp_sqlite_column_expiry(statement, 4) : TP_EXPIRES_NEVER;
    take_row(statement, tp_sqlite_column_bytes(statement, 3), expires_at_ms, &row);
    if (tp_sqlite_is_expired(row.expires_at_ms, read->now_ms)) continue;
    status = read->on_row(read, index, &row, error);
    if (status != TUPLET_OK) break;
    given++;
  }
  if (rc != SQLITE_OK)
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "reading", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

tuplet_status tp_sqlite_read_version(tp_sqlite_connection *connection, int64_t *ret_version,
                                     tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_GET_VERSION, &status, error);
  if (statement == NULL) return status;
  const char *path = connection->location->path;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW)
    *ret_version = sqlite3_column_int64(statement, 0);
  else if (rc == SQLITE_DONE)
    status = tp_fail(error, TUPLET_CORRUPT, "%s: the table data_version has no row", path);
  else
    status = tp_sqlite_fail(connection->db, rc, path, "reading its last commit's number", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tuplet_status tell_snapshot(tp_sqlite_connection *connection, tp_read *read, tuplet_error *error) {
  int64_t version = 0;
  tuplet_status status = tp_sqlite_read_version(connection, &version, error);
  if (status != TUPLET_OK) return status;
  const tuplet_versionstamp last = tp_sqlite_versionstamp(version);
  return read->on_snapshot(read, &last, error);
}

static tuplet_status tell_expiring(tp_sqlite_connection *connection, tp_survey *survey, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_EXPIRING, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, survey->after_ms);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 2, survey->expiring_max);
  while (rc == SQLITE_OK && status == TUPLET_OK) {
    rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE) break;
    if (rc != SQLITE_ROW) continue; /* which ends it */
    rc = SQLITE_OK;
    status = survey->on_expiring(survey, tp_sqlite_column_bytes(statement, 0),
                                 sqlite3_column_int64(statement, 1), error);
  }
  if (rc != SQLITE_OK && rc != SQLITE_DONE)
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "looking for expiries", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

tuplet_status tp_sqlite_survey(tp_sqlite_connection *connection, tp_survey *survey, tuplet_error *error) {
  int64_t version = 0;
  tuplet_status status = tp_sqlite_run(connection, TP_SQL_BEGIN_READ, error);
  if (status == TUPLET_OK) status = tp_sqlite_read_version(connection, &version, error);
  if (status == TUPLET_OK) status = tell_expiring(connection, survey, error);
  if (status == TUPLET_OK) status = tp_sqlite_run(connection, TP_SQL_COMMIT, error);
  if (status != TUPLET_OK) tp_sqlite_abandon(connection);
  survey->last = tp_sqlite_versionstamp(version);
  return status;
}

static tuplet_status read_one(tp_sqlite_connection *connection, tp_sqlite_snapshot_use use, tp_read *read,
                              size_t index, tuplet_error *error) {
  const tp_read_range *range = &read->ranges[index];
  assert(range->limit > 0);
  if (!tp_read_range_is_point(range)) return read_range(connection, read, index, error);
  /* It pays from the second read of a snapshot on; where each read has its own, it never does. */
  bool is_held = use == TP_SQLITE_SNAPSHOT_HELD;
  return is_held ? read_point_held(connection, read, index, error)
                 : read_point(connection, read, index, error);
}

tuplet_status tp_sqlite_read(tp_sqlite_connection *connection, tp_sqlite_snapshot_use use, tp_read *read,
                             tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  /* A single statement is a snapshot of its own. */
  bool is_single = read->range_count == 1 && read->on_snapshot == NULL && !is_long(read->ranges);
  bool own_transaction = use == TP_SQLITE_SNAPSHOT_NONE && !is_single;
  if (own_transaction) status = tp_sqlite_run(connection, TP_SQL_BEGIN_READ, error);
  if (status == TUPLET_OK && read->on_snapshot != NULL) status = tell_snapshot(connection, read, error);
  for (size_t i = 0; status == TUPLET_OK && i < read->range_count; i++)
    status = read_one(connection, use, read, i, error);
  if (!own_transaction) return status;
  if (status == TUPLET_OK) status = tp_sqlite_run(connection, TP_SQL_COMMIT, error);
  if (status != TUPLET_OK) tp_sqlite_abandon(connection);
  return status;
}

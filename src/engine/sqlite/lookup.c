/* lookup.c: finds one key after the other by a single statement that stays at work. */
#include "engine/sqlite/lookup.h"

#include "base/status.h"
#include "engine/sqlite/failure.h"

/* ---- The table of wanted keys: one column, one row for each step ----
 *
 * Source: https://sqlite.org/vtab.html, "Eponymous-only virtual tables". */

static int wanted_connect(sqlite3 *db, void *context, int argument_count, const char *const *arguments,
                          sqlite3_vtab **ret_table, char **ret_message) {
  (void)argument_count, (void)arguments, (void)ret_message;
  tp_sqlite_lookup *lookup = context;
  int rc = sqlite3_declare_vtab(db, "CREATE TABLE wanted (k)");
  if (rc == SQLITE_OK) *ret_table = &lookup->table;
  return rc;
}

static int wanted_disconnect(sqlite3_vtab *table) {
  (void)table; /* the connection's */
  return SQLITE_OK;
}

static int wanted_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table;
  info->estimatedRows = INT64_C(1) << 40; /* it never ends, so nothing is to go through it more than once */
  info->estimatedCost = (double)info->estimatedRows;
  return SQLITE_OK;
}

static int wanted_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor) {
  tp_sqlite_lookup *lookup = (tp_sqlite_lookup *)(void *)table;
  *ret_cursor = &lookup->cursor; /* the connection has one statement that needs it */
  return SQLITE_OK;
}

static int wanted_close(sqlite3_vtab_cursor *cursor) {
  (void)cursor;
  return SQLITE_OK;
}

static int wanted_filter(sqlite3_vtab_cursor *cursor, int index_number, const char *index_text,
                         int argument_count, sqlite3_value **arguments) {
  (void)cursor, (void)index_number, (void)index_text, (void)argument_count, (void)arguments;
  return SQLITE_OK;
}

static int wanted_next(sqlite3_vtab_cursor *cursor) {
  (void)cursor; /* whoever steps has put the next key in its place */
  return SQLITE_OK;
}

static int wanted_eof(sqlite3_vtab_cursor *cursor) {
  (void)cursor;
  return 0;
}

static int wanted_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column) {
  (void)column;
  tp_sqlite_lookup *lookup = (tp_sqlite_lookup *)(void *)cursor->pVtab;
  lookup->was_asked = true;
  const void *data = lookup->wanted.size == 0 ? "" : lookup->wanted.data;
  sqlite3_result_blob64(context, data, lookup->wanted.size, SQLITE_STATIC); /* of no use after the step */
  return SQLITE_OK;
}

static int wanted_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret_rowid) {
  (void)cursor;
  *ret_rowid = 0;
  return SQLITE_OK;
}

static const sqlite3_module wanted_module = {
    .xConnect = wanted_connect,
    .xDisconnect = wanted_disconnect,
    .xBestIndex = wanted_best_index,
    .xOpen = wanted_open,
    .xClose = wanted_close,
    .xFilter = wanted_filter,
    .xNext = wanted_next,
    .xEof = wanted_eof,
    .xColumn = wanted_column,
    .xRowid = wanted_rowid,
};

/* ---- Looking up ---- */

static tuplet_status make_table(tp_sqlite_connection *connection, tuplet_error *error) {
  int rc = sqlite3_create_module_v2(connection->db, TP_SQLITE_WANTED_TABLE, &wanted_module,
                                    &connection->lookup, NULL);
  if (rc != SQLITE_OK)
    return tp_sqlite_fail(connection->db, rc, connection->location->path, "preparing to read", error);
  connection->lookup.has_table = true;
  return TUPLET_OK;
}

tuplet_status tp_sqlite_look_up(tp_sqlite_connection *connection, tuplet_bytes key, sqlite3_stmt **ret_row,
                                tuplet_error *error) {
  *ret_row = NULL;
  tp_sqlite_lookup *lookup = &connection->lookup;
  tuplet_status status = lookup->has_table ? TUPLET_OK : make_table(connection, error);
  if (status != TUPLET_OK) return status;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_LOOK_UP, &status, error);
  if (statement == NULL) return status;
  lookup->wanted = key;
  lookup->was_asked = false;
  lookup->is_at_work = true;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW && lookup->was_asked) {
    enum { KEY_COLUMN = 4 }; /* the only one that is never NULL in a row of kv, odd files included */
    if (sqlite3_column_type(statement, KEY_COLUMN) != SQLITE_NULL) *ret_row = statement;
    return TUPLET_OK;
  }
  /* SQLite takes a table of the file's for a virtual one of its name. */
  status = rc == SQLITE_ROW || rc == SQLITE_DONE
               ? tp_fail(error, TUPLET_FORMAT,
                         "%s: has a table " TP_SQLITE_WANTED_TABLE ", a name that tuplet needs",
                         connection->location->path)
               : tp_sqlite_fail(connection->db, rc, connection->location->path, "reading", error);
  tp_sqlite_look_up_end(connection);
  return status;
}

void tp_sqlite_look_up_end(tp_sqlite_connection *connection) {
  if (!connection->lookup.is_at_work) return;
  connection->lookup.is_at_work = false;
  (void)sqlite3_reset(connection->statements[TP_SQL_LOOK_UP]); /* repeats an error reported before */
}

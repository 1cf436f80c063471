/* failure.c: what SQLite's result codes mean to tuplet. */
#include "engine/sqlite/failure.h"

#include "base/status.h"

#include <errno.h>

static tuplet_status status_of(sqlite3 *db, int rc) {
  switch (rc & 0xFF) {
  case SQLITE_NOMEM: return TUPLET_NOMEM;
  case SQLITE_FULL: return TUPLET_FULL;
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return TUPLET_BUSY;
  case SQLITE_CORRUPT: return TUPLET_CORRUPT;
  case SQLITE_NOTADB:
  case SQLITE_SCHEMA: return TUPLET_FORMAT;
  case SQLITE_READONLY: return TUPLET_READ_ONLY;
  case SQLITE_TOOBIG: return TUPLET_LIMIT;
  case SQLITE_IOERR: return db != NULL && sqlite3_system_errno(db) == ENOSPC ? TUPLET_FULL : TUPLET_IO;
  default: return TUPLET_IO;
  }
}

tuplet_status tp_sqlite_fail(sqlite3 *db, int rc, const char *path, const char *doing, tuplet_error *error) {
  const char *reason =
      db != NULL && sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  return tp_fail(error, status_of(db, rc), "%s: %s: %s", path, doing, reason);
}

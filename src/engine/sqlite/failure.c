/* failure.c: what SQLite's result codes mean to tuplet. */
#include "engine/sqlite/failure.h"

#include "base/status.h"

#include <errno.h>
#include <string.h>

/* Of the disk, of the user's share of it, or below the process's largest file (RLIMIT_FSIZE). */
static bool is_lack_of_room(int number) {
  return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

/* Why the system refused, an errno; 0: it did not. Of a COMMIT that fails SQLite notes nothing, but leaves
 * the failed call's errno. */
static int system_reason(sqlite3 *db, int rc) {
  bool by_system = (rc & 0xFF) == SQLITE_IOERR || (rc & 0xFF) == SQLITE_CANTOPEN;
  if (!by_system || db == NULL) return 0;
  int noted = sqlite3_system_errno(db);
  return noted != 0 ? noted : errno;
}

static tuplet_status status_of(int rc, int number) {
  if (rc == SQLITE_IOERR_NOMEM) return TUPLET_NOMEM;
  switch (rc & 0xFF) {
  case SQLITE_NOMEM: return TUPLET_NOMEM;
  case SQLITE_FULL: return TUPLET_FULL;
  case SQLITE_BUSY:
  case SQLITE_PROTOCOL: /* too many were opening the file at once */
  case SQLITE_LOCKED: return TUPLET_BUSY;
  case SQLITE_CORRUPT: return TUPLET_CORRUPT;
  case SQLITE_NOTADB:
  case SQLITE_ERROR: /* our SQL is right, so a table or a column is missing */
  case SQLITE_SCHEMA: return TUPLET_FORMAT;
  case SQLITE_READONLY: return TUPLET_READ_ONLY;
  case SQLITE_TOOBIG: return TUPLET_LIMIT;
  case SQLITE_IOERR: return is_lack_of_room(number) ? TUPLET_FULL : TUPLET_IO;
  default: return TUPLET_IO;
  }
}

tuplet_status tp_sqlite_fail(sqlite3 *db, int rc, const char *path, const char *doing, tuplet_error *error) {
  int number = system_reason(db, rc);
  const char *reason =
      db != NULL && sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  tuplet_status status = status_of(rc, number);
  if (number == 0) return tp_fail(error, status, "%s: %s: %s", path, doing, reason);
  return tp_fail(error, status, "%s: %s: %s (%s)", path, doing, reason, strerror(number));
}

/* failure.h: what SQLite's result codes mean to tuplet. */
#ifndef TP_ENGINE_SQLITE_FAILURE_H
#define TP_ENGINE_SQLITE_FAILURE_H

#include "tuplet.h"

#include <sqlite3.h>

/* Fills `error` for a failed call on `db` (may be NULL), whose result was `rc`: "<path>: <doing>: <SQLite's
 * reason>". Returns the status that fits. */
tuplet_status tp_sqlite_fail(sqlite3 *db, int rc, const char *path, const char *doing, tuplet_error *error);

#endif

/* rows.h: writing the rows of the table kv. */
#ifndef TP_ENGINE_SQLITE_ROWS_H
#define TP_ENGINE_SQLITE_ROWS_H

#include "engine/engine.h"
#include "engine/sqlite/connection.h"

/* Sets or removes the row of a change, inside a transaction; `version` is the commit's. */
tuplet_status tp_sqlite_write_row(tp_sqlite_connection *connection, const tp_change *change, int64_t version,
                                  tuplet_error *error);

#endif

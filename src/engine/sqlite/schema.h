/* schema.h: the tables of a Deno KV file: made in a new file, brought up to date in an old one. */
#ifndef TP_ENGINE_SQLITE_SCHEMA_H
#define TP_ENGINE_SQLITE_SCHEMA_H

#include "engine/sqlite/connection.h"

/* The format's version in the file; 0 for an empty file. Refuses as below. */
tuplet_status tp_sqlite_schema_version(tp_sqlite_connection *connection, int64_t *ret_version,
                                       tuplet_error *error);

/* Makes the file's tables those of the newest version of the format (3), in one transaction, and its journal
 * a write-ahead log. Refuses (TUPLET_FORMAT, naming the file) a file from a newer version, and a SQLite file
 * of somebody else's, and leaves them as they are. A read-only connection only checks. */
tuplet_status tp_sqlite_schema_prepare(tp_sqlite_connection *connection, tuplet_error *error);

#endif

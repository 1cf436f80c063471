/* read.h: snapshot reads on one connection. */
#ifndef TP_ENGINE_SQLITE_READ_H
#define TP_ENGINE_SQLITE_READ_H

#include "engine/engine.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/snapshot.h"

/* Runs all ranges of a read in one snapshot and hands over its rows; does not call on_done. A transaction
 * that is open stays open. */
tuplet_status tp_sqlite_read(tp_sqlite_connection *connection, tp_sqlite_snapshot_use use, tp_read *read,
                             tuplet_error *error);

/* See tp_survey; `is_own` is not filled. */
tuplet_status tp_sqlite_survey(tp_sqlite_connection *connection, tp_survey *survey, tuplet_error *error);

/* The number of the last commit. */
tuplet_status tp_sqlite_read_version(tp_sqlite_connection *connection, int64_t *ret_version,
                                     tuplet_error *error);

/* A versionstamp is the commit's number, big-endian, and two zero bytes. */
tuplet_versionstamp tp_sqlite_versionstamp(int64_t version);
int64_t tp_sqlite_version_of(const tuplet_versionstamp *versionstamp);

#endif

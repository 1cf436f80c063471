/* lookup.h: finds one key after the other by a single statement that stays at work.
 *
 * To begin and to end a SELECT by its key takes SQLite nearly half as long as to find the row. This one joins
 * kv to a virtual table whose next row is the key that is wanted next, and there is always a next one. So a
 * further key is a further step.
 *
 * The statement sees the snapshot that was open when it began, and keeps it open: it must end before that. */
#ifndef TP_ENGINE_SQLITE_LOOKUP_H
#define TP_ENGINE_SQLITE_LOOKUP_H

#include "engine/sqlite/connection.h"

/* The connection has a transaction open. ret_row: the statement, with the columns of TP_SQL_GET, valid until
 * the next call; NULL when there is no such row. */
tuplet_status tp_sqlite_look_up(tp_sqlite_connection *connection, tuplet_bytes key, sqlite3_stmt **ret_row,
                                tuplet_error *error);

/* Ends the statement, if it is at work. */
void tp_sqlite_look_up_end(tp_sqlite_connection *connection);

#endif

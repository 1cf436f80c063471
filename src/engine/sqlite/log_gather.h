/* log_gather.h: a commit's writes to the log, gathered.
 *
 * SQLite writes each page to the log by itself, and before it the 24 bytes of its head. A system call for
 * each costs more than the disk where a group has many pages (docs/performance.md). They follow each other in
 * the file; so while COMMIT runs they are put together in memory, and written when SQLite syncs the log, or
 * looks at it, or the room is full.
 *
 * What makes this safe:
 * 1. It is only used where each commit syncs the log. SQLite does that after the last page and before it
 *    tells readers of any (sqlite3WalFrames in SQLite's wal.c), so that nobody looks for what is gathered.
 * 2. What is gathered is written before anything else happens to the file, and a write that fails stays
 *    gathered: the sync fails, and with it the commit.
 * 3. It ends with the COMMIT, and what a failed one left is dropped: no frame of it counts. */
#ifndef TP_ENGINE_SQLITE_LOG_GATHER_H
#define TP_ENGINE_SQLITE_LOG_GATHER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a connection that writes; used by one thread at a time. Zeroed at first. */
typedef struct tp_sqlite_log_gather {
  sqlite3_io_methods methods;     /* what the file has meanwhile; first, since they are found by it */
  const sqlite3_io_methods *real; /* what it has otherwise */
  sqlite3_file *file;             /* NULL: not gathering */
  uint8_t *gathered;              /* SQLite's memory; NULL until it is needed */
  size_t size;
  sqlite3_int64 offset; /* in the file */
} tp_sqlite_log_gather;

void tp_sqlite_log_gather_done(tp_sqlite_log_gather *gather);

/* To be called before a COMMIT that syncs the log, whose open file this is, and after it. Without memory, or
 * on a file system that has SQLite fill up sectors, nothing is gathered. */
void tp_sqlite_log_gather_begin(tp_sqlite_log_gather *gather, sqlite3_file *log);
void tp_sqlite_log_gather_end(tp_sqlite_log_gather *gather, bool committed);

#endif

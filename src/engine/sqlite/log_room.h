/* log_room.h: room in the write-ahead log, ahead of need.
 *
 * A commit that makes the log's file longer has the file system sync its own books as well, which takes half
 * as long again as writing over what is there (docs/performance.md). SQLite starts the log over in the same
 * file, so this ends once the file is as long as it gets, and until then it is lengthened by zeros, some
 * dozens of commits ahead.
 *
 *   0          used                  size
 *   | header, frames | zeros, or what an earlier round left |
 *
 * What makes this safe:
 * 1. Only who holds SQLite's write lock writes to the log or cuts it, and the zeros are written under it.
 * 2. Nothing below the file's present size is touched, so no frame is, whoever wrote it.
 * 3. Recovery reads frames until the first that is none. Zeros are none: a frame repeats the log's salts and
 *    names a page (https://sqlite.org/fileformat2.html#walformat).
 * 4. What is lengthened is synced by the commit that follows, with its frames, or lost without harm. */
#ifndef TP_ENGINE_SQLITE_LOG_ROOM_H
#define TP_ENGINE_SQLITE_LOG_ROOM_H

#include <sqlite3.h>
#include <stdint.h>

/* The open file of a connection's log; NULL if there is none. Only of a connection that has committed to a
 * log: others have a journal of another kind in its place. */
sqlite3_file *tp_sqlite_log_file(sqlite3 *db);

/* Of a connection that writes to a log; used by one thread at a time. Zeroed at first. */
typedef struct tp_sqlite_log_room {
  int64_t used_size;   /* of the log up to our last commit, bytes; 0: there is none yet */
  int64_t group_size;  /* what that commit added */
  int64_t file_size;   /* of the log's file when last seen; 0: it has to be looked at */
  int64_t again_at_ns; /* not tried before, since it failed; monotonic */
} tp_sqlite_log_room;

/* To be told after each commit how far the log goes. */
void tp_sqlite_log_room_note(tp_sqlite_log_room *room, int64_t used_size);

/* To be called within a transaction that has the write lock, before its commit, with the open file of the log
 * (tp_sqlite_log_file). Lengthens it if the commit might not fit; if that fails (a full disk) the commit goes
 * on as it would have, and it is not tried again for some seconds. now_ns: monotonic. */
void tp_sqlite_log_room_make(tp_sqlite_log_room *room, sqlite3_file *log, int64_t now_ns);

#endif

/* log_room.c: room in the write-ahead log, ahead of need. */
#include "engine/sqlite/log_room.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

enum {
  /* A step is as long as the log is, within these bounds: a small database stays small, and no commit waits
   * for more zeros than the disk takes within a fraction of a sync. */
  STEP_MIN = 64 << 10,
  STEP_MAX = 256 << 10,
  /* A group is taken to be as large as the last one, and a little more for pages that are divided. */
  GROUP_SIZE_SPARE = 16 << 10,
  /* For larger groups writing the zeros costs more than it saves. */
  GROUP_SIZE_MAX = 300 << 10,
  RETRY_MS = 10000,
  CHUNK_SIZE = 16 << 10
};

static const uint8_t zeros[CHUNK_SIZE];

void tp_sqlite_log_room_note(tp_sqlite_log_room *room, int64_t used_size) {
  if (room->used_size == 0) {
    room->group_size = 0; /* unknown: the log may have been there before us */
  } else if (used_size > room->used_size) {
    room->group_size = used_size - room->used_size;
  } else { /* it has started over */
    room->group_size = used_size;
    room->file_size = 0; /* SQLite may have cut it */
  }
  room->used_size = used_size;
}

sqlite3_file *tp_sqlite_log_file(sqlite3 *db) {
  sqlite3_file *log = NULL;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK) return NULL;
  return log == NULL || log->pMethods == NULL ? NULL : log;
}

/* Whether a file may become so long; a write past this would be a signal, which ends a program. */
static bool is_allowed(int64_t size) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
         (limit.rlim_cur == RLIM_INFINITY || (uint64_t)size <= limit.rlim_cur);
}

/* How long the file is to become, in whole STEP_MIN. */
static int64_t next_size(int64_t size, int64_t wanted_size) {
  int64_t step = size < STEP_MIN ? STEP_MIN : size > STEP_MAX ? STEP_MAX : size;
  int64_t next = size + step > wanted_size ? size + step : wanted_size + STEP_MIN;
  return next / STEP_MIN * STEP_MIN;
}

static bool lengthen(sqlite3_file *log, int64_t size, int64_t next) {
  if (!is_allowed(next)) return false;
  while (size < next) {
    int chunk = next - size < CHUNK_SIZE ? (int)(next - size) : (int)CHUNK_SIZE;
    if (log->pMethods->xWrite(log, zeros, chunk, size) != SQLITE_OK) return false;
    size += chunk;
  }
  return true;
}

void tp_sqlite_log_room_make(tp_sqlite_log_room *room, sqlite3_file *log, int64_t now_ns) {
  int64_t wanted_size = room->used_size + room->group_size + GROUP_SIZE_SPARE;
  if (wanted_size <= room->file_size || room->group_size > GROUP_SIZE_MAX) return;
  if (now_ns < room->again_at_ns) return;
  room->again_at_ns = now_ns + RETRY_MS * INT64_C(1000000); /* unless it succeeds */
  sqlite3_int64 size = 0;
  if (log->pMethods->xFileSize(log, &size) != SQLITE_OK) return;
  int64_t next = size < wanted_size ? next_size(size, wanted_size) : size;
  if (!lengthen(log, size, next)) return;
  room->file_size = next;
  room->again_at_ns = 0;
}

/* snapshot.c: a read transaction that stays open from read to read, for as long as it shows the newest state.
 */
#include "engine/sqlite/snapshot.h"

#include "engine/sqlite/lookup.h"

#include <string.h>
#include <time.h>

/* The first part of the index: its head stands at its beginning, twice, and the first copy is written last.
 * Source: https://sqlite.org/walformat.html, "The WAL-Index File Format" and "WAL Locks". */
enum {
  LOG_INDEX_PART_SIZE = 32768,
  LOG_INDEX_VERSION = 3007000,
  FRAMES_WORD = 4,               /* of the head: frames in the log */
  CHECKPOINTED_FRAMES_WORD = 24, /* behind both heads: how many of them the file has, too */
  CHECKPOINT_LOCK = 1
};

static const int64_t held_max_ns = TP_SQLITE_SNAPSHOT_HELD_MS * INT64_C(1000000);

/* Exact to some milliseconds, and next to free. */
static int64_t coarse_now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail for this clock */
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The database's file, if its file system is one that shares memory; else NULL. */
static sqlite3_file *find_file(sqlite3 *db) {
  sqlite3_file *file = NULL;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
      file->pMethods == NULL || file->pMethods->iVersion < 2 || file->pMethods->xShmMap == NULL)
    return NULL;
  return file;
}

/* SQLite itself has the index mapped once the connection has read, and keeps it so until it is closed. */
static const _Atomic uint32_t *find_log_index(sqlite3 *db) {
  sqlite3_file *log = NULL;
  /* Where SQLite could not open the log, it would not unmap the index in the end either. */
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || log == NULL ||
      log->pMethods == NULL)
    return NULL;
  sqlite3_file *file = find_file(db);
  if (file == NULL) return NULL;
  void volatile *part = NULL;
  int rc = file->pMethods->xShmMap(file, 0, LOG_INDEX_PART_SIZE, 0, &part);
  if (rc != SQLITE_OK || part == NULL) return NULL;
  const _Atomic uint32_t *index = (const _Atomic uint32_t *)(uintptr_t)part; /* volatile is C's older way */
  return atomic_load(index) == LOG_INDEX_VERSION ? index : NULL;
}

static void load_log_state(const _Atomic uint32_t *index, uint32_t *ret_state) {
  /* Each load comes before what follows, without a fence, which the thread sanitizer does not know. */
  for (size_t i = 0; i < TP_SQLITE_LOG_STATE_WORDS; i++) ret_state[i] = atomic_load(&index[i]);
}

/* A head that is being written right now differs as well: what it tells of is not acknowledged yet, and
 * SQLite waits until it is whole. */
static bool is_current(const tp_sqlite_snapshot *snapshot) {
  uint32_t state[TP_SQLITE_LOG_STATE_WORDS];
  load_log_state(snapshot->log_index, state);
  return memcmp(state, snapshot->log_state, sizeof state) == 0;
}

/* Whether a checkpoint is under way that may be waiting for a reader to let go of the log. SQLite tries again
 * and again then, and who begins anew right after the end is in its way nearly every time; but not once the
 * file has every frame, as a reader lets the log alone then. */
static bool is_in_the_way(const _Atomic uint32_t *log_index, sqlite3 *db) {
  if (atomic_load(&log_index[CHECKPOINTED_FRAMES_WORD]) == atomic_load(&log_index[FRAMES_WORD])) return false;
  sqlite3_file *file = find_file(db);
  if (file == NULL) return false;
  if (file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1, SQLITE_SHM_LOCK | SQLITE_SHM_SHARED) != SQLITE_OK)
    return true;
  (void)file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
  return false;
}

void tp_sqlite_snapshot_release(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection) {
  if (!snapshot->is_held) return;
  snapshot->is_held = false;
  tp_sqlite_look_up_end(connection);
  if (tp_sqlite_run(connection, TP_SQL_COMMIT, NULL) != TUPLET_OK) tp_sqlite_abandon(connection);
}

/* A transaction that could not be ended, for want of memory, shows an old state: nothing is read in it. */
static tuplet_status end_left_over(tp_sqlite_connection *connection, tuplet_error *error) {
  if (sqlite3_get_autocommit(connection->db)) return TUPLET_OK;
  return tp_sqlite_run(connection, TP_SQL_ROLLBACK, error);
}

tuplet_status tp_sqlite_snapshot_enter(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection,
                                       tp_sqlite_snapshot_use *ret_use, tuplet_error *error) {
  *ret_use = TP_SQLITE_SNAPSHOT_NONE;
  if (connection->location->in_memory) return end_left_over(connection, error);
  int64_t now_ns = coarse_now_ns();
  bool follows_closely = snapshot->used_ns != 0 && now_ns - snapshot->used_ns < held_max_ns;
  bool is_over = now_ns - snapshot->begun_ns >= held_max_ns;
  snapshot->used_ns = now_ns;
  bool may_be_in_the_way = snapshot->gives_way;
  if (snapshot->is_held) {
    bool current = is_current(snapshot);
    if (current && !is_over) {
      *ret_use = TP_SQLITE_SNAPSHOT_HELD;
      return TUPLET_OK;
    }
    may_be_in_the_way = current; /* who waits for readers keeps commits away as well */
    tp_sqlite_snapshot_release(snapshot, connection);
  }
  tuplet_status status = end_left_over(connection, error);
  if (status != TUPLET_OK) return status;
  if (snapshot->gives_way && !is_over) return TUPLET_OK;
  if (!follows_closely) return TUPLET_OK;
  if (snapshot->log_index == NULL) snapshot->log_index = find_log_index(connection->db);
  if (snapshot->log_index == NULL) return TUPLET_OK;
  snapshot->begun_ns = now_ns;
  snapshot->gives_way = may_be_in_the_way && is_in_the_way(snapshot->log_index, connection->db);
  if (snapshot->gives_way) return TUPLET_OK;
  load_log_state(snapshot->log_index, snapshot->log_state);
  status = tp_sqlite_run(connection, TP_SQL_BEGIN_READ, error);
  if (status == TUPLET_OK) *ret_use = TP_SQLITE_SNAPSHOT_BEGUN;
  return status;
}

bool tp_sqlite_snapshot_leave(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection,
                              tuplet_status status) {
  bool was_held = snapshot->is_held;
  snapshot->is_held = true;
  /* SQLite chose the state at the first row that it looked for, somewhere between BEGIN and now. */
  bool keeps = status == TUPLET_OK && (was_held || is_current(snapshot));
  if (!keeps) tp_sqlite_snapshot_release(snapshot, connection);
  return keeps && !was_held;
}

bool tp_sqlite_snapshot_rest(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection) {
  if (snapshot->is_held && coarse_now_ns() - snapshot->used_ns >= held_max_ns)
    tp_sqlite_snapshot_release(snapshot, connection);
  return snapshot->is_held;
}

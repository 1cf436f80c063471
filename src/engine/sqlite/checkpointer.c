/* checkpointer.c: moves the write-ahead log into the database file.
 *
 * SQLite starts the log over only when a write finds every frame of it checkpointed and no reader in it,
 * which never happens by itself while commits and reads keep coming. So a round is: checkpoint beside the
 * commits until little is left, then hold the commits back for the short rest and until the readers have
 * moved on (those that begin now read the file alone). A reader that stays is not waited for longer than
 * commits can bear; the round is tried again when the log has grown by as much again. */
#include "engine/sqlite/checkpointer.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"

#include <string.h>

enum {
  LOG_FRAMES_WANTED = 4000, /* a round starts past this: 16 MiB of 4 KiB pages */
  LOG_FRAMES_MAX = 64000,   /* 250 MiB; past this, commits are slowed down to what the disk can bear */
  REST_FRAMES_MAX = 256,    /* few enough to hold commits back for */
  ROUNDS_MAX = 4,
  READERS_WAIT_MS = 20,
  /* Past LOG_FRAMES_MAX: commits wait so long for each so many frames more. */
  READERS_LONG_WAIT_MS = 1000,
  LONG_WAIT_FRAMES = 1000,
  FULL_INTERVAL_MS = 1000 /* between rounds for the sake of room */
};

tuplet_status tp_sqlite_checkpointer_init(tp_sqlite_checkpointer *checkpointer,
                                          const tp_sqlite_location *location, tp_sqlite_reader_pool *readers,
                                          pthread_mutex_t *commit_mutex, tp_engine_stats *stats,
                                          tuplet_error *error) {
  *checkpointer = (tp_sqlite_checkpointer){
      .location = location, .readers = readers, .commit_mutex = commit_mutex, .stats = stats};
  atomic_init(&checkpointer->round_at_frames, LOG_FRAMES_WANTED);
  int rc = pthread_mutex_init(&checkpointer->mutex, NULL);
  if (rc == 0) {
    rc = pthread_cond_init(&checkpointer->wake, NULL);
    if (rc != 0) (void)pthread_mutex_destroy(&checkpointer->mutex);
  }
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_sqlite_checkpointer_done(tp_sqlite_checkpointer *checkpointer) {
  (void)pthread_mutex_lock(&checkpointer->mutex);
  bool started = checkpointer->started;
  checkpointer->stopping = true;
  (void)pthread_cond_signal(&checkpointer->wake);
  (void)pthread_mutex_unlock(&checkpointer->mutex);
  if (started) (void)pthread_join(checkpointer->thread, NULL);
  tp_sqlite_checkpointer_set_log_size(checkpointer, 0);
  tp_sqlite_connection_done(&checkpointer->connection);
  (void)pthread_cond_destroy(&checkpointer->wake);
  (void)pthread_mutex_destroy(&checkpointer->mutex);
}

/* Frames of the log that are left to checkpoint, and in it. A failure (a full disk, a busy neighbour) leaves
 * the log as it is; a later round tries again, and commits report what concerns them themselves. */
static int frames_left(tp_sqlite_checkpointer *checkpointer, int *ret_log) {
  int log = -1, checkpointed = -1;
  tp_deadline deadline = tp_deadline_in(READERS_WAIT_MS);
  /* What one of them reads has to stay in the log. */
  tp_sqlite_readers_move_on(checkpointer->readers, &deadline);
  (void)sqlite3_wal_checkpoint_v2(checkpointer->connection.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log,
                                  &checkpointed);
  *ret_log = log;
  return log < 0 ? 0 : log - checkpointed;
}

/* One attempt to checkpoint what is left and to find nobody who reads from the log. */
static bool restart(tp_sqlite_checkpointer *checkpointer, const tp_deadline *deadline) {
  /* Once nobody reads an older state than the last, the file may have all of it; once it has, those who begin
   * now do not read from the log. SQLite by itself would wait for the reader that it met first, and for
   * whoever takes its place. */
  tp_sqlite_readers_move_on(checkpointer->readers, deadline);
  sqlite3 *db = checkpointer->connection.db;
  return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) == SQLITE_OK;
}

/* Sees to it that the next commit starts the log over. Commits are held back. */
static bool finish(tp_sqlite_checkpointer *checkpointer, int wait_ms) {
  tp_deadline deadline = tp_deadline_in(wait_ms);
  if (restart(checkpointer, &deadline)) return true;
  deadline = tp_deadline_in(wait_ms); /* most of the time may have gone into syncing the file */
  do {
    if (restart(checkpointer, &deadline)) return true;
  } while (!tp_deadline_is_over(&deadline));
  return false;
}

void tp_sqlite_checkpointer_set_log_size(tp_sqlite_checkpointer *checkpointer, int64_t size) {
  if (checkpointer->stats == NULL) return;
  atomic_fetch_add(&checkpointer->stats->log_size, size - checkpointer->log_size);
  checkpointer->log_size = size;
}

static void count_round(tp_engine_stats *stats, int64_t duration_ns, bool finished) {
  if (stats == NULL) return;
  tp_histogram_record(&stats->checkpoint_ns, (uint64_t)duration_ns);
  if (!finished) atomic_fetch_add(&stats->checkpoints_incomplete, 1);
}

static void run_round(tp_sqlite_checkpointer *checkpointer) {
  tp_clock clock = tp_clock_system();
  int64_t begun_ns = tp_clock_monotonic_ns(&clock);
  tp_sqlite_connection *connection = &checkpointer->connection;
  if (connection->db == NULL) {
    /* Without a connection (no memory, no descriptors) the log grows until a later round gets one. */
    if (tp_sqlite_connection_init(connection, checkpointer->location, true, NULL) != TUPLET_OK) return;
    connection->busy_wait_max_ms = 0; /* waiting is done here */
  }
  int log = 0;
  for (int i = 0; i < ROUNDS_MAX; i++) {
    if (frames_left(checkpointer, &log) <= REST_FRAMES_MAX) break;
  }
  bool too_long = log > LOG_FRAMES_MAX;
  (void)pthread_mutex_lock(checkpointer->commit_mutex);
  bool finished = finish(checkpointer, too_long ? READERS_LONG_WAIT_MS : READERS_WAIT_MS);
  if (finished) tp_sqlite_checkpointer_set_log_size(checkpointer, 0); /* the next commit starts it over */
  (void)pthread_mutex_unlock(checkpointer->commit_mutex);
  int growth = too_long ? LONG_WAIT_FRAMES : LOG_FRAMES_WANTED;
  atomic_store(&checkpointer->round_at_frames, finished ? LOG_FRAMES_WANTED : log + growth);
  count_round(checkpointer->stats, tp_clock_monotonic_ns(&clock) - begun_ns, finished);
}

static void *run(void *context) {
  tp_sqlite_checkpointer *checkpointer = context;
  (void)pthread_mutex_lock(&checkpointer->mutex);
  while (!checkpointer->stopping) {
    if (!checkpointer->requested) {
      (void)pthread_cond_wait(&checkpointer->wake, &checkpointer->mutex);
      continue;
    }
    (void)pthread_mutex_unlock(&checkpointer->mutex);
    run_round(checkpointer);
    (void)pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->requested = false; /* after the round: what was noted meanwhile is part of it */
  }
  (void)pthread_mutex_unlock(&checkpointer->mutex);
  return NULL;
}

static void request_round(tp_sqlite_checkpointer *checkpointer) {
  (void)pthread_mutex_lock(&checkpointer->mutex);
  if (!checkpointer->started) {
    /* If there is no thread to be had now, the next commit asks again. */
    checkpointer->started =
        tp_thread_start(&checkpointer->thread, "tp-checkpoint", run, checkpointer, NULL) == TUPLET_OK;
  }
  checkpointer->requested = true;
  (void)pthread_cond_signal(&checkpointer->wake);
  (void)pthread_mutex_unlock(&checkpointer->mutex);
}

void tp_sqlite_checkpointer_note_log(tp_sqlite_checkpointer *checkpointer, int frames) {
  if (frames < LOG_FRAMES_WANTED) {
    atomic_store(&checkpointer->round_at_frames, LOG_FRAMES_WANTED); /* the log has started over */
    return;
  }
  if (frames >= atomic_load(&checkpointer->round_at_frames)) request_round(checkpointer);
}

void tp_sqlite_checkpointer_note_full(tp_sqlite_checkpointer *checkpointer, int64_t now_ns) {
  if (now_ns < checkpointer->full_again_at_ns) return;
  checkpointer->full_again_at_ns = now_ns + FULL_INTERVAL_MS * INT64_C(1000000);
  request_round(checkpointer);
}

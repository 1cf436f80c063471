/* checkpointer.c: moves the write-ahead log into the database file.
 *
 * SQLite starts the log over only when a write finds every frame of it checkpointed, which never happens by
 * itself while commits keep coming. So a round is: checkpoint beside the commits until little is left, then
 * hold the commits back for the short rest. */
#include "engine/sqlite/checkpointer.h"

#include "base/status.h"
#include "base/thread.h"

#include <string.h>

enum {
  LOG_FRAMES_WANTED = 4000, /* a round starts past this: 16 MiB of 4 KiB pages */
  LOG_FRAMES_MAX = 64000,   /* past this, commits wait until readers have let go of the log */
  REST_FRAMES_MAX = 256,    /* few enough to hold commits back for */
  ROUNDS_MAX = 4,
  READERS_WAIT_MS = 1000
};

tuplet_status tp_sqlite_checkpointer_init(tp_sqlite_checkpointer *checkpointer,
                                          const tp_sqlite_location *location, pthread_mutex_t *commit_mutex,
                                          tuplet_error *error) {
  *checkpointer = (tp_sqlite_checkpointer){.location = location, .commit_mutex = commit_mutex};
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
  tp_sqlite_connection_done(&checkpointer->connection);
  (void)pthread_cond_destroy(&checkpointer->wake);
  (void)pthread_mutex_destroy(&checkpointer->mutex);
}

/* Frames in the log and how many of them are checkpointed now. A failure (a full disk, a busy neighbour)
 * leaves the log as it is; the next round tries again, and commits report what concerns them themselves. */
static int frames_left(tp_sqlite_connection *connection, int mode, int *ret_log) {
  int log = -1, checkpointed = -1;
  (void)sqlite3_wal_checkpoint_v2(connection->db, NULL, mode, &log, &checkpointed);
  *ret_log = log;
  return log < 0 ? 0 : log - checkpointed;
}

static void run_round(tp_sqlite_checkpointer *checkpointer) {
  tp_sqlite_connection *connection = &checkpointer->connection;
  if (connection->db == NULL) {
    /* Without a connection (no memory, no descriptors) the log grows until a later round gets one. */
    if (tp_sqlite_connection_init(connection, checkpointer->location, true, NULL) != TUPLET_OK) return;
    (void)sqlite3_busy_timeout(connection->db, READERS_WAIT_MS);
  }
  int log = 0;
  for (int i = 0; i < ROUNDS_MAX; i++) {
    if (frames_left(connection, SQLITE_CHECKPOINT_PASSIVE, &log) <= REST_FRAMES_MAX) break;
  }
  (void)pthread_mutex_lock(checkpointer->commit_mutex);
  (void)frames_left(connection, log > LOG_FRAMES_MAX ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                    &log);
  (void)pthread_mutex_unlock(checkpointer->commit_mutex);
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

void tp_sqlite_checkpointer_note_log(tp_sqlite_checkpointer *checkpointer, int frames) {
  if (frames < LOG_FRAMES_WANTED) return;
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

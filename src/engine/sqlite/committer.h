/* committer.h: the one place of an engine that writes.
 *
 *   any thread: submit -> [ queue ] -> committer: BEGIN, apply each, COMMIT (one fsync) -> complete each
 *
 * What arrives during the fsync is the next group. Alone, a write costs one fsync; under load, hundreds share
 * it.
 * A thread that waits for its write while nobody else writes commits it itself, which saves waking two
 * threads. */
#ifndef TP_ENGINE_SQLITE_COMMITTER_H
#define TP_ENGINE_SQLITE_COMMITTER_H

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/sqlite/checkpointer.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/log_gather.h"
#include "engine/sqlite/log_room.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct tp_sqlite_committer {
  const tp_sqlite_location *location;
  tp_clock clock;
  pthread_rwlock_t *memory_lock; /* of a database in memory, whose readers and writer exclude each other */
  tp_engine_observer observer;
  tp_engine_stats *stats;          /* NULL: none */
  int page_size;                   /* of the file, bytes */
  tp_sqlite_connection connection; /* the thread's, once it runs */
  tp_sqlite_checkpointer checkpointer;
  int log_frames;                  /* of the write-ahead log, at the last commit */
  tp_sqlite_log_room log_room;     /* noted always, made only where each commit syncs the log */
  tp_sqlite_log_gather log_gather; /* used only there */
  pthread_t thread;
  int64_t held_ns;      /* how long the last group held the file's write lock */
  size_t applied_count; /* writes of the last group that were applied */
  int64_t
      others_seen_at_ns; /* when others were last seen to write to the file, or to hold its lock; monotonic */

  /* The number of the last commit this engine made, and of the one it is making: another one in the file is
   * somebody else's. */
  _Atomic int64_t committed_version;
  _Atomic int64_t version_in_flight;
  /* The largest number that it gave to a commit of its own, from before that can be seen. A group that
   * changes nothing that is numbered leaves the number of whoever committed last. */
  _Atomic int64_t own_version;
  atomic_bool foreign_changes;

  pthread_mutex_t
      commit_mutex;      /* held while a group is written; the checkpointer holds it for its last step */
  pthread_mutex_t mutex; /* guards what follows; never held while a group is written */
  pthread_cond_t wake;
  tp_write *first_write;
  tp_write **last_write_link;
  tp_sweep *first_sweep;
  tp_queue_turn *first_turn;
  bool started;
  bool stopping;
  bool writing;            /* somebody has the connection: the thread, or a submitter */
  size_t last_group_count; /* writes in the last group */
} tp_sqlite_committer;

/* Opens the writing connection and prepares the schema. On failure there is nothing to end. */
tuplet_status tp_sqlite_committer_init(tp_sqlite_committer *committer, const tp_sqlite_location *location,
                                       tp_sqlite_reader_pool *readers, tp_clock clock,
                                       pthread_rwlock_t *memory_lock, tp_engine_stats *stats,
                                       tuplet_error *error);

/* Completes what was submitted, then ends the thread. What waits for another process's lock fails with
 * TUPLET_BUSY. */
void tp_sqlite_committer_done(tp_sqlite_committer *committer);

/* Any thread. */
void tp_sqlite_committer_write(tp_sqlite_committer *committer, tp_write *write);
void tp_sqlite_committer_sweep(tp_sqlite_committer *committer, tp_sweep *sweep);
void tp_sqlite_committer_queue_turn(tp_sqlite_committer *committer, tp_queue_turn *turn);

#endif

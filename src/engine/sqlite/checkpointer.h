/* checkpointer.h: moves the write-ahead log into the database file, on a thread of its own, so that no commit
 * pays for it and the log's size stays bounded. */
#ifndef TP_ENGINE_SQLITE_CHECKPOINTER_H
#define TP_ENGINE_SQLITE_CHECKPOINTER_H

#include "engine/sqlite/connection.h"
#include "engine/sqlite/reader_pool.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct tp_sqlite_checkpointer {
  const tp_sqlite_location *location;
  tp_sqlite_reader_pool *readers;
  pthread_mutex_t *commit_mutex; /* the committer holds it while it writes to the log */
  tp_engine_stats *stats;        /* NULL: none */
  int64_t log_size;              /* our part of stats->log_size; guarded by commit_mutex */
  pthread_t thread;
  tp_sqlite_connection connection; /* the thread's */
  atomic_int round_at_frames;      /* how long the log may become before the next round */
  int64_t full_again_at_ns;        /* monotonic; when a full disk is a reason for a round again */
  pthread_mutex_t mutex;           /* guards what follows */
  pthread_cond_t wake;
  bool started;
  bool stopping;
  bool requested;
} tp_sqlite_checkpointer;

tuplet_status tp_sqlite_checkpointer_init(tp_sqlite_checkpointer *checkpointer,
                                          const tp_sqlite_location *location, tp_sqlite_reader_pool *readers,
                                          pthread_mutex_t *commit_mutex, tp_engine_stats *stats,
                                          tuplet_error *error);
/* Ends the thread. Commits must have ended before. */
void tp_sqlite_checkpointer_done(tp_sqlite_checkpointer *checkpointer);

/* To be called after each commit with the log's size, in frames (pages). Quick. One thread at a time. */
void tp_sqlite_checkpointer_note_log(tp_sqlite_checkpointer *checkpointer, int frames);

/* To be called after each commit that found the disk full. A log that is checkpointed starts over in the room
 * it has already, so that deletes and overwrites may go on. now_ns: monotonic. Quick. One thread at a time.
 */
void tp_sqlite_checkpointer_note_full(tp_sqlite_checkpointer *checkpointer, int64_t now_ns);

/* The log has that many bytes now, for the statistics. With commit_mutex held. */
void tp_sqlite_checkpointer_set_log_size(tp_sqlite_checkpointer *checkpointer, int64_t size);

#endif

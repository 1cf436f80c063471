/* reader_pool.h: the engine's connections for reading: as many as threads read at once, opened when needed.
 *
 * Readers hold snapshots for some milliseconds after a read (snapshot.h). A thread of the pool ends those
 * that nobody uses any more, and the checkpointer has all of them move on. */
#ifndef TP_ENGINE_SQLITE_READER_POOL_H
#define TP_ENGINE_SQLITE_READER_POOL_H

#include "base/deadline.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/snapshot.h"

#include <pthread.h>

/* How many idle connections are kept; each holds a page cache. */
#define TP_SQLITE_IDLE_READERS_MAX 64

typedef struct tp_sqlite_reader tp_sqlite_reader;
struct tp_sqlite_reader {
  pthread_mutex_t mutex; /* held by whoever uses what follows */
  tp_sqlite_connection connection;
  tp_sqlite_snapshot snapshot;
  atomic_uint epoch;           /* any thread reads it: no transaction began before this epoch of the pool's */
  tp_sqlite_reader *next_idle; /* the pool's mutex guards this and what follows */
  tp_sqlite_reader *previous, *next; /* of all */
};

typedef struct tp_sqlite_reader_pool {
  const tuplet_allocator *allocator;
  const tp_sqlite_location *location;
  atomic_uint epoch;     /* counts the calls of tp_sqlite_readers_move_on */
  atomic_bool rests;     /* the thread looks after held snapshots, or is about to */
  pthread_mutex_t mutex; /* guards what follows */
  pthread_cond_t wake;
  pthread_t thread;
  bool started;
  bool stopping;
  tp_sqlite_reader *all;
  tp_sqlite_reader *idle;
  uint32_t idle_count;
} tp_sqlite_reader_pool;

tuplet_status tp_sqlite_reader_pool_init(tp_sqlite_reader_pool *pool, const tuplet_allocator *allocator,
                                         const tp_sqlite_location *location, tuplet_error *error);
/* Every reader must have been given back, and those outside the pool freed. */
void tp_sqlite_reader_pool_done(tp_sqlite_reader_pool *pool);

/* Any thread. Whoever has taken a reader uses its connection by tp_sqlite_reader_read, or between
 * tp_sqlite_reader_lock and _unlock. */
tuplet_status tp_sqlite_reader_take(tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                    tuplet_error *error);
void tp_sqlite_reader_give_back(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader);

/* A reader outside the pool, for one thread's own use. */
tuplet_status tp_sqlite_reader_new(tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                   tuplet_error *error);
void tp_sqlite_reader_free(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader);

/* See tp_sqlite_read; everything that was committed before the call is seen. */
tuplet_status tp_sqlite_reader_read(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader, tp_read *read,
                                    tuplet_error *error);

/* The connection, without a transaction, until tp_sqlite_reader_unlock. */
tp_sqlite_connection *tp_sqlite_reader_lock(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader);
void tp_sqlite_reader_unlock(tp_sqlite_reader *reader);

/* Waits until no transaction of the readers is older than this call, but at most until the deadline: a long
 * read is not cut short. Any thread. */
void tp_sqlite_readers_move_on(tp_sqlite_reader_pool *pool, const tp_deadline *deadline);

#endif

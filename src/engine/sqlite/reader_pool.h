/* reader_pool.h: the engine's connections for reading: as many as threads read at once, opened when needed.
 */
#ifndef TP_ENGINE_SQLITE_READER_POOL_H
#define TP_ENGINE_SQLITE_READER_POOL_H

#include "engine/sqlite/connection.h"

#include <pthread.h>

/* How many idle connections are kept; each holds a page cache. */
#define TP_SQLITE_IDLE_READERS_MAX 64

typedef struct tp_sqlite_reader tp_sqlite_reader;
struct tp_sqlite_reader {
  tp_sqlite_connection connection;
  tp_sqlite_reader *next_idle;
};

typedef struct tp_sqlite_reader_pool {
  const tuplet_allocator *allocator;
  const tp_sqlite_location *location;
  pthread_mutex_t mutex; /* guards what follows */
  tp_sqlite_reader *idle;
  uint32_t idle_count;
} tp_sqlite_reader_pool;

tuplet_status tp_sqlite_reader_pool_init(tp_sqlite_reader_pool *pool, const tuplet_allocator *allocator,
                                         const tp_sqlite_location *location, tuplet_error *error);
/* Every reader must have been given back. */
void tp_sqlite_reader_pool_done(tp_sqlite_reader_pool *pool);

/* Any thread. */
tuplet_status tp_sqlite_reader_take(tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                    tuplet_error *error);
void tp_sqlite_reader_give_back(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader);

/* A reader outside the pool, for one thread's own use. */
tuplet_status tp_sqlite_reader_new(const tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                   tuplet_error *error);
void tp_sqlite_reader_free(const tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader);

#endif

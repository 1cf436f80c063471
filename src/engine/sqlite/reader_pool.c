/* reader_pool.c: the engine's connections for reading. */
#include "engine/sqlite/reader_pool.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

tuplet_status tp_sqlite_reader_pool_init(tp_sqlite_reader_pool *pool, const tuplet_allocator *allocator,
                                         const tp_sqlite_location *location, tuplet_error *error) {
  *pool = (tp_sqlite_reader_pool){.allocator = allocator, .location = location};
  int rc = pthread_mutex_init(&pool->mutex, NULL);
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_sqlite_reader_pool_done(tp_sqlite_reader_pool *pool) {
  while (pool->idle != NULL) {
    tp_sqlite_reader *reader = pool->idle;
    pool->idle = reader->next_idle;
    tp_sqlite_reader_free(pool, reader);
  }
  (void)pthread_mutex_destroy(&pool->mutex);
}

tuplet_status tp_sqlite_reader_take(tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                    tuplet_error *error) {
  (void)pthread_mutex_lock(&pool->mutex);
  tp_sqlite_reader *reader = pool->idle;
  if (reader != NULL) {
    pool->idle = reader->next_idle;
    pool->idle_count--;
  }
  (void)pthread_mutex_unlock(&pool->mutex);
  if (reader == NULL) return tp_sqlite_reader_new(pool, ret_reader, error);
  *ret_reader = reader;
  return TUPLET_OK;
}

void tp_sqlite_reader_give_back(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader) {
  (void)pthread_mutex_lock(&pool->mutex);
  bool keep = pool->idle_count < TP_SQLITE_IDLE_READERS_MAX;
  if (keep) {
    reader->next_idle = pool->idle;
    pool->idle = reader;
    pool->idle_count++;
  }
  (void)pthread_mutex_unlock(&pool->mutex);
  if (!keep) tp_sqlite_reader_free(pool, reader);
}

tuplet_status tp_sqlite_reader_new(const tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                   tuplet_error *error) {
  tp_sqlite_reader *reader = tp_alloc_array_zeroed(pool->allocator, 1, sizeof *reader);
  if (reader == NULL) return tp_fail_nomem(error);
  tuplet_status status = tp_sqlite_connection_init(&reader->connection, pool->location, false, error);
  if (status != TUPLET_OK) {
    tp_free(pool->allocator, reader);
    return status;
  }
  *ret_reader = reader;
  return TUPLET_OK;
}

void tp_sqlite_reader_free(const tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader) {
  if (reader == NULL) return;
  tp_sqlite_connection_done(&reader->connection);
  tp_free(pool->allocator, reader);
}

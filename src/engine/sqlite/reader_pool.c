/* reader_pool.c: the engine's connections for reading. */
#include "engine/sqlite/reader_pool.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"
#include "engine/sqlite/read.h"

#include <string.h>
#include <unistd.h>

tuplet_status tp_sqlite_reader_pool_init(tp_sqlite_reader_pool *pool, const tuplet_allocator *allocator,
                                         const tp_sqlite_location *location, tuplet_error *error) {
  *pool = (tp_sqlite_reader_pool){.allocator = allocator, .location = location};
  int rc = pthread_mutex_init(&pool->mutex, NULL);
  if (rc == 0) {
    rc = tp_deadline_init_cond(&pool->wake);
    if (rc != 0) (void)pthread_mutex_destroy(&pool->mutex);
  }
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

void tp_sqlite_reader_pool_done(tp_sqlite_reader_pool *pool) {
  (void)pthread_mutex_lock(&pool->mutex);
  bool started = pool->started;
  pool->stopping = true;
  (void)pthread_cond_signal(&pool->wake);
  (void)pthread_mutex_unlock(&pool->mutex);
  if (started) (void)pthread_join(pool->thread, NULL);
  while (pool->idle != NULL) {
    tp_sqlite_reader *reader = pool->idle;
    pool->idle = reader->next_idle;
    tp_sqlite_reader_free(pool, reader);
  }
  (void)pthread_cond_destroy(&pool->wake);
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

tuplet_status tp_sqlite_reader_new(tp_sqlite_reader_pool *pool, tp_sqlite_reader **ret_reader,
                                   tuplet_error *error) {
  tp_sqlite_reader *reader = tp_alloc_array_zeroed(pool->allocator, 1, sizeof *reader);
  if (reader == NULL) return tp_fail_nomem(error);
  tuplet_status status = TUPLET_OK;
  int rc = pthread_mutex_init(&reader->mutex, NULL);
  if (rc != 0) {
    status = tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
    goto out_free;
  }
  status = tp_sqlite_connection_init(&reader->connection, pool->location, false, error);
  if (status != TUPLET_OK) {
    (void)pthread_mutex_destroy(&reader->mutex);
    goto out_free;
  }
  (void)pthread_mutex_lock(&pool->mutex);
  reader->next = pool->all;
  if (pool->all != NULL) pool->all->previous = reader;
  pool->all = reader;
  (void)pthread_mutex_unlock(&pool->mutex);
  *ret_reader = reader;
  return TUPLET_OK;

out_free:
  tp_free(pool->allocator, reader);
  return status;
}

void tp_sqlite_reader_free(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader) {
  if (reader == NULL) return;
  (void)pthread_mutex_lock(&pool->mutex);
  if (reader->previous != NULL)
    reader->previous->next = reader->next;
  else
    pool->all = reader->next;
  if (reader->next != NULL) reader->next->previous = reader->previous;
  (void)pthread_mutex_unlock(&pool->mutex);
  tp_sqlite_snapshot_release(&reader->snapshot, &reader->connection);
  tp_sqlite_connection_done(&reader->connection);
  (void)pthread_mutex_destroy(&reader->mutex);
  tp_free(pool->allocator, reader);
}

/* ---- Ending snapshots that are not used any more ---- */

/* Whether one is held still. A reader that is in use now will be looked at again. */
static bool rest_all(tp_sqlite_reader_pool *pool) {
  bool some_held = false;
  for (tp_sqlite_reader *reader = pool->all; reader != NULL; reader = reader->next) {
    if (pthread_mutex_trylock(&reader->mutex) != 0) {
      some_held = true;
      continue;
    }
    if (tp_sqlite_snapshot_rest(&reader->snapshot, &reader->connection)) some_held = true;
    (void)pthread_mutex_unlock(&reader->mutex);
  }
  return some_held;
}

static void *run(void *context) {
  tp_sqlite_reader_pool *pool = context;
  (void)pthread_mutex_lock(&pool->mutex);
  while (!pool->stopping) {
    if (!atomic_load(&pool->rests)) {
      (void)pthread_cond_wait(&pool->wake, &pool->mutex);
      continue;
    }
    tp_deadline deadline = tp_deadline_in(TP_SQLITE_SNAPSHOT_HELD_MS);
    while (!pool->stopping && tp_deadline_wait(&deadline, &pool->wake, &pool->mutex) == TUPLET_OK) continue;
    /* Before looking: who holds a snapshot from now on says so anew. */
    atomic_store(&pool->rests, false);
    if (rest_all(pool)) atomic_store(&pool->rests, true);
  }
  (void)pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

/* Whether somebody will end the snapshot that is held from now on. */
static bool have_rested(tp_sqlite_reader_pool *pool) {
  if (atomic_exchange(&pool->rests, true)) return true;
  (void)pthread_mutex_lock(&pool->mutex);
  if (!pool->started) {
    pool->started = tp_thread_start(&pool->thread, "tp-snapshot", run, pool, NULL) == TUPLET_OK;
  }
  bool started = pool->started;
  (void)pthread_cond_signal(&pool->wake);
  (void)pthread_mutex_unlock(&pool->mutex);
  if (!started) atomic_store(&pool->rests, false);
  return started;
}

/* ---- Moving on ---- */

/* The reader's mutex is held: what begins from now on belongs to the pool's epoch. */
static void enter_epoch(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader) {
  unsigned epoch = atomic_load(&pool->epoch);
  if (atomic_load(&reader->epoch) == epoch) return;
  tp_sqlite_snapshot_release(&reader->snapshot, &reader->connection);
  atomic_store(&reader->epoch, epoch);
}

/* Whoever reads all the time moves on by itself with its next read; its mutex is never free for long. */
static bool have_moved_on(tp_sqlite_reader_pool *pool, unsigned epoch) {
  bool all_have = true;
  (void)pthread_mutex_lock(&pool->mutex);
  for (tp_sqlite_reader *reader = pool->all; reader != NULL; reader = reader->next) {
    if ((int)(atomic_load(&reader->epoch) - epoch) >= 0) continue;
    if (pthread_mutex_trylock(&reader->mutex) != 0) {
      all_have = false;
      continue;
    }
    enter_epoch(pool, reader);
    (void)pthread_mutex_unlock(&reader->mutex);
  }
  (void)pthread_mutex_unlock(&pool->mutex);
  return all_have;
}

void tp_sqlite_readers_move_on(tp_sqlite_reader_pool *pool, const tp_deadline *deadline) {
  enum { LOOK_AGAIN_US = 100 };
  unsigned epoch = atomic_fetch_add(&pool->epoch, 1) + 1;
  while (!have_moved_on(pool, epoch) && !tp_deadline_is_over(deadline))
    (void)usleep(LOOK_AGAIN_US); /* cut short by a signal is fine */
}

/* ---- Reading ---- */

tuplet_status tp_sqlite_reader_read(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader, tp_read *read,
                                    tuplet_error *error) {
  tp_sqlite_connection *connection = &reader->connection;
  (void)pthread_mutex_lock(&reader->mutex);
  enter_epoch(pool, reader);
  tp_sqlite_snapshot_use use;
  tuplet_status status = tp_sqlite_snapshot_enter(&reader->snapshot, connection, &use, error);
  if (status == TUPLET_OK) status = tp_sqlite_read(connection, use, read, error);
  if (use != TP_SQLITE_SNAPSHOT_NONE && tp_sqlite_snapshot_leave(&reader->snapshot, connection, status) &&
      !have_rested(pool)) {
    tp_sqlite_snapshot_release(&reader->snapshot, connection);
  }
  (void)pthread_mutex_unlock(&reader->mutex);
  return status;
}

tp_sqlite_connection *tp_sqlite_reader_lock(tp_sqlite_reader_pool *pool, tp_sqlite_reader *reader) {
  (void)pthread_mutex_lock(&reader->mutex);
  enter_epoch(pool, reader);
  tp_sqlite_snapshot_release(&reader->snapshot, &reader->connection);
  tp_sqlite_abandon(&reader->connection); /* what could not be ended before */
  return &reader->connection;
}

void tp_sqlite_reader_unlock(tp_sqlite_reader *reader) {
  (void)pthread_mutex_unlock(&reader->mutex);
}

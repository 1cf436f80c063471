/* sqlite_engine.c: the parts of the SQLite engine behind the seam: readers, committer, checkpointer. */
#include "engine/sqlite/sqlite_engine.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/status.h"
#include "engine/sqlite/committer.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/notice.h"
#include "engine/sqlite/read.h"
#include "engine/sqlite/reader_pool.h"
#include "engine/sqlite/schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct sqlite_engine {
  tp_engine base;
  const tuplet_allocator *allocator;
  tp_sqlite_location location;
  char *name; /* what location.name and location.path point to */
  bool writable;
  tp_engine_stats *stats; /* NULL: none */
  tp_sqlite_reader_pool readers;
  tp_sqlite_committer committer; /* when writable */
  /* memdb refuses readers while a writer is at work; waiting here instead is fair and quick. */
  pthread_rwlock_t memory_lock;
  tp_sqlite_notice *notice;
  /* Of poll_foreign_changes, which one thread calls: */
  tp_sqlite_reader *poller;
  int64_t polled_data_version;
} sqlite_engine;

static sqlite_engine *engine_of(tp_engine *engine) {
  return (sqlite_engine *)engine;
}

static void set_observer(tp_engine *base, tp_engine_observer observer) {
  engine_of(base)->committer.observer = observer;
}

static tuplet_status reader_open(tp_engine *base, tp_reader **ret_reader, tuplet_error *error) {
  tp_sqlite_reader *reader;
  tuplet_status status = tp_sqlite_reader_new(&engine_of(base)->readers, &reader, error);
  if (status == TUPLET_OK) *ret_reader = (tp_reader *)reader;
  return status;
}

static void reader_close(tp_engine *base, tp_reader *reader) {
  tp_sqlite_reader_free(&engine_of(base)->readers, (tp_sqlite_reader *)reader);
}

static void read_now(tp_engine *base, tp_reader *own_reader, tp_read *read) {
  sqlite_engine *engine = engine_of(base);
  tuplet_error error;
  tp_error_clear(&error);
  tp_sqlite_reader *reader = (tp_sqlite_reader *)own_reader;
  tuplet_status status = TUPLET_OK;
  if (reader == NULL) status = tp_sqlite_reader_take(&engine->readers, &reader, &error);
  if (status == TUPLET_OK) {
    bool in_memory = engine->location.in_memory;
    if (in_memory) (void)pthread_rwlock_rdlock(&engine->memory_lock);
    status = tp_sqlite_reader_read(&engine->readers, reader, read, &error);
    if (in_memory) (void)pthread_rwlock_unlock(&engine->memory_lock);
    if (own_reader == NULL) tp_sqlite_reader_give_back(&engine->readers, reader);
  }
  read->on_done(read, status, &error);
}

static void refuse(const sqlite_engine *engine, tuplet_status *ret_status, tuplet_error *error) {
  *ret_status =
      tp_fail(error, TUPLET_READ_ONLY, "%s: the database is open for reading only", engine->location.path);
}

static void submit_write(tp_engine *base, tp_write *write) {
  sqlite_engine *engine = engine_of(base);
  if (engine->writable) {
    tp_sqlite_committer_write(&engine->committer, write);
    return;
  }
  refuse(engine, &write->status, &write->error);
  write->on_done(write);
}

static void submit_sweep(tp_engine *base, tp_sweep *sweep) {
  sqlite_engine *engine = engine_of(base);
  if (engine->writable) {
    tp_sqlite_committer_sweep(&engine->committer, sweep);
    return;
  }
  refuse(engine, &sweep->status, &sweep->error);
  sweep->on_done(sweep);
}

static void submit_queue_turn(tp_engine *base, tp_queue_turn *turn) {
  sqlite_engine *engine = engine_of(base);
  if (engine->writable) {
    tp_sqlite_committer_queue_turn(&engine->committer, turn);
    return;
  }
  refuse(engine, &turn->status, &turn->error);
  turn->on_done(turn);
}

/* ---- Changes by others ---- */

static tuplet_status query_integer(tp_sqlite_connection *connection, tp_sqlite_statement which,
                                   int64_t *ret_integer, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    *ret_integer = sqlite3_column_int64(statement, 0);
  } else {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "looking for changes", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tuplet_status notice_changes(tp_engine *base, void (*on_change)(void *context), void *context,
                                    tuplet_error *error) {
  sqlite_engine *engine = engine_of(base);
  assert(base->shared && engine->notice == NULL);
  return tp_sqlite_notice_start(engine->allocator, engine->location.path, on_change, context, &engine->notice,
                                error);
}

static void notice_stop(tp_engine *base) {
  sqlite_engine *engine = engine_of(base);
  tp_sqlite_notice_stop(engine->notice);
  engine->notice = NULL;
}

/* SQLite tells cheaply whether the file changed at all; the number of the last commit tells whether it was
 * us. What others committed in between our own commits is what the committer noticed. A message that changes
 * hands is no commit with a number. */
static tuplet_status poll_foreign_changes(tp_engine *base, bool *ret_changed, bool *ret_queue_changed,
                                          tuplet_error *error) {
  sqlite_engine *engine = engine_of(base);
  *ret_changed = false;
  *ret_queue_changed = false;
  if (!base->shared) return TUPLET_OK;
  if (engine->poller == NULL) {
    tuplet_status status = tp_sqlite_reader_new(&engine->readers, &engine->poller, error);
    if (status != TUPLET_OK) return status;
  }
  assert(engine->poller != NULL);
  tp_sqlite_connection *connection = &engine->poller->connection;
  int64_t data_version = -1;
  tuplet_status status = query_integer(connection, TP_SQL_DATA_VERSION, &data_version, error);
  if (status != TUPLET_OK) return status;
  bool changed = false;
  if (data_version != engine->polled_data_version) {
    int64_t version = -1;
    status = query_integer(connection, TP_SQL_GET_VERSION, &version, error);
    if (status != TUPLET_OK) return status;
    changed = !engine->writable || (version != atomic_load(&engine->committer.committed_version) &&
                                    version != atomic_load(&engine->committer.version_in_flight));
    engine->polled_data_version = data_version;
    *ret_queue_changed = true;
  }
  if (engine->writable && atomic_exchange(&engine->committer.foreign_changes, false)) changed = true;
  *ret_changed = changed;
  return TUPLET_OK;
}

static tuplet_status survey(tp_engine *base, tp_survey *survey, tuplet_error *error) {
  sqlite_engine *engine = engine_of(base);
  tp_sqlite_reader *reader;
  tuplet_status status = tp_sqlite_reader_take(&engine->readers, &reader, error);
  if (status != TUPLET_OK) return status;
  bool in_memory = engine->location.in_memory;
  if (in_memory) (void)pthread_rwlock_rdlock(&engine->memory_lock);
  status = tp_sqlite_survey(tp_sqlite_reader_lock(&engine->readers, reader), survey, error);
  tp_sqlite_reader_unlock(reader);
  if (in_memory) (void)pthread_rwlock_unlock(&engine->memory_lock);
  tp_sqlite_reader_give_back(&engine->readers, reader);
  /* A commit of ours has its number from before it can be seen. */
  survey->is_own =
      engine->writable && tp_sqlite_version_of(&survey->last) <= atomic_load(&engine->committer.own_version);
  return status;
}

/* ---- The queue ---- */

static tuplet_status query_queue_state(tp_sqlite_connection *connection, uint32_t count_max,
                                       tp_queue_state *ret_state, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_QUEUE_STATE, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, count_max);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    bool is_empty = sqlite3_column_type(statement, 2) == SQLITE_NULL;
    *ret_state =
        (tp_queue_state){.waiting = (uint64_t)sqlite3_column_int64(statement, 0),
                         .running = (uint64_t)sqlite3_column_int64(statement, 1),
                         .oldest_due_at_ms = is_empty ? INT64_MAX : sqlite3_column_int64(statement, 2)};
  } else {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "looking at the queue", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tuplet_status queue_state(tp_engine *base, uint32_t count_max, tp_queue_state *ret_state,
                                 tuplet_error *error) {
  sqlite_engine *engine = engine_of(base);
  tp_sqlite_reader *reader;
  tuplet_status status = tp_sqlite_reader_take(&engine->readers, &reader, error);
  if (status != TUPLET_OK) return status;
  bool in_memory = engine->location.in_memory;
  if (in_memory) (void)pthread_rwlock_rdlock(&engine->memory_lock);
  status = query_queue_state(tp_sqlite_reader_lock(&engine->readers, reader), count_max, ret_state, error);
  tp_sqlite_reader_unlock(reader);
  if (in_memory) (void)pthread_rwlock_unlock(&engine->memory_lock);
  tp_sqlite_reader_give_back(&engine->readers, reader);
  return status;
}

/* ---- Beginning and end ---- */

static void close_engine(tp_engine *base) {
  sqlite_engine *engine = engine_of(base);
  if (engine->writable) tp_sqlite_committer_done(&engine->committer);
  tp_sqlite_reader_free(&engine->readers, engine->poller);
  tp_sqlite_reader_pool_done(&engine->readers);
  (void)pthread_rwlock_destroy(&engine->memory_lock);
  if (engine->stats != NULL) atomic_fetch_sub(&engine->stats->engine_count, 1);
  tp_free(engine->allocator, engine->name);
  tp_free(engine->allocator, engine);
}

static const tp_engine_ops engine_ops = {
    .set_observer = set_observer,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .read = read_now,
    .write = submit_write,
    .sweep = submit_sweep,
    .queue_turn = submit_queue_turn,
    .notice_changes = notice_changes,
    .notice_stop = notice_stop,
    .poll_foreign_changes = poll_foreign_changes,
    .survey = survey,
    .queue_state = queue_state,
    .close = close_engine,
};

/* A path as it is, or a name that no other database in this process has. */
static tuplet_status set_location(sqlite_engine *engine, const tp_sqlite_config *config,
                                  tuplet_error *error) {
  char memory_name[sizeof "file:/tuplet-?vfs=memdb" + TP_UUID_TEXT_SIZE];
  const char *name = config->path;
  if (name == NULL) {
    char uuid[TP_UUID_TEXT_SIZE];
    tuplet_status status = tp_random_uuid(uuid, error);
    if (status != TUPLET_OK) return status;
    (void)snprintf(memory_name, sizeof memory_name, "file:/tuplet-%s?vfs=memdb", uuid);
    name = memory_name;
  }
  size_t size = strlen(name) + 1;
  engine->name = tp_alloc(engine->allocator, size);
  if (engine->name == NULL) return tp_fail_nomem(error);
  memcpy(engine->name, name, size);
  engine->location = (tp_sqlite_location){
      .name = engine->name,
      .path = config->path == NULL ? ":memory:" : engine->name,
      .in_memory = config->path == NULL,
      .read_only = config->read_only && config->path != NULL,
      .cache_kib = config->cache_kib,
      .memory_size_max = config->memory_size_max,
      .durability = config->durability,
      .gives_up = config->gives_up,
  };
  return TUPLET_OK;
}

static tuplet_status init_memory_lock(sqlite_engine *engine, tuplet_error *error) {
  pthread_rwlockattr_t attributes;
  int rc = pthread_rwlockattr_init(&attributes);
  if (rc == 0) {
    /* Else a stream of readers would keep the writer out for ever. */
    rc = pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (rc == 0) rc = pthread_rwlock_init(&engine->memory_lock, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
  }
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a lock failed: %s", strerror(rc));
  return TUPLET_OK;
}

/* Nobody writes, so a reading connection checks the schema. */
static tuplet_status check_schema(sqlite_engine *engine, tuplet_error *error) {
  tp_sqlite_reader *reader;
  tuplet_status status = tp_sqlite_reader_take(&engine->readers, &reader, error);
  if (status != TUPLET_OK) return status;
  status = tp_sqlite_schema_prepare(tp_sqlite_reader_lock(&engine->readers, reader), error);
  tp_sqlite_reader_unlock(reader);
  tp_sqlite_reader_give_back(&engine->readers, reader);
  return status;
}

tuplet_status tp_sqlite_engine_open(const tp_sqlite_config *config, tp_engine **ret_engine,
                                    tuplet_error *error) {
  sqlite_engine *engine = tp_alloc_array_zeroed(config->allocator, 1, sizeof *engine);
  if (engine == NULL) return tp_fail_nomem(error);
  engine->base.ops = &engine_ops;
  engine->allocator = config->allocator;
  engine->base.shared = config->path != NULL;
  engine->polled_data_version = -1;
  tuplet_status status = set_location(engine, config, error);
  if (status != TUPLET_OK) goto out_free;
  status = init_memory_lock(engine, error);
  if (status != TUPLET_OK) goto out_free;
  status = tp_sqlite_reader_pool_init(&engine->readers, engine->allocator, &engine->location, error);
  if (status != TUPLET_OK) {
    (void)pthread_rwlock_destroy(&engine->memory_lock);
    goto out_free;
  }

  engine->stats = config->stats;
  if (engine->stats != NULL) atomic_fetch_add(&engine->stats->engine_count, 1);
  if (engine->location.read_only) {
    status = check_schema(engine, error);
  } else {
    pthread_rwlock_t *memory_lock = engine->location.in_memory ? &engine->memory_lock : NULL;
    status = tp_sqlite_committer_init(&engine->committer, &engine->location, &engine->readers, config->clock,
                                      memory_lock, config->stats, error);
    engine->writable = status == TUPLET_OK;
  }
  if (status == TUPLET_OK) status = tp_sqlite_location_pin(&engine->location, error);
  if (status != TUPLET_OK) {
    close_engine(&engine->base);
    return status;
  }
  *ret_engine = &engine->base;
  return TUPLET_OK;

out_free:
  tp_free(engine->allocator, engine->name);
  tp_free(engine->allocator, engine);
  return status;
}

const char *tp_sqlite_engine_version(void) {
  return sqlite3_libversion();
}

/* committer.c: group commit. */
#include "engine/sqlite/committer.h"

#include "base/status.h"
#include "base/thread.h"
#include "engine/sqlite/apply.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/queue.h"
#include "engine/sqlite/read.h"
#include "engine/sqlite/schema.h"

#include <assert.h>
#include <string.h>
#include <time.h>

/* A group ends at whichever comes first, so that it holds the write lock for some tens of milliseconds at
 * most. */
enum { GROUP_WRITES_MAX = 512, GROUP_ROWS_MAX = 2000, GROUP_SIZE_MAX = 8 << 20 };

/* SQLite's lock has no queue: who asks for it now and then would hardly ever find it free between groups that
 * follow each other. So long groups are followed by a pause, a tenth of what they took, and while others are
 * known to write to the file, all are: a quarter, and no less than the least. */
enum { LONG_GROUP_US = 5000, OTHERS_RECENT_MS = 10000, PAUSE_US_MIN = 300 };

/* What is committed together: writes in the order they came, and at most one sweep and one turn at the queue.
 */
typedef struct group {
  tp_write *first;
  size_t count;
  tp_sweep *sweep;
  tp_queue_turn *turn;
  tp_commit turn_commit; /* what messages that the turn found undelivered left */
} group;

static void count(_Atomic uint64_t *counter, uint64_t more) {
  if (more > 0) atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* ---- One transaction ---- */

static tuplet_status read_version(tp_sqlite_connection *connection, int64_t *ret_version,
                                  tuplet_error *error) {
  tuplet_status status = tp_sqlite_read_version(connection, ret_version, error);
  if (status == TUPLET_OK && (*ret_version < 0 || *ret_version > INT64_MAX - GROUP_WRITES_MAX))
    status = tp_fail(error, TUPLET_CORRUPT, "%s: its last commit has the impossible number %lld",
                     connection->location->path, (long long)*ret_version);
  return status;
}

static tuplet_status write_version(tp_sqlite_connection *connection, int64_t version, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_SET_VERSION, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, version);
  if (rc != SQLITE_OK)
    return tp_sqlite_fail(connection->db, rc, connection->location->path, "writing", error);
  return tp_sqlite_finish(connection, statement, "writing its last commit's number", error);
}

/* When the next row expires, of those that are there. */
static tuplet_status find_next_expiry(tp_sqlite_connection *connection, int64_t *ret_next_expiry_ms,
                                      tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_NEXT_EXPIRY, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    *ret_next_expiry_ms = tp_sqlite_column_expiry(statement, 0); /* NULL when there is none */
  } else {
    status = tp_sqlite_fail(connection->db, rc, connection->location->path, "finding the next expiry", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

static tuplet_status delete_expired(tp_sqlite_connection *connection, tp_sweep *sweep, tuplet_error *error) {
  const char *path = connection->location->path;
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_DELETE_EXPIRED, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, sweep->now_ms);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 2, sweep->row_max);
  if (rc != SQLITE_OK) return tp_sqlite_fail(connection->db, rc, path, "removing expired rows", error);
  status = tp_sqlite_finish(connection, statement, "removing expired rows", error);
  if (status != TUPLET_OK) return status;
  sweep->removed = (uint32_t)sqlite3_changes(connection->db);
  return find_next_expiry(connection, &sweep->next_expiry_ms, error);
}

/* Whether a sweep would find nothing; then it need not take the write lock, which others may be waiting for.
 */
static bool is_nothing_expired(tp_sqlite_committer *committer, tp_sweep *sweep) {
  if (committer->memory_lock != NULL) (void)pthread_rwlock_rdlock(committer->memory_lock);
  tuplet_status status = find_next_expiry(&committer->connection, &sweep->next_expiry_ms, NULL);
  if (committer->memory_lock != NULL) (void)pthread_rwlock_unlock(committer->memory_lock);
  return status == TUPLET_OK && !tp_sqlite_is_expired(sweep->next_expiry_ms, sweep->now_ms);
}

/* The same for a turn. */
static bool is_nothing_due(tp_sqlite_committer *committer, tp_queue_turn *turn) {
  bool has_work = true;
  if (committer->memory_lock != NULL) (void)pthread_rwlock_rdlock(committer->memory_lock);
  int64_t now_ms = tp_clock_unix_ms(&committer->clock);
  tuplet_status status = tp_sqlite_queue_peek(&committer->connection, turn, now_ms, &has_work, NULL);
  if (committer->memory_lock != NULL) (void)pthread_rwlock_unlock(committer->memory_lock);
  return status == TUPLET_OK && !has_work;
}

static void number_commit(tp_commit *commit, int64_t version) {
  commit->versionstamp = tp_sqlite_versionstamp(version);
  commit->previous = tp_sqlite_versionstamp(version - 1);
}

static tuplet_status apply_turn(tp_sqlite_committer *committer, group *members, int64_t now_ms,
                                int64_t *version, tuplet_error *error) {
  tp_commit *commit = &members->turn_commit;
  *commit = (tp_commit){.message_due_ms = TP_EXPIRES_NEVER};
  tuplet_status status = tp_sqlite_queue_turn(&committer->connection, members->turn, now_ms, *version + 1,
                                              &commit->changes, &commit->change_count, error);
  if (commit->change_count > 0) number_commit(commit, ++*version);
  return status;
}

/* Applies a group inside the open transaction. TUPLET_OK even if writes of it were refused. */
static tuplet_status apply_group(tp_sqlite_committer *committer, group *members, tuplet_error *error) {
  tp_sqlite_connection *connection = &committer->connection;
  int64_t before = 0;
  tuplet_status status = read_version(connection, &before, error);
  if (status != TUPLET_OK) return status;
  int64_t committed = atomic_load(&committer->committed_version);
  if (before != committed) {
    atomic_store(&committer->foreign_changes, true);
    /* Before the first commit of its own it cannot tell: what it finds may be old. */
    if (committed >= 0) committer->others_seen_at_ns = tp_clock_monotonic_ns(&committer->clock);
  }

  int64_t version = before;
  int64_t now_ms = tp_clock_unix_ms(&committer->clock);
  tp_write *write = members->first;
  for (size_t i = 0; i < members->count; i++, write = write->next) {
    tp_sqlite_applied applied = tp_sqlite_apply(connection, write, version + 1, now_ms);
    if (applied == TP_SQLITE_STORAGE_FAILED) {
      if (error != NULL) *error = write->error;
      return write->status;
    }
    if (applied == TP_SQLITE_REFUSED || applied == TP_SQLITE_APPLIED_UNSEEN) continue;
    version++;
    write->versionstamp = tp_sqlite_versionstamp(version);
  }
  committer->applied_count = (size_t)(version - before);
  if (members->turn != NULL) status = apply_turn(committer, members, now_ms, &version, error);
  if (status == TUPLET_OK && version != before) status = write_version(connection, version, error);
  if (status == TUPLET_OK && members->sweep != NULL)
    status = delete_expired(connection, members->sweep, error);
  /* Before the commit, so that whoever sees the commit in the file knows it as ours. */
  if (status == TUPLET_OK && version != before) atomic_store(&committer->own_version, version);
  if (status == TUPLET_OK) atomic_store(&committer->version_in_flight, version);
  return status;
}

static int64_t log_size(const tp_sqlite_committer *committer) {
  enum { LOG_HEADER_SIZE = 32, FRAME_HEADER_SIZE = 24 };
  return LOG_HEADER_SIZE + (int64_t)committer->log_frames * (FRAME_HEADER_SIZE + committer->page_size);
}

/* Commits the open transaction: into a log that has room for it, and in few writes. */
static tuplet_status write_log(tp_sqlite_committer *committer, tuplet_error *error) {
  tp_sqlite_connection *connection = &committer->connection;
  bool syncs = committer->location->durability == TUPLET_DURABILITY_FULL;
  bool has_log = committer->log_room.used_size > 0; /* from the first commit on; in memory there is none */
  sqlite3_file *log = syncs && has_log ? tp_sqlite_log_file(connection->db) : NULL;
  if (log == NULL) return tp_sqlite_run(connection, TP_SQL_COMMIT, error);
  tp_sqlite_log_room_make(&committer->log_room, log, tp_clock_monotonic_ns(&committer->clock));
  tp_sqlite_log_gather_begin(&committer->log_gather, log);
  tuplet_status status = tp_sqlite_run(connection, TP_SQL_COMMIT, error);
  tp_sqlite_log_gather_end(&committer->log_gather, status == TUPLET_OK);
  return status;
}

/* Commits the open transaction, and counts that. */
static tuplet_status commit(tp_sqlite_committer *committer, const tp_sweep *sweep, tuplet_error *error) {
  tp_engine_stats *stats = committer->stats;
  if (stats == NULL) return write_log(committer, error);
  int64_t begun_ns = tp_clock_monotonic_ns(&committer->clock);
  tuplet_status status = write_log(committer, error);
  size_t applied_count = committer->applied_count;
  if (status != TUPLET_OK || (applied_count == 0 && (sweep == NULL || sweep->removed == 0))) return status;
  tp_histogram_record(&stats->commit_ns, (uint64_t)(tp_clock_monotonic_ns(&committer->clock) - begun_ns));
  if (applied_count > 0) tp_histogram_record(&stats->group_size, applied_count);
  if (committer->log_frames > 0)
    tp_sqlite_checkpointer_set_log_size(&committer->checkpointer, log_size(committer));
  return status;
}

/* The whole group in one transaction; on failure nothing of it is written. */
static tuplet_status commit_group(tp_sqlite_committer *committer, group *members, tuplet_error *error) {
  tp_sqlite_connection *connection = &committer->connection;
  if (committer->memory_lock != NULL) (void)pthread_rwlock_wrlock(committer->memory_lock);
  (void)pthread_mutex_lock(&committer->commit_mutex);
  committer->log_frames = 0;     /* until a commit makes the log grow */
  tp_sqlite_abandon(connection); /* a transaction that an earlier group could not roll back */
  connection->busy_since_ns = 0;
  int64_t own_version = atomic_load(&committer->own_version);
  tuplet_status status = tp_sqlite_run(connection, TP_SQL_BEGIN_WRITE, error);
  int64_t begun_ns = tp_clock_monotonic_ns(&committer->clock);
  if (connection->busy_since_ns != 0) committer->others_seen_at_ns = begun_ns;
  if (status == TUPLET_OK) status = tp_sqlite_check_place(connection, error);
  if (status == TUPLET_OK) status = apply_group(committer, members, error);
  /* SQLite may have rolled back by itself; what is not in a transaction must not be committed bit by bit. */
  if (status == TUPLET_OK && sqlite3_get_autocommit(connection->db)) {
    status = tp_fail(error, TUPLET_IO, "%s: the transaction of a group of writes was lost",
                     connection->location->path);
  }
  if (status == TUPLET_OK) status = commit(committer, members->sweep, error);
  if (committer->log_frames > 0) tp_sqlite_log_room_note(&committer->log_room, log_size(committer));
  if (status == TUPLET_OK) {
    atomic_store(&committer->committed_version, atomic_load(&committer->version_in_flight));
  } else {
    /* The number it was to have may become somebody else's. */
    atomic_store(&committer->version_in_flight, atomic_load(&committer->committed_version));
    atomic_store(&committer->own_version, own_version);
    tp_sqlite_abandon(connection);
    if (committer->stats != NULL) count(&committer->stats->commits_failed, 1);
  }
  committer->held_ns = tp_clock_monotonic_ns(&committer->clock) - begun_ns;
  (void)pthread_mutex_unlock(&committer->commit_mutex);
  if (committer->memory_lock != NULL) (void)pthread_rwlock_unlock(committer->memory_lock);
  return status;
}

/* ---- Completion ---- */

static int64_t earlier(int64_t a_ms, int64_t b_ms) {
  if (a_ms == TP_EXPIRES_NEVER) return b_ms;
  return b_ms == TP_EXPIRES_NEVER || a_ms < b_ms ? a_ms : b_ms;
}

static void observe(const tp_sqlite_committer *committer, const tp_commit *commit) {
  if (committer->observer.on_commit != NULL)
    committer->observer.on_commit(committer->observer.context, commit);
}

static void observe_write(const tp_sqlite_committer *committer, const tp_write *write) {
  tp_commit commit = {.changes = write->changes,
                      .change_count = write->change_count,
                      .message_due_ms = write->requeued_due_ms};
  int64_t version = tp_sqlite_version_of(&write->versionstamp);
  if (version > 0) number_commit(&commit, version);
  for (size_t i = 0; i < write->enqueue_count; i++)
    commit.message_due_ms = earlier(commit.message_due_ms, write->enqueues[i].due_at_ms);
  observe(committer, &commit);
}

static void count_group(tp_engine_stats *stats, const group *members) {
  uint64_t committed = 0, conflicting = 0, messages = 0, size = 0;
  const tp_write *write = members->first;
  for (size_t i = 0; i < members->count; i++, write = write->next) {
    conflicting += write->status == TUPLET_CONFLICT;
    if (write->status != TUPLET_OK) continue;
    committed++;
    messages += write->enqueue_count;
    for (size_t j = 0; j < write->change_count; j++)
      size += write->changes[j].key.size + write->changes[j].value.size;
    for (size_t j = 0; j < write->enqueue_count; j++) size += write->enqueues[j].payload.size;
  }
  count(&stats->writes_committed, committed);
  count(&stats->writes_conflicting, conflicting);
  count(&stats->writes_failed, members->count - committed - conflicting);
  count(&stats->messages_enqueued, messages);
  count(&stats->written_size, size);
  if (members->sweep != NULL && members->sweep->status == TUPLET_OK)
    count(&stats->expired_removed, members->sweep->removed);
}

static void complete_group(tp_sqlite_committer *committer, const group *members) {
  if (committer->stats != NULL) count_group(committer->stats, members);
  tp_write *write = members->first;
  for (size_t i = 0; i < members->count; i++, write = write->next) {
    if (write->status == TUPLET_OK) observe_write(committer, write);
  }
  if (members->turn != NULL && members->turn->status == TUPLET_OK) observe(committer, &members->turn_commit);
  write = members->first;
  for (size_t i = 0; i < members->count; i++) {
    tp_write *next = write->next; /* the write is its owner's again from on_done on */
    write->on_done(write);
    write = next;
  }
  if (members->sweep != NULL) members->sweep->on_done(members->sweep);
  if (members->turn != NULL) members->turn->on_done(members->turn);
}

static void fail_group(const group *members, tuplet_status status, const tuplet_error *error) {
  if (members->sweep != NULL) {
    members->sweep->status = status;
    members->sweep->error = *error;
  }
  if (members->turn != NULL) {
    members->turn->status = status;
    members->turn->error = *error;
  }
  tp_write *write = members->first;
  for (size_t i = 0; i < members->count; i++, write = write->next) {
    write->status = status;
    write->error = *error;
  }
}

/* Whether there is nothing to write, so that the write lock is not needed; then the group is complete. */
static bool complete_without_writing(tp_sqlite_committer *committer, group *members) {
  if (members->count > 0) return false;
  if (members->sweep != NULL && !is_nothing_expired(committer, members->sweep)) return false;
  if (members->turn != NULL && !is_nothing_due(committer, members->turn)) return false;
  if (members->sweep != NULL) members->sweep->on_done(members->sweep);
  if (members->turn != NULL) members->turn->on_done(members->turn);
  return true;
}

static void process_group(tp_sqlite_committer *committer, group *members);

/* One member may have failed them all (a value for which the disk has no room): each by itself, then. */
static void process_one_by_one(tp_sqlite_committer *committer, const group *members) {
  tp_write *write = members->first;
  for (size_t i = 0; i < members->count; i++) {
    tp_write *next = write->next;
    process_group(committer, &(group){.first = write, .count = 1});
    write = next;
  }
  if (members->sweep != NULL) process_group(committer, &(group){.sweep = members->sweep});
  if (members->turn != NULL) process_group(committer, &(group){.turn = members->turn});
}

static void process_group(tp_sqlite_committer *committer, group *members) {
  tuplet_error error = {0};
  if (members->sweep != NULL) members->sweep->status = TUPLET_OK;
  if (members->turn != NULL) members->turn->status = TUPLET_OK;
  assert(members->count > 0 || members->sweep != NULL || members->turn != NULL);
  if (complete_without_writing(committer, members)) return;
  tuplet_status status = commit_group(committer, members, &error);
  size_t member_count = members->count + (members->sweep != NULL ? 1 : 0) + (members->turn != NULL ? 1 : 0);
  /* A busy neighbour is no member's fault, and waiting for it again for each would take hours. */
  if (status != TUPLET_OK && status != TUPLET_BUSY && member_count > 1) {
    process_one_by_one(committer, members);
    return;
  }
  if (status != TUPLET_OK) fail_group(members, status, &error);
  complete_group(committer, members);
  if (status == TUPLET_FULL && !committer->location->in_memory) {
    tp_sqlite_checkpointer_note_full(&committer->checkpointer, tp_clock_monotonic_ns(&committer->clock));
  }
  if (committer->log_frames > 0) {
    tp_sqlite_checkpointer_note_log(&committer->checkpointer, committer->log_frames);
  }
}

/* ---- The thread and its queue ---- */

static size_t write_size(const tp_write *write) {
  size_t size = 0;
  for (size_t i = 0; i < write->mutation_count; i++) {
    size += write->mutations[i].key.size + write->mutations[i].value.size;
  }
  for (size_t i = 0; i < write->enqueue_count; i++) size += write->enqueues[i].payload.size;
  return size;
}

/* Takes the next group off the queue; the mutex is held. */
static group take_group(tp_sqlite_committer *committer) {
  group members = {.first = committer->first_write};
  size_t size = 0, rows = 0;
  tp_write *write = committer->first_write;
  while (write != NULL && members.count < GROUP_WRITES_MAX && size < GROUP_SIZE_MAX &&
         rows < GROUP_ROWS_MAX) {
    size += write_size(write);
    rows += write->mutation_count + write->enqueue_count + write->finish_count;
    members.count++;
    write = write->next;
  }
  committer->first_write = write;
  if (write == NULL) committer->last_write_link = &committer->first_write;
  members.sweep = committer->first_sweep;
  if (members.sweep != NULL) committer->first_sweep = members.sweep->next;
  members.turn = committer->first_turn;
  if (members.turn != NULL) committer->first_turn = members.turn->next;
  return members;
}

static void leave_room_for_others(const tp_sqlite_committer *committer) {
  if (committer->location->in_memory) return;
  int64_t held_us = committer->held_ns / 1000;
  int64_t ago_ns = tp_clock_monotonic_ns(&committer->clock) - committer->others_seen_at_ns;
  bool others = committer->others_seen_at_ns != 0 && ago_ns < (int64_t)OTHERS_RECENT_MS * 1000000;
  if (!others && held_us < LONG_GROUP_US) return;
  int64_t pause_us = others ? held_us / 4 : held_us / 10;
  if (pause_us < PAUSE_US_MIN) pause_us = PAUSE_US_MIN;
  struct timespec pause = {.tv_sec = pause_us / 1000000, .tv_nsec = pause_us % 1000000 * 1000};
  (void)nanosleep(&pause, NULL); /* cut short is fine */
}

static bool has_work(const tp_sqlite_committer *committer) {
  return committer->first_write != NULL || committer->first_sweep != NULL || committer->first_turn != NULL;
}

/* Writes a group that was taken off the queue. The mutex is held, and let go of meanwhile; `writing` keeps
 * others from the connection. */
static void write_group(tp_sqlite_committer *committer, group *members) {
  committer->writing = true;
  committer->last_group_count = members->count;
  (void)pthread_mutex_unlock(&committer->mutex);
  process_group(committer, members);
  leave_room_for_others(committer);
  (void)pthread_mutex_lock(&committer->mutex);
  committer->writing = false;
  /* For the thread, and for who waits for the end; else it would be woken after each write that is alone. */
  if (has_work(committer) || committer->stopping) (void)pthread_cond_broadcast(&committer->wake);
}

static void *run(void *context) {
  tp_sqlite_committer *committer = context;
  (void)pthread_mutex_lock(&committer->mutex);
  for (;;) {
    if (committer->writing || (!has_work(committer) && !committer->stopping)) {
      (void)pthread_cond_wait(&committer->wake, &committer->mutex);
      continue;
    }
    if (!has_work(committer)) break;
    group members = take_group(committer);
    write_group(committer, &members);
  }
  (void)pthread_mutex_unlock(&committer->mutex);
  return NULL;
}

/* Starts the thread at the first submission, so that a database that is only read costs none. The mutex is
 * held. */
static tuplet_status ensure_started(tp_sqlite_committer *committer, tuplet_error *error) {
  if (committer->started) return TUPLET_OK;
  tuplet_status status = tp_thread_start(&committer->thread, "tp-committer", run, committer, error);
  committer->started = status == TUPLET_OK;
  return status;
}

/* Whether a write is best done by the thread that waits for it: it is alone, and so were those before it.
 * That saves two changes of threads. Where several threads write, they had better share a group. The mutex is
 * held. */
static bool is_for_submitter(const tp_sqlite_committer *committer, const tp_write *write) {
  return write->submitter_waits && !committer->writing && !has_work(committer) &&
         committer->last_group_count <= 1;
}

void tp_sqlite_committer_write(tp_sqlite_committer *committer, tp_write *write) {
  write->next = NULL;
  tuplet_status status = TUPLET_OK;
  (void)pthread_mutex_lock(&committer->mutex);
  if (is_for_submitter(committer, write)) {
    write_group(committer, &(group){.first = write, .count = 1}); /* completes it */
  } else {
    status = ensure_started(committer, &write->error);
    if (status == TUPLET_OK) {
      *committer->last_write_link = write;
      committer->last_write_link = &write->next;
      (void)pthread_cond_broadcast(&committer->wake);
    }
  }
  (void)pthread_mutex_unlock(&committer->mutex);
  if (status == TUPLET_OK) return;
  write->status = status;
  write->on_done(write);
}

void tp_sqlite_committer_sweep(tp_sqlite_committer *committer, tp_sweep *sweep) {
  (void)pthread_mutex_lock(&committer->mutex);
  tuplet_status status = ensure_started(committer, &sweep->error);
  if (status == TUPLET_OK) {
    sweep->next = committer->first_sweep;
    committer->first_sweep = sweep;
    (void)pthread_cond_broadcast(&committer->wake);
  }
  (void)pthread_mutex_unlock(&committer->mutex);
  if (status == TUPLET_OK) return;
  sweep->status = status;
  sweep->on_done(sweep);
}

void tp_sqlite_committer_queue_turn(tp_sqlite_committer *committer, tp_queue_turn *turn) {
  (void)pthread_mutex_lock(&committer->mutex);
  tuplet_status status = ensure_started(committer, &turn->error);
  if (status == TUPLET_OK) {
    turn->next = committer->first_turn;
    committer->first_turn = turn;
    (void)pthread_cond_broadcast(&committer->wake);
  }
  (void)pthread_mutex_unlock(&committer->mutex);
  if (status == TUPLET_OK) return;
  turn->status = status;
  turn->on_done(turn);
}

/* ---- Beginning and end ---- */

static tuplet_status read_page_size(tp_sqlite_committer *committer, tuplet_error *error) {
  sqlite3 *db = committer->connection.db;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) committer->page_size = sqlite3_column_int(statement, 0);
  (void)sqlite3_finalize(statement); /* repeats the step's result */
  if (rc == SQLITE_ROW) return TUPLET_OK;
  return tp_sqlite_fail(db, rc, committer->location->path, "asking for its page size", error);
}

static int note_log_size(void *context, sqlite3 *db, const char *name, int frames) {
  (void)db;
  (void)name;
  tp_sqlite_committer *committer = context;
  committer->log_frames = frames;
  return SQLITE_OK;
}

static tuplet_status init_locks(tp_sqlite_committer *committer, tuplet_error *error) {
  int rc = pthread_mutex_init(&committer->commit_mutex, NULL);
  if (rc != 0) goto out;
  rc = pthread_mutex_init(&committer->mutex, NULL);
  if (rc != 0) {
    (void)pthread_mutex_destroy(&committer->commit_mutex);
    goto out;
  }
  rc = pthread_cond_init(&committer->wake, NULL);
  if (rc != 0) {
    (void)pthread_mutex_destroy(&committer->mutex);
    (void)pthread_mutex_destroy(&committer->commit_mutex);
  }
out:
  if (rc != 0) return tp_fail(error, TUPLET_NOMEM, "making a mutex failed: %s", strerror(rc));
  return TUPLET_OK;
}

static void done_locks(tp_sqlite_committer *committer) {
  (void)pthread_cond_destroy(&committer->wake);
  (void)pthread_mutex_destroy(&committer->mutex);
  (void)pthread_mutex_destroy(&committer->commit_mutex);
}

tuplet_status tp_sqlite_committer_init(tp_sqlite_committer *committer, const tp_sqlite_location *location,
                                       tp_sqlite_reader_pool *readers, tp_clock clock,
                                       pthread_rwlock_t *memory_lock, tp_engine_stats *stats,
                                       tuplet_error *error) {
  *committer =
      (tp_sqlite_committer){.location = location, .clock = clock, .memory_lock = memory_lock, .stats = stats};
  committer->last_write_link = &committer->first_write;
  atomic_init(&committer->committed_version, -1);
  atomic_init(&committer->version_in_flight, -1);
  atomic_init(&committer->own_version, -1);
  atomic_init(&committer->foreign_changes, false);
  tuplet_status status = init_locks(committer, error);
  if (status != TUPLET_OK) return status;
  status = tp_sqlite_checkpointer_init(&committer->checkpointer, location, readers, &committer->commit_mutex,
                                       stats, error);
  if (status != TUPLET_OK) {
    done_locks(committer);
    return status;
  }
  status = tp_sqlite_connection_init(&committer->connection, location, true, error);
  if (status == TUPLET_OK) status = tp_sqlite_schema_prepare(&committer->connection, error);
  if (status == TUPLET_OK) status = read_page_size(committer, error);
  if (status != TUPLET_OK) {
    tp_sqlite_committer_done(committer);
    return status;
  }
  tp_sqlite_connection_opened(&committer->connection);
  (void)sqlite3_wal_hook(committer->connection.db, note_log_size, committer);
  return TUPLET_OK;
}

void tp_sqlite_committer_done(tp_sqlite_committer *committer) {
  (void)pthread_mutex_lock(&committer->mutex);
  committer->stopping = true;
  atomic_store(&committer->connection.is_ending, true); /* what waits for another process waits in vain */
  (void)pthread_cond_broadcast(&committer->wake);
  while (committer->writing) (void)pthread_cond_wait(&committer->wake, &committer->mutex);
  (void)pthread_mutex_unlock(&committer->mutex);
  if (committer->started) (void)pthread_join(committer->thread, NULL);
  tp_sqlite_checkpointer_done(&committer->checkpointer);
  tp_sqlite_connection_done(&committer->connection);
  tp_sqlite_log_gather_done(&committer->log_gather);
  done_locks(committer);
}

/* queue.c: messages, in Deno's tables. */
#include "engine/sqlite/queue.h"

#include "base/buffer.h"
#include "base/random.h"
#include "base/status.h"
#include "engine/sqlite/failure.h"
#include "engine/sqlite/queue_text.h"
#include "engine/sqlite/rows.h"

#include <string.h>

/* A message whose keys for failure cannot be read must not be lost, nor tried again and again. */
enum { DAMAGED_DELAY_MS = 3600000 };

/* Of one turn, so that it does not hold the write lock for long. */
enum { RUN_OUT_MAX = 100 };

/* How many moments are tried where time and id are taken; a message is alone with its id, unless somebody
 * else wrote to the file. */
enum { TAKEN_MAX = 1000 };

static tuplet_status fail(const tp_sqlite_connection *connection, int rc, const char *doing,
                          tuplet_error *error) {
  return tp_sqlite_fail(connection->db, rc, connection->location->path, doing, error);
}

static int bind_text(sqlite3_stmt *statement, int index, tuplet_bytes text) {
  return sqlite3_bind_text(statement, index, text.data, (int)text.size, SQLITE_STATIC);
}

/* ---- Rows ---- */

/* A row as it stands in either table, which have the same columns. */
typedef struct queue_row {
  int64_t number; /* SQLite's */
  int64_t at_ms;
  tuplet_bytes id;
  tuplet_bytes payload;
  tuplet_bytes backoff;
  tuplet_bytes keys;
} queue_row;

/* Puts a message into `queue` or `queue_running`; row->at_ms is where it is then. */
static tuplet_status insert(tp_sqlite_connection *connection, tp_sqlite_statement which, queue_row *row,
                            tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = bind_text(statement, 2, row->id);
  if (rc == SQLITE_OK) rc = tp_sqlite_bind_bytes(statement, 3, row->payload);
  if (rc == SQLITE_OK) rc = bind_text(statement, 4, row->backoff);
  if (rc == SQLITE_OK) rc = bind_text(statement, 5, row->keys);
  for (int i = 0; rc == SQLITE_OK && i < TAKEN_MAX; i++, row->at_ms++) {
    rc = sqlite3_bind_int64(statement, 1, row->at_ms);
    if (rc == SQLITE_OK) status = tp_sqlite_finish(connection, statement, "moving a message", error);
    if (status != TUPLET_OK || sqlite3_changes(connection->db) > 0) return status;
  }
  if (rc != SQLITE_OK) return fail(connection, rc, "moving a message", error);
  return tp_fail(error, TUPLET_CORRUPT, "%s: the queue is full of messages of one id and one moment",
                 connection->location->path);
}

static tuplet_status delete_row(tp_sqlite_connection *connection, tp_sqlite_statement which, int64_t number,
                                tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, number);
  if (rc != SQLITE_OK) return fail(connection, rc, "deleting a message", error);
  return tp_sqlite_finish(connection, statement, "deleting a message", error);
}

/* The columns from `first` on, copied. */
static tuplet_status copy_columns(sqlite3_stmt *statement, int first, tp_arena *arena, tuplet_bytes **fields,
                                  size_t field_count, tuplet_error *error) {
  for (size_t i = 0; i < field_count; i++) {
    *fields[i] = tp_arena_copy(arena, tp_sqlite_column_bytes(statement, first + (int)i));
    if (fields[i]->data == NULL) return tp_fail_nomem(error);
  }
  return TUPLET_OK;
}

static tuplet_status copy_row(sqlite3_stmt *statement, tp_arena *arena, queue_row *ret_row,
                              tuplet_error *error) {
  ret_row->at_ms = sqlite3_column_int64(statement, 0);
  ret_row->number = sqlite3_column_int64(statement, 5);
  tuplet_bytes *fields[] = {&ret_row->id, &ret_row->payload, &ret_row->backoff, &ret_row->keys};
  return copy_columns(statement, 1, arena, fields, sizeof fields / sizeof *fields, error);
}

/* The first `row_max` rows whose time has come, in the order of their times. */
static tuplet_status load_due(tp_sqlite_connection *connection, tp_sqlite_statement which, int64_t now_ms,
                              size_t row_max, tp_arena *arena, queue_row **ret_rows, size_t *ret_count,
                              tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  *ret_count = 0;
  queue_row *rows = tp_arena_alloc_array_zeroed(arena, row_max, sizeof *rows);
  if (rows == NULL) return tp_fail_nomem(error);
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, now_ms);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 2, (sqlite3_int64)row_max);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) break;
    status = copy_row(statement, arena, &rows[*ret_count], error);
    if (status != TUPLET_OK || ++*ret_count == row_max) break;
  }
  if (status == TUPLET_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
    status = fail(connection, rc, "reading the queue", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  *ret_rows = rows;
  return status;
}

static tuplet_status query_time(tp_sqlite_connection *connection, tp_sqlite_statement which,
                                int64_t *ret_time_ms, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  sqlite3_stmt *statement = tp_sqlite_prepared(connection, which, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    bool is_there = sqlite3_column_type(statement, 0) == SQLITE_INTEGER; /* all others are above these */
    *ret_time_ms = is_there ? sqlite3_column_int64(statement, 0) : TP_EXPIRES_NEVER;
    if (is_there && *ret_time_ms < 0) *ret_time_ms = 0; /* long due */
  } else {
    status = fail(connection, rc, "looking at the queue", error);
  }
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

/* ---- Enqueueing ---- */

tuplet_status tp_sqlite_enqueue(tp_sqlite_connection *connection, const tp_enqueue *enqueue,
                                const tuplet_allocator *allocator, tuplet_error *error) {
  char id[TP_UUID_TEXT_SIZE];
  tp_buffer backoff, keys;
  tp_buffer_init(&backoff, allocator);
  tp_buffer_init(&keys, allocator);
  tp_queue_schedule_append(&backoff, enqueue);
  tp_queue_keys_append(&keys, enqueue);
  tuplet_status status = tp_random_uuid(id, error);
  if (status == TUPLET_OK && (backoff.failed || keys.failed)) status = tp_fail_nomem(error);
  if (status == TUPLET_OK) {
    queue_row row = {.at_ms = enqueue->due_at_ms,
                     .id = {id, strlen(id)},
                     .payload = enqueue->payload,
                     .backoff = tp_buffer_view(&backoff),
                     .keys = tp_buffer_view(&keys)};
    status = insert(connection, TP_SQL_ENQUEUE, &row, error);
  }
  tp_buffer_done(&backoff);
  tp_buffer_done(&keys);
  return status;
}

/* ---- The end of a lease ---- */

/* The message comes again, or if its schedule is at its end is undelivered. */
static tuplet_status plan_failure(const queue_row *row, int64_t now_ms, tp_arena *arena,
                                  tp_sqlite_lease_end *end, tuplet_error *error) {
  int64_t delay_ms;
  tuplet_status status = tp_queue_schedule_next(row->backoff, arena, &delay_ms, &end->backoff, error);
  if (status != TUPLET_OK) return status;
  if (delay_ms < 0) {
    status = tp_queue_keys_read(row->keys, arena, &end->undelivered_keys, &end->undelivered_key_count, error);
    if (status != TUPLET_CORRUPT) return status;
    delay_ms = DAMAGED_DELAY_MS;
  }
  end->waits = true;
  end->due_at_ms = now_ms + delay_ms;
  end->next_id = tp_queue_id_next(row->id, arena);
  return end->next_id.data != NULL ? TUPLET_OK : tp_fail_nomem(error);
}

static tuplet_status plan_end(const queue_row *row, tp_finish_outcome outcome, int64_t now_ms,
                              tp_arena *arena, tp_sqlite_lease_end *ret_end, tuplet_error *error) {
  *ret_end = (tp_sqlite_lease_end){.lease_row = row->number,
                                   .waits = outcome == TP_FINISH_RETURNED,
                                   .due_at_ms = now_ms,
                                   .next_id = row->id,
                                   .payload = row->payload,
                                   .backoff = row->backoff,
                                   .keys_if_undelivered = row->keys};
  return outcome == TP_FINISH_FAILED ? plan_failure(row, now_ms, arena, ret_end, error) : TUPLET_OK;
}

static tuplet_status find_lease(tp_sqlite_connection *connection, const tp_finish *finish, tp_arena *arena,
                                queue_row *ret_row, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  *ret_row = (queue_row){.id = finish->id};
  bool is_done = finish->outcome == TP_FINISH_DONE; /* then nobody needs what is in the row */
  sqlite3_stmt *statement =
      tp_sqlite_prepared(connection, is_done ? TP_SQL_HAS_LEASE : TP_SQL_GET_LEASE, &status, error);
  if (statement == NULL) return status;
  int rc = sqlite3_bind_int64(statement, 1, finish->lease_until_ms);
  if (rc == SQLITE_OK) rc = bind_text(statement, 2, finish->id);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW && is_done)
    ret_row->number = sqlite3_column_int64(statement, 0);
  else if (rc == SQLITE_ROW)
    status = copy_row(statement, arena, ret_row, error);
  else if (rc == SQLITE_DONE)
    status = TUPLET_NOT_FOUND;
  else
    status = fail(connection, rc, "looking for a lease", error);
  (void)sqlite3_reset(statement); /* repeats the step's result */
  return status;
}

tuplet_status tp_sqlite_lease_end_plan(tp_sqlite_connection *connection, const tp_finish *finish,
                                       int64_t now_ms, tp_arena *arena, tp_sqlite_lease_end *ret_end,
                                       tuplet_error *error) {
  queue_row row;
  tuplet_status status = find_lease(connection, finish, arena, &row, error);
  return status == TUPLET_OK ? plan_end(&row, finish->outcome, now_ms, arena, ret_end, error) : status;
}

tp_change tp_sqlite_undelivered_change(const tp_sqlite_lease_end *end, size_t key_number) {
  return (tp_change){.key = end->undelivered_keys[key_number],
                     .encoding = TUPLET_ENCODING_V8, /* as all payloads are */
                     .value = end->payload,
                     .expires_at_ms = TP_EXPIRES_NEVER};
}

tuplet_status tp_sqlite_lease_end_write(tp_sqlite_connection *connection, const tp_sqlite_lease_end *end,
                                        tuplet_error *error) {
  tuplet_status status = delete_row(connection, TP_SQL_DELETE_LEASE, end->lease_row, error);
  if (status != TUPLET_OK || !end->waits) return status;
  queue_row row = {.at_ms = end->due_at_ms,
                   .id = end->next_id,
                   .payload = end->payload,
                   .backoff = end->backoff,
                   .keys = end->keys_if_undelivered};
  return insert(connection, TP_SQL_ENQUEUE, &row, error);
}

/* ---- A turn ---- */

static tuplet_status renew(tp_sqlite_connection *connection, tp_queue_turn *turn, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < turn->lease_count && status == TUPLET_OK; i++) {
    tp_lease *lease = &turn->leases[i];
    sqlite3_stmt *statement = tp_sqlite_prepared(connection, TP_SQL_RENEW_LEASE, &status, error);
    if (statement == NULL) return status;
    int rc = sqlite3_bind_int64(statement, 1, lease->lease_until_ms);
    if (rc == SQLITE_OK) rc = bind_text(statement, 2, lease->id);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(statement, 3, turn->lease_until_ms);
    if (rc != SQLITE_OK) return fail(connection, rc, "renewing a lease", error);
    status = tp_sqlite_finish(connection, statement, "renewing a lease", error);
    lease->is_lost = sqlite3_changes(connection->db) == 0;
  }
  return status;
}

/* What has run out fails, so that a message that kills who handles it comes to its end. */
static tuplet_status end_run_out(tp_sqlite_connection *connection, tp_queue_turn *turn,
                                 tp_sqlite_lease_end **ret_ends, size_t *ret_count, tuplet_error *error) {
  queue_row *rows;
  *ret_ends = NULL;
  *ret_count = 0;
  if (turn->run_out_until_ms == TP_EXPIRES_NEVER) return TUPLET_OK;
  tuplet_status status = load_due(connection, TP_SQL_RUN_OUT_LEASES, turn->run_out_until_ms, RUN_OUT_MAX,
                                  turn->arena, &rows, ret_count, error);
  if (status != TUPLET_OK) return status;
  *ret_ends = tp_arena_alloc_array_zeroed(turn->arena, *ret_count, sizeof **ret_ends);
  if (*ret_ends == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < *ret_count && status == TUPLET_OK; i++) {
    status = plan_end(&rows[i], TP_FINISH_FAILED, turn->now_ms, turn->arena, &(*ret_ends)[i], error);
    if (status == TUPLET_OK) status = tp_sqlite_lease_end_write(connection, &(*ret_ends)[i], error);
  }
  return status;
}

static tuplet_status lease_due(tp_sqlite_connection *connection, tp_queue_turn *turn, tuplet_error *error) {
  queue_row *rows;
  size_t count;
  tuplet_status status = load_due(connection, TP_SQL_DUE_MESSAGES, turn->now_ms, turn->message_max,
                                  turn->arena, &rows, &count, error);
  if (status != TUPLET_OK) return status;
  turn->messages = tp_arena_alloc_array_zeroed(turn->arena, count, sizeof *turn->messages);
  if (turn->messages == NULL) return tp_fail_nomem(error);
  for (size_t i = 0; i < count && status == TUPLET_OK; i++) {
    queue_row *row = &rows[i];
    row->at_ms = turn->lease_until_ms;
    status = insert(connection, TP_SQL_LEASE, row, error);
    if (status == TUPLET_OK) status = delete_row(connection, TP_SQL_DELETE_MESSAGE, row->number, error);
    tp_message *message = &turn->messages[i];
    *message = (tp_message){.id = row->id, .payload = row->payload, .lease_until_ms = row->at_ms};
    message->attempt = tp_queue_id_attempt(row->id, &message->public_id_size);
  }
  turn->message_count = count;
  return status;
}

static tuplet_status look_ahead(tp_sqlite_connection *connection, tp_queue_turn *turn, tuplet_error *error) {
  tuplet_status status = query_time(connection, TP_SQL_NEXT_DUE, &turn->next_due_ms, error);
  if (status != TUPLET_OK) return status;
  return query_time(connection, TP_SQL_NEXT_RUN_OUT, &turn->next_run_out_ms, error);
}

/* The rows that undelivered messages leave. */
static tuplet_status write_undelivered(tp_sqlite_connection *connection, const tp_sqlite_lease_end *ends,
                                       size_t end_count, int64_t version, tp_arena *arena,
                                       const tp_change **ret_changes, size_t *ret_count,
                                       tuplet_error *error) {
  size_t count = 0;
  for (size_t i = 0; i < end_count; i++) count += ends[i].undelivered_key_count;
  tp_change *changes = tp_arena_alloc_array_zeroed(arena, count, sizeof *changes);
  if (changes == NULL) return tp_fail_nomem(error);
  *ret_changes = changes;
  *ret_count = 0;
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < end_count; i++) {
    for (size_t k = 0; k < ends[i].undelivered_key_count && status == TUPLET_OK; k++) {
      tp_change *change = &changes[(*ret_count)++];
      *change = tp_sqlite_undelivered_change(&ends[i], k);
      status = tp_sqlite_write_row(connection, change, version, error);
    }
  }
  return status;
}

static void begin_turn(tp_queue_turn *turn, int64_t now_ms) {
  turn->now_ms = now_ms;
  turn->lease_until_ms = now_ms + turn->lease_ms;
  turn->message_count = 0;
}

tuplet_status tp_sqlite_queue_turn(tp_sqlite_connection *connection, tp_queue_turn *turn, int64_t now_ms,
                                   int64_t version, const tp_change **ret_changes, size_t *ret_change_count,
                                   tuplet_error *error) {
  tp_sqlite_lease_end *ends;
  size_t end_count;
  begin_turn(turn, now_ms);
  tuplet_status status = renew(connection, turn, error);
  if (status == TUPLET_OK) status = end_run_out(connection, turn, &ends, &end_count, error);
  if (status == TUPLET_OK)
    status = write_undelivered(connection, ends, end_count, version, turn->arena, ret_changes,
                               ret_change_count, error);
  if (status == TUPLET_OK && turn->message_max > 0) status = lease_due(connection, turn, error);
  return status == TUPLET_OK ? look_ahead(connection, turn, error) : status;
}

tuplet_status tp_sqlite_queue_peek(tp_sqlite_connection *connection, tp_queue_turn *turn, int64_t now_ms,
                                   bool *ret_has_work, tuplet_error *error) {
  begin_turn(turn, now_ms);
  tuplet_status status = look_ahead(connection, turn, error);
  bool is_due =
      turn->message_max > 0 && turn->next_due_ms != TP_EXPIRES_NEVER && turn->next_due_ms <= turn->now_ms;
  bool has_run_out =
      turn->next_run_out_ms != TP_EXPIRES_NEVER && turn->next_run_out_ms <= turn->run_out_until_ms;
  *ret_has_work = turn->lease_count > 0 || is_due || has_run_out;
  return status;
}

/* queue.h: messages, in Deno's tables: `queue` holds those that wait for their time, `queue_running` those on
 * lease.
 *
 *   enqueue ──► queue (ts) ──lease──► queue_running (deadline) ──done──► nothing
 *                 ▲                        │
 *                 └── failed, run out, ────┤
 *                     returned             └── failed for the last time ──► kv, under keys_if_undelivered
 *
 * The id of a message that comes again carries the number of its attempt behind a '+', so that it needs no
 * place of its own; to Deno an id is any text.
 *
 * Rows are taken by their number: in a file that others write, an id may be anything. Where a time and an id
 * are taken already, the message is put a millisecond later.
 *
 * Everything here runs inside the transaction of a group of writes. */
#ifndef TP_ENGINE_SQLITE_QUEUE_H
#define TP_ENGINE_SQLITE_QUEUE_H

#include "engine/engine.h"
#include "engine/sqlite/connection.h"

tuplet_status tp_sqlite_enqueue(tp_sqlite_connection *connection, const tp_enqueue *enqueue,
                                const tuplet_allocator *allocator, tuplet_error *error);

/* What the end of a lease comes to, before anything of it is written. */
typedef struct tp_sqlite_lease_end {
  int64_t lease_row;
  bool waits; /* it goes back into `queue` */
  int64_t due_at_ms;
  tuplet_bytes next_id;
  tuplet_bytes payload;
  tuplet_bytes backoff; /* as stored: JSON */
  tuplet_bytes keys_if_undelivered;
  const tuplet_bytes *undelivered_keys; /* the payload is to be written under these */
  size_t undelivered_key_count;
} tp_sqlite_lease_end;

/* TUPLET_OK, or TUPLET_NOT_FOUND when there is no such lease any more; else an error of the storage,
 * TUPLET_NOMEM. What it points to lies in `arena`. */
tuplet_status tp_sqlite_lease_end_plan(tp_sqlite_connection *connection, const tp_finish *finish,
                                       int64_t now_ms, tp_arena *arena, tp_sqlite_lease_end *ret_end,
                                       tuplet_error *error);

/* The row that an undelivered message leaves under the key of that number. */
tp_change tp_sqlite_undelivered_change(const tp_sqlite_lease_end *end, size_t key_number);

/* Moves or deletes the message; what is undelivered the caller writes. */
tuplet_status tp_sqlite_lease_end_write(tp_sqlite_connection *connection, const tp_sqlite_lease_end *end,
                                        tuplet_error *error);

/* A turn at the moment now_ms, whose fields it fills. `version` is what rows of undelivered messages get;
 * *ret_changes are those rows, in the turn's arena. */
tuplet_status tp_sqlite_queue_turn(tp_sqlite_connection *connection, tp_queue_turn *turn, int64_t now_ms,
                                   int64_t version, const tp_change **ret_changes, size_t *ret_change_count,
                                   tuplet_error *error);

/* Whether a turn would write anything; if not, its results are filled. */
tuplet_status tp_sqlite_queue_peek(tp_sqlite_connection *connection, tp_queue_turn *turn, int64_t now_ms,
                                   bool *ret_has_work, tuplet_error *error);

#endif

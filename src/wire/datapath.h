/* datapath.h: KV Connect's messages, between their bytes and what the store takes and gives.
 *
 * Requests are decoded by protobuf-c into an arena, and checked field by field for what the bytes themselves
 * can tell; the store checks the limits that depend on more. Answers are written straight from the store's
 * rows, whose bytes live only during its callbacks.
 *
 * datapath.proto is the schema. */
#ifndef TP_WIRE_DATAPATH_H
#define TP_WIRE_DATAPATH_H

#include "base/buffer.h"
#include "engine/engine.h"

/* ---- Requests ----------------------------------------------------------------------------------------- */

/* All results live in `arena`, and nothing of them in `message`. Decoding takes at most
 * TP_DATAPATH_DECODE_OVERHEAD + 2 * message.size bytes of it, whatever the message says.
 * That is enough for the largest requests that the limits allow. Errors of all: TUPLET_MALFORMED (not such a
 * message), TUPLET_INVALID (a field's value), TUPLET_LIMIT (too many of something), TUPLET_NOMEM. Any thread.
 */
#define TP_DATAPATH_DECODE_OVERHEAD ((size_t)512 * 1024)

tuplet_status tp_snapshot_read_decode(tuplet_bytes message, tp_arena *arena, tp_read_range **ret_ranges,
                                      size_t *ret_range_count, tuplet_error *error);

/* Every key to be stored, checked or deleted is one (tp_key_validate); whether it may be empty is the store's
 * to say. Fills all of *ret_write but on_done: checks, mutations, enqueues, arena, and the room for
 * failed_checks. */
tuplet_status tp_atomic_write_decode(tuplet_bytes message, tp_arena *arena, tp_write *ret_write,
                                     tuplet_error *error);

tuplet_status tp_watch_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes **ret_keys,
                              size_t *ret_key_count, tuplet_error *error);

/* Of the extension queue/1. The limits of max_in_flight are checked. */
tuplet_status tp_queue_listen_decode(tuplet_bytes message, tp_arena *arena, uint32_t *ret_in_flight_max,
                                     tuplet_error *error);
/* *ret_attempt: 0 where the message does not say. */
tuplet_status tp_queue_finish_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes *ret_id,
                                     uint32_t *ret_attempt, bool *ret_success, tuplet_error *error);

/* Of the extension watch-range/1. The limits of changes_max are the store's to check. */
tuplet_status tp_watch_range_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes *ret_start,
                                    tuplet_bytes *ret_end, uint32_t *ret_changes_max, tuplet_error *error);

/* ---- Answers ------------------------------------------------------------------------------------------ */

/* All append to `out`, whose sticky failure tells about memory. */

/* A SnapshotReadOutput, row by row: begin, any number of rows in the order of their ranges, end. */
typedef struct tp_snapshot_read_output {
  tp_buffer *out;
  size_t range_count;  /* begun so far; the last one is open */
  size_t range_offset; /* where the open range's length goes */
} tp_snapshot_read_output;

void tp_snapshot_read_output_begin(tp_snapshot_read_output *output, tp_buffer *out);
void tp_snapshot_read_output_row(tp_snapshot_read_output *output, size_t range_index, const tp_row *row);
/* range_count: how many ranges were asked for. */
void tp_snapshot_read_output_end(tp_snapshot_read_output *output, size_t range_count);

/* An AtomicWriteOutput. */
void tp_atomic_write_output_success(tp_buffer *out, const tuplet_versionstamp *versionstamp);
void tp_atomic_write_output_check_failure(tp_buffer *out, const uint32_t *failed_checks, size_t count);
void tp_atomic_write_output_disabled(tp_buffer *out);

/* A WatchOutput: begin, then every key in order. row is NULL where there is no entry. */
void tp_watch_output_begin(tp_buffer *out);
void tp_watch_output_key(tp_buffer *out, bool changed, const tp_row *row);

/* A QueueMessage. */
void tp_queue_message_encode(tp_buffer *out, tuplet_bytes id, tuplet_bytes payload, uint32_t attempt,
                             uint32_t lease_ms);

/* A WatchRangeOutput: every change in key order (row NULL where there is no entry any more), then its end. */
void tp_watch_range_output_change(tp_buffer *out, tuplet_bytes key, const tp_row *row);
void tp_watch_range_output_end(tp_buffer *out, bool must_reread, const tuplet_versionstamp *versionstamp);

#endif

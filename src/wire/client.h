/* client.h: KV Connect's messages from the other side: requests from what an engine is asked, and what it
 * gives back from a server's answers.
 *
 * A server is a stranger too: whatever it answers is held to what was asked, and takes bounded memory. */
#ifndef TP_WIRE_CLIENT_H
#define TP_WIRE_CLIENT_H

#include "base/buffer.h"
#include "engine/engine.h"

/* ---- Requests ----------------------------------------------------------------------------------------- */

/* All append to `out`, whose sticky failure tells about memory. Any thread. */

void tp_snapshot_read_encode(tp_buffer *out, const tp_read_range *ranges, size_t range_count);

/* Checks, mutations and enqueues. An enqueue whose schedule is empty cannot be said (the server takes it for
 * the default one): see tp_atomic_write_is_sayable. */
void tp_atomic_write_encode(tp_buffer *out, const tp_write *write);

/* Errors: TUPLET_UNSUPPORTED. */
tuplet_status tp_atomic_write_is_sayable(const tp_write *write, tuplet_error *error);

void tp_watch_encode(tp_buffer *out, const tuplet_bytes *keys, size_t key_count);

/* Of the extension queue/1. */
void tp_queue_listen_encode(tp_buffer *out, uint32_t in_flight_max);
void tp_queue_finish_encode(tp_buffer *out, tuplet_bytes id, uint32_t attempt, bool success);

/* Of the extension watch-range/1. */
void tp_watch_range_encode(tp_buffer *out, tuplet_bytes start, tuplet_bytes end, uint32_t changes_max);

/* ---- Answers ------------------------------------------------------------------------------------------ */

/* Results live in `arena`, with the bounds of tp_snapshot_read_decode. Errors of all: TUPLET_MALFORMED (not
 * such a message, or not an answer to what was asked), TUPLET_NOMEM. Any thread. */

typedef struct tp_range_rows {
  const tp_row *rows; /* expires_at_ms is TP_EXPIRES_NEVER: the protocol does not tell */
  size_t row_count;
} tp_range_rows;

/* The largest answer there can be to a read of these ranges, bytes. */
size_t tp_snapshot_read_output_size_max(const tp_read_range *ranges, size_t range_count);

/* One tp_range_rows for each range; the keys of each lie in it, in its order, and are no more than its limit.
 * *ret_is_strong: whether the server vouches for its being the newest state. Also TUPLET_BUSY: the server
 * does not take reads at the moment. */
tuplet_status tp_snapshot_read_output_decode(tuplet_bytes message, tp_arena *arena,
                                             const tp_read_range *ranges, size_t range_count,
                                             const tp_range_rows **ret_ranges, bool *ret_is_strong,
                                             tuplet_error *error);

/* Fills write->versionstamp (TUPLET_OK), or write->failed_checks (TUPLET_CONFLICT; none where the server does
 * not tell which). Also TUPLET_READ_ONLY. */
tuplet_status tp_atomic_write_output_decode(tuplet_bytes message, tp_arena *arena, tp_write *write,
                                            tuplet_error *error);

/* A WatchOutput. One entry for each key watched, in order: whether it differs from what was told before, and
 * its row, NULL where there is no entry. Also TUPLET_BUSY: the server does not take reads at the moment. */
typedef struct tp_watched_entry {
  bool changed;
  const tp_row *row;
} tp_watched_entry;

tuplet_status tp_watch_output_decode(tuplet_bytes message, tp_arena *arena, const tuplet_bytes *keys,
                                     size_t key_count, const tp_watched_entry **ret_entries,
                                     tuplet_error *error);

/* A QueueMessage. *ret_message: id, payload and attempt. */
tuplet_status tp_queue_message_decode(tuplet_bytes message, tp_arena *arena, tp_message *ret_message,
                                      tuplet_error *error);

/* A WatchRangeOutput. A change's row is NULL where there is no entry any more; keys lie in the range, in
 * order. Decoding takes at most TP_WATCH_RANGE_DECODE_OVERHEAD + 2 * message.size bytes of the arena, and
 * what the result itself takes: enough for 10,000 changes, however small. */
#define TP_WATCH_RANGE_DECODE_OVERHEAD ((size_t)4 << 20)

typedef struct tp_range_change {
  tuplet_bytes key;
  const tp_row *row;
} tp_range_change;

typedef struct tp_range_changes {
  bool must_reread;
  const tp_range_change *items;
  size_t count;
  tuplet_versionstamp versionstamp;
} tp_range_changes;

tuplet_status tp_watch_range_output_decode(tuplet_bytes message, tp_arena *arena, tuplet_bytes start,
                                           tuplet_bytes end, tp_range_changes *ret_changes,
                                           tuplet_error *error);

#endif

/* store.h: a database, whatever engine holds its bytes: limits, snapshot reads, atomic writes, watches,
 * expiry.
 *
 * Keys are encoded here. The public C API (src/api) and the server sit on top and share every rule below. */
#ifndef TP_STORE_STORE_H
#define TP_STORE_STORE_H

#include "base/clock.h"
#include "engine/engine.h"
#include "store/queue.h"

typedef struct tp_store tp_store;

typedef struct tp_store_config {
  const tuplet_allocator *allocator;
  tp_clock clock;
  bool read_only; /* writes complete with TUPLET_READ_ONLY */
} tp_store_config;

/* Takes the engine over, also on failure. */
tuplet_status tp_store_open(const tp_store_config *config, tp_engine *engine, tp_store **ret_store,
                            tuplet_error *error);

/* Completes what was submitted, closes the engine, frees the store. Watches and readers must be closed
 * before. Blocks. NULL is fine. */
void tp_store_close(tp_store *store);

/* The store is about to be closed: what waits for a server ends within seconds. Any thread. */
void tp_store_closing(tp_store *store);

/* Now, by the store's clock; unix. */
int64_t tp_store_now_ms(const tp_store *store);
const tuplet_allocator *tp_store_allocator(const tp_store *store);

/* ---- Reads ---- */

/* A reader for one thread's own use (a server's loop), which reads without any lock; NULL where a reader is
 * asked for takes one from the shared pool. */
tuplet_status tp_store_reader_open(tp_store *store, tp_reader **ret_reader, tuplet_error *error);
void tp_store_reader_close(tp_store *store, tp_reader *reader);

/* Checks the limits (number of ranges, sizes of bounds, entries in all) and reads; read->now_ms is set here.
 * Completes through read->on_done, with a local engine before it returns. Any thread. */
void tp_store_read(tp_store *store, tp_reader *reader, tp_read *read);

/* ---- Writes ---- */

/* Checks the limits and commits. Completes through write->on_done, on the engine's committer thread, or
 * before it returns when a limit is exceeded. Any thread. write->failed_checks has room for check_count
 * indexes. */
void tp_store_write(tp_store *store, tp_write *write);

/* ---- The queue ---- */

/* As tp_queue_listen; also TUPLET_READ_ONLY. The listener is closed before the store. */
tuplet_status tp_store_listen(tp_store *store, const tp_queue_listening *config,
                              tp_queue_listener **ret_listener, tuplet_error *error);

/* ---- What can be seen from outside ---- */

/* See tp_engine_ops.queue_state. Any thread. */
tuplet_status tp_store_queue_state(tp_store *store, uint32_t count_max, tp_queue_state *ret_state,
                                   tuplet_error *error);

/* ---- Watches ---- */

/* A set of watched keys, and what its consumer was shown last. Changes merge: however many come, the consumer
 * is woken once and polls the newest state. */
typedef struct tp_watch tp_watch;

/* Watches `key_count` (at most 10) encoded keys; they are copied. `wake` is called from any thread when a
 * poll may bring something new: at once when the watch starts, and then at most once between two polls. It
 * must not call into the store. */
tuplet_status tp_watch_open(tp_store *store, const tuplet_bytes *keys, size_t key_count,
                            void (*wake)(void *context), void *context, tp_watch **ret_watch,
                            tuplet_error *error);

/* After it returns, `wake` is not called any more. NULL is fine. */
void tp_watch_close(tp_watch *watch);

size_t tp_watch_key_count(const tp_watch *watch);

/* Reads the state of all watched keys in one snapshot and gives it key by key, in order: `changed` tells
 * whether it differs from what was shown before (all of the first poll's do), `row` is NULL where there is no
 * entry; its bytes are valid during the call only. Then `on_done`, with `any_changed`; if that is false the
 * consumer was shown nothing new and should drop what it gathered. On a negative status the watch is as if
 * not polled. One poll of a watch at a time. */
typedef struct tp_watch_poll tp_watch_poll;
struct tp_watch_poll {
  tuplet_status (*on_key)(tp_watch_poll *poll, size_t index, bool changed, const tp_row *row,
                          tuplet_error *error);
  void (*on_done)(tp_watch_poll *poll, tuplet_status status, bool any_changed, const tuplet_error *error);
};
void tp_watch_poll_start(tp_watch *watch, tp_reader *reader, tp_watch_poll *poll);

/* A watched range, and which of its keys have changed since its consumer was told last. */
typedef struct tp_range_watch tp_range_watch;

enum {
  TP_RANGE_CHANGES_DEFAULT = 1000,
  TP_RANGE_CHANGES_MAX = 10000,
  TP_RANGE_CHANGES_SIZE_MAX = 4 << 20 /* bytes of the keys and values told at a time */
};

/* Watches the keys from `start` (inclusive) to `end` (exclusive), both encoded and copied. changes_max: how
 * many changed keys are remembered, at most TP_RANGE_CHANGES_MAX; 0: the default. `wake` as with
 * tp_watch_open, but first when the watch has found its beginning. Errors: TUPLET_LIMIT, TUPLET_INVALID,
 * TUPLET_UNSUPPORTED (by the engine), TUPLET_NOMEM. */
tuplet_status tp_range_watch_open(tp_store *store, tuplet_bytes start, tuplet_bytes end, uint32_t changes_max,
                                  void (*wake)(void *context), void *context, tp_range_watch **ret_watch,
                                  tuplet_error *error);

/* After it returns, `wake` is not called any more. NULL is fine. */
void tp_range_watch_close(tp_range_watch *watch);

/* What a poll came to. */
typedef struct tp_range_result {
  bool is_new;      /* false: nothing; what was told is to be dropped */
  bool must_reread; /* nothing was told: the consumer is to read the range, and hears of what changed after
                       versionstamp */
  tuplet_versionstamp versionstamp; /* all that changed up to it was told now or before */
} tp_range_result;

/* Reads what has changed in one snapshot, and tells it in key order, `row` NULL where there is no entry any
 * more; a row's bytes are valid during the call only. Then `on_done`. After a negative status with which
 * changes were lost the next poll says must_reread. One poll of a watch at a time. */
typedef struct tp_range_poll tp_range_poll;
struct tp_range_poll {
  tuplet_status (*on_change)(tp_range_poll *poll, tuplet_bytes key, const tp_row *row, tuplet_error *error);
  void (*on_done)(tp_range_poll *poll, tuplet_status status, const tp_range_result *result,
                  const tuplet_error *error);
};
void tp_range_watch_poll(tp_range_watch *watch, tp_reader *reader, tp_range_poll *poll);

#endif

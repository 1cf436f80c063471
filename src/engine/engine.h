/* engine.h: the one seam between the store and where bytes live.
 *
 * An engine reads ranges of encoded keys and commits atomic writes. It is "submit, with a completion": an
 * engine may complete before the call returns (a local file's reads), or later on a thread of its own
 * (commits; engines that talk to other machines). Nothing here blocks but `close`, and writes whose submitter
 * waits anyway.
 *
 * What every engine promises:
 *  1. A read sees one snapshot: all its ranges, at one moment.
 *  2. A row whose expires_at_ms is at or before the read's now_ms does not exist: not for reads, checks, or
 * sums.
 *  3. A write is applied whole or not at all, after all writes completed before it was submitted.
 *  4. TUPLET_OK means durable, as the engine was opened.
 *  5. Versionstamps strictly increase from commit to commit.
 *  6. The observer hears of a commit after it is durable and visible to reads, and before the write's own
 *     completion.
 *  7. Completions run without any lock of the engine's held: they may submit.
 */
#ifndef TP_ENGINE_ENGINE_H
#define TP_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/histogram.h"
#include "tuplet.h"

#define TP_EXPIRES_NEVER INT64_C(-1)

/* ---- Reads ---- */

typedef struct tp_row {
  tuplet_bytes key;
  tuplet_bytes value;
  uint32_t encoding;
  tuplet_versionstamp versionstamp;
  int64_t expires_at_ms; /* unix; TP_EXPIRES_NEVER */
} tp_row;

typedef struct tp_read_range {
  tuplet_bytes start; /* inclusive */
  tuplet_bytes end;   /* exclusive; start followed by a zero byte selects just the key `start` */
  uint32_t limit;     /* > 0 */
  bool reverse;
} tp_read_range;

/* A read. The caller owns it and what it points to, and keeps both alive until on_done. */
typedef struct tp_read tp_read;
struct tp_read {
  const tp_read_range *ranges;
  size_t range_count;
  int64_t now_ms; /* unix; what has expired by then is absent */
  /* Before the first row, with the number of the snapshot's last commit; it may set `ranges` now. A status
   * other than TUPLET_OK ends the read with it. NULL: not called. Engines without `survey` do not call it. */
  tuplet_status (*on_snapshot)(tp_read *read, const tuplet_versionstamp *last, tuplet_error *error);
  bool eventual; /* a state that is a little older will do, if that is quicker to be had */
  /* Each row, range by range, in order. The row's bytes are valid during the call only. A status other than
   * TUPLET_OK ends the read with it. */
  tuplet_status (*on_row)(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error);
  /* Exactly once, after the last row. `error` is filled when status is negative. */
  void (*on_done)(tp_read *read, tuplet_status status, const tuplet_error *error);
};

/* ---- Writes ---- */

typedef struct tp_check {
  tuplet_bytes key;
  bool must_be_absent; /* then versionstamp means nothing */
  tuplet_versionstamp versionstamp;
} tp_check;

typedef enum tp_mutation_type {
  TP_MUTATION_SET,
  TP_MUTATION_DELETE,
  TP_MUTATION_SUM,
  TP_MUTATION_MIN,
  TP_MUTATION_MAX,
  TP_MUTATION_SET_SUFFIX_VERSIONSTAMPED_KEY /* writes key || 02 || versionstamp as 20 hex digits || 00 */
} tp_mutation_type;

typedef struct tp_mutation {
  tuplet_bytes key;
  tuplet_bytes value;
  tuplet_bytes sum_min; /* of sums: encoded as the operand; data NULL for none */
  tuplet_bytes sum_max;
  int64_t expires_at_ms; /* of sets; unix; TP_EXPIRES_NEVER */
  tp_mutation_type type;
  uint32_t encoding;
  bool sum_clamp;
} tp_mutation;

typedef struct tp_enqueue {
  tuplet_bytes payload; /* V8 */
  int64_t due_at_ms;    /* unix */
  const tuplet_bytes *keys_if_undelivered;
  size_t keys_if_undelivered_count;
  const uint32_t *backoff_ms; /* delays before retries */
  size_t backoff_count;
  bool has_backoff; /* false: the default schedule */
} tp_enqueue;

/* How a message's handling ended. */
typedef enum tp_finish_outcome {
  TP_FINISH_DONE,   /* it is deleted */
  TP_FINISH_FAILED, /* it comes again as its schedule says; after its last delay its payload is written under
                       the keys it names for that, and it is deleted */
  TP_FINISH_RETURNED, /* it was not handled after all: it is due again at once, its schedule as it was */
} tp_finish_outcome;

/* The end of a lease, which `id` and `lease_until_ms` name together: when a lease has been lost the message
 * may be on lease to somebody else, under the same id. */
typedef struct tp_finish {
  tuplet_bytes id;
  int64_t lease_until_ms;
  tp_finish_outcome outcome;
} tp_finish;

/* What mutations came to: results computed, keys stamped. */
typedef struct tp_change {
  tuplet_bytes key;
  bool removed; /* then nothing below means anything */
  uint32_t encoding;
  tuplet_bytes value;
  size_t value_capacity; /* of a computed value's memory, for the next result under this key; else 0 */
  int64_t expires_at_ms;
} tp_change;

/* An atomic write. The caller owns it and what it points to, and keeps both alive until on_done; in between
 * they are the engine's. */
typedef struct tp_write tp_write;
struct tp_write {
  const tp_check *checks;
  size_t check_count;
  const tp_mutation *mutations;
  size_t mutation_count;
  const tp_enqueue *enqueues;
  size_t enqueue_count;
  const tp_finish *finishes; /* if one of these leases has been lost, nothing is written: TUPLET_CONFLICT */
  size_t finish_count;
  tp_arena *arena; /* for what the engine has to remember until on_done */
  /* Who submits it waits for on_done and does nothing else: the engine may do the work on that thread, in the
   * call that submits. */
  bool submitter_waits;
  /* Exactly once; the results below are filled. */
  void (*on_done)(tp_write *write);

  tuplet_status status; /* TUPLET_OK, TUPLET_CONFLICT or an error */
  tuplet_error error;
  tuplet_versionstamp versionstamp;
  uint32_t *failed_checks; /* room for check_count indexes, given by the caller */
  size_t failed_check_count;
  bool lease_lost; /* a conflict is that of a finish */
  const tp_change
      *changes; /* in the mutations' order, then of undelivered messages, in `arena`; for the observer */
  size_t change_count;
  int64_t
      requeued_due_ms; /* when the first message that it put back into the queue is due; TP_EXPIRES_NEVER */

  tp_write *next; /* the engine's */
};

/* Removes rows whose expiry has come, a few at a time. Owned as a write is. */
typedef struct tp_sweep tp_sweep;
struct tp_sweep {
  int64_t now_ms;   /* unix */
  uint32_t row_max; /* > 0 */
  void (*on_done)(tp_sweep *sweep);

  tuplet_status status;
  tuplet_error error;
  uint32_t removed;
  int64_t next_expiry_ms; /* of the rows left, unix; TP_EXPIRES_NEVER if none expires */

  tp_sweep *next; /* the engine's */
};

/* ---- The queue ---- */

/* A message on lease. */
typedef struct tp_message {
  tuplet_bytes id;       /* text; names the lease together with lease_until_ms */
  size_t public_id_size; /* of its beginning, which is the same each time the message comes */
  tuplet_bytes payload;
  uint32_t attempt; /* from 1 */
  int64_t lease_until_ms;
} tp_message;

typedef struct tp_lease {
  tuplet_bytes id;
  int64_t lease_until_ms; /* as it is known */
  bool is_lost;           /* afterwards: it was not there any more */
} tp_lease;

/* One turn of a listening process at the queue: its leases are renewed, messages whose lease has run out
 * fail, and due messages are leased. Owned as a write is; one at a time.
 *
 * A turn may have to wait for another process, for longer than a lease lasts. So what is leased is leased
 * from the moment of writing on, and what has run out is told by who submits it: none of its own leases. */
typedef struct tp_queue_turn tp_queue_turn;
struct tp_queue_turn {
  int64_t run_out_until_ms; /* leases that end then or before have run out; unix; TP_EXPIRES_NEVER: none */
  int64_t lease_ms;         /* how long what is leased and renewed is leased */
  tp_lease *leases;         /* to be renewed, even when they have run out */
  size_t lease_count;
  size_t message_max; /* to be leased; 0: none */
  tp_arena *arena;    /* for the messages */
  void (*on_done)(tp_queue_turn *turn);

  tuplet_status status;
  tuplet_error error;
  int64_t now_ms;         /* when it was done; unix */
  int64_t lease_until_ms; /* of what was renewed */
  tp_message *messages;   /* in the order they became due */
  size_t message_count;
  int64_t next_due_ms;     /* of the waiting messages, unix; TP_EXPIRES_NEVER */
  int64_t next_run_out_ms; /* of the leases, ours and others', likewise */

  tp_queue_turn *next; /* the engine's */
};

/* A message in a listener's hands, from on_message until it is finished. */
typedef struct tp_delivery tp_delivery;
struct tp_delivery {
  tuplet_bytes id; /* the same each time the message comes */
  tuplet_bytes payload;
  uint32_t attempt; /* from 1 */
  /* Whoever made the delivery; see tp_delivery_finish. */
  void (*finish)(tp_delivery *delivery, tp_finish_outcome outcome,
                 void (*on_done)(void *context, tuplet_status status, const tuplet_error *error),
                 void *context);
};

/* Ends a delivery. `on_done` (may be NULL) is called once, perhaps before it returns: TUPLET_OK,
 * TUPLET_NOT_FOUND when the lease had been lost (somebody else may have, or get, the message), or an error,
 * after which the message comes again. The delivery is gone when on_done returns. Any thread. */
static inline void tp_delivery_finish(tp_delivery *delivery, tp_finish_outcome outcome,
                                      void (*on_done)(void *context, tuplet_status status,
                                                      const tuplet_error *error),
                                      void *context) {
  delivery->finish(delivery, outcome, on_done, context);
}

/* Somebody who takes messages. on_message must be quick and must not wait; it may finish the delivery. */
typedef struct tp_queue_listening {
  uint32_t in_flight_max; /* deliveries at a time, > 0 */
  void (*on_message)(void *context, tp_delivery *delivery);
  void *context;
} tp_queue_listening;

/* Of an engine that hands out messages by itself (ops->listen). */
typedef struct tp_engine_listener tp_engine_listener;

/* ---- Watches ---- */

/* Of an engine that hears of changes by itself (ops->watch). */
typedef struct tp_engine_watch tp_engine_watch;

/* Of an engine that follows ranges by itself (ops->range_watch). */
typedef struct tp_engine_range_watch tp_engine_range_watch;

/* Somebody who follows a range. */
typedef struct tp_range_following {
  tuplet_bytes start;   /* inclusive; copied */
  tuplet_bytes end;     /* exclusive; copied */
  uint32_t changes_max; /* changed keys that are remembered until they are fetched, > 0 */
  size_t size_max;      /* bytes of these and their values, likewise */
  void (*wake)(void *context);
  void *context;
} tp_range_following;

/* What changed since the last fetch: on_change is called for each key, in order, `row` NULL where there is no
 * entry any more. The caller owns it. */
typedef struct tp_range_fetch tp_range_fetch;
struct tp_range_fetch {
  tuplet_status (*on_change)(tp_range_fetch *fetch, tuplet_bytes key, const tp_row *row, tuplet_error *error);

  bool is_new;                      /* there is something */
  bool must_reread;                 /* there are no changes: the range is to be read */
  tuplet_versionstamp versionstamp; /* all that was committed up to it is told */
};

/* Where a database is, and what will expire: all in one snapshot. The caller owns it. */
typedef struct tp_survey tp_survey;
struct tp_survey {
  int64_t after_ms;      /* unix; rows that expire later are told, */
  uint32_t expiring_max; /* so many of them, the earliest first */
  tuplet_status (*on_expiring)(tp_survey *survey, tuplet_bytes key, int64_t expires_at_ms,
                               tuplet_error *error);

  tuplet_versionstamp last; /* of the last commit */
  bool is_own;              /* which the observer has heard of, or is about to hear of */
};

/* ---- What can be seen from outside ---- */

/* What engines count, for whoever shows it. Several may share one; what an engine counted stays when it is
 * closed. Any thread may read any part at any time (relaxed loads, tp_histogram's functions). */
typedef struct tp_engine_stats {
  _Atomic uint64_t writes_committed;
  _Atomic uint64_t writes_conflicting; /* refused by their own checks */
  _Atomic uint64_t writes_failed;      /* refused for what they ask, or by the storage */
  _Atomic uint64_t written_size;       /* bytes of keys, values and messages of what was committed */
  _Atomic uint64_t messages_enqueued;
  _Atomic uint64_t expired_removed; /* rows */
  _Atomic uint64_t commits_failed;  /* attempts to commit a group */
  tp_histogram group_size;          /* how many writes each commit of writes committed */
  tp_histogram commit_ns; /* how long making them durable took, of each commit of anything; with SQLite: its
                             COMMIT, in which the log is written and synced */
  tp_histogram checkpoint_ns;              /* how long each round of moving a log into its file took */
  _Atomic uint64_t checkpoints_incomplete; /* rounds that left something in the log */
  /* At this moment. */
  _Atomic int64_t log_size;     /* bytes of write-ahead logs that are in use, as of each one's last commit */
  _Atomic int64_t engine_count; /* engines that are open */
} tp_engine_stats;

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_engine_stats_init(tp_engine_stats *stats, const tuplet_allocator *allocator,
                                   tuplet_error *error);
/* After the engines that record into it have been closed. */
void tp_engine_stats_done(tp_engine_stats *stats);

/* A database's queue. */
typedef struct tp_queue_state {
  uint64_t waiting;         /* messages that nobody has taken; counted up to a limit */
  uint64_t running;         /* those taken and not finished; likewise */
  int64_t oldest_due_at_ms; /* of those waiting, unix; INT64_MAX when there are none */
} tp_queue_state;

/* ---- Engines ---- */

/* What a commit changed. */
typedef struct tp_commit {
  const tp_change *changes;
  size_t change_count;
  tuplet_versionstamp versionstamp; /* all zero: it has none, and changes nothing that has one */
  tuplet_versionstamp previous;     /* of the commit before it, whose ever that was */
  int64_t message_due_ms; /* when the first of the messages it put into the queue is due; TP_EXPIRES_NEVER */
} tp_commit;

/* Hears of commits, on the engine's thread, one at a time. It must be quick. */
typedef struct tp_engine_observer {
  void (*on_commit)(void *context, const tp_commit *commit);
  void *context;
} tp_engine_observer;

/* What one thread reads with, so that threads need not share: for a loop thread of a server. */
typedef struct tp_reader tp_reader;

typedef struct tp_engine tp_engine;

typedef struct tp_engine_ops {
  /* Before any other call. */
  void (*set_observer)(tp_engine *engine, tp_engine_observer observer);

  /* A reader of the calling thread's own; NULL as reader in `read` takes one from a shared pool. Readers are
   * closed before the engine. */
  tuplet_status (*reader_open)(tp_engine *engine, tp_reader **ret_reader, tuplet_error *error);
  void (*reader_close)(tp_engine *engine, tp_reader *reader);

  void (*read)(tp_engine *engine, tp_reader *reader, tp_read *read);
  void (*write)(tp_engine *engine, tp_write *write);
  void (*sweep)(tp_engine *engine, tp_sweep *sweep);

  /* Either queue_turn, of which the store makes deliveries; or listen, when whoever the engine talks to makes
   * them. The other one is NULL. After listener_close has returned on_message does not come any more (it
   * waits for one that runs); the deliveries that are out must still be finished. */
  void (*queue_turn)(tp_engine *engine, tp_queue_turn *turn);
  tuplet_status (*listen)(tp_engine *engine, const tp_queue_listening *config,
                          tp_engine_listener **ret_listener, tuplet_error *error);
  void (*listener_close)(tp_engine *engine, tp_engine_listener *listener);

  /* Calls `wake`, on any thread, whenever the keys may have changed by anyone, and after it could not know
   * for a while; it must not call into the engine. Not again after watch_close has returned. NULL: commits
   * are told to the observer, and poll_foreign_changes finds what others do. */
  tuplet_status (*watch)(tp_engine *engine, const tuplet_bytes *keys, size_t key_count,
                         void (*wake)(void *context), void *context, tp_engine_watch **ret_watch,
                         tuplet_error *error);
  void (*watch_close)(tp_engine *engine, tp_engine_watch *watch);

  /* The changes of a range, by anyone, merged until they are fetched; what is fetched first, and whenever
   * some may be missing, is must_reread. `wake` as with `watch`. A fetch does not block; one at a time. After
   * a negative status the next one goes on, or says must_reread. Errors of the beginning: TUPLET_UNSUPPORTED,
   * TUPLET_NOMEM; of a fetch: what the engine was refused, and on_change's. NULL: there is `survey`, or no
   * watching of ranges at all. */
  tuplet_status (*range_watch)(tp_engine *engine, const tp_range_following *config,
                               tp_engine_range_watch **ret_watch, tuplet_error *error);
  tuplet_status (*range_watch_fetch)(tp_engine *engine, tp_engine_range_watch *watch, tp_range_fetch *fetch,
                                     tuplet_error *error);
  void (*range_watch_close)(tp_engine *engine, tp_engine_range_watch *watch);

  /* Calls on_change, on a thread of the engine's, soon after anybody has changed the data, so that
   * poll_foreign_changes need not be called but then (and, to be safe, now and then). May be called once.
   * Errors: TUPLET_UNSUPPORTED, TUPLET_NOMEM: then it is polled. */
  tuplet_status (*notice_changes)(tp_engine *engine, void (*on_change)(void *context), void *context,
                                  tuplet_error *error);
  /* on_change is not called any more when it returns. Fine without notice_changes. */
  void (*notice_stop)(tp_engine *engine);

  /* Whether anyone but this engine may have changed the data since the last call; and whether anyone, perhaps
   * this engine itself, may have changed the queue. One thread at a time. */
  tuplet_status (*poll_foreign_changes)(tp_engine *engine, bool *ret_changed, bool *ret_queue_changed,
                                        tuplet_error *error);

  /* For those who keep track of what changes: see tp_survey. Blocks for as long as a read; any thread. NULL:
   * this engine cannot. */
  tuplet_status (*survey)(tp_engine *engine, tp_survey *survey, tuplet_error *error);

  /* Counts no more than count_max messages of each kind, so that it takes no longer than reading as many.
   * Blocks for as long as a read; any thread. */
  tuplet_status (*queue_state)(tp_engine *engine, uint32_t count_max, tp_queue_state *ret_state,
                               tuplet_error *error);

  /* It is about to be closed: what waits for others (to be tried again, to be answered) ends within seconds,
   * with TUPLET_CLOSED if need be. Any thread. NULL: nothing does. */
  void (*closing)(tp_engine *engine);

  /* Completes what was submitted, then frees the engine. Blocks. */
  void (*close)(tp_engine *engine);
} tp_engine_ops;

/* Engines embed it as their first member. */
struct tp_engine {
  const tp_engine_ops *ops;
  bool shared; /* whether others may change the data too: other handles, other processes */
};

/* Whether a range selects a single key, as `end` shows. */
static inline bool tp_read_range_is_point(const tp_read_range *range) {
  return range->end.size == range->start.size + 1 &&
         ((const uint8_t *)range->end.data)[range->start.size] == 0 &&
         (range->start.size == 0 ||
          __builtin_memcmp(range->start.data, range->end.data, range->start.size) == 0);
}

#endif

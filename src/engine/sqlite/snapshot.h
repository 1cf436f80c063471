/* snapshot.h: a read transaction that stays open from read to read, for as long as it shows the newest state.
 *
 * Beginning and ending one costs more than looking up a row: SQLite takes and releases a lock on the log,
 * each a system call. Reads that follow each other closely share one instead. Each of them first compares the
 * head of the log's index, which SQLite keeps in shared memory and every commit of any process changes before
 * it is acknowledged, with what it was when the transaction began: where it is the same, nothing was
 * committed since.
 *
 * An open transaction keeps SQLite from starting the log over, so it is held for some milliseconds only, and
 * no other one is begun at once where a checkpoint waits. */
#ifndef TP_ENGINE_SQLITE_SNAPSHOT_H
#define TP_ENGINE_SQLITE_SNAPSHOT_H

#include "engine/sqlite/connection.h"

enum { TP_SQLITE_LOG_STATE_WORDS = 12 };

/* Of one connection, and used by one thread at a time as that is. All zero at first. */
typedef struct tp_sqlite_snapshot {
  const _Atomic uint32_t *log_index;             /* the head of the log's index; NULL: not known yet */
  uint32_t log_state[TP_SQLITE_LOG_STATE_WORDS]; /* of the head, when the transaction began */
  int64_t begun_ns;                              /* holding one, or giving way; of a coarse clock */
  int64_t used_ns;                               /* likewise */
  bool is_held;
  bool gives_way; /* to a checkpoint: none is held for now */
} tp_sqlite_snapshot;

/* What transaction a read finds. One that is open shows everything that was committed before. */
typedef enum tp_sqlite_snapshot_use {
  TP_SQLITE_SNAPSHOT_NONE,  /* the read is to use one of its own */
  TP_SQLITE_SNAPSHOT_BEGUN, /* open, but what follows may show that it cannot be held */
  TP_SQLITE_SNAPSHOT_HELD   /* open, and an earlier read's */
} tp_sqlite_snapshot_use;

/* Before a read. */
tuplet_status tp_sqlite_snapshot_enter(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection,
                                       tp_sqlite_snapshot_use *ret_use, tuplet_error *error);

/* After a read inside the transaction, with its status. Returns whether the transaction is held from now on
 * and was not before: somebody has to see to it that it ends, see tp_sqlite_snapshot_rest. */
bool tp_sqlite_snapshot_leave(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection,
                              tuplet_status status);

/* Ends the transaction if none of the last reads used it; returns whether it is still held. */
bool tp_sqlite_snapshot_rest(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection);

/* Ends the transaction if one is held. */
void tp_sqlite_snapshot_release(tp_sqlite_snapshot *snapshot, tp_sqlite_connection *connection);

/* How long after its last use a transaction may still be held, when rest is called as often. */
#define TP_SQLITE_SNAPSHOT_HELD_MS 5

#endif

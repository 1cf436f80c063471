/* apply.h: one atomic write, inside the transaction of its group.
 *
 *   checks -> every result computed -> rows written
 *
 * Nothing is written before nothing but the storage itself can fail any more, so a refused write leaves no
 * trace in the group it shares with others. */
#ifndef TP_ENGINE_SQLITE_APPLY_H
#define TP_ENGINE_SQLITE_APPLY_H

#include "engine/engine.h"
#include "engine/sqlite/connection.h"

/* What became of a write inside its group. */
typedef enum tp_sqlite_applied {
  TP_SQLITE_APPLIED,        /* its rows are written, with the version given */
  TP_SQLITE_APPLIED_UNSEEN, /* messages are deleted, and nothing else: no version is needed */
  TP_SQLITE_REFUSED,        /* nothing is written: write->status is CONFLICT or an error of its own */
  TP_SQLITE_STORAGE_FAILED  /* rows may be half written: the transaction must be rolled back */
} tp_sqlite_applied;

/* Fills write->status, error, failed checks. `version` is what the write's rows get; now_ms is unix. */
tp_sqlite_applied tp_sqlite_apply(tp_sqlite_connection *connection, tp_write *write, int64_t version,
                                  int64_t now_ms);

#endif

/* notice.h: hearing that somebody wrote to the database's file, without asking: a thread that sleeps until
 * the system tells it (inotify) that the write-ahead log has changed.
 *
 * Whoever it was: this engine's own commits are heard as well, and it is for poll_foreign_changes to tell. A
 * burst of writes is told as one. Where the system tells nothing (some network file systems) nothing is
 * heard, so that those who rely on it still look by themselves now and then. */
#ifndef TP_ENGINE_SQLITE_NOTICE_H
#define TP_ENGINE_SQLITE_NOTICE_H

#include "tuplet.h"

typedef struct tp_sqlite_notice tp_sqlite_notice;

/* Calls `on_change` on a thread of its own from now on. path: the database's file; its log must be there.
 * Errors: TUPLET_UNSUPPORTED (the system cannot, or has no room for one more), TUPLET_NOMEM. */
tuplet_status tp_sqlite_notice_start(const tuplet_allocator *allocator, const char *path,
                                     void (*on_change)(void *context), void *context,
                                     tp_sqlite_notice **ret_notice, tuplet_error *error);

/* Ends the thread. NULL is fine. */
void tp_sqlite_notice_stop(tp_sqlite_notice *notice);

#endif

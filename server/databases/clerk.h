/* clerk.h: a few threads for work that waits for disks, so that loops need not. */
#ifndef TP_SERVER_CLERK_H
#define TP_SERVER_CLERK_H

#include "tuplet.h"

typedef struct tp_clerk tp_clerk;

/* Embedded in what it is about; the clerk's from tp_clerk_submit until `run` is called, on a thread of the
 * clerk's, which may free it or submit it again. */
typedef struct tp_clerk_job {
  struct tp_clerk_job *next;
  void (*run)(struct tp_clerk_job *job);
} tp_clerk_job;

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_clerk_start(const tuplet_allocator *allocator, size_t thread_count, tp_clerk **ret_clerk,
                             tuplet_error *error);

/* Jobs begin in the order of submitting. Any thread. Never fails, never blocks. */
void tp_clerk_submit(tp_clerk *clerk, tp_clerk_job *job);

/* Runs everything that was submitted, by jobs that run meanwhile too, then ends the threads. Blocks. Nobody
 * else may submit any more. NULL is fine. */
void tp_clerk_stop(tp_clerk *clerk);

#endif

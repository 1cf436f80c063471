/* job.h: what would block (opening, closing, asking a server's consent) runs on a thread of its own.
 *
 * The jobs of a database run one after the other, in the order they were given, so that closing it comes
 * after all else that has been begun with it. The thread lives while there are any. Threads of the runtime's
 * own pool are not used: a few servers that do not answer would stop the program's files and names. */
#ifndef TP_JS_JOB_H
#define TP_JS_JOB_H

#include "handle.h"

#include <stdbool.h>

/* Part of what it is about, so that submitting it cannot fail. run may free it. */
typedef struct tp_js_job {
  struct tp_js_job *next;
  void (*run)(struct tp_js_job *job);
} tp_js_job;

typedef struct tp_js_jobs {
  tp_js_handle *owner; /* what the jobs are part of; its environment's mutex guards what follows */
  tp_js_job *first;
  tp_js_job **last_link;
  bool is_running;
} tp_js_jobs;

void tp_js_jobs_init(tp_js_jobs *jobs, tp_js_handle *owner);

/* Has it run after those before it: on this very thread when no other can be started. Any thread. */
void tp_js_job_submit(tp_js_jobs *jobs, tp_js_job *job);

#endif

/* deadline.h: waiting for a condition until a moment. */
#ifndef TP_BASE_DEADLINE_H
#define TP_BASE_DEADLINE_H

#include "tuplet.h"

#include <pthread.h>
#include <time.h>

typedef struct tp_deadline {
  bool is_never;
  struct timespec at; /* CLOCK_MONOTONIC */
} tp_deadline;

/* timeout_ms: from now; TUPLET_FOREVER, or more than clocks can count, is never. */
tp_deadline tp_deadline_in(int64_t timeout_ms);

/* wait_ns: from now; 0 or less is now. */
tp_deadline tp_deadline_in_ns(int64_t wait_ns);

/* False for one that is never. */
bool tp_deadline_is_over(const tp_deadline *deadline);

/* A condition to be waited for with deadlines; ends with pthread_cond_destroy. Returns an error number. */
int tp_deadline_init_cond(pthread_cond_t *ret_cond);

/* The mutex is held. TUPLET_OK when the condition was signalled (or for no reason), TUPLET_TIMEOUT. */
tuplet_status tp_deadline_wait(const tp_deadline *deadline, pthread_cond_t *cond, pthread_mutex_t *mutex);

#endif

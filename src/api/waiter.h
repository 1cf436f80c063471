/* waiter.h: a thin wait on top of a completion: what makes a blocking call of an asynchronous one. */
#ifndef TP_API_WAITER_H
#define TP_API_WAITER_H

#include <pthread.h>
#include <stdatomic.h>

/* On the stack of the caller that waits. Where the completion came first, which is so for all reads of a
 * file, nothing is locked. */
typedef struct tp_waiter {
  atomic_int state; /* a tp_waiter_state */
  pthread_mutex_t mutex;
  pthread_cond_t signal;
} tp_waiter;

typedef enum tp_waiter_state { TP_WAITER_PENDING, TP_WAITER_WAITED_FOR, TP_WAITER_DONE } tp_waiter_state;

#define TP_WAITER_INIT                                                                                       \
  { TP_WAITER_PENDING, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER }

/* From the completion, once; the waiter may be gone as soon as this returns. */
static inline void tp_waiter_finish(tp_waiter *waiter) {
  int state = TP_WAITER_PENDING;
  if (atomic_compare_exchange_strong(&waiter->state, &state, TP_WAITER_DONE)) return;
  (void)pthread_mutex_lock(&waiter->mutex);
  atomic_store(&waiter->state, TP_WAITER_DONE);
  (void)pthread_cond_signal(&waiter->signal);
  (void)pthread_mutex_unlock(&waiter->mutex);
}

static inline void tp_waiter_wait(tp_waiter *waiter) {
  int state = TP_WAITER_PENDING;
  if (!atomic_compare_exchange_strong(&waiter->state, &state, TP_WAITER_WAITED_FOR)) return;
  (void)pthread_mutex_lock(&waiter->mutex);
  while (atomic_load(&waiter->state) != TP_WAITER_DONE)
    (void)pthread_cond_wait(&waiter->signal, &waiter->mutex);
  (void)pthread_mutex_unlock(&waiter->mutex);
  (void)pthread_cond_destroy(&waiter->signal);
  (void)pthread_mutex_destroy(&waiter->mutex);
}

#endif

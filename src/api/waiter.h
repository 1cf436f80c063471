/* waiter.h: a thin wait on top of a completion: what makes a blocking call of an asynchronous one. */
#ifndef TP_API_WAITER_H
#define TP_API_WAITER_H

#include <pthread.h>
#include <stdbool.h>

/* On the stack of the caller that waits. */
typedef struct tp_waiter {
  pthread_mutex_t mutex;
  pthread_cond_t signal;
  bool done;
} tp_waiter;

#define TP_WAITER_INIT                                                                                       \
  { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false }

/* From the completion, once; the waiter may be gone as soon as this returns. */
static inline void tp_waiter_finish(tp_waiter *waiter) {
  (void)pthread_mutex_lock(&waiter->mutex);
  waiter->done = true;
  (void)pthread_cond_signal(&waiter->signal);
  (void)pthread_mutex_unlock(&waiter->mutex);
}

static inline void tp_waiter_wait(tp_waiter *waiter) {
  (void)pthread_mutex_lock(&waiter->mutex);
  while (!waiter->done) (void)pthread_cond_wait(&waiter->signal, &waiter->mutex);
  (void)pthread_mutex_unlock(&waiter->mutex);
  (void)pthread_cond_destroy(&waiter->signal);
  (void)pthread_mutex_destroy(&waiter->mutex);
}

#endif

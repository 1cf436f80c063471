/* latch.h: waiting for other threads without sleeping: a number that grows, and threads that wait for it. */
#ifndef TEST_SUPPORT_LATCH_H
#define TEST_SUPPORT_LATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

typedef struct latch {
  pthread_mutex_t mutex;
  pthread_cond_t signal;
  size_t count;
} latch;

#define LATCH_INIT                                                                                           \
  { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }

static inline void latch_add(latch *l) {
  (void)pthread_mutex_lock(&l->mutex);
  l->count++;
  (void)pthread_cond_broadcast(&l->signal);
  (void)pthread_mutex_unlock(&l->mutex);
}

static inline size_t latch_count(latch *l) {
  (void)pthread_mutex_lock(&l->mutex);
  size_t count = l->count;
  (void)pthread_mutex_unlock(&l->mutex);
  return count;
}

/* False when the count is not reached within a minute: a hang, which is to fail rather than last. */
static inline bool latch_wait(latch *l, size_t count) {
  struct timespec end;
  (void)clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 60;
  (void)pthread_mutex_lock(&l->mutex);
  int rc = 0;
  while (l->count < count && rc == 0) rc = pthread_cond_timedwait(&l->signal, &l->mutex, &end);
  bool reached = l->count >= count;
  (void)pthread_mutex_unlock(&l->mutex);
  return reached;
}

#endif

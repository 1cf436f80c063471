/* deadline.c: waiting for a condition until a moment. */
#include "api/deadline.h"

#include <errno.h>

tp_deadline tp_deadline_in(int64_t timeout_ms) {
  const int64_t timeout_max_ms = INT64_C(100) * 365 * 24 * 3600 * 1000;
  tp_deadline deadline = {.is_never = timeout_ms < 0 || timeout_ms > timeout_max_ms};
  if (deadline.is_never) return deadline;
  (void)clock_gettime(CLOCK_MONOTONIC, &deadline.at); /* cannot fail for this clock */
  deadline.at.tv_sec += timeout_ms / 1000;
  deadline.at.tv_nsec += timeout_ms % 1000 * 1000000;
  if (deadline.at.tv_nsec >= 1000000000) {
    deadline.at.tv_sec++;
    deadline.at.tv_nsec -= 1000000000;
  }
  return deadline;
}

int tp_deadline_init_cond(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  int rc = pthread_condattr_init(&attributes);
  if (rc != 0) return rc;
  rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (rc == 0) rc = pthread_cond_init(cond, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  return rc;
}

tuplet_status tp_deadline_wait(const tp_deadline *deadline, pthread_cond_t *cond, pthread_mutex_t *mutex) {
  if (deadline->is_never) {
    (void)pthread_cond_wait(cond, mutex);
    return TUPLET_OK;
  }
  return pthread_cond_timedwait(cond, mutex, &deadline->at) == ETIMEDOUT ? TUPLET_TIMEOUT : TUPLET_OK;
}

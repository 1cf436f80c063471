/* deadline.c: waiting for a condition until a moment. */
#include "base/deadline.h"

#include <errno.h>

enum { NS_PER_S = 1000000000 };

/* Both at least 0; nanoseconds: less than a second. */
static struct timespec moment_in(int64_t seconds, int64_t nanoseconds) {
  struct timespec at;
  (void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail for this clock */
  at.tv_sec += seconds;
  at.tv_nsec += nanoseconds;
  if (at.tv_nsec >= NS_PER_S) {
    at.tv_sec++;
    at.tv_nsec -= NS_PER_S;
  }
  return at;
}

tp_deadline tp_deadline_in(int64_t timeout_ms) {
  const int64_t timeout_max_ms = INT64_C(100) * 365 * 24 * 3600 * 1000;
  if (timeout_ms < 0 || timeout_ms > timeout_max_ms) return (tp_deadline){.is_never = true};
  return (tp_deadline){.at = moment_in(timeout_ms / 1000, timeout_ms % 1000 * 1000000)};
}

tp_deadline tp_deadline_in_ns(int64_t wait_ns) {
  if (wait_ns < 0) wait_ns = 0;
  return (tp_deadline){.at = moment_in(wait_ns / NS_PER_S, wait_ns % NS_PER_S)};
}

bool tp_deadline_is_over(const tp_deadline *deadline) {
  if (deadline->is_never) return false;
  struct timespec now = moment_in(0, 0);
  if (now.tv_sec != deadline->at.tv_sec) return now.tv_sec > deadline->at.tv_sec;
  return now.tv_nsec >= deadline->at.tv_nsec;
}

int tp_deadline_init_cond(pthread_cond_t *ret_cond) {
  pthread_condattr_t attributes;
  int rc = pthread_condattr_init(&attributes);
  if (rc != 0) return rc;
  rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (rc == 0) rc = pthread_cond_init(ret_cond, &attributes);
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

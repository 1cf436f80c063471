/* clock.c: the operating system's clocks. */
#include "base/clock.h"

#include <time.h>

static int64_t system_unix_ms(void *context) {
  (void)context;
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic_ns(void *context) {
  (void)context;
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

tp_clock tp_clock_system(void) {
  return (tp_clock){system_unix_ms, system_monotonic_ns, 0};
}

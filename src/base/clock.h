/* clock.h: time, passed in, so that tests can set it. */
#ifndef TP_BASE_CLOCK_H
#define TP_BASE_CLOCK_H

#include <stdint.h>

typedef struct tp_clock {
  int64_t (*unix_ms)(void *context);      /* wall clock, milliseconds since 1970 */
  int64_t (*monotonic_ns)(void *context); /* never goes back, nanoseconds from an arbitrary start */
  void *context;
} tp_clock;

/* The operating system's clocks. */
tp_clock tp_clock_system(void);

static inline int64_t tp_clock_unix_ms(const tp_clock *clock) {
  return clock->unix_ms(clock->context);
}

static inline int64_t tp_clock_monotonic_ns(const tp_clock *clock) {
  return clock->monotonic_ns(clock->context);
}

#endif

/* deadline.c: how much of an option's --timeout is left. */
#include "deadline.h"

#include <time.h>
#include <tuplet.h>

static int64_t monotonic_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t tp_cli_deadline_in(int64_t timeout_ms) {
  if (timeout_ms == TUPLET_FOREVER) return TUPLET_FOREVER;
  int64_t now_ms = monotonic_ms();
  return timeout_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + timeout_ms;
}

int64_t tp_cli_deadline_left_ms(int64_t deadline_ms) {
  if (deadline_ms == TUPLET_FOREVER) return TUPLET_FOREVER;
  int64_t left_ms = deadline_ms - monotonic_ms();
  return left_ms > 0 ? left_ms : 0;
}

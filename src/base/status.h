/* status.h: filling a tuplet_error and returning its status in one step. */
#ifndef TP_BASE_STATUS_H
#define TP_BASE_STATUS_H

#include "tuplet.h"

#include <stdarg.h>

/* Makes it one that tells of nothing, without touching all of it. */
static inline void tp_error_clear(tuplet_error *error) {
  error->status = TUPLET_OK;
  error->message[0] = '\0';
}

/* Fills `error` (may be NULL) with `status` and the formatted message. Never allocates. Any thread. */
void tp_error_set(tuplet_error *error, tuplet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with `status` as its value, so that callers write `return tp_fail(error, TUPLET_LIMIT, "...")`. A
 * macro, so that compilers and checkers see that what is returned is not success. `status` has no side
 * effects. */
#define tp_fail(error, status, ...) (tp_error_set((error), (status), __VA_ARGS__), (tuplet_status)(status))

/* The same for out of memory. */
static inline tuplet_status tp_fail_nomem(tuplet_error *error) {
  return tp_fail(error, TUPLET_NOMEM, "out of memory");
}

#endif

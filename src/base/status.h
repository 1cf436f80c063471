/* status.h: filling a tuplet_error and returning its status in one step. */
#ifndef TP_BASE_STATUS_H
#define TP_BASE_STATUS_H

#include "tuplet.h"

#include <stdarg.h>

/* Fills `error` (may be NULL) with `status` and the formatted message, and returns `status`, so that callers
 * write `return tp_fail(error, TUPLET_LIMIT, "...")`. Never allocates. Any thread. */
tuplet_status tp_fail(tuplet_error *error, tuplet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for out of memory. */
tuplet_status tp_fail_nomem(tuplet_error *error);

#endif

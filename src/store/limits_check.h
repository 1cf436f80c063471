/* limits_check.h: whether a read or a write keeps the limits of a database, before any engine sees it. */
#ifndef TP_STORE_LIMITS_CHECK_H
#define TP_STORE_LIMITS_CHECK_H

#include "engine/engine.h"

/* Errors: TUPLET_LIMIT, TUPLET_INVALID, each with Deno's sentence. Any thread. */
tuplet_status tp_limits_check_read(const tp_read *read, tuplet_error *error);
tuplet_status tp_limits_check_write(const tp_write *write, tuplet_error *error);
tuplet_status tp_limits_check_watch_range(tuplet_bytes start, tuplet_bytes end, tuplet_error *error);
tuplet_status tp_limits_check_watch(const tuplet_bytes *keys, size_t key_count, tuplet_error *error);

#endif

/* log.h: what the server tells its operator, a line at a time. */
#ifndef TP_SERVER_LOG_H
#define TP_SERVER_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tp_log_level {
  TP_LOG_ERROR,   /* "error: ...": something was lost or cannot be done */
  TP_LOG_WARNING, /* "warning: ...": works, but somebody should look at it */
  TP_LOG_INFO,    /* the line alone, so that it can be waited for by its text */
  TP_LOG_DEBUG
} tp_log_level;

typedef enum tp_log_format { TP_LOG_LOGFMT, TP_LOG_JSON } tp_log_format;

typedef struct tp_log {
  int descriptor;
  tp_log_level level; /* lines above it are dropped */
} tp_log;

enum { TP_LOG_LINE_SIZE_MAX = 1024 };

/* One write per line, so that lines of several threads do not mix; a longer line is cut. Control characters,
 * which a peer may have sent, are replaced. Never fails: a line that cannot be written is lost. Any thread.
 */
void tp_log_write(const tp_log *log, tp_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How many lines of a kind there may be: one a second, so that requests that fail by the thousand neither
 * fill the disk nor hide everything else. Zeroed is a fresh one. */
typedef struct tp_log_limit {
  atomic_int_fast64_t next_ms; /* when the next line may be written, monotonic */
  atomic_size_t left_out;      /* since the last one */
} tp_log_limit;

enum { TP_LOG_LIMIT_INTERVAL_MS = 1000 };

/* Whether a line is to be written now (a monotonic time); *ret_left_out is then how many were not since the
 * one before. Any thread. */
bool tp_log_limit_admits(tp_log_limit *limit, int64_t now_ms, size_t *ret_left_out);

#endif

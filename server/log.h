/* log.h: what the server tells its operator, a line at a time. */
#ifndef TP_SERVER_LOG_H
#define TP_SERVER_LOG_H

typedef enum tp_log_level {
  TP_LOG_ERROR,   /* "error: ...": something was lost or cannot be done */
  TP_LOG_WARNING, /* "warning: ...": works, but somebody should look at it */
  TP_LOG_INFO     /* the line alone, so that it can be waited for by its text */
} tp_log_level;

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

#endif

/* log.h: what the server tells its operator, a line at a time, as text (logfmt) or JSON:
 *
 *   time=2026-11-21T15:04:05.678Z level=info msg="Listening on http://127.0.0.1:4512"
 *   {"time":"2026-11-21T15:04:05.678Z","level":"info","msg":"Listening on http://127.0.0.1:4512"}
 *
 * Whatever a peer may have sent stands in a line escaped: control characters, the ones that change the
 * direction of writing and what is not UTF-8 included. So a line is a line, and nobody can forge one.
 *
 * Logging never holds the server up: a line that the log cannot take at once is lost, and the next that it
 * takes is preceded by one that says how many were. */
#ifndef TP_SERVER_LOG_H
#define TP_SERVER_LOG_H

#include "tuplet.h"

#include <stdatomic.h>

typedef enum tp_log_level {
  TP_LOG_ERROR,   /* something was lost or cannot be done */
  TP_LOG_WARNING, /* works, but somebody should look at it */
  TP_LOG_INFO,
  TP_LOG_DEBUG
} tp_log_level;

typedef enum tp_log_format { TP_LOG_LOGFMT, TP_LOG_JSON } tp_log_format;

/* Lines that were lost: those that nobody was told of yet, and all. */
typedef struct tp_log_losses {
  atomic_size_t untold;
  atomic_size_t total;
} tp_log_losses;

typedef struct tp_log {
  int descriptor;     /* -1: nowhere */
  tp_log_level level; /* lines above it are dropped */
  tp_log_format format;
  bool is_socket;
  bool may_wait;         /* writing to it would wait for room, of which there has to be some first */
  tp_log_losses *losses; /* NULL: nobody counts them */
} tp_log;

enum { TP_LOG_LINE_SIZE_MAX = 2048 };

/* Lets lines go to what `descriptor` leads to, on a descriptor of the log's own, on which writing does not
 * wait (what others who share the terminal or pipe see is not changed). A closed one is nowhere. */
void tp_log_open(tp_log *log, int descriptor);
void tp_log_close(tp_log *log);

/* A line without further fields. A longer one is cut. Never fails. Any thread. */
void tp_log_write(const tp_log *log, tp_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line with fields: begin, any number of fields, end. A value that does not fit is cut and ends in "…"; a
 * field that does not fit at all is left out. Names are [a-z0-9_]. Any thread. */
typedef struct tp_log_line {
  const tp_log *log; /* NULL: dropped */
  size_t size;
  char text[TP_LOG_LINE_SIZE_MAX];
} tp_log_line;

void tp_log_begin(tp_log_line *line, const tp_log *log, tp_log_level level, const char *message);
void tp_log_text(tp_log_line *line, const char *name, tuplet_bytes value);
void tp_log_integer(tp_log_line *line, const char *name, uint64_t value);
void tp_log_milliseconds(tp_log_line *line, const char *name, int64_t value_ns); /* "1.234" */
void tp_log_flag(tp_log_line *line, const char *name, bool value);
void tp_log_end(tp_log_line *line);

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

/* log.c: what the server tells its operator, a line at a time. */
#include "server/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *prefix_of(tp_log_level level) {
  switch (level) {
  case TP_LOG_ERROR: return "error: ";
  case TP_LOG_WARNING: return "warning: ";
  case TP_LOG_INFO:
  case TP_LOG_DEBUG: return "";
  }
  return "";
}

static void write_all(int descriptor, const char *data, size_t size) {
  while (size > 0) {
    ssize_t written = write(descriptor, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return;
    }
    data += written;
    size -= (size_t)written;
  }
}

void tp_log_write(const tp_log *log, tp_log_level level, const char *format, ...) {
  if (level > log->level) return;
  char line[TP_LOG_LINE_SIZE_MAX];
  (void)snprintf(line, sizeof line, "%s", prefix_of(level));
  size_t size = strlen(line);

  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line + size, sizeof line - size - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  size += strlen(line + size);

  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) line[i] = '?';
  }
  line[size++] = '\n';
  write_all(log->descriptor, line, size);
}

bool tp_log_limit_admits(tp_log_limit *limit, int64_t now_ms, size_t *ret_left_out) {
  int_fast64_t next_ms = atomic_load(&limit->next_ms);
  if (now_ms < next_ms ||
      !atomic_compare_exchange_strong(&limit->next_ms, &next_ms, now_ms + TP_LOG_LIMIT_INTERVAL_MS)) {
    atomic_fetch_add(&limit->left_out, 1);
    return false;
  }
  *ret_left_out = atomic_exchange(&limit->left_out, 0);
  return true;
}

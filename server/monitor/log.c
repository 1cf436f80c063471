/* log.c: what the server tells its operator, a line at a time. */
#include "server/monitor/log.h"

#include "base/clock.h"
#include "codec/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  END_SIZE = 8,        /* kept free for what ends a cut value and the line: …"}\n */
  FIELD_SIZE_MIN = 48, /* a field is not begun with less room than that */
  TORN_WAIT_MS = 1000  /* for the rest of a line of which a part was taken */
};

/* ---- Where lines go
 * ----------------------------------------------------------------------------------------
 */

/* A pipe or terminal, opened anew: whether writing to it waits is then ours alone to say. */
static int open_again(int descriptor) {
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void tp_log_open(tp_log *log, int descriptor) {
  struct stat about;
  log->descriptor = -1;
  log->is_socket = log->may_wait = false;
  if (fstat(descriptor, &about) != 0) return;
  log->is_socket = S_ISSOCK(about.st_mode);
  bool is_stream = S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode);
  if (is_stream) log->descriptor = open_again(descriptor);
  if (log->descriptor >= 0) return;
  log->may_wait = is_stream;
  log->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

void tp_log_close(tp_log *log) {
  if (log->descriptor >= 0) (void)close(log->descriptor);
  log->descriptor = -1;
}

/* Whether there is room to write. */
static bool is_ready(int descriptor, int wait_ms) {
  struct pollfd one = {.fd = descriptor, .events = POLLOUT};
  return poll(&one, 1, wait_ms) == 1 && (one.revents & POLLOUT) != 0;
}

static ssize_t put_some(const tp_log *log, const char *data, size_t size) {
  if (log->is_socket) return send(log->descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (log->may_wait && !is_ready(log->descriptor, 0)) {
    errno = EAGAIN;
    return -1;
  }
  return write(log->descriptor, data, size);
}

/* One write, so that lines of several threads do not mix; a pipe takes a line of this size wholly or not at
 * all. */
static bool put(const tp_log *log, const char *data, size_t size) {
  bool is_torn = false;
  while (size > 0) {
    ssize_t written = put_some(log, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      bool may_wait = is_torn && (errno == EAGAIN || errno == EWOULDBLOCK);
      if (!may_wait || !is_ready(log->descriptor, TORN_WAIT_MS)) return false;
      continue;
    }
    is_torn = true;
    data += written;
    size -= (size_t)written;
  }
  return true;
}

/* ---- Lines
 * ----------------------------------------------------------------------------------------------------
 */

static size_t room_of(const tp_log_line *line) {
  size_t used = line->size + END_SIZE;
  return used < sizeof line->text ? sizeof line->text - used : 0;
}

/* Adds it whole or not at all. */
static bool add(tp_log_line *line, const char *text, size_t size) {
  if (size > room_of(line)) return false;
  memcpy(line->text + line->size, text, size);
  line->size += size;
  return true;
}

/* Into what is kept free. */
static void add_end(tp_log_line *line, const char *text) {
  size_t size = strlen(text);
  assert(line->size + size <= sizeof line->text);
  memcpy(line->text + line->size, text, size);
  line->size += size;
}

/* Characters that no terminal and no viewer is to act on: controls, separators of lines, and those that turn
 * the direction of writing. */
static bool is_hidden(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) || code_point == 0xad ||
         code_point == 0x61c || (code_point >= 0x200b && code_point <= 0x200f) ||
         (code_point >= 0x2028 && code_point <= 0x202e) || (code_point >= 0x2060 && code_point <= 0x206f) ||
         code_point == 0xfeff || code_point == 0xfffe || code_point == 0xffff;
}

/* One character as it stands between quotation marks; false when there is no room. */
static bool add_character(tp_log_line *line, uint32_t code_point, const uint8_t *bytes, size_t size) {
  char escape[8];
  switch (code_point) {
  case '"': return add(line, "\\\"", 2);
  case '\\': return add(line, "\\\\", 2);
  case '\n': return add(line, "\\n", 2);
  case '\r': return add(line, "\\r", 2);
  case '\t': return add(line, "\\t", 2);
  default: break;
  }
  if (!is_hidden(code_point)) return add(line, (const char *)bytes, size);
  int length = snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(code_point & 0xffff));
  return add(line, escape, (size_t)length);
}

static void add_quoted(tp_log_line *line, tuplet_bytes value) {
  static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
  const uint8_t *bytes = value.data;
  size_t next = 0;
  add_end(line, "\""); /* a field is begun only with more room than that */
  while (next < value.size) {
    uint32_t code_point;
    size_t size = tp_utf8_decode(bytes + next, value.size - next, &code_point);
    bool fits = size == 0 ? add(line, (const char *)replacement, sizeof replacement)
                          : add_character(line, code_point, bytes + next, size);
    if (!fits) {
      add_end(line, "…");
      break;
    }
    next += size == 0 ? 1 : size;
  }
  add_end(line, "\"");
}

/* Of logfmt: whether a value stands by itself. */
static bool is_plain(tuplet_bytes value) {
  const uint8_t *bytes = value.data;
  for (size_t i = 0; i < value.size; i++) {
    if (bytes[i] <= ' ' || bytes[i] >= 0x7f || bytes[i] == '"' || bytes[i] == '=' || bytes[i] == '\\')
      return false;
  }
  return value.size > 0;
}

static bool begin_field(tp_log_line *line, const char *name) {
  if (line->log == NULL || room_of(line) < FIELD_SIZE_MIN) return false;
  bool is_json = line->log->format == TP_LOG_JSON;
  bool is_first = line->size == (is_json ? 1 : 0);
  char text[FIELD_SIZE_MIN];
  int length = is_json ? snprintf(text, sizeof text, "%s\"%s\":", is_first ? "" : ",", name)
                       : snprintf(text, sizeof text, "%s%s=", is_first ? "" : " ", name);
  assert(length > 0 && (size_t)length < sizeof text - 8);
  return add(line, text, (size_t)length);
}

void tp_log_text(tp_log_line *line, const char *name, tuplet_bytes value) {
  if (!begin_field(line, name)) return;
  bool stands_alone = line->log->format == TP_LOG_LOGFMT && value.size <= room_of(line) && is_plain(value);
  if (!stands_alone || !add(line, value.data, value.size)) add_quoted(line, value);
}

/* Numbers and the like, the same in both formats. */
static void add_bare(tp_log_line *line, const char *name, const char *text) {
  if (begin_field(line, name) && !add(line, text, strlen(text))) add_end(line, "0");
}

void tp_log_integer(tp_log_line *line, const char *name, uint64_t value) {
  char text[24];
  (void)snprintf(text, sizeof text, "%" PRIu64, value);
  add_bare(line, name, text);
}

void tp_log_milliseconds(tp_log_line *line, const char *name, int64_t value_ns) {
  char text[32];
  uint64_t value_us = value_ns > 0 ? (uint64_t)value_ns / 1000 : 0;
  (void)snprintf(text, sizeof text, "%" PRIu64 ".%03u", value_us / 1000, (unsigned)(value_us % 1000));
  add_bare(line, name, text);
}

void tp_log_flag(tp_log_line *line, const char *name, bool value) {
  add_bare(line, name, value ? "true" : "false");
}

static void add_time(tp_log_line *line) {
  tp_clock clock = tp_clock_system();
  int64_t now_ms = tp_clock_unix_ms(&clock);
  time_t seconds = (time_t)(now_ms / 1000);
  struct tm utc;
  char date[32], text[48];
  if (gmtime_r(&seconds, &utc) == NULL || strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0) return;
  int length = snprintf(text, sizeof text, "%s.%03dZ", date, (int)(now_ms % 1000));
  tp_log_text(line, "time", (tuplet_bytes){text, (size_t)length});
}

void tp_log_begin(tp_log_line *line, const tp_log *log, tp_log_level level, const char *message) {
  static const char *const names[] = {[TP_LOG_ERROR] = "error",
                                      [TP_LOG_WARNING] = "warning",
                                      [TP_LOG_INFO] = "info",
                                      [TP_LOG_DEBUG] = "debug"};
  line->log = level <= log->level && log->descriptor >= 0 ? log : NULL;
  line->size = 0;
  if (line->log == NULL) return;
  if (log->format == TP_LOG_JSON) add_end(line, "{");
  add_time(line);
  tp_log_text(line, "level", (tuplet_bytes){names[level], strlen(names[level])});
  tp_log_text(line, "msg", (tuplet_bytes){message, strlen(message)});
}

static void end_line(tp_log_line *line, tp_log_format format) {
  add_end(line, format == TP_LOG_JSON ? "}\n" : "\n");
}

static void count_loss(tp_log_losses *losses) {
  if (losses == NULL) return;
  atomic_fetch_add(&losses->untold, 1);
  atomic_fetch_add(&losses->total, 1);
}

/* Whether those that were lost are told of now, if there are any. */
static bool tell_losses(const tp_log *log) {
  size_t count = log->losses == NULL ? 0 : atomic_exchange(&log->losses->untold, 0);
  if (count == 0) return true;
  tp_log_line line;
  tp_log_begin(&line,
               &(tp_log){.descriptor = log->descriptor, .level = TP_LOG_WARNING, .format = log->format},
               TP_LOG_WARNING, "the log could not take lines in time: they are lost");
  tp_log_integer(&line, "lines", count);
  end_line(&line, log->format);
  if (put(log, line.text, line.size)) return true;
  atomic_fetch_add(&log->losses->untold, count);
  return false;
}

void tp_log_end(tp_log_line *line) {
  if (line->log == NULL) return;
  end_line(line, line->log->format);
  if (!tell_losses(line->log) || !put(line->log, line->text, line->size)) count_loss(line->log->losses);
}

void tp_log_write(const tp_log *log, tp_log_level level, const char *format, ...) {
  if (level > log->level) return;
  char message[TP_LOG_LINE_SIZE_MAX];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  tp_log_line line;
  tp_log_begin(&line, log, level, message);
  tp_log_end(&line);
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

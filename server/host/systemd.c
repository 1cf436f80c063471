/* systemd.c: what systemd hands to a service that it starts, and what the service tells systemd. */
#include "server/host/systemd.h"

#include "base/status.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SOCKET = 3, NUMBER_DIGITS_MAX = 18, SEND_TIMEOUT_S = 3 };

/* ---- The environment ---- */

/* A decimal number; false when the text is anything else. */
static bool read_number(const char *text, uint64_t *ret_number) {
  size_t size = strlen(text);
  if (size == 0 || size > NUMBER_DIGITS_MAX || strspn(text, "0123456789") != size) return false;
  *ret_number = strtoull(text, NULL, 10);
  return true;
}

/* ret_number is 0 when the variable is not there. */
static tuplet_status look_up_number(const char *(*lookup)(const char *name), const char *name,
                                    uint64_t *ret_number, tuplet_error *error) {
  const char *text = lookup(name);
  *ret_number = 0;
  if (text == NULL || read_number(text, ret_number)) return TUPLET_OK;
  return tp_fail(error, TUPLET_INVALID, "%s is '%.100s' and not a number", name, text);
}

/* The name at the front of a list with colons between; *list moves on to the next. Whether it is the one for
 * metrics.
 */
static bool next_name_is_metrics(const char **list) {
  size_t size = strcspn(*list, ":");
  bool is_metrics =
      size == strlen(TP_SYSTEMD_METRICS_NAME) && memcmp(*list, TP_SYSTEMD_METRICS_NAME, size) == 0;
  *list += size + ((*list)[size] == ':');
  return is_metrics;
}

static tuplet_status read_sockets(const char *(*lookup)(const char *name), tp_systemd *systemd,
                                  tuplet_error *error) {
  uint64_t pid, count;
  tuplet_status status = look_up_number(lookup, "LISTEN_PID", &pid, error);
  if (status != TUPLET_OK) return status;
  if (pid != (uint64_t)getpid()) return TUPLET_OK; /* for somebody before us in the same environment */
  status = look_up_number(lookup, "LISTEN_FDS", &count, error);
  if (status != TUPLET_OK) return status;
  if (count > TP_SYSTEMD_SOCKETS_MAX)
    return tp_fail(error, TUPLET_INVALID, "LISTEN_FDS is %llu; at most %d sockets can be handed over",
                   (unsigned long long)count, TP_SYSTEMD_SOCKETS_MAX);
  const char *names = lookup("LISTEN_FDNAMES");
  if (names == NULL) names = "";
  for (int i = 0; i < (int)count; i++) {
    if (next_name_is_metrics(&names))
      systemd->metrics_sockets[systemd->metrics_socket_count++] = FIRST_SOCKET + i;
    else
      systemd->sockets[systemd->socket_count++] = FIRST_SOCKET + i;
  }
  return TUPLET_OK;
}

static tuplet_status read_watchdog(const char *(*lookup)(const char *name), tp_systemd *systemd,
                                   tuplet_error *error) {
  uint64_t pid, interval_us;
  tuplet_status status = look_up_number(lookup, "WATCHDOG_PID", &pid, error);
  if (status == TUPLET_OK) status = look_up_number(lookup, "WATCHDOG_USEC", &interval_us, error);
  if (status != TUPLET_OK) return status;
  if (pid != 0 && pid != (uint64_t)getpid()) return TUPLET_OK;
  uint64_t interval_ms = interval_us / 1000;
  if (interval_us > 0 && interval_ms == 0) interval_ms = 1;
  systemd->watchdog_ms = interval_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)interval_ms;
  return TUPLET_OK;
}

tuplet_status tp_systemd_read(const char *(*lookup)(const char *name), tp_systemd *ret_systemd,
                              tuplet_error *error) {
  tp_systemd systemd = {.notify_socket = lookup("NOTIFY_SOCKET")};
  tuplet_status status = read_sockets(lookup, &systemd, error);
  if (status == TUPLET_OK) status = read_watchdog(lookup, &systemd, error);
  if (status == TUPLET_OK) *ret_systemd = systemd;
  return status;
}

/* ---- Notices ---- */

/* "/a/path", or "@name" for one that no file stands for. */
static bool make_address(const char *text, struct sockaddr_un *ret_address, socklen_t *ret_size) {
  size_t size = strlen(text);
  *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if ((text[0] != '/' && text[0] != '@') || size < 2 || size >= sizeof ret_address->sun_path) return false;
  memcpy(ret_address->sun_path, text, size);
  if (text[0] == '@') ret_address->sun_path[0] = '\0';
  *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
  return true;
}

static tuplet_status notify(const tp_systemd *systemd, const char *notice, tuplet_error *error) {
  if (systemd->notify_socket == NULL) return TUPLET_OK;
  struct sockaddr_un address;
  socklen_t size;
  if (!make_address(systemd->notify_socket, &address, &size))
    return tp_fail(error, TUPLET_IO, "NOTIFY_SOCKET is '%.200s', which is neither a path nor @NAME",
                   systemd->notify_socket);
  const struct timeval patience = {.tv_sec = SEND_TIMEOUT_S};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool is_sent =
      fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
      sendto(fd, notice, strlen(notice), MSG_NOSIGNAL, (const struct sockaddr *)&address, size) >= 0;
  int code = errno;
  if (fd >= 0) (void)close(fd);
  if (is_sent) return TUPLET_OK;
  return tp_fail(error, TUPLET_IO, "cannot notify %.200s: %s", systemd->notify_socket, strerror(code));
}

/* The status ends with its line. */
static tuplet_status notify_with_status(const tp_systemd *systemd, const char *notice, const char *status,
                                        tuplet_error *error) {
  char text[TP_SYSTEMD_NOTICE_SIZE_MAX];
  (void)snprintf(text, sizeof text, "%s\nSTATUS=%.*s", notice, (int)strcspn(status, "\n"), status);
  return notify(systemd, text, error);
}

tuplet_status tp_systemd_notify_ready(const tp_systemd *systemd, const char *status, tuplet_error *error) {
  return notify_with_status(systemd, "READY=1", status, error);
}

tuplet_status tp_systemd_notify_stopping(const tp_systemd *systemd, const char *status, tuplet_error *error) {
  return notify_with_status(systemd, "STOPPING=1", status, error);
}

/* The time tells this reload from the one before. */
tuplet_status tp_systemd_notify_reloading(const tp_systemd *systemd, tuplet_error *error) {
  struct timespec now;
  char text[TP_SYSTEMD_NOTICE_SIZE_MAX];
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
    return tp_fail(error, TUPLET_IO, "there is no monotonic clock: %s", strerror(errno));
  (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
                 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  return notify(systemd, text, error);
}

tuplet_status tp_systemd_notify_watchdog(const tp_systemd *systemd, tuplet_error *error) {
  return notify(systemd, "WATCHDOG=1", error);
}

/* systemd.h: what systemd hands to a service that it starts, and what the service tells systemd.
 *
 * The protocols are environment variables and datagrams, as sd_listen_fds(3), sd_notify(3) and
 * sd_watchdog_enabled(3) describe them; others than systemd speak them, too. Without those variables nothing
 * here does anything. */
#ifndef TP_SERVER_SYSTEMD_H
#define TP_SERVER_SYSTEMD_H

#include "tuplet.h"

enum {
  TP_SYSTEMD_SOCKETS_MAX = 64,
  TP_SYSTEMD_NOTICE_SIZE_MAX = 512 /* a longer status is cut */
};

/* The socket unit's FileDescriptorName= of those that are for --metrics-addr's purpose. */
#define TP_SYSTEMD_METRICS_NAME "metrics"

typedef struct tp_systemd {
  /* Descriptors that listen already (socket activation). */
  int sockets[TP_SYSTEMD_SOCKETS_MAX];
  size_t socket_count;
  int metrics_sockets[TP_SYSTEMD_SOCKETS_MAX];
  size_t metrics_socket_count;
  uint32_t watchdog_ms;      /* within that time a sign of life is expected; 0: none is */
  const char *notify_socket; /* where notices go; NULL: nowhere. A view of the environment */
} tp_systemd;

/* Reads the environment; `lookup` is getenv, or a test's. Variables that are for another process count as not
 * there. Errors: TUPLET_INVALID (a value makes no sense). */
tuplet_status tp_systemd_read(const char *(*lookup)(const char *name), tp_systemd *ret_systemd,
                              tuplet_error *error);

/* Each sends one notice, and waits at most some seconds for room in the manager's queue. TUPLET_OK also when
 * there is nobody to tell. Errors: TUPLET_IO. Any thread. */

/* The server serves; status: a line for `systemctl status`. Also ends what tp_systemd_notify_reloading began.
 */
tuplet_status tp_systemd_notify_ready(const tp_systemd *systemd, const char *status, tuplet_error *error);
tuplet_status tp_systemd_notify_reloading(const tp_systemd *systemd, tuplet_error *error);
tuplet_status tp_systemd_notify_stopping(const tp_systemd *systemd, const char *status, tuplet_error *error);
/* A sign of life. */
tuplet_status tp_systemd_notify_watchdog(const tp_systemd *systemd, tuplet_error *error);

#endif

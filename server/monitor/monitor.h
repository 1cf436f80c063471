/* monitor.h: the paths by which a server is watched, and the loop that they are served on.
 *
 *   /metrics   what the server counts, as Prometheus reads it
 *   /healthz   200 while the process answers at all
 *   /readyz    200 while the default database can be read and written and the server is not ending; else 503
 *
 * The last two are answered however many requests there are (--requests-max). /readyz then tells what is
 * known, and reads nothing.
 *
 * All are part of the main addresses, where /metrics needs a token that may open every database. An address
 * of their own (--metrics-addr) has these three and nothing else, in clear and without tokens.
 *
 * What takes long, looking at the queues of all open databases, happens on the monitor's own loop, wherever
 * the request came from; loops that serve are not held up. */
#ifndef TP_SERVER_MONITOR_H
#define TP_SERVER_MONITOR_H

#include "server/worker.h"

typedef struct tp_monitor_config {
  tp_service *service;
  const tp_worker *workers; /* whose metrics are ready; they may still be starting */
  uint32_t worker_count;
  tp_tls_context *tls;  /* of the main addresses; NULL: in clear */
  const char *address;  /* NULL: none of its own */
  const int *inherited; /* sockets that listen already, for the same; taken over */
  size_t inherited_count;
} tp_monitor_config;

/* Errors: TUPLET_SYNTAX (the address), TUPLET_IO, TUPLET_NOMEM. */
tuplet_status tp_monitor_start(const tp_monitor_config *config, tp_monitor **ret_monitor,
                               tuplet_error *error);

/* What its own address is bound to; NULL without one. */
const char *tp_monitor_address(const tp_monitor *monitor);

/* From now on the server is not ready. Any thread. NULL is fine. */
void tp_monitor_note_ending(tp_monitor *monitor);

/* Its address closes, and no database is looked at any more: to be called when the workers take no requests
 * any more, and before databases close. Blocks. NULL is fine. */
void tp_monitor_stop(tp_monitor *monitor);

/* When the databases are closed and the workers' loops have ended. Blocks. NULL is fine. */
void tp_monitor_free(tp_monitor *monitor);

/* How a write to the default database went. Any thread; quick. */
void tp_monitor_note_write(tp_monitor *monitor, tuplet_status status);

/* Whether `path` is one of the three. */
bool tp_monitor_has_path(tuplet_bytes path);

/* Whether a request asks after the server's health. */
bool tp_monitor_is_probe(tuplet_bytes method, tuplet_bytes path);

/* Answers a request to one of them that came on the loop of `worker`. Finishes it. */
void tp_monitor_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path);

#endif

/* metrics.c: what the server counts. */
#include "server/monitor/metrics.h"

#include <string.h>

enum { DURATION_BITS = 37 }; /* two minutes in nanoseconds */

static const char *const operation_names[TP_OPERATION_COUNT] = {
    [TP_OPERATION_UNKNOWN] = "unknown",
    [TP_OPERATION_EXCHANGE] = "exchange",
    [TP_OPERATION_SNAPSHOT_READ] = "snapshot_read",
    [TP_OPERATION_ATOMIC_WRITE] = "atomic_write",
    [TP_OPERATION_WATCH] = "watch",
    [TP_OPERATION_QUEUE_LISTEN] = "queue_listen",
    [TP_OPERATION_QUEUE_FINISH] = "queue_finish",
    [TP_OPERATION_PAGE] = "page",
    [TP_OPERATION_METRICS] = "metrics",
    [TP_OPERATION_HEALTH] = "health",
};

const char *tp_operation_name(tp_operation operation) {
  return operation_names[operation];
}

bool tp_operation_is_endless(tp_operation operation) {
  return operation == TP_OPERATION_WATCH || operation == TP_OPERATION_QUEUE_LISTEN;
}

static const struct {
  const char *method; /* GET stands for HEAD, too */
  const char *path;   /* NULL: any other */
  tp_operation operation;
} routes[] = {
    {"POST", "/v2/snapshot_read", TP_OPERATION_SNAPSHOT_READ},
    {"POST", "/v2/atomic_write", TP_OPERATION_ATOMIC_WRITE},
    {"POST", "/v2/watch", TP_OPERATION_WATCH},
    {"POST", "/v2/watch_range", TP_OPERATION_WATCH},
    {"POST", "/v2/queue_listen", TP_OPERATION_QUEUE_LISTEN},
    {"POST", "/v2/queue_finish", TP_OPERATION_QUEUE_FINISH},
    {"POST", NULL, TP_OPERATION_EXCHANGE},
    {"GET", "/", TP_OPERATION_PAGE},
    {"GET", "/metrics", TP_OPERATION_METRICS},
    {"GET", "/healthz", TP_OPERATION_HEALTH},
    {"GET", "/readyz", TP_OPERATION_HEALTH},
};

static bool equals(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

tp_operation tp_operation_of(const tp_http_request *request) {
  if (request == NULL) return TP_OPERATION_UNKNOWN;
  tuplet_bytes method = tp_http_request_method(request);
  tuplet_bytes path = tp_http_request_target(request);
  const char *query = path.size > 0 ? memchr(path.data, '?', path.size) : NULL;
  if (query != NULL) path.size = (size_t)(query - (const char *)path.data);
  if (equals(method, "HEAD")) method = (tuplet_bytes){"GET", 3};
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (equals(method, routes[i].method) && (routes[i].path == NULL || equals(path, routes[i].path)))
      return routes[i].operation;
  }
  return TP_OPERATION_UNKNOWN;
}

tuplet_status tp_loop_metrics_init(tp_loop_metrics *metrics, const tuplet_allocator *allocator,
                                   tuplet_error *error) {
  *metrics = (tp_loop_metrics){0};
  tuplet_status status = TUPLET_OK;
  for (size_t i = 0; i < TP_OPERATION_COUNT && status == TUPLET_OK; i++) {
    if (tp_operation_is_endless((tp_operation)i)) continue;
    status =
        tp_histogram_init(&metrics->duration_ns[i], allocator, (UINT64_C(1) << DURATION_BITS) - 1, error);
  }
  if (status != TUPLET_OK) tp_loop_metrics_done(metrics);
  return status;
}

void tp_loop_metrics_done(tp_loop_metrics *metrics) {
  for (size_t i = 0; i < TP_OPERATION_COUNT; i++) tp_histogram_done(&metrics->duration_ns[i]);
}

void tp_loop_metrics_count_request(tp_loop_metrics *metrics, tp_operation operation,
                                   const tp_http_outcome *outcome, int64_t duration_ns) {
  tp_metrics_add(&metrics->requests[operation][tp_metrics_code_index(outcome->status)], 1);
  tp_metrics_add(&metrics->request_size[operation], outcome->request_size);
  tp_metrics_add(&metrics->response_size[operation], outcome->response_size);
  if (duration_ns >= 0 && !tp_operation_is_endless(operation))
    tp_histogram_record(&metrics->duration_ns[operation], (uint64_t)duration_ns);
}

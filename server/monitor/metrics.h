/* metrics.h: what the server counts, and how that reads as Prometheus' text format (version 0.0.4).
 *
 * Each loop counts for itself, without locks and without touching memory that another loop writes; who asks
 * adds up. docs/metrics.md tells what each metric means. */
#ifndef TP_SERVER_METRICS_H
#define TP_SERVER_METRICS_H

#include "base/buffer.h"
#include "http/http.h"
#include "server/monitor/process.h"
#include "store/store.h"

typedef enum tp_operation {
  TP_OPERATION_UNKNOWN,
  TP_OPERATION_EXCHANGE,
  TP_OPERATION_SNAPSHOT_READ,
  TP_OPERATION_ATOMIC_WRITE,
  TP_OPERATION_WATCH,
  TP_OPERATION_QUEUE_LISTEN,
  TP_OPERATION_QUEUE_FINISH,
  TP_OPERATION_PAGE,
  TP_OPERATION_METRICS,
  TP_OPERATION_HEALTH,
  TP_OPERATION_COUNT
} tp_operation;

/* "atomic_write", ... */
const char *tp_operation_name(tp_operation operation);

/* Whether its answers last: how long they take says nothing. */
bool tp_operation_is_endless(tp_operation operation);

/* What a request asks for, by its method and target. NULL: unknown. */
tp_operation tp_operation_of(const tp_http_request *request);

/* What became of a failed authentication. */
typedef enum tp_auth_failure {
  TP_AUTH_FAILURE_REFUSED, /* at once */
  TP_AUTH_FAILURE_DELAYED,
  TP_AUTH_FAILURE_THROTTLED, /* one of too many from its address */
  TP_AUTH_FAILURE_COUNT
} tp_auth_failure;

enum { TP_METRICS_CODE_COUNT = 24 };

/* What one loop counts. Its thread alone records; any thread may read. */
typedef struct tp_loop_metrics {
  _Atomic uint64_t requests[TP_OPERATION_COUNT][TP_METRICS_CODE_COUNT];
  _Atomic uint64_t request_size[TP_OPERATION_COUNT]; /* bytes of bodies */
  _Atomic uint64_t response_size[TP_OPERATION_COUNT];
  tp_histogram duration_ns[TP_OPERATION_COUNT]; /* endless ones are not in it */
  _Atomic uint64_t watches_opened;
  _Atomic uint64_t watch_messages;
  _Atomic uint64_t listeners_opened;
  _Atomic uint64_t messages_sent;     /* to listeners */
  _Atomic uint64_t messages_done;     /* finished by them as handled, */
  _Atomic uint64_t messages_failed;   /* as not, */
  _Atomic uint64_t messages_returned; /* not at all: they had gone */
  _Atomic uint64_t auth_failures[TP_AUTH_FAILURE_COUNT];
  _Atomic uint64_t tls_handshakes;
  _Atomic uint64_t tls_failures; /* handshakes that failed */
} tp_loop_metrics;

/* Errors: TUPLET_NOMEM. A zeroed one is fine for tp_loop_metrics_done. */
tuplet_status tp_loop_metrics_init(tp_loop_metrics *metrics, const tuplet_allocator *allocator,
                                   tuplet_error *error);
void tp_loop_metrics_done(tp_loop_metrics *metrics);

/* duration_ns: negative when it is not known. */
void tp_loop_metrics_count_request(tp_loop_metrics *metrics, tp_operation operation,
                                   const tp_http_outcome *outcome, int64_t duration_ns);

/* Where a status is counted in `requests`. */
size_t tp_metrics_code_index(int status);

/* One writer, so that nothing has to be locked. */
static inline void tp_metrics_add(_Atomic uint64_t *counter, uint64_t more) {
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                        memory_order_relaxed);
}

/* ---- Reading ---- */

/* Of all open databases together. */
typedef struct tp_metrics_queues {
  uint64_t waiting;
  uint64_t running;
  int64_t oldest_due_age_ms; /* of the messages that are due; 0 when none is */
} tp_metrics_queues;

/* What is to be told. Pointers are borrowed. */
typedef struct tp_metrics_view {
  const tp_loop_metrics *const *loops;
  size_t loop_count;
  const tp_engine_stats *engines; /* NULL: none */
  const char *version, *sqlite_version, *openssl_version;
  tp_metrics_queues queues;
  uint64_t databases_known, databases_open;
  uint64_t watches_open;
  uint64_t listeners_open;
  uint64_t webhook_done, webhook_failed, webhook_returned, webhook_running;
  uint64_t connections_open, connections_accepted;
  uint64_t connections_refused_full, connections_refused_address_full;
  uint64_t requests_in_flight;
  uint64_t memory_used, memory_max;
  uint64_t log_lines_lost;
  bool has_tls;
  int64_t tls_certificate_expires_ms; /* unix */
  tp_process_usage process;
  int64_t started_at_ms; /* unix */
} tp_metrics_view;

#define TP_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends it all as text. Out of memory is reported through `out`. */
void tp_metrics_print(const tp_metrics_view *view, tp_buffer *out);

#endif

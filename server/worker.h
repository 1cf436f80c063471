/* worker.h: what requests are served with: a loop and what belongs to it, and what all loops share. */
#ifndef TP_SERVER_WORKER_H
#define TP_SERVER_WORKER_H

#include "net/listener.h"
#include "server/access/auth.h"
#include "server/access/throttle.h"
#include "server/config/bounds.h"
#include "server/databases/databases.h"
#include "server/monitor/log.h"
#include "server/monitor/metrics.h"
#include "server/webhook/webhook.h"

#define TP_SERVICE_KEEP_ALIVE_MS 5000u
#define TP_SERVICE_SESSION_MS    ((int64_t)60 * 60 * 1000)

#define TP_SERVICE_AUTH_FAILURES_MAX 10u

/* Of a database in memory: the session ends with the database, which ends when it is not used. */
#define TP_SERVICE_MEMORY_SESSION_MS ((int64_t)30 * 24 * 60 * 60 * 1000)

/* Kinds of log lines that strangers can bring about; see tp_log_limit. */
typedef enum tp_service_log {
  TP_SERVICE_LOG_FAILED, /* the database cannot be used */
  TP_SERVICE_LOG_BUSY,   /* no room, no memory */
  TP_SERVICE_LOG_FULL,
  TP_SERVICE_LOG_WATCH,          /* a watch was ended */
  TP_SERVICE_LOG_AUTHENTICATION, /* failed */
  TP_SERVICE_LOG_COUNT
} tp_service_log;

typedef struct tp_monitor tp_monitor;
typedef struct tp_queue_leases tp_queue_leases;

enum { TP_SERVICE_RUN_ID_SIZE = 9 };

typedef struct tp_service {
  const tuplet_allocator *allocator;
  tp_clock clock;
  const tp_log *log;
  tp_log_limit log_limits[TP_SERVICE_LOG_COUNT];
  bool log_requests;                   /* a line for each, with an id */
  char run_id[TP_SERVICE_RUN_ID_SIZE]; /* what the ids of a process begin with */
  tp_engine_stats *stats;              /* of all databases; NULL: none */
  tp_monitor *monitor;
  tp_auth *auth;
  tp_throttle *throttle;
  tp_databases *databases;
  bool read_only;
  bool create_databases; /* a name that is opened and not there is made, by those who may write it */
  tp_bounds bounds;
  uint32_t keep_alive_ms; /* between bytes of a watch in which nothing happens */
  int64_t session_ms;     /* how long a session token is valid */
  tp_http_budget budget;
  tp_net_gate *gate;
  atomic_size_t watch_count;    /* of all loops; listeners count as well */
  atomic_size_t listener_count; /* of them */
  tp_queue_leases *queue_leases;
  tp_webhook_counts webhook_counts;
} tp_service;

typedef struct tp_stream tp_stream;
typedef struct tp_held_refusal tp_held_refusal;

/* A loop. All members belong to its thread once it serves. */
typedef struct tp_worker {
  tp_service *service;
  uint32_t number; /* from 0 */
  tp_loop *loop;
  tp_loop_item beat; /* see tp_server_is_moving */
  atomic_bool beat_is_awaited;
  tp_listener *listener; /* of all addresses */
  tp_loop_metrics metrics;
  uint64_t request_number_last; /* of those that are logged */
  tp_reader *reader;            /* of the server's own database */
  tp_stream *streams;
  tp_held_refusal *held;
  bool stopping; /* watches are refused, and nothing is held back */
} tp_worker;

/* The reader to read `database` with; NULL is the pool's. */
static inline tp_reader *tp_worker_reader(const tp_worker *worker, const tp_database *database) {
  return tp_database_is_default(worker->service->databases, database) ? worker->reader : NULL;
}

#endif

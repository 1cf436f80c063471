/* server_target.c: a server, over the network. */
#include "target.h"

#include "base/alloc.h"
#include "base/status.h"
#include "server.h"
#include "server_load.h"

#define MARGIN_MS ((int64_t)60 * 1000) /* for connecting, ending, and what takes as long as it takes */

typedef struct server_target {
  tp_bench_target base;
  tp_bench_server server;
} server_target;

static unsigned worker_count(const tp_bench_target *base, tp_bench_workload workload,
                             unsigned *ret_pacer_count) {
  (void)workload; /* of watches each thread has a key of its own */
  return *ret_pacer_count = base->data->plan->thread_count;
}

/* A session that may end meanwhile is replaced. */
static tuplet_status prepare(tp_bench_target *base, int64_t needed_ms, tuplet_error *error) {
  server_target *target = (server_target *)base;
  if (tp_bench_server_left_ms(&target->server) >= needed_ms + MARGIN_MS) return TUPLET_OK;
  tp_bench_server fresh;
  tuplet_status status = tp_bench_server_init(&fresh, base->place, error);
  int64_t left_ms = status == TUPLET_OK ? tp_bench_server_left_ms(&fresh) : 0;
  if (status == TUPLET_OK && left_ms < needed_ms)
    status =
        tp_fail(error, TUPLET_UNSUPPORTED, "the server's sessions last %lld s, less than is to be measured",
                (long long)(left_ms / 1000));
  if (status != TUPLET_OK) {
    tp_bench_server_done(&fresh);
    return status;
  }
  tp_bench_server_done(&target->server);
  target->server = fresh;
  return TUPLET_OK;
}

static void work(void *context, tp_bench_worker *worker) {
  server_target *target = context;
  const tp_bench_plan *plan = target->base.data->plan;
  if (worker->desk.workload == TP_BENCH_QUEUE && !target->server.has_queue) {
    (void)tp_fail(&worker->error, TUPLET_UNSUPPORTED,
                  "the server delivers no messages over the network (it lacks tuplet's extension queue/1)");
    return;
  }
  unsigned share = plan->connection_count / plan->thread_count;
  unsigned rest = plan->connection_count % plan->thread_count;
  tp_bench_server_load(&target->server, worker, share + (worker->index < rest ? 1 : 0), plan->in_flight);
}

static const char *describe(const tp_bench_target *base) {
  const server_target *target = (const server_target *)base;
  bool is_http2 = atomic_load_explicit(&target->server.speaks_http2, memory_order_relaxed);
  if (target->server.tls == NULL) return is_http2 ? "HTTP/2" : "HTTP/1.1";
  return is_http2 ? "HTTP/2, TLS" : "HTTP/1.1, TLS";
}

static void close_server(tp_bench_target *base) {
  server_target *target = (server_target *)base;
  tp_bench_server_done(&target->server);
  tp_free(NULL, target);
}

tuplet_status tp_bench_server_open(const tp_bench_place *place, const tp_bench_data *data,
                                   tp_bench_target **ret_target, tuplet_error *error) {
  static const tp_bench_target_ops ops = {worker_count, prepare, work, describe, close_server};
  server_target *target = tp_alloc_array_zeroed(NULL, 1, sizeof *target);
  if (target == NULL) return tp_fail_nomem(error);
  target->base = (tp_bench_target){&ops, place, data};
  tuplet_status status = tp_bench_server_init(&target->server, place, error);
  if (status == TUPLET_OK)
    *ret_target = &target->base;
  else
    close_server(&target->base);
  return status;
}

/* server.c: a database, served.
 *
 * Each worker is a loop with a listener and a reader of its own; one more loop, which serves nobody,
 * closes databases in memory that are not used any more, since closing one takes its time. */
#include "server/server.h"

#include "base/alloc.h"
#include "base/hex.h"
#include "base/random.h"
#include "base/status.h"
#include "server/access/refusal.h"
#include "server/access/tokens_reload.h"
#include "server/host/certificate.h"
#include "server/host/trim.h"
#include "server/monitor/monitor.h"
#include "server/protocol/protocol.h"
#include "server/protocol/queue_leases.h"
#include "server/protocol/requests.h"
#include "server/protocol/stream.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct tp_server {
  const tuplet_allocator *allocator;
  tp_clock clock;
  tp_store *store;
  tp_service service;
  tp_loop *housekeeping;
  tp_timer *sweep_timer;
  tp_trim trim; /* the housekeeping loop's */
  tp_timer *tokens_timer;
  tp_tokens_reload tokens;  /* the housekeeping loop's */
  tp_loop_item end_evicted; /* posted at most once at a time */
  tp_worker *workers;
  uint32_t worker_count;
  uint32_t worker_room; /* of `workers` */
  tp_endpoints *endpoints;
  tp_webhooks *webhooks; /* the housekeeping loop's while the server serves; NULL: there are none */
};

static uint32_t processor_count(void) {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  if (sched_getaffinity(0, sizeof processors, &processors) != 0) return 1;
  int count = CPU_COUNT(&processors);
  return count > 0 ? (uint32_t)count : 1;
}

/* ---- Calls that run on a loop's thread ---- */

typedef struct worker_call {
  tp_worker *worker;
  tp_store *store;
  tuplet_status status;
  tuplet_error *error;
} worker_call;

static void run_open_reader(void *context) {
  worker_call *call = context;
  if (call->store != NULL)
    call->status = tp_store_reader_open(call->store, &call->worker->reader, call->error);
}

static void run_close_reader(void *context) {
  worker_call *call = context;
  if (call->worker->reader != NULL) tp_store_reader_close(call->store, call->worker->reader);
  call->worker->reader = NULL;
}

static void run_stop_watches(void *context) {
  tp_refusals_stop(context);
  tp_streams_stop(context);
}

static void run_check_watches(void *context) {
  tp_streams_check(context);
}

static void run_beat(tp_loop_item *item) {
  tp_worker *worker = (tp_worker *)(void *)((char *)item - offsetof(tp_worker, beat));
  atomic_store(&worker->beat_is_awaited, false);
}

static void on_handshake(void *context, const tp_listener_handshake *handshake) {
  tp_worker *worker = context;
  bool has_failed = handshake->failure != NULL;
  tp_metrics_add(has_failed ? &worker->metrics.tls_failures : &worker->metrics.tls_handshakes, 1);
  tp_certificate_log_handshake(worker->service->log, handshake);
}

static void run_nothing(void *context) {
  (void)context;
}

/* On the housekeeping loop. */
static void check_watches(tp_server *server) {
  for (uint32_t i = 0; i < server->worker_count; i++)
    tp_loop_call(server->workers[i].loop, run_check_watches, &server->workers[i]);
}

static void on_sweep(void *context) {
  tp_server *server = context;
  enum { HELD_SIZE = 256 * 1024 }; /* so much that waits for clients counts as one of them */
  uint64_t count = tp_server_connections(server).connections + atomic_load(&server->service.watch_count) +
                   atomic_load(&server->service.budget.memory) / HELD_SIZE;
  (void)tp_trim_look(&server->trim, count);
  if (!tp_databases_sweep(server->service.databases)) return;
  check_watches(server);
  tp_webhooks_check(server->webhooks);
}

static void run_end_evicted(tp_loop_item *item) {
  const tp_server *server = (tp_server *)(void *)((char *)item - offsetof(tp_server, end_evicted));
  tp_databases_end_evicted(server->service.databases);
}

static void on_evicted(void *context) {
  tp_server *server = context;
  tp_loop_post(server->housekeeping, &server->end_evicted);
}

/* On the housekeeping loop. */
static void reload_tokens(tp_server *server, bool anyway) {
  if (tp_tokens_reload_run(&server->tokens, anyway)) check_watches(server);
}

static void on_look_at_tokens(void *context) {
  reload_tokens(context, false);
}

static void run_reload_tokens(void *context) {
  reload_tokens(context, true);
}

void tp_server_reload_tokens(tp_server *server) {
  tp_loop_call(server->housekeeping, run_reload_tokens, server);
}

typedef struct housekeeping_call {
  tp_server *server;
  const tp_webhook_config *webhook;
  tuplet_status status;
  tuplet_error *error;
} housekeeping_call;

static void run_start_sweeping(void *context) {
  housekeeping_call *call = context;
  tp_server *server = call->server;
  call->status = tp_timer_new(server->housekeeping, on_sweep, server, &server->sweep_timer, call->error);
  if (call->status == TUPLET_OK)
    tp_timer_start(server->sweep_timer, TP_DATABASES_SWEEP_INTERVAL_MS, TP_DATABASES_SWEEP_INTERVAL_MS);
}

static void run_stop_sweeping(void *context) {
  tp_server *server = context;
  tp_timer_free(server->sweep_timer);
  server->sweep_timer = NULL;
}

static void run_start_webhooks(void *context) {
  housekeeping_call *call = context;
  tp_server *server = call->server;
  tp_service *service = &server->service;
  call->status = tp_webhooks_start(server->allocator, server->clock, call->webhook, service->databases,
                                   service->log, &service->webhook_counts, &server->webhooks, call->error);
}

static void run_start_looking_at_tokens(void *context) {
  housekeeping_call *call = context;
  tp_server *server = call->server;
  call->status =
      tp_timer_new(server->housekeeping, on_look_at_tokens, server, &server->tokens_timer, call->error);
  if (call->status == TUPLET_OK)
    tp_timer_start(server->tokens_timer, TP_TOKENS_RELOAD_INTERVAL_MS, TP_TOKENS_RELOAD_INTERVAL_MS);
}

static void run_stop_looking_at_tokens(void *context) {
  tp_server *server = context;
  tp_timer_free(server->tokens_timer);
  server->tokens_timer = NULL;
}

/* ---- The start ---- */

static tuplet_status start_databases(tp_server *server, const tp_server_config *config, tuplet_error *error) {
  tp_databases_config databases = {.allocator = config->allocator,
                                   .clock = config->clock,
                                   .log = config->log,
                                   .stats = config->stats,
                                   .store = config->store,
                                   .memory = tp_memory_bounds_default(),
                                   .on_evicted = on_evicted,
                                   .on_evicted_context = server,
                                   .catalog = config->catalog,
                                   .read_only = config->read_only,
                                   .known_max = TP_DATABASES_KNOWN_MAX,
                                   .open_max = config->open_databases_max,
                                   .idle_timeout_ms = config->database_idle_timeout_ms};
  server->end_evicted.run = run_end_evicted;
  memcpy(databases.id, config->database_id, sizeof databases.id);
  tuplet_status status = tp_databases_new(&databases, &server->service.databases, error);
  if (status != TUPLET_OK) return status;
  return tp_loop_start(config->allocator, &server->housekeeping, error);
}

static tp_listener_config listener_config(const tp_server *server, tp_worker *worker, tp_tls_context *tls) {
  const tp_bounds *bounds = &server->service.bounds;
  tp_listener_config config = tp_listener_config_default();
  config.limits.head_size_max = bounds->header_size_max;
  config.limits.body_size_max = bounds->body_size_max;
  config.limits.streams_max = bounds->requests_per_connection_max;
  config.head_timeout_ms = bounds->header_timeout_ms;
  config.body_timeout_ms = bounds->body_timeout_ms;
  config.idle_timeout_ms = bounds->idle_timeout_ms;
  config.send_timeout_ms = bounds->send_timeout_ms;
  config.budget = &worker->service->budget;
  config.gate = worker->service->gate;
  config.tls = tls;
  config.on_handshake = on_handshake;
  config.on_head = tp_protocol_check;
  config.on_request = tp_protocol_handle;
  config.is_exempt = tp_protocol_is_exempt;
  config.on_finish = tp_request_finish;
  config.context = worker;
  return config;
}

static tuplet_status start_worker(tp_server *server, tp_worker *worker, tp_tls_context *tls,
                                  tuplet_error *error) {
  worker->service = &server->service;
  worker->beat.run = run_beat;
  tuplet_status status = tp_loop_start(server->allocator, &worker->loop, error);
  if (status != TUPLET_OK) return status;
  worker_call call = {.worker = worker, .store = server->store, .error = error};
  tp_loop_call(worker->loop, run_open_reader, &call);
  if (call.status != TUPLET_OK) return call.status;
  tp_listener_config listener = listener_config(server, worker, tls);
  return tp_listener_open(worker->loop, server->endpoints, &listener, &worker->listener, error);
}

/* Before there are requests, which it takes part in: with the workers' counters, not with the workers. */
static tuplet_status start_monitor(tp_server *server, const tp_server_config *config, uint32_t worker_count,
                                   tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  for (uint32_t i = 0; i < worker_count && status == TUPLET_OK; i++)
    status = tp_loop_metrics_init(&server->workers[i].metrics, server->allocator, error);
  if (status != TUPLET_OK) return status;
  const tp_monitor_config monitor = {.service = &server->service,
                                     .tls = config->tls,
                                     .workers = server->workers,
                                     .worker_count = worker_count,
                                     .address = config->metrics_address,
                                     .inherited = config->metrics_inherited,
                                     .inherited_count = config->metrics_inherited_count};
  return tp_monitor_start(&monitor, &server->service.monitor, error);
}

static tuplet_status start_workers(tp_server *server, const tp_server_config *config, tuplet_error *error) {
  uint32_t count = config->worker_count > 0 ? config->worker_count : processor_count();
  server->workers = tp_alloc_array_zeroed(server->allocator, count, sizeof *server->workers);
  if (server->workers == NULL) return tp_fail_nomem(error);
  server->worker_room = count;
  tuplet_status status = start_monitor(server, config, count, error);
  if (status != TUPLET_OK) return status;
  for (uint32_t i = 0; i < count; i++) {
    server->worker_count++;
    server->workers[i].number = i;
    status = start_worker(server, &server->workers[i], config->tls, error);
    if (status != TUPLET_OK) return status;
  }
  return TUPLET_OK;
}

tp_server_config tp_server_config_default(void) {
  return (tp_server_config){.clock = tp_clock_system(),
                            .session_ms = TP_SERVICE_SESSION_MS,
                            .auth_failures_max = TP_SERVICE_AUTH_FAILURES_MAX,
                            .open_databases_max = TP_DATABASES_OPEN_MAX,
                            .database_idle_timeout_ms = TP_DATABASES_IDLE_TIMEOUT_MS,
                            .bounds = tp_bounds_default()};
}

static tuplet_status init_service(tp_server *server, const tp_server_config *config, tuplet_error *error) {
  tp_service *service = &server->service;
  service->allocator = config->allocator;
  service->clock = config->clock;
  service->log = config->log;
  service->log_requests = config->log_requests;
  service->stats = config->stats;
  service->auth = config->auth;
  service->read_only = config->read_only;
  service->create_databases = config->create_databases;
  service->bounds = config->bounds;
  service->keep_alive_ms = TP_SERVICE_KEEP_ALIVE_MS;
  service->session_ms = config->session_ms;
  atomic_init(&service->watch_count, 0);
  atomic_init(&service->listener_count, 0);
  tp_http_budget_init(&service->budget, config->bounds.memory_max, config->bounds.requests_max);
  uint8_t id[(TP_SERVICE_RUN_ID_SIZE - 1) / 2];
  tuplet_status status = tp_random_fill(id, sizeof id, error);
  tp_hex_write(id, status == TUPLET_OK ? sizeof id : 0, service->run_id);
  if (status == TUPLET_OK) status = tp_queue_leases_new(config->allocator, &service->queue_leases, error);
  return status;
}

/* Before anything else, so that a server that cannot have its addresses does nothing. */
static tuplet_status start_listening(tp_server *server, const tp_server_config *config, tuplet_error *error) {
  const tp_bounds *bounds = &config->bounds;
  tuplet_status status =
      tp_endpoints_open(config->allocator, config->addresses, config->address_count, config->inherited,
                        config->inherited_count, &server->endpoints, error);
  if (status != TUPLET_OK) return status;
  return tp_net_gate_new(config->allocator, bounds->connections_max, bounds->connections_per_address_max,
                         &server->service.gate, error);
}

static tuplet_status start_authenticating(tp_server *server, const tp_server_config *config,
                                          tuplet_error *error) {
  const tp_throttle_config throttle = {.allocator = config->allocator,
                                       .failures_max = config->auth_failures_max,
                                       .held_per_address_max = TP_THROTTLE_HELD_PER_ADDRESS_MAX,
                                       .held_max = TP_THROTTLE_HELD_MAX,
                                       .address_max = TP_THROTTLE_ADDRESS_MAX};
  tuplet_status status = tp_throttle_new(&throttle, &server->service.throttle, error);
  if (status != TUPLET_OK) return status;
  return tp_tokens_reload_init(&server->tokens, config->allocator, config->tokens_file, config->auth,
                               config->log, error);
}

/* Only when all workers serve, since it calls them. */
static tuplet_status start_housekeeping(tp_server *server, tuplet_error *error) {
  housekeeping_call call = {.server = server, .error = error};
  tp_loop_call(server->housekeeping, run_start_sweeping, &call);
  if (call.status == TUPLET_OK && server->tokens.file != NULL)
    tp_loop_call(server->housekeeping, run_start_looking_at_tokens, &call);
  return call.status;
}

static tuplet_status start_webhooks(tp_server *server, const tp_server_config *config, tuplet_error *error) {
  if (config->webhook.target_count == 0) return TUPLET_OK;
  housekeeping_call call = {.server = server, .webhook = &config->webhook, .error = error};
  tp_loop_call(server->housekeeping, run_start_webhooks, &call);
  return call.status;
}

static void close_all(const int *descriptors, size_t count) {
  for (size_t i = 0; i < count; i++) (void)close(descriptors[i]);
}

tuplet_status tp_server_start(const tp_server_config *config, tp_server **ret_server, tuplet_error *error) {
  tp_server *server = tp_alloc_array_zeroed(config->allocator, 1, sizeof *server);
  if (server == NULL) {
    close_all(config->inherited, config->inherited_count);
    close_all(config->metrics_inherited, config->metrics_inherited_count);
    tp_store_close(config->store);
    return tp_fail_nomem(error);
  }
  server->allocator = config->allocator;
  server->clock = config->clock;
  server->store = config->store;

  tuplet_status status = init_service(server, config, error);
  if (status == TUPLET_OK) status = start_listening(server, config, error);
  if (status == TUPLET_OK) status = start_authenticating(server, config, error);
  if (status == TUPLET_OK) status = start_databases(server, config, error);
  if (status == TUPLET_OK) status = start_workers(server, config, error);
  if (status == TUPLET_OK) status = start_housekeeping(server, error);
  if (status == TUPLET_OK) status = start_webhooks(server, config, error);
  if (status == TUPLET_OK)
    *ret_server = server;
  else
    tp_server_stop(server);
  return status;
}

size_t tp_server_address_count(const tp_server *server) {
  return tp_endpoints_count(server->endpoints);
}

const char *tp_server_address(const tp_server *server, size_t number) {
  return tp_endpoints_address(server->endpoints, number);
}

const char *tp_server_metrics_address(const tp_server *server) {
  return tp_monitor_address(server->service.monitor);
}

tp_net_gate_counts tp_server_connections(const tp_server *server) {
  return tp_net_gate_counts_now(server->service.gate);
}

bool tp_server_is_moving(tp_server *server) {
  bool is_moving = true;
  for (uint32_t i = 0; i < server->worker_count; i++) {
    tp_worker *worker = &server->workers[i];
    if (atomic_exchange(&worker->beat_is_awaited, true))
      is_moving = false;
    else
      tp_loop_post(worker->loop, &worker->beat);
  }
  return is_moving;
}

size_t tp_server_memory(const tp_server *server) {
  return atomic_load(&server->service.budget.memory);
}

size_t tp_server_request_count(const tp_server *server) {
  return atomic_load(&server->service.budget.requests);
}

tp_loop *tp_server_loop(const tp_server *server, uint32_t worker) {
  return server->workers[worker].loop;
}

/* ---- The end ---- */

static uint32_t milliseconds_left(const tp_server *server, int64_t deadline_ns) {
  int64_t left_ms = (deadline_ns - tp_clock_monotonic_ns(&server->clock)) / 1000000;
  return left_ms > 0 ? (uint32_t)left_ms : 0;
}

/* Ends what comes from outside: afterwards no request comes any more, and no watch is open. */
static void stop_listening(tp_server *server) {
  int64_t deadline_ns =
      tp_clock_monotonic_ns(&server->clock) + (int64_t)server->service.bounds.drain_timeout_ms * 1000000;
  tp_monitor_note_ending(server->service.monitor);
  tp_webhooks_end(server->webhooks, deadline_ns);
  if (server->endpoints != NULL) tp_endpoints_close(server->endpoints);
  for (uint32_t i = 0; i < server->worker_count; i++) {
    if (server->workers[i].listener != NULL) tp_listener_drain(server->workers[i].listener);
  }
  for (uint32_t i = 0; i < server->worker_count; i++) {
    if (server->workers[i].loop != NULL)
      tp_loop_call(server->workers[i].loop, run_stop_watches, &server->workers[i]);
  }
  for (uint32_t i = 0; i < server->worker_count; i++)
    tp_listener_close(server->workers[i].listener, milliseconds_left(server, deadline_ns));
  /* Nobody is left but webhooks to wait for a database that cannot be opened because others have it. */
  if (server->service.databases != NULL) tp_databases_give_up(server->service.databases);
  tp_monitor_stop(server->service.monitor);
  tp_webhooks_join(server->webhooks);
}

/* What completions have posted to the workers. */
static void run_what_was_posted(const tp_server *server) {
  for (uint32_t i = 0; i < server->worker_count; i++) {
    if (server->workers[i].loop != NULL) tp_loop_call(server->workers[i].loop, run_nothing, NULL);
  }
}

void tp_server_stop(tp_server *server) {
  if (server == NULL) return;
  if (server->tokens_timer != NULL) tp_loop_call(server->housekeeping, run_stop_looking_at_tokens, server);
  stop_listening(server);
  if (server->sweep_timer != NULL) tp_loop_call(server->housekeeping, run_stop_sweeping, server);
  for (uint32_t i = 0; i < server->worker_count; i++) {
    worker_call call = {.worker = &server->workers[i], .store = server->store};
    if (server->workers[i].loop != NULL) tp_loop_call(server->workers[i].loop, run_close_reader, &call);
  }
  if (server->service.databases != NULL) tp_databases_stop(server->service.databases);
  run_what_was_posted(server);
  /* Writes of connections that were cut may still be under way: closing a store completes them. */
  if (server->service.databases != NULL) tp_databases_close(server->service.databases);
  tp_store_close(server->store);
  run_what_was_posted(server);
  for (uint32_t i = 0; i < server->worker_count; i++) tp_loop_stop(server->workers[i].loop);
  tp_loop_stop(server->housekeeping);
  tp_webhooks_free(server->webhooks);
  tp_databases_free(server->service.databases);
  tp_queue_leases_free(server->service.queue_leases);
  tp_net_gate_free(server->service.gate);
  tp_throttle_free(server->service.throttle);
  tp_endpoints_free(server->endpoints);
  tp_monitor_free(server->service.monitor);
  for (uint32_t i = 0; server->workers != NULL && i < server->worker_room; i++)
    tp_loop_metrics_done(&server->workers[i].metrics);
  tp_free(server->allocator, server->workers);
  tp_free(server->allocator, server);
}

/* monitor.c: the paths by which a server is watched, and the loop that they are served on. */
#include "server/monitor/monitor.h"

#include "api/open.h"
#include "base/alloc.h"
#include "base/status.h"
#include "server/access/refusal.h"
#include "server/completion.h"
#include "server/protocol/answer.h"
#include "server/protocol/exchange.h"
#include "server/protocol/requests.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <string.h>

enum {
  QUEUE_COUNT_MAX = 10000,       /* messages of a database's queue */
  QUEUE_LOOK_INTERVAL_MS = 1000, /* however often metrics are asked for */
  TRY_INTERVAL_MS = 1000,        /* of writes that look whether writing works again */
  CONNECTIONS_MAX = 256,         /* of the own address */
  STOP_TIMEOUT_MS = 1000
};

struct tp_monitor {
  tp_service *service;
  tp_tls_context *tls;           /* NULL: none */
  const tp_loop_metrics **loops; /* the workers', and our own last */
  size_t loop_count;
  tp_worker own; /* for the loop, and the address */
  tp_endpoints *endpoints;
  tp_net_gate *gate;
  int64_t started_at_ms;
  atomic_bool ending;
  /* The last failure to write to the default database that says something about the next one; TUPLET_OK: none
   * since it went well. */
  atomic_int write_failure;
  atomic_int_fast64_t next_try_ms; /* monotonic */
  /* Of the loop's thread: */
  tp_process process;
  tp_metrics_queues queues;
  int64_t next_look_ms; /* monotonic; 0: never looked */
  bool stopped;         /* databases are not looked at any more */
};

static int64_t now_ms(const tp_monitor *monitor) {
  return tp_clock_monotonic_ns(&monitor->service->clock) / 1000000;
}

static bool equals(tuplet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* ---- /metrics ---- */

static void look_at_queue(void *context, const char *name, tp_store *store) {
  (void)name;
  tp_metrics_queues *queues = context;
  tp_queue_state state;
  /* A database that cannot be read now is left out; whoever uses it hears why. */
  if (tp_store_queue_state(store, QUEUE_COUNT_MAX, &state, NULL) != TUPLET_OK) return;
  queues->waiting += state.waiting;
  queues->running += state.running;
  int64_t store_now_ms = tp_store_now_ms(store);
  if (state.oldest_due_at_ms >= store_now_ms) return;
  int64_t age_ms = store_now_ms - (state.oldest_due_at_ms > 0 ? state.oldest_due_at_ms : 0);
  if (age_ms > queues->oldest_due_age_ms) queues->oldest_due_age_ms = age_ms;
}

static void look_at_queues(tp_monitor *monitor) {
  int64_t now = now_ms(monitor);
  if (monitor->stopped || (monitor->next_look_ms != 0 && now < monitor->next_look_ms)) return;
  tp_metrics_queues queues = {0};
  /* Without memory for it, what was seen last is told. */
  if (tp_databases_visit(monitor->service->databases, look_at_queue, &queues, NULL) != TUPLET_OK) return;
  monitor->queues = queues;
  monitor->next_look_ms = now + QUEUE_LOOK_INTERVAL_MS;
}

static void print_metrics(tp_monitor *monitor, tp_buffer *out) {
  tp_service *service = monitor->service;
  look_at_queues(monitor);
  tp_net_gate_counts connections = tp_net_gate_counts_now(service->gate);
  tp_databases_count databases = tp_databases_count_now(service->databases);
  tp_log_losses *losses = service->log->losses;
  size_t listeners = atomic_load(&service->listener_count);
  size_t streams = atomic_load(&service->watch_count);
  tp_metrics_view view = {
      .loops = monitor->loops,
      .loop_count = monitor->loop_count,
      .engines = service->stats,
      .version = tuplet_version(),
      .sqlite_version = tp_open_sqlite_version(),
      .openssl_version = OpenSSL_version(OPENSSL_VERSION_STRING),
      .queues = monitor->queues,
      .databases_known = databases.entries + databases.known,
      .databases_open = service->stats == NULL ? 0 : (uint64_t)atomic_load(&service->stats->engine_count),
      .watches_open = streams > listeners ? streams - listeners : 0,
      .listeners_open = listeners,
      .webhook_done = atomic_load(&service->webhook_counts.done),
      .webhook_failed = atomic_load(&service->webhook_counts.failed),
      .webhook_returned = atomic_load(&service->webhook_counts.returned),
      .webhook_running = atomic_load(&service->webhook_counts.running),
      .connections_open = connections.connections,
      .connections_accepted = connections.admitted,
      .connections_refused_full = connections.refused_full,
      .connections_refused_address_full = connections.refused_address_full,
      .requests_in_flight = atomic_load(&service->budget.requests),
      .memory_used = atomic_load(&service->budget.memory),
      .memory_max = service->bounds.memory_max,
      .log_lines_lost = losses == NULL ? 0 : atomic_load(&losses->total),
      .process = tp_process_usage_now(&monitor->process),
      .started_at_ms = monitor->started_at_ms,
  };
  if (monitor->tls != NULL) {
    tp_tls_certificate certificate;
    tp_tls_context_certificate(monitor->tls, &certificate);
    view.has_tls = true;
    view.tls_certificate_expires_ms = certificate.not_after_ms;
  }
  tp_metrics_print(&view, out);
}

/* A request for metrics: from its loop to the monitor's, and back. In the request's arena. */
typedef struct scrape {
  tp_loop_item item;
  tp_worker *worker;
  tp_http_request *request;
  tp_buffer text;
} scrape;

static void scrape_answer(tp_loop_item *item) {
  scrape *s = (scrape *)(void *)item; /* its first member */
  tp_buffer text = s->text;           /* the scrape ends with the request */
  if (text.failed) {
    tuplet_error error;
    tp_answer_failure(s->worker, s->request, tp_fail_nomem(&error), &error);
  } else {
    tp_answer_bytes(s->request, TP_METRICS_CONTENT_TYPE, tp_buffer_view(&text));
  }
  tp_buffer_done(&text);
}

static void scrape_run(tp_loop_item *item) {
  scrape *s = (scrape *)(void *)item;
  print_metrics(s->worker->service->monitor, &s->text);
  s->item.run = scrape_answer;
  tp_loop_post(s->worker->loop, &s->item);
}

static void answer_metrics(tp_worker *worker, tp_http_request *request) {
  scrape *s = tp_arena_alloc(tp_http_request_arena(request), sizeof *s);
  if (s == NULL) {
    tuplet_error error;
    tp_answer_failure(worker, request, tp_fail_nomem(&error), &error);
    return;
  }
  *s = (scrape){.item.run = scrape_run, .worker = worker, .request = request};
  tp_buffer_init(&s->text, worker->service->allocator);
  tp_loop_post(worker->service->monitor->own.loop, &s->item);
}

/* Whether the request's token may open every database; the request is refused when false is returned. */
static bool check_token(tp_worker *worker, tp_http_request *request) {
  const tp_service *service = worker->service;
  tuplet_bytes token;
  tp_grant grant;
  if (!tp_auth_bearer(tp_http_request_header(request, "authorization"), &token)) {
    tp_refusal_send(worker, request, TP_REFUSAL_COMPLETE, "Malformed authorization header.");
    return false;
  }
  tuplet_status status = tp_auth_identify(service->auth, token, tp_clock_unix_ms(&service->clock), &grant);
  if (status != TUPLET_OK) {
    tp_refusal_send(worker, request, TP_REFUSAL_COMPLETE,
                    status == TUPLET_TIMEOUT ? "The access token has expired." : "Invalid access token.");
    return false;
  }
  /* No database has such a name: it fits no pattern but those that fit all. */
  if (tp_auth_may_open(service->auth, grant.token_id, (tuplet_bytes){"/", 1})) return true;
  tp_http_respond_text(request, 403, "Metrics are for tokens that may open every database.");
  return false;
}

/* ---- /readyz ---- */

/* What is done before the answer, one after another: finding the default database, opening it, a read, and a
 * write if the last one failed. In the request's arena. */
typedef struct readiness {
  tp_read read; /* first, so that the one is found from the other */
  tp_write write;
  tp_database_lookup lookup;
  tp_database_wait wait;
  tp_completion completion; /* of each step */
  tp_worker *worker;
  tp_http_request *request;
  tp_database *database; /* NULL: not acquired */
  tp_read_range range;
  tuplet_status status;
} readiness;

#define READINESS_OF(part, pointer) ((readiness *)(void *)((char *)(pointer)-offsetof(readiness, part)))

static bool is_lasting_failure(tuplet_status status) {
  return status == TUPLET_FULL || status == TUPLET_IO || status == TUPLET_CORRUPT ||
         status == TUPLET_FORMAT || status == TUPLET_BUSY;
}

void tp_monitor_note_write(tp_monitor *monitor, tuplet_status status) {
  if (status != TUPLET_OK && !is_lasting_failure(status)) return;
  /* Read first: as a rule nothing changes, and no line of memory has to travel. */
  if (atomic_load_explicit(&monitor->write_failure, memory_order_relaxed) != (int)status)
    atomic_store_explicit(&monitor->write_failure, (int)status, memory_order_relaxed);
}

static void answer_unready(tp_http_request *request, const char *sentence) {
  const tp_http_header headers[] = {{"content-type", TP_CONTENT_TEXT}, {"retry-after", "5"}};
  tp_http_respond(request, 503, headers, 2, (tuplet_bytes){sentence, strlen(sentence)});
}

static void answer_text(tp_http_request *request, const char *text) {
  tp_answer_bytes(request, TP_CONTENT_TEXT, (tuplet_bytes){text, strlen(text)});
}

/* sentence: what is wrong; NULL: nothing. */
static void answer_by(tp_http_request *request, const char *sentence) {
  if (sentence == NULL)
    answer_text(request, "ready\n");
  else
    answer_unready(request, sentence);
}

/* Ends it. */
static void readiness_end(readiness *r, const char *sentence) {
  if (r->database != NULL) tp_database_release(r->worker->service->databases, r->database);
  answer_by(r->request, sentence);
}

/* NULL: nothing. */
static const char *what_is_wrong(tuplet_status write_status) {
  switch (write_status) {
  case TUPLET_OK: return NULL;
  case TUPLET_FULL: return "The default database is full: it cannot be written.\n";
  case TUPLET_BUSY: return "The default database is locked: it cannot be written.\n";
  default: return "The default database cannot be written.\n";
  }
}

static void write_on_done(tp_write *write) {
  tp_completion_done(&READINESS_OF(write, write)->completion);
}

static void write_finish(tp_completion *completion) {
  readiness *r = READINESS_OF(completion, completion);
  tp_monitor_note_write(r->worker->service->monitor, r->write.status);
  readiness_end(r, what_is_wrong(r->write.status));
}

/* TUPLET_OK: none. */
static tuplet_status write_failure_of(const tp_monitor *monitor) {
  return monitor->service->read_only ? TUPLET_OK : (tuplet_status)atomic_load(&monitor->write_failure);
}

/* Whether this is the moment to try; one request at a time does. */
static bool may_try(tp_monitor *monitor) {
  int64_t now = now_ms(monitor);
  int_fast64_t next_ms = atomic_load(&monitor->next_try_ms);
  return now >= next_ms &&
         atomic_compare_exchange_strong(&monitor->next_try_ms, &next_ms, now + TRY_INTERVAL_MS);
}

/* The default database can be read. When the last write failed, one that changes nothing tells whether the
 * next would. */
static void check_writing(readiness *r) {
  tp_monitor *monitor = r->worker->service->monitor;
  tuplet_status failure = write_failure_of(monitor);
  if (failure == TUPLET_OK || !may_try(monitor)) {
    readiness_end(r, what_is_wrong(failure));
    return;
  }
  r->write = (tp_write){.arena = tp_http_request_arena(r->request), .on_done = write_on_done};
  tp_completion_init(&r->completion, r->worker->loop, write_finish);
  tp_store_write(tp_database_store(r->database), &r->write);
  tp_completion_submitted(&r->completion);
}

static tuplet_status read_on_row(tp_read *read, size_t range_index, const tp_row *row, tuplet_error *error) {
  (void)read, (void)range_index, (void)row, (void)error;
  return TUPLET_OK;
}

static void read_on_done(tp_read *read, tuplet_status status, const tuplet_error *error) {
  (void)error;
  readiness *r = READINESS_OF(read, read);
  r->status = status;
  tp_completion_done(&r->completion);
}

static void read_finish(tp_completion *completion) {
  readiness *r = READINESS_OF(completion, completion);
  if (r->status == TUPLET_OK)
    check_writing(r);
  else
    readiness_end(r, "The default database cannot be read.\n");
}

static void wait_on_done(tp_database_wait *wait) {
  tp_completion_done(&READINESS_OF(wait, wait)->completion);
}

static void wait_finish(tp_completion *completion) {
  readiness *r = READINESS_OF(completion, completion);
  if (r->wait.status != TUPLET_OK) {
    readiness_end(r, "The default database cannot be opened.\n");
    return;
  }
  r->database = r->wait.database;
  r->range = (tp_read_range){.start = {"\2", 1}, .end = {"\2\0", 2}, .limit = 1};
  r->read = (tp_read){.ranges = &r->range, .range_count = 1, .on_row = read_on_row, .on_done = read_on_done};
  tp_completion_init(&r->completion, r->worker->loop, read_finish);
  tp_store_read(tp_database_store(r->database), tp_worker_reader(r->worker, r->database), &r->read);
  tp_completion_submitted(&r->completion);
}

static void lookup_on_done(tp_database_lookup *lookup) {
  tp_completion_done(&READINESS_OF(lookup, lookup)->completion);
}

static void lookup_finish(tp_completion *completion) {
  readiness *r = READINESS_OF(completion, completion);
  if (r->lookup.status != TUPLET_OK) {
    /* A data directory need not have one. */
    readiness_end(r, r->lookup.status == TUPLET_NOT_FOUND ? NULL : "The default database cannot be found.\n");
    return;
  }
  r->wait.on_done = wait_on_done;
  tp_completion_init(&r->completion, r->worker->loop, wait_finish);
  tp_databases_acquire(r->worker->service->databases, r->lookup.id, &r->wait);
  tp_completion_submitted(&r->completion);
}

static void answer_readiness(tp_worker *worker, tp_http_request *request) {
  static const char name[] = TP_DATABASE_DEFAULT_NAME;
  const tp_monitor *monitor = worker->service->monitor;
  if (atomic_load(&monitor->ending)) {
    answer_unready(request, "The server is shutting down.\n");
    return;
  }
  if (tp_http_request_is_surplus(request)) { /* to hold on to it would be to have no bound */
    answer_by(request, what_is_wrong(write_failure_of(monitor)));
    return;
  }
  readiness *r = tp_arena_alloc_array_zeroed(tp_http_request_arena(request), 1, sizeof *r);
  if (r == NULL) {
    answer_unready(request, "The server is out of memory.\n");
    return;
  }
  r->worker = worker;
  r->request = request;
  r->lookup.on_done = lookup_on_done;
  tp_completion_init(&r->completion, worker->loop, lookup_finish);
  tp_databases_exchange(worker->service->databases, (tuplet_bytes){name, sizeof name - 1}, 0, false,
                        &r->lookup);
  tp_completion_submitted(&r->completion);
}

/* ---- Requests ---- */

static bool is_of_health(tuplet_bytes path) {
  return equals(path, "/healthz") || equals(path, "/readyz");
}

static bool is_reading(tuplet_bytes method) {
  return equals(method, "GET") || equals(method, "HEAD");
}

bool tp_monitor_has_path(tuplet_bytes path) {
  return equals(path, "/metrics") || is_of_health(path);
}

bool tp_monitor_is_probe(tuplet_bytes method, tuplet_bytes path) {
  return is_reading(method) && is_of_health(path);
}

void tp_monitor_handle(tp_worker *worker, tp_http_request *request, tuplet_bytes path) {
  bool is_own = worker == &worker->service->monitor->own;
  if (!is_reading(tp_http_request_method(request)))
    tp_answer_method_not_allowed(request, "GET, HEAD");
  else if (equals(path, "/healthz"))
    answer_text(request, "ok\n");
  else if (equals(path, "/readyz"))
    answer_readiness(worker, request);
  else if (is_own || check_token(worker, request))
    answer_metrics(worker, request);
}

/* On the own address; nobody sends bodies there. */
static void on_own_request(void *context, tp_http_request *request) {
  tp_worker *worker = context;
  tp_request_begin(worker, request);
  tuplet_bytes path = tp_http_request_target(request);
  const char *query = path.size > 0 ? memchr(path.data, '?', path.size) : NULL;
  if (query != NULL) path.size = (size_t)(query - (const char *)path.data);
  if (tp_monitor_has_path(path))
    tp_monitor_handle(worker, request, path);
  else
    tp_http_respond_text(request, 404, "Here are /metrics, /healthz and /readyz.");
}

/* ---- Beginning and end ---- */

static tuplet_status listen_on_own(tp_monitor *monitor, const tp_monitor_config *config,
                                   tuplet_error *error) {
  const tp_service *service = monitor->service;
  tuplet_status status =
      tp_endpoints_open(service->allocator, &config->address, config->address == NULL ? 0 : 1,
                        config->inherited, config->inherited_count, &monitor->endpoints, error);
  if (status != TUPLET_OK) return status;
  status = tp_net_gate_new(service->allocator, CONNECTIONS_MAX, CONNECTIONS_MAX, &monitor->gate, error);
  if (status != TUPLET_OK) return status;
  tp_listener_config listener = tp_listener_config_default();
  listener.limits.head_size_max = service->bounds.header_size_max;
  listener.limits.body_size_max = 0;
  listener.gate = monitor->gate;
  listener.head_timeout_ms = service->bounds.header_timeout_ms;
  listener.body_timeout_ms = service->bounds.body_timeout_ms;
  listener.idle_timeout_ms = service->bounds.idle_timeout_ms;
  listener.send_timeout_ms = service->bounds.send_timeout_ms;
  listener.on_request = on_own_request;
  listener.on_finish = tp_request_finish;
  listener.context = &monitor->own;
  return tp_listener_open(monitor->own.loop, monitor->endpoints, &listener, &monitor->own.listener, error);
}

static tuplet_status collect_loops(tp_monitor *monitor, const tp_monitor_config *config,
                                   tuplet_error *error) {
  const tuplet_allocator *allocator = config->service->allocator;
  monitor->loops = tp_alloc_array_zeroed(allocator, config->worker_count + 1, sizeof *monitor->loops);
  if (monitor->loops == NULL) return tp_fail_nomem(error);
  tuplet_status status = tp_loop_metrics_init(&monitor->own.metrics, allocator, error);
  if (status != TUPLET_OK) return status;
  for (uint32_t i = 0; i < config->worker_count; i++) monitor->loops[i] = &config->workers[i].metrics;
  monitor->loops[config->worker_count] = &monitor->own.metrics;
  monitor->loop_count = config->worker_count + 1;
  return TUPLET_OK;
}

tuplet_status tp_monitor_start(const tp_monitor_config *config, tp_monitor **ret_monitor,
                               tuplet_error *error) {
  const tuplet_allocator *allocator = config->service->allocator;
  tp_monitor *monitor = tp_alloc_array_zeroed(allocator, 1, sizeof *monitor);
  if (monitor == NULL) return tp_fail_nomem(error);
  monitor->service = config->service;
  monitor->tls = config->tls;
  monitor->own.service = config->service;
  monitor->own.number = config->worker_count;
  monitor->started_at_ms = tp_clock_unix_ms(&config->service->clock);
  tp_process_init(&monitor->process);
  atomic_init(&monitor->ending, false);
  atomic_init(&monitor->write_failure, TUPLET_OK);
  atomic_init(&monitor->next_try_ms, 0);
  *ret_monitor = monitor; /* requests on its address look for it there */
  tuplet_status status = collect_loops(monitor, config, error);
  if (status == TUPLET_OK) status = tp_loop_start(allocator, &monitor->own.loop, error);
  bool has_own = config->address != NULL || config->inherited_count > 0;
  return status == TUPLET_OK && has_own ? listen_on_own(monitor, config, error) : status;
}

const char *tp_monitor_address(const tp_monitor *monitor) {
  return monitor->endpoints == NULL ? NULL : tp_endpoints_address(monitor->endpoints, 0);
}

void tp_monitor_note_ending(tp_monitor *monitor) {
  if (monitor != NULL) atomic_store(&monitor->ending, true);
}

static void run_stop(void *context) {
  ((tp_monitor *)context)->stopped = true;
}

static void run_nothing(void *context) {
  (void)context;
}

void tp_monitor_stop(tp_monitor *monitor) {
  if (monitor == NULL || monitor->own.loop == NULL) return;
  if (monitor->endpoints != NULL) tp_endpoints_close(monitor->endpoints);
  tp_listener_close(monitor->own.listener, STOP_TIMEOUT_MS);
  monitor->own.listener = NULL;
  tp_loop_call(monitor->own.loop, run_stop, monitor);
}

void tp_monitor_free(tp_monitor *monitor) {
  if (monitor == NULL) return;
  if (monitor->own.loop != NULL) {
    tp_loop_call(monitor->own.loop, run_nothing, NULL); /* what completions have posted runs before */
    tp_loop_stop(monitor->own.loop);
  }
  const tuplet_allocator *allocator = monitor->service->allocator;
  tp_net_gate_free(monitor->gate);
  tp_endpoints_free(monitor->endpoints);
  tp_loop_metrics_done(&monitor->own.metrics);
  tp_process_done(&monitor->process);
  tp_free(allocator, (void *)monitor->loops);
  tp_free(allocator, monitor);
}

/* metrics_text.c: what the server counts, in Prometheus' text format. */
#include "server/monitor/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* The statuses that are told apart; whatever else there may be counts as the last. */
static const struct {
  int status;
  const char *text;
} codes[] = {
    {200, "200"},
    {400, "400"},
    {401, "401"},
    {403, "403"},
    {404, "404"},
    {405, "405"},
    {408, "408"},
    {413, "413"},
    {414, "414"},
    {415, "415"},
    {417, "417"},
    {429, "429"},
    {431, "431"},
    {500, "500"},
    {501, "501"},
    {503, "503"},
    {505, "505"},
    {507, "507"},
    {0, "none"} /* the client was gone before there was an answer */,
    {-1, "other"},
};

enum { CODE_COUNT = sizeof codes / sizeof *codes };

static_assert((int)CODE_COUNT <= (int)TP_METRICS_CODE_COUNT, "loops count by index into `codes`");

size_t tp_metrics_code_index(int status) {
  for (size_t i = 0; i < CODE_COUNT; i++) {
    if (codes[i].status == status) return i;
  }
  return CODE_COUNT - 1;
}

/* ---- Lines ---- */

static void print_head(tp_buffer *out, const char *name, const char *type, const char *help) {
  tp_buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_one(tp_buffer *out, const char *name, const char *type, const char *help, uint64_t value) {
  print_head(out, name, type, help);
  tp_buffer_append_format(out, "%s %" PRIu64 "\n", name, value);
}

/* Nanoseconds as seconds, without rounding. */
static void append_seconds(tp_buffer *out, uint64_t value_ns) {
  tp_buffer_append_format(out, "%" PRIu64 ".%09" PRIu64, value_ns / 1000000000, value_ns % 1000000000);
}

static void append_milliseconds(tp_buffer *out, int64_t value_ms) {
  uint64_t value = value_ms > 0 ? (uint64_t)value_ms : 0;
  tp_buffer_append_format(out, "%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
}

static uint64_t load(const _Atomic uint64_t *counter) {
  return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- Histograms ---- */

/* Bounds of durations, in nanoseconds, and as text. */
static const uint64_t durations_ns[] = {100000,     250000,     500000,     1000000,    2500000,   5000000,
                                        10000000,   25000000,   50000000,   100000000,  250000000, 500000000,
                                        1000000000, 2500000000, 5000000000, 10000000000};
static const char *const durations[] = {"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
                                        "0.01",   "0.025",   "0.05",   "0.1",   "0.25",   "0.5",
                                        "1",      "2.5",     "5",      "10"};

static const uint64_t sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
static const char *const size_texts[] = {"1", "2", "4", "8", "16", "32", "64", "128", "256", "512"};

enum {
  DURATION_COUNT = sizeof durations / sizeof *durations,
  SIZE_COUNT = sizeof sizes / sizeof *sizes,
  BOUNDS_MAX = DURATION_COUNT
};

static_assert(sizeof durations_ns / sizeof *durations_ns == DURATION_COUNT, "one text a bound");
static_assert(sizeof size_texts / sizeof *size_texts == SIZE_COUNT, "one text a bound");

/* The sum of histograms, in the buckets of an export. */
typedef struct summary {
  const uint64_t *bounds;
  const char *const *texts;
  size_t count;
  bool is_duration;
  uint64_t counts[BOUNDS_MAX + 1];
  uint64_t sum;
} summary;

static summary summary_of_durations(void) {
  return (summary){.bounds = durations_ns, .texts = durations, .count = DURATION_COUNT, .is_duration = true};
}

static void summary_add(summary *s, const tp_histogram *histogram) {
  tp_histogram_count_up_to(histogram, s->bounds, s->count, s->counts);
  s->sum += tp_histogram_sum(histogram);
}

/* label: "operation=\"watch\"" or "". */
static void summary_print(tp_buffer *out, const char *name, const char *label, const summary *s) {
  const char *comma = *label == '\0' ? "" : ",";
  const char *open = *label == '\0' ? "" : "{", *close = *label == '\0' ? "" : "}";
  for (size_t i = 0; i < s->count; i++)
    tp_buffer_append_format(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, label, comma, s->texts[i],
                            s->counts[i]);
  tp_buffer_append_format(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma,
                          s->counts[s->count]);
  tp_buffer_append_format(out, "%s_sum%s%s%s ", name, open, label, close);
  if (s->is_duration)
    append_seconds(out, s->sum);
  else
    tp_buffer_append_format(out, "%" PRIu64, s->sum);
  tp_buffer_append_format(out, "\n%s_count%s%s%s %" PRIu64 "\n", name, open, label, close,
                          s->counts[s->count]);
}

/* ---- Requests ---- */

static void print_requests(const tp_metrics_view *view, tp_buffer *out) {
  static const char name[] = "tuplet_requests_total";
  print_head(out, name, "counter",
             "Requests that have ended, by what they asked for and the status of the answer.");
  for (size_t operation = 0; operation < TP_OPERATION_COUNT; operation++) {
    for (size_t code = 0; code < CODE_COUNT; code++) {
      uint64_t count = 0;
      for (size_t i = 0; i < view->loop_count; i++) count += load(&view->loops[i]->requests[operation][code]);
      if (count == 0 && codes[code].status != 200) continue;
      tp_buffer_append_format(out, "%s{operation=\"%s\",code=\"%s\"} %" PRIu64 "\n", name,
                              tp_operation_name((tp_operation)operation), codes[code].text, count);
    }
  }
}

static void print_durations(const tp_metrics_view *view, tp_buffer *out) {
  static const char name[] = "tuplet_request_duration_seconds";
  print_head(
      out, name, "histogram",
      "From the last byte of a request to the end of writing its answer; without watches and listeners, "
      "which last.");
  for (size_t operation = 0; operation < TP_OPERATION_COUNT; operation++) {
    if (tp_operation_is_endless((tp_operation)operation)) continue;
    char label[48];
    (void)snprintf(label, sizeof label, "operation=\"%s\"", tp_operation_name((tp_operation)operation));
    summary s = summary_of_durations();
    for (size_t i = 0; i < view->loop_count; i++) summary_add(&s, &view->loops[i]->duration_ns[operation]);
    summary_print(out, name, label, &s);
  }
}

/* A counter of each operation, which stands at `offset` in tp_loop_metrics. */
static void print_by_operation(const tp_metrics_view *view, tp_buffer *out, const char *name,
                               const char *help, size_t offset) {
  print_head(out, name, "counter", help);
  for (size_t operation = 0; operation < TP_OPERATION_COUNT; operation++) {
    uint64_t sum = 0;
    for (size_t i = 0; i < view->loop_count; i++) {
      const char *counters = (const char *)view->loops[i] + offset;
      sum += load((const _Atomic uint64_t *)(const void *)counters + operation);
    }
    tp_buffer_append_format(out, "%s{operation=\"%s\"} %" PRIu64 "\n", name,
                            tp_operation_name((tp_operation)operation), sum);
  }
}

static uint64_t sum_of(const tp_metrics_view *view, size_t offset) {
  uint64_t sum = 0;
  for (size_t i = 0; i < view->loop_count; i++)
    sum += load((const _Atomic uint64_t *)(const void *)((const char *)view->loops[i] + offset));
  return sum;
}

static void print_auth_failures(const tp_metrics_view *view, tp_buffer *out) {
  static const char name[] = "tuplet_auth_failures_total";
  static const char *const outcomes[TP_AUTH_FAILURE_COUNT] = {"refused", "delayed", "throttled"};
  print_head(out, name, "counter",
             "Requests without a valid token, by what was done: refused at once, after a delay, or as one "
             "too many.");
  for (size_t i = 0; i < TP_AUTH_FAILURE_COUNT; i++) {
    uint64_t sum = sum_of(view, offsetof(tp_loop_metrics, auth_failures) + i * sizeof(uint64_t));
    tp_buffer_append_format(out, "%s{outcome=\"%s\"} %" PRIu64 "\n", name, outcomes[i], sum);
  }
}

static void print_http(const tp_metrics_view *view, tp_buffer *out) {
  print_requests(view, out);
  print_durations(view, out);
  print_by_operation(view, out, "tuplet_request_body_bytes_total", "Bytes of request bodies.",
                     offsetof(tp_loop_metrics, request_size));
  print_by_operation(view, out, "tuplet_response_body_bytes_total", "Bytes of response bodies, as written.",
                     offsetof(tp_loop_metrics, response_size));
  print_one(out, "tuplet_requests_in_flight", "gauge",
            "Requests that are being handled; watches and listeners do not count.", view->requests_in_flight);
  print_auth_failures(view, out);
}

/* ---- Databases ---- */

static void print_writes(const tp_engine_stats *engines, tp_buffer *out) {
  static const char name[] = "tuplet_writes_total";
  print_head(out, name, "counter",
             "Atomic writes, by what became of them: committed, refused by their checks, failed.");
  tp_buffer_append_format(out, "%s{result=\"committed\"} %" PRIu64 "\n", name,
                          load(&engines->writes_committed));
  tp_buffer_append_format(out, "%s{result=\"conflict\"} %" PRIu64 "\n", name,
                          load(&engines->writes_conflicting));
  tp_buffer_append_format(out, "%s{result=\"failed\"} %" PRIu64 "\n", name, load(&engines->writes_failed));
  print_one(out, "tuplet_written_bytes_total", "counter",
            "Bytes of keys, values and messages that were committed.", load(&engines->written_size));
}

static void print_histogram(tp_buffer *out, const char *name, const char *help, summary s,
                            const tp_histogram *histogram) {
  print_head(out, name, "histogram", help);
  summary_add(&s, histogram);
  summary_print(out, name, "", &s);
}

static void print_engines(const tp_engine_stats *engines, tp_buffer *out) {
  print_writes(engines, out);
  print_histogram(out, "tuplet_commit_writes", "How many atomic writes shared a commit.",
                  (summary){.bounds = sizes, .texts = size_texts, .count = SIZE_COUNT}, &engines->group_size);
  print_histogram(out, "tuplet_commit_duration_seconds",
                  "SQLite's COMMIT: writing to the write-ahead log and syncing it to the disk.",
                  summary_of_durations(), &engines->commit_ns);
  print_one(out, "tuplet_commits_failed_total", "counter",
            "Commits that failed (a full disk, a busy file, ...).", load(&engines->commits_failed));
  print_histogram(out, "tuplet_checkpoint_duration_seconds",
                  "Rounds of moving a write-ahead log into its database file.", summary_of_durations(),
                  &engines->checkpoint_ns);
  print_one(out, "tuplet_checkpoints_incomplete_total", "counter",
            "Of these rounds, those that left something in the log.", load(&engines->checkpoints_incomplete));
  int64_t log_size = atomic_load_explicit(&engines->log_size, memory_order_relaxed);
  print_one(out, "tuplet_wal_bytes", "gauge",
            "Bytes of write-ahead logs in use, as of each one's last commit.",
            log_size > 0 ? (uint64_t)log_size : 0);
  print_one(out, "tuplet_expired_keys_removed_total", "counter",
            "Entries that were removed after their expiry.", load(&engines->expired_removed));
  print_one(out, "tuplet_messages_enqueued_total", "counter", "Queue messages that were committed.",
            load(&engines->messages_enqueued));
}

static void print_queues(const tp_metrics_queues *queues, tp_buffer *out) {
  static const char name[] = "tuplet_queue_messages";
  print_head(out, name, "gauge",
             "Messages in the queues of open databases; of each database at most 10000 are counted.");
  tp_buffer_append_format(out, "%s{state=\"waiting\"} %" PRIu64 "\n", name, queues->waiting);
  tp_buffer_append_format(out, "%s{state=\"running\"} %" PRIu64 "\n", name, queues->running);
  static const char age[] = "tuplet_queue_oldest_due_age_seconds";
  print_head(out, age, "gauge", "For how long the oldest message that is due has been so; 0 when none is.");
  tp_buffer_append_format(out, "%s ", age);
  append_milliseconds(out, queues->oldest_due_age_ms);
  tp_buffer_append_text(out, "\n");
}

static void print_listeners(const tp_metrics_view *view, tp_buffer *out) {
  print_one(out, "tuplet_queue_listeners_open", "gauge", "Clients that listen to queues.",
            view->listeners_open);
  print_one(out, "tuplet_queue_listeners_opened_total", "counter", "Listeners that have begun.",
            sum_of(view, offsetof(tp_loop_metrics, listeners_opened)));
  print_one(out, "tuplet_queue_messages_sent_total", "counter", "Messages that were sent to listeners.",
            sum_of(view, offsetof(tp_loop_metrics, messages_sent)));
  static const char name[] = "tuplet_queue_messages_finished_total";
  static const struct {
    const char *outcome;
    size_t offset;
  } outcomes[] = {{"done", offsetof(tp_loop_metrics, messages_done)},
                  {"failed", offsetof(tp_loop_metrics, messages_failed)},
                  {"returned", offsetof(tp_loop_metrics, messages_returned)}};
  print_head(out, name, "counter",
             "Messages that listeners had, by what became of them: handled, not handled, or returned to the "
             "queue since the listener was gone.");
  for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
    tp_buffer_append_format(out, "%s{outcome=\"%s\"} %" PRIu64 "\n", name, outcomes[i].outcome,
                            sum_of(view, outcomes[i].offset));
}

static void print_webhooks(const tp_metrics_view *view, tp_buffer *out) {
  static const char name[] = "tuplet_webhook_messages_total";
  print_head(out, name, "counter",
             "Messages for webhooks, by what became of them: handled, to come again as their schedules say, "
             "or returned to the queue.");
  tp_buffer_append_format(out, "%s{outcome=\"done\"} %" PRIu64 "\n", name, view->webhook_done);
  tp_buffer_append_format(out, "%s{outcome=\"failed\"} %" PRIu64 "\n", name, view->webhook_failed);
  tp_buffer_append_format(out, "%s{outcome=\"returned\"} %" PRIu64 "\n", name, view->webhook_returned);
  print_one(out, "tuplet_webhook_messages_in_flight", "gauge", "Messages that are being posted.",
            view->webhook_running);
}

static void print_databases(const tp_metrics_view *view, tp_buffer *out) {
  print_one(out, "tuplet_databases_open", "gauge", "Databases that are open.", view->databases_open);
  print_one(out, "tuplet_databases_known", "gauge", "Databases that there are, in files or in memory.",
            view->databases_known);
  if (view->engines != NULL) print_engines(view->engines, out);
  print_queues(&view->queues, out);
  print_one(out, "tuplet_watches_open", "gauge", "Watches that are open.", view->watches_open);
  print_one(out, "tuplet_watches_opened_total", "counter", "Watches that have begun.",
            sum_of(view, offsetof(tp_loop_metrics, watches_opened)));
  print_one(out, "tuplet_watch_messages_total", "counter", "States that were sent to watches.",
            sum_of(view, offsetof(tp_loop_metrics, watch_messages)));
  print_listeners(view, out);
  print_webhooks(view, out);
}

/* ---- The server and its process ---- */

static void print_tls(const tp_metrics_view *view, tp_buffer *out) {
  static const char name[] = "tuplet_tls_handshakes_total";
  print_head(out, name, "counter", "TLS handshakes, by how they ended.");
  tp_buffer_append_format(out, "%s{result=\"ok\"} %" PRIu64 "\n", name,
                          sum_of(view, offsetof(tp_loop_metrics, tls_handshakes)));
  tp_buffer_append_format(out, "%s{result=\"failed\"} %" PRIu64 "\n", name,
                          sum_of(view, offsetof(tp_loop_metrics, tls_failures)));
  static const char expiry[] = "tuplet_tls_certificate_expiry_timestamp_seconds";
  print_head(out, expiry, "gauge", "When the certificate in use expires, since 1970.");
  tp_buffer_append_format(out, "%s ", expiry);
  append_milliseconds(out, view->tls_certificate_expires_ms);
  tp_buffer_append_text(out, "\n");
}

static void print_connections(const tp_metrics_view *view, tp_buffer *out) {
  print_one(out, "tuplet_connections_open", "gauge", "Connections that are open.", view->connections_open);
  print_one(out, "tuplet_connections_accepted_total", "counter", "Connections that were accepted.",
            view->connections_accepted);
  static const char name[] = "tuplet_connections_refused_total";
  print_head(out, name, "counter", "Connections that were refused, by the bound they were beyond.");
  tp_buffer_append_format(out, "%s{reason=\"server\"} %" PRIu64 "\n", name, view->connections_refused_full);
  tp_buffer_append_format(out, "%s{reason=\"address\"} %" PRIu64 "\n", name,
                          view->connections_refused_address_full);
  if (view->has_tls) print_tls(view, out);
}

static void print_process(const tp_process_usage *process, int64_t started_at_ms, tp_buffer *out) {
  print_head(out, "process_cpu_seconds_total", "counter", "Seconds of processor time, of user and system.");
  tp_buffer_append_format(out, "process_cpu_seconds_total %.6f\n", process->cpu_seconds);
  print_one(out, "process_resident_memory_bytes", "gauge", "Bytes of resident memory.",
            process->resident_size);
  print_one(out, "process_virtual_memory_bytes", "gauge", "Bytes of address space.", process->virtual_size);
  print_one(out, "process_open_fds", "gauge", "Descriptors that are open.", process->descriptor_count);
  print_one(out, "process_max_fds", "gauge", "Descriptors that may be open.", process->descriptor_max);
  print_head(out, "process_start_time_seconds", "gauge", "When the process started, since 1970.");
  tp_buffer_append_text(out, "process_start_time_seconds ");
  append_milliseconds(out, started_at_ms);
  tp_buffer_append_text(out, "\n");
}

void tp_metrics_print(const tp_metrics_view *view, tp_buffer *out) {
  print_head(out, "tuplet_build_info", "gauge", "Always 1; the labels tell what is running.");
  tp_buffer_append_format(out, "tuplet_build_info{version=\"%s\",sqlite=\"%s\",openssl=\"%s\"} 1\n",
                          view->version, view->sqlite_version, view->openssl_version);
  print_http(view, out);
  print_databases(view, out);
  print_connections(view, out);
  print_one(out, "tuplet_memory_used_bytes", "gauge", "Bytes held of requests and of answers that wait.",
            view->memory_used);
  print_one(out, "tuplet_memory_max_bytes", "gauge", "How many that may become.", view->memory_max);
  print_one(out, "tuplet_log_lines_lost_total", "counter", "Lines that the log could not take in time.",
            view->log_lines_lost);
  print_process(&view->process, view->started_at_ms, out);
}

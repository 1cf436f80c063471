/* bench_report.c: what `tuplet bench` prints. */
#include "bench_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

enum { LINE_SIZE = 400, DURATION_SIZE = 16, CONCURRENCY_SIZE = 80 };

/* ---- Durations and rates ---- */

/* Three digits or so: "81 us", "3.14 ms". */
static void print_duration(uint64_t ns, char ret_text[DURATION_SIZE]) {
  static const struct {
    double ns;
    const char *name;
  } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
  size_t i = 0;
  while (i + 1 < sizeof units / sizeof units[0] && (double)ns < units[i].ns) i++;
  double number = (double)ns / units[i].ns;
  (void)snprintf(ret_text, DURATION_SIZE, "%.*f %s",
                 number < 10    ? 2
                 : number < 100 ? 1
                                : 0,
                 number, units[i].name);
}

static double microseconds(const tp_bench_tally *tally, double share) {
  return (double)tp_histogram_quantile(&tally->latency_ns, share) / 1e3;
}

/* ---- Text ---- */

/* On a file each operation in flight is a thread. */
static unsigned thread_count(const tp_bench_session *session) {
  unsigned pacer_count;
  return session->target->ops->worker_count(session->target, session->workload, &pacer_count);
}

static void print_concurrency(const tp_bench_session *session, const tp_bench_plan *plan,
                              char ret_text[CONCURRENCY_SIZE]) {
  unsigned threads = thread_count(session);
  const char *plural = threads == 1 ? "" : "s";
  if (strcmp(session->target->ops->describe(session->target), "library") == 0)
    (void)snprintf(ret_text, CONCURRENCY_SIZE, "%u thread%s", threads, plural);
  else
    (void)snprintf(ret_text, CONCURRENCY_SIZE, "%u connections with %u in flight on %u thread%s",
                   plan->connection_count, plan->in_flight, threads, plural);
}

void tp_cli_bench_print_head(tp_cli_context *context, const tp_bench_session *session,
                             const tp_bench_plan *plan) {
  if (context->json) return;
  char line[LINE_SIZE], concurrency[CONCURRENCY_SIZE], distribution[40] = "uniform", rate[40] = "";
  if (plan->zipf_exponent > 0)
    (void)snprintf(distribution, sizeof distribution, "zipf %g", plan->zipf_exponent);
  if (plan->rate > 0) (void)snprintf(rate, sizeof rate, ", %.0f op/s", plan->rate);
  tp_cli_write_text(context, session->target->place->path);
  print_concurrency(session, plan, concurrency);
  (void)snprintf(line, sizeof line, " (%s)\n%s; %" PRIu64 " keys, values of %zu bytes, %s; %.3g s%s\n",
                 session->target->ops->describe(session->target), concurrency, plan->key_count,
                 plan->value_size, distribution, (double)plan->duration_ms / 1e3, rate);
  tp_cli_write_text(context, line);
  (void)snprintf(line, sizeof line, "%-9s %12s %10s %10s %10s %10s %9s\n", "", "op/s", "p50", "p99", "p99.9",
                 "max", "failed");
  tp_cli_write_text(context, line);
}

static void print_notes(tp_cli_context *context, const tp_cli_bench_row *row) {
  const tp_bench_tally *tally = &row->result->tally;
  char line[LINE_SIZE];
  if (row->workload == TP_BENCH_TRANSFER) {
    (void)snprintf(line, sizeof line, "  %" PRIu64 " conflicts%s\n", tally->conflicts,
                   row->is_verified ? "; the accounts hold together what they did before" : "");
    tp_cli_write_text(context, line);
  }
  if (tally->unsent > 0) {
    (void)snprintf(line, sizeof line, "  %" PRIu64 " operations were due and had not begun at the end\n",
                   tally->unsent);
    tp_cli_write_text(context, line);
  }
  for (size_t i = 0; i < tally->fault_count; i++) {
    (void)snprintf(line, sizeof line, "  %" PRIu64 " x %s\n", tally->faults[i].count, tally->faults[i].first);
    tp_cli_write_text(context, line);
  }
}

static void print_text(tp_cli_context *context, const tp_cli_bench_row *row) {
  static const double shares[] = {0.5, 0.99, 0.999, 1};
  const tp_bench_tally *tally = &row->result->tally;
  char line[LINE_SIZE];
  (void)snprintf(line, sizeof line, "%-9s %12.0f", tp_bench_workload_name(row->workload), row->result->rate);
  tp_cli_write_text(context, line);
  for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
    char duration[DURATION_SIZE];
    print_duration(tp_histogram_quantile(&tally->latency_ns, shares[i]), duration);
    (void)snprintf(line, sizeof line, " %10s", duration);
    tp_cli_write_text(context, line);
  }
  (void)snprintf(line, sizeof line, " %9" PRIu64 "\n", (uint64_t)tally->failed);
  tp_cli_write_text(context, line);
  print_notes(context, row);
}

void tp_cli_bench_print_kept(tp_cli_context *context, const tp_bench_plan *plan) {
  if (context->json) return;
  char line[LINE_SIZE];
  (void)snprintf(line, sizeof line, "kept under [\"tuplet-bench\", \"%s\"]\n", plan->name);
  tp_cli_write_text(context, line);
}

/* ---- JSON ---- */

/* Writes an object as a line and lets go of it; NULL: there was no memory for it. */
static tp_cli_exit print_object(tp_cli_context *context, json_t *object) {
  char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  if (text == NULL) return tp_cli_fail_memory();
  tp_cli_write_text(context, text);
  tp_cli_write_text(context, "\n");
  free(text);
  return TP_CLI_EXIT_OK;
}

static json_t *faults_of(const tp_bench_tally *tally) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < tally->fault_count; i++) {
    const tp_bench_fault *fault = &tally->faults[i];
    json_t *item = json_pack("{s:s,s:I,s:s}", "status", tuplet_status_name(fault->status), "count",
                             (json_int_t)fault->count, "message", fault->first);
    if (json_array_append_new(list, item) == 0) continue;
    json_decref(list);
    list = NULL;
  }
  return list;
}

static json_t *object_of(const tp_cli_bench_row *row) {
  const tp_bench_plan *plan = row->plan;
  const tp_bench_tally *tally = &row->result->tally;
  json_t *faults = faults_of(tally);
  if (faults == NULL) return NULL;
  json_t *object = json_pack(
      "{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:I,s:I,s:f,s:f,s:f,s:I,s:I,s:f,s:{s:f,s:f,s:f,s:f},s:I,s:I,s:o}",
      "workload", tp_bench_workload_name(row->workload), "name", plan->name, "target",
      row->session->target->place->path, "protocol",
      row->session->target->ops->describe(row->session->target), "connections", (int)plan->connection_count,
      "inFlight", (int)plan->in_flight, "threads", (int)thread_count(row->session), "keys",
      (json_int_t)plan->key_count, "valueSize", (json_int_t)plan->value_size, "zipfExponent",
      plan->zipf_exponent, "rate", plan->rate, "seconds", row->result->seconds, "operations",
      (json_int_t)tally->completed, "allOperations", (json_int_t)tally->ended, "operationsPerSecond",
      row->result->rate, "latencyUs", "p50", microseconds(tally, 0.5), "p99", microseconds(tally, 0.99),
      "p999", microseconds(tally, 0.999), "max", microseconds(tally, 1), "failed", (json_int_t)tally->failed,
      "unsent", (json_int_t)tally->unsent, "faults", faults);
  if (object == NULL || row->workload != TP_BENCH_TRANSFER) return object;
  if (json_object_set_new(object, "conflicts", json_integer((json_int_t)tally->conflicts)) == 0 &&
      json_object_set_new(object, "consistent", json_boolean(row->is_verified)) == 0)
    return object;
  json_decref(object);
  return NULL;
}

tp_cli_exit tp_cli_bench_print_row(tp_cli_context *context, const tp_cli_bench_row *row) {
  if (context->json) return print_object(context, object_of(row));
  print_text(context, row);
  return TP_CLI_EXIT_OK;
}

/* ---- Two targets by turns ---- */

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

double tp_cli_bench_median(double *numbers, size_t count) {
  qsort(numbers, count, sizeof *numbers, compare);
  return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

static json_t *slices_object(tp_bench_workload workload, const tp_cli_bench_slices *slices,
                             const double *ratios, double median) {
  json_t *list = json_array();
  for (size_t i = 0; list != NULL && i < slices->count; i++) {
    json_t *item = json_pack("{s:f,s:f,s:f}", "first", slices->first_rates[i], "second",
                             slices->second_rates[i], "ratio", ratios[i]);
    if (json_array_append_new(list, item) == 0) continue;
    json_decref(list);
    list = NULL;
  }
  if (list == NULL) return NULL;
  return json_pack("{s:s,s:f,s:o}", "workload", tp_bench_workload_name(workload), "medianRatio", median,
                   "slices", list);
}

tp_cli_exit tp_cli_bench_print_slices(tp_cli_context *context, tp_bench_workload workload,
                                      const tp_cli_bench_slices *slices) {
  tp_cli_exit code = TP_CLI_EXIT_OK;
  double *ratios = calloc(2 * slices->count, sizeof *ratios);
  if (ratios == NULL) return tp_cli_fail_memory();
  double *sorted = ratios + slices->count;
  for (size_t i = 0; i < slices->count; i++) {
    ratios[i] = sorted[i] = slices->first_rates[i] / slices->second_rates[i];
  }
  double median = tp_cli_bench_median(sorted, slices->count);
  if (context->json) {
    code = print_object(context, slices_object(workload, slices, ratios, median));
  } else {
    char line[LINE_SIZE];
    for (size_t i = 0; i < slices->count; i++) {
      (void)snprintf(line, sizeof line, "  slice %-4zu %12.0f %12.0f %9.3f\n", i + 1, slices->first_rates[i],
                     slices->second_rates[i], ratios[i]);
      tp_cli_write_text(context, line);
    }
    (void)snprintf(line, sizeof line, "  %-35s %9.3f\n", "the first to the second, median", median);
    tp_cli_write_text(context, line);
  }
  free(ratios);
  return code;
}

/* ---- Progress ---- */

void tp_cli_bench_progress(tp_bench_workload workload, double seconds, const tp_bench_tally *tally) {
  const char *name = tp_bench_workload_name(workload);
  char duration[DURATION_SIZE];
  if (name == NULL) {
    fprintf(stderr, "\r\033[K%s ...", workload == TP_BENCH_FILL ? "writing the keys" : "tidying up");
    return;
  }
  uint64_t completed = tally->completed, failed = tally->failed;
  print_duration(tp_histogram_quantile(&tally->latency_ns, 0.99), duration);
  fprintf(stderr, "\r\033[K%s: %.1f s, %.0f op/s, p99 %s, %" PRIu64 " failed", name, seconds,
          (double)completed / seconds, duration, failed);
}

void tp_cli_bench_progress_end(void) {
  fputs("\r\033[K", stderr);
}

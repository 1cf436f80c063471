/* bench_options.c: the command line of `tuplet bench`. */
#include "bench_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/task.h"
#include "report.h"

enum {
  OPTION_VERSUS = TP_CLI_OPTION_LONG_ONLY,
  OPTION_VERSUS_TOKEN_FILE,
  OPTION_DISTRIBUTION,
  OPTION_ZIPF_EXPONENT,
  OPTION_BATCH,
  OPTION_RATE,
  OPTION_WARM_UP,
  OPTION_DURATION,
  OPTION_SLICES,
  OPTION_HTTP,
  OPTION_CA_FILE,
  OPTION_SEED,
  OPTION_NAME,
  OPTION_KEEP,
  OPTION_REUSE
};

static const struct option long_options[] = {
    TP_CLI_COMMON_LONG,
    {"connections", required_argument, NULL, 'c'},
    {"in-flight", required_argument, NULL, 'm'},
    {"threads", required_argument, NULL, 't'},
    {"keys", required_argument, NULL, 'n'},
    {"value-size", required_argument, NULL, 's'},
    {"versus", required_argument, NULL, OPTION_VERSUS},
    {"versus-access-token-file", required_argument, NULL, OPTION_VERSUS_TOKEN_FILE},
    {"distribution", required_argument, NULL, OPTION_DISTRIBUTION},
    {"zipf-exponent", required_argument, NULL, OPTION_ZIPF_EXPONENT},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"warm-up", required_argument, NULL, OPTION_WARM_UP},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"slices", required_argument, NULL, OPTION_SLICES},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"ca-file", required_argument, NULL, OPTION_CA_FILE},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"name", required_argument, NULL, OPTION_NAME},
    {"keep", no_argument, NULL, OPTION_KEEP},
    {"reuse", no_argument, NULL, OPTION_REUSE},
    {0}};

#define CONNECTIONS_MAX UINT64_C(10000)
#define IN_FLIGHT_MAX   UINT64_C(1000)
#define THREADS_MAX     UINT64_C(64)
#define FILE_MAX        UINT64_C(1024) /* in flight, where each takes a thread */
#define KEYS_MAX        UINT64_C(1000000000)
#define RATE_MAX        UINT64_C(100000000)
#define DURATION_MS_MAX (INT64_C(24) * 60 * 60 * 1000)

typedef struct reading_state {
  tp_cli_bench_options *to;
  bool is_zipf;
  double zipf_exponent;
} reading_state;

/* ---- Single values ---- */

static bool read_unsigned(const char *what, uint64_t minimum, uint64_t maximum, unsigned *ret_number) {
  uint64_t number;
  if (!tp_cli_number_parse(&tp_cli_bench, what, optarg, minimum, maximum, &number)) return false;
  *ret_number = (unsigned)number;
  return true;
}

static bool read_duration(const char *what, int64_t minimum_ms, int64_t *ret_ms) {
  int64_t ms;
  if (!tp_cli_duration_parse(&tp_cli_bench, what, optarg, &ms)) return false;
  if (ms < minimum_ms || ms > DURATION_MS_MAX) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "%s must be from %lldms to 1d, not '%s'", what,
                            (long long)minimum_ms, optarg);
    return false;
  }
  *ret_ms = ms;
  return true;
}

static bool read_exponent(double *ret_exponent) {
  char *rest = NULL;
  errno = 0;
  double exponent = strtod(optarg, &rest);
  if (errno != 0 || rest == optarg || *rest != '\0' || !(exponent >= 0.01 && exponent <= 10)) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "--zipf-exponent must be a number from 0.01 to 10, not '%s'",
                            optarg);
    return false;
  }
  *ret_exponent = exponent;
  return true;
}

/* The index of optarg among `count` words. */
static bool read_word(const char *what, const char *allowed, const char *const *words, size_t count,
                      size_t *ret_index) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(optarg, words[i]) != 0) continue;
    *ret_index = i;
    return true;
  }
  (void)tp_cli_fail_usage(&tp_cli_bench, "%s must be %s, not '%s'", what, allowed, optarg);
  return false;
}

static bool read_name(tp_bench_plan *plan) {
  size_t size = strlen(optarg);
  if (size == 0 || size >= sizeof plan->name ||
      strspn(optarg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != size) {
    (void)tp_cli_fail_usage(&tp_cli_bench,
                            "--name must be 1 to %zu letters, digits, '-', '_' or '.', not '%s'",
                            sizeof plan->name - 1, optarg);
    return false;
  }
  memcpy(plan->name, optarg, size + 1);
  return true;
}

/* ---- Options ---- */

static bool read_load_option(reading_state *reading, int option) {
  static const char *const distributions[] = {"uniform", "zipf"};
  tp_bench_plan *plan = &reading->to->plan;
  uint64_t number = 0;
  size_t index = 0;
  bool ok = true;
  switch (option) {
  case 'c': return read_unsigned("--connections", 1, CONNECTIONS_MAX, &plan->connection_count);
  case 'm': return read_unsigned("--in-flight", 1, IN_FLIGHT_MAX, &plan->in_flight);
  case 't': return read_unsigned("--threads", 1, THREADS_MAX, &plan->thread_count);
  case 'n': return tp_cli_number_parse(&tp_cli_bench, "--keys", optarg, 1, KEYS_MAX, &plan->key_count);
  case 's':
    ok = tp_cli_number_parse(&tp_cli_bench, "--value-size", optarg, 0, TP_BENCH_VALUE_SIZE_MAX, &number);
    plan->value_size = (size_t)number;
    return ok;
  case OPTION_DISTRIBUTION:
    ok = read_word("--distribution", "uniform or zipf", distributions, 2, &index);
    reading->is_zipf = index == 1;
    return ok;
  case OPTION_ZIPF_EXPONENT: return read_exponent(&reading->zipf_exponent);
  case OPTION_BATCH: return read_unsigned("--batch", 1, TP_BENCH_LIST_MAX, &reading->to->batch);
  case OPTION_RATE:
    ok = tp_cli_number_parse(&tp_cli_bench, "--rate", optarg, 1, RATE_MAX, &number);
    plan->rate = (double)number;
    return ok;
  case OPTION_WARM_UP: return read_duration("--warm-up", 0, &plan->warm_up_ms);
  case OPTION_DURATION: return read_duration("--duration", 1, &plan->duration_ms);
  default: return tp_cli_number_parse(&tp_cli_bench, "--seed", optarg, 0, UINT64_MAX, &plan->seed);
  }
}

static bool read_option(reading_state *reading, int option) {
  static const char *const versions[] = {"auto", "1", "2"};
  tp_cli_bench_options *to = reading->to;
  uint64_t number = 0;
  size_t index = 0;
  bool ok = true;
  switch (option) {
  case OPTION_VERSUS:
    if (optarg[0] == '\0') {
      (void)tp_cli_fail_usage(&tp_cli_bench, "--versus needs the path of a file or the URL of a server");
      return false;
    }
    to->versus_path = optarg;
    return true;
  case OPTION_VERSUS_TOKEN_FILE: to->versus_token_path = optarg; return true;
  case OPTION_SLICES:
    ok = tp_cli_number_parse(&tp_cli_bench, "--slices", optarg, 1, TP_CLI_BENCH_SLICES_MAX, &number);
    to->slice_count = (size_t)number;
    return ok;
  case OPTION_HTTP:
    ok = read_word("--http", "auto, 1 or 2", versions, 3, &index);
    to->http = (tp_bench_http)index;
    return ok;
  case OPTION_CA_FILE: to->ca_file = optarg; return true;
  case OPTION_NAME: return read_name(&to->plan);
  case OPTION_KEEP: to->keeps = true; return true;
  case OPTION_REUSE: to->reuses = true; return true;
  default: return read_load_option(reading, option);
  }
}

/* ---- Operands, and what goes together ---- */

static bool read_workload(const char *name, tp_cli_bench_options *to) {
  size_t found = 0;
  while (found < TP_BENCH_WORKLOAD_COUNT &&
         strcmp(name, tp_bench_workload_name((tp_bench_workload)found)) != 0)
    found++;
  if (found == TP_BENCH_WORKLOAD_COUNT) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "'%s' is not a workload", name);
    return false;
  }
  for (size_t i = 0; i < to->workload_count; i++) {
    if (to->workloads[i] != found) continue;
    (void)tp_cli_fail_usage(&tp_cli_bench, "the workload %s is there twice", name);
    return false;
  }
  to->workloads[to->workload_count++] = (tp_bench_workload)found;
  return true;
}

static bool is_url(const char *path) {
  return strncmp(path, "http://", 7) == 0 || strncmp(path, "https://", 8) == 0;
}

static bool check_target(const tp_cli_bench_options *options, const char *path) {
  const tp_bench_plan *plan = &options->plan;
  uint64_t in_flight = (uint64_t)plan->connection_count * plan->in_flight;
  if (!is_url(path)) {
    if (in_flight <= FILE_MAX) return true;
    (void)tp_cli_fail_usage(&tp_cli_bench,
                            "on a file each operation in flight takes a thread: at most %llu, not %llu",
                            (unsigned long long)FILE_MAX, (unsigned long long)in_flight);
    return false;
  }
  if (options->http == TP_BENCH_HTTP_1 && plan->in_flight > 1) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "with --http 1 a connection carries one request at a time: "
                                           "--in-flight must be 1; take more --connections");
    return false;
  }
  return true;
}

static bool check(const tp_cli_context *context, const tp_cli_bench_options *options) {
  const tp_bench_plan *plan = &options->plan;
  if (options->workload_count == 0) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "a workload is missing");
    return false;
  }
  if (context->db_path == NULL) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "--db must say which database gets the load");
    return false;
  }
  if (plan->thread_count > plan->connection_count) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "--threads must be at most --connections (%u), not %u",
                            plan->connection_count, plan->thread_count);
    return false;
  }
  if (options->reuses && plan->name[0] == '\0') {
    (void)tp_cli_fail_usage(&tp_cli_bench, "--reuse needs the --name of what an earlier run has kept");
    return false;
  }
  for (size_t i = 0; i < options->workload_count; i++) {
    bool is_far = is_url(context->db_path) || (options->versus_path != NULL && is_url(options->versus_path));
    if (options->workloads[i] != TP_BENCH_QUEUE || !is_far || plan->thread_count == 1) continue;
    (void)tp_cli_fail_usage(&tp_cli_bench,
                            "queue takes one of the --threads, not %u: any may get each message",
                            plan->thread_count);
    return false;
  }
  if (!check_target(options, context->db_path)) return false;
  return options->versus_path == NULL || check_target(options, options->versus_path);
}

bool tp_cli_bench_options_read(tp_cli_context *context, int argc, char **argv,
                               tp_cli_bench_options *ret_options, tp_cli_exit *ret_exit) {
  *ret_options = (tp_cli_bench_options){.plan = {.key_count = 10000,
                                                 .value_size = 100,
                                                 .connection_count = 8,
                                                 .in_flight = 1,
                                                 .thread_count = 1,
                                                 .warm_up_ms = 1000,
                                                 .duration_ms = 10000,
                                                 .seed = 1},
                                        .slice_count = 10};
  reading_state reading = {.to = ret_options, .zipf_exponent = 0.99};
  tp_cli_options options;
  tp_cli_options_init(&options, &tp_cli_bench, context, argc, argv, long_options,
                      TP_CLI_COMMON_SHORT "c:m:t:n:s:");
  *ret_exit = TP_CLI_EXIT_USAGE;
  for (int option; (option = tp_cli_options_next(&options)) != TP_CLI_OPTION_END;) {
    if (option == TP_CLI_OPTION_STOP) {
      *ret_exit = options.exit;
      return false;
    }
    if (!read_option(&reading, option)) return false;
  }
  for (int i = 0; i < options.operand_count; i++) {
    if (!read_workload(tp_cli_operands(&options)[i], ret_options)) return false;
  }
  if (reading.is_zipf) ret_options->plan.zipf_exponent = reading.zipf_exponent;
  if (!check(context, ret_options)) return false;
  tp_bench_plan plan;
  for (size_t i = 0; i < ret_options->workload_count; i++) {
    if (!tp_cli_bench_options_plan(ret_options, ret_options->workloads[i], &plan)) return false;
  }
  return true;
}

/* `count` keys at a time, of as many as there are. */
static bool check_count(tp_bench_workload workload, const char *what, uint64_t count, uint64_t maximum,
                        uint64_t key_count) {
  if (count > maximum) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "--batch of %s must be at most %llu, not %llu",
                            tp_bench_workload_name(workload), (unsigned long long)maximum,
                            (unsigned long long)count);
    return false;
  }
  if (count > key_count) {
    (void)tp_cli_fail_usage(&tp_cli_bench, "%s %s %llu keys: --keys must not be %llu",
                            tp_bench_workload_name(workload), what, (unsigned long long)count,
                            (unsigned long long)key_count);
    return false;
  }
  return true;
}

bool tp_cli_bench_options_plan(const tp_cli_bench_options *options, tp_bench_workload workload,
                               tp_bench_plan *ret_plan) {
  enum { GETMANY_DEFAULT = 10, LIST_DEFAULT = 100 };
  *ret_plan = options->plan;
  ret_plan->batch = options->batch;
  switch (workload) {
  case TP_BENCH_GETMANY:
    if (options->batch == 0) ret_plan->batch = GETMANY_DEFAULT;
    return check_count(workload, "reads", ret_plan->batch, TP_BENCH_GETMANY_MAX, ret_plan->key_count);
  case TP_BENCH_LIST:
    if (options->batch == 0) ret_plan->batch = LIST_DEFAULT;
    return check_count(workload, "lists", ret_plan->batch, TP_BENCH_LIST_MAX, ret_plan->key_count);
  case TP_BENCH_TRANSFER: return check_count(workload, "changes", 2, UINT64_MAX, ret_plan->key_count);
  default: return true;
  }
}

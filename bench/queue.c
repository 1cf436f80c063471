/* queue.c: measures the queue, in one process and over the network, beside Deno's own, in one run: how long a
 * message takes to its handler, how many a second are enqueued, handled and gone, all durably, how well times
 * are kept, and what a backlog costs. */
#include "bench.h"
#include "machine.h"
#include "page.h"
#include "process.h"
#include "queue_load.h"
#include "queue_time.h"
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LATENCY_COUNT = 300,
  THROUGHPUT_COUNT = 20000,
  DENO_THROUGHPUT_COUNT = 2000, /* it takes as long */
  BACKLOG_SMALL = 1000,
  BACKLOG_DEFAULT = 1000000,
  BACKLOG_MAX = 100000000,
  DRAIN_MAX = 20000
};

typedef struct bench_options {
  const char *directory;
  const char *deno;     /* the program; NULL: it is not measured */
  const char *script;   /* what it runs */
  const char *tuplet;   /* the program that serves; NULL: nothing is measured over the network */
  const char *markdown; /* NULL: none */
  int backlog;
} bench_options;

typedef struct queue_spread {
  int count; /* 0: not measured */
  double median_ms;
  double p99_ms;
  double worst_ms;
} queue_spread;

/* What one side came to. */
typedef struct queue_side {
  queue_spread latency;
  double rate;          /* messages a second */
  queue_spread retries; /* how far they were off; not Deno's, as what follows */
  queue_spread delays;
} queue_side;

typedef struct queue_report {
  const bench_machine *machine;
  const char *command;
  queue_side tuplet;
  queue_side network;
  queue_side deno;
  queue_spread neighbour;
  queue_backlog small;
  queue_backlog large;
} queue_report;

/* ---- Options ---- */

static _Noreturn void help(void) {
  (void)printf("Usage: queue [OPTION...]\n"
               "Measures the queue of libtuplet beside Deno's own, and what a backlog costs.\n\n"
               "  --dir DIR        make the data in a new directory below DIR, which must be on a disk "
               "(default: .)\n"
               "  --deno PROGRAM   Deno's program; without it tuplet is measured alone\n"
               "  --script FILE    what it is to run (default: bench/queue_deno.ts)\n"
               "  --tuplet PROGRAM the program that serves; without it nothing is measured over the network\n"
               "  --backlog N      messages of the large backlog (default: %d)\n"
               "  --markdown FILE  rewrite the measured part of FILE\n"
               "  --help           this\n",
               BACKLOG_DEFAULT);
  exit(EXIT_SUCCESS);
}

static int parse_count(const char *text) {
  char *end;
  long count = strtol(text, &end, 10);
  if (end == text || *end != '\0' || count < BACKLOG_SMALL || count > BACKLOG_MAX)
    bench_fail("--backlog %s: a number from %d to %d is wanted", text, BACKLOG_SMALL, BACKLOG_MAX);
  return (int)count;
}

static bench_options parse_options(int argc, char **argv) {
  static const struct option known[] = {
      {"dir", required_argument, NULL, 'd'},     {"deno", required_argument, NULL, 'o'},
      {"script", required_argument, NULL, 's'},  {"tuplet", required_argument, NULL, 't'},
      {"backlog", required_argument, NULL, 'b'}, {"markdown", required_argument, NULL, 'm'},
      {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
  bench_options options = {.directory = ".", .script = "bench/queue_deno.ts", .backlog = BACKLOG_DEFAULT};
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
    case 'd': options.directory = optarg; break;
    case 'o': options.deno = optarg; break;
    case 's': options.script = optarg; break;
    case 't': options.tuplet = optarg; break;
    case 'b': options.backlog = parse_count(optarg); break;
    case 'm': options.markdown = optarg; break;
    case 'h': help();
    default: exit(EXIT_FAILURE); /* getopt_long has told why */
    }
  }
  if (optind < argc) bench_fail("%s: no such argument; --help lists the options", argv[optind]);
  return options;
}

static char *path_in(const char *directory, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", directory, name) < 0) bench_fail("out of memory");
  return path;
}

/* ---- Measuring ---- */

static int compare_numbers(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static queue_spread spread_of(double *times_ms, int count) {
  qsort(times_ms, (size_t)count, sizeof *times_ms, compare_numbers);
  return (queue_spread){.count = count,
                        .median_ms = times_ms[count / 2],
                        .p99_ms = times_ms[count * 99 / 100],
                        .worst_ms = times_ms[count - 1]};
}

static double rate_of(bench_slice slice) {
  return (double)slice.operations * 1e9 / (double)slice.duration_ns;
}

/* path: or URL. */
static queue_side measure_tuplet(const char *path) {
  queue_side side;
  int64_t latencies_ns[LATENCY_COUNT];
  double latencies_ms[LATENCY_COUNT];
  queue_load_latency(path, LATENCY_COUNT, latencies_ns);
  for (int i = 0; i < LATENCY_COUNT; i++) latencies_ms[i] = (double)latencies_ns[i] / 1e6;
  side.latency = spread_of(latencies_ms, LATENCY_COUNT);
  side.rate = rate_of(queue_load_throughput(path, THROUGHPUT_COUNT));
  double retries_ms[QUEUE_TIME_RETRIES], delays_ms[QUEUE_TIME_INTERVALS];
  queue_time_retries(path, retries_ms);
  side.retries = spread_of(retries_ms, QUEUE_TIME_RETRIES);
  queue_time_delays(path, delays_ms);
  side.delays = spread_of(delays_ms, QUEUE_TIME_INTERVALS);
  return side;
}

static queue_side measure_file(const char *directory) {
  char *path = path_in(directory, "tuplet.sqlite");
  queue_side side = measure_tuplet(path);
  free(path);
  return side;
}

static queue_side measure_network(const bench_options *options, const char *directory) {
  bench_server server;
  if (options->tuplet == NULL) return (queue_side){0};
  char *path = path_in(directory, "served.sqlite");
  bench_server_prepare(&server, directory);
  bench_server_start(&server, options->tuplet, path);
  queue_side side = measure_tuplet(server.url);
  bench_server_stop(&server);
  bench_server_done(&server);
  free(path);
  return side;
}

static queue_spread measure_neighbour(const char *directory) {
  double times_ms[LATENCY_COUNT];
  char *path = path_in(directory, "shared.sqlite");
  queue_time_neighbour(path, LATENCY_COUNT, times_ms);
  free(path);
  return spread_of(times_ms, LATENCY_COUNT);
}

static FILE *start_deno(const bench_options *options, const char *path, pid_t *ret_child) {
  char counts[3][16];
  (void)snprintf(counts[0], sizeof counts[0], "%d", LATENCY_COUNT);
  (void)snprintf(counts[1], sizeof counts[1], "%d", DENO_THROUGHPUT_COUNT);
  (void)snprintf(counts[2], sizeof counts[2], "%d", QUEUE_IN_FLIGHT);
  const char *arguments[] = {options->deno,   "run", "-A",      "--unstable-kv", "--no-config", "--no-lock",
                             options->script, path,  counts[0], counts[1],       counts[2],     NULL};
  int output;
  *ret_child = process_start(arguments, false, &output);
  FILE *lines = fdopen(output, "r");
  if (lines == NULL) bench_fail("reading a pipe failed: %s", strerror(errno));
  return lines;
}

static queue_side measure_deno(const bench_options *options, const char *directory) {
  queue_side side = {0};
  if (options->deno == NULL) return side;
  double latencies_ms[LATENCY_COUNT];
  int count = 0;
  char line[128];
  pid_t child;
  char *path = path_in(directory, "deno.sqlite");
  FILE *lines = start_deno(options, path, &child);
  while (fgets(line, sizeof line, lines) != NULL) {
    if (strncmp(line, "latency ", 8) == 0 && count < LATENCY_COUNT)
      latencies_ms[count++] = strtod(line + 8, NULL);
    if (strncmp(line, "rate ", 5) == 0) side.rate = strtod(line + 5, NULL);
  }
  (void)fclose(lines);
  if (process_wait(child) != 0 || count != LATENCY_COUNT || side.rate <= 0)
    bench_fail("%s did not measure", options->script);
  side.latency = spread_of(latencies_ms, LATENCY_COUNT);
  free(path);
  return side;
}

static queue_backlog measure_backlog(const char *directory, const char *name, int count) {
  char *path = path_in(directory, name);
  queue_backlog backlog = queue_load_backlog(path, count, count < DRAIN_MAX ? count : DRAIN_MAX);
  free(path);
  return backlog;
}

/* ---- The report ---- */

static void write_number(FILE *out, double number) {
  if (number > 0)
    (void)fprintf(out, "%.*f | ", number < 1000 ? 2 : 0, number);
  else
    (void)fprintf(out, "- | ");
}

static void write_ratio(FILE *out, double ours, double deno, bool less_is_better) {
  if (ours > 0 && deno > 0)
    (void)fprintf(out, "%.1f | ", less_is_better ? deno / ours : ours / deno);
  else
    (void)fprintf(out, "- | ");
}

/* numbers: of the file, the network, and Deno. */
static void write_row(FILE *out, const char *title, const double numbers[3], bool less_is_better,
                      const char *aim) {
  (void)fprintf(out, "| %s | ", title);
  for (int i = 0; i < 3; i++) write_number(out, numbers[i]);
  for (int i = 0; i < 2; i++) write_ratio(out, numbers[i], numbers[2], less_is_better);
  (void)fprintf(out, "%s |\n", aim);
}

static void write_times(FILE *out, const char *title, const queue_spread *spread, const char *aim) {
  if (spread->count == 0) return;
  (void)fprintf(out, "| %s | %d | ", title, spread->count);
  write_number(out, spread->median_ms);
  write_number(out, spread->count < 100 ? 0 : spread->p99_ms); /* of fewer it is the worst */
  write_number(out, spread->worst_ms);
  (void)fprintf(out, "%s |\n", aim);
}

static void write_backlog(FILE *out, const queue_backlog *backlog) {
  (void)fprintf(out, "| %d | %.1f | %.1f | %.1f |\n", backlog->messages, 1e6 / rate_of(backlog->filling),
                1e6 / rate_of(backlog->draining), (double)backlog->memory_size / (1 << 20));
}

static void write_report(FILE *out, const void *context) {
  const queue_report *report = context;
  machine_write(report->machine, out, "- ");
  (void)fprintf(
      out,
      "- `%s`\n\n"
      "| queue | tuplet, a file | tuplet, a server | Deno, a file | file better | server better | aim |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
      report->command);
  const queue_side *sides[] = {&report->tuplet, &report->network, &report->deno};
  double medians[3], p99s[3], rates[3];
  for (int i = 0; i < 3; i++) {
    medians[i] = sides[i]->latency.median_ms;
    p99s[i] = sides[i]->latency.p99_ms;
    rates[i] = sides[i]->rate;
  }
  write_row(out, "enqueue to handler, median, ms", medians, true, "10");
  write_row(out, "enqueue to handler, 99th percentile, ms", p99s, true, "-");
  write_row(out, "enqueued, handled and gone, 1/s", rates, false, "5");
  (void)fprintf(out, "\n"
                     "| times, ms | measured | median | 99th percentile | worst | aim |\n"
                     "| --- | ---: | ---: | ---: | ---: | ---: |\n");
  write_times(out, "a retry, off its schedule: a file", &report->tuplet.retries, "worst 20");
  write_times(out, "a retry, off its schedule: a server", &report->network.retries, "worst 20");
  write_times(out, "a delay, off: a file", &report->tuplet.delays, "worst 20");
  write_times(out, "a delay, off: a server", &report->network.delays, "worst 20");
  write_times(out, "another process's enqueue to a handler: a file", &report->neighbour, "99th 20");
  (void)fprintf(out, "\n"
                     "| backlog, messages | filling, µs each | handling, µs each | memory, MiB |\n"
                     "| ---: | ---: | ---: | ---: |\n");
  write_backlog(out, &report->small);
  write_backlog(out, &report->large);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], QUEUE_TIME_NEIGHBOUR) == 0) {
    queue_time_enqueue(argv[2], (int)strtol(argv[3], NULL, 10));
    return EXIT_SUCCESS;
  }
  bench_options options = parse_options(argc, argv);
  char *directory = bench_directory_new(options.directory);
  bench_machine machine;
  machine_look(&machine, directory);
  char *command = bench_command(argc, argv);
  queue_report report = {.machine = &machine, .command = command};
  report.tuplet = measure_file(directory);
  report.network = measure_network(&options, directory);
  report.neighbour = measure_neighbour(directory);
  report.deno = measure_deno(&options, directory);
  report.small = measure_backlog(directory, "small.sqlite", BACKLOG_SMALL);
  report.large = measure_backlog(directory, "large.sqlite", options.backlog);
  write_report(stdout, &report);
  if (options.markdown != NULL) page_rewrite(options.markdown, "queue", write_report, &report);
  free(command);
  free(directory);
  return EXIT_SUCCESS;
}

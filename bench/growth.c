/* growth.c: measures what becomes of reads, writes and opening when a file grows from few keys to many, in
 * one run.
 *
 * Both files are open at the same time and take turns, in slices of a second or less, each first every other
 * time: whatever else the machine does hits both. */
#include "bench.h"
#include "growth_crash.h"
#include "growth_file.h"
#include "growth_load.h"
#include "growth_report.h"
#include "machine.h"
#include "page.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
  FEW_KEYS = 10000,
  MANY_KEYS_DEFAULT = 10000000,
  MANY_KEYS_MIN = 100000,
  MANY_KEYS_MAX = 1000000000,
  SHUFFLED_PART = 20, /* a file of so many times fewer keys is filled in random order */
  CRASH_ROUNDS = 5,
  LONG_LOG_ROUNDS = 2,
  CRASH_LOAD_MS = 2000 /* and a little more each round */
};

/* The log that makes the checkpointer slow commits down: 64,000 pages of 4 KiB, each with its header. */
#define LONG_LOG_SIZE (INT64_C(64000) * (4096 + 24))

typedef struct growth_workload {
  const char *name;
  const char *title;
  double aim; /* 0: none was set */
  size_t slices;
  int64_t slice_ms;
  bench_slice (*run)(growth_load *load, int64_t duration_ns);
} growth_workload;

/* Sets in slices that are long enough for several checkpoints. */
static const growth_workload workloads[] = {
    {"get", "get, 1 thread", 0.5, 15, 250, growth_load_get},
    {"get-bare", "the same of bare SQLite", 0, 15, 250, growth_load_get_bare},
    {"get-mapped", "of bare SQLite, the file mapped into memory", 0, 15, 250, growth_load_get_mapped},
    {"set", "durable set, 1 thread", 0.5, 15, 1000, growth_load_set},
    {"set-threads", "durable set, 64 threads", 0.5, 15, 1000, growth_load_set_threads},
};

enum { WORKLOAD_COUNT = sizeof workloads / sizeof workloads[0] };

static const double first_answer_aim_ms = 1000;

typedef struct bench_options {
  const char *directory;
  const char *tuplet;   /* the program that serves; NULL: nothing is measured over the network */
  const char *markdown; /* NULL: none */
  const char *only;     /* a part's name; NULL: all */
  uint32_t keys;
  bool keep;
  bool shuffled; /* the file of many keys is filled in random order */
} bench_options;

/* ---- Options ---- */

static _Noreturn void help(void) {
  (void)printf("Usage: growth [OPTION...]\n"
               "Measures gets, sets and opening after a crash on a file of many keys, beside one of %d.\n\n"
               "  --dir DIR        make the data in a new directory below DIR, which must be on a disk "
               "(default: .)\n"
               "  --keys N         how many are many (default: %d)\n"
               "  --keep           make the data in DIR/tuplet-growth and leave it there, and use what is "
               "there\n"
               "  --shuffled       fill the large file in random order\n"
               "  --tuplet PROGRAM the program that serves; without it nothing is measured over the network\n"
               "  --markdown FILE  rewrite the measured part of FILE\n"
               "  --help           this\n"
               "  --only PART      one of them alone: fill crash",
               FEW_KEYS, MANY_KEYS_DEFAULT);
  for (int i = 0; i < WORKLOAD_COUNT; i++) (void)printf(" %s", workloads[i].name);
  (void)printf("\n");
  exit(EXIT_SUCCESS);
}

static uint32_t parse_keys(const char *text) {
  char *end;
  long keys = strtol(text, &end, 10);
  if (end == text || *end != '\0' || keys < MANY_KEYS_MIN || keys > MANY_KEYS_MAX)
    bench_fail("--keys %s: a number from %d to %d is wanted", text, MANY_KEYS_MIN, MANY_KEYS_MAX);
  return (uint32_t)keys;
}

static const char *parse_part(const char *name) {
  for (int i = 0; i < WORKLOAD_COUNT; i++) {
    if (strcmp(workloads[i].name, name) == 0) return name;
  }
  if (strcmp(name, "crash") == 0 || strcmp(name, "fill") == 0) return name;
  bench_fail("--only %s: there is no such part; --help lists them", name);
}

static bench_options parse_options(int argc, char **argv) {
  static const struct option known[] = {{"dir", required_argument, NULL, 'd'},
                                        {"keys", required_argument, NULL, 'n'},
                                        {"keep", no_argument, NULL, 'k'},
                                        {"shuffled", no_argument, NULL, 's'},
                                        {"tuplet", required_argument, NULL, 't'},
                                        {"only", required_argument, NULL, 'o'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"markdown", required_argument, NULL, 'm'},
                                        {NULL, 0, NULL, 0}};
  bench_options options = {.directory = ".", .keys = MANY_KEYS_DEFAULT};
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
    case 'd': options.directory = optarg; break;
    case 'n': options.keys = parse_keys(optarg); break;
    case 'k': options.keep = true; break;
    case 's': options.shuffled = true; break;
    case 't': options.tuplet = optarg; break;
    case 'o': options.only = parse_part(optarg); break;
    case 'm': options.markdown = optarg; break;
    case 'h': help();
    default: exit(EXIT_FAILURE); /* getopt_long has told why */
    }
  }
  if (optind < argc) bench_fail("%s: no such argument; --help lists the options", argv[optind]);
  return options;
}

static bool is_wanted(const bench_options *options, const char *part) {
  return options->only == NULL || strcmp(options->only, part) == 0;
}

static char *make_directory(const bench_options *options) {
  if (!options->keep) return bench_directory_new(options->directory);
  char *directory;
  if (asprintf(&directory, "%s/tuplet-growth", options->directory) < 0) bench_fail("out of memory");
  if (mkdir(directory, 0700) != 0 && errno != EEXIST)
    bench_fail("making %s failed: %s", directory, strerror(errno));
  return directory;
}

/* ---- Measuring ---- */

typedef struct measured {
  growth_filling fillings[3];
  size_t filling_count;
  growth_row rows[WORKLOAD_COUNT];
  size_t row_count;
  growth_crashes crashes[2];
  size_t crash_count;
} measured;

/* What goes on, for who waits: minutes pass. */
static void tell(const char *what) {
  (void)fprintf(stderr, "bench: %s\n", what);
}

static void fill(const growth_file *file, const char *order, bool shuffled, measured *results) {
  growth_filling *filling = &results->fillings[results->filling_count++];
  *filling = (growth_filling){.keys = file->keys, .order = order};
  if (!growth_file_is_filled(file)) {
    bench_slice slice = growth_file_fill(file, shuffled);
    filling->row_us = (double)slice.duration_ns / 1000 / (double)slice.operations;
  }
  filling->size_mib = (double)growth_file_size(file) / (1 << 20);
}

static void fill_all(const bench_options *options, const char *directory, const growth_file *few,
                     const growth_file *many, measured *results) {
  tell("filling");
  fill(few, "keys", false, results);
  fill(many, options->shuffled ? "chance" : "keys", options->shuffled, results);
  if (!is_wanted(options, "fill")) return;
  growth_file shuffled;
  growth_file_init(&shuffled, directory, "shuffled", options->keys / SHUFFLED_PART);
  fill(&shuffled, "chance", true, results);
  growth_file_done(&shuffled);
}

static double run_slice(const growth_workload *workload, growth_load *load, int64_t duration_ns) {
  growth_file_settle(load->file); /* neither file waits for what was written to the other */
  bench_slice slice = workload->run(load, duration_ns);
  return (double)slice.operations * 1e9 / (double)slice.duration_ns;
}

static void measure(const growth_workload *workload, growth_load *few, growth_load *many,
                    growth_row *ret_row) {
  tell(workload->title);
  *ret_row = (growth_row){.title = workload->title, .aim = workload->aim, .slice_count = workload->slices};
  int64_t slice_ns = workload->slice_ms * 1000000;
  (void)run_slice(workload, few, slice_ns); /* fills the caches */
  (void)run_slice(workload, many, slice_ns);
  for (size_t i = 0; i < workload->slices; i++) {
    if (i % 2 == 0) ret_row->few[i] = run_slice(workload, few, slice_ns);
    ret_row->many[i] = run_slice(workload, many, slice_ns);
    if (i % 2 != 0) ret_row->few[i] = run_slice(workload, few, slice_ns);
  }
}

static void measure_all(const bench_options *options, const growth_file *few, const growth_file *many,
                        measured *results) {
  growth_load few_load, many_load;
  growth_load_init(&few_load, few);
  growth_load_init(&many_load, many);
  growth_file_warm(few);
  growth_file_warm(many);
  for (int i = 0; i < WORKLOAD_COUNT; i++) {
    if (!is_wanted(options, workloads[i].name)) continue;
    measure(&workloads[i], &few_load, &many_load, &results->rows[results->row_count++]);
  }
  growth_load_done(&few_load);
  growth_load_done(&many_load);
}

/* A server that is prepared, or NULL. */
static void crash(const growth_file *file, const char *title, size_t rounds, int64_t log_size_min,
                  bench_server *server, const char *program, growth_crashes *ret_crashes) {
  tell(title);
  *ret_crashes = (growth_crashes){.title = title, .aim_ms = first_answer_aim_ms, .round_count = rounds};
  for (size_t i = 0; i < rounds; i++) {
    int64_t load_ms = CRASH_LOAD_MS + (int64_t)i * CRASH_LOAD_MS / 11; /* each time at another moment */
    growth_crash one = growth_crash_round(file, load_ms, log_size_min, server, program);
    ret_crashes->acknowledged += one.acknowledged;
    ret_crashes->log_mib[i] = (double)one.log_size / (1 << 20);
    ret_crashes->open_ms[i] = (double)one.open_ns / 1e6;
    ret_crashes->process_ms[i] = (double)one.process_ns / 1e6;
    ret_crashes->server_ms[i] = (double)one.server_ns / 1e6;
  }
}

static void crash_all(const bench_options *options, const char *directory, const growth_file *many,
                      measured *results) {
  if (!is_wanted(options, "crash")) return;
  bench_server prepared, *server = NULL;
  if (options->tuplet != NULL) {
    bench_server_prepare(&prepared, directory);
    server = &prepared;
  }
  crash(many, "64 threads", CRASH_ROUNDS, 0, server, options->tuplet, &results->crashes[0]);
  crash(many, "64 threads, and a reader that stays", LONG_LOG_ROUNDS, LONG_LOG_SIZE, server, options->tuplet,
        &results->crashes[1]);
  results->crash_count = 2;
  if (server != NULL) bench_server_done(server);
}

/* Whether it is one of the processes that this program starts; then it has done its work. */
static bool has_run_as_other(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], GROWTH_WRITER) == 0) {
    growth_crash_write(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10),
                       strcmp(argv[5], "1") == 0);
    return true;
  }
  if (argc == 4 && strcmp(argv[1], GROWTH_OPENER) == 0) {
    growth_crash_open(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  if (has_run_as_other(argc, argv)) return EXIT_SUCCESS;
  bench_options options = parse_options(argc, argv);
  char *directory = make_directory(&options);
  bench_machine machine;
  machine_look(&machine, directory);
  growth_file few, many;
  growth_file_init(&few, directory, "few", FEW_KEYS);
  growth_file_init(&many, directory, "many", options.keys);

  measured results = {0};
  fill_all(&options, directory, &few, &many, &results);
  measure_all(&options, &few, &many, &results);
  crash_all(&options, directory, &many, &results);

  char *command = bench_command(argc, argv);
  growth_report report = {.machine = &machine,
                          .command = command,
                          .few_keys = few.keys,
                          .many_keys = many.keys,
                          .fillings = results.fillings,
                          .filling_count = results.filling_count,
                          .rows = results.rows,
                          .row_count = results.row_count,
                          .crashes = results.crashes,
                          .crash_count = results.crash_count};
  growth_report_write(stdout, &report);
  if (options.markdown != NULL) page_rewrite(options.markdown, "growth", growth_report_write, &report);
  free(command);
  growth_file_done(&few);
  growth_file_done(&many);
  free(directory);
  return EXIT_SUCCESS;
}

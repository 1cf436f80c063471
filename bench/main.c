/* main.c: measures the library beside bare SQLite and bare fdatasync, in one run.
 *
 * Both sides of a workload run in slices of a fraction of a second, one side's next to the other's, and each
 * goes first every other time: whatever else the machine does hits both. */
#include "bench.h"
#include "dataset.h"
#include "library.h"
#include "machine.h"
#include "report.h"
#include "sqlite_peer.h"
#include "sync_peer.h"

#include <assert.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES = 21, SECONDS_DEFAULT = 90, SECONDS_MAX = 86400 };

/* The bare side is one of `sqlite` and `sync`. */
typedef struct bench_workload {
  const char *name;
  const char *title;
  const char *bare_title;
  dataset_kind kind;
  bench_slice (*tuplet)(library *side, int64_t duration_ns);
  bench_slice (*sqlite)(sqlite_peer *side, int64_t duration_ns);
  bench_slice (*sync)(sync_peer *side, int64_t duration_ns);
} bench_workload;

static const bench_workload workloads[] = {
    {"get", "get, hot", "prepared SELECT, a read transaction each", DATASET_HOT, library_get, sqlite_peer_get,
     NULL},
    {"get-held", "get, hot", "prepared SELECT, one BEGIN over all", DATASET_HOT, library_get,
     sqlite_peer_get_held, NULL},
    {"set", "durable set", "upsert, a commit each", DATASET_HOT, library_set, sqlite_peer_set, NULL},
    {"set-sync", "durable set", "a page and fdatasync", DATASET_HOT, library_set, NULL, sync_peer_write},
    {"set-threads", "durable set, 64 threads", "upsert, a commit each, 1 thread", DATASET_HOT,
     library_set_threads, sqlite_peer_set, NULL},
    {"set-async", "durable set, 64 in flight", "upsert, a commit each, 1 thread", DATASET_HOT,
     library_set_async, sqlite_peer_set, NULL},
    {"sum-threads", "durable sum, one key, 64 threads", "read and upsert, a commit each, 1 thread",
     DATASET_HOT, library_sum_threads, sqlite_peer_sum, NULL},
    {"list", "list of 100,000 rows, rows", "one range SELECT", DATASET_LIST, library_list, sqlite_peer_list,
     NULL},
    {"list-1000", "the same, batch_size 1000, rows", "one range SELECT", DATASET_LIST, library_list_batch_max,
     sqlite_peer_list, NULL},
};

enum { WORKLOAD_COUNT = sizeof workloads / sizeof workloads[0] };

typedef struct bench_options {
  const char *directory;
  const char *only; /* a workload's name; NULL: all */
  bool tuplet;
  bool bare;
  bool json;
  double seconds;
} bench_options;

/* ---- Options ---- */

static _Noreturn void help(void) {
  (void)printf(
      "Usage: library [OPTION...]\n"
      "Measures libtuplet beside bare SQLite and bare fdatasync: how often a second, and the ratio of the "
      "two.\n"
      "`make bench` runs it as a part of all that is measured.\n\n"
      "  --dir DIR        make the data in a new directory below DIR, which must be on a disk (default: .)\n"
      "  --seconds N      measure for about N seconds in all (default: %d)\n"
      "  --json           print an object with the rates of all slices instead of a table\n"
      "  --only WORKLOAD  one of them alone:",
      SECONDS_DEFAULT);
  for (int i = 0; i < WORKLOAD_COUNT; i++) (void)printf(" %s", workloads[i].name);
  (void)printf("\n"
               "  --side SIDE      tuplet or bare alone: for a profiler\n"
               "  --help           this\n");
  exit(EXIT_SUCCESS);
}

static double parse_seconds(const char *text) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds > 0 && seconds <= SECONDS_MAX)) {
    bench_fail("--seconds %s: a number above 0 and up to %d is wanted", text, SECONDS_MAX);
  }
  return seconds;
}

static const char *parse_workload(const char *name) {
  for (int i = 0; i < WORKLOAD_COUNT; i++) {
    if (strcmp(workloads[i].name, name) == 0) return name;
  }
  bench_fail("--only %s: there is no such workload; --help lists them", name);
}

static void parse_side(const char *name, bench_options *options) {
  options->tuplet = strcmp(name, "tuplet") == 0;
  options->bare = strcmp(name, "bare") == 0;
  if (!options->tuplet && !options->bare) bench_fail("--side %s: tuplet or bare is wanted", name);
}

static bench_options parse_options(int argc, char **argv) {
  static const struct option known[] = {{"dir", required_argument, NULL, 'd'},
                                        {"seconds", required_argument, NULL, 's'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"only", required_argument, NULL, 'o'},
                                        {"side", required_argument, NULL, 'x'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  bench_options options = {.directory = ".", .tuplet = true, .bare = true, .seconds = SECONDS_DEFAULT};
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
    case 'd': options.directory = optarg; break;
    case 's': options.seconds = parse_seconds(optarg); break;
    case 'j': options.json = true; break;
    case 'o': options.only = parse_workload(optarg); break;
    case 'x': parse_side(optarg, &options); break;
    case 'h': help();
    default: exit(EXIT_FAILURE); /* getopt_long has told why */
    }
  }
  if (optind < argc) bench_fail("%s: no such argument; --help lists the options", argv[optind]);
  return options;
}

/* ---- Measuring ---- */

/* 0 for what was not measured. */
static double rate_of(bench_slice slice) {
  return slice.duration_ns == 0 ? 0 : (double)slice.operations * 1e9 / (double)slice.duration_ns;
}

/* What is measured beside each other; a side that is not wanted is NULL. */
typedef struct bench_sides {
  const bench_workload *workload;
  const dataset *data;
  library *tuplet;
  sqlite_peer *sqlite;
  sync_peer *sync;
} bench_sides;

static bench_slice run_tuplet(const bench_sides *sides, int64_t duration_ns) {
  if (sides->tuplet == NULL) return (bench_slice){0};
  dataset_settle(sides->data);
  return sides->workload->tuplet(sides->tuplet, duration_ns);
}

static bench_slice run_bare(const bench_sides *sides, int64_t duration_ns) {
  if (sides->sqlite == NULL && sides->sync == NULL) return (bench_slice){0};
  dataset_settle(sides->data);
  if (sides->sync != NULL) return sides->workload->sync(sides->sync, duration_ns);
  return sides->workload->sqlite(sides->sqlite, duration_ns);
}

/* One slice of each side; the number decides who goes first. */
static void run_pair(const bench_sides *sides, size_t number, int64_t duration_ns, report_row *row) {
  bench_slice ours, theirs;
  if (number % 2 == 0) {
    ours = run_tuplet(sides, duration_ns);
    theirs = run_bare(sides, duration_ns);
  } else {
    theirs = run_bare(sides, duration_ns);
    ours = run_tuplet(sides, duration_ns);
  }
  if (sides->tuplet != NULL && sides->sqlite != NULL && ours.checksum != theirs.checksum) {
    bench_fail("%s: the two sides did not read the same", sides->workload->name);
  }
  row->tuplet[number] = rate_of(ours);
  row->bare[number] = rate_of(theirs);
}

static void measure(const bench_workload *workload, dataset *data, const bench_options *options,
                    int64_t slice_ns, report_row *ret_row) {
  *ret_row =
      (report_row){.name = workload->name, .title = workload->title, .bare_title = workload->bare_title};
  dataset_fill(data, workload->kind);
  bench_sides sides = {.workload = workload, .data = data};
  if (options->tuplet) sides.tuplet = library_open(data, workload->kind);
  if (options->bare && workload->sqlite != NULL) sides.sqlite = sqlite_peer_open(data, workload->kind);
  if (options->bare && workload->sync != NULL) sides.sync = sync_peer_open(data);
  run_pair(&sides, 0, slice_ns / 4, ret_row); /* fills the caches; measured over below */
  for (size_t i = 0; i < SLICES; i++) run_pair(&sides, i, slice_ns, ret_row);
  ret_row->slice_count = SLICES;
  library_close(sides.tuplet);
  sqlite_peer_close(sides.sqlite);
  sync_peer_close(sides.sync);
}

int main(int argc, char **argv) {
  bench_options options = parse_options(argc, argv);
  dataset *data = dataset_new(options.directory);
  bench_machine machine;
  machine_look(&machine, data->directory);

  int sides = (options.tuplet ? 1 : 0) + (options.bare ? 1 : 0);
  assert(sides > 0); /* see parse_side() */
  int workload_count = options.only == NULL ? WORKLOAD_COUNT : 1;
  int64_t slice_ns = (int64_t)(options.seconds * 1e9) / ((int64_t)workload_count * sides * SLICES);
  report_row rows[WORKLOAD_COUNT];
  size_t row_count = 0;
  for (int i = 0; i < WORKLOAD_COUNT; i++) {
    if (options.only != NULL && strcmp(options.only, workloads[i].name) != 0) continue;
    measure(&workloads[i], data, &options, slice_ns, &rows[row_count++]);
  }

  bench_report report = {.machine = &machine, .rows = rows, .row_count = row_count};
  if (options.json) {
    report_print_json(&report);
  } else {
    report_print(&report);
  }
  dataset_free(data);
  return EXIT_SUCCESS;
}

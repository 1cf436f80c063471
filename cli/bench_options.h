/* bench_options.h: the command line of `tuplet bench`. */
#ifndef TP_CLI_BENCH_OPTIONS_H
#define TP_CLI_BENCH_OPTIONS_H

#include "bench/plan.h"
#include "options.h"

enum { TP_CLI_BENCH_SLICES_MAX = 1000 };

typedef struct tp_cli_bench_options {
  tp_bench_plan plan;
  tp_bench_workload workloads[TP_BENCH_WORKLOAD_COUNT]; /* each once, in the order given */
  size_t workload_count;
  unsigned batch; /* 0: that of each workload */
  tp_bench_http http;
  const char *ca_file;
  const char *versus_path; /* NULL: there is one target only */
  const char *versus_token_path;
  size_t slice_count;
  bool keeps;  /* what was written stays */
  bool reuses; /* what an earlier run has left is there */
} tp_cli_bench_options;

/* Reads the command line. False when the command is to return *ret_exit: help was printed, or a mistake
 * reported. */
bool tp_cli_bench_options_read(tp_cli_context *context, int argc, char **argv,
                               tp_cli_bench_options *ret_options, tp_cli_exit *ret_exit);

/* The plan of one workload; a number that does not go with it is reported and false returned. */
bool tp_cli_bench_options_plan(const tp_cli_bench_options *options, tp_bench_workload workload,
                               tp_bench_plan *ret_plan);

#endif

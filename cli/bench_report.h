/* bench_report.h: what `tuplet bench` prints: results as a table or as JSON lines, and its progress. */
#ifndef TP_CLI_BENCH_REPORT_H
#define TP_CLI_BENCH_REPORT_H

#include "bench/session.h"
#include "bench_options.h"

/* One workload as it was measured on one target. */
typedef struct tp_cli_bench_row {
  tp_bench_workload workload;
  const tp_bench_plan *plan;
  const tp_bench_session *session;
  const tp_bench_result *result;
  bool is_verified; /* transfers: the accounts hold together what they did before */
} tp_cli_bench_row;

/* Of two targets, by turns: what each slice came to, never 0. */
typedef struct tp_cli_bench_slices {
  const double *first_rates, *second_rates;
  size_t count;
} tp_cli_bench_slices;

/* The target, and what all rows have in common. */
void tp_cli_bench_print_head(tp_cli_context *context, const tp_bench_session *session,
                             const tp_bench_plan *plan);
/* Errors (of memory) are reported. */
tp_cli_exit tp_cli_bench_print_row(tp_cli_context *context, const tp_cli_bench_row *row);
tp_cli_exit tp_cli_bench_print_slices(tp_cli_context *context, tp_bench_workload workload,
                                      const tp_cli_bench_slices *slices);

/* Where what was written is kept. */
void tp_cli_bench_print_kept(tp_cli_context *context, const tp_bench_plan *plan);

/* The middle of `count` numbers, at least one; they are put in order. */
double tp_cli_bench_median(double *numbers, size_t count);

/* One line on standard error that is written anew each time, and taken away. */
void tp_cli_bench_progress(tp_bench_workload workload, double seconds, const tp_bench_tally *tally);
void tp_cli_bench_progress_end(void);

#endif

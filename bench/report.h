/* report.h: what was measured, as a table for readers and as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"

#include <stddef.h>

enum { REPORT_SLICES_MAX = 64 };

/* A workload and what came of it: operations a second, slice by slice, of both sides; slices of the same
 * number ran next to each other. */
typedef struct report_row {
  const char *name;
  const char *title;
  const char *bare_title; /* what the bare side does */
  double tuplet[REPORT_SLICES_MAX];
  double bare[REPORT_SLICES_MAX];
  size_t slice_count;
} report_row;

typedef struct bench_report {
  const bench_machine *machine;
  const report_row *rows;
  size_t row_count;
} bench_report;

/* A side that was not measured is shown as "-". */
void report_print(const bench_report *report);

/* One object: "sqlite" and "compiler", the versions; "workloads", an array of objects with name, title,
 * bareTitle, and the rates of both sides' slices, tuplet and bare; empty for a side that was not measured. */
void report_print_json(const bench_report *report);

#endif

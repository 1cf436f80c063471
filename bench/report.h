/* report.h: what was measured, as a table for readers and as a part of a Markdown page. */
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
  const char *peer; /* what bare SQLite does beside it */
  double aim;       /* the smallest ratio that is good enough; 0: none was set */
  double tuplet[REPORT_SLICES_MAX];
  double sqlite[REPORT_SLICES_MAX];
  size_t slice_count;
} report_row;

typedef struct bench_report {
  const bench_machine *machine;
  const char *command;
  const report_row *rows;
  size_t row_count;
} bench_report;

/* A side that was not measured is shown as "-". */
void report_print(const bench_report *report);

/* Rewrites what stands between the page's two marker lines; ends the program if they are not there. */
void report_write_markdown(const bench_report *report, const char *path);

#endif

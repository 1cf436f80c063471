/* growth_report.h: what growth costs, in tables for readers and for a Markdown page. */
#ifndef BENCH_GROWTH_REPORT_H
#define BENCH_GROWTH_REPORT_H

#include "machine.h"
#include "spread.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { GROWTH_SLICES_MAX = 64, GROWTH_ROUNDS_MAX = 16 };

/* A workload on both files: operations a second, slice by slice; those of the same number ran next to each
 * other. */
typedef struct growth_row {
  const char *title;
  double aim; /* the smallest ratio of many to few that is good enough; 0: none was set */
  double few[GROWTH_SLICES_MAX];
  double many[GROWTH_SLICES_MAX];
  size_t slice_count;
} growth_row;

/* A file and how it was filled. */
typedef struct growth_filling {
  uint32_t keys;
  const char *order;
  double row_us; /* 0: it was there */
  double size_mib;
} growth_filling;

/* Rounds of killing and opening. */
typedef struct growth_crashes {
  const char *title;
  double aim_ms; /* the first answer comes no later; 0: none was set */
  uint64_t acknowledged;
  double log_mib[GROWTH_ROUNDS_MAX];
  double open_ms[GROWTH_ROUNDS_MAX];
  double process_ms[GROWTH_ROUNDS_MAX];
  double server_ms[GROWTH_ROUNDS_MAX]; /* 0: there was none */
  size_t round_count;
} growth_crashes;

typedef struct growth_report {
  const bench_machine *machine;
  const char *command;
  uint32_t few_keys;
  uint32_t many_keys;
  const growth_filling *fillings;
  size_t filling_count;
  const growth_row *rows;
  size_t row_count;
  const growth_crashes *crashes;
  size_t crash_count;
} growth_report;

/* Parts that were not measured are left out. context: a growth_report. */
void growth_report_write(FILE *out, const void *context);

#endif

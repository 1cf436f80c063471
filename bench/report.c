/* report.c: medians and ratios, and how they are shown. */
#include "report.h"

#include "bench.h"
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers ---- */

typedef struct report_spread {
  double minimum;
  double median;
  double maximum;
} report_spread;

static int compare_numbers(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static report_spread spread_of(const double *numbers, size_t count) {
  double sorted[REPORT_SLICES_MAX] = {0};
  if (count == 0) return (report_spread){0};
  memcpy(sorted, numbers, count * sizeof *numbers);
  qsort(sorted, count, sizeof *sorted, compare_numbers);
  return (report_spread){sorted[0], (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[count - 1]};
}

/* tuplet's throughput as a part of its peer's, pair by pair; all zero when only one side was measured. */
static report_spread ratio_of(const report_row *row) {
  double ratios[REPORT_SLICES_MAX];
  for (size_t i = 0; i < row->slice_count; i++) {
    if (row->tuplet[i] <= 0 || row->sqlite[i] <= 0) return (report_spread){0};
    ratios[i] = row->tuplet[i] / row->sqlite[i];
  }
  return spread_of(ratios, row->slice_count);
}

/* ---- Cells ---- */

typedef struct report_cells {
  char tuplet[32];
  char sqlite[32];
  char ratio[64];
  char aim[16];
} report_cells;

/* 1234567 as "1,234,567"; "-" for what was not measured. */
static void format_rate(double rate, char *ret_text, size_t size) {
  if (rate <= 0) {
    (void)snprintf(ret_text, size, "-");
    return;
  }
  char digits[32];
  int length = snprintf(digits, sizeof digits, "%.0f", rate);
  size_t used = 0;
  for (int i = 0; i < length && used + 2 < size; i++) {
    if (i > 0 && (length - i) % 3 == 0) ret_text[used++] = ',';
    ret_text[used++] = digits[i];
  }
  ret_text[used] = '\0';
}

static report_cells cells_of(const report_row *row) {
  report_cells cells;
  format_rate(spread_of(row->tuplet, row->slice_count).median, cells.tuplet, sizeof cells.tuplet);
  format_rate(spread_of(row->sqlite, row->slice_count).median, cells.sqlite, sizeof cells.sqlite);
  report_spread ratio = ratio_of(row);
  if (ratio.median > 0) {
    (void)snprintf(cells.ratio, sizeof cells.ratio, "%.2f (%.2f to %.2f)", ratio.median, ratio.minimum,
                   ratio.maximum);
  } else {
    (void)snprintf(cells.ratio, sizeof cells.ratio, "-");
  }
  if (row->aim > 0) {
    (void)snprintf(cells.aim, sizeof cells.aim, "%g", row->aim);
  } else {
    (void)snprintf(cells.aim, sizeof cells.aim, "-");
  }
  return cells;
}

/* ---- The table ---- */

void report_print(const bench_report *report) {
  machine_write(report->machine, stdout, "");
  (void)printf("\n%-44s %12s %14s   %-24s %s\n", "", "tuplet/s", "bare SQLite/s", "ratio", "aim");
  for (size_t i = 0; i < report->row_count; i++) {
    report_cells cells = cells_of(&report->rows[i]);
    (void)printf("%-44s %12s %14s   %-24s %s\n", report->rows[i].title, cells.tuplet, cells.sqlite,
                 cells.ratio, cells.aim);
  }
}

/* ---- The page ---- */

static void write_block(FILE *out, const void *context) {
  const bench_report *report = context;
  machine_write(report->machine, out, "- ");
  (void)fprintf(out, "- `%s`\n\n", report->command);
  (void)fprintf(out,
                "| workload | bare SQLite does | tuplet, 1/s | SQLite, 1/s | ratio (min to max) | aim |\n");
  (void)fprintf(out, "| --- | --- | ---: | ---: | ---: | ---: |\n");
  for (size_t i = 0; i < report->row_count; i++) {
    report_cells cells = cells_of(&report->rows[i]);
    (void)fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", report->rows[i].title, report->rows[i].peer,
                  cells.tuplet, cells.sqlite, cells.ratio, cells.aim);
  }
}

void report_write_markdown(const bench_report *report, const char *path) {
  page_rewrite(path, "measured", write_block, report);
}

/* report.c: medians and ratios, and how they are shown. */
#include "report.h"

#include "spread.h"

#include <stdio.h>

/* ---- Numbers ---- */

/* tuplet's throughput as a part of the bare side's, pair by pair; all zero when only one side was measured.
 */
static bench_spread ratio_of(const report_row *row) {
  double ratios[REPORT_SLICES_MAX];
  for (size_t i = 0; i < row->slice_count; i++) {
    if (row->tuplet[i] <= 0 || row->bare[i] <= 0) return (bench_spread){0};
    ratios[i] = row->tuplet[i] / row->bare[i];
  }
  return spread_of(ratios, row->slice_count);
}

/* ---- Cells ---- */

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

/* ---- The table ---- */

static void print_row(const report_row *row) {
  char tuplet[32], bare[32];
  format_rate(spread_of(row->tuplet, row->slice_count).median, tuplet, sizeof tuplet);
  format_rate(spread_of(row->bare, row->slice_count).median, bare, sizeof bare);
  (void)printf("%-36s %-42s %10s %10s   ", row->title, row->bare_title, tuplet, bare);
  bench_spread ratio = ratio_of(row);
  if (ratio.median > 0) {
    (void)printf("%.2f (%.2f to %.2f)\n", ratio.median, ratio.minimum, ratio.maximum);
  } else {
    (void)printf("-\n");
  }
}

void report_print(const bench_report *report) {
  machine_write(report->machine, stdout, "");
  (void)printf("\n%-36s %-42s %10s %10s   %s\n", "", "beside", "tuplet/s", "bare/s", "ratio");
  for (size_t i = 0; i < report->row_count; i++) print_row(&report->rows[i]);
}

/* ---- JSON ---- */

static void print_rates(const char *name, const double *rates, size_t count) {
  (void)printf(",\"%s\":[", name);
  for (size_t i = 0; i < count && rates[i] > 0; i++) (void)printf("%s%.3f", i > 0 ? "," : "", rates[i]);
  (void)printf("]");
}

/* The titles are the program's own, and have nothing in them that JSON would escape. */
void report_print_json(const bench_report *report) {
  (void)printf("{\"sqlite\":\"%s\",\"compiler\":\"%s\",\"workloads\":[", machine_sqlite_version(),
               machine_compiler());
  for (size_t i = 0; i < report->row_count; i++) {
    const report_row *row = &report->rows[i];
    (void)printf("%s{\"name\":\"%s\",\"title\":\"%s\",\"bareTitle\":\"%s\"", i > 0 ? "," : "", row->name,
                 row->title, row->bare_title);
    print_rates("tuplet", row->tuplet, row->slice_count);
    print_rates("bare", row->bare, row->slice_count);
    (void)printf("}");
  }
  (void)printf("]}\n");
}

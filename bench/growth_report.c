/* growth_report.c: what growth costs, in tables. */
#include "growth_report.h"

#include "bench.h"

#include <inttypes.h>

/* 1234567 as "1,234,567". */
static void write_count(FILE *out, uint64_t count) {
  char digits[32];
  int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) (void)fputc(',', out);
    (void)fputc(digits[i], out);
  }
}

static void write_rate(FILE *out, double rate) {
  write_count(out, (uint64_t)(rate + 0.5));
  (void)fprintf(out, " | ");
}

static void write_ratio(FILE *out, const growth_row *row) {
  double ratios[GROWTH_SLICES_MAX];
  for (size_t i = 0; i < row->slice_count; i++) ratios[i] = row->many[i] / row->few[i];
  bench_spread ratio = spread_of(ratios, row->slice_count);
  (void)fprintf(out, "%.2f (%.2f to %.2f) | ", ratio.median, ratio.minimum, ratio.maximum);
  if (row->aim > 0)
    (void)fprintf(out, "%g |\n", row->aim);
  else
    (void)fprintf(out, "- |\n");
}

static void write_rows(FILE *out, const growth_report *report) {
  if (report->row_count == 0) return;
  (void)fprintf(out, "\n| operations a second | ");
  write_count(out, report->few_keys);
  (void)fprintf(out, " keys | ");
  write_count(out, report->many_keys);
  (void)fprintf(out, " keys | many / few (min to max) | aim |\n| --- | ---: | ---: | ---: | ---: |\n");
  for (size_t i = 0; i < report->row_count; i++) {
    const growth_row *row = &report->rows[i];
    (void)fprintf(out, "| %s | ", row->title);
    write_rate(out, spread_of(row->few, row->slice_count).median);
    write_rate(out, spread_of(row->many, row->slice_count).median);
    write_ratio(out, row);
  }
}

static void write_fillings(FILE *out, const growth_report *report) {
  if (report->filling_count == 0) return;
  (void)fprintf(out, "\n| filled with keys | in the order of | file, MiB | µs a key |\n"
                     "| ---: | --- | ---: | ---: |\n");
  for (size_t i = 0; i < report->filling_count; i++) {
    const growth_filling *filling = &report->fillings[i];
    (void)fprintf(out, "| ");
    write_count(out, filling->keys);
    (void)fprintf(out, " | %s | %.0f | ", filling->order, filling->size_mib);
    if (filling->row_us > 0)
      (void)fprintf(out, "%.1f |\n", filling->row_us);
    else
      (void)fprintf(out, "- |\n");
  }
}

/* The median, and the largest, which is what counts. */
static void write_times(FILE *out, const double *times_ms, size_t count) {
  bench_spread spread = spread_of(times_ms, count);
  if (spread.maximum > 0)
    (void)fprintf(out, "%.0f (%.0f) | ", spread.median, spread.maximum);
  else
    (void)fprintf(out, "- | ");
}

static void write_crashes(FILE *out, const growth_report *report) {
  if (report->crash_count == 0) return;
  (void)fprintf(out,
                "\n| killed while writing | rounds | acknowledged, all there | log left, MiB (most) "
                "| open and get, ms (worst) | with the process | `tuplet serve` to an answer, ms (worst) "
                "| aim |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (size_t i = 0; i < report->crash_count; i++) {
    const growth_crashes *crashes = &report->crashes[i];
    (void)fprintf(out, "| %s | %zu | ", crashes->title, crashes->round_count);
    write_count(out, crashes->acknowledged);
    (void)fprintf(out, " | ");
    write_times(out, crashes->log_mib, crashes->round_count);
    write_times(out, crashes->open_ms, crashes->round_count);
    write_times(out, crashes->process_ms, crashes->round_count);
    write_times(out, crashes->server_ms, crashes->round_count);
    if (crashes->aim_ms > 0)
      (void)fprintf(out, "worst %.0f |\n", crashes->aim_ms);
    else
      (void)fprintf(out, "- |\n");
  }
}

void growth_report_write(FILE *out, const void *context) {
  const growth_report *report = context;
  machine_write(report->machine, out, "- ");
  (void)fprintf(out, "- `%s`\n", report->command);
  write_rows(out, report);
  write_crashes(out, report);
  write_fillings(out, report);
}

/* report.c: medians and ratios, and how they are shown. */
#include "report.h"

#include "bench.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef __clang__
static const char compiler[] = "clang";
#else
static const char compiler[] = "gcc";
#endif
static const char begin_marker[] = "<!-- measured: begin -->\n";
static const char end_marker[] = "<!-- measured: end -->\n";

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

static void write_machine(const bench_report *report, FILE *out, const char *bullet) {
  const bench_machine *machine = report->machine;
  (void)fprintf(out, "%s%s, %ld cores, %s, load %.1f when it began\n", bullet, machine->cpu, machine->cores,
                machine->kernel, machine->load);
  (void)fprintf(out, "%sdata on %s; one fdatasync of 8 KiB there takes %.0f µs\n", bullet,
                machine->file_system, machine->sync_us);
  (void)fprintf(out, "%sSQLite %s, compiled by %s %s, %s\n", bullet, sqlite3_libversion(), compiler,
                __VERSION__, machine->date);
}

void report_print(const bench_report *report) {
  write_machine(report, stdout, "");
  (void)printf("\n%-44s %12s %14s   %-24s %s\n", "", "tuplet/s", "bare SQLite/s", "ratio", "aim");
  for (size_t i = 0; i < report->row_count; i++) {
    report_cells cells = cells_of(&report->rows[i]);
    (void)printf("%-44s %12s %14s   %-24s %s\n", report->rows[i].title, cells.tuplet, cells.sqlite,
                 cells.ratio, cells.aim);
  }
}

/* ---- The page ---- */

static void write_block(const bench_report *report, FILE *out) {
  (void)fprintf(out, "%s", begin_marker);
  write_machine(report, out, "- ");
  (void)fprintf(out, "- `%s`\n\n", report->command);
  (void)fprintf(out,
                "| workload | bare SQLite does | tuplet, 1/s | SQLite, 1/s | ratio (min to max) | aim |\n");
  (void)fprintf(out, "| --- | --- | ---: | ---: | ---: | ---: |\n");
  for (size_t i = 0; i < report->row_count; i++) {
    report_cells cells = cells_of(&report->rows[i]);
    (void)fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", report->rows[i].title, report->rows[i].peer,
                  cells.tuplet, cells.sqlite, cells.ratio, cells.aim);
  }
  (void)fprintf(out, "%s", end_marker);
}

/* A whole file, ended by a NUL; the caller frees it. */
static char *read_file(const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL) bench_fail("%s: %s", path, strerror(errno));
  struct stat status;
  if (fstat(fileno(file), &status) != 0) bench_fail("%s: %s", path, strerror(errno));
  size_t size = (size_t)status.st_size;
  char *text = calloc(1, size + 1);
  if (text == NULL) bench_fail("out of memory");
  if (fread(text, 1, size, file) != size) bench_fail("%s: it cannot be read", path);
  (void)fclose(file);
  return text;
}

void report_write_markdown(const bench_report *report, const char *path) {
  char *page = read_file(path);
  char *begin = strstr(page, begin_marker);
  const char *end = begin == NULL ? NULL : strstr(begin, end_marker);
  if (end == NULL)
    bench_fail("%s: it lacks the lines \"%.*s\" and \"%.*s\"", path, (int)sizeof begin_marker - 2,
               begin_marker, (int)sizeof end_marker - 2, end_marker);
  FILE *out = fopen(path, "we");
  if (out == NULL) bench_fail("%s: %s", path, strerror(errno));
  *begin = '\0';
  (void)fprintf(out, "%s", page);
  write_block(report, out);
  (void)fprintf(out, "%s", end + sizeof end_marker - 1);
  if (fclose(out) != 0) bench_fail("%s: %s", path, strerror(errno));
  free(page);
}

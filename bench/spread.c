/* spread.c: the median of many measurements, the smallest and the largest. */
#include "spread.h"

#include "bench.h"

#include <stdlib.h>
#include <string.h>

static int compare_numbers(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

bench_spread spread_of(const double *numbers, size_t count) {
  if (count == 0) return (bench_spread){0};
  double *sorted = calloc(count, sizeof *sorted);
  if (sorted == NULL) bench_fail("out of memory");
  memcpy(sorted, numbers, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare_numbers);
  bench_spread spread = {sorted[0], (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[count - 1]};
  free(sorted);
  return spread;
}

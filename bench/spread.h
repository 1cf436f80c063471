/* spread.h: what many measurements of the same come to. */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include <stddef.h>

typedef struct bench_spread {
  double minimum;
  double median;
  double maximum;
} bench_spread;

/* All zero when there are none. Ends the program when memory runs out. */
bench_spread spread_of(const double *numbers, size_t count);

#endif

/* histogram.h: how often which value came, for durations in nanoseconds and sizes in bytes.
 *
 * Log-linear buckets, as HdrHistogram has them: 128 between each power of two and the next, so that a value
 * is known to better than 1 % (1/128 is 0.78 %) however large it is, and values below 256 exactly.
 *
 *   value      0 1 2 ... 255 | 256-257 258-259 ... | 512-515 516-519 ... | ...
 *   bucket     0 1 2 ... 255 | 256     257         | 384     385         |
 *
 * Memory: 1 KiB for each bit of the largest value beyond the sixth: 30 KiB for a minute in nanoseconds, 58
 * KiB for all that 64 bits can say.
 *
 * Recording takes no lock and never fails: two relaxed additions. Any number of threads may record into one
 * and read from it at the same time; who reads sees each value either wholly or not yet. */
#ifndef TP_BASE_HISTOGRAM_H
#define TP_BASE_HISTOGRAM_H

#include "tuplet.h"

#include <stdatomic.h>

typedef struct tp_histogram {
  const tuplet_allocator *allocator;
  uint64_t value_max;
  size_t bucket_count;
  _Atomic uint64_t *buckets; /* how many values fell into each */
  _Atomic uint64_t sum;      /* of all values */
} tp_histogram;

/* For values up to value_max, rounded up to one less than a power of two; a larger one counts as value_max in
 * all but the sum. Errors: TUPLET_NOMEM. A zeroed histogram is fine for tp_histogram_done. */
tuplet_status tp_histogram_init(tp_histogram *histogram, const tuplet_allocator *allocator,
                                uint64_t value_max, tuplet_error *error);
void tp_histogram_done(tp_histogram *histogram);

/* Any thread. */
void tp_histogram_record(tp_histogram *histogram, uint64_t value);

/* Adds what `from` holds. Into one of smaller range, what is beyond counts as the largest. */
void tp_histogram_merge(tp_histogram *into, const tp_histogram *from);

/* How many values there are. */
uint64_t tp_histogram_count(const tp_histogram *histogram);

/* Their sum, exactly, modulo 2^64. */
uint64_t tp_histogram_sum(const tp_histogram *histogram);

/* The value that a share of all values, from 0 to 1, does not exceed: the largest value of the bucket in
 * which it lies, and so at most 1 % too large. 0 of none, 1 is the maximum. Without any values: 0. */
uint64_t tp_histogram_quantile(const tp_histogram *histogram, double share);

/* For an export with few, fixed buckets: adds to counts[i] how many values are at most bounds[i], which
 * ascend, and to counts[bound_count] how many there are. Values within 1 % above a bound may be counted with
 * it; those up to 255 never are. */
void tp_histogram_count_up_to(const tp_histogram *histogram, const uint64_t *bounds, size_t bound_count,
                              uint64_t *counts);

#endif

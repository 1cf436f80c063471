/* histogram.c: how often which value came. */
#include "base/histogram.h"

#include "base/alloc.h"
#include "base/status.h"

#include <assert.h>

/* 2^PRECISION_BITS buckets for each power of two. */
enum { PRECISION_BITS = 7, HALF = 1 << PRECISION_BITS, EXACT_COUNT = 2 * HALF };

/* Whatever lies beyond the first two HALVes has its leading bit and PRECISION_BITS more in its bucket's
 * number; `shift` counts the bits that are left out. */
static unsigned shift_of(uint64_t value) {
  return value < EXACT_COUNT ? 0 : 63 - (unsigned)__builtin_clzll(value) - PRECISION_BITS;
}

static size_t bucket_of(uint64_t value) {
  unsigned shift = shift_of(value);
  return (size_t)shift * HALF + (size_t)(value >> shift);
}

static uint64_t bucket_largest(size_t bucket) {
  unsigned shift = bucket < EXACT_COUNT ? 0 : (unsigned)(bucket / HALF - 1);
  uint64_t leading = bucket - (size_t)shift * HALF;
  return (leading << shift) + (((uint64_t)1 << shift) - 1);
}

static uint64_t load(const _Atomic uint64_t *counter) {
  return atomic_load_explicit(counter, memory_order_relaxed);
}

tuplet_status tp_histogram_init(tp_histogram *histogram, const tuplet_allocator *allocator,
                                uint64_t value_max, tuplet_error *error) {
  uint64_t rounded = EXACT_COUNT - 1;
  while (rounded < value_max) rounded = rounded << 1 | 1;
  *histogram =
      (tp_histogram){.allocator = allocator, .value_max = rounded, .bucket_count = bucket_of(rounded) + 1};
  histogram->buckets = tp_alloc_array_zeroed(allocator, histogram->bucket_count, sizeof *histogram->buckets);
  return histogram->buckets == NULL ? tp_fail_nomem(error) : TUPLET_OK;
}

void tp_histogram_done(tp_histogram *histogram) {
  tp_free(histogram->allocator, histogram->buckets);
  histogram->buckets = NULL;
  histogram->bucket_count = 0;
}

void tp_histogram_record(tp_histogram *histogram, uint64_t value) {
  uint64_t counted = value < histogram->value_max ? value : histogram->value_max;
  atomic_fetch_add_explicit(&histogram->buckets[bucket_of(counted)], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

void tp_histogram_merge(tp_histogram *into, const tp_histogram *from) {
  for (size_t i = 0; i < from->bucket_count; i++) {
    uint64_t count = load(&from->buckets[i]);
    if (count == 0) continue;
    size_t bucket = i < into->bucket_count ? i : into->bucket_count - 1;
    atomic_fetch_add_explicit(&into->buckets[bucket], count, memory_order_relaxed);
  }
  atomic_fetch_add_explicit(&into->sum, load(&from->sum), memory_order_relaxed);
}

uint64_t tp_histogram_count(const tp_histogram *histogram) {
  uint64_t count = 0;
  for (size_t i = 0; i < histogram->bucket_count; i++) count += load(&histogram->buckets[i]);
  return count;
}

uint64_t tp_histogram_sum(const tp_histogram *histogram) {
  return load(&histogram->sum);
}

uint64_t tp_histogram_quantile(const tp_histogram *histogram, double share) {
  assert(share >= 0 && share <= 1);
  uint64_t count = tp_histogram_count(histogram);
  double exact = share * (double)count;
  uint64_t wanted = (uint64_t)exact;
  if ((double)wanted < exact || wanted == 0) wanted++;
  uint64_t seen = 0, largest = 0;
  for (size_t i = 0; i < histogram->bucket_count && seen < wanted; i++) {
    uint64_t here = load(&histogram->buckets[i]);
    if (here > 0) largest = bucket_largest(i);
    seen += here;
  }
  return largest;
}

void tp_histogram_count_up_to(const tp_histogram *histogram, const uint64_t *bounds, size_t bound_count,
                              uint64_t *counts) {
  uint64_t seen = 0;
  size_t next = 0;
  for (size_t i = 0; i < bound_count; i++) {
    size_t end = bounds[i] < histogram->value_max ? bucket_of(bounds[i]) + 1 : histogram->bucket_count;
    for (; next < end; next++) seen += load(&histogram->buckets[next]);
    counts[i] += seen;
  }
  for (; next < histogram->bucket_count; next++) seen += load(&histogram->buckets[next]);
  counts[bound_count] += seen;
}

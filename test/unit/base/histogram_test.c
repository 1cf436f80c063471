/* histogram_test.c: values are known to within 1 %, sums and counts exactly, whoever records. */
#include "base/histogram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

enum { SECOND_NS = 1000000000 };

static void init(tp_histogram *histogram, uint64_t value_max) {
  tuplet_error error;
  assert_int_equal(tp_histogram_init(histogram, NULL, value_max, &error), TUPLET_OK);
}

static void a_new_one_holds_nothing(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, SECOND_NS);
  const uint64_t bounds[] = {0, 1000};
  uint64_t counts[3] = {0};
  tp_histogram_count_up_to(&histogram, bounds, 2, counts);
  assert_int_equal(counts[0] + counts[1] + counts[2], 0);
  assert_int_equal(tp_histogram_count(&histogram), 0);
  assert_int_equal(tp_histogram_sum(&histogram), 0);
  assert_int_equal(tp_histogram_quantile(&histogram, 0.5), 0);
  tp_histogram_done(&histogram);
}

static void small_values_are_kept_exactly(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, SECOND_NS);
  for (uint64_t value = 0; value < 256; value++) tp_histogram_record(&histogram, value);
  assert_int_equal(tp_histogram_count(&histogram), 256);
  assert_int_equal(tp_histogram_sum(&histogram), 255 * 128);
  for (uint64_t value = 0; value < 256; value++) {
    uint64_t counts[2] = {0};
    tp_histogram_count_up_to(&histogram, &value, 1, counts);
    assert_int_equal(counts[0], value + 1);
    assert_int_equal(counts[1], 256);
    assert_int_equal(tp_histogram_quantile(&histogram, (double)(value + 1) / 256), value);
  }
  tp_histogram_done(&histogram);
}

/* Each value of a wide range alone: what it is taken for. */
static void every_value_is_known_to_within_a_percent(void **state) {
  (void)state;
  for (unsigned bit = 0; bit < 64; bit++) {
    for (unsigned step = 0; step < 7; step++) {
      uint64_t value = (UINT64_C(1) << bit) + (UINT64_C(1) << bit) / 7 * step;
      uint64_t around[] = {value - 1, value, value + 1};
      for (size_t i = 0; i < 3; i++) {
        tp_histogram histogram;
        init(&histogram, UINT64_MAX);
        tp_histogram_record(&histogram, around[i]);
        uint64_t taken = tp_histogram_quantile(&histogram, 1);
        assert_true(taken >= around[i]);
        assert_true(taken - around[i] <= around[i] / 100);
        tp_histogram_done(&histogram);
      }
    }
  }
}

static void quantiles_are_what_they_are_of_even_values(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, SECOND_NS);
  enum { COUNT = 100000 };
  for (uint64_t i = 1; i <= COUNT; i++) tp_histogram_record(&histogram, i * 1000);
  static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    double wanted = shares[i] * COUNT * 1000;
    double got = (double)tp_histogram_quantile(&histogram, shares[i]);
    assert_true(got >= wanted && got <= wanted * 1.01);
  }
  assert_int_equal(tp_histogram_quantile(&histogram, 0), tp_histogram_quantile(&histogram, 1.0 / COUNT));
  tp_histogram_done(&histogram);
}

static void bounds_count_what_is_at_most_as_large(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, SECOND_NS);
  static const uint64_t values[] = {1, 1000, 1000, 999999, 1000000, 2000000, 5 * (uint64_t)SECOND_NS};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) tp_histogram_record(&histogram, values[i]);
  static const uint64_t bounds[] = {0, 1, 1000, 1000000, 4 * (uint64_t)SECOND_NS};
  uint64_t counts[6] = {10, 10, 10, 10, 10, 10}; /* is added to */
  tp_histogram_count_up_to(&histogram, bounds, 5, counts);
  static const uint64_t wanted[] = {10, 11, 13, 15, 17, 17}; /* beyond the range, the last is in the last */
  assert_memory_equal(counts, wanted, sizeof wanted);
  tp_histogram_done(&histogram);
}

static void what_is_beyond_the_range_counts_as_the_largest(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, 1000);
  tp_histogram_record(&histogram, UINT64_MAX - 7);
  tp_histogram_record(&histogram, 5);
  assert_int_equal(tp_histogram_quantile(&histogram, 1), 1023);
  assert_int_equal(tp_histogram_count(&histogram), 2);
  assert_true(tp_histogram_sum(&histogram) == UINT64_MAX - 2);
  tp_histogram_done(&histogram);
}

static void memory_is_what_the_range_takes(void **state) {
  (void)state;
  static const struct {
    uint64_t value_max;
    size_t size;
  } cases[] = {{0, 2048}, {255, 2048}, {256, 3072}, {(UINT64_C(1) << 36) - 1, 30720}, {UINT64_MAX, 59392}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tp_histogram histogram;
    init(&histogram, cases[i].value_max);
    assert_int_equal(histogram.bucket_count * sizeof *histogram.buckets, cases[i].size);
    tp_histogram_done(&histogram);
  }
}

static void a_merge_is_as_if_all_had_been_recorded_in_one(void **state) {
  (void)state;
  tp_histogram a, b, both, small;
  init(&a, SECOND_NS);
  init(&b, SECOND_NS);
  init(&both, SECOND_NS);
  init(&small, 1000);
  for (uint64_t i = 0; i < 1000; i++) {
    tp_histogram_record(i % 3 == 0 ? &a : &b, i * i);
    tp_histogram_record(&both, i * i);
  }
  tp_histogram_merge(&small, &a);
  tp_histogram_merge(&a, &b);
  assert_int_equal(a.bucket_count, both.bucket_count);
  assert_memory_equal(a.buckets, both.buckets, a.bucket_count * sizeof *a.buckets);
  assert_int_equal(tp_histogram_sum(&a), tp_histogram_sum(&both));
  assert_int_equal(tp_histogram_count(&small), 334);
  assert_int_equal(tp_histogram_quantile(&small, 1), 1023);
  tp_histogram_done(&a);
  tp_histogram_done(&b);
  tp_histogram_done(&both);
  tp_histogram_done(&small);
}

enum { THREADS = 4, RECORDS = 50000 };

static void *record_many(void *context) {
  for (uint64_t i = 0; i < RECORDS; i++) tp_histogram_record(context, i % 1000);
  return NULL;
}

static void threads_lose_nothing_and_readers_see_it_grow(void **state) {
  (void)state;
  tp_histogram histogram;
  init(&histogram, SECOND_NS);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, record_many, &histogram), 0);
  uint64_t last[3] = {0};
  while (last[2] < (uint64_t)THREADS * RECORDS) {
    static const uint64_t bounds[] = {10, 500};
    uint64_t counts[3] = {0};
    tp_histogram_count_up_to(&histogram, bounds, 2, counts);
    assert_true(counts[0] <= counts[1] && counts[1] <= counts[2]);
    for (size_t i = 0; i < 3; i++) assert_true(counts[i] >= last[i]);
    memcpy(last, counts, sizeof last);
  }
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(tp_histogram_count(&histogram), (uint64_t)THREADS * RECORDS);
  assert_int_equal(tp_histogram_sum(&histogram), (uint64_t)THREADS * RECORDS / 1000 * 999 * 500);
  tp_histogram_done(&histogram);
}

static void no_memory_is_told(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 1);
  tp_histogram histogram;
  tuplet_error error;
  assert_int_equal(tp_histogram_init(&histogram, &faults.allocator, 1000, &error), TUPLET_NOMEM);
  tp_histogram_done(&histogram);
  assert_int_equal(faults.live, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_one_holds_nothing),
      cmocka_unit_test(small_values_are_kept_exactly),
      cmocka_unit_test(every_value_is_known_to_within_a_percent),
      cmocka_unit_test(quantiles_are_what_they_are_of_even_values),
      cmocka_unit_test(bounds_count_what_is_at_most_as_large),
      cmocka_unit_test(what_is_beyond_the_range_counts_as_the_largest),
      cmocka_unit_test(memory_is_what_the_range_takes),
      cmocka_unit_test(a_merge_is_as_if_all_had_been_recorded_in_one),
      cmocka_unit_test(threads_lose_nothing_and_readers_see_it_grow),
      cmocka_unit_test(no_memory_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* bench_keys_test.c: which keys the load generator chooses, and what they are as bytes. */
#include "bench/keys.h"
#include "bench/letter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static tp_bench_plan plan_of(uint64_t key_count, double zipf_exponent) {
  return (tp_bench_plan){
      .name = "test", .key_count = key_count, .value_size = 10, .zipf_exponent = zipf_exponent, .seed = 7};
}

static void shares_lie_between_zero_and_one(void **state) {
  (void)state;
  tp_bench_random random = {1};
  double sum = 0;
  for (int i = 0; i < 100000; i++) {
    double share = tp_bench_random_share(&random);
    assert_true(share >= 0 && share < 1);
    sum += share;
  }
  assert_true(fabs(sum / 100000 - 0.5) < 0.005);
}

static void the_same_seed_draws_the_same_and_streams_differ(void **state) {
  (void)state;
  tp_bench_plan plan = plan_of(1000000, 0);
  tp_bench_chooser a, b, other;
  tp_bench_chooser_init(&a, &plan, 1);
  tp_bench_chooser_init(&b, &plan, 1);
  tp_bench_chooser_init(&other, &plan, 2);
  int same = 0;
  for (int i = 0; i < 1000; i++) {
    uint64_t number = tp_bench_chooser_next(&a);
    assert_int_equal(number, tp_bench_chooser_next(&b));
    if (number == tp_bench_chooser_next(&other)) same++;
  }
  assert_true(same < 10);
}

/* How far counts are from what is expected: below 3 for almost every fair draw, far above for others.
 * Chi-squared with n - 1 degrees of freedom has mean n - 1 and variance 2 (n - 1). */
static double deviation(const uint64_t *counts, const double *expected, size_t n) {
  double chi_squared = 0;
  for (size_t i = 0; i < n; i++) {
    double difference = (double)counts[i] - expected[i];
    chi_squared += difference * difference / expected[i];
  }
  return (chi_squared - (double)(n - 1)) / sqrt(2 * (double)(n - 1));
}

static void uniform_keys_are_all_as_likely(void **state) {
  (void)state;
  enum { KEYS = 100, DRAWS = 100000 };
  tp_bench_plan plan = plan_of(KEYS, 0);
  tp_bench_chooser chooser;
  tp_bench_chooser_init(&chooser, &plan, 1);
  uint64_t counts[KEYS] = {0};
  double expected[KEYS];
  for (int i = 0; i < DRAWS; i++) counts[tp_bench_chooser_next(&chooser)]++;
  for (int i = 0; i < KEYS; i++) expected[i] = (double)DRAWS / KEYS;
  assert_true(fabs(deviation(counts, expected, KEYS)) < 4);
}

static void check_zipf(uint64_t count, double exponent) {
  enum { DRAWS = 300000, SHOWN = 50 };
  tp_bench_zipf zipf;
  tp_bench_random random = {11};
  uint64_t counts[SHOWN] = {0};
  double expected[SHOWN], all = 0, shown = 0;
  size_t n = count < SHOWN ? count : SHOWN; /* the last one stands for all further ranks */
  for (uint64_t rank = 1; rank <= count; rank++) all += pow((double)rank, -exponent);
  for (size_t i = 0; i < n; i++) {
    expected[i] = DRAWS * pow((double)i + 1, -exponent) / all;
    if (i + 1 < n) shown += expected[i];
  }
  expected[n - 1] = DRAWS - shown;
  tp_bench_zipf_init(&zipf, count, exponent);
  for (int i = 0; i < DRAWS; i++) {
    uint64_t rank = tp_bench_zipf_next(&zipf, &random);
    assert_true(rank >= 1 && rank <= count);
    counts[rank < n ? rank - 1 : n - 1]++;
  }
  assert_true(fabs(deviation(counts, expected, n)) < 4);
}

static void zipf_is_as_uneven_as_its_exponent_says(void **state) {
  (void)state;
  check_zipf(10, 1);
  check_zipf(1000, 0.99);
  check_zipf(100000, 0.5);
  check_zipf(100000, 1.5);
  check_zipf(2, 3);
}

static void zipf_of_one_is_one(void **state) {
  (void)state;
  tp_bench_zipf zipf;
  tp_bench_random random = {3};
  tp_bench_zipf_init(&zipf, 1, 0.99);
  for (int i = 0; i < 100; i++) assert_int_equal(tp_bench_zipf_next(&zipf, &random), 1);
}

static void zipf_of_very_many_stays_within_them(void **state) {
  (void)state;
  const double exponents[] = {0.01, 0.99, 1, 1.01, 10};
  for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
    tp_bench_zipf zipf;
    tp_bench_random random = {5};
    tp_bench_zipf_init(&zipf, 1000000000, exponents[i]);
    for (int j = 0; j < 1000; j++) {
      uint64_t rank = tp_bench_zipf_next(&zipf, &random);
      assert_true(rank >= 1 && rank <= 1000000000);
    }
  }
}

/* Spreading ranks over keys loses none: with every key count all keys come up. */
static void popular_keys_lie_anywhere_and_each_key_comes_up(void **state) {
  (void)state;
  for (uint64_t count = 1; count <= 60; count++) {
    tp_bench_plan plan = plan_of(count, 0.1);
    tp_bench_chooser chooser;
    tp_bench_chooser_init(&chooser, &plan, 1);
    bool seen[60] = {false};
    for (uint64_t i = 0; i < 100 * count; i++) {
      uint64_t number = tp_bench_chooser_next(&chooser);
      assert_true(number < count);
      seen[number] = true;
    }
    for (uint64_t i = 0; i < count; i++) assert_true(seen[i]);
  }
}

static void keys_are_deno_keys_in_order(void **state) {
  (void)state;
  tp_bench_plan plan = plan_of(10, 0);
  tp_bench_data data;
  tuplet_error error;
  assert_int_equal(tp_bench_data_init(&data, &plan, &error), TUPLET_OK);
  tp_buffer last, key;
  tp_buffer_init(&last, NULL);
  tp_buffer_init(&key, NULL);
  const uint64_t numbers[] = {0, 1, 2, 10, 255, 256, 65536, 999999999};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    tp_buffer_clear(&key);
    tp_bench_data_put_key(&data, numbers[i], &key);
    assert_false(key.failed);
    tuplet_key_parts *parts;
    assert_int_equal(tuplet_key_decode(tp_buffer_view(&key), NULL, &parts, &error), TUPLET_OK);
    assert_int_equal(parts->count, 3);
    assert_memory_equal(parts->parts[0].bytes.data, "tuplet-bench", 12);
    assert_memory_equal(parts->parts[1].bytes.data, "test", 4);
    assert_int_equal(parts->parts[2].type, TUPLET_PART_NUMBER);
    assert_true(parts->parts[2].as.number == (double)numbers[i]);
    tuplet_key_parts_free(parts);
    if (i > 0) assert_true(memcmp(last.data, key.data, key.size) < 0);
    tp_buffer_clear(&last);
    tp_buffer_append(&last, key.data, key.size);
  }
  tp_buffer_done(&last);
  tp_buffer_done(&key);
  tp_bench_data_done(&data);
}

static void values_have_their_size(void **state) {
  (void)state;
  const size_t sizes[] = {0, 1, 7, 8, 9, 1000, 65536};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    tp_bench_plan plan = plan_of(10, 0);
    plan.value_size = sizes[i];
    tp_bench_data data;
    tuplet_error error;
    assert_int_equal(tp_bench_data_init(&data, &plan, &error), TUPLET_OK);
    tp_bench_random random = {9};
    for (int j = 0; j < 1000; j++) {
      tuplet_bytes value = tp_bench_data_value(&data, &random);
      const uint8_t *start = value.data;
      assert_int_equal(value.size, sizes[i]);
      assert_true(start >= data.noise.data && start + value.size <= data.noise.data + data.noise.size);
    }
    uint32_t count = tp_bench_data_fill_count(&data);
    assert_true(count >= 1 && count <= TP_BENCH_FILL_COUNT);
    assert_true(count == 1 || count * sizes[i] <= (size_t)256 * 1024);
    tp_bench_data_done(&data);
  }
}

static void names_are_each_another(void **state) {
  (void)state;
  char a[TP_BENCH_NAME_SIZE], b[TP_BENCH_NAME_SIZE];
  assert_int_equal(tp_bench_name_make(a, NULL), TUPLET_OK);
  assert_int_equal(tp_bench_name_make(b, NULL), TUPLET_OK);
  assert_int_equal(strlen(a), 20);
  assert_string_not_equal(a, b);
}

static void letters_are_read_by_who_wrote_them(void **state) {
  (void)state;
  tp_bench_plan plan = plan_of(10, 0), other_plan = plan;
  memset(plan.name, 'n', TP_BENCH_NAME_SIZE - 1); /* the longest */
  tp_bench_data data = {.plan = &plan}, other = {.plan = &other_plan};
  const uint64_t numbers[] = {0, 7, UINT64_MAX};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    tp_buffer payload;
    uint64_t number = 1;
    tuplet_owned text;
    tp_buffer_init(&payload, NULL);
    tp_bench_letter_put(&data, numbers[i], &payload);
    assert_true(tp_bench_letter_read(&data, tp_buffer_view(&payload), &number));
    assert_true(number == numbers[i]);
    assert_false(tp_bench_letter_read(&other, tp_buffer_view(&payload), &number));
    for (size_t cut = 0; cut < payload.size; cut++)
      assert_false(tp_bench_letter_read(&data, tuplet_view(payload.data, cut), &number));
    tuplet_value value = tuplet_value_v8(tp_buffer_view(&payload));
    assert_int_equal(tuplet_value_to_text(value, NULL, &text, NULL), TUPLET_OK);
    assert_memory_equal(text.data, "\"tuplet-bench nnn", 17);
    tuplet_owned_free(&text);
    tp_buffer_done(&payload);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shares_lie_between_zero_and_one),
      cmocka_unit_test(the_same_seed_draws_the_same_and_streams_differ),
      cmocka_unit_test(uniform_keys_are_all_as_likely),
      cmocka_unit_test(zipf_is_as_uneven_as_its_exponent_says),
      cmocka_unit_test(zipf_of_one_is_one),
      cmocka_unit_test(zipf_of_very_many_stays_within_them),
      cmocka_unit_test(popular_keys_lie_anywhere_and_each_key_comes_up),
      cmocka_unit_test(keys_are_deno_keys_in_order),
      cmocka_unit_test(values_have_their_size),
      cmocka_unit_test(names_are_each_another),
      cmocka_unit_test(letters_are_read_by_who_wrote_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

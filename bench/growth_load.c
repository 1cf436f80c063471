/* growth_load.c: what is compared between a file of few rows and one of many. */
#include "growth_load.h"

#include "crew.h"

bench_slice growth_load_get(growth_load *load, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    for (int i = 0; i < BENCH_LOOK_AT_CLOCK_EVERY; i++, slice.operations++) {
      uint8_t begin;
      growth_get(load->db, bench_random(&load->random, load->file->keys), &begin, sizeof begin);
    }
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

bench_slice growth_load_set(growth_load *load, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    uint32_t row = bench_random(&load->random, load->file->keys);
    growth_set(load->db, row, &slice.operations, sizeof slice.operations);
    slice.operations++;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

static void operate_set(crew_worker *worker) {
  const growth_load *load = worker->context;
  growth_set(load->db, bench_random(&worker->random, load->file->keys), &worker->operations,
             sizeof worker->operations);
}

bench_slice growth_load_set_threads(growth_load *load, int64_t duration_ns) {
  uint64_t seed = load->random;
  (void)bench_random(&load->random, 1); /* another one next time */
  return crew_run(operate_set, load, seed, duration_ns);
}

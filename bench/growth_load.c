/* growth_load.c: what is compared between a file of few rows and one of many. */
#include "growth_load.h"

#include "crew.h"

void growth_load_init(growth_load *load, const growth_file *file) {
  *load = (growth_load){.file = file, .db = growth_open(file->path)};
  growth_bare_init(&load->bare, file->path, false);
  growth_bare_init(&load->mapped, file->path, true);
}

void growth_load_done(growth_load *load) {
  growth_bare_done(&load->bare);
  growth_bare_done(&load->mapped);
  tuplet_close(load->db);
}

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

static bench_slice get_bare(growth_load *load, growth_bare *bare, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  growth_bare_begin(bare);
  do {
    for (int i = 0; i < BENCH_LOOK_AT_CLOCK_EVERY; i++, slice.operations++)
      growth_bare_get(bare, bench_random(&load->random, load->file->keys));
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  growth_bare_end(bare);
  return slice;
}

bench_slice growth_load_get_bare(growth_load *load, int64_t duration_ns) {
  return get_bare(load, &load->bare, duration_ns);
}

bench_slice growth_load_get_mapped(growth_load *load, int64_t duration_ns) {
  return get_bare(load, &load->mapped, duration_ns);
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

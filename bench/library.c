/* library.c: the workloads through tuplet's public interface. */
#include "library.h"

#include "crew.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BATCH_MAX = 1000 };

struct library {
  tuplet_db *db;
  uint64_t random;
};

static void check(tuplet_status status, const tuplet_error *error) {
  if (status < 0) bench_fail("tuplet: %s", error->message);
  if (status > 0) bench_fail("tuplet: %s", tuplet_status_text(status));
}

library *library_open(const dataset *data, dataset_kind kind) {
  library *side = calloc(1, sizeof *side);
  if (side == NULL) bench_fail("out of memory");
  char *path = dataset_path(data, kind, DATASET_TUPLET);
  tuplet_error error;
  check(tuplet_open(path, NULL, &side->db, &error), &error);
  free(path);
  return side;
}

void library_close(library *side) {
  if (side == NULL) return;
  tuplet_close(side->db);
  free(side);
}

/* ---- One thread ---- */

bench_slice library_get(library *side, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    for (int i = 0; i < BENCH_LOOK_AT_CLOCK_EVERY; i++, slice.operations++) {
      uint32_t row = bench_random(&side->random, BENCH_HOT_KEYS);
      tuplet_entry *entry;
      tuplet_error error;
      check(tuplet_get(side->db, TUPLET_KEY(DATASET_HOT_PREFIX, row), TUPLET_CONSISTENCY_STRONG, &entry,
                       &error),
            &error);
      if (entry->value.data.size != BENCH_VALUE_SIZE) bench_fail("tuplet gave a value of another size");
      tuplet_entry_free(entry);
    }
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

/* Sets a random row to a value that no other operation of the slice has. */
static void set_one(tuplet_db *db, uint64_t *random, uint64_t operation) {
  uint8_t value[BENCH_VALUE_SIZE] = {0};
  memcpy(value, &operation, sizeof operation);
  uint32_t row = bench_random(random, BENCH_HOT_KEYS);
  tuplet_error error;
  check(tuplet_set(db, TUPLET_KEY(DATASET_HOT_PREFIX, row), tuplet_value_bytes(value, sizeof value),
                   TUPLET_NEVER, NULL, &error),
        &error);
}

bench_slice library_set(library *side, int64_t duration_ns) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    set_one(side->db, &side->random, slice.operations++);
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

/* ---- One thread, many writes on the way ---- */

static void on_set(void *context, tuplet_status status, const tuplet_commit *commit,
                   const tuplet_error *error) {
  (void)commit;
  check(status, error);
  if (sem_post(context) != 0) bench_fail("a semaphore overflowed");
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) {
    if (errno != EINTR) bench_fail("waiting failed: %s", strerror(errno));
  }
}

bench_slice library_set_async(library *side, int64_t duration_ns) {
  bench_slice slice = {0};
  sem_t room;
  if (sem_init(&room, 0, BENCH_IN_FLIGHT) != 0) bench_fail("making a semaphore failed: %s", strerror(errno));
  int64_t start_ns = bench_now_ns();
  do {
    wait_for(&room);
    uint8_t value[BENCH_VALUE_SIZE] = {0};
    memcpy(value, &slice.operations, sizeof slice.operations);
    uint32_t row = bench_random(&side->random, BENCH_HOT_KEYS);
    tuplet_error error;
    check(tuplet_set_async(side->db, TUPLET_KEY(DATASET_HOT_PREFIX, row),
                           tuplet_value_bytes(value, sizeof value), TUPLET_NEVER, on_set, &room, &error),
          &error);
    slice.operations++;
  } while (bench_now_ns() - start_ns < duration_ns);
  for (int i = 0; i < BENCH_IN_FLIGHT; i++) wait_for(&room); /* until all are durable */
  slice.duration_ns = bench_now_ns() - start_ns;
  (void)sem_destroy(&room);
  return slice;
}

/* ---- Many threads ---- */

static bench_slice run_crew(library *side, int64_t duration_ns, void (*operate)(crew_worker *worker)) {
  uint64_t seed = side->random;
  (void)bench_random(&side->random, 1); /* other seeds next time */
  return crew_run(operate, side->db, seed, duration_ns);
}

static void operate_set(crew_worker *worker) {
  set_one(worker->context, &worker->random, worker->operations);
}

bench_slice library_set_threads(library *side, int64_t duration_ns) {
  return run_crew(side, duration_ns, operate_set);
}

static void operate_sum(crew_worker *worker) {
  tuplet_atomic *atomic = tuplet_atomic_new(worker->context);
  if (atomic == NULL) bench_fail("out of memory");
  tuplet_error error;
  check(tuplet_atomic_sum(atomic, TUPLET_KEY(DATASET_COUNTER), 1, &error), &error);
  check(tuplet_atomic_commit(atomic, NULL, &error), &error);
  tuplet_atomic_free(atomic);
}

bench_slice library_sum_threads(library *side, int64_t duration_ns) {
  return run_crew(side, duration_ns, operate_sum);
}

/* ---- Lists ---- */

static uint64_t list_once(library *side, uint32_t batch_size, uint64_t *ret_checksum) {
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.batch_size = batch_size;
  tuplet_list *list;
  tuplet_error error;
  check(tuplet_list_open(side->db, &(tuplet_selector){.prefix = &TUPLET_KEY(DATASET_LIST_PREFIX)}, &options,
                         &list, &error),
        &error);
  uint64_t rows = 0, checksum = 0;
  const tuplet_entry *entry;
  tuplet_status status;
  while ((status = tuplet_list_next(list, &entry, &error)) == TUPLET_OK) {
    checksum = bench_touch(checksum, entry->key.data, entry->key.size);
    checksum = bench_touch(checksum, entry->value.data.data, entry->value.data.size);
    rows++;
  }
  if (status != TUPLET_DONE) check(status, &error);
  tuplet_list_close(list);
  *ret_checksum = checksum;
  return rows;
}

static bench_slice list(library *side, int64_t duration_ns, uint32_t batch_size) {
  bench_slice slice = {0};
  int64_t start_ns = bench_now_ns();
  do {
    uint64_t rows = list_once(side, batch_size, &slice.checksum);
    if (rows != BENCH_LIST_ROWS) bench_fail("tuplet listed %llu rows", (unsigned long long)rows);
    slice.operations += rows;
    slice.duration_ns = bench_now_ns() - start_ns;
  } while (slice.duration_ns < duration_ns);
  return slice;
}

bench_slice library_list(library *side, int64_t duration_ns) {
  return list(side, duration_ns, 0);
}

bench_slice library_list_batch_max(library *side, int64_t duration_ns) {
  return list(side, duration_ns, LIST_BATCH_MAX);
}

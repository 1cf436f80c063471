/* crew.c: threads that all do the same thing. */
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

typedef struct crew crew;

typedef struct crew_member {
  crew_worker worker;
  crew *crew;
  pthread_t thread;
} crew_member;

struct crew {
  void (*operate)(crew_worker *worker);
  pthread_barrier_t start;
  atomic_bool stop;
  crew_member members[BENCH_THREADS];
};

static void *work(void *context) {
  crew_member *member = context;
  (void)pthread_barrier_wait(&member->crew->start);
  while (!atomic_load_explicit(&member->crew->stop, memory_order_relaxed)) {
    member->crew->operate(&member->worker);
    member->worker.operations++;
  }
  return NULL;
}

bench_slice crew_run(void (*operate)(crew_worker *worker), void *context, uint64_t seed,
                     int64_t duration_ns) {
  crew all = {.operate = operate};
  atomic_init(&all.stop, false);
  int rc = pthread_barrier_init(&all.start, NULL, BENCH_THREADS + 1);
  for (uint32_t i = 0; rc == 0 && i < BENCH_THREADS; i++) {
    crew_member *member = &all.members[i];
    *member = (crew_member){.crew = &all, .worker = {.context = context, .number = i}};
    member->worker.random = seed + i * UINT64_C(0x5851F42D4C957F2D);
    rc = pthread_create(&member->thread, NULL, work, member);
  }
  if (rc != 0) bench_fail("starting threads failed: %s", strerror(rc));

  bench_slice slice = {0};
  (void)pthread_barrier_wait(&all.start);
  int64_t start_ns = bench_now_ns();
  struct timespec pause = {duration_ns / 1000000000, duration_ns % 1000000000};
  while (nanosleep(&pause, &pause) != 0) continue; /* cut short by a signal */
  atomic_store(&all.stop, true);
  for (int i = 0; i < BENCH_THREADS; i++) {
    (void)pthread_join(all.members[i].thread, NULL);
    slice.operations += all.members[i].worker.operations;
  }
  slice.duration_ns = bench_now_ns() - start_ns;
  (void)pthread_barrier_destroy(&all.start);
  return slice;
}

/* crew.h: threads that all do the same thing again and again, from one moment until they are told to stop. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench.h"

/* One of them, as it sees itself. */
typedef struct crew_worker {
  void *context;       /* everybody's */
  uint32_t number;     /* below BENCH_THREADS */
  uint64_t random;     /* its own, for bench_random() */
  uint64_t operations; /* that it has done */
} crew_worker;

/* BENCH_THREADS threads call `operate` for about duration_ns; other seeds are other random numbers. Errors
 * end the program. */
bench_slice crew_run(void (*operate)(crew_worker *worker), void *context, uint64_t seed, int64_t duration_ns);

#endif

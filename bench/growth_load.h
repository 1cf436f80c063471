/* growth_load.h: what is compared between a file of few rows and one of many. Each runs for about duration_ns
 * and tells how many operations it did and how long they took. Errors end the program. */
#ifndef BENCH_GROWTH_LOAD_H
#define BENCH_GROWTH_LOAD_H

#include "growth_file.h"

/* One of the files, open. */
typedef struct growth_load {
  const growth_file *file;
  tuplet_db *db;
  uint64_t random; /* all rows are as likely as each other */
} growth_load;

/* tuplet_get of a row at random, one after the other. */
bench_slice growth_load_get(growth_load *load, int64_t duration_ns);

/* A durable tuplet_set of a row at random: one after the other; from BENCH_THREADS threads at once. */
bench_slice growth_load_set(growth_load *load, int64_t duration_ns);
bench_slice growth_load_set_threads(growth_load *load, int64_t duration_ns);

#endif

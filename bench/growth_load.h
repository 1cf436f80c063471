/* growth_load.h: what is compared between a file of few rows and one of many. Each runs for about duration_ns
 * and tells how many operations it did and how long they took. Errors end the program. */
#ifndef BENCH_GROWTH_LOAD_H
#define BENCH_GROWTH_LOAD_H

#include "growth_bare.h"
#include "growth_file.h"

/* One of the files, open in three ways. */
typedef struct growth_load {
  const growth_file *file;
  tuplet_db *db;
  growth_bare bare;   /* with the library's page cache */
  growth_bare mapped; /* into memory, which is the least that reading takes, if all of it is there */
  uint64_t random;    /* all rows are as likely as each other */
} growth_load;

void growth_load_init(growth_load *load, const growth_file *file);
void growth_load_done(growth_load *load);

/* tuplet_get of a row at random, one after the other. */
bench_slice growth_load_get(growth_load *load, int64_t duration_ns);

/* What it is on bare SQLite, which begins a transaction once and for all, and copies nothing. */
bench_slice growth_load_get_bare(growth_load *load, int64_t duration_ns);
bench_slice growth_load_get_mapped(growth_load *load, int64_t duration_ns);

/* A durable tuplet_set of a row at random: one after the other; from BENCH_THREADS threads at once. */
bench_slice growth_load_set(growth_load *load, int64_t duration_ns);
bench_slice growth_load_set_threads(growth_load *load, int64_t duration_ns);

#endif

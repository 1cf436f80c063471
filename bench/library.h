/* library.h: the workloads through tuplet's public interface. Each runs for about duration_ns and tells how
 * many operations it did and how long they took. */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H

#include "dataset.h"

typedef struct library library;

library *library_open(const dataset *data, dataset_kind kind);
void library_close(library *side);

/* tuplet_get of a key that exists, at random; the value is copied out (by tuplet_get itself). */
bench_slice library_get(library *side, int64_t duration_ns);

/* tuplet_set of a key that exists, at random: one after the other; from BENCH_THREADS threads at once; from
 * one thread that has BENCH_IN_FLIGHT of them on the way. */
bench_slice library_set(library *side, int64_t duration_ns);
bench_slice library_set_threads(library *side, int64_t duration_ns);
bench_slice library_set_async(library *side, int64_t duration_ns);

/* A sum on one and the same key from BENCH_THREADS threads. */
bench_slice library_sum_threads(library *side, int64_t duration_ns);

/* Whole traversals of BENCH_LIST_ROWS rows, an operation being a row: with default options, and fetching as
 * many rows at a time as may be asked for. */
bench_slice library_list(library *side, int64_t duration_ns);
bench_slice library_list_batch_max(library *side, int64_t duration_ns);

#endif

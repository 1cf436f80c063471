/* tally.h: what a run counts: how long operations took, and what went wrong. */
#ifndef TP_CLI_BENCH_TALLY_H
#define TP_CLI_BENCH_TALLY_H

#include "base/histogram.h"

enum { TP_BENCH_FAULTS_MAX = 16, TP_BENCH_FAULT_SIZE = 200 };

/* One kind of failure. */
typedef struct tp_bench_fault {
  tuplet_status status;
  uint64_t count;
  char first[TP_BENCH_FAULT_SIZE]; /* the message of the first one; the same status with another message is
                                      another kind */
} tp_bench_fault;

/* One thread writes; any may read the histogram and the atomic members meanwhile. */
typedef struct tp_bench_tally {
  tp_histogram latency_ns;    /* of what counts; see crew.h */
  _Atomic uint64_t completed; /* operations within the measured time */
  _Atomic uint64_t failed;    /* at any time of the run: attempts that are in `faults` */
  uint64_t ended;             /* operations that ended well, warm-up and what came late included */
  uint64_t conflicts;         /* transfers that found an account changed, and began anew */
  uint64_t unsent;            /* were due, and did not begin */
  tp_bench_fault faults[TP_BENCH_FAULTS_MAX];
  size_t fault_count;
} tp_bench_tally;

/* A zeroed one is fine for tp_bench_tally_done. Errors: TUPLET_NOMEM. */
tuplet_status tp_bench_tally_init(tp_bench_tally *tally, tuplet_error *error);
void tp_bench_tally_done(tp_bench_tally *tally);

/* Counts a failure. What finds no room among the kinds counts as the last one. */
void tp_bench_tally_fault(tp_bench_tally *tally, const tuplet_error *error);

/* Adds what `from` holds, whose thread has ended. */
void tp_bench_tally_merge(tp_bench_tally *into, const tp_bench_tally *from);

#endif

/* tally.c: what a run counts. */
#include "tally.h"

#include <stdio.h>
#include <string.h>

#define LATENCY_NS_MAX (INT64_C(3600) * 1000000000)

tuplet_status tp_bench_tally_init(tp_bench_tally *tally, tuplet_error *error) {
  *tally = (tp_bench_tally){0};
  return tp_histogram_init(&tally->latency_ns, NULL, (uint64_t)LATENCY_NS_MAX, error);
}

void tp_bench_tally_done(tp_bench_tally *tally) {
  tp_histogram_done(&tally->latency_ns);
}

static void add(tp_bench_tally *tally, tuplet_status status, uint64_t count, const char *message) {
  char text[TP_BENCH_FAULT_SIZE];
  (void)snprintf(text, sizeof text, "%s", message);
  size_t i = 0;
  while (i < tally->fault_count &&
         (tally->faults[i].status != status || strcmp(tally->faults[i].first, text) != 0))
    i++;
  if (i == TP_BENCH_FAULTS_MAX) {
    i--;
  } else if (i == tally->fault_count) {
    tally->faults[i].status = status;
    memcpy(tally->faults[i].first, text, sizeof text);
    tally->fault_count++;
  }
  tally->faults[i].count += count;
  atomic_fetch_add_explicit(&tally->failed, count, memory_order_relaxed);
}

void tp_bench_tally_fault(tp_bench_tally *tally, const tuplet_error *error) {
  add(tally, error->status, 1, error->message);
}

void tp_bench_tally_merge(tp_bench_tally *into, const tp_bench_tally *from) {
  tp_histogram_merge(&into->latency_ns, &from->latency_ns);
  uint64_t completed = atomic_load_explicit(&from->completed, memory_order_relaxed);
  atomic_fetch_add_explicit(&into->completed, completed, memory_order_relaxed);
  into->ended += from->ended;
  into->conflicts += from->conflicts;
  into->unsent += from->unsent;
  for (size_t i = 0; i < from->fault_count; i++)
    add(into, from->faults[i].status, from->faults[i].count, from->faults[i].first);
}

/* waves.h: when each of the writes that are watched began, for those who are told of them. */
#ifndef TP_CLI_BENCH_WAVES_H
#define TP_CLI_BENCH_WAVES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TP_BENCH_WAVES_MAX = 4096 }; /* as many as can be remembered */

/* A zeroed one knows of none. */
typedef struct tp_bench_waves {
  struct {
    _Atomic uint64_t number;
    _Atomic int64_t from_ns;
  } items[TP_BENCH_WAVES_MAX];
} tp_bench_waves;

/* number: from 1 on, one after the other. One thread notes, any may look. */
static inline void tp_bench_waves_note(tp_bench_waves *waves, uint64_t number, int64_t from_ns) {
  size_t i = number % TP_BENCH_WAVES_MAX;
  atomic_store(&waves->items[i].from_ns, from_ns);
  atomic_store(&waves->items[i].number, number);
}

/* 0: it is not known, or not any more. */
static inline int64_t tp_bench_waves_from_ns(const tp_bench_waves *waves, uint64_t number) {
  size_t i = number % TP_BENCH_WAVES_MAX;
  bool is_known = number > 0 && atomic_load(&waves->items[i].number) == number;
  return is_known ? atomic_load(&waves->items[i].from_ns) : 0;
}

#endif

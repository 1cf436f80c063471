/* watcher.h: watches one key of a server's, and tells each number that it takes. */
#ifndef TP_CLI_BENCH_WATCHER_H
#define TP_CLI_BENCH_WATCHER_H

#include "base/arena.h"
#include "keys.h"
#include "stream.h"

typedef struct tp_bench_watcher tp_bench_watcher;

struct tp_bench_watcher {
  tp_bench_stream stream; /* its on_end is the owner's to set */
  /* The key's value: a 64-bit number; 0 when there is none. */
  void (*on_number)(tp_bench_watcher *watcher, uint64_t number);
  tp_buffer key, body;
  tp_arena arena;
};

/* Of a zeroed one with its callbacks. False: out of memory; then it may be ended, too. */
bool tp_bench_watcher_init(tp_bench_watcher *watcher, const tp_bench_data *data, uint64_t key);
void tp_bench_watcher_done(tp_bench_watcher *watcher);

#endif

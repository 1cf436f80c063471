/* watcher.h: watches one key of a server's, and tells each number that it takes. */
#ifndef TP_CLI_BENCH_WATCHER_H
#define TP_CLI_BENCH_WATCHER_H

#include "base/arena.h"
#include "http_client.h"
#include "keys.h"

typedef struct tp_bench_watcher tp_bench_watcher;

/* A member of its owner's, who starts `call` on a connection of its choice. */
struct tp_bench_watcher {
  tp_bench_call call;
  /* The key's value: a 64-bit number; 0 when there is none. */
  void (*on_number)(tp_bench_watcher *watcher, uint64_t number);
  /* The stream has ended, though not with its connection; error: why. */
  void (*on_end)(tp_bench_watcher *watcher, const tuplet_error *error);
  tp_buffer key, body;
  tp_arena arena;
  tuplet_error error; /* of a message that is none; status 0: there was none */
};

/* Of a zeroed one with its callbacks. False: out of memory; then it may be ended, too. */
bool tp_bench_watcher_init(tp_bench_watcher *watcher, const tp_bench_data *data, uint64_t key);
void tp_bench_watcher_done(tp_bench_watcher *watcher);

/* To be called before each start. */
void tp_bench_watcher_prepare(tp_bench_watcher *watcher);

#endif

/* file_watch.h: watches of a file: one thread writes, the others watch, and what they share. */
#ifndef TP_CLI_BENCH_FILE_WATCH_H
#define TP_CLI_BENCH_FILE_WATCH_H

#include "crew.h"
#include "waves.h"

typedef struct tp_bench_file_watch {
  tp_bench_waves *waves;
  pthread_mutex_t mutex;
  pthread_cond_t all_told;
  /* Under the mutex: */
  uint64_t newest;     /* the last write that began */
  unsigned told_count; /* watchers that have been told of it */
} tp_bench_file_watch;

/* Errors: TUPLET_NOMEM. */
tuplet_status tp_bench_file_watch_init(tp_bench_file_watch *watch, tuplet_error *error);
void tp_bench_file_watch_done(tp_bench_file_watch *watch);

/* For the thread that writes, which is the crew's first: waits until the watchers are ready. */
void tp_bench_file_watch_await_all(tp_bench_worker *worker);
/* It is about to write `number`, which was due at from_ns. */
void tp_bench_file_watch_begin(tp_bench_file_watch *watch, uint64_t number, int64_t from_ns);
/* Waits until all have been told of it, or the time is over. */
void tp_bench_file_watch_wait(tp_bench_file_watch *watch, const tp_bench_worker *worker);

/* A watcher's work. */
void tp_bench_file_watch_work(tp_bench_file_watch *watch, tuplet_db *db, tp_bench_worker *worker);

#endif

/* file_watch.c: watches of a file. */
#include "file_watch.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"

#include <time.h>

enum { STEP_MS = 50 }; /* after which somebody who waits looks whether it is still worth it */

tuplet_status tp_bench_file_watch_init(tp_bench_file_watch *watch, tuplet_error *error) {
  *watch = (tp_bench_file_watch){.waves = tp_alloc_array_zeroed(NULL, 1, sizeof *watch->waves)};
  if (watch->waves == NULL) return tp_fail_nomem(error);
  if (pthread_mutex_init(&watch->mutex, NULL) == 0) {
    if (tp_deadline_init_cond(&watch->all_told) == 0) return TUPLET_OK;
    (void)pthread_mutex_destroy(&watch->mutex);
  }
  tp_free(NULL, watch->waves);
  return tp_fail_nomem(error);
}

void tp_bench_file_watch_done(tp_bench_file_watch *watch) {
  (void)pthread_cond_destroy(&watch->all_told);
  (void)pthread_mutex_destroy(&watch->mutex);
  tp_free(NULL, watch->waves);
}

void tp_bench_file_watch_await_all(tp_bench_worker *worker) {
  const struct timespec step = {.tv_nsec = 1000000};
  while (atomic_load(&worker->crew->ready) < worker->crew->worker_count &&
         tp_bench_worker_goes_on(worker, tp_bench_now_ns()))
    (void)nanosleep(&step, NULL);
  worker->pace.start_ns = tp_bench_now_ns();
}

void tp_bench_file_watch_begin(tp_bench_file_watch *watch, uint64_t number, int64_t from_ns) {
  tp_bench_waves_note(watch->waves, number, from_ns);
  (void)pthread_mutex_lock(&watch->mutex);
  watch->newest = number;
  watch->told_count = 0;
  (void)pthread_mutex_unlock(&watch->mutex);
}

void tp_bench_file_watch_wait(tp_bench_file_watch *watch, const tp_bench_worker *worker) {
  unsigned watcher_count = worker->crew->worker_count - 1;
  (void)pthread_mutex_lock(&watch->mutex);
  while (watch->told_count < watcher_count && tp_bench_worker_goes_on(worker, tp_bench_now_ns())) {
    tp_deadline deadline = tp_deadline_in(STEP_MS);
    (void)tp_deadline_wait(&deadline, &watch->all_told, &watch->mutex);
  }
  (void)pthread_mutex_unlock(&watch->mutex);
}

/* ---- A watcher ---- */

static void take_number(tp_bench_file_watch *watch, tp_bench_worker *worker, uint64_t number,
                        uint64_t *seen) {
  int64_t from_ns = tp_bench_waves_from_ns(watch->waves, number);
  if (from_ns == 0 || number <= *seen) return; /* of an earlier run */
  *seen = number;
  tp_bench_worker_count(worker, from_ns, tp_bench_now_ns());
  (void)pthread_mutex_lock(&watch->mutex);
  if (number == watch->newest && ++watch->told_count == worker->crew->worker_count - 1)
    (void)pthread_cond_signal(&watch->all_told);
  (void)pthread_mutex_unlock(&watch->mutex);
}

static tuplet_status follow(tp_bench_file_watch *watch, tuplet_watch *opened, tp_bench_worker *worker,
                            tuplet_error *error) {
  uint64_t seen = 0;
  bool is_primed = false;
  while (!is_primed || tp_bench_worker_goes_on(worker, tp_bench_now_ns())) {
    const tuplet_entries *entries = NULL;
    tuplet_status status = tuplet_watch_next(opened, STEP_MS, &entries, error);
    if (status < 0) return status;
    if (status != TUPLET_OK) continue;
    if (!is_primed)
      tp_bench_worker_ready(worker);
    else if (entries->items[0].exists)
      take_number(watch, worker, entries->items[0].value.u64, &seen);
    is_primed = true;
  }
  return TUPLET_OK;
}

void tp_bench_file_watch_work(tp_bench_file_watch *watch, tuplet_db *db, tp_bench_worker *worker) {
  tp_buffer key;
  tuplet_watch *opened = NULL;
  tuplet_status status;
  tp_buffer_init(&key, NULL);
  tp_bench_data_put_key(worker->desk.data, 0, &key); /* the first worker's */
  if (key.failed) {
    status = tp_fail_nomem(&worker->error);
  } else {
    tuplet_key watched = tuplet_key_of(tp_buffer_view(&key));
    status = tuplet_watch_open(db, &watched, 1, &opened, &worker->error);
    if (status == TUPLET_OK) status = follow(watch, opened, worker, &worker->error);
  }
  if (status == TUPLET_OK) worker->error.status = TUPLET_OK;
  tuplet_watch_close(opened);
  tp_buffer_done(&key);
}

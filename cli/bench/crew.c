/* crew.c: the threads that load a target, and the time they are measured in. */
#include "crew.h"

#include "base/alloc.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread.h"

#include <time.h>

enum { TICK_MS = 100 };

int64_t tp_bench_now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- For workers ---- */

void tp_bench_worker_ready(tp_bench_worker *worker) {
  tp_bench_crew *crew = worker->crew;
  if (crew->rate > 0 && worker->index < crew->pacer_count) {
    worker->pace.interval_ns = 1e9 * crew->pacer_count / crew->rate;
    /* The threads' turns lie between each other's. */
    worker->pace.start_ns =
        tp_bench_now_ns() + (int64_t)(worker->pace.interval_ns * worker->index / crew->pacer_count);
  }
  atomic_fetch_add(&crew->ready, 1);
  (void)pthread_mutex_lock(&crew->mutex);
  (void)pthread_cond_signal(&crew->changed);
  (void)pthread_mutex_unlock(&crew->mutex);
}

bool tp_bench_worker_goes_on(const tp_bench_worker *worker, int64_t now_ns) {
  const tp_bench_crew *crew = worker->crew;
  return now_ns < atomic_load_explicit(&crew->until_ns, memory_order_relaxed) &&
         !atomic_load_explicit(&crew->is_stopping, memory_order_relaxed);
}

int64_t tp_bench_worker_due_ns(const tp_bench_worker *worker) {
  const tp_bench_pace *pace = &worker->pace;
  return pace->interval_ns > 0 ? pace->start_ns + (int64_t)(pace->interval_ns * (double)pace->begun) : 0;
}

void tp_bench_worker_sleep_until(tp_bench_worker *worker, int64_t due_ns) {
  enum { STEP_NS = 100000000 };
  for (int64_t now_ns = tp_bench_now_ns(); now_ns < due_ns && tp_bench_worker_goes_on(worker, now_ns);
       now_ns = tp_bench_now_ns()) {
    int64_t until_ns = due_ns - now_ns < STEP_NS ? due_ns : now_ns + STEP_NS;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  }
}

bool tp_bench_worker_begin(tp_bench_worker *worker, tp_bench_task *task, int64_t now_ns) {
  if (!tp_bench_task_begin(task, &worker->desk)) return false;
  int64_t due_ns = tp_bench_worker_due_ns(worker);
  task->from_ns = due_ns > 0 ? due_ns : now_ns;
  worker->pace.begun++;
  return true;
}

void tp_bench_worker_count(tp_bench_worker *worker, int64_t from_ns, int64_t now_ns) {
  const tp_bench_crew *crew = worker->crew;
  int64_t begin_ns = atomic_load_explicit(&crew->from_ns, memory_order_relaxed);
  int64_t end_ns = atomic_load_explicit(&crew->until_ns, memory_order_relaxed);
  bool is_within = now_ns >= begin_ns && now_ns < end_ns;
  bool counts = crew->rate > 0 ? now_ns >= begin_ns && from_ns < end_ns : is_within;
  worker->tally.ended++;
  if (is_within) atomic_fetch_add_explicit(&worker->tally.completed, 1, memory_order_relaxed);
  if (counts) tp_histogram_record(&worker->tally.latency_ns, (uint64_t)(now_ns - from_ns));
}

tp_bench_step tp_bench_worker_answer(tp_bench_worker *worker, tp_bench_task *task,
                                     const tp_bench_answer *answer, int64_t now_ns) {
  tp_bench_step step = tp_bench_task_continue(task, &worker->desk, answer);
  bool is_told = worker->desk.workload == TP_BENCH_WATCH || worker->desk.workload == TP_BENCH_QUEUE;
  if (step == TP_BENCH_STEP_DONE && !is_told) tp_bench_worker_count(worker, task->from_ns, now_ns);
  return step;
}

void tp_bench_worker_count_unsent(tp_bench_worker *worker) {
  const tp_bench_pace *pace = &worker->pace;
  int64_t until_ns = atomic_load(&worker->crew->until_ns);
  if (pace->interval_ns <= 0 || until_ns == INT64_MAX || until_ns <= pace->start_ns) return;
  uint64_t due = (uint64_t)((double)(until_ns - pace->start_ns) / pace->interval_ns);
  if (due > pace->begun) worker->tally.unsent = due - pace->begun;
}

/* ---- Running ---- */

static void *run_worker(void *context) {
  tp_bench_worker *worker = context;
  tp_bench_crew *crew = worker->crew;
  crew->work(crew->context, worker);
  tp_bench_worker_count_unsent(worker);
  if (worker->error.status != TUPLET_OK) atomic_store(&crew->is_stopping, true);
  (void)pthread_mutex_lock(&crew->mutex);
  crew->ended++;
  (void)pthread_cond_signal(&crew->changed);
  (void)pthread_mutex_unlock(&crew->mutex);
  return NULL;
}

static tuplet_status init_worker(tp_bench_crew *crew, unsigned index, tuplet_error *error) {
  tp_bench_worker *worker = &crew->workers[index];
  worker->crew = crew;
  worker->index = index;
  worker->desk = (tp_bench_desk){.data = crew->data,
                                 .workload = crew->workload,
                                 .next_workload = crew->next_workload,
                                 .next_key = &crew->next_key,
                                 .sum = &crew->sum,
                                 .own_key = index,
                                 .tally = &worker->tally};
  tp_bench_chooser_init(&worker->desk.chooser, crew->data->plan, index + 1);
  return tp_bench_tally_init(&worker->tally, error);
}

/* The sum of what the workers show at this moment. */
static void report(const tp_bench_crew *crew, tp_bench_tally *sum, double seconds) {
  tp_bench_tally_done(sum);
  if (tp_bench_tally_init(sum, NULL) != TUPLET_OK) return;
  for (unsigned i = 0; i < crew->worker_count; i++) {
    const tp_bench_tally *tally = &crew->workers[i].tally;
    tp_histogram_merge(&sum->latency_ns, &tally->latency_ns);
    sum->completed += atomic_load_explicit(&tally->completed, memory_order_relaxed);
    sum->failed += atomic_load_explicit(&tally->failed, memory_order_relaxed);
  }
  crew->observer->on_progress(crew->observer->context, crew->workload, seconds, sum);
}

/* Waits for a worker to be ready or to end, at most a moment. False when all have ended. */
static bool wait_a_moment(tp_bench_crew *crew, unsigned started) {
  tp_deadline deadline = tp_deadline_in(TICK_MS);
  (void)pthread_mutex_lock(&crew->mutex);
  bool is_running = crew->ended < started;
  if (is_running) (void)tp_deadline_wait(&deadline, &crew->changed, &crew->mutex);
  is_running = crew->ended < started;
  (void)pthread_mutex_unlock(&crew->mutex);
  return is_running;
}

static void supervise(tp_bench_crew *crew, unsigned started) {
  tp_bench_tally sum = {0};
  bool has_begun = false;
  while (wait_a_moment(crew, started)) {
    int64_t now_ns = tp_bench_now_ns();
    if (!has_begun && started == crew->worker_count && atomic_load(&crew->ready) == started) {
      has_begun = true;
      int64_t from_ns = now_ns + crew->warm_up_ms * 1000000;
      if (crew->duration_ms > 0) atomic_store(&crew->until_ns, from_ns + crew->duration_ms * 1000000);
      atomic_store(&crew->from_ns, from_ns);
    }
    if (crew->is_interruptible && crew->observer->wants_end(crew->observer->context)) {
      atomic_store(&crew->is_stopping, true);
      if (has_begun && atomic_load(&crew->until_ns) > now_ns) atomic_store(&crew->until_ns, now_ns);
    }
    int64_t from_ns = atomic_load(&crew->from_ns);
    if (now_ns > from_ns) report(crew, &sum, (double)(now_ns - from_ns) / 1e9);
  }
  tp_bench_tally_done(&sum);
}

static double measured_seconds(const tp_bench_crew *crew) {
  int64_t from_ns = atomic_load(&crew->from_ns), until_ns = atomic_load(&crew->until_ns);
  if (from_ns == INT64_MAX) return 0;
  int64_t end_ns = until_ns == INT64_MAX ? tp_bench_now_ns() : until_ns;
  return end_ns > from_ns ? (double)(end_ns - from_ns) / 1e9 : 0;
}

static tuplet_status start_and_wait(tp_bench_crew *crew, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  unsigned started = 0;
  while (status == TUPLET_OK && started < crew->worker_count) {
    tp_bench_worker *worker = &crew->workers[started];
    status = tp_thread_start(&worker->thread, "tp-bench", run_worker, worker, error);
    if (status == TUPLET_OK) started++;
  }
  if (status != TUPLET_OK) atomic_store(&crew->is_stopping, true);
  supervise(crew, started);
  for (unsigned i = 0; i < started; i++) (void)pthread_join(crew->workers[i].thread, NULL);
  return status;
}

tuplet_status tp_bench_crew_run(tp_bench_crew *crew, unsigned worker_count, tp_bench_tally *tally,
                                double *ret_seconds, tuplet_error *error) {
  tuplet_status status = TUPLET_OK;
  crew->worker_count = worker_count;
  crew->ended = 0;
  atomic_init(&crew->next_key, 0);
  atomic_init(&crew->sum, 0);
  atomic_init(&crew->ready, 0);
  atomic_init(&crew->is_stopping, false);
  atomic_init(&crew->from_ns, INT64_MAX);
  atomic_init(&crew->until_ns, INT64_MAX);
  crew->workers = tp_alloc_array_zeroed(NULL, worker_count, sizeof *crew->workers);
  if (crew->workers == NULL || pthread_mutex_init(&crew->mutex, NULL) != 0) {
    tp_free(NULL, crew->workers);
    return tp_fail_nomem(error);
  }
  if (tp_deadline_init_cond(&crew->changed) != 0) {
    (void)pthread_mutex_destroy(&crew->mutex);
    tp_free(NULL, crew->workers);
    return tp_fail_nomem(error);
  }
  for (unsigned i = 0; i < worker_count && status == TUPLET_OK; i++) status = init_worker(crew, i, error);
  if (status == TUPLET_OK) status = start_and_wait(crew, error);
  if (status == TUPLET_OK) *ret_seconds = measured_seconds(crew);
  for (unsigned i = 0; i < worker_count; i++) {
    tp_bench_worker *worker = &crew->workers[i];
    if (worker->tally.latency_ns.buckets != NULL) tp_bench_tally_merge(tally, &worker->tally);
    tp_bench_tally_done(&worker->tally);
    if (status != TUPLET_OK || worker->error.status == TUPLET_OK) continue;
    status = worker->error.status;
    if (error != NULL) *error = worker->error;
  }
  (void)pthread_cond_destroy(&crew->changed);
  (void)pthread_mutex_destroy(&crew->mutex);
  tp_free(NULL, crew->workers);
  crew->workers = NULL;
  return status;
}

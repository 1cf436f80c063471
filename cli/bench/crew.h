/* crew.h: the threads that load a target, and the time they are measured in.
 *
 *   start ... all are ready ──warm-up──► from_ns ──duration──► until_ns ──► what is under way ends
 *
 * In a closed loop what ended within the measured time counts. At a fixed rate `completed` is that, too, but
 * latencies are those of all operations that had not ended when it began and were due before it ended,
 * whenever they ended: a target that falls behind cannot hide it by making the load wait. */
#ifndef TP_CLI_BENCH_CREW_H
#define TP_CLI_BENCH_CREW_H

#include "task.h"

#include <pthread.h>

typedef struct tp_bench_crew tp_bench_crew;

/* When the next operation should begin, at a fixed rate. */
typedef struct tp_bench_pace {
  double interval_ns; /* 0: whenever there is room */
  int64_t start_ns;
  uint64_t begun;
} tp_bench_pace;

typedef struct tp_bench_worker {
  tp_bench_crew *crew;
  pthread_t thread;
  unsigned index;
  tp_bench_tally tally;
  tp_bench_desk desk;
  tp_bench_pace pace;
  tuplet_error error; /* why the run cannot go on; status 0: it can */
} tp_bench_worker;

/* Whoever is told about a run in progress, on the thread that runs it, some times a second. */
typedef struct tp_bench_observer {
  /* seconds: of the measured time that have passed. The tally is for reading its atomic parts. */
  void (*on_progress)(void *context, tp_bench_workload workload, double seconds, const tp_bench_tally *tally);
  /* Whether the user wants the end; asked until it says so. */
  bool (*wants_end)(void *context);
  void *context;
} tp_bench_observer;

struct tp_bench_crew {
  const tp_bench_data *data;
  tp_bench_workload workload;
  tp_bench_workload next_workload; /* of FILL, AUDIT and CLEAR */
  int64_t warm_up_ms, duration_ms; /* duration 0: until there is nothing left to do */
  double rate;
  unsigned pacer_count; /* of the workers, the first ones begin operations at the rate; the others watch */
  /* What the threads do: calls tp_bench_worker_ready once, and returns when the time is over. A failure goes
   * into worker->error. */
  void (*work)(void *context, tp_bench_worker *worker);
  void *context;
  const tp_bench_observer *observer;
  bool is_interruptible; /* ends when the observer wants it */

  unsigned worker_count;
  tp_bench_worker *workers;
  _Atomic uint64_t next_key, sum;
  atomic_uint ready;
  atomic_bool is_stopping;
  _Atomic int64_t from_ns, until_ns;
  pthread_mutex_t mutex;
  pthread_cond_t changed; /* a worker is ready, or has ended */
  unsigned ended;         /* under the mutex */
};

/* Runs worker_count threads until the time is over; what they counted is added to *tally. ret_seconds: how
 * long the measured time was. Errors: those of the workers (the first one's), TUPLET_NOMEM. */
tuplet_status tp_bench_crew_run(tp_bench_crew *crew, unsigned worker_count, tp_bench_tally *tally,
                                double *ret_seconds, tuplet_error *error);

/* ---- For workers ---- */

int64_t tp_bench_now_ns(void);

/* Everything that does not belong to the measured time is done. Sets the pace. */
void tp_bench_worker_ready(tp_bench_worker *worker);

/* Whether new operations may begin. */
bool tp_bench_worker_goes_on(const tp_bench_worker *worker, int64_t now_ns);

/* When the next operation is due; 0 without a fixed rate. */
int64_t tp_bench_worker_due_ns(const tp_bench_worker *worker);

/* For threads that may block: sleeps until then, or until the time is over. */
void tp_bench_worker_sleep_until(tp_bench_worker *worker, int64_t due_ns);

/* Begins an operation, the one that is due; false when there is nothing left. */
bool tp_bench_worker_begin(tp_bench_worker *worker, tp_bench_task *task, int64_t now_ns);

/* Counts an operation that has ended well: of WATCH that a watcher is told, of QUEUE that a message comes; of
 * the others tp_bench_worker_answer does it. */
void tp_bench_worker_count(tp_bench_worker *worker, int64_t from_ns, int64_t now_ns);

/* Takes an answer; counts the operation when it has ended. */
tp_bench_step tp_bench_worker_answer(tp_bench_worker *worker, tp_bench_task *task,
                                     const tp_bench_answer *answer, int64_t now_ns);

/* Counts what was due and has not begun; at the end. */
void tp_bench_worker_count_unsent(tp_bench_worker *worker);

#endif

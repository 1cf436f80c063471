/* task.h: what a workload does: which requests an operation is made of, and whether their answers are right.
 *
 * It knows neither files nor networks: a target carries out one request at a time for each task.
 *
 *   tp_bench_task_begin ──► request ──► (the target) ──► answer ──► tp_bench_task_continue ──► done
 *                              ▲                                            │
 *                              └──────────────── one more ◄─────────────────┘ */
#ifndef TP_CLI_BENCH_TASK_H
#define TP_CLI_BENCH_TASK_H

#include "keys.h"
#include "tally.h"

typedef enum tp_bench_request_type {
  TP_BENCH_REQUEST_READ,     /* keys[0 .. count - 1] */
  TP_BENCH_REQUEST_LIST,     /* `count` entries from keys[0] on */
  TP_BENCH_REQUEST_SET,      /* keys[0], numbers[0] or some value */
  TP_BENCH_REQUEST_SUM,      /* keys[0], 1 */
  TP_BENCH_REQUEST_TRANSFER, /* keys[0] and keys[1], if they have these versions, become these numbers */
  TP_BENCH_REQUEST_ENQUEUE,  /* numbers[0] */
  TP_BENCH_REQUEST_FINISH,   /* the message with that id */
  TP_BENCH_REQUEST_FILL,     /* `count` values from keys[0] on: numbers of 8 bytes, or some value */
  TP_BENCH_REQUEST_CLEAR     /* `count` keys from keys[0] on */
} tp_bench_request_type;

typedef struct tp_bench_request {
  tp_bench_request_type type;
  uint32_t count;
  uint64_t keys[TP_BENCH_GETMANY_MAX];
  tuplet_versionstamp versions[2];
  uint64_t numbers[2]; /* of SET and FILL the first, when is_number */
  tuplet_bytes id;     /* of FINISH; the target's */
  uint32_t attempt;
  bool is_number; /* of SET and FILL */
} tp_bench_request;

typedef struct tp_bench_row {
  bool exists;
  tuplet_versionstamp version;
  size_t size;
  uint64_t number; /* of a 64-bit counter */
} tp_bench_row;

/* What a request came to. */
typedef struct tp_bench_answer {
  tuplet_status status;                    /* TUPLET_OK, TUPLET_CONFLICT, or an error */
  tuplet_error error;                      /* when negative */
  uint32_t row_count;                      /* of READ and LIST */
  tp_bench_row rows[TP_BENCH_GETMANY_MAX]; /* of READ, as asked for */
} tp_bench_answer;

/* One operation at a time. */
typedef struct tp_bench_task {
  tp_bench_request request;
  int64_t from_ns; /* what its latency counts from: when it began or, at a fixed rate, should have */
} tp_bench_task;

/* What the tasks of one thread share. */
typedef struct tp_bench_desk {
  const tp_bench_data *data;
  tp_bench_workload workload;
  tp_bench_workload next_workload; /* of FILL: what the keys are made for */
  tp_bench_chooser chooser;
  _Atomic uint64_t *next_key; /* of FILL, AUDIT and CLEAR: the first that nobody has taken; of all threads */
  _Atomic uint64_t *sum;      /* of AUDIT: what the accounts hold; of all threads */
  uint64_t own_key; /* of WATCH: the thread's, and how often it was written; of QUEUE: how many there were */
  uint64_t sequence;
  tp_bench_tally *tally;
} tp_bench_desk;

/* Fills in the first request. False when there is nothing left to do, as happens to FILL, AUDIT and CLEAR
 * only. */
bool tp_bench_task_begin(tp_bench_task *task, tp_bench_desk *desk);

typedef enum tp_bench_step {
  TP_BENCH_STEP_DONE,   /* the operation has ended as it should */
  TP_BENCH_STEP_FAILED, /* it has ended, and was counted as a failure */
  TP_BENCH_STEP_MORE    /* the task's request is the next one to carry out */
} tp_bench_step;

tp_bench_step tp_bench_task_continue(tp_bench_task *task, tp_bench_desk *desk, const tp_bench_answer *answer);

/* Whether a workload's keys are there before it begins. */
bool tp_bench_workload_needs_keys(tp_bench_workload workload);
/* How many keys a workload may touch. */
uint64_t tp_bench_workload_key_count(tp_bench_workload workload, const tp_bench_plan *plan);

/* "get"; NULL beyond the last one. */
const char *tp_bench_workload_name(tp_bench_workload workload);

#endif

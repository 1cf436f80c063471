/* task.c: what a workload does: which requests an operation is made of, and whether their answers are right.
 */
#include "task.h"

#include "base/status.h"

#include <assert.h>

enum { MIXED_READS = 4, MIXED_ALL = 5, AMOUNT_MAX = 100 };

const char *tp_bench_workload_name(tp_bench_workload workload) {
  static const char *const names[TP_BENCH_WORKLOAD_COUNT] = {"get", "getmany", "set",   "mixed", "transfer",
                                                             "sum", "list",    "watch", "queue"};
  return workload < TP_BENCH_WORKLOAD_COUNT ? names[workload] : NULL;
}

bool tp_bench_workload_needs_keys(tp_bench_workload workload) {
  return workload != TP_BENCH_SUM && workload != TP_BENCH_WATCH && workload != TP_BENCH_QUEUE;
}

uint64_t tp_bench_workload_key_count(tp_bench_workload workload, const tp_bench_plan *plan) {
  if (workload == TP_BENCH_QUEUE) return 0;
  if (workload == TP_BENCH_SUM) return 1;
  return workload == TP_BENCH_WATCH ? plan->thread_count : plan->key_count;
}

/* ---- Beginning ---- */

static void choose_distinct(tp_bench_desk *desk, uint64_t *keys, uint32_t count) {
  uint64_t first = tp_bench_chooser_next(&desk->chooser);
  /* Neighbours in number, so that keys never come twice; where they lie means nothing to anybody. */
  for (uint32_t i = 0; i < count; i++) keys[i] = (first + i) % desk->data->plan->key_count;
}

static void choose_accounts(tp_bench_desk *desk, uint64_t keys[2]) {
  keys[0] = tp_bench_chooser_next(&desk->chooser);
  uint64_t others = desk->data->plan->key_count - 1;
  keys[1] = tp_bench_chooser_next(&desk->chooser);
  if (keys[1] == keys[0])
    keys[1] = (keys[0] + 1 + tp_bench_random_below(&desk->chooser.random, others)) % (others + 1);
}

static bool take_keys(tp_bench_desk *desk, tp_bench_request *request) {
  const tp_bench_plan *plan = desk->data->plan;
  uint64_t end = tp_bench_workload_key_count(desk->next_workload, plan);
  uint32_t count = tp_bench_data_fill_count(desk->data);
  if (desk->workload == TP_BENCH_AUDIT) count = TP_BENCH_GETMANY_MAX;
  uint64_t first = atomic_fetch_add_explicit(desk->next_key, count, memory_order_relaxed);
  if (first >= end) return false;
  request->keys[0] = first;
  request->count = end - first < count ? (uint32_t)(end - first) : count;
  if (desk->workload == TP_BENCH_AUDIT) {
    for (uint32_t i = 0; i < request->count; i++) request->keys[i] = first + i;
  }
  request->is_number = desk->next_workload == TP_BENCH_TRANSFER;
  request->numbers[0] = TP_BENCH_ACCOUNT;
  return true;
}

bool tp_bench_task_begin(tp_bench_task *task, tp_bench_desk *desk) {
  static const tp_bench_request_type types[] = {
      [TP_BENCH_GET] = TP_BENCH_REQUEST_READ,      [TP_BENCH_GETMANY] = TP_BENCH_REQUEST_READ,
      [TP_BENCH_SET] = TP_BENCH_REQUEST_SET,       [TP_BENCH_MIXED] = TP_BENCH_REQUEST_READ,
      [TP_BENCH_TRANSFER] = TP_BENCH_REQUEST_READ, [TP_BENCH_SUM] = TP_BENCH_REQUEST_SUM,
      [TP_BENCH_LIST] = TP_BENCH_REQUEST_LIST,     [TP_BENCH_WATCH] = TP_BENCH_REQUEST_SET,
      [TP_BENCH_QUEUE] = TP_BENCH_REQUEST_ENQUEUE, [TP_BENCH_FILL] = TP_BENCH_REQUEST_FILL,
      [TP_BENCH_AUDIT] = TP_BENCH_REQUEST_READ,    [TP_BENCH_CLEAR] = TP_BENCH_REQUEST_CLEAR};
  tp_bench_request *request = &task->request;
  const tp_bench_plan *plan = desk->data->plan;
  request->type = types[desk->workload];
  request->count = 1;
  request->is_number = false;
  switch (desk->workload) {
  case TP_BENCH_MIXED:
    if (tp_bench_random_below(&desk->chooser.random, MIXED_ALL) >= MIXED_READS)
      request->type = TP_BENCH_REQUEST_SET;
    request->keys[0] = tp_bench_chooser_next(&desk->chooser);
    return true;
  case TP_BENCH_GETMANY:
    request->count = plan->batch;
    choose_distinct(desk, request->keys, request->count);
    return true;
  case TP_BENCH_LIST:
    request->keys[0] = tp_bench_chooser_next(&desk->chooser);
    if (request->keys[0] > plan->key_count - plan->batch) request->keys[0] = plan->key_count - plan->batch;
    request->count = plan->batch;
    return true;
  case TP_BENCH_TRANSFER:
    request->count = 2;
    choose_accounts(desk, request->keys);
    return true;
  case TP_BENCH_SUM: request->keys[0] = 0; return true;
  case TP_BENCH_WATCH:
    request->keys[0] = desk->own_key;
    request->is_number = true;
    request->numbers[0] = ++desk->sequence;
    return true;
  case TP_BENCH_QUEUE: request->numbers[0] = ++desk->sequence; return true;
  case TP_BENCH_FILL:
  case TP_BENCH_AUDIT:
  case TP_BENCH_CLEAR: return take_keys(desk, request);
  default: request->keys[0] = tp_bench_chooser_next(&desk->chooser); return true;
  }
}

/* ---- Going on ---- */

static tp_bench_step wrong(tp_bench_desk *desk, const char *what) {
  tuplet_error error;
  tp_error_set(&error, TUPLET_MALFORMED, "a wrong answer: %s", what);
  tp_bench_tally_fault(desk->tally, &error);
  return TP_BENCH_STEP_FAILED;
}

static tp_bench_step continue_transfer(tp_bench_task *task, tp_bench_desk *desk,
                                       const tp_bench_answer *answer) {
  tp_bench_request *request = &task->request;
  if (request->type == TP_BENCH_REQUEST_TRANSFER) {
    if (answer->status == TUPLET_OK) return TP_BENCH_STEP_DONE;
    desk->tally->conflicts++;
    request->type = TP_BENCH_REQUEST_READ;
    return TP_BENCH_STEP_MORE;
  }
  uint64_t amount = 1 + tp_bench_random_below(&desk->chooser.random, AMOUNT_MAX);
  for (size_t i = 0; i < 2; i++) {
    if (!answer->rows[i].exists) return wrong(desk, "an account is not there");
    request->versions[i] = answer->rows[i].version;
    request->numbers[i] = answer->rows[i].number;
  }
  /* Who has nothing left goes into debt: numbers wrap, and so does their sum. */
  request->numbers[0] -= amount;
  request->numbers[1] += amount;
  request->type = TP_BENCH_REQUEST_TRANSFER;
  return TP_BENCH_STEP_MORE;
}

static tp_bench_step continue_audit(tp_bench_desk *desk, const tp_bench_answer *answer) {
  for (uint32_t i = 0; i < answer->row_count; i++) {
    if (!answer->rows[i].exists) return wrong(desk, "an account is not there");
    atomic_fetch_add_explicit(desk->sum, answer->rows[i].number, memory_order_relaxed);
  }
  return TP_BENCH_STEP_DONE;
}

tp_bench_step tp_bench_task_continue(tp_bench_task *task, tp_bench_desk *desk,
                                     const tp_bench_answer *answer) {
  const tp_bench_request *request = &task->request;
  if (answer->status < 0) {
    tp_bench_tally_fault(desk->tally, &answer->error);
    return TP_BENCH_STEP_FAILED;
  }
  if (desk->workload == TP_BENCH_AUDIT) return continue_audit(desk, answer);
  if (desk->workload == TP_BENCH_TRANSFER) return continue_transfer(task, desk, answer);
  if (answer->status != TUPLET_OK) return wrong(desk, "a conflict without a check");
  if (request->type == TP_BENCH_REQUEST_LIST && answer->row_count != request->count)
    return wrong(desk, "a list without entries that are there");
  if (request->type == TP_BENCH_REQUEST_READ) {
    for (uint32_t i = 0; i < request->count; i++) {
      if (!answer->rows[i].exists) return wrong(desk, "an entry is not there");
      if (answer->rows[i].size != desk->data->plan->value_size) return wrong(desk, "a value of another size");
    }
  }
  return TP_BENCH_STEP_DONE;
}

/* file_target.c: a file, or a database in memory, through the library: a thread for each operation in flight,
 * which makes blocking calls, as a program would. */
#include "target.h"

#include "base/alloc.h"
#include "base/status.h"
#include "file_queue.h"
#include "file_watch.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

typedef struct file_target {
  tp_bench_target base;
  tuplet_db *db;
  tp_bench_file_watch watch; /* what the threads share where watches are measured */
} file_target;

/* What one thread needs to carry out requests. */
typedef struct file_hand {
  tuplet_db *db;
  tp_bench_worker *worker;
  tp_bench_file_watch *watch;
  tp_buffer keys; /* encoded, one after the other */
  size_t ends[TP_BENCH_FILL_COUNT];
} file_hand;

/* ---- Keys and values ---- */

/* Encodes keys into hand->keys; false when out of memory. */
static bool encode_keys(file_hand *hand, const tp_bench_request *request, size_t count, bool in_a_row) {
  tp_buffer_clear(&hand->keys);
  for (size_t i = 0; i < count; i++) {
    tp_bench_data_put_key(hand->worker->desk.data, in_a_row ? request->keys[0] + i : request->keys[i],
                          &hand->keys);
    hand->ends[i] = hand->keys.size;
  }
  return !hand->keys.failed;
}

static tuplet_key key_at(const file_hand *hand, size_t i) {
  size_t start = i == 0 ? 0 : hand->ends[i - 1];
  return tuplet_key_of(tuplet_view(hand->keys.data + start, hand->ends[i] - start));
}

static tuplet_value value_of(const file_hand *hand, const tp_bench_request *request) {
  if (request->is_number) return tuplet_value_u64(request->numbers[0]);
  tp_bench_desk *desk = &hand->worker->desk;
  tuplet_bytes bytes = tp_bench_data_value(desk->data, &desk->chooser.random);
  return tuplet_value_bytes(bytes.data, bytes.size);
}

static void take_row(const tuplet_entry *entry, tp_bench_row *row) {
  *row = (tp_bench_row){.exists = entry->exists,
                        .version = entry->versionstamp,
                        .size = entry->value.data.size,
                        .number = entry->value.u64};
}

/* ---- Requests ---- */

static tuplet_status read_entries(file_hand *hand, const tp_bench_request *request, tp_bench_answer *answer) {
  tuplet_status status;
  if (request->count == 1) {
    tuplet_entry *entry = NULL;
    status = tuplet_get(hand->db, key_at(hand, 0), TUPLET_CONSISTENCY_STRONG, &entry, &answer->error);
    answer->row_count = 1;
    answer->rows[0] = (tp_bench_row){0};
    if (status == TUPLET_OK) take_row(entry, &answer->rows[0]);
    if (status == TUPLET_OK) tuplet_entry_free(entry);
    return status == TUPLET_NOT_FOUND ? TUPLET_OK : status;
  }
  tuplet_key keys[TP_BENCH_GETMANY_MAX];
  for (uint32_t i = 0; i < request->count; i++) keys[i] = key_at(hand, i);
  tuplet_entries *entries = NULL;
  status =
      tuplet_get_many(hand->db, keys, request->count, TUPLET_CONSISTENCY_STRONG, &entries, &answer->error);
  if (status != TUPLET_OK) return status;
  answer->row_count = (uint32_t)entries->count;
  for (size_t i = 0; i < entries->count; i++) take_row(&entries->items[i], &answer->rows[i]);
  tuplet_entries_free(entries);
  return TUPLET_OK;
}

static tuplet_status list_entries(file_hand *hand, const tp_bench_request *request, tp_bench_answer *answer) {
  const tp_bench_data *data = hand->worker->desk.data;
  tuplet_key prefix = tuplet_key_of(tuplet_view(data->prefix.data, data->prefix.size));
  tuplet_key start = key_at(hand, 0);
  tuplet_selector selector = {&prefix, &start, NULL};
  tuplet_list_options options = TUPLET_LIST_OPTIONS_INIT;
  options.limit = request->count;
  tuplet_list *list = NULL;
  tuplet_status status = tuplet_list_open(hand->db, &selector, &options, &list, &answer->error);
  if (status != TUPLET_OK) return status;
  const tuplet_entry *entry;
  answer->row_count = 0;
  while ((status = tuplet_list_next(list, &entry, &answer->error)) == TUPLET_OK) answer->row_count++;
  tuplet_list_close(list);
  return status == TUPLET_DONE ? TUPLET_OK : status;
}

/* The first error of gathering comes again from the commit. */
static tuplet_status write_atomically(file_hand *hand, const tp_bench_request *request,
                                      tp_bench_answer *answer) {
  tuplet_atomic *atomic = tuplet_atomic_new(hand->db);
  if (atomic == NULL) return tp_fail_nomem(&answer->error);
  for (size_t i = 0; i < request->count; i++) {
    tuplet_key key = key_at(hand, i);
    switch (request->type) {
    case TP_BENCH_REQUEST_TRANSFER:
      (void)tuplet_atomic_check(atomic, key, &request->versions[i], NULL);
      (void)tuplet_atomic_set(atomic, key, tuplet_value_u64(request->numbers[i]), TUPLET_NEVER, NULL);
      break;
    case TP_BENCH_REQUEST_SUM: (void)tuplet_atomic_sum(atomic, key, 1, NULL); break;
    case TP_BENCH_REQUEST_CLEAR: (void)tuplet_atomic_delete(atomic, key, NULL); break;
    default: (void)tuplet_atomic_set(atomic, key, value_of(hand, request), TUPLET_NEVER, NULL); break;
    }
  }
  tuplet_status status = tuplet_atomic_commit(atomic, NULL, &answer->error);
  tuplet_atomic_free(atomic);
  return status;
}

static void carry_out(file_hand *hand, const tp_bench_request *request, tp_bench_answer *answer) {
  bool in_a_row = request->type == TP_BENCH_REQUEST_FILL || request->type == TP_BENCH_REQUEST_CLEAR;
  size_t key_count = request->type == TP_BENCH_REQUEST_LIST ? 1 : request->count;
  if (!encode_keys(hand, request, key_count, in_a_row)) {
    answer->status = tp_fail_nomem(&answer->error);
    return;
  }
  switch (request->type) {
  case TP_BENCH_REQUEST_READ: answer->status = read_entries(hand, request, answer); break;
  case TP_BENCH_REQUEST_LIST: answer->status = list_entries(hand, request, answer); break;
  case TP_BENCH_REQUEST_SET:
    answer->status =
        tuplet_set(hand->db, key_at(hand, 0), value_of(hand, request), TUPLET_NEVER, NULL, &answer->error);
    break;
  default: answer->status = write_atomically(hand, request, answer); break;
  }
}

/* ---- A thread ---- */

static bool operate(file_hand *hand) {
  tp_bench_worker *worker = hand->worker;
  tp_bench_task task;
  tp_bench_answer answer;
  tp_bench_worker_sleep_until(worker, tp_bench_worker_due_ns(worker));
  int64_t now_ns = tp_bench_now_ns();
  if (!tp_bench_worker_goes_on(worker, now_ns) || !tp_bench_worker_begin(worker, &task, now_ns)) return false;
  tp_bench_step step;
  if (worker->desk.workload == TP_BENCH_WATCH)
    tp_bench_file_watch_begin(hand->watch, worker->desk.sequence, task.from_ns);
  do {
    carry_out(hand, &task.request, &answer);
    now_ns = tp_bench_now_ns();
    step = tp_bench_worker_answer(worker, &task, &answer, now_ns);
  } while (step == TP_BENCH_STEP_MORE && tp_bench_worker_goes_on(worker, now_ns));
  /* What the disk or the file refuses once it will refuse again; what is only busy may get better. */
  if (answer.status < 0 && answer.status != TUPLET_BUSY) worker->error = answer.error;
  if (worker->desk.workload == TP_BENCH_WATCH && step == TP_BENCH_STEP_DONE && worker->crew->rate <= 0)
    tp_bench_file_watch_wait(hand->watch, worker);
  return worker->error.status == TUPLET_OK;
}

static void work(void *context, tp_bench_worker *worker) {
  file_target *target = context;
  bool is_watching = worker->desk.workload == TP_BENCH_WATCH;
  if (is_watching && worker->index > 0) {
    tp_bench_file_watch_work(&target->watch, target->db, worker);
    return;
  }
  if (worker->desk.workload == TP_BENCH_QUEUE) {
    tp_bench_file_queue_work(target->db, worker);
    return;
  }
  file_hand hand = {.db = target->db, .worker = worker, .watch = &target->watch};
  tp_buffer_init(&hand.keys, NULL);
  (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* a fixed rate wakes when it says */
  tp_bench_worker_ready(worker);
  if (is_watching) tp_bench_file_watch_await_all(worker);
  while (operate(&hand)) {
  }
  tp_buffer_done(&hand.keys);
}

/* ---- The target ---- */

/* Of watches one thread writes, and the others watch. */
static unsigned worker_count(const tp_bench_target *base, tp_bench_workload workload,
                             unsigned *ret_pacer_count) {
  const tp_bench_plan *plan = base->data->plan;
  unsigned count = plan->connection_count * plan->in_flight;
  *ret_pacer_count = workload == TP_BENCH_WATCH ? 1 : count;
  return workload == TP_BENCH_WATCH ? count + 1 : count;
}

static tuplet_status prepare(tp_bench_target *base, int64_t needed_ms, tuplet_error *error) {
  (void)base;
  (void)needed_ms;
  (void)error;
  return TUPLET_OK;
}

static const char *describe(const tp_bench_target *base) {
  (void)base;
  return "library";
}

static void close_file(tp_bench_target *base) {
  file_target *target = (file_target *)base;
  tuplet_close(target->db);
  tp_bench_file_watch_done(&target->watch);
  tp_free(NULL, target);
}

tuplet_status tp_bench_file_open(const tp_bench_place *place, const tp_bench_data *data,
                                 tp_bench_target **ret_target, tuplet_error *error) {
  static const tp_bench_target_ops ops = {worker_count, prepare, work, describe, close_file};
  file_target *target = tp_alloc_array_zeroed(NULL, 1, sizeof *target);
  if (target == NULL) return tp_fail_nomem(error);
  target->base = (tp_bench_target){&ops, place, data};
  tuplet_status status = tp_bench_file_watch_init(&target->watch, error);
  if (status != TUPLET_OK) {
    tp_free(NULL, target);
    return status;
  }
  status = tuplet_open(place->path, NULL, &target->db, error);
  if (status == TUPLET_OK)
    *ret_target = &target->base;
  else
    close_file(&target->base);
  return status;
}

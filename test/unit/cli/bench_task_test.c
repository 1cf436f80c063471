/* bench_task_test.c: which requests a workload makes, what it thinks of their answers, and what is counted.
 */
#include "bench/task.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
  tp_bench_plan plan;
  tp_bench_data data;
  tp_bench_tally tally;
  tp_bench_desk desk;
  tp_bench_task task;
  tp_bench_answer answer;
  _Atomic uint64_t next_key, sum;
} fixture;

static void begin(fixture *f, tp_bench_workload workload, uint64_t key_count, unsigned batch) {
  *f = (fixture){
      .plan = {.name = "test", .key_count = key_count, .value_size = 10, .batch = batch, .seed = 1}};
  assert_int_equal(tp_bench_data_init(&f->data, &f->plan, NULL), TUPLET_OK);
  assert_int_equal(tp_bench_tally_init(&f->tally, NULL), TUPLET_OK);
  f->desk = (tp_bench_desk){
      .data = &f->data, .workload = workload, .tally = &f->tally, .next_key = &f->next_key, .sum = &f->sum};
  tp_bench_chooser_init(&f->desk.chooser, &f->plan, 1);
}

static void end(fixture *f) {
  tp_bench_tally_done(&f->tally);
  tp_bench_data_done(&f->data);
}

static void answer_rows(fixture *f, size_t size) {
  f->answer = (tp_bench_answer){.row_count = f->task.request.count};
  for (size_t i = 0; i < TP_BENCH_GETMANY_MAX; i++)
    f->answer.rows[i] = (tp_bench_row){.exists = true, .size = size, .number = 1000};
}

static tp_bench_step go_on(fixture *f) {
  return tp_bench_task_continue(&f->task, &f->desk, &f->answer);
}

static void a_get_reads_one_key_and_looks_at_it(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_GET, 100, 0);
  for (int i = 0; i < 1000; i++) {
    assert_true(tp_bench_task_begin(&f.task, &f.desk));
    assert_int_equal(f.task.request.type, TP_BENCH_REQUEST_READ);
    assert_int_equal(f.task.request.count, 1);
    assert_true(f.task.request.keys[0] < 100);
  }
  answer_rows(&f, 10);
  assert_int_equal(go_on(&f), TP_BENCH_STEP_DONE);
  answer_rows(&f, 9);
  assert_int_equal(go_on(&f), TP_BENCH_STEP_FAILED);
  answer_rows(&f, 10);
  f.answer.rows[0].exists = false;
  assert_int_equal(go_on(&f), TP_BENCH_STEP_FAILED);
  assert_int_equal(f.tally.fault_count, 2);
  assert_string_equal(f.tally.faults[0].first, "a wrong answer: a value of another size");
  assert_string_equal(f.tally.faults[1].first, "a wrong answer: an entry is not there");
  end(&f);
}

static void a_getmany_reads_different_keys(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_GETMANY, 10, 10);
  for (int i = 0; i < 100; i++) {
    assert_true(tp_bench_task_begin(&f.task, &f.desk));
    unsigned seen = 0;
    for (size_t j = 0; j < 10; j++) seen |= 1u << f.task.request.keys[j];
    assert_int_equal(seen, (1u << 10) - 1);
  }
  end(&f);
}

static void a_list_begins_where_enough_follows(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_LIST, 100, 90);
  for (int i = 0; i < 1000; i++) {
    assert_true(tp_bench_task_begin(&f.task, &f.desk));
    assert_true(f.task.request.keys[0] <= 10);
    assert_int_equal(f.task.request.count, 90);
  }
  f.answer = (tp_bench_answer){.row_count = 90};
  assert_int_equal(go_on(&f), TP_BENCH_STEP_DONE);
  f.answer.row_count = 89;
  assert_int_equal(go_on(&f), TP_BENCH_STEP_FAILED);
  end(&f);
}

static void mixed_sets_one_in_five(void **state) {
  (void)state;
  fixture f;
  int sets = 0;
  begin(&f, TP_BENCH_MIXED, 100, 0);
  for (int i = 0; i < 10000; i++) {
    assert_true(tp_bench_task_begin(&f.task, &f.desk));
    if (f.task.request.type == TP_BENCH_REQUEST_SET) sets++;
  }
  assert_in_range(sets, 1800, 2200);
  end(&f);
}

static void a_transfer_moves_what_it_takes(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_TRANSFER, 2, 0);
  for (int i = 0; i < 1000; i++) {
    assert_true(tp_bench_task_begin(&f.task, &f.desk));
    const tp_bench_request *request = &f.task.request;
    assert_int_equal(request->type, TP_BENCH_REQUEST_READ);
    assert_int_equal(request->count, 2);
    assert_int_equal(request->keys[0] + request->keys[1], 1);
    answer_rows(&f, 8);
    f.answer.rows[0].number = 3; /* it may go into debt */
    f.answer.rows[1].version.bytes[9] = 5;
    assert_int_equal(go_on(&f), TP_BENCH_STEP_MORE);
    assert_int_equal(request->type, TP_BENCH_REQUEST_TRANSFER);
    assert_int_equal(request->numbers[0] + request->numbers[1], 1003);
    assert_true(request->numbers[1] > 1000 && request->numbers[1] <= 1100);
    assert_int_equal(request->versions[1].bytes[9], 5);
  }
  end(&f);
}

static void a_transfer_that_conflicts_reads_again(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_TRANSFER, 10, 0);
  assert_true(tp_bench_task_begin(&f.task, &f.desk));
  tp_bench_request first = f.task.request;
  for (uint64_t i = 1; i <= 3; i++) {
    answer_rows(&f, 8);
    assert_int_equal(go_on(&f), TP_BENCH_STEP_MORE);
    f.answer = (tp_bench_answer){.status = TUPLET_CONFLICT};
    assert_int_equal(go_on(&f), TP_BENCH_STEP_MORE);
    assert_int_equal(f.task.request.type, TP_BENCH_REQUEST_READ);
    assert_memory_equal(f.task.request.keys, first.keys, 2 * sizeof first.keys[0]);
    assert_int_equal(f.tally.conflicts, i);
  }
  answer_rows(&f, 8);
  assert_int_equal(go_on(&f), TP_BENCH_STEP_MORE);
  f.answer = (tp_bench_answer){.status = TUPLET_OK};
  assert_int_equal(go_on(&f), TP_BENCH_STEP_DONE);
  assert_int_equal(f.tally.fault_count, 0);
  end(&f);
}

/* FILL and CLEAR name each key once; AUDIT reads each once and adds up. */
static void what_goes_through_all_keys_takes_each_once(void **state) {
  (void)state;
  const tp_bench_workload workloads[] = {TP_BENCH_FILL, TP_BENCH_AUDIT, TP_BENCH_CLEAR};
  for (size_t i = 0; i < 3; i++) {
    fixture f;
    begin(&f, workloads[i], 1234, 0);
    f.desk.next_workload = TP_BENCH_TRANSFER;
    bool seen[1234] = {false};
    uint64_t count = 0;
    while (tp_bench_task_begin(&f.task, &f.desk)) {
      for (uint64_t j = 0; j < f.task.request.count; j++) {
        uint64_t key = workloads[i] == TP_BENCH_AUDIT ? f.task.request.keys[j] : f.task.request.keys[0] + j;
        assert_true(key < 1234 && !seen[key]);
        seen[key] = true;
        count++;
      }
      assert_true(f.task.request.is_number);
      answer_rows(&f, 8);
      assert_int_equal(go_on(&f), TP_BENCH_STEP_DONE);
    }
    assert_int_equal(count, 1234);
    assert_int_equal(f.sum, workloads[i] == TP_BENCH_AUDIT ? 1234000 : 0);
    end(&f);
  }
}

static void errors_are_counted_by_kind(void **state) {
  (void)state;
  fixture f;
  begin(&f, TP_BENCH_SET, 10, 0);
  assert_true(tp_bench_task_begin(&f.task, &f.desk));
  for (int i = 0; i < 100; i++) {
    f.answer = (tp_bench_answer){.status = TUPLET_BUSY};
    tp_error_set(&f.answer.error, TUPLET_BUSY, "reason %d", i % 40);
    assert_int_equal(go_on(&f), TP_BENCH_STEP_FAILED);
  }
  uint64_t count = 0;
  for (size_t i = 0; i < f.tally.fault_count; i++) count += f.tally.faults[i].count;
  assert_int_equal(f.tally.fault_count, TP_BENCH_FAULTS_MAX);
  assert_int_equal(count, 100);
  assert_int_equal(f.tally.failed, 100);
  end(&f);
}

static void tallies_add_up(void **state) {
  (void)state;
  tp_bench_tally a, b;
  tuplet_error error;
  assert_int_equal(tp_bench_tally_init(&a, NULL), TUPLET_OK);
  assert_int_equal(tp_bench_tally_init(&b, NULL), TUPLET_OK);
  tp_error_set(&error, TUPLET_IO, "%s", "lost");
  tp_bench_tally_fault(&a, &error);
  tp_bench_tally_fault(&b, &error);
  tp_bench_tally_fault(&b, &error);
  tp_error_set(&error, TUPLET_BUSY, "%s", "lost");
  tp_bench_tally_fault(&b, &error);
  b.completed = 5;
  b.ended = 7;
  b.conflicts = 2;
  b.unsent = 3;
  for (uint64_t i = 1; i <= 100; i++) tp_histogram_record(&b.latency_ns, i * 1000000);
  tp_bench_tally_merge(&a, &b);
  assert_int_equal(a.fault_count, 2);
  assert_int_equal(a.faults[0].count, 3);
  assert_int_equal(a.faults[1].count, 1);
  assert_int_equal(a.failed, 4);
  assert_int_equal(a.completed, 5);
  assert_int_equal(a.ended, 7);
  assert_int_equal(a.conflicts, 2);
  assert_int_equal(a.unsent, 3);
  assert_in_range(tp_histogram_quantile(&a.latency_ns, 0.99), 99000000, 99990000);
  tp_bench_tally_done(&a);
  tp_bench_tally_done(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_get_reads_one_key_and_looks_at_it),
      cmocka_unit_test(a_getmany_reads_different_keys),
      cmocka_unit_test(a_list_begins_where_enough_follows),
      cmocka_unit_test(mixed_sets_one_in_five),
      cmocka_unit_test(a_transfer_moves_what_it_takes),
      cmocka_unit_test(a_transfer_that_conflicts_reads_again),
      cmocka_unit_test(what_goes_through_all_keys_takes_each_once),
      cmocka_unit_test(errors_are_counted_by_kind),
      cmocka_unit_test(tallies_add_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

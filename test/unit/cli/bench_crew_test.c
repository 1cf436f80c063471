/* bench_crew_test.c: which operations count, with and without a fixed rate, and how a run ends. */
#include "bench/crew.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
  tp_bench_plan plan;
  tp_bench_data data;
  tp_bench_observer observer;
  tp_bench_crew crew;
  tp_bench_tally tally;
  tuplet_error error;
  double seconds;
  bool is_interrupted;
  uint64_t progress; /* how often it was told */
} fixture;

static void on_progress(void *context, tp_bench_workload workload, double seconds,
                        const tp_bench_tally *tally) {
  fixture *f = context;
  assert_int_equal(workload, TP_BENCH_SET);
  assert_true(seconds > 0);
  assert_true(tally->completed <= UINT64_MAX);
  f->progress++;
}

static bool wants_end(void *context) {
  const fixture *f = context;
  return f->is_interrupted;
}

static void begin(fixture *f, void (*work)(void *context, tp_bench_worker *worker)) {
  *f = (fixture){.plan = {.name = "test", .key_count = 10, .seed = 1}};
  assert_int_equal(tp_bench_data_init(&f->data, &f->plan, NULL), TUPLET_OK);
  assert_int_equal(tp_bench_tally_init(&f->tally, NULL), TUPLET_OK);
  f->observer = (tp_bench_observer){on_progress, wants_end, f};
  f->crew = (tp_bench_crew){.data = &f->data,
                            .workload = TP_BENCH_SET,
                            .work = work,
                            .context = f,
                            .duration_ms = 300,
                            .pacer_count = 3,
                            .observer = &f->observer,
                            .is_interruptible = true};
}

static tuplet_status run(fixture *f, unsigned worker_count) {
  return tp_bench_crew_run(&f->crew, worker_count, &f->tally, &f->seconds, &f->error);
}

static void end(fixture *f) {
  tp_bench_tally_done(&f->tally);
  tp_bench_data_done(&f->data);
}

/* ---- Single operations, at moments that the test says ---- */

typedef struct moment {
  int64_t from_ns, until_ns; /* of the measured time */
  double rate;
  int64_t due_ns, ended_ns; /* of an operation */
  bool completes, counts;
} moment;

static void operations_count_by_when_they_were_due_and_ended(void **state) {
  (void)state;
  const moment moments[] = {
      /* closed loop: what ends within */
      {100, 200, 0, 90, 99, false, false},
      {100, 200, 0, 90, 100, true, true},
      {100, 200, 0, 150, 199, true, true},
      {100, 200, 0, 150, 200, false, false},
      /* a fixed rate: what was due before the end and had not ended at the beginning */
      {100, 200, 10, 90, 99, false, false},
      {100, 200, 10, 90, 150, true, true},
      {100, 200, 10, 150, 900, false, true},
      {100, 200, 10, 200, 210, false, false},
  };
  for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
    const moment *m = &moments[i];
    fixture f;
    begin(&f, NULL);
    atomic_init(&f.crew.from_ns, m->from_ns);
    atomic_init(&f.crew.until_ns, m->until_ns);
    f.crew.rate = m->rate;
    tp_bench_worker worker = {.crew = &f.crew};
    assert_int_equal(tp_bench_tally_init(&worker.tally, NULL), TUPLET_OK);
    worker.desk = (tp_bench_desk){.data = &f.data, .workload = TP_BENCH_SET, .tally = &worker.tally};
    tp_bench_task task = {.from_ns = m->due_ns};
    tp_bench_answer answer = {.status = TUPLET_OK};
    assert_int_equal(tp_bench_worker_answer(&worker, &task, &answer, m->ended_ns), TP_BENCH_STEP_DONE);
    assert_int_equal(worker.tally.completed, m->completes);
    assert_int_equal(worker.tally.ended, 1);
    assert_int_equal(tp_histogram_count(&worker.tally.latency_ns), m->counts);
    if (m->counts)
      assert_in_range(tp_histogram_quantile(&worker.tally.latency_ns, 1), m->ended_ns - m->due_ns,
                      (m->ended_ns - m->due_ns) * 101 / 100);
    tp_bench_tally_done(&worker.tally);
    end(&f);
  }
}

static void operations_are_due_one_interval_after_the_other(void **state) {
  (void)state;
  fixture f;
  begin(&f, NULL);
  tp_bench_worker worker = {.crew = &f.crew, .pace = {.interval_ns = 2.5, .start_ns = 1000}};
  tp_bench_chooser_init(&worker.desk.chooser, &f.plan, 1);
  worker.desk.data = &f.data;
  worker.desk.workload = TP_BENCH_SET;
  tp_bench_task task;
  for (int64_t i = 0; i < 10; i++) {
    assert_int_equal(tp_bench_worker_due_ns(&worker), 1000 + i * 5 / 2);
    assert_true(tp_bench_worker_begin(&worker, &task, 5000));
    assert_int_equal(task.from_ns, 1000 + i * 5 / 2); /* however late it is */
  }
  atomic_init(&f.crew.until_ns, 1100);
  tp_bench_worker_count_unsent(&worker);
  assert_int_equal(worker.tally.unsent, 40 - 10);
  worker.pace = (tp_bench_pace){0};
  assert_int_equal(tp_bench_worker_due_ns(&worker), 0);
  assert_true(tp_bench_worker_begin(&worker, &task, 5000));
  assert_int_equal(task.from_ns, 5000);
  end(&f);
}

/* ---- Whole runs ---- */

static void work_at_once(void *context, tp_bench_worker *worker) {
  (void)context;
  tp_bench_task task;
  tp_bench_answer answer = {.status = TUPLET_OK};
  tp_bench_worker_ready(worker);
  for (int64_t now_ns = tp_bench_now_ns(); tp_bench_worker_goes_on(worker, now_ns);
       now_ns = tp_bench_now_ns()) {
    if (tp_bench_worker_due_ns(worker) > now_ns) continue;
    assert_true(tp_bench_worker_begin(worker, &task, now_ns));
    assert_int_equal(tp_bench_worker_answer(worker, &task, &answer, tp_bench_now_ns()), TP_BENCH_STEP_DONE);
  }
}

static void what_all_threads_count_is_added(void **state) {
  (void)state;
  fixture f;
  begin(&f, work_at_once);
  assert_int_equal(run(&f, 3), TUPLET_OK);
  assert_true(f.seconds > 0.29 && f.seconds < 0.31);
  assert_true(f.tally.completed > 0 && f.tally.ended >= f.tally.completed);
  assert_int_equal(tp_histogram_count(&f.tally.latency_ns), f.tally.completed);
  assert_true(f.progress > 0);
  end(&f);
}

static void a_fixed_rate_is_that_of_all_threads_together(void **state) {
  (void)state;
  fixture f;
  begin(&f, work_at_once);
  f.crew.rate = 1000;
  int64_t start_ns = tp_bench_now_ns();
  assert_int_equal(run(&f, 3), TUPLET_OK);
  int64_t elapsed_ms = (tp_bench_now_ns() - start_ns) / 1000000;
  /* The threads' schedules begin before the measured time does. */
  assert_true(f.tally.ended + f.tally.unsent >= 297);
  assert_true(f.tally.ended + f.tally.unsent <= (uint64_t)elapsed_ms + 4);
  end(&f);
}

static void work_badly(void *context, tp_bench_worker *worker) {
  if (worker->index != 1) {
    work_at_once(context, worker);
    return;
  }
  tp_bench_worker_ready(worker);
  tp_error_set(&worker->error, TUPLET_IO, "worker %u", worker->index);
}

static void one_that_fails_ends_all(void **state) {
  (void)state;
  fixture f;
  begin(&f, work_badly);
  f.crew.duration_ms = 3600000;
  assert_int_equal(run(&f, 3), TUPLET_IO);
  assert_string_equal(f.error.message, "worker 1");
  end(&f);
}

static void the_user_ends_it_early(void **state) {
  (void)state;
  fixture f;
  begin(&f, work_at_once);
  f.crew.duration_ms = 3600000;
  f.is_interrupted = true;
  assert_int_equal(run(&f, 2), TUPLET_OK);
  assert_true(f.seconds < 60);
  end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operations_count_by_when_they_were_due_and_ended),
      cmocka_unit_test(operations_are_due_one_interval_after_the_other),
      cmocka_unit_test(what_all_threads_count_is_added),
      cmocka_unit_test(a_fixed_rate_is_that_of_all_threads_together),
      cmocka_unit_test(one_that_fails_ends_all),
      cmocka_unit_test(the_user_ends_it_early),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

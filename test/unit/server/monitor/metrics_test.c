/* metrics_test.c: what loops count adds up, and reads as Prometheus wants it. */
#include "server/monitor/metrics.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

enum { LOOPS = 2 };

typedef struct fixture {
  tp_loop_metrics loops[LOOPS];
  const tp_loop_metrics *list[LOOPS];
  tp_engine_stats engines;
  tp_metrics_view view;
  tp_buffer text;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  for (size_t i = 0; i < LOOPS; i++) {
    assert_int_equal(tp_loop_metrics_init(&f->loops[i], NULL, NULL), TUPLET_OK);
    f->list[i] = &f->loops[i];
  }
  assert_int_equal(tp_engine_stats_init(&f->engines, NULL, NULL), TUPLET_OK);
  f->view = (tp_metrics_view){.loops = f->list,
                              .loop_count = LOOPS,
                              .engines = &f->engines,
                              .version = "1.2.3",
                              .sqlite_version = "3.40.1",
                              .openssl_version = "3.0.1"};
  tp_buffer_init(&f->text, NULL);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  for (size_t i = 0; i < LOOPS; i++) tp_loop_metrics_done(&f->loops[i]);
  tp_engine_stats_done(&f->engines);
  tp_buffer_done(&f->text);
  free(f);
  return 0;
}

static const char *print(fixture *f) {
  tp_buffer_clear(&f->text);
  tp_metrics_print(&f->view, &f->text);
  tp_buffer_append_byte(&f->text, 0);
  assert_false(f->text.failed);
  return (const char *)f->text.data;
}

static void assert_has(const char *text, const char *line) {
  char whole[256];
  (void)snprintf(whole, sizeof whole, "\n%s\n", line);
  if (strstr(text, whole) == NULL) fail_msg("'%s' is not in:\n%s", line, text);
}

static void every_line_is_one_of_the_format(void **state) {
  fixture *f = *state;
  f->view.has_tls = true;
  tp_http_outcome outcome = {.status = 507};
  tp_loop_metrics_count_request(&f->loops[0], TP_OPERATION_ATOMIC_WRITE, &outcome, 5);
  regex_t line;
  assert_int_equal(regcomp(&line,
                           "^(# HELP [a-z_]+ [^\\]+|# TYPE [a-z_]+ (counter|gauge|histogram)|"
                           "(tuplet|process)_[a-z_]+(\\{([a-z]+=\"[^\"\\]*\",?)+\\})? [0-9]+(\\.[0-9]+)?)$",
                           REG_EXTENDED | REG_NOSUB),
                   0);
  char *text = strdup(print(f)), *rest = text;
  assert_non_null(text);
  assert_int_equal(text[strlen(text) - 1], '\n');
  for (char *one; (one = strsep(&rest, "\n")) != NULL;) {
    if (*one == '\0') continue;
    if (regexec(&line, one, 0, NULL, 0) != 0) fail_msg("not of the format: %s", one);
  }
  regfree(&line);
  free(text);
}

static void loops_add_up(void **state) {
  fixture *f = *state;
  const tp_http_outcome fine = {.status = 200, .request_size = 10, .response_size = 100};
  const tp_http_outcome full = {.status = 507, .request_size = 1, .response_size = 2};
  const tp_http_outcome gone = {.status = 0};
  const tp_http_outcome odd = {.status = 299};
  tp_loop_metrics_count_request(&f->loops[0], TP_OPERATION_ATOMIC_WRITE, &fine, 300000);
  tp_loop_metrics_count_request(&f->loops[1], TP_OPERATION_ATOMIC_WRITE, &fine, 40000000);
  tp_loop_metrics_count_request(&f->loops[1], TP_OPERATION_ATOMIC_WRITE, &full, INT64_C(20000000000));
  tp_loop_metrics_count_request(&f->loops[1], TP_OPERATION_ATOMIC_WRITE, &gone, -1);
  tp_loop_metrics_count_request(&f->loops[0], TP_OPERATION_UNKNOWN, &odd, 1);
  tp_loop_metrics_count_request(&f->loops[0], TP_OPERATION_WATCH, &fine, 5);
  tp_metrics_add(&f->loops[0].watch_messages, 3);
  tp_metrics_add(&f->loops[1].watch_messages, 4);
  tp_metrics_add(&f->loops[1].auth_failures[TP_AUTH_FAILURE_THROTTLED], 2);
  const char *text = print(f);
  assert_has(text, "tuplet_requests_total{operation=\"atomic_write\",code=\"200\"} 2");
  assert_has(text, "tuplet_requests_total{operation=\"atomic_write\",code=\"507\"} 1");
  assert_has(text, "tuplet_requests_total{operation=\"atomic_write\",code=\"none\"} 1");
  assert_has(text, "tuplet_requests_total{operation=\"unknown\",code=\"other\"} 1");
  assert_has(text, "tuplet_requests_total{operation=\"watch\",code=\"200\"} 1");
  assert_has(text, "tuplet_requests_total{operation=\"page\",code=\"200\"} 0");
  assert_has(text, "tuplet_request_body_bytes_total{operation=\"atomic_write\"} 21");
  assert_has(text, "tuplet_response_body_bytes_total{operation=\"atomic_write\"} 202");
  assert_has(text, "tuplet_watch_messages_total 7");
  assert_has(text, "tuplet_auth_failures_total{outcome=\"throttled\"} 2");
#define DURATION(suffix) "tuplet_request_duration_seconds_" suffix
  assert_has(text, DURATION("bucket{operation=\"atomic_write\",le=\"0.00025\"} 0"));
  assert_has(text, DURATION("bucket{operation=\"atomic_write\",le=\"0.0005\"} 1"));
  assert_has(text, DURATION("bucket{operation=\"atomic_write\",le=\"0.05\"} 2"));
  assert_has(text, DURATION("bucket{operation=\"atomic_write\",le=\"10\"} 2"));
  assert_has(text, DURATION("bucket{operation=\"atomic_write\",le=\"+Inf\"} 3"));
  assert_has(text, DURATION("sum{operation=\"atomic_write\"} 20.040300000"));
  assert_has(text, DURATION("count{operation=\"atomic_write\"} 3"));
  assert_null(strstr(text, DURATION("count{operation=\"watch\"}")));
}

static void engines_are_shown_as_they_are(void **state) {
  fixture *f = *state;
  atomic_store(&f->engines.writes_committed, 7);
  atomic_store(&f->engines.writes_conflicting, 8);
  atomic_store(&f->engines.writes_failed, 9);
  atomic_store(&f->engines.log_size, 4128);
  tp_histogram_record(&f->engines.group_size, 1);
  tp_histogram_record(&f->engines.group_size, 6);
  tp_histogram_record(&f->engines.commit_ns, 1500000);
  f->view.queues = (tp_metrics_queues){.waiting = 3, .running = 1, .oldest_due_age_ms = 65432};
  const char *text = print(f);
  assert_has(text, "tuplet_writes_total{result=\"committed\"} 7");
  assert_has(text, "tuplet_writes_total{result=\"conflict\"} 8");
  assert_has(text, "tuplet_writes_total{result=\"failed\"} 9");
  assert_has(text, "tuplet_wal_bytes 4128");
  assert_has(text, "tuplet_commit_writes_bucket{le=\"1\"} 1");
  assert_has(text, "tuplet_commit_writes_bucket{le=\"4\"} 1");
  assert_has(text, "tuplet_commit_writes_bucket{le=\"8\"} 2");
  assert_has(text, "tuplet_commit_writes_sum 7");
  assert_has(text, "tuplet_commit_writes_count 2");
  assert_has(text, "tuplet_commit_duration_seconds_bucket{le=\"0.001\"} 0");
  assert_has(text, "tuplet_commit_duration_seconds_bucket{le=\"0.0025\"} 1");
  assert_has(text, "tuplet_commit_duration_seconds_sum 0.001500000");
  assert_has(text, "tuplet_queue_messages{state=\"waiting\"} 3");
  assert_has(text, "tuplet_queue_messages{state=\"running\"} 1");
  assert_has(text, "tuplet_queue_oldest_due_age_seconds 65.432");
}

static void tls_is_shown_where_there_is_any(void **state) {
  fixture *f = *state;
  tp_metrics_add(&f->loops[0].tls_handshakes, 5);
  tp_metrics_add(&f->loops[1].tls_failures, 1);
  assert_null(strstr(print(f), "tuplet_tls_"));
  f->view.has_tls = true;
  f->view.tls_certificate_expires_ms = 1800000000123;
  const char *text = print(f);
  assert_has(text, "tuplet_tls_handshakes_total{result=\"ok\"} 5");
  assert_has(text, "tuplet_tls_handshakes_total{result=\"failed\"} 1");
  assert_has(text, "tuplet_tls_certificate_expiry_timestamp_seconds 1800000000.123");
}

static void without_engines_the_rest_is_there(void **state) {
  fixture *f = *state;
  f->view.engines = NULL;
  const char *text = print(f);
  assert_null(strstr(text, "tuplet_writes_total"));
  assert_has(text, "tuplet_watches_open 0");
}

static void no_memory_is_told(void **state) {
  fixture *f = *state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_loop_metrics loop;
    tuplet_status status = tp_loop_metrics_init(&loop, &faults.allocator, NULL);
    tp_buffer text;
    tp_buffer_init(&text, &faults.allocator);
    if (status == TUPLET_OK) tp_metrics_print(&f->view, &text);
    bool fired = fault_allocator_fired(&faults);
    assert_int_equal(fired, status == TUPLET_NOMEM || text.failed);
    tp_buffer_done(&text);
    if (status == TUPLET_OK) tp_loop_metrics_done(&loop);
    assert_int_equal(faults.live, 0);
    if (!fired) break;
  }
}

static void the_process_is_seen(void **state) {
  (void)state;
  tp_process process;
  tp_process_init(&process);
  tp_process_usage usage = tp_process_usage_now(&process);
  assert_true(usage.resident_size > 100000 && usage.resident_size <= usage.virtual_size);
  assert_true(usage.descriptor_count >= 3 && usage.descriptor_count < usage.descriptor_max);
  FILE *more = fopen("/dev/null", "re");
  assert_non_null(more);
  assert_int_equal(tp_process_usage_now(&process).descriptor_count, usage.descriptor_count + 1);
  (void)fclose(more);
  assert_true(usage.cpu_seconds >= 0);
  tp_process_done(&process);
  tp_process_done(&process); /* twice is fine */
  assert_int_equal(tp_process_usage_now(&process).resident_size, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_line_is_one_of_the_format),   TEST(loops_add_up),
      TEST(engines_are_shown_as_they_are),     TEST(tls_is_shown_where_there_is_any),
      TEST(without_engines_the_rest_is_there), TEST(no_memory_is_told),
      cmocka_unit_test(the_process_is_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

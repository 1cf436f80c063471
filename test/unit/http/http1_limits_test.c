/* http1_limits_test.c: what an HTTP/1.1 connection refuses, and how little a refusal costs. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: h\r\n"

static const char post_echo[] = "POST /echo?q=1 HTTP/1.1\r\nHost: example.org:81\r\nX-Tag:  some tag \t\r\n"
                                "Content-Length: 5\r\n\r\nhello";

/* The limit is exact, however the bytes arrive. */
static void bounds_the_head(void **state) {
  fixture *f = *state;
  fixture_open(f);
  char head[256];
  for (int surplus = 0; surplus < 2; surplus++) {
    for (int in_target = 0; in_target < 2; in_target++) {
      for (size_t step = 1; step < 256; step += 127) {
        tp_http_conn_free(f->conn);
        f->config.limits.head_size_max = 200;
        fixture_open(f);
        fixture_clear(f);
        const char *format = in_target != 0 ? "GET /echo%0*d HTTP/1.1\r\nHost: h\r\n\r\n"
                                            : "GET /echo HTTP/1.1\r\nHost: h\r\na:%*d\r\n\r\n";
        int fixed = snprintf(NULL, 0, format, 0, 0) - 1;
        int size = snprintf(head, sizeof head, format, 200 - fixed + surplus, 0);
        assert_int_equal(size, 200 + surplus);
        for (size_t i = 0; i < (size_t)size; i += step) {
          size_t rest = (size_t)size - i;
          fixture_receive_bytes(f, head + i, rest < step ? rest : step);
        }
        assert_true(fixture_output_has(f, surplus == 0 ? "HTTP/1.1 200" : "HTTP/1.1 431"));
      }
    }
  }
  tp_http_conn_free(f->conn);
  fixture_open(f);
  fixture_clear(f);
  fixture_receive(f, "GET /");
  for (int i = 0; i < 50; i++) fixture_receive(f, "aaaaaaaaaa");
  assert_true(fixture_output_has(f, "HTTP/1.1 414"));
}

/* Cookies joined one by one would take the square of what was sent. */
static void holds_a_head_in_a_small_multiple_of_its_size(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST);
  for (int i = 0; i < 3200; i++) fixture_receive(f, "cookie:a\r\n");
  assert_true(f->faults.size_peak < 8 * TP_HTTP_HEAD_SIZE_MAX);
  fixture_receive(f, "\r\n");
  assert_int_equal(f->kept_count, 1);
  fixture_respond(f, 0, 200, "");
  fixture_collect(f, 0);
}

static void bounds_trailers_and_chunk_extensions(void **state) {
  fixture *f = *state;
  f->config.limits.head_size_max = 200;
  fixture_open(f);
  const char start[] = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
  fixture_receive(f, start);
  for (int i = 0; i < 50; i++) fixture_receive(f, "1;extension=value\r\na\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 431"));
  tp_http_conn_free(f->conn);
  fixture_open(f);
  fixture_clear(f);
  fixture_receive(f, start);
  fixture_receive(f, "0\r\n");
  for (int i = 0; i < 50; i++) fixture_receive(f, "x-trailer: value\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 431"));
  assert_int_equal(f->request_count, 0);
}

static void bounds_the_body(void **state) {
  fixture *f = *state;
  f->config.limits.body_size_max = 10;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789");
  assert_true(fixture_output_has(f, "\n0123456789\n"));
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n");
  assert_false(fixture_output_has(f, "HTTP/1.1 413"));
  fixture_receive(f, "2\r\nab\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 413"));
  assert_true(fixture_output_has(f, "The request's body is too large."));
}

static void bounds_bodies_by_the_budget_of_all_connections(void **state) {
  fixture *f = *state;
  tp_http_budget_init(&f->budget, 15, 100);
  f->config.budget = &f->budget;
  f->config.limits.bodies_size_free = 0;
  fixture_open(f);
  fixture_receive(f, "POST /keep HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789");
  assert_int_equal(atomic_load(&f->budget.memory), 10);
  tp_http_conn *first = f->conn;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\n012345");
  assert_true(fixture_output_has(f, "HTTP/1.1 503"));
  assert_int_equal(atomic_load(&f->budget.memory), 10);
  tp_http_conn_free(first);
  assert_int_equal(atomic_load(&f->budget.memory), 10); /* the handler still has it */
  fixture_respond(f, 0, 200, "");
  assert_int_equal(atomic_load(&f->budget.memory), 0);
}

static void lets_small_bodies_pass_though_the_budget_is_used_up(void **state) {
  fixture *f = *state;
  tp_http_budget_init(&f->budget, 0, 100);
  f->config.budget = &f->budget;
  f->config.limits.bodies_size_free = 5;
  fixture_open(f);
  for (int i = 0; i < 3; i++) fixture_receive(f, post_echo);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200"), 3);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\n012345");
  assert_true(fixture_output_has(f, "HTTP/1.1 503"));
  assert_int_equal(atomic_load(&f->budget.memory), 0);
}

static void refuses_at_the_head_and_goes_on_behind_the_body(void **state) {
  static const char refused[] = "POST /refused HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
                                "POST /refused HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\n0\r\n\r\nGET /refused HTTP/1.1\r\n" HOST "\r\n";
  fixture *f = *state;
  tp_http_budget_init(&f->budget, 0, 100);
  f->config.budget = &f->budget;
  f->config.limits.bodies_size_free = 0;
  fixture_open(f);
  fixture_receive(f, refused);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 401"), 2);
  assert_int_equal(f->head_count, 2);
  assert_int_equal(f->request_count, 1);
  fixture_respond(f, 0, 200, "");
  fixture_collect(f, 0);
  for (size_t i = 0; i < sizeof refused - 1; i++) fixture_receive_bytes(f, refused + i, 1);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 401"), 4);
  fixture_respond(f, 1, 200, "");
  fixture_collect(f, 0);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200"), 2);
  assert_false(tp_http_conn_wants_close(f->conn));
}

static void keeps_nothing_of_a_body_that_is_skipped(void **state) {
  fixture *f = *state;
  tp_http_budget_init(&f->budget, 0, 100);
  f->config.budget = &f->budget;
  f->config.limits.bodies_size_free = 0;
  f->config.limits.body_size_max = 10;
  fixture_open(f);
  fixture_receive(f, "POST /echo/skipped HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n012345678");
  assert_int_equal(f->request_count, 0);
  fixture_receive(f, "9");
  fixture_receive(f, "POST /echo/skipped HTTP/1.1\r\n" HOST
                     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  assert_int_equal(f->request_count, 2);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200"), 2);
  assert_false(fixture_output_has(f, "0123"));
  assert_false(fixture_output_has(f, "abc"));
  fixture_receive(f, "POST /echo/skipped HTTP/1.1\r\n" HOST
                     "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 413"));
  assert_int_equal(f->request_count, 2);
}

static void refuses_at_the_head_in_place_of_100(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "POST /refused HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 401"));
  assert_true(fixture_output_has(f, "connection: close"));
  assert_false(fixture_output_has(f, "100 Continue"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void discards_only_so_much_of_a_refused_body(void **state) {
  fixture *f = *state;
  f->config.limits.body_size_max = 10;
  fixture_open(f);
  fixture_receive(f, "POST /refused HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
  assert_false(tp_http_conn_wants_close(f->conn));
  fixture_receive(f, "6\r\nabcdef\r\n");
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_int_equal(fixture_output_count(f, "HTTP/1.1"), 1);
}

static void ends_a_refused_request_that_does_not_arrive_without_another_answer(void **state) {
  static const char begin[] = "POST /refused HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel";
  for (int i = 0; i < 3; i++) {
    fixture *f = *state;
    fixture_open(f);
    fixture_clear(f);
    fixture_receive(f, begin);
    assert_int_not_equal(tp_http_conn_progress(f->conn).receiving, 0);
    if (i == 0) tp_http_conn_expire_receiving(f->conn, 0, 0, 0);
    if (i == 1) tp_http_conn_receive_end(f->conn);
    if (i == 2) tp_http_conn_shutdown(f->conn);
    fixture_collect(f, 0);
    assert_int_equal(fixture_output_count(f, "HTTP/1.1"), 1);
    assert_true(tp_http_conn_wants_close(f->conn));
    if (i < 2) tp_http_conn_free(f->conn);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(bounds_the_head),
      TEST(holds_a_head_in_a_small_multiple_of_its_size),
      TEST(bounds_trailers_and_chunk_extensions),
      TEST(bounds_the_body),
      TEST(bounds_bodies_by_the_budget_of_all_connections),
      TEST(lets_small_bodies_pass_though_the_budget_is_used_up),
      TEST(refuses_at_the_head_and_goes_on_behind_the_body),
      TEST(keeps_nothing_of_a_body_that_is_skipped),
      TEST(refuses_at_the_head_in_place_of_100),
      TEST(discards_only_so_much_of_a_refused_body),
      TEST(ends_a_refused_request_that_does_not_arrive_without_another_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

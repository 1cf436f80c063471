/* budget_test.c: what all connections of a server may take together: requests at a time, and memory. */
#include "fixture.h"
#include "http2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: h\r\n"

static const char get_keep[] = "GET /keep HTTP/1.1\r\n" HOST "\r\n";
static const char get_echo[] = "GET /echo HTTP/1.1\r\n" HOST "\r\n";
static const char get_big[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";

static size_t requests_of(const fixture *f) {
  return atomic_load(&f->budget.requests);
}

static size_t memory_of(const fixture *f) {
  return atomic_load(&f->budget.memory);
}

static void use_budget(fixture *f, size_t memory_max, size_t requests_max) {
  tp_http_budget_init(&f->budget, memory_max, requests_max);
  f->config.budget = &f->budget;
}

/* ---- Alone ---- */

static void charges_up_to_its_maximum_and_not_beyond(void **state) {
  (void)state;
  tp_http_budget budget;
  tp_http_budget_init(&budget, 100, 1);
  assert_true(tp_http_budget_charge(&budget, 60));
  assert_false(tp_http_budget_charge(&budget, 41));
  assert_false(tp_http_budget_charge(&budget, SIZE_MAX));
  assert_true(tp_http_budget_charge(&budget, 40));
  assert_true(tp_http_budget_charge(&budget, 0));
  assert_int_equal(atomic_load(&budget.memory), 100);
  tp_http_budget_discharge(&budget, 100);
  assert_int_equal(atomic_load(&budget.memory), 0);
  assert_true(tp_http_budget_charge(NULL, SIZE_MAX));
  tp_http_budget_discharge(NULL, SIZE_MAX);
}

/* ---- Requests ---- */

static void refuses_one_request_too_many_on_whatever_connection(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 1);
  fixture_open(f);
  fixture_receive(f, get_keep);
  assert_int_equal(requests_of(f), 1);
  tp_http_conn *first = f->conn;
  fixture_open(f);
  fixture_receive(f, get_echo);
  assert_true(fixture_output_has(f, "HTTP/1.1 503 "));
  assert_true(fixture_output_has(f, "retry-after: 1\r\n"));
  assert_int_equal(f->request_count, 1);
  assert_false(tp_http_conn_wants_close(f->conn)); /* the connection is as good as before */
  fixture_respond(f, 0, 200, "");
  assert_int_equal(requests_of(f), 0);
  fixture_receive(f, get_echo);
  assert_true(fixture_output_has(f, "HTTP/1.1 200 "));
  tp_http_conn_free(first);
}

static void handles_what_is_exempt_however_many_there_are(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 1);
  fixture_open(f);
  tp_http_conn *first = f->conn;
  fixture_receive(f, get_keep);
  fixture_open(f);
  for (size_t i = 1; i <= 3; i++) {
    fixture_clear(f);
    fixture_receive(f, "GET /echo/exempt HTTP/1.1\r\n" HOST "\r\n");
    assert_true(fixture_output_has(f, "HTTP/1.1 200 "));
    assert_int_equal(f->request_count, 1 + i);
    assert_int_equal(requests_of(f), 1); /* and is not counted */
  }
  fixture_clear(f);
  fixture_receive(f, get_echo);
  assert_true(fixture_output_has(f, "HTTP/1.1 503 "));
  fixture_respond(f, 0, 200, "");
  assert_int_equal(requests_of(f), 0);
  tp_http_conn_free(first);
}

static void counts_a_request_until_its_handler_lets_go(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 5);
  fixture_open(f);
  fixture_receive(f, get_keep);
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  assert_int_equal(f->abort_count, 1);
  assert_int_equal(requests_of(f), 1);
  tp_http_respond_abort(f->kept[0]);
  f->kept[0] = NULL;
  assert_int_equal(requests_of(f), 0);
}

static void does_not_count_endless_responses(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 1);
  fixture_open(f);
  fixture_receive(f, get_keep);
  tp_http_request *request = f->kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  assert_int_equal(requests_of(f), 1);
  tp_http_respond_endless(request);
  assert_int_equal(requests_of(f), 0);
  f->kept[0] = NULL;
  tp_http_respond_end(request);
  fixture_collect(f, 0);
  assert_int_equal(requests_of(f), 0);
  fixture_receive(f, get_echo);
  assert_true(fixture_output_has(f, "/echo"));
}

static void does_not_count_what_is_refused_at_its_head(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 0);
  fixture_open(f);
  fixture_receive(f, "POST /refused HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
  assert_true(fixture_output_has(f, "HTTP/1.1 401 "));
  assert_int_equal(requests_of(f), 0);
}

static void refuses_streams_one_by_one(void **state) {
  client *c = *state;
  use_budget(&c->f, SIZE_MAX, 2);
  client_open(c, 0);
  for (int i = 0; i < 4; i++) (void)client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 2);
  assert_int_equal(c->answers[2].status, 503);
  assert_int_equal(c->answers[3].status, 503);
  assert_int_equal(requests_of(&c->f), 2);
  fixture_respond(&c->f, 0, 200, "");
  fixture_respond(&c->f, 1, 200, "");
  client_talk(c);
  assert_int_equal(requests_of(&c->f), 0);
}

/* ---- Memory ---- */

static void charges_output_that_waits_and_gives_it_back(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 100);
  fixture_open(f);
  tp_http_conn_receive(f->conn, (tuplet_bytes){get_big, sizeof get_big - 1});
  assert_true(memory_of(f) + TP_HTTP_HELD_SIZE_FREE >= BIG_SIZE);
  assert_true(memory_of(f) < BIG_SIZE + (size_t)32 * 1024);
  fixture_collect(f, 1000);
  assert_int_equal(memory_of(f), 0);
  tp_http_conn_receive(f->conn, (tuplet_bytes){get_big, sizeof get_big - 1});
  assert_int_not_equal(memory_of(f), 0);
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  assert_int_equal(memory_of(f), 0);
}

static void charges_streams_that_wait_for_a_window(void **state) {
  client *c = *state;
  use_budget(&c->f, SIZE_MAX, 100);
  client_open(c, 10);
  (void)client_ask(c, "GET", "/big", NULL);
  client_talk(c);
  assert_true(memory_of(&c->f) + TP_HTTP_HELD_SIZE_FREE + 100 >= BIG_SIZE);
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 1, BIG_SIZE), 0);
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 0, BIG_SIZE), 0);
  client_talk(c);
  assert_int_equal(memory_of(&c->f), 0);
}

static void charges_what_is_sent_ahead(void **state) {
  fixture *f = *state;
  use_budget(f, SIZE_MAX, 100);
  fixture_open(f);
  fixture_receive(f, get_keep);
  for (int i = 0; i < 1500; i++) fixture_receive(f, get_echo);
  assert_true(memory_of(f) > 0);
  fixture_respond(f, 0, 200, "");
  fixture_collect(f, 0);
  assert_int_equal(f->request_count, 1501);
  assert_int_equal(memory_of(f), 0);
}

/* Who has answers to take gets no more to ask for, everybody else is served. */
static void beyond_it_serves_those_that_hold_little(void **state) {
  fixture *f = *state;
  use_budget(f, BIG_SIZE / 2, 100);
  fixture_open(f);
  for (int i = 0; i < 2; i++) tp_http_conn_receive(f->conn, (tuplet_bytes){get_big, sizeof get_big - 1});
  assert_int_equal(f->request_count, 1);
  tp_http_conn *slow = f->conn;
  fixture_open(f);
  fixture_receive(f, get_echo);
  assert_true(fixture_output_has(f, "HTTP/1.1 200 "));
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200 "), 2);
  tp_http_conn *quick = f->conn;
  f->conn = slow;
  fixture_clear(f);
  fixture_collect(f, 0);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200 "), 2); /* the second came when there was room */
  assert_int_equal(memory_of(f), 0);
  tp_http_conn_free(quick);
}

/* A connection that held too much may go on when others have given memory back, though nothing happens on it.
 */
static void goes_on_when_others_have_given_memory_back(void **state) {
  client *c = *state;
  use_budget(&c->f, BIG_SIZE / 2, 100);
  client_open(c, 10);
  size_t big = client_ask(c, "GET", "/big", NULL), other = client_ask(c, "GET", "/empty", NULL);
  client_talk(c);
  assert_int_equal(c->answers[other].status, 0);
  c->f.budget.memory_max = SIZE_MAX; /* as good as if others had */
  c->f.wake_count = 0;
  tp_http_conn_expire_receiving(c->f.conn, 0, 1000, 1000);
  assert_int_equal(c->f.wake_count, 1);
  client_talk(c);
  assert_int_equal(c->answers[other].status, 204);
  assert_int_equal(c->answers[big].status, 200);
}

/* Large heads that never come to an end of their bodies, on one connection. */
static void charges_many_heads(void **state) {
  client *c = *state;
  use_budget(&c->f, (size_t)256 * 1024, 1000);
  client_open(c, 0);
  char value[8000];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  upload endless = {"", 0, true};
  size_t first = client_ask_with(c, "POST", "/echo", "x-large", value, &endless);
  for (size_t i = 1; i < STREAMS; i++) (void)client_ask_with(c, "POST", "/echo", "x-large", value, &endless);
  client_talk(c);
  assert_int_equal(c->answers[first].status, 0);
  assert_int_equal(c->answers[STREAMS - 1].status, 503);
  assert_true(c->f.faults.size_peak < (size_t)2 << 20);
}

#define TEST(name)        cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(charges_up_to_its_maximum_and_not_beyond),
      TEST(refuses_one_request_too_many_on_whatever_connection),
      TEST(handles_what_is_exempt_however_many_there_are),
      TEST(counts_a_request_until_its_handler_lets_go),
      TEST(does_not_count_endless_responses),
      TEST(does_not_count_what_is_refused_at_its_head),
      CLIENT_TEST(refuses_streams_one_by_one),
      TEST(charges_output_that_waits_and_gives_it_back),
      CLIENT_TEST(charges_streams_that_wait_for_a_window),
      TEST(charges_what_is_sent_ahead),
      TEST(beyond_it_serves_those_that_hold_little),
      CLIENT_TEST(goes_on_when_others_have_given_memory_back),
      CLIENT_TEST(charges_many_heads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

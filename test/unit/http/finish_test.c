/* finish_test.c: each request is told of once when it is over, with what became of it, whoever answered. */
#include "http2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOLD_MAX = 16 };

typedef struct told {
  tp_http_outcome outcome;
  bool has_request;
  char target[32];
  char protocol[16];
  const void *user;
} told;

typedef struct observed {
  client c; /* first: the fixture's handlers take the context for a fixture */
  told all[TOLD_MAX];
  size_t count;
} observed;

static void on_finish(void *context, const tp_http_request *request, const tp_http_outcome *outcome) {
  observed *o = context;
  assert_true(o->count < TOLD_MAX);
  told *one = &o->all[o->count++];
  *one = (told){.outcome = *outcome, .has_request = request != NULL};
  if (request == NULL) return;
  tuplet_bytes target = tp_http_request_target(request);
  assert_true(target.size < sizeof one->target);
  memcpy(one->target, target.data, target.size);
  (void)strncpy(one->protocol, tp_http_request_protocol(request), sizeof one->protocol - 1);
  one->user = tp_http_request_user(request);
}

static int setup(void **state) {
  observed *o = calloc(1, sizeof *o);
  if (o == NULL) return -1;
  fixture_init(&o->c.f);
  o->c.f.config.on_finish = on_finish;
  *state = o;
  return 0;
}

static int teardown(void **state) {
  observed *o = *state;
  nghttp2_session_del(o->c.session);
  for (size_t i = 0; i < STREAMS; i++) tp_buffer_done(&o->c.answers[i].body);
  fixture_done(&o->c.f);
  free(o);
  return 0;
}

static void expect(const observed *o, size_t index, const char *target, int status, bool is_complete,
                   uint64_t request_size, uint64_t response_size) {
  assert_true(index < o->count);
  const told *one = &o->all[index];
  assert_string_equal(one->target, target);
  assert_int_equal(one->outcome.status, status);
  assert_int_equal(one->outcome.is_complete, is_complete);
  assert_int_equal(one->outcome.request_size, request_size);
  assert_int_equal(one->outcome.response_size, response_size);
}

static void an_answer_at_once(void **state) {
  observed *o = *state;
  fixture_open(&o->c.f);
  fixture_receive(&o->c.f, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"
                           "GET /empty HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
                           "HEAD /big HTTP/1.1\r\nhost: a\r\n\r\n");
  assert_int_equal(o->count, 3);
  expect(o, 0, "/echo", 200, true, 5, strlen("POST\n/echo\na\nhello\n"));
  assert_string_equal(o->all[0].protocol, "HTTP/1.1");
  expect(o, 1, "/empty", 204, true, 0, 0);
  assert_string_equal(o->all[1].protocol, "HTTP/1.0");
  expect(o, 2, "/big", 200, true, 0, 0);
}

static void a_stream_when_it_ends(void **state) {
  observed *o = *state;
  fixture *f = &o->c.f;
  fixture_open(f);
  fixture_receive(f, "GET /kept HTTP/1.1\r\nhost: a\r\n\r\n");
  tp_http_request_set_user(f->kept[0], o);
  tp_http_request_set_response_header(f->kept[0], (tp_http_header){"x-request-id", "one"});
  const tp_http_header header = {"content-type", "text/plain"};
  tp_http_respond_start(f->kept[0], 200, &header, 1);
  tp_http_respond_write(f->kept[0], (tuplet_bytes){"abc", 3});
  tp_http_respond_write(f->kept[0], (tuplet_bytes){"de", 2});
  assert_int_equal(o->count, 0);
  tp_http_respond_end(f->kept[0]);
  f->kept[0] = NULL;
  fixture_collect(f, 0);
  assert_int_equal(o->count, 1);
  expect(o, 0, "/kept", 200, true, 0, 5);
  assert_ptr_equal(o->all[0].user, o);
  assert_true(fixture_output_has(f, "\r\nx-request-id: one\r\n"));
  assert_true(fixture_output_has(f, "\r\ncontent-type: text/plain\r\n"));
}

static void a_header_of_the_requests_that_would_split_the_response_is_left_out(void **state) {
  observed *o = *state;
  fixture *f = &o->c.f;
  fixture_open(f);
  fixture_receive(f, "GET /kept HTTP/1.1\r\nhost: a\r\n\r\n");
  tp_http_request_set_response_header(f->kept[0], (tp_http_header){"x-request-id", "a\r\nx-injected: b"});
  fixture_respond(f, 0, 200, "fine");
  fixture_collect(f, 0);
  assert_false(fixture_output_has(f, "x-injected"));
  assert_true(fixture_output_has(f, "HTTP/1.1 200"));
}

static void a_peer_that_goes_away_before_and_in_the_answer(void **state) {
  observed *o = *state;
  fixture *f = &o->c.f;
  fixture_open(f);
  fixture_receive(f, "GET /kept HTTP/1.1\r\nhost: a\r\n\r\n");
  tp_http_request *request = f->kept[0];
  f->kept[0] = NULL;
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  assert_int_equal(o->count, 0); /* the handler still has it */
  tp_http_respond_write(request, (tuplet_bytes){"not heard", 9});
  tp_http_respond_end(request);
  expect(o, 0, "/kept", 200, false, 0, 3);
  fixture_open(f);
  fixture_receive(f, "GET /gone HTTP/1.1\r\nhost: a\r\n\r\n");
  request = f->kept[1];
  f->kept[1] = NULL;
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  tp_http_respond_text(request, 200, "to nobody");
  expect(o, 1, "/gone", 0, false, 0, 0);
  assert_int_equal(o->count, 2);
}

static void a_handler_that_gives_up(void **state) {
  observed *o = *state;
  fixture *f = &o->c.f;
  fixture_open(f);
  fixture_receive(f, "GET /kept HTTP/1.1\r\nhost: a\r\n\r\n");
  tp_http_respond_abort(f->kept[0]);
  f->kept[0] = NULL;
  expect(o, 0, "/kept", 0, false, 0, 0);
  assert_int_equal(o->count, 1);
}

static void a_refusal_at_the_head_counts_once(void **state) {
  observed *o = *state;
  fixture_open(&o->c.f);
  fixture_receive(&o->c.f, "POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
  assert_int_equal(o->count, 1);
  expect(o, 0, "/refused", 401, true, 0, strlen("Not you."));
}

static void what_is_no_request_is_told_of_without_one(void **state) {
  observed *o = *state;
  fixture_open(&o->c.f);
  fixture_receive(&o->c.f, "\x16\x03\x01 what is this\r\n\r\n");
  assert_int_equal(o->count, 1);
  assert_int_equal(o->all[0].outcome.status, 400);
}

static void a_body_too_large_is_told_of_once(void **state) {
  observed *o = *state;
  o->c.f.config.limits.body_size_max = 4;
  fixture_open(&o->c.f);
  fixture_receive(&o->c.f,
                  "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
  assert_int_equal(o->count, 1);
  expect(o, 0, "/echo", 413, true, 0, 0);
  assert_true(o->all[0].has_request);
}

static void requests_that_never_came_whole_are_not_told_of(void **state) {
  observed *o = *state;
  fixture_open(&o->c.f);
  fixture_receive(&o->c.f, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel");
  tp_http_conn_free(o->c.f.conn);
  o->c.f.conn = NULL;
  assert_int_equal(o->count, 0);
}

static void http2_tells_the_same(void **state) {
  observed *o = *state;
  client *c = &o->c;
  c->f.config.limits.body_size_max = 4;
  client_open(c, 0);
  upload small = {.data = "abc", .left = 3}, large = {.data = "hello", .left = 5};
  size_t echo = client_ask(c, "POST", "/echo", &small);
  client_talk(c);
  size_t refused = client_ask(c, "POST", "/echo", &large);
  client_talk(c);
  size_t kept = client_ask(c, "GET", "/kept", NULL);
  client_talk(c);
  assert_int_equal(o->count, 2);
  tp_http_request_set_response_header(c->f.kept[0], (tp_http_header){"x-tag", "mine"});
  fixture_respond(&c->f, 0, 404, "none");
  client_talk(c);
  assert_int_equal(c->answers[echo].status, 200);
  assert_int_equal(c->answers[refused].status, 413);
  assert_int_equal(c->answers[kept].status, 404);
  assert_string_equal(c->answers[kept].tag, "mine");
  assert_int_equal(o->count, 3);
  assert_string_equal(o->all[0].protocol, "HTTP/2");
  expect(o, 0, "/echo", 200, true, 3, c->answers[echo].body.size);
  expect(o, 1, "/echo", 413, true, 0, c->answers[refused].body.size);
  expect(o, 2, "/kept", 404, true, 0, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_answer_at_once),
      TEST(a_stream_when_it_ends),
      TEST(a_header_of_the_requests_that_would_split_the_response_is_left_out),
      TEST(a_peer_that_goes_away_before_and_in_the_answer),
      TEST(a_handler_that_gives_up),
      TEST(a_refusal_at_the_head_counts_once),
      TEST(what_is_no_request_is_told_of_without_one),
      TEST(a_body_too_large_is_told_of_once),
      TEST(requests_that_never_came_whole_are_not_told_of),
      TEST(http2_tells_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* bench_http_test.c: HTTP from the client's side: what is sent, and answers cut anywhere, wrong or too many.
 */
#include "bench/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const tp_bench_head head = {.scheme = "http",
                                   .authority = "127.0.0.1:80",
                                   .paths = {"/v2/snapshot_read", "/v2/atomic_write"},
                                   .headers = {{"authorization", "Bearer s"}, {"x-a", "1"}, {"x-b", "2"}}};

typedef struct fixture {
  tp_bench_http_client *client;
  tp_buffer out;
  tp_bench_call call; /* the tests' callbacks find the fixture by it */
  int done_count;
  char problem[100];
  bool starts_another;
} fixture;

static fixture *fixture_of(tp_bench_call *call) {
  return (fixture *)(void *)((char *)call - offsetof(fixture, call));
}

static void on_done(tp_bench_call *call, const char *problem) {
  fixture *f = fixture_of(call);
  f->done_count++;
  strncpy(f->problem, problem != NULL ? problem : "", sizeof f->problem - 1);
  if (!f->starts_another) return;
  f->starts_another = false;
  tp_buffer_clear(&call->answer);
  assert_true(tp_bench_http_start(f->client, call));
}

static void begin(fixture *f, tp_bench_http_client *(*make)(const tp_bench_head *, tp_buffer *)) {
  *f = (fixture){.call = {.path = TP_BENCH_ATOMIC_WRITE,
                          .body = tuplet_view("body", 4),
                          .answer_size_max = 100,
                          .on_done = on_done}};
  tp_buffer_init(&f->out, NULL);
  tp_buffer_init(&f->call.answer, NULL);
  f->client = make(&head, &f->out);
  assert_non_null(f->client);
}

static void end(fixture *f) {
  tp_bench_http_free(f->client);
  tp_buffer_done(&f->out);
  tp_buffer_done(&f->call.answer);
}

static const char *receive(fixture *f, const char *text) {
  return tp_bench_http_receive(f->client, tuplet_view(text, strlen(text)));
}

static void a_request_of_http1_is_its_head_and_body(void **state) {
  (void)state;
  fixture f;
  begin(&f, tp_bench_http1_new);
  assert_true(tp_bench_http_start(f.client, &f.call));
  assert_null(tp_bench_http_produce(f.client));
  tp_buffer_append_byte(&f.out, 0);
  assert_string_equal(
      (const char *)f.out.data,
      "POST /v2/atomic_write HTTP/1.1\r\nhost: 127.0.0.1:80\r\nauthorization: Bearer s\r\n"
      "x-a: 1\r\nx-b: 2\r\ncontent-type: application/x-protobuf\r\ncontent-length: 4\r\n\r\nbody");
  assert_false(tp_bench_http_start(f.client, &f.call)); /* one at a time */
  end(&f);
}

static void an_answer_of_http1_may_be_cut_anywhere(void **state) {
  (void)state;
  static const char *const answers[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    size_t size = strlen(answers[i]);
    for (size_t cut = 0; cut <= size; cut++) {
      fixture f;
      begin(&f, tp_bench_http1_new);
      assert_true(tp_bench_http_start(f.client, &f.call));
      assert_null(tp_bench_http_receive(f.client, tuplet_view(answers[i], cut)));
      assert_null(tp_bench_http_receive(f.client, tuplet_view(answers[i] + cut, size - cut)));
      assert_int_equal(f.done_count, 1);
      assert_string_equal(f.problem, "");
      assert_int_equal(f.call.status, 200);
      assert_int_equal(f.call.answer.size, 5);
      assert_memory_equal(f.call.answer.data, "hello", 5);
      assert_false(tp_bench_http_is_at_end(f.client));
      end(&f);
    }
  }
}

static void the_next_request_may_start_when_one_is_done(void **state) {
  (void)state;
  fixture f;
  begin(&f, tp_bench_http1_new);
  f.starts_another = true;
  assert_true(tp_bench_http_start(f.client, &f.call));
  assert_null(receive(&f, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"));
  assert_null(receive(&f, "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nb"));
  assert_int_equal(f.done_count, 2);
  assert_int_equal(f.call.status, 503);
  end(&f);
}

static void a_server_may_end_the_connection_after_an_answer(void **state) {
  (void)state;
  fixture f;
  begin(&f, tp_bench_http1_new);
  assert_true(tp_bench_http_start(f.client, &f.call));
  assert_null(receive(&f, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"));
  assert_int_equal(f.done_count, 1);
  assert_true(tp_bench_http_is_at_end(f.client));
  assert_false(tp_bench_http_start(f.client, &f.call));
  end(&f);
}

static void what_is_no_answer_is_told(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "HTTP/2 what?\r\n\r\n",
      "\x16\x03\x01 TLS",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
      ("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
       "01234567890123456789012345678901234567890123456789"
       "012345678901234567890123456789012345678901234567890"),
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    fixture f;
    begin(&f, tp_bench_http1_new);
    assert_true(tp_bench_http_start(f.client, &f.call));
    assert_non_null(receive(&f, wrong[i]));
    assert_true(f.done_count <= 1);
    end(&f);
  }
}

static void http2_greets_and_sends_requests(void **state) {
  (void)state;
  fixture f;
  begin(&f, tp_bench_http2_new);
  assert_true(tp_bench_http_start(f.client, &f.call));
  assert_null(tp_bench_http_produce(f.client));
  assert_memory_equal(f.out.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
  assert_memory_equal(f.out.data + f.out.size - 4, "body", 4);
  assert_false(tp_bench_http_is_at_end(f.client));
  end(&f);
}

static void an_answer_of_http2_may_be_cut_anywhere(void **state) {
  (void)state;
  /* SETTINGS; HEADERS of stream 1 with :status 200 of the static table; DATA that ends it */
  static const uint8_t answer[] = "\0\0\0\x04\0\0\0\0\0"
                                  "\0\0\x01\x01\x04\0\0\0\x01\x88"
                                  "\0\0\x05\0\x01\0\0\0\x01hello";
  for (size_t cut = 0; cut < sizeof answer; cut++) {
    fixture f;
    begin(&f, tp_bench_http2_new);
    assert_true(tp_bench_http_start(f.client, &f.call));
    assert_null(tp_bench_http_produce(f.client));
    assert_null(tp_bench_http_receive(f.client, tuplet_view(answer, cut)));
    assert_null(tp_bench_http_receive(f.client, tuplet_view(answer + cut, sizeof answer - 1 - cut)));
    assert_int_equal(f.done_count, 1);
    assert_string_equal(f.problem, "");
    assert_int_equal(f.call.status, 200);
    assert_int_equal(f.call.answer.size, 5);
    end(&f);
  }
}

static void a_stream_that_is_reset_is_no_answer(void **state) {
  (void)state;
  static const uint8_t answer[] = "\0\0\0\x04\0\0\0\0\0"
                                  "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07";
  fixture f;
  begin(&f, tp_bench_http2_new);
  assert_true(tp_bench_http_start(f.client, &f.call));
  assert_null(tp_bench_http_produce(f.client));
  assert_null(tp_bench_http_receive(f.client, tuplet_view(answer, sizeof answer - 1)));
  assert_int_equal(f.done_count, 1);
  assert_string_equal(f.problem, "REFUSED_STREAM");
  end(&f);
}

static void a_server_that_goes_away_says_why(void **state) {
  (void)state;
  static const uint8_t calm[] = "\0\0\0\x04\0\0\0\0\0"
                                "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
  static const uint8_t graceful[] = "\0\0\0\x04\0\0\0\0\0"
                                    "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
  fixture f;
  begin(&f, tp_bench_http2_new);
  assert_null(tp_bench_http_produce(f.client));
  assert_string_equal(tp_bench_http_receive(f.client, tuplet_view(calm, sizeof calm - 1)),
                      "ENHANCE_YOUR_CALM");
  end(&f);
  begin(&f, tp_bench_http2_new);
  assert_null(tp_bench_http_produce(f.client));
  assert_null(tp_bench_http_receive(f.client, tuplet_view(graceful, sizeof graceful - 1)));
  assert_true(tp_bench_http_is_at_end(f.client));
  end(&f);
}

static void what_is_no_http2_is_told(void **state) {
  (void)state;
  fixture f;
  begin(&f, tp_bench_http2_new);
  assert_null(tp_bench_http_produce(f.client));
  assert_null(receive(&f, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  assert_non_null(tp_bench_http_produce(f.client));
  end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_of_http1_is_its_head_and_body),
      cmocka_unit_test(an_answer_of_http1_may_be_cut_anywhere),
      cmocka_unit_test(the_next_request_may_start_when_one_is_done),
      cmocka_unit_test(a_server_may_end_the_connection_after_an_answer),
      cmocka_unit_test(what_is_no_answer_is_told),
      cmocka_unit_test(http2_greets_and_sends_requests),
      cmocka_unit_test(an_answer_of_http2_may_be_cut_anywhere),
      cmocka_unit_test(a_stream_that_is_reset_is_no_answer),
      cmocka_unit_test(a_server_that_goes_away_says_why),
      cmocka_unit_test(what_is_no_http2_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

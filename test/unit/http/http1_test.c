/* http1_test.c: HTTP/1.1 by feeding bytes and reading what comes back. */
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
static const char post_echo_answer[] = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-tag: some tag\r\n"
                                       "content-length: 36\r\n\r\nPOST\n/echo?q=1\nexample.org:81\nhello\n";

static void answers_the_same_wherever_the_input_is_cut(void **state) {
  fixture *f = *state;
  fixture_open(f);
  size_t size = sizeof post_echo - 1;
  for (size_t cut = 0; cut <= size; cut++) {
    fixture_clear(f);
    fixture_receive_bytes(f, post_echo, cut);
    fixture_receive_bytes(f, post_echo + cut, size - cut);
    assert_string_equal(fixture_text(f), post_echo_answer);
  }
  fixture_clear(f);
  for (size_t i = 0; i < size; i++) fixture_receive_bytes(f, post_echo + i, 1);
  assert_string_equal(fixture_text(f), post_echo_answer);
  assert_int_equal(f->request_count, size + 2);
}

static const char chunked_echo[] = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n";

static void reads_chunked_bodies_wherever_they_are_cut(void **state) {
  fixture *f = *state;
  fixture_open(f);
  size_t size = sizeof chunked_echo - 1;
  for (size_t cut = 0; cut <= size; cut++) {
    fixture_clear(f);
    fixture_receive_bytes(f, chunked_echo, cut);
    fixture_receive_bytes(f, chunked_echo + cut, size - cut);
    assert_true(fixture_output_has(f, "\nabc0123456789\n"));
    assert_false(tp_http_conn_wants_close(f->conn));
  }
}

static void answers_pipelined_requests_in_order(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /echo/b HTTP/1.1\r\n" HOST "\r\n"
                     "GET /c HTTP/1.1\r\n" HOST "\r\nGET /echo/d HTTP/1.1\r\n" HOST "\r\n");
  assert_int_equal(f->request_count, 1);
  assert_int_equal(f->output.size, 0);
  fixture_respond(f, 0, 200, "first");
  assert_int_equal(f->wake_count, 1);
  fixture_collect(f, 0);
  assert_int_equal(f->request_count, 3);
  assert_true(strstr(fixture_text(f), "first") < strstr(fixture_text(f), "/echo/b"));
  assert_false(fixture_output_has(f, "/echo/d"));
  fixture_respond(f, 1, 200, "third");
  fixture_collect(f, 0);
  assert_true(strstr(fixture_text(f), "third") < strstr(fixture_text(f), "/echo/d"));
  assert_int_equal(tp_http_conn_progress(f->conn).handling, 0);
}

static void stops_reading_when_too_much_is_sent_ahead(void **state) {
  fixture *f = *state;
  f->config.limits.input_size_max = 100;
  fixture_open(f);
  fixture_receive(f, "GET /a HTTP/1.1\r\n" HOST "\r\n");
  assert_true(tp_http_conn_wants_receive(f->conn));
  for (int i = 0; i < 4; i++) fixture_receive(f, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
  assert_false(tp_http_conn_wants_receive(f->conn));
  fixture_respond(f, 0, 200, "a");
  fixture_collect(f, 0);
  assert_true(tp_http_conn_wants_receive(f->conn));
  assert_int_equal(f->request_count, 5);
}

static void stops_reading_while_output_is_not_taken(void **state) {
  fixture *f = *state;
  f->config.limits.output_size_max = 300000;
  fixture_open(f);
  for (int i = 0; i < 10; i++) {
    const char get[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";
    tp_http_conn_receive(f->conn, (tuplet_bytes){get, sizeof get - 1});
  }
  assert_false(tp_http_conn_wants_receive(f->conn));
  assert_int_equal(f->request_count, 2);
  fixture_collect(f, 1000);
  assert_true(tp_http_conn_wants_receive(f->conn));
  assert_int_equal(f->request_count, 10);
  assert_int_equal(fixture_output_count(f, "content-length: 200000"), 10);
}

static void answers_what_is_sent_ahead_only_as_fast_as_it_is_taken(void **state) {
  fixture *f = *state;
  fixture_open(f);
  for (int i = 0; i < 10; i++) {
    const char get[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";
    tp_http_conn_receive(f->conn, (tuplet_bytes){get, sizeof get - 1});
  }
  (void)tp_http_conn_output(f->conn);
  assert_int_equal(f->request_count, 2);
  assert_true(tp_http_conn_progress(f->conn).unsent < 2 * TP_HTTP_AHEAD_SIZE_MAX);
  fixture_collect(f, 1000);
  assert_int_equal(f->request_count, 10);
  assert_int_equal(fixture_output_count(f, "content-length: 200000"), 10);
}

static void keeps_the_view_of_the_output_in_place(void **state) {
  fixture *f = *state;
  fixture_open(f);
  const char get[] = "GET /echo HTTP/1.1\r\n" HOST "\r\n";
  tp_http_conn_receive(f->conn, (tuplet_bytes){get, sizeof get - 1});
  tuplet_bytes before = tp_http_conn_output(f->conn);
  for (int i = 0; i < 100; i++) tp_http_conn_receive(f->conn, (tuplet_bytes){get, sizeof get - 1});
  tuplet_bytes after = tp_http_conn_output(f->conn);
  assert_ptr_equal(before.data, after.data);
  assert_int_equal(before.size, after.size);
  tp_http_conn_output_written(f->conn, 10);
  after = tp_http_conn_output(f->conn);
  assert_ptr_equal(after.data, (const char *)before.data + 10);
  fixture_collect(f, 7);
  assert_int_equal(fixture_output_count(f, "HTTP/1.1 200"), 100); /* the first has lost its start */
}

static void gives_back_its_room_when_it_rests(void **state) {
  static char body[10000];
  char head[128];
  fixture *f = *state;
  fixture_open(f);
  for (int i = 0; i < 2; i++) {
    (void)snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
                   sizeof body);
    fixture_clear(f);
    fixture_receive(f, head);
    fixture_receive_bytes(f, body, sizeof body);
    assert_true(fixture_output_has(f, "HTTP/1.1 200 "));
    size_t before = f->faults.size;
    tp_http_conn_shrink(f->conn);
    assert_true(f->faults.size + sizeof body <= before);
  }
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
  tp_http_respond_text(f->kept[0], 200, "not taken yet");
  f->kept[0] = NULL;
  tuplet_bytes output = tp_http_conn_output(f->conn);
  tp_http_conn_shrink(f->conn); /* what waits stays where it is */
  tuplet_bytes again = tp_http_conn_output(f->conn);
  assert_ptr_equal(output.data, again.data);
  assert_int_equal(output.size, again.size);
}

static void asks_for_the_body_that_waits_for_100(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  assert_string_equal(fixture_text(f), "HTTP/1.1 100 Continue\r\n\r\n");
  fixture_receive(f, "hi");
  assert_true(fixture_output_has(f, "\nhi\n"));
}

static void refuses_a_body_before_it_is_sent(void **state) {
  fixture *f = *state;
  f->config.limits.body_size_max = 10;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 413 "));
  assert_false(fixture_output_has(f, "100 Continue"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void omits_the_body_for_head_and_204(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "HEAD /echo HTTP/1.1\r\n" HOST "\r\n");
  assert_true(fixture_output_has(f, "content-length: 14\r\n\r\n"));
  assert_false(fixture_output_has(f, "HEAD"));
  fixture_clear(f);
  fixture_receive(f, "GET /empty HTTP/1.1\r\n" HOST "\r\n");
  assert_string_equal(fixture_text(f), "HTTP/1.1 204 No Content\r\n\r\n");
}

static void closes_as_version_and_connection_header_say(void **state) {
  static const struct {
    const char *head;
    bool closes;
    const char *answer; /* what the response says about it */
  } cases[] = {{"GET /echo HTTP/1.1\r\n" HOST "\r\n", false, NULL},
               {"GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", true, "connection: close"},
               {"GET /echo HTTP/1.0\r\n\r\n", true, "connection: close"},
               {"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, "connection: keep-alive"}};
  fixture *f = *state;
  fixture_open(f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tp_http_conn_free(f->conn);
    fixture_open(f);
    fixture_clear(f);
    fixture_receive(f, cases[i].head);
    assert_true(fixture_output_has(f, "HTTP/1.1 200 OK"));
    assert_int_equal(tp_http_conn_wants_close(f->conn), cases[i].closes);
    assert_int_equal(fixture_output_has(f, "connection: "), cases[i].answer != NULL);
    if (cases[i].answer != NULL) assert_true(fixture_output_has(f, cases[i].answer));
  }
}

/* Every one is answered with the status and the connection's end, and never reaches the handler: neither it
 * nor the request that a smuggler hides behind it. */
static void refuses_what_is_not_strictly_http(void **state) {
  static const struct {
    const char *input;
    int status;
  } cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n\r\n", 400}, /* no Host */
      {"GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /echo HTTP/2.0\r\n" HOST "\r\n", 505},
      {"GET /echo HTTP/1.2\r\n" HOST "\r\n", 505},
      {"GET /echo HTTP/0.9\r\n\r\n", 505},
      {"GET echo HTTP/1.1\r\n" HOST "\r\n", 400},
      {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
      {"GET http:// HTTP/1.1\r\n" HOST "\r\n", 400},
      {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
      {"CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", 501},
      {"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" HOST "a b: c\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" HOST "a: \x01\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" HOST "a: b\r\n folded\r\n\r\n", 400},
      {"GET /echo HTTP/1.1\r\n" HOST "a: b\rc: d\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5, 6\r\n\r\nhello", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
       "GET /echo HTTP/1.1\r\n" HOST "\r\n",
       400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
      {"POST /echo HTTP/1.1\r\n" HOST "Expect: miracles\r\nContent-Length: 5\r\n\r\nhello", 417},
  };
  fixture *f = *state;
  fixture_open(f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = strlen(cases[i].input);
    for (int step = 0; step < 2; step++) { /* whole, then byte by byte */
      tp_http_conn_free(f->conn);
      fixture_open(f);
      fixture_clear(f);
      if (step == 0) fixture_receive(f, cases[i].input);
      for (size_t j = 0; step == 1 && j < size; j++) fixture_receive_bytes(f, cases[i].input + j, 1);
      char expected[32];
      (void)snprintf(expected, sizeof expected, "HTTP/1.1 %d ", cases[i].status);
      if (strncmp(fixture_text(f), expected, strlen(expected)) != 0 || f->request_count != 0) {
        fail_msg("case %zu %s: want %s, got: %s", i, cases[i].input, expected, fixture_text(f));
      }
      assert_int_equal(fixture_output_count(f, "HTTP/1.1"), 1);
      assert_true(fixture_output_has(f, "connection: close\r\n"));
      assert_true(tp_http_conn_wants_close(f->conn));
      assert_false(tp_http_conn_wants_receive(f->conn));
    }
  }
}

static bool is_taken_in_header(fixture *f, const char *name, const char *value, size_t place, int byte) {
  char text[128];
  int size = snprintf(text, sizeof text, "GET /empty HTTP/1.1\r\n" HOST "%s:%s\r\n\r\n", name, value);
  text[strlen("GET /empty HTTP/1.1\r\n" HOST) + place] = (char)byte;
  tp_http_conn_free(f->conn);
  fixture_open(f);
  fixture_clear(f);
  fixture_receive_bytes(f, text, (size_t)size);
  bool is_taken = strncmp(fixture_text(f), "HTTP/1.1 204 ", 13) == 0;
  if (!is_taken) assert_memory_equal(fixture_text(f), "HTTP/1.1 400 ", 13);
  return is_taken;
}

/* Values are looked at some bytes at a time, and no place must make a difference. */
static void takes_in_headers_what_they_may_have_wherever_it_stands(void **state) {
  static const char name[] = "namename", value[] = "valuevaluevaluevalue";
  static const char marks[] = "!#$%&'*+-.^_`|~";
  fixture *f = *state;
  fixture_open(f);
  for (int byte = 0; byte < 256; byte++) {
    bool is_word =
        (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    bool is_token = is_word || (byte != 0 && strchr(marks, byte) != NULL);
    for (size_t place = 0; place < sizeof name - 1; place++) {
      bool is_end = byte == ':' && place > 0; /* of a shorter name */
      assert_int_equal(is_taken_in_header(f, name, value, place, byte), is_token || is_end);
    }
    bool is_value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
    for (size_t place = 0; place < sizeof value - 1; place++)
      assert_int_equal(is_taken_in_header(f, name, value, sizeof name + place, byte), is_value);
  }
}

static void hides_the_protocol_from_the_handler(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f,
                  "GET http://other:8/kept?x HTTP/1.1\r\nHost: h\r\nConnection: upgrade, http2-settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nCookie: a=1\r\nCookie: b=2\r\n"
                  "Empty:\r\n\r\n");
  assert_int_equal(f->kept_count, 1);
  const tp_http_request *request = f->kept[0];
  tuplet_bytes authority = tp_http_request_authority(request), target = tp_http_request_target(request);
  assert_int_equal(authority.size, 7);
  assert_memory_equal(authority.data, "other:8", 7);
  assert_int_equal(target.size, 7);
  assert_memory_equal(target.data, "/kept?x", 7);
  static const char *const hidden[] = {"host", "connection", "upgrade", "http2-settings", "cookie", "absent"};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    assert_null(tp_http_request_header(request, hidden[i]).data);
  assert_non_null(tp_http_request_header(request, "empty").data);
  assert_int_equal(tp_http_request_header(request, "empty").size, 0);
  fixture_respond(f, 0, 200, "");
  fixture_collect(f, 0);
  fixture_receive(f, "GET http://other HTTP/1.1\r\n" HOST "\r\n");
  assert_memory_equal(tp_http_request_target(f->kept[1]).data, "/", 1);
  fixture_respond(f, 1, 200, "");
  fixture_collect(f, 0);
  fixture_receive(f, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
  assert_memory_equal(tp_http_request_target(f->kept[2]).data, "*", 1);
}

static void never_lets_a_header_value_break_the_head(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /split HTTP/1.1\r\n" HOST "\r\n");
  assert_true(fixture_output_has(f, "HTTP/1.1 500 "));
  assert_false(fixture_output_has(f, "x-injected"));
}

static void streams_in_chunks(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
  tp_http_request *request = f->kept[0];
  tp_http_header header = {"content-type", "application/octet-stream"};
  tp_http_respond_start(request, 200, &header, 1);
  assert_int_equal(f->wake_count, 1);
  fixture_collect(f, 0);
  assert_string_equal(fixture_text(f), "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                                       "transfer-encoding: chunked\r\n\r\n");
  fixture_clear(f);
  f->writable_count = 0;
  tp_http_respond_write(request, (tuplet_bytes){"0123456789abcdef", 16});
  tp_http_respond_write(request, (tuplet_bytes){"", 0});
  tp_http_respond_write(request, (tuplet_bytes){"x", 1});
  assert_int_equal(tp_http_respond_buffered(request), 28);
  tuplet_bytes output = tp_http_conn_output(f->conn);
  tp_http_conn_output_written(f->conn, output.size - 1);
  assert_int_equal(tp_http_respond_buffered(request), 1);
  assert_int_equal(f->writable_count, 0);
  tp_http_conn_output_written(f->conn, 1);
  assert_int_equal(f->writable_count, 1);
  tp_http_respond_write(request, (tuplet_bytes){"y", 1});
  f->kept[0] = NULL;
  tp_http_respond_end(request);
  fixture_receive(f, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
  assert_true(strncmp(fixture_text(f), "1\r\ny\r\n0\r\n\r\nHTTP/1.1 200", 23) == 0);
}

static void streams_to_http_1_0_until_the_close(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  tp_http_request *request = f->kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
  fixture_collect(f, 0);
  assert_string_equal(fixture_text(f), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
  assert_false(tp_http_conn_wants_close(f->conn));
  f->kept[0] = NULL;
  tp_http_respond_end(request);
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void streams_nothing_to_head(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
  tp_http_request *request = f->kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
  f->kept[0] = NULL;
  tp_http_respond_end(request);
  fixture_collect(f, 0);
  assert_string_equal(fixture_text(f), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  assert_false(tp_http_conn_wants_close(f->conn));
}

static void tells_the_handler_of_an_end_and_lets_it_finish_later(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "POST /stream HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody");
  tp_http_request *request = f->kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_endless(request);
  tp_http_conn_receive_end(f->conn);
  assert_int_equal(f->abort_count, 1);
  assert_true(tp_http_conn_wants_close(f->conn));
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  assert_int_equal(f->abort_count, 1);
  assert_memory_equal(tp_http_request_body(request).data, "body", 4); /* still there */
  tp_http_respond_write(request, (tuplet_bytes){"x", 1});
  assert_int_equal(tp_http_respond_buffered(request), 0);
  f->kept[0] = NULL;
  tp_http_respond_end(request);
}

static void lets_the_handler_finish_from_on_abort(void **state) {
  fixture *f = *state;
  f->finishes_aborted = true;
  fixture_open(f);
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  assert_int_equal(f->abort_count, 1);
  assert_null(f->kept[0]);
}

static void answers_a_peer_that_has_closed_its_side(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST "\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n");
  tp_http_conn_receive_end(f->conn);
  assert_int_equal(f->abort_count, 0);
  assert_false(tp_http_conn_wants_close(f->conn));
  fixture_respond(f, 0, 200, "late");
  fixture_collect(f, 0);
  assert_true(fixture_output_has(f, "late"));
  assert_true(fixture_output_has(f, "/echo"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void streams_to_a_peer_that_has_closed_its_side(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
  tp_http_request *request = f->kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
  fixture_collect(f, 0);
  tp_http_conn_receive_end(f->conn);
  fixture_collect(f, 0);
  assert_int_equal(f->abort_count, 0);
  assert_false(tp_http_conn_wants_close(f->conn));
  tp_http_respond_write(request, (tuplet_bytes){"def", 3});
  f->kept[0] = NULL;
  tp_http_respond_end(request);
  fixture_collect(f, 0);
  assert_true(fixture_output_has(f, "3\r\ndef\r\n0\r\n\r\n"));
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_false(tp_http_conn_wants_cut(f->conn));
}

static void refuses_a_request_that_ends_early(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbo");
  tp_http_conn_receive_end(f->conn);
  fixture_collect(f, 0);
  assert_true(fixture_output_has(f, "HTTP/1.1 400"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void closes_an_idle_connection_at_its_end(void **state) {
  fixture *f = *state;
  fixture_open(f);
  tp_http_conn_receive_end(f->conn);
  assert_true(tp_http_conn_wants_close(f->conn));
  tp_http_conn_free(f->conn);
  fixture_open(f);
  fixture_receive(f, "GET /echo HTTP/1.1\r\n" HOST "\r\n\r\n");
  tp_http_conn_receive_end(f->conn);
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void cuts_the_connection_when_the_handler_gives_up(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
  tp_http_respond_start(f->kept[0], 200, NULL, 0);
  tp_http_request *request = f->kept[0];
  f->kept[0] = NULL;
  tp_http_respond_abort(request);
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_int_equal(f->abort_count, 0);
}

static void finishes_what_it_accepted_at_shutdown(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
  tp_http_conn_shutdown(f->conn);
  assert_false(tp_http_conn_wants_close(f->conn));
  fixture_respond(f, 0, 200, "done");
  fixture_collect(f, 0);
  assert_true(fixture_output_has(f, "connection: close"));
  assert_true(tp_http_conn_wants_close(f->conn));
  tp_http_conn_free(f->conn);
  fixture_open(f);
  fixture_receive(f, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
  tp_http_conn_shutdown(f->conn);
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void lets_a_request_under_way_at_shutdown_arrive(void **state) {
  fixture *f = *state;
  fixture_open(f);
  fixture_receive(f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\na");
  tp_http_conn_shutdown(f->conn);
  assert_false(tp_http_conn_wants_close(f->conn));
  fixture_receive(f, "b");
  assert_true(fixture_output_has(f, "\nab\n"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void ends_a_request_that_does_not_arrive(void **state) {
  fixture *f = *state;
  fixture_open(f);
  assert_int_equal(tp_http_conn_progress(f->conn).receiving, 0);
  fixture_receive(f, "GET /echo HTTP/1.1\r\n" HOST "\r\nGE");
  assert_int_equal(tp_http_conn_progress(f->conn).receiving, 1);
  tp_http_conn_expire_receiving(f->conn, 1000, 100, 1000);
  tp_http_conn_expire_receiving(f->conn, 1099, 100, 1000);
  fixture_collect(f, 0);
  assert_false(tp_http_conn_wants_close(f->conn));
  tp_http_conn_expire_receiving(f->conn, 1100, 100, 1000);
  fixture_collect(f, 0);
  assert_true(fixture_output_has(f, "HTTP/1.1 408"));
  assert_true(tp_http_conn_wants_close(f->conn));
}

static void writes_the_date_that_the_transport_gives(void **state) {
  fixture *f = *state;
  f->config.date = "Thu, 01 Jan 1970 00:00:00 GMT";
  fixture_open(f);
  fixture_receive(f, "GET /empty HTTP/1.1\r\n" HOST "\r\nx");
  assert_int_equal(fixture_output_count(f, "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), 2);
}

/* One conversation with everything in it; true when it came to its end as without faults. */
static bool converse(fixture *f) {
  if (tp_http_conn_new(&f->config, &f->conn, NULL) != TUPLET_OK) return false;
  fixture_receive(f, post_echo);
  fixture_receive(f, chunked_echo);
  fixture_receive(f, "GET /stream HTTP/1.1\r\n" HOST
                     "Cookie: a\r\nCookie: b\r\n\r\nPOST /refused HTTP/1.1\r\n" HOST
                     "Content-Length: 1\r\n\r\naGET http://h HTTP/1.1\r\n" HOST "\r\n");
  if (f->kept_count > 0) {
    tp_http_request *request = f->kept[0];
    tp_http_respond_start(request, 200, NULL, 0);
    tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
    fixture_collect(f, 0);
    f->kept[0] = NULL;
    tp_http_respond_end(request);
    fixture_collect(f, 0);
  }
  fixture_receive(f, "GET /big HTTP/1.1\r\n" HOST "\r\n");
  if (f->kept_count == 2) fixture_respond(f, 1, 200, "second");
  fixture_collect(f, 0);
  fixture_receive(f, "bad\r\n\r\n");
  return fixture_output_has(f, "second") && fixture_output_has(f, "HTTP/1.1 400");
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_init(f);
    f->faults.fail_at = n;
    bool is_whole = converse(f);
    bool has_failed = f->faults.count >= n;
    if (!has_failed) assert_true(is_whole);
    if (!is_whole && f->conn != NULL) assert_true(tp_http_conn_wants_close(f->conn));
    fixture_done(f);
    free(f);
    if (!has_failed) break;
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(answers_the_same_wherever_the_input_is_cut),
      TEST(reads_chunked_bodies_wherever_they_are_cut),
      TEST(answers_pipelined_requests_in_order),
      TEST(stops_reading_when_too_much_is_sent_ahead),
      TEST(stops_reading_while_output_is_not_taken),
      TEST(answers_what_is_sent_ahead_only_as_fast_as_it_is_taken),
      TEST(keeps_the_view_of_the_output_in_place),
      TEST(gives_back_its_room_when_it_rests),
      TEST(asks_for_the_body_that_waits_for_100),
      TEST(refuses_a_body_before_it_is_sent),
      TEST(omits_the_body_for_head_and_204),
      TEST(closes_as_version_and_connection_header_say),
      TEST(refuses_what_is_not_strictly_http),
      TEST(takes_in_headers_what_they_may_have_wherever_it_stands),
      TEST(hides_the_protocol_from_the_handler),
      TEST(never_lets_a_header_value_break_the_head),
      TEST(streams_in_chunks),
      TEST(streams_to_http_1_0_until_the_close),
      TEST(streams_nothing_to_head),
      TEST(tells_the_handler_of_an_end_and_lets_it_finish_later),
      TEST(lets_the_handler_finish_from_on_abort),
      TEST(answers_a_peer_that_has_closed_its_side),
      TEST(streams_to_a_peer_that_has_closed_its_side),
      TEST(refuses_a_request_that_ends_early),
      TEST(closes_an_idle_connection_at_its_end),
      TEST(cuts_the_connection_when_the_handler_gives_up),
      TEST(finishes_what_it_accepted_at_shutdown),
      TEST(lets_a_request_under_way_at_shutdown_arrive),
      TEST(ends_a_request_that_does_not_arrive),
      TEST(writes_the_date_that_the_transport_gives),
      cmocka_unit_test(survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

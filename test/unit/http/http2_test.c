/* http2_test.c: HTTP/2 against a real client, nghttp2's, in memory. */
#include "http2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_body(client *c, size_t index, const char *text) {
  tp_buffer *body = &c->answers[index].body;
  assert_int_equal(body->size, strlen(text));
  assert_memory_equal(body->data, text, body->size);
}

static void answers_wherever_the_input_is_cut(void **state) {
  client *c = *state;
  c->chunk = 1;
  client_open(c, 0);
  upload u = {"hello", 5, false};
  size_t post = client_ask(c, "POST", "/echo?q=1", &u), get = client_ask(c, "GET", "/echo", NULL);
  size_t head = client_ask(c, "HEAD", "/echo", NULL), empty = client_ask(c, "GET", "/empty", NULL);
  client_talk(c);
  assert_body(c, post, "POST\n/echo?q=1\nh:1\nhello\n");
  assert_string_equal(c->answers[post].tag, "a tag");
  assert_string_equal(c->answers[post].length, "25");
  assert_body(c, get, "GET\n/echo\nh:1\n\n");
  assert_int_equal(c->answers[head].status, 200);
  assert_body(c, head, "");
  assert_string_equal(c->answers[head].length, "16");
  assert_int_equal(c->answers[empty].status, 204);
  assert_string_equal(c->answers[empty].length, "");
}

static void answers_streams_in_any_order(void **state) {
  client *c = *state;
  client_open(c, 0);
  for (int i = 0; i < 10; i++) (void)client_ask(c, "GET", "/keep", NULL);
  size_t echo = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 10);
  assert_true(c->answers[echo].is_closed);
  assert_int_equal(tp_http_conn_progress(c->f.conn).handling, 10);
  for (size_t i = 10; i-- > 0;) {
    c->f.wake_count = 0;
    char body[24];
    (void)snprintf(body, sizeof body, "%zu", i);
    fixture_respond(&c->f, i, 200, body);
    assert_int_equal(c->f.wake_count, 1);
    client_talk(c);
    assert_true(c->answers[i].is_closed);
    assert_body(c, i, body);
  }
}

static void respects_tiny_windows(void **state) {
  client *c = *state;
  client_open(c, 10);
  size_t big = client_ask(c, "GET", "/big", NULL), small = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_int_equal(c->answers[big].body.size, 10);
  assert_int_equal(c->answers[small].body.size, 10);
  assert_int_not_equal(tp_http_conn_progress(c->f.conn).unsent, 0);
  uint64_t sent = tp_http_conn_progress(c->f.conn).sent;
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 3, 100), 0);
  client_talk(c);
  assert_true(c->answers[small].is_closed); /* the other stream does not hold it up */
  assert_int_equal(tp_http_conn_progress(c->f.conn).sent, sent + 5);
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 1, BIG_SIZE), 0);
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 0, BIG_SIZE), 0);
  client_talk(c);
  assert_true(c->answers[big].is_closed);
  assert_int_equal(c->answers[big].body.size, BIG_SIZE);
  assert_int_equal(tp_http_conn_progress(c->f.conn).unsent, 0);
}

static void takes_uploads_larger_than_a_window(void **state) {
  client *c = *state;
  client_open(c, 0);
  enum { SIZE = 1000000 };
  char *data = calloc(1, SIZE);
  assert_non_null(data);
  upload u = {data, SIZE, false};
  (void)client_ask(c, "POST", "/keep", &u);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 1);
  assert_int_equal(tp_http_request_body(c->f.kept[0]).size, SIZE);
  free(data);
}

static void streams_with_back_pressure(void **state) {
  client *c = *state;
  client_open(c, 10);
  size_t index = client_ask(c, "GET", "/stream", NULL);
  client_talk(c);
  tp_http_request *request = c->f.kept[0];
  tp_http_respond_start(request, 200, NULL, 0);
  client_talk(c);
  assert_int_equal(c->answers[index].status, 200);
  tp_http_respond_write(request, (tuplet_bytes){"01234", 5});
  client_talk(c);
  assert_body(c, index, "01234");
  assert_int_equal(c->f.writable_count, 1);
  tp_http_respond_write(request, (tuplet_bytes){"56789abc", 8});
  client_talk(c);
  assert_body(c, index, "0123456789");
  assert_int_equal(tp_http_respond_buffered(request), 3);
  assert_int_equal(c->f.writable_count, 1);
  assert_int_equal(nghttp2_submit_window_update(c->session, 0, 1, 100), 0);
  client_talk(c);
  assert_int_equal(c->f.writable_count, 2);
  assert_int_equal(tp_http_respond_buffered(request), 0);
  assert_false(c->answers[index].is_closed);
  c->f.kept[0] = NULL;
  tp_http_respond_end(request);
  client_talk(c);
  assert_body(c, index, "0123456789abc");
  assert_true(c->answers[index].is_closed);
  assert_int_equal(c->answers[index].close_code, NGHTTP2_NO_ERROR);
}

/* Whoever finds nothing buffered must be able to rely on having been called. */
static void tells_the_handler_as_soon_as_nothing_is_buffered(void **state) {
  client *c = *state;
  client_open(c, 1 << 20);
  assert_int_equal(nghttp2_session_set_local_window_size(c->session, 0, 0, 1 << 20), 0);
  (void)client_ask(c, "GET", "/stream", NULL);
  client_talk(c);
  tp_http_request *request = c->f.kept[0];
  static const char chunk[64 * 1024];
  tp_http_respond_start(request, 200, NULL, 0);
  tp_http_respond_write(request, (tuplet_bytes){chunk, sizeof chunk});
  assert_true(tp_http_conn_output(c->f.conn).size >= sizeof chunk);
  assert_int_equal(tp_http_respond_buffered(request), 0);
  assert_int_equal(c->f.writable_count, 1);
  client_talk(c);
}

static void tells_the_handler_of_a_reset(void **state) {
  client *c = *state;
  client_open(c, 10);
  (void)client_ask(c, "GET", "/stream", NULL);
  (void)client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  tp_http_respond_start(c->f.kept[0], 200, NULL, 0);
  tp_http_respond_write(c->f.kept[0], (tuplet_bytes){"0123456789abc", 13});
  client_talk(c);
  assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, 1, NGHTTP2_CANCEL), 0);
  client_talk(c);
  assert_int_equal(c->f.abort_count, 1);
  assert_int_equal(tp_http_conn_progress(c->f.conn).unsent, 0);
  assert_int_equal(tp_http_respond_buffered(c->f.kept[0]), 0);
  assert_int_equal(tp_http_conn_progress(c->f.conn).handling, 2); /* until the handler lets go */
  tp_http_request *request = c->f.kept[0];
  c->f.kept[0] = NULL;
  tp_http_respond_write(request, (tuplet_bytes){"x", 1});
  tp_http_respond_end(request);
  assert_int_equal(tp_http_conn_progress(c->f.conn).handling, 1);
  fixture_respond(&c->f, 1, 200, "other");
  client_talk(c);
  assert_body(c, 1, "other");
}

static void resets_the_stream_when_the_handler_gives_up(void **state) {
  client *c = *state;
  client_open(c, 0);
  size_t index = client_ask(c, "GET", "/stream", NULL), other = client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  tp_http_respond_start(c->f.kept[0], 200, NULL, 0);
  tp_http_request *request = c->f.kept[0];
  c->f.kept[0] = NULL;
  tp_http_respond_abort(request);
  client_talk(c);
  assert_true(c->answers[index].is_closed);
  assert_int_equal(c->answers[index].close_code, NGHTTP2_INTERNAL_ERROR);
  fixture_respond(&c->f, 1, 200, "fine");
  client_talk(c);
  assert_body(c, other, "fine");
}

static void bounds_the_body_of_one_stream_alone(void **state) {
  client *c = *state;
  c->f.config.limits.body_size_max = 10;
  client_open(c, 0);
  upload fits = {"0123456789", 10, false}, large = {"0123456789a", 11, false},
         endless = {"0123456789a", 11, true};
  size_t declared = client_ask_with(c, "POST", "/echo", "content-length", "11", &large);
  size_t undeclared = client_ask(c, "POST", "/echo", &endless);
  size_t good = client_ask(c, "POST", "/echo", &fits);
  client_talk(c);
  assert_int_equal(c->answers[declared].status, 413);
  assert_body(c, declared, "The request's body is too large.");
  assert_true(c->answers[declared].is_closed);
  assert_int_equal(c->answers[undeclared].status, 413);
  assert_int_equal(c->answers[good].status, 200);
  assert_int_equal(c->f.request_count, 1);
  /* What goes on sending is reset in the end. */
  assert_int_equal(tp_http_conn_progress(c->f.conn).receiving, 1);
  endless = (upload){"0123456789a", 11, true};
  assert_int_equal(nghttp2_session_resume_data(c->session, 3), 0);
  client_talk(c);
  assert_true(c->answers[undeclared].is_closed);
  assert_int_equal(c->answers[undeclared].close_code, NGHTTP2_NO_ERROR);
  assert_int_equal(tp_http_conn_progress(c->f.conn).receiving, 0);
}

static void bounds_all_bodies_together(void **state) {
  client *c = *state;
  c->f.config.limits.bodies_size_max = 25;
  client_open(c, 0);
  upload uploads[3] = {{"0123456789", 10, false}, {"0123456789", 10, false}, {"0123456789", 10, false}};
  for (size_t i = 0; i < 3; i++) (void)client_ask(c, "POST", "/keep", &uploads[i]);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 2);
  assert_int_equal(c->answers[2].status, 503);
  fixture_respond(&c->f, 0, 200, "");
  upload again = {"0123456789", 10, false};
  (void)client_ask(c, "POST", "/keep", &again);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 3);
}

static void refuses_at_the_head_without_keeping_the_body(void **state) {
  client *c = *state;
  tp_http_budget_init(&c->f.budget, 0, 100);
  c->f.config.budget = &c->f.budget;
  c->f.config.limits.bodies_size_free = 5;
  client_open(c, 0);
  static const char body[200000];
  upload long_one = {body, sizeof body, false}, short_one = {"hello", 5, false}, endless = {body, 10, true};
  size_t refused = client_ask(c, "POST", "/refused", &long_one);
  size_t echoed = client_ask(c, "POST", "/echo", &short_one);
  size_t waiting = client_ask(c, "POST", "/refused", &endless);
  client_talk(c);
  assert_int_equal(c->answers[refused].status, 401);
  assert_true(c->answers[refused].is_closed);
  assert_int_equal(c->answers[refused].close_code, NGHTTP2_NO_ERROR);
  assert_int_equal(long_one.left, 0);
  assert_int_equal(c->answers[waiting].status, 401);
  assert_int_equal(c->answers[echoed].status, 200);
  assert_int_equal(c->f.request_count, 1);
  assert_int_equal(tp_http_conn_progress(c->f.conn).handling, 0);
}

static void keeps_nothing_of_a_body_that_is_skipped(void **state) {
  client *c = *state;
  tp_http_budget_init(&c->f.budget, 0, 100);
  c->f.config.budget = &c->f.budget;
  c->f.config.limits.bodies_size_free = 5;
  c->f.config.limits.body_size_max = 200000;
  client_open(c, 0);
  static const char body[200001];
  upload fitting = {body, 200000, false}, excessive = {body, 200001, false};
  size_t skipped = client_ask(c, "POST", "/echo/skipped", &fitting);
  size_t refused = client_ask(c, "POST", "/echo/skipped", &excessive);
  client_talk(c);
  assert_int_equal(c->answers[skipped].status, 200);
  assert_int_equal(fitting.left, 0);
  assert_true(c->answers[skipped].body.size < 100);
  assert_int_equal(c->answers[refused].status, 413);
  assert_int_equal(c->f.request_count, 1);
}

static void bounds_the_head_of_one_stream_alone(void **state) {
  client *c = *state;
  c->f.config.limits.head_size_max = 400;
  client_open(c, 0);
  char large[300];
  memset(large, 'x', sizeof large - 1);
  large[sizeof large - 1] = '\0';
  large[0] = '/';
  size_t header_index = client_ask_with(c, "GET", "/echo", "x-large", large, NULL);
  char target[512];
  (void)snprintf(target, sizeof target, "%s%.200s", large, large);
  size_t target_index = client_ask(c, "GET", target, NULL), good = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_int_equal(c->answers[header_index].status, 431);
  assert_int_equal(c->answers[target_index].status, 414);
  assert_int_equal(c->answers[good].status, 200);
}

static void refuses_what_http_1_refuses(void **state) {
  client *c = *state;
  client_open(c, 0);
  size_t connect = client_ask_with(c, "GET", "/echo", "expect", "miracles", NULL);
  size_t star = client_ask(c, "GET", "*", NULL);
  size_t fragment = client_ask(c, "GET", "/echo#there", NULL);
  size_t other_host = client_ask_with(c, "GET", "/echo", "host", "h:2", NULL);
  client_talk(c);
  assert_int_equal(c->answers[fragment].status, 400);
  assert_int_equal(c->answers[other_host].status, 400);
  assert_int_equal(c->answers[connect].status, 417);
  assert_int_equal(c->answers[star].close_code, NGHTTP2_PROTOCOL_ERROR); /* nghttp2's own refusal */
  assert_int_equal(c->f.request_count, 0);
  size_t same_host = client_ask_with(c, "GET", "/echo", "host", "h:1", NULL);
  client_talk(c);
  assert_int_equal(c->answers[same_host].status, 200);
}

static void asks_for_the_body_that_waits_for_100(void **state) {
  client *c = *state;
  client_open(c, 0);
  upload u = {"", 0, true};
  size_t index = client_ask_with(c, "POST", "/echo", "expect", "100-continue", &u);
  client_talk(c);
  assert_true(c->answers[index].had_continue);
  u = (upload){"body", 4, false};
  assert_int_equal(nghttp2_session_resume_data(c->session, 1), 0);
  client_talk(c);
  assert_body(c, index, "POST\n/echo\nh:1\nbody\n");
}

static void hides_the_protocol_from_the_handler(void **state) {
  client *c = *state;
  client_open(c, 0);
  nghttp2_nv headers[] = {client_header(":method", "GET"), client_header(":scheme", "http"),
                          client_header(":path", "/keep"), client_header("host", "h:2"),
                          client_header("cookie", "a=1"),  client_header("cookie", "b=2")};
  assert_int_equal(nghttp2_submit_request(c->session, NULL, headers, 6, NULL, NULL), 1);
  client_talk(c);
  tuplet_bytes authority = tp_http_request_authority(c->f.kept[0]);
  assert_int_equal(authority.size, 3);
  assert_memory_equal(authority.data, "h:2", 3);
  assert_null(tp_http_request_header(c->f.kept[0], "cookie").data);
  assert_null(tp_http_request_header(c->f.kept[0], "host").data);
  assert_null(tp_http_request_header(c->f.kept[0], ":path").data);
}

static void bounds_concurrent_streams(void **state) {
  client *c = *state;
  c->f.config.limits.streams_max = 3;
  client_open(c, 0);
  client_talk(c); /* the settings are known from here on */
  for (int i = 0; i < 5; i++) (void)client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  assert_int_equal(c->f.kept_count, 3);
  fixture_respond(&c->f, 0, 200, "");
  client_talk(c);
  assert_int_equal(c->f.kept_count, 4);
}

/* Resetting does not get more work done than the limit of streams allows. */
static void does_not_let_resets_pile_up_work(void **state) {
  client *c = *state;
  c->f.config.limits.streams_max = 3;
  client_open(c, 0);
  client_talk(c);
  for (int i = 0; i < 20; i++) {
    size_t index = client_ask(c, "GET", "/keep", NULL);
    client_talk(c);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, (int32_t)(2 * index + 1), NGHTTP2_CANCEL), 0);
    client_talk(c);
  }
  assert_int_equal(c->f.request_count, 3);
  assert_int_equal(c->f.abort_count, 3);
  size_t last = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_false(c->answers[last].is_closed);
  tp_http_request *request = c->f.kept[1];
  c->f.kept[1] = NULL;
  c->f.wake_count = 0;
  tp_http_respond_abort(request);
  assert_int_equal(c->f.wake_count, 1);
  client_talk(c);
  assert_int_equal(c->answers[last].status, 200);
}

static void ends_floods_of_resets(void **state) {
  client *c = *state;
  c->f.finishes_aborted = true;
  client_open(c, 0);
  client_talk(c);
  /* Frames by hand: HEADERS (:method GET, :scheme http, :path /, all indexed) and RST_STREAM. */
  for (uint32_t id = 1; id < 6000 && !tp_http_conn_wants_close(c->f.conn); id += 2) {
    uint8_t frames[] = {0, 0, 3, 1, 5, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0x82, 0x86, 0x84,
                        0, 0, 4, 3, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0,    0,    0,
                        8};
    fixture_receive_bytes(&c->f, frames, sizeof frames);
  }
  assert_true(tp_http_conn_wants_close(c->f.conn));
}

static void ends_floods_of_frames_without_use(void **state) {
  static const uint8_t ping[] = {0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
  static const uint8_t update[] = {0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  static const struct {
    const uint8_t *frame;
    size_t size;
  } floods[] = {{ping, sizeof ping}, {settings, sizeof settings}, {update, sizeof update}};
  client *c = *state;
  client_open(c, 0);
  for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
    tp_http_conn_free(c->f.conn);
    fixture_open(&c->f);
    fixture_receive(&c->f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    fixture_receive_bytes(&c->f, settings, sizeof settings);
    size_t count = 0;
    while (count < 20000 && !tp_http_conn_wants_close(c->f.conn)) {
      fixture_receive_bytes(&c->f, floods[i].frame, floods[i].size);
      count++;
    }
    assert_true(count < 20000);
    assert_true(count > 500);
  }
}

/* The peer does not read: what waits for it stays bounded, by reading nothing more or by ending. */
static void bounds_what_waits_for_a_peer_that_does_not_read(void **state) {
  static const uint8_t ping[] = {0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  client *c = *state;
  client_open(c, 0);
  client_talk(c);
  size_t live = c->f.faults.live;
  for (int i = 0; i < 100000 && !tp_http_conn_wants_close(c->f.conn); i++) {
    tp_http_conn_receive(c->f.conn, (tuplet_bytes){ping, sizeof ping});
  }
  assert_true(tp_http_conn_wants_close(c->f.conn));
  assert_true(c->f.faults.live < live + 10000);
}

static void refuses_bytes_that_are_not_http_2(void **state) {
  client *c = *state;
  client_open(c, 0);
  tp_http_conn_free(c->f.conn);
  fixture_open(&c->f);
  fixture_receive(&c->f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_true(tp_http_conn_wants_close(c->f.conn));
  tp_http_conn_shutdown(c->f.conn);
  tp_http_conn_expire_shutdown(c->f.conn);
  assert_true(tp_http_conn_wants_close(c->f.conn));
}

static void drains_with_goaway(void **state) {
  client *c = *state;
  client_open(c, 0);
  (void)client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  c->f.wake_count = 0;
  tp_http_conn_shutdown(c->f.conn);
  assert_int_equal(c->f.wake_count, 1);
  size_t late = client_ask(c, "GET", "/echo", NULL); /* under way when the GOAWAY is sent */
  client_talk(c);
  assert_true(c->has_goaway);
  assert_int_equal(c->goaway_code, NGHTTP2_NO_ERROR);
  assert_int_equal(c->answers[late].status, 200);
  assert_false(tp_http_conn_wants_close(c->f.conn));
  fixture_respond(&c->f, 0, 200, "last");
  client_talk(c);
  assert_body(c, 0, "last");
  assert_true(tp_http_conn_wants_close(c->f.conn));
  assert_false(tp_http_conn_wants_cut(c->f.conn));
}

static void drains_an_idle_connection(void **state) {
  client *c = *state;
  client_open(c, 0);
  (void)client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  tp_http_conn_shutdown(c->f.conn);
  client_talk(c);
  assert_true(c->has_goaway);
  assert_true(tp_http_conn_wants_close(c->f.conn));
}

static void aborts_all_when_the_connection_ends(void **state) {
  client *c = *state;
  client_open(c, 0);
  for (int i = 0; i < 3; i++) (void)client_ask(c, "GET", "/keep", NULL);
  client_talk(c);
  tp_http_conn_receive_end(c->f.conn);
  assert_true(tp_http_conn_wants_close(c->f.conn));
  tp_http_conn_free(c->f.conn);
  c->f.conn = NULL;
  assert_int_equal(c->f.abort_count, 3);
  fixture_respond(&c->f, 1, 200, "to nobody");
}

static void expires_a_request_and_leaves_the_others(void **state) {
  client *c = *state;
  client_open(c, 0);
  upload slow = {"abc", 3, true};
  size_t expired = client_ask(c, "POST", "/echo", &slow), good = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_int_equal(tp_http_conn_progress(c->f.conn).receiving, 1);
  assert_int_equal(c->answers[good].status, 200);
  tp_http_conn_expire_receiving(c->f.conn, 0, 0, 0);
  client_talk(c);
  assert_int_equal(c->answers[expired].status, 408);
  tp_http_conn_expire_receiving(c->f.conn, 0, 0, 0);
  client_talk(c);
  assert_true(c->answers[expired].is_closed);
  assert_int_equal(tp_http_conn_progress(c->f.conn).receiving, 0);
  size_t more = client_ask(c, "GET", "/echo", NULL);
  client_talk(c);
  assert_int_equal(c->answers[more].status, 200);
}

static void expires_all_that_is_overdue_at_once(void **state) {
  client *c = *state;
  client_open(c, 0);
  upload slow[3] = {{"a", 1, true}, {"b", 1, true}, {"c", 1, true}};
  (void)client_ask(c, "POST", "/echo", &slow[0]);
  (void)client_ask(c, "POST", "/echo", &slow[1]);
  client_talk(c);
  tp_http_conn_expire_receiving(c->f.conn, 1000, 100, 100);
  (void)client_ask(c, "POST", "/echo", &slow[2]);
  client_talk(c);
  tp_http_conn_expire_receiving(c->f.conn, 1050, 100, 100);
  client_talk(c);
  assert_int_equal(c->answers[0].status, 0);
  tp_http_conn_expire_receiving(c->f.conn, 1100, 100, 100);
  client_talk(c);
  assert_int_equal(c->answers[0].status, 408);
  assert_int_equal(c->answers[1].status, 408);
  assert_int_equal(c->answers[2].status, 0);
  tp_http_conn_expire_receiving(c->f.conn, 1150, 100, 100);
  client_talk(c);
  assert_true(c->answers[0].is_closed && c->answers[1].is_closed);
  assert_int_equal(c->answers[2].status, 408);
}

/* The peer neither answers the PING nor ends its request; what a handler has is still finished. */
static void ends_without_the_peer_when_its_time_is_over(void **state) {
  client *c = *state;
  client_open(c, 0);
  upload slow = {"a", 1, true};
  size_t kept = client_ask(c, "GET", "/keep", NULL), endless = client_ask(c, "POST", "/echo", &slow);
  client_talk(c);
  tp_http_conn_shutdown(c->f.conn);
  fixture_collect(&c->f, 0);
  assert_int_equal(nghttp2_session_mem_recv(c->session, c->f.output.data, c->f.output.size),
                   c->f.output.size);
  tp_http_conn_expire_shutdown(c->f.conn);
  fixture_clear(&c->f);
  fixture_collect(&c->f, 0);
  tp_http_conn_expire_shutdown(c->f.conn);
  fixture_collect(&c->f, 0);
  assert_int_equal(nghttp2_session_mem_recv(c->session, c->f.output.data, c->f.output.size),
                   c->f.output.size);
  assert_int_equal(c->answers[endless].status, 408);
  assert_true(c->answers[endless].is_closed);
  assert_false(tp_http_conn_wants_close(c->f.conn));
  fixture_respond(&c->f, 0, 200, "last");
  client_talk(c);
  assert_body(c, kept, "last");
  assert_true(tp_http_conn_wants_close(c->f.conn));
}

static void never_sends_a_header_value_with_a_line_break(void **state) {
  client *c = *state;
  client_open(c, 0);
  size_t index = client_ask(c, "GET", "/split", NULL);
  client_talk(c);
  assert_int_equal(c->answers[index].status, 500);
}

/* One conversation with everything in it. The client's memory does not fail. */
static void converse(client *c) {
  if (tp_http_conn_new(&c->f.config, &c->f.conn, NULL) != TUPLET_OK) return;
  client_open_session(c, 0);
  upload u = {"hello", 5, false};
  (void)client_ask(c, "POST", "/echo", &u);
  (void)client_ask(c, "GET", "/stream", NULL);
  (void)client_ask_with(c, "POST", "/echo", "content-length", "99999999", NULL);
  (void)client_ask_with(c, "GET", "/echo", "cookie", "a", NULL);
  upload refused = {"hello", 5, false};
  (void)client_ask(c, "POST", "/refused", &refused);
  client_talk(c);
  if (c->f.kept_count == 1) {
    tp_http_request *request = c->f.kept[0];
    tp_http_respond_start(request, 200, NULL, 0);
    tp_http_respond_write(request, (tuplet_bytes){"abc", 3});
    client_talk(c);
    c->f.kept[0] = NULL;
    tp_http_respond_end(request);
  }
  client_talk(c);
  tp_http_conn_shutdown(c->f.conn);
  client_talk(c);
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    void *made = NULL;
    assert_int_equal(client_setup(&made), 0);
    client *c = made;
    c->f.faults.fail_at = n;
    converse(c);
    bool has_failed = c->f.faults.count >= n;
    bool is_whole = c->answers[0].body.size == 21 && c->answers[1].body.size == 3 &&
                    c->answers[1].is_closed && c->answers[3].status == 200;
    if (!has_failed) assert_true(is_whole);
    if (!is_whole && c->f.conn != NULL && c->answers[0].close_code == 0 && c->answers[3].close_code == 0) {
      assert_true(tp_http_conn_wants_close(c->f.conn));
    }
    (void)client_teardown(&made);
    if (!has_failed) break;
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(answers_wherever_the_input_is_cut),
      TEST(answers_streams_in_any_order),
      TEST(respects_tiny_windows),
      TEST(takes_uploads_larger_than_a_window),
      TEST(streams_with_back_pressure),
      TEST(tells_the_handler_as_soon_as_nothing_is_buffered),
      TEST(tells_the_handler_of_a_reset),
      TEST(resets_the_stream_when_the_handler_gives_up),
      TEST(bounds_the_body_of_one_stream_alone),
      TEST(bounds_all_bodies_together),
      TEST(refuses_at_the_head_without_keeping_the_body),
      TEST(keeps_nothing_of_a_body_that_is_skipped),
      TEST(bounds_the_head_of_one_stream_alone),
      TEST(refuses_what_http_1_refuses),
      TEST(asks_for_the_body_that_waits_for_100),
      TEST(hides_the_protocol_from_the_handler),
      TEST(bounds_concurrent_streams),
      TEST(does_not_let_resets_pile_up_work),
      TEST(ends_floods_of_resets),
      TEST(ends_floods_of_frames_without_use),
      TEST(bounds_what_waits_for_a_peer_that_does_not_read),
      TEST(refuses_bytes_that_are_not_http_2),
      TEST(drains_with_goaway),
      TEST(drains_an_idle_connection),
      TEST(aborts_all_when_the_connection_ends),
      TEST(expires_a_request_and_leaves_the_others),
      TEST(expires_all_that_is_overdue_at_once),
      TEST(ends_without_the_peer_when_its_time_is_over),
      TEST(never_sends_a_header_value_with_a_line_break),
      cmocka_unit_test(survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* http2_abuse_test.c: what HTTP/2 offers to those who mean harm, frame by frame. Each abuse ends its own
 * connection; what looks a little like it and is not goes on. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
  DATA,
  HEADERS,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  PUSH_PROMISE,
  PING,
  GOAWAY,
  WINDOW_UPDATE,
  CONTINUATION,
  UNKNOWN = 0xbe
};

enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { FLOW_CONTROL_ERROR = 3, SETTINGS_TIMEOUT = 4, ENHANCE_YOUR_CALM = 11 };

enum { FLOOD = 20000, PAYLOAD_MAX = 16384 };

/* ---- Frames by hand ---- */

static void send_frame(fixture *f, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                       size_t size) {
  uint8_t frame[9 + PAYLOAD_MAX] = {
      (uint8_t)(size >> 16),   (uint8_t)(size >> 8),    (uint8_t)size,          type,           flags,
      (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
  assert_true(size <= PAYLOAD_MAX);
  if (size > 0) memcpy(frame + 9, payload, size);
  fixture_receive_bytes(f, frame, 9 + size);
}

static void send_number(fixture *f, uint8_t type, uint32_t stream, uint32_t number) {
  uint8_t payload[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                       (uint8_t)number};
  send_frame(f, type, 0, stream, payload, sizeof payload);
}

static void send_setting(fixture *f, uint16_t name, uint32_t value) {
  uint8_t payload[] = {(uint8_t)(name >> 8),   (uint8_t)name,         (uint8_t)(value >> 24),
                       (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
  send_frame(f, SETTINGS, 0, 0, payload, sizeof payload);
}

/* :method GET, :scheme http, :path, :authority h; without END_HEADERS in `flags` more has to come. */
static void send_head(fixture *f, uint32_t stream, uint8_t flags, const char *path) {
  uint8_t block[64] = {0x82, 0x86, 0x01, 0x01, 'h', 0x04, (uint8_t)strlen(path)};
  for (size_t i = 0; i < strlen(path); i++) block[7 + i] = (uint8_t)path[i];
  send_frame(f, HEADERS, flags, stream, block, 7 + strlen(path));
}

static void ask(fixture *f, uint32_t stream, const char *path) {
  send_head(f, stream, END_HEADERS | END_STREAM, path);
}

/* Ours are not acknowledged yet. */
static void open_half_greeted(fixture *f) {
  fixture_open(f);
  fixture_receive(f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  send_frame(f, SETTINGS, 0, 0, NULL, 0);
  fixture_clear(f);
}

static void open_greeted(fixture *f) {
  open_half_greeted(f);
  send_frame(f, SETTINGS, ACK, 0, NULL, 0);
  fixture_clear(f);
}

static void reopen(fixture *f) {
  tp_http_conn_free(f->conn);
  f->conn = NULL;
  open_greeted(f);
}

/* ---- Frames that came back ---- */

/* How many of that type, of any stream (0) or one. */
static size_t count_frames(const fixture *f, uint8_t type, uint32_t stream, const uint8_t **ret_last) {
  size_t count = 0;
  const uint8_t *data = f->output.data;
  for (size_t at = 0; at + 9 <= f->output.size;) {
    size_t size = (size_t)data[at] << 16 | (size_t)data[at + 1] << 8 | data[at + 2];
    uint32_t id = (uint32_t)data[at + 5] << 24 | (uint32_t)data[at + 6] << 16 | (uint32_t)data[at + 7] << 8 |
                  data[at + 8];
    bool is_wanted = data[at + 3] == type && (stream == 0 || id == stream);
    count += is_wanted;
    if (is_wanted && ret_last != NULL) *ret_last = data + at + 9;
    at += 9 + size;
  }
  return count;
}

static void assert_ended_with(const fixture *f, uint8_t code) {
  const uint8_t *goaway = NULL;
  assert_int_not_equal(count_frames(f, GOAWAY, 0, &goaway), 0);
  assert_int_equal(goaway[7], code);
  assert_true(tp_http_conn_wants_close(f->conn));
}

static bool is_answered(fixture *f, uint32_t stream) {
  fixture_clear(f);
  ask(f, stream, "/echo");
  return count_frames(f, HEADERS, stream, NULL) == 1;
}

/* ---- Floods ---- */

typedef struct flood {
  uint8_t type, flags;
  uint32_t stream;
  const char *payload;
  size_t size;
} flood;

static void every_flood_of_frames_without_use_ends_its_connection(void **state) {
  static const flood floods[] = {
      {PING, 0, 0, "12345678", 8},
      {PING, ACK, 0, "12345678", 8},
      {SETTINGS, 0, 0, NULL, 0},
      {SETTINGS, 0, 0, "\0\4\0\0\0\1\0\4\0\0\0\2", 12},
      {PRIORITY, 0, 1, "\0\0\0\0\20", 5},
      {PRIORITY, 0, 77, "\0\0\0\0\20", 5},
      {WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4},
      {WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4},
      {DATA, 0, 1, NULL, 0},
      {UNKNOWN, 0, 0, "x", 1},
      {UNKNOWN, 0, 1, NULL, 0},
      {DATA, 0, 3, NULL, 0}, /* of a stream that is over */
      {DATA, 8, 3, "\0", 1}, /* nothing but the length of its padding */
  };
  fixture *f = *state;
  fixture_open(f);
  for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
    const flood *bad = &floods[i];
    reopen(f);
    send_head(f, 1, END_HEADERS, "/keep"); /* its body is to come */
    ask(f, 3, "/echo");
    size_t requests = f->request_count;
    size_t live = f->faults.live;
    size_t count = 0;
    while (count < FLOOD && !tp_http_conn_wants_close(f->conn)) {
      send_frame(f, bad->type, bad->flags, bad->stream, bad->payload, bad->size);
      count++;
    }
    if (count == FLOOD) fail_msg("flood %zu goes on", i);
    assert_true(count > 500); /* nobody honest comes near */
    assert_ended_with(f, ENHANCE_YOUR_CALM);
    assert_true(f->faults.live < live + 100);
    assert_int_equal(f->request_count, requests);
  }
}

static void resets_end_the_connection_whoever_brings_them_about(void **state) {
  fixture *f = *state;
  f->finishes_aborted = true;
  fixture_open(f);
  for (int by_us = 0; by_us < 2; by_us++) {
    reopen(f);
    uint32_t stream = 1;
    for (; stream < 2 * FLOOD && !tp_http_conn_wants_close(f->conn); stream += 2) {
      ask(f, stream, "/keep");
      if (by_us != 0) {
        send_number(f, WINDOW_UPDATE, stream, 0x7fffffff); /* beyond what a window may be: a stream's error */
      } else {
        send_number(f, RST_STREAM, stream, 8);
      }
      assert_true(f->kept_count < KEPT_MAX);
    }
    assert_true(stream > 2 * 500 && stream < 2 * FLOOD);
    f->kept_count = 0; /* all were finished by on_abort */
  }
}

/* Requests whose body is announced and then taken back never reach a handler. */
static void resets_before_the_end_of_a_request_count_as_well(void **state) {
  fixture *f = *state;
  open_greeted(f);
  uint32_t stream = 1;
  for (; stream < 2 * FLOOD && !tp_http_conn_wants_close(f->conn); stream += 2) {
    send_head(f, stream, END_HEADERS, "/echo");
    send_number(f, RST_STREAM, stream, 0);
  }
  assert_true(stream < 2 * FLOOD);
  assert_int_equal(f->request_count, 0);
}

/* libcurl resets what it has the whole answer of, often before it has seen the stream's end. */
static void resets_of_what_is_answered_cost_nothing(void **state) {
  fixture *f = *state;
  open_greeted(f);
  for (uint32_t stream = 1; stream < 2 * FLOOD; stream += 2) {
    fixture_clear(f);
    ask(f, stream, "/empty");
    assert_true(f->output.size > 0);
    send_number(f, RST_STREAM, stream, 5);
    assert_false(tp_http_conn_wants_close(f->conn));
  }
}

static void continuations_without_end_end_the_connection(void **state) {
  fixture *f = *state;
  fixture_open(f);
  for (int is_empty = 0; is_empty < 2; is_empty++) {
    reopen(f);
    size_t live = f->faults.live;
    char junk[1000];
    memset(junk, 0x82, sizeof junk);
    send_head(f, 1, END_STREAM, "/echo");
    size_t count = 0;
    for (; count < 100 && !tp_http_conn_wants_close(f->conn); count++) {
      send_frame(f, CONTINUATION, 0, 1, junk, is_empty != 0 ? 0 : sizeof junk);
    }
    assert_true(count < 20);
    assert_true(f->faults.live < live + 100);
  }
  assert_int_equal(f->request_count, 0);
}

/* One byte of the wire is a header of 4000 bytes. */
static void a_head_that_hpack_blows_up_ends_the_connection(void **state) {
  fixture *f = *state;
  open_greeted(f);
  enum { VALUE_SIZE = 4000 };
  uint8_t block[PAYLOAD_MAX] = {0x82, 0x86, 0x84, 0x40, 1, 'x', 0x7f, 0xa1, 0x1e}; /* 127 + 3873 */
  memset(block + 9, 'y', VALUE_SIZE);
  memset(block + 9 + VALUE_SIZE, 0xbe, sizeof block - 9 - VALUE_SIZE);
  send_frame(f, HEADERS, END_HEADERS | END_STREAM, 1, block, sizeof block);
  assert_ended_with(f, ENHANCE_YOUR_CALM);
  assert_int_equal(f->request_count, 0);
  assert_true(f->faults.size_peak < (size_t)1 << 20);
}

static void headers_without_a_name_refuse_the_request_and_many_end_the_connection(void **state) {
  fixture *f = *state;
  open_greeted(f);
  uint8_t block[PAYLOAD_MAX] = {0x82, 0x86, 0x84};
  for (size_t i = 3; i + 3 <= sizeof block; i += 3) memset(block + i, 0, 3); /* a literal, "" = "" */
  send_frame(f, HEADERS, END_HEADERS | END_STREAM, 1, block, 6);
  assert_true(count_frames(f, HEADERS, 1, NULL) == 1 || count_frames(f, RST_STREAM, 1, NULL) == 1);
  assert_int_equal(f->request_count, 0);
  assert_true(is_answered(f, 3));
  for (uint32_t stream = 5; stream < 2000 && !tp_http_conn_wants_close(f->conn); stream += 2) {
    send_frame(f, HEADERS, END_STREAM, stream, block, sizeof block - 1);
    for (int i = 0; i < 5; i++) send_frame(f, CONTINUATION, 0, stream, block + 3, sizeof block - 4);
    send_frame(f, CONTINUATION, END_HEADERS, stream, NULL, 0);
  }
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_int_equal(f->request_count, 1);
}

static void a_large_table_for_headers_takes_no_memory(void **state) {
  fixture *f = *state;
  open_greeted(f);
  size_t peak = f->faults.size_peak;
  send_setting(f, 1, UINT32_MAX);
  assert_true(is_answered(f, 1));
  assert_true(f->faults.size_peak < peak + 100000);
}

/* ---- Windows ---- */

static void a_window_that_overflows_ends_the_connection(void **state) {
  fixture *f = *state;
  open_greeted(f);
  send_number(f, WINDOW_UPDATE, 0, 0x7fffffff);
  assert_ended_with(f, FLOW_CONTROL_ERROR);
}

/* A peer that asks for much and takes little is given no more to ask for. */
static void tiny_windows_hold_little_memory(void **state) {
  fixture *f = *state;
  f->config.limits.output_size_max = (size_t)5 * BIG_SIZE;
  open_greeted(f);
  send_setting(f, 4, 1);
  for (uint32_t stream = 1; stream < 200; stream += 2) ask(f, stream, "/big");
  assert_true(f->request_count < 10);
  assert_true(f->faults.size_peak < (size_t)12 * BIG_SIZE);
  tp_http_progress progress = tp_http_conn_progress(f->conn);
  assert_true(progress.unsent > 0);
  for (size_t i = 0; i < FLOOD && !tp_http_conn_wants_close(f->conn); i++) {
    send_number(f, WINDOW_UPDATE, 1, 1); /* a byte at a time */
  }
  assert_ended_with(f, ENHANCE_YOUR_CALM);
}

/* The same frames, from one who reads. */
static void who_takes_its_answers_may_open_windows_for_ever(void **state) {
  fixture *f = *state;
  open_greeted(f);
  for (uint32_t stream = 1; stream < 2 * FLOOD; stream += 2) {
    assert_true(is_answered(f, stream));
    send_number(f, WINDOW_UPDATE, 0, 20);
    send_number(f, WINDOW_UPDATE, 0, 20);
    send_frame(f, PING, 0, 0, "12345678", 8);
  }
  assert_false(tp_http_conn_wants_close(f->conn));
}

static void time_gives_patience_back(void **state) {
  fixture *f = *state;
  open_greeted(f);
  for (uint64_t second = 0; second < 300; second++) {
    for (int i = 0; i < 100; i++) send_frame(f, PING, 0, 0, "12345678", 8);
    tp_http_conn_expire_receiving(f->conn, second * 1000, 15000, 30000);
  }
  assert_true(is_answered(f, 1));
}

/* ---- Streams that are over ---- */

enum { PROTOCOL_ERROR = 1, STREAM_CLOSED = 5 };

static const uint8_t *last_frame(const fixture *f, uint8_t type, uint32_t stream) {
  const uint8_t *payload = NULL;
  assert_int_not_equal(count_frames(f, type, stream, &payload), 0);
  return payload;
}

static void data_for_a_stream_that_is_over_is_refused(void **state) {
  fixture *f = *state;
  open_greeted(f);
  assert_true(is_answered(f, 1));
  send_frame(f, DATA, END_STREAM, 1, "late", 4);
  assert_int_equal(last_frame(f, RST_STREAM, 1)[3], STREAM_CLOSED);
  for (int is_answered_first = 0; is_answered_first < 2; is_answered_first++) {
    uint32_t stream = is_answered_first != 0 ? 5 : 3;
    send_head(f, stream, END_HEADERS, is_answered_first != 0 ? "/refused" : "/keep");
    send_number(f, RST_STREAM, stream, 8);
    send_frame(f, DATA, END_STREAM, stream, "late", 4);
    assert_int_equal(last_frame(f, RST_STREAM, stream)[3], STREAM_CLOSED);
  }
  assert_true(is_answered(f, 7));
}

static void a_head_for_a_stream_that_is_over_ends_the_connection(void **state) {
  fixture *f = *state;
  fixture_open(f);
  for (uint32_t stream = 1; stream < 7; stream += 2) {
    reopen(f);
    if (stream > 1) assert_true(is_answered(f, 1));
    if (stream == 3) send_head(f, 3, END_HEADERS, "/refused");
    if (stream == 3) send_number(f, RST_STREAM, 3, 8);
    if (stream == 5) assert_true(is_answered(f, 9)); /* 5 is closed by that, too */
    if (stream == 1) assert_true(is_answered(f, 1));
    ask(f, stream, "/echo");
    assert_ended_with(f, STREAM_CLOSED);
  }
}

/* All of it in one packet. */
static void frames_are_judged_by_what_those_before_them_did(void **state) {
  static const char frames[] = "\0\0\x0f\1\4\0\0\0\1\x82\x86\1\1h\4\x08/refused"
                               "\0\0\4\3\0\0\0\0\1\0\0\0\x08"
                               "\0\0\4\0\1\0\0\0\1late";
  fixture *f = *state;
  for (size_t step = 1; step < sizeof frames; step += 5) {
    tp_http_conn_free(f->conn);
    open_greeted(f);
    for (size_t at = 0; at < sizeof frames - 1; at += step) {
      size_t rest = sizeof frames - 1 - at;
      fixture_receive_bytes(f, frames + at, rest < step ? rest : step);
    }
    assert_int_equal(last_frame(f, RST_STREAM, 1)[3], STREAM_CLOSED);
  }
}

/* What was under way when we reset a stream is nobody's fault. */
static void frames_for_a_stream_that_we_have_reset_are_ignored(void **state) {
  fixture *f = *state;
  f->config.limits.streams_max = 2;
  open_half_greeted(f); /* or it would be an error */
  for (uint32_t stream = 1; stream < 7; stream += 2) send_head(f, stream, END_HEADERS, "/echo");
  assert_int_equal(count_frames(f, RST_STREAM, 5, NULL), 1); /* refused */
  send_frame(f, DATA, 0, 5, "late", 4);
  send_head(f, 5, END_HEADERS | END_STREAM, "/echo");
  assert_int_equal(count_frames(f, RST_STREAM, 5, NULL), 1);
  send_frame(f, DATA, END_STREAM, 1, "body", 4);
  assert_int_equal(count_frames(f, HEADERS, 1, NULL), 1);
  assert_false(tp_http_conn_wants_close(f->conn));
}

static void priorities_that_cannot_be_end_the_connection(void **state) {
  static const flood frames[] = {{PRIORITY, 0, 0, "\0\0\0\1\20", 5}, {PRIORITY, 0, 3, "\x80\0\0\3\20", 5}};
  fixture *f = *state;
  fixture_open(f);
  for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
    reopen(f);
    send_frame(f, frames[i].type, 0, frames[i].stream, frames[i].payload, frames[i].size);
    assert_ended_with(f, PROTOCOL_ERROR);
  }
  reopen(f);
  send_frame(f, PRIORITY, 0, 3, "\0\0\0\1\20", 5);
  assert_true(is_answered(f, 3));
}

static void a_wrong_preface_where_http_2_was_promised_closes_the_connection(void **state) {
  fixture *f = *state;
  f->config.protocol = TP_HTTP_2;
  fixture_open(f);
  fixture_receive(f, "INVALID CONNECTION PREFACE\r\n\r\n");
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_false(tp_http_conn_wants_cut(f->conn));
}

/* ---- What never comes ---- */

static void settings_that_are_not_acknowledged_end_the_connection(void **state) {
  for (int is_acknowledged = 0; is_acknowledged < 2; is_acknowledged++) {
    fixture *f = *state;
    open_half_greeted(f);
    if (is_acknowledged != 0) send_frame(f, SETTINGS, ACK, 0, NULL, 0);
    assert_true(is_answered(f, 1));
    tp_http_conn_expire_receiving(f->conn, 5000, 100, 1000);
    tp_http_conn_expire_receiving(f->conn, 5099, 100, 1000);
    assert_true(is_answered(f, 3));
    tp_http_conn_expire_receiving(f->conn, 5100, 100, 1000);
    fixture_clear(f);
    fixture_collect(f, 0);
    if (is_acknowledged == 0) {
      assert_ended_with(f, SETTINGS_TIMEOUT);
      tp_http_conn_free(f->conn);
    } else {
      assert_true(is_answered(f, 5));
    }
  }
}

static void streams_are_bounded_before_the_settings_are_acknowledged(void **state) {
  fixture *f = *state;
  f->config.limits.streams_max = 3;
  open_half_greeted(f);
  for (uint32_t stream = 1; stream < 20; stream += 2) ask(f, stream, "/keep");
  assert_int_equal(f->kept_count, 3);
  assert_int_equal(count_frames(f, RST_STREAM, 0, NULL), 7);
}

static void a_head_without_end_ends_the_connection_and_a_body_its_stream(void **state) {
  fixture *f = *state;
  open_greeted(f);
  send_head(f, 1, END_HEADERS, "/echo");
  tp_http_conn_expire_receiving(f->conn, 1000, 100, 200);
  tp_http_conn_expire_receiving(f->conn, 1199, 100, 200);
  fixture_collect(f, 0);
  assert_int_equal(count_frames(f, HEADERS, 1, NULL), 0);
  tp_http_conn_expire_receiving(f->conn, 1200, 100, 200);
  fixture_collect(f, 0);
  tp_http_conn_expire_receiving(f->conn, 1201, 100, 200);
  fixture_collect(f, 0);
  assert_int_equal(count_frames(f, HEADERS, 1, NULL), 1);
  assert_int_equal(count_frames(f, RST_STREAM, 1, NULL), 1);
  assert_true(is_answered(f, 3));
  send_head(f, 5, 0, "/echo");
  tp_http_conn_expire_receiving(f->conn, 2000, 100, 200);
  assert_false(tp_http_conn_wants_close(f->conn));
  tp_http_conn_expire_receiving(f->conn, 2100, 100, 200);
  fixture_collect(f, 0);
  assert_ended_with(f, ENHANCE_YOUR_CALM);
}

static void a_peer_that_says_goodbye_gets_its_last_answers(void **state) {
  fixture *f = *state;
  open_greeted(f);
  ask(f, 1, "/keep");
  send_frame(f, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
  assert_false(tp_http_conn_wants_close(f->conn));
  fixture_respond(f, 0, 200, "last");
  fixture_collect(f, 0);
  assert_int_equal(count_frames(f, DATA, 1, NULL), 1);
  assert_true(tp_http_conn_wants_close(f->conn));
  assert_false(tp_http_conn_wants_cut(f->conn));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_flood_of_frames_without_use_ends_its_connection),
      TEST(resets_end_the_connection_whoever_brings_them_about),
      TEST(resets_before_the_end_of_a_request_count_as_well),
      TEST(resets_of_what_is_answered_cost_nothing),
      TEST(continuations_without_end_end_the_connection),
      TEST(a_head_that_hpack_blows_up_ends_the_connection),
      TEST(headers_without_a_name_refuse_the_request_and_many_end_the_connection),
      TEST(a_large_table_for_headers_takes_no_memory),
      TEST(a_window_that_overflows_ends_the_connection),
      TEST(tiny_windows_hold_little_memory),
      TEST(who_takes_its_answers_may_open_windows_for_ever),
      TEST(time_gives_patience_back),
      TEST(data_for_a_stream_that_is_over_is_refused),
      TEST(a_head_for_a_stream_that_is_over_ends_the_connection),
      TEST(frames_are_judged_by_what_those_before_them_did),
      TEST(frames_for_a_stream_that_we_have_reset_are_ignored),
      TEST(priorities_that_cannot_be_end_the_connection),
      TEST(a_wrong_preface_where_http_2_was_promised_closes_the_connection),
      TEST(settings_that_are_not_acknowledged_end_the_connection),
      TEST(streams_are_bounded_before_the_settings_are_acknowledged),
      TEST(a_head_without_end_ends_the_connection_and_a_body_its_stream),
      TEST(a_peer_that_says_goodbye_gets_its_last_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

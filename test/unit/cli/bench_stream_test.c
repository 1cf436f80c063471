/* bench_stream_test.c: messages of an answer that goes on: cut anywhere, too large, and how it ends. */
#include "bench/stream.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
  tp_bench_stream stream;
  char seen[100]; /* the messages, a comma after each */
  bool refuses;
  int end_count;
  tuplet_error end;
} fixture;

static bool on_message(tp_bench_stream *stream, tuplet_bytes message, tuplet_error *error) {
  fixture *f = (fixture *)stream; /* its first member */
  if (f->refuses) {
    tp_error_set(error, TUPLET_MALFORMED, "%s", "refused");
    return false;
  }
  size_t size = strlen(f->seen);
  memcpy(f->seen + size, message.data, message.size);
  f->seen[size + message.size] = ',';
  return true;
}

static void on_end(tp_bench_stream *stream, const tuplet_error *error) {
  fixture *f = (fixture *)stream;
  f->end_count++;
  f->end = *error;
}

static void begin(fixture *f) {
  *f = (fixture){.stream = {.on_message = on_message, .on_end = on_end}};
  tp_bench_stream_init(&f->stream);
  tp_bench_stream_prepare(&f->stream);
  f->stream.call.status = 200;
}

static bool receive(fixture *f, const char *bytes, size_t size) {
  return f->stream.call.on_data(&f->stream.call, tuplet_view(bytes, size));
}

static void messages_may_be_cut_anywhere(void **state) {
  (void)state;
  static const char bytes[] = "\3\0\0\0one"
                              "\0\0\0\0"
                              "\5\0\0\0three";
  for (size_t first = 0; first < sizeof bytes; first++) {
    for (size_t second = first; second < sizeof bytes; second++) {
      fixture f;
      begin(&f);
      assert_true(receive(&f, bytes, first));
      assert_true(receive(&f, bytes + first, second - first));
      assert_true(receive(&f, bytes + second, sizeof bytes - 1 - second));
      assert_string_equal(f.seen, "one,three,");
      assert_int_equal(f.stream.call.answer.size, 0);
      tp_bench_stream_done(&f.stream);
    }
  }
}

static void what_is_too_large_is_refused_before_it_has_come(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  assert_false(receive(&f, "\xff\xff\xff\xff", 4));
  f.stream.call.on_done(&f.stream.call, NULL);
  assert_int_equal(f.end.status, TUPLET_MALFORMED);
  tp_bench_stream_done(&f.stream);
}

static void a_message_that_is_none_ends_it(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  f.refuses = true;
  assert_false(receive(&f, "\1\0\0\0x", 5));
  f.stream.call.on_done(&f.stream.call, "reset");
  assert_int_equal(f.end_count, 1);
  assert_string_equal(f.end.message, "refused");
  tp_bench_stream_done(&f.stream);
}

static void an_end_says_why(void **state) {
  (void)state;
  fixture f;
  begin(&f);
  f.stream.call.on_done(&f.stream.call, NULL);
  assert_string_equal(f.end.message, "the stream ended");
  tp_bench_stream_prepare(&f.stream);
  f.stream.call.status = 200;
  f.stream.call.on_done(&f.stream.call, "REFUSED_STREAM");
  assert_string_equal(f.end.message, "the stream ended: REFUSED_STREAM");
  tp_bench_stream_prepare(&f.stream);
  f.stream.call.status = 429;
  assert_true(receive(&f, "Too many.\nNo.", 13));
  f.stream.call.on_done(&f.stream.call, NULL);
  assert_string_equal(f.end.message, "HTTP 429: Too many.");
  assert_int_equal(f.end_count, 3);
  tp_bench_stream_done(&f.stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_may_be_cut_anywhere),
      cmocka_unit_test(what_is_too_large_is_refused_before_it_has_come),
      cmocka_unit_test(a_message_that_is_none_ends_it),
      cmocka_unit_test(an_end_says_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

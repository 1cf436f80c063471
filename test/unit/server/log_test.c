/* log_test.c: a line is a line, whatever stands in it. */
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_ends[2];
static char text[4 * TP_LOG_LINE_SIZE_MAX];

static int setup(void **state) {
  (void)state;
  return pipe(pipe_ends);
}

static int teardown(void **state) {
  (void)state;
  (void)close(pipe_ends[0]);
  return 0;
}

/* What was written; ends the writing side. */
static const char *written(void) {
  (void)close(pipe_ends[1]);
  size_t size = 0;
  ssize_t more;
  while ((more = read(pipe_ends[0], text + size, sizeof text - 1 - size)) > 0) size += (size_t)more;
  text[size] = '\0';
  return text;
}

static void lines_say_how_bad_it_is(void **state) {
  (void)state;
  const tp_log log = {pipe_ends[1], TP_LOG_INFO};
  tp_log_write(&log, TP_LOG_INFO, "Listening on http://%s", "127.0.0.1:1");
  tp_log_write(&log, TP_LOG_WARNING, "careful");
  tp_log_write(&log, TP_LOG_ERROR, "%d", 5);
  assert_string_equal(written(), "Listening on http://127.0.0.1:1\nwarning: careful\nerror: 5\n");
}

static void what_is_below_the_level_is_dropped(void **state) {
  (void)state;
  const tp_log log = {pipe_ends[1], TP_LOG_ERROR};
  tp_log_write(&log, TP_LOG_WARNING, "no");
  tp_log_write(&log, TP_LOG_ERROR, "yes");
  assert_string_equal(written(), "error: yes\n");
}

static void nobody_can_forge_a_line(void **state) {
  (void)state;
  const tp_log log = {pipe_ends[1], TP_LOG_INFO};
  tp_log_write(&log, TP_LOG_INFO, "%s", "a\nerror: b\r\x1b[31m\x7f");
  assert_string_equal(written(), "a?error: b??[31m?\n");
}

static void a_long_line_is_cut(void **state) {
  (void)state;
  const tp_log log = {pipe_ends[1], TP_LOG_INFO};
  tp_log_write(&log, TP_LOG_WARNING, "%*s", 3 * TP_LOG_LINE_SIZE_MAX, "x");
  tp_log_write(&log, TP_LOG_INFO, "next");
  const char *all = written();
  const char *end = strchr(all, '\n');
  assert_non_null(end);
  assert_true((size_t)(end - all) < TP_LOG_LINE_SIZE_MAX);
  assert_string_equal(end + 1, "next\n");
}

static void a_kind_of_line_comes_once_a_second_and_counts_the_others(void **state) {
  (void)state;
  tp_log_limit limit = {0};
  size_t left_out = 99;
  assert_true(tp_log_limit_admits(&limit, 5000, &left_out));
  assert_int_equal(left_out, 0);
  assert_false(tp_log_limit_admits(&limit, 5000, &left_out));
  assert_false(tp_log_limit_admits(&limit, 5999, &left_out));
  assert_true(tp_log_limit_admits(&limit, 6000, &left_out));
  assert_int_equal(left_out, 2);
  assert_true(tp_log_limit_admits(&limit, 7000, &left_out));
  assert_int_equal(left_out, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(lines_say_how_bad_it_is),
      TEST(what_is_below_the_level_is_dropped),
      TEST(nobody_can_forge_a_line),
      TEST(a_long_line_is_cut),
      cmocka_unit_test(a_kind_of_line_comes_once_a_second_and_counts_the_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

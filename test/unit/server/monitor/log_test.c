/* log_test.c: a line is a line, whatever stands in it, and nobody waits for who reads it. */
#include "server/monitor/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TIME "time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z "

static int pipe_ends[2];
static char text[16 * TP_LOG_LINE_SIZE_MAX];

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

static void assert_matches(const char *actual, const char *pattern) {
  regex_t compiled;
  assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
  int result = regexec(&compiled, actual, 0, NULL, 0);
  regfree(&compiled);
  if (result != 0) fail_msg("'%s' does not match '%s'", actual, pattern);
}

static void lines_say_when_and_how_bad_it_is(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_DEBUG};
  tp_log_write(&log, TP_LOG_INFO, "Listening on http://%s", "127.0.0.1:1");
  tp_log_write(&log, TP_LOG_WARNING, "careful");
  tp_log_write(&log, TP_LOG_ERROR, "%d", 5);
  tp_log_write(&log, TP_LOG_DEBUG, "%s", "");
  assert_matches(written(),
                 "^" TIME "level=info msg=\"Listening on http://127.0.0.1:1\"\n" TIME
                 "level=warning msg=careful\n" TIME "level=error msg=5\n" TIME "level=debug msg=\"\"\n$");
}

static void what_is_below_the_level_is_dropped(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_ERROR};
  tp_log_write(&log, TP_LOG_WARNING, "no");
  tp_log_write(&log, TP_LOG_ERROR, "yes");
  assert_matches(written(), "^" TIME "level=error msg=yes\n$");
}

static void write_fields(const tp_log *log, tuplet_bytes hostile) {
  tp_log_line line;
  tp_log_begin(&line, log, TP_LOG_INFO, "a request");
  tp_log_text(&line, "plain", (tuplet_bytes){"snapshot_read", 13});
  tp_log_text(&line, "none", (tuplet_bytes){NULL, 0});
  tp_log_text(&line, "hostile", hostile);
  tp_log_integer(&line, "size", INT64_MAX);
  tp_log_milliseconds(&line, "duration_ms", 1234567);
  tp_log_flag(&line, "tls", true);
  tp_log_end(&line);
}

static void fields_stand_behind_the_message(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_INFO};
  write_fields(&log, (tuplet_bytes){"two words", 9});
  assert_matches(written(),
                 "^" TIME "level=info msg=\"a request\" plain=snapshot_read none=\"\" hostile=\"two "
                 "words\" size=9223372036854775807 duration_ms=1[.]234 tls=true\n$");
}

/* A line break, quotation marks, a terminal's escapes of both kinds, a change of direction, half a character,
 * a NUL. */
#define HOSTILE "a\nlevel=error \"=\\\r\t\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xc3\0\xff\xed\xa0\x80z"
static const tuplet_bytes hostile = {HOSTILE, sizeof HOSTILE - 1};

static void nobody_can_forge_a_line(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_INFO};
  write_fields(&log, hostile);
  const char *all = written();
  assert_ptr_equal(strchr(all, '\n'), all + strlen(all) - 1);
  assert_non_null(strstr(all,
                         " hostile=\"a\\nlevel=error \\\"=\\\\\\r\\t\\u001b[31m\\u007f\\u009b\\u202e\\u2028"
                         "\xef\xbf\xbd\\u0000\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\" size="));
}

static void json_lines_are_json(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_INFO, .format = TP_LOG_JSON};
  write_fields(&log, hostile);
  const char *all = written();
  json_error_t problem;
  json_t *root = json_loadb(all, strlen(all), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &problem);
  if (root == NULL) fail_msg("'%s': %s", all, problem.text);
  assert_ptr_equal(strchr(all, '\n'), all + strlen(all) - 1);
  assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
  assert_string_equal(json_string_value(json_object_get(root, "msg")), "a request");
  assert_string_equal(json_string_value(json_object_get(root, "plain")), "snapshot_read");
  assert_memory_equal(json_string_value(json_object_get(root, "hostile")), "a\nlevel=error \"=\\\r\t\x1b[31m",
                      24);
  assert_true(json_real_value(json_object_get(root, "duration_ms")) == 1.234);
  assert_true(json_is_true(json_object_get(root, "tls")));
  assert_matches(json_string_value(json_object_get(root, "time")), "^[0-9]{4}-.*T.*[.][0-9]{3}Z$");
  json_decref(root);
}

/* Every length around where a line is cut: it stays whole in form, and short enough. */
static void a_long_line_is_cut_and_stays_a_line(void **state) {
  (void)state;
  static char value[2 * TP_LOG_LINE_SIZE_MAX];
  for (size_t i = 0; i < sizeof value; i++) value[i] = i % 5 == 0 ? '"' : i % 7 == 0 ? ' ' : 'x';
  for (size_t size = 1; size < sizeof value; size += size < TP_LOG_LINE_SIZE_MAX - 400 ? 300 : 1) {
    if (pipe_ends[1] < 0) assert_int_equal(pipe(pipe_ends), 0);
    const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_INFO, .format = TP_LOG_JSON};
    write_fields(&log, (tuplet_bytes){value, size});
    const char *all = written();
    (void)close(pipe_ends[0]);
    pipe_ends[1] = -1;
    assert_true(strlen(all) <= TP_LOG_LINE_SIZE_MAX);
    json_t *root = json_loads(all, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    const char *kept = json_string_value(json_object_get(root, "hostile"));
    assert_non_null(kept);
    bool is_whole = strlen(kept) == size && memcmp(kept, value, size) == 0;
    size_t common = strlen(kept) - strlen("…");
    assert_true(is_whole || (strcmp(kept + common, "…") == 0 && memcmp(kept, value, common) == 0));
    json_decref(root);
  }
  assert_int_equal(pipe(pipe_ends), 0);
  (void)close(pipe_ends[1]);
}

static void a_long_message_is_cut(void **state) {
  (void)state;
  const tp_log log = {.descriptor = pipe_ends[1], .level = TP_LOG_INFO};
  tp_log_write(&log, TP_LOG_WARNING, "%*s", 3 * TP_LOG_LINE_SIZE_MAX, "x");
  tp_log_write(&log, TP_LOG_INFO, "next");
  const char *all = written();
  const char *end = strchr(all, '\n');
  assert_non_null(end);
  assert_true((size_t)(end - all) < TP_LOG_LINE_SIZE_MAX);
  assert_matches(end + 1, "^" TIME "level=info msg=next\n$");
}

static void a_log_that_nobody_reads_holds_nobody_up(void **state) {
  (void)state;
  enum { LINES = 4000 }; /* far more than a pipe holds */
  tp_log_losses losses = {0};
  tp_log log = {.level = TP_LOG_INFO, .losses = &losses};
  tp_log_open(&log, pipe_ends[1]);
  assert_true(log.descriptor >= 0 && log.descriptor != pipe_ends[1]);
  assert_int_equal(fcntl(pipe_ends[1], F_GETFL) & O_NONBLOCK, 0); /* others' way of writing is theirs */
  for (int i = 0; i < LINES; i++) tp_log_write(&log, TP_LOG_INFO, "line %d", i);
  size_t lost = atomic_load(&losses.total);
  assert_true(lost > 0 && lost < LINES);

  char piece[4096];
  size_t lines = 0;
  while (lines < LINES - lost) {
    ssize_t size = read(pipe_ends[0], piece, sizeof piece);
    assert_true(size > 0);
    for (ssize_t i = 0; i < size; i++) lines += piece[i] == '\n';
  }
  tp_log_write(&log, TP_LOG_INFO, "again");
  tp_log_close(&log);
  char pattern[256];
  (void)snprintf(pattern, sizeof pattern,
                 "^" TIME "level=warning msg=\"[^\"]*lost\" lines=%zu\n" TIME "level=info msg=again\n$",
                 lost);
  assert_matches(written(), pattern);
  assert_int_equal(atomic_load(&losses.untold), 0);
  assert_int_equal(atomic_load(&losses.total), lost);
}

static void a_socket_that_nobody_reads_holds_nobody_up(void **state) {
  (void)state;
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  tp_log_losses losses = {0};
  tp_log log = {.level = TP_LOG_INFO, .losses = &losses};
  tp_log_open(&log, ends[0]);
  for (int i = 0; i < 100000 && atomic_load(&losses.total) == 0; i++)
    tp_log_write(&log, TP_LOG_INFO, "line %d", i);
  assert_true(atomic_load(&losses.total) > 0);
  assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
  (void)close(ends[1]);
  tp_log_write(&log, TP_LOG_INFO, "to nobody"); /* no signal */
  tp_log_close(&log);
  (void)close(ends[0]);
  (void)close(pipe_ends[1]);
}

static void a_closed_descriptor_is_nowhere(void **state) {
  (void)state;
  (void)close(pipe_ends[1]);
  tp_log log = {.level = TP_LOG_INFO};
  tp_log_open(&log, pipe_ends[1]);
  assert_int_equal(log.descriptor, -1);
  tp_log_write(&log, TP_LOG_INFO, "to nobody");
  tp_log_close(&log);
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
      TEST(lines_say_when_and_how_bad_it_is),
      TEST(what_is_below_the_level_is_dropped),
      TEST(fields_stand_behind_the_message),
      TEST(nobody_can_forge_a_line),
      TEST(json_lines_are_json),
      TEST(a_long_line_is_cut_and_stays_a_line),
      TEST(a_long_message_is_cut),
      TEST(a_log_that_nobody_reads_holds_nobody_up),
      TEST(a_socket_that_nobody_reads_holds_nobody_up),
      TEST(a_closed_descriptor_is_nowhere),
      cmocka_unit_test(a_kind_of_line_comes_once_a_second_and_counts_the_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

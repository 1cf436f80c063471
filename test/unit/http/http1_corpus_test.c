/* http1_corpus_test.c: the requests of test/vectors/http1_requests.txt, each whole and byte by byte.
 *
 * test/clients/http1_corpus.test.mjs sends the same to the server. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE_SIZE = 4096, CASES_MIN = 150 };

static const char *corpus_path;

/* ---- Reading the corpus ---- */

typedef struct example {
  char name[LINE_SIZE];
  char outcome[LINE_SIZE];
  tp_buffer bytes;
} example;

static const char *append_escape(tp_buffer *out, const char *at);

/* Up to the end, or to the brace that closes. Returns what follows. */
static const char *append_unescaped(tp_buffer *out, const char *at, bool is_inner) {
  while (*at != '\0' && !(is_inner && *at == '}')) {
    if (*at == '\\') {
      at = append_escape(out, at + 1);
    } else {
      tp_buffer_append_byte(out, (uint8_t)*at++);
    }
  }
  return *at == '\0' ? at : at + 1;
}

static const char *append_repeated(tp_buffer *out, const char *at) {
  char *brace;
  unsigned long count = strtoul(at, &brace, 10);
  assert_true(*brace == '{' && count > 0);
  tp_buffer inner;
  tp_buffer_init(&inner, NULL);
  const char *rest = append_unescaped(&inner, brace + 1, true);
  for (unsigned long i = 0; i < count; i++) tp_buffer_append(out, inner.data, inner.size);
  tp_buffer_done(&inner);
  return rest;
}

static const char *append_escape(tp_buffer *out, const char *at) {
  char hex[3] = {0};
  switch (*at) {
  case 'r': tp_buffer_append_byte(out, '\r'); return at + 1;
  case 'n': tp_buffer_append_byte(out, '\n'); return at + 1;
  case 't': tp_buffer_append_byte(out, '\t'); return at + 1;
  case '0': tp_buffer_append_byte(out, 0); return at + 1;
  case '\\': tp_buffer_append_byte(out, '\\'); return at + 1;
  case 'x':
    memcpy(hex, at + 1, 2);
    tp_buffer_append_byte(out, (uint8_t)strtoul(hex, NULL, 16));
    return at + 3;
  case '*': return append_repeated(out, at + 1);
  default: fail_msg("an escape that nobody knows: \\%s", at);
  }
  return at;
}

/* The next case; false at the end. */
static bool read_example(FILE *file, example *e) {
  char line[LINE_SIZE];
  e->name[0] = '\0';
  tp_buffer_clear(&e->bytes);
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "## ", 3) == 0) {
      (void)snprintf(e->name, sizeof e->name, "%s", line + 3);
    } else if (strncmp(line, "=> ", 3) == 0) {
      (void)snprintf(e->outcome, sizeof e->outcome, "%s", line + 3);
      assert_false(e->bytes.failed);
      return true;
    } else if (line[0] != '\0' && !(line[0] == '#' && line[1] == ' ') && strcmp(line, "#") != 0) {
      assert_true(e->name[0] != '\0');
      (void)append_unescaped(&e->bytes, line, false);
    }
  }
  return false;
}

/* ---- Running it ---- */

static void append_word(char words[LINE_SIZE], const char *word) {
  size_t size = strlen(words);
  (void)snprintf(words + size, LINE_SIZE - size, "%s%s", size > 0 ? " " : "", word);
}

/* The answers as words. Those of the fixture's handler are known by their status. */
static void read_answers(fixture *f, char words[LINE_SIZE]) {
  words[0] = '\0';
  const char *text = fixture_text(f);
  const char *at = text;
  while (*at != '\0') {
    assert_int_equal(strncmp(at, "HTTP/1.1 ", 9), 0);
    char status[4] = {at[9], at[10], at[11], '\0'};
    append_word(words, strcmp(status, "200") == 0 ? "ok" : status);
    const char *length = strstr(at, "content-length: "), *end = strstr(at, "\r\n\r\n");
    assert_non_null(end);
    size_t size = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(size <= strlen(end + 4));
    at = end + 4 + size;
  }
}

static void send_all(fixture *f, const tp_buffer *bytes, size_t step) {
  for (size_t i = 0; i < bytes->size; i += step) {
    size_t rest = bytes->size - i;
    fixture_receive_bytes(f, bytes->data + i, rest < step ? rest : step);
    for (; f->kept_count > 0; f->kept_count--) fixture_respond(f, f->kept_count - 1, 200, "");
    fixture_collect(f, 0);
  }
}

/* What has become of the connection. */
static const char *find_end(fixture *f, char words[LINE_SIZE]) {
  if (tp_http_conn_wants_close(f->conn)) return "close";
  bool is_waiting = tp_http_conn_progress(f->conn).receiving > 0;
  if (is_waiting) {
    tp_http_conn_receive_end(f->conn);
    fixture_collect(f, 0);
  } else {
    fixture_receive(f, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  append_word(words, is_waiting ? "400" : "ok");
  char all[LINE_SIZE];
  read_answers(f, all);
  bool is_right = strcmp(all, words) == 0 && tp_http_conn_wants_close(f->conn) == is_waiting;
  if (!is_right) return is_waiting ? "wait for what never comes" : "open, but not for a further request";
  return is_waiting ? "wait" : "open";
}

static void run_example(fixture *f, const example *e, size_t step, char ret_words[LINE_SIZE]) {
  char words[LINE_SIZE];
  fixture_clear(f);
  fixture_open(f);
  send_all(f, &e->bytes, step);
  read_answers(f, words);
  memcpy(ret_words, words, sizeof words);
  append_word(ret_words, find_end(f, words));
  tp_http_conn_free(f->conn);
  f->conn = NULL;
}

static void answers_every_request_of_the_corpus_as_it_says(void **state) {
  fixture *f = *state;
  FILE *file = fopen(corpus_path, "r");
  assert_non_null(file);
  example e;
  tp_buffer_init(&e.bytes, NULL);
  size_t count = 0, failed = 0;
  for (; read_example(file, &e); count++) {
    static const size_t steps[] = {SIZE_MAX, 1, 7};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
      char words[LINE_SIZE];
      run_example(f, &e, steps[i] < e.bytes.size ? steps[i] : e.bytes.size, words);
      if (strcmp(words, e.outcome) == 0) continue;
      print_error("%s: \"%s\" instead of \"%s\"%s\n", e.name, words, e.outcome, i == 0 ? "" : ", in pieces");
      failed++;
    }
  }
  tp_buffer_done(&e.bytes);
  (void)fclose(file);
  assert_int_equal(failed, 0);
  assert_true(count >= CASES_MIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  corpus_path = argv[1];
  const struct CMUnitTest tests[] = {
      TEST(answers_every_request_of_the_corpus_as_it_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* remote_outcome_test.c: which failures mean that a request was not carried out, and which leave it open. */
#include "engine/remote/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct expectation {
  long http_status;
  const char *body;
  int64_t retry_after_ms;
  tp_remote_verdict verdict;
  tuplet_status status;
} expectation;

static void answers_are_judged_by_their_status(void **state) {
  (void)state;
  static const expectation expectations[] = {
      {400, "Too many checks (max 100)", -1, TP_REMOTE_REFUSED, TUPLET_LIMIT},
      {400, "Value too large (max 65536 bytes)", -1, TP_REMOTE_REFUSED, TUPLET_LIMIT},
      {400, "Failed to perform 'sum' mutation on a non-U64 value in the database", -1, TP_REMOTE_REFUSED,
       TUPLET_TYPE},
      {400, "Cannot sum Number with BigInt", -1, TP_REMOTE_REFUSED, TUPLET_TYPE},
      {400, "The result of a Sum operation would exceed its range limit", -1, TP_REMOTE_REFUSED,
       TUPLET_RANGE},
      {400, "key cannot be empty", -1, TP_REMOTE_REFUSED, TUPLET_INVALID},
      {401, "Invalid access token.", -1, TP_REMOTE_UNAUTHORIZED, TUPLET_DENIED},
      {403, "no", -1, TP_REMOTE_REFUSED, TUPLET_DENIED},
      {404, "This database is gone", -1, TP_REMOTE_UNAUTHORIZED, TUPLET_INVALID},
      {405, "no", -1, TP_REMOTE_REFUSED, TUPLET_INVALID},
      {408, "slow", -1, TP_REMOTE_LATER, TUPLET_BUSY},
      {413, "large", -1, TP_REMOTE_REFUSED, TUPLET_LIMIT},
      {429, "many", 1000, TP_REMOTE_LATER, TUPLET_BUSY},
      {500, "broken", -1, TP_REMOTE_IN_DOUBT, TUPLET_IO},
      {502, "<html>", -1, TP_REMOTE_IN_DOUBT, TUPLET_IO},
      {503, "busy", 1000, TP_REMOTE_LATER, TUPLET_BUSY},
      {503, "a proxy's", -1, TP_REMOTE_IN_DOUBT, TUPLET_BUSY},
      {504, "", -1, TP_REMOTE_IN_DOUBT, TUPLET_IO},
      {507, "The database is full.", -1, TP_REMOTE_REFUSED, TUPLET_FULL},
      {302, "", -1, TP_REMOTE_REFUSED, TUPLET_IO},
      {204, "", -1, TP_REMOTE_IN_DOUBT, TUPLET_IO},
  };
  for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
    const expectation *e = &expectations[i];
    tuplet_error error;
    tp_remote_transfer transfer = {
        .http_status = e->http_status, .retry_after_ms = e->retry_after_ms, .was_sent = true};
    tp_buffer_init(&transfer.answer, NULL);
    tp_buffer_append_text(&transfer.answer, e->body);
    assert_int_equal(tp_remote_judge(&transfer, "http://host", &error), e->verdict);
    assert_int_equal(error.status, e->status);
    bool is_sentence = e->body[0] != '\0' && e->body[0] != '<';
    assert_non_null(strstr(error.message, is_sentence ? e->body : "http://host"));
    tp_buffer_done(&transfer.answer);
  }
}

static void without_an_answer_it_depends_on_what_was_sent(void **state) {
  (void)state;
  static const struct {
    CURLcode code;
    bool was_sent;
    tp_remote_verdict verdict;
  } expectations[] = {
      {CURLE_COULDNT_CONNECT, false, TP_REMOTE_LATER},
      {CURLE_COULDNT_RESOLVE_HOST, false, TP_REMOTE_LATER},
      {CURLE_PEER_FAILED_VERIFICATION, false, TP_REMOTE_REFUSED},
      {CURLE_OPERATION_TIMEDOUT, false, TP_REMOTE_LATER},
      {CURLE_OPERATION_TIMEDOUT, true, TP_REMOTE_IN_DOUBT},
      {CURLE_RECV_ERROR, true, TP_REMOTE_IN_DOUBT},
      {CURLE_GOT_NOTHING, true, TP_REMOTE_IN_DOUBT},
      {CURLE_SEND_ERROR, false, TP_REMOTE_LATER},
      {CURLE_ABORTED_BY_CALLBACK, true, TP_REMOTE_IN_DOUBT},
      {CURLE_HTTP2_STREAM, true, TP_REMOTE_IN_DOUBT},
  };
  for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
    tuplet_error error;
    const tp_remote_transfer transfer = {.code = expectations[i].code, .was_sent = expectations[i].was_sent};
    assert_int_equal(tp_remote_judge(&transfer, "http://host", &error), expectations[i].verdict);
    assert_int_equal(error.status, TUPLET_IO);
    assert_non_null(strstr(error.message, "http://host"));
  }
}

static void half_an_answer_is_none(void **state) {
  (void)state;
  tuplet_error error;
  const tp_remote_transfer whole = {.http_status = 200};
  const tp_remote_transfer half = {.http_status = 200, .code = CURLE_PARTIAL_FILE, .was_sent = true};
  assert_int_equal(tp_remote_judge(&whole, "http://host", &error), TP_REMOTE_ANSWERED);
  assert_int_equal(tp_remote_judge(&half, "http://host", &error), TP_REMOTE_IN_DOUBT);
}

static void a_servers_sentence_is_shown_without_what_could_not_be(void **state) {
  (void)state;
  tuplet_error error;
  tp_remote_transfer transfer = {.http_status = 400};
  tp_buffer_init(&transfer.answer, NULL);
  tp_buffer_append_text(&transfer.answer, "a line\x1b[2Jand more");
  assert_int_equal(tp_remote_judge(&transfer, "http://host", &error), TP_REMOTE_REFUSED);
  assert_string_equal(error.message, "a line");
  tp_buffer_done(&transfer.answer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_judged_by_their_status),
      cmocka_unit_test(without_an_answer_it_depends_on_what_was_sent),
      cmocka_unit_test(half_an_answer_is_none),
      cmocka_unit_test(a_servers_sentence_is_shown_without_what_could_not_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* answer_test.c: what an error means to a client, and what large answers cost. */
#include "server/protocol/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_trying_again_cannot_help_is_4xx_and_all_else_5xx(void **state) {
  (void)state;
  static const tuplet_status refused[] = {TUPLET_MISUSE,    TUPLET_INVALID,    TUPLET_LIMIT,
                                          TUPLET_SYNTAX,    TUPLET_TYPE,       TUPLET_RANGE,
                                          TUPLET_MALFORMED, TUPLET_UNSUPPORTED};
  static const tuplet_status failed[] = {TUPLET_CLOSED, TUPLET_BUSY,   TUPLET_FULL,   TUPLET_IO,
                                         TUPLET_NOMEM,  TUPLET_FORMAT, TUPLET_CORRUPT};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    assert_int_equal(tp_answer_http_status(refused[i]), 400);
  for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
    assert_in_range(tp_answer_http_status(failed[i]), 500, 507);
  assert_int_equal(tp_answer_http_status(TUPLET_FULL), 507);
  assert_int_equal(tp_answer_http_status(TUPLET_BUSY), 503);
}

static void grow(tp_answer *answer, size_t size) {
  uint8_t *room = tp_buffer_reserve(&answer->body, size);
  assert_non_null(room);
  answer->body.size += size;
}

static void small_answers_cost_nothing(void **state) {
  (void)state;
  tp_service service = {.budget = {.memory_max = 0}};
  tp_answer answer;
  tp_answer_init(&answer, NULL);
  grow(&answer, TP_ANSWER_FREE_SIZE);
  assert_int_equal(tp_answer_check(&answer, &service, NULL), TUPLET_OK);
  assert_int_equal(atomic_load(&service.budget.memory), 0);
  tp_answer_done(&answer, &service);
}

static void large_answers_are_charged_while_they_are_there(void **state) {
  (void)state;
  tp_service service = {.budget = {.memory_max = (size_t)4 << 20}};
  tp_answer first;
  tp_answer second;
  tuplet_error error = {0};
  tp_answer_init(&first, NULL);
  tp_answer_init(&second, NULL);
  grow(&first, (size_t)3 << 20);
  assert_int_equal(tp_answer_check(&first, &service, &error), TUPLET_OK);
  assert_true(atomic_load(&service.budget.memory) + TP_ANSWER_FREE_SIZE >= first.body.size);

  grow(&second, (size_t)3 << 20);
  assert_int_equal(tp_answer_check(&second, &service, &error), TUPLET_BUSY);
  tp_answer_done(&second, &service);
  tp_answer_done(&first, &service);
  assert_int_equal(atomic_load(&service.budget.memory), 0);

  tp_answer_init(&second, NULL);
  grow(&second, (size_t)3 << 20);
  assert_int_equal(tp_answer_check(&second, &service, &error), TUPLET_OK);
  tp_answer_done(&second, &service);
  assert_int_equal(atomic_load(&service.budget.memory), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_trying_again_cannot_help_is_4xx_and_all_else_5xx),
      cmocka_unit_test(small_answers_cost_nothing),
      cmocka_unit_test(large_answers_are_charged_while_they_are_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

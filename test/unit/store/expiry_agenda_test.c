/* expiry_agenda_test.c: it holds every expiry up to a moment, and none after it, whatever room there is. */
#include "store/expiry_agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/dice.h"
#include "support/fault_allocator.h"

#define KEY(text) ((tuplet_bytes){text, sizeof(text) - 1})

static tp_expiry_agenda collecting(const tuplet_allocator *allocator, size_t count_max) {
  tp_expiry_agenda agenda;
  tp_expiry_agenda_init(&agenda, allocator, count_max);
  assert_int_equal(agenda.until_ms, 0);
  agenda.until_ms = INT64_MAX;
  return agenda;
}

static void expiries_are_due_in_their_order(void **state) {
  (void)state;
  tp_expiry_agenda agenda = collecting(NULL, 10);
  tp_expiry_agenda_add(&agenda, KEY("b"), 20);
  tp_expiry_agenda_add(&agenda, KEY("a"), 20);
  tp_expiry_agenda_add(&agenda, KEY("c"), 10);
  tp_expiry_agenda_add(&agenda, KEY("b"), 20);
  assert_int_equal(agenda.count, 3); /* the same one twice is one */
  assert_int_equal(tp_expiry_agenda_due(&agenda, 9), 0);
  assert_int_equal(tp_expiry_agenda_due(&agenda, 10), 1);
  assert_memory_equal(agenda.items[0].key, "c", 1);
  tp_expiry_agenda_drop(&agenda, 1);
  assert_int_equal(tp_expiry_agenda_due(&agenda, 20), 2);
  assert_memory_equal(agenda.items[0].key, "a", 1);
  tp_expiry_agenda_done(&agenda);
}

static void without_room_the_last_ones_are_left_out(void **state) {
  (void)state;
  tp_expiry_agenda agenda = collecting(NULL, 3);
  tp_expiry_agenda_add(&agenda, KEY("a"), 10);
  tp_expiry_agenda_add(&agenda, KEY("b"), 30);
  tp_expiry_agenda_add(&agenda, KEY("c"), 30);
  tp_expiry_agenda_add(&agenda, KEY("d"), 20);
  assert_int_equal(agenda.until_ms, 29);
  assert_int_equal(agenda.count, 2);
  tp_expiry_agenda_add(&agenda, KEY("e"), 30);
  assert_int_equal(agenda.count, 2);
  assert_int_equal(agenda.mass_ms, TP_EXPIRES_NEVER);
  tp_expiry_agenda_done(&agenda);
}

static void more_than_fit_at_one_moment_are_known_as_a_mass(void **state) {
  (void)state;
  tp_expiry_agenda agenda = collecting(NULL, 2);
  tp_expiry_agenda_add(&agenda, KEY("a"), 10);
  tp_expiry_agenda_add(&agenda, KEY("b"), 10);
  tp_expiry_agenda_add(&agenda, KEY("c"), 10);
  assert_int_equal(agenda.count, 0);
  assert_int_equal(agenda.until_ms, 10);
  assert_int_equal(agenda.mass_ms, 10);
  tp_expiry_agenda_add(&agenda, KEY("d"), 5);
  tp_expiry_agenda_add(&agenda, KEY("e"), 10);
  assert_int_equal(agenda.count, 1);
  tp_expiry_agenda_cut(&agenda, 7);
  assert_int_equal(agenda.mass_ms, TP_EXPIRES_NEVER); /* it comes after what is known */
  assert_int_equal(agenda.count, 1);
  tp_expiry_agenda_done(&agenda);
}

/* Whatever is added, and whatever memory fails: all up to until_ms are there. */
static void what_it_says_it_holds_it_holds(void **state) {
  (void)state;
  for (size_t fail_at = 0; fail_at < 60; fail_at++) {
    fault_allocator faults;
    fault_allocator_init(&faults, fail_at);
    tp_expiry_agenda agenda = collecting(&faults.allocator, 12);
    dice random = {fail_at + 1};
    uint8_t added[40];
    for (size_t i = 0; i < sizeof added; i++) {
      const uint8_t key = (uint8_t)i;
      added[i] = (uint8_t)(1 + dice_below(&random, 15));
      tp_expiry_agenda_add(&agenda, (tuplet_bytes){&key, 1}, added[i]);
      for (size_t j = 0; j <= i; j++) {
        bool holds = agenda.mass_ms == added[j];
        for (size_t k = 0; k < agenda.count; k++)
          holds = holds || (agenda.items[k].key[0] == j && agenda.items[k].at_ms == added[j]);
        assert_true(holds || added[j] > agenda.until_ms);
      }
    }
    tp_expiry_agenda_done(&agenda);
    assert_int_equal(faults.live, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expiries_are_due_in_their_order),
      cmocka_unit_test(without_room_the_last_ones_are_left_out),
      cmocka_unit_test(more_than_fit_at_one_moment_are_known_as_a_mass),
      cmocka_unit_test(what_it_says_it_holds_it_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

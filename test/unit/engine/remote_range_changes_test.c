/* remote_range_changes_test.c: what changed in a range, merged until it is fetched. */
#include "engine/remote/range_changes.h"
#include "support/dice.h"
#include "support/fault_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT_MAX = 50, SIZE_MAX_OF_ALL = 4096 };

static tuplet_bytes bytes(const char *text) {
  return (tuplet_bytes){text, strlen(text)};
}

static tuplet_status put(tp_remote_changes *changes, const char *key, const char *value) {
  tp_row row = {.value = bytes(value == NULL ? "" : value), .encoding = 3, .expires_at_ms = TP_EXPIRES_NEVER};
  return tp_remote_changes_put(changes, bytes(key), value == NULL ? NULL : &row);
}

static void assert_change(const tp_remote_changes *changes, size_t index, const char *key,
                          const char *value) {
  assert_true(index < changes->count);
  const tp_remote_change *change = changes->items[index];
  assert_int_equal(change->key.size, strlen(key));
  assert_memory_equal(change->key.data, key, strlen(key));
  assert_int_equal(change->is_gone, value == NULL);
  if (value == NULL) return;
  assert_int_equal(change->row.value.size, strlen(value));
  assert_memory_equal(change->row.value.data, value, strlen(value));
  assert_int_equal(change->row.encoding, 3);
  assert_ptr_equal(change->row.key.data, change->key.data);
}

static void each_key_is_there_once_as_it_is_now(void **state) {
  (void)state;
  tp_remote_changes changes;
  tp_remote_changes_init(&changes, NULL, COUNT_MAX, SIZE_MAX_OF_ALL);
  assert_int_equal(put(&changes, "b", "1"), TUPLET_OK);
  assert_int_equal(put(&changes, "d", NULL), TUPLET_OK);
  assert_int_equal(put(&changes, "a", "2"), TUPLET_OK);
  assert_int_equal(put(&changes, "b", "3333"), TUPLET_OK);
  assert_int_equal(put(&changes, "bb", ""), TUPLET_OK);
  assert_int_equal(put(&changes, "a", NULL), TUPLET_OK); /* it came and went */
  assert_int_equal(put(&changes, "d", "4"), TUPLET_OK);
  assert_int_equal(put(&changes, "", "5"), TUPLET_OK);
  assert_int_equal(changes.count, 5);
  assert_change(&changes, 0, "", "5");
  assert_change(&changes, 1, "a", NULL);
  assert_change(&changes, 2, "b", "3333");
  assert_change(&changes, 3, "bb", "");
  assert_change(&changes, 4, "d", "4");
  assert_int_equal(changes.size, 1 + 1 + 5 + 2 + 2);
  tp_remote_changes_clear(&changes);
  assert_int_equal(changes.count, 0);
  assert_int_equal(put(&changes, "again", "1"), TUPLET_OK);
  tp_remote_changes_clear(&changes);
}

static void more_keys_than_there_is_room_for_are_refused(void **state) {
  (void)state;
  tp_remote_changes changes;
  tp_remote_changes_init(&changes, NULL, 2, SIZE_MAX_OF_ALL);
  assert_int_equal(put(&changes, "a", "1"), TUPLET_OK);
  assert_int_equal(put(&changes, "b", "2"), TUPLET_OK);
  assert_int_equal(put(&changes, "c", "3"), TUPLET_LIMIT);
  assert_int_equal(put(&changes, "a", "4"), TUPLET_OK); /* it needs no room */
  assert_int_equal(changes.count, 2);
  assert_change(&changes, 0, "a", "4");
  tp_remote_changes_clear(&changes);
}

static void more_bytes_than_there_is_room_for_are_refused(void **state) {
  (void)state;
  tp_remote_changes changes;
  tp_remote_changes_init(&changes, NULL, COUNT_MAX, 10);
  assert_int_equal(put(&changes, "a", "123456"), TUPLET_OK); /* 7 bytes */
  assert_int_equal(put(&changes, "b", "123"), TUPLET_LIMIT);
  assert_int_equal(put(&changes, "b", "12"), TUPLET_OK);
  assert_int_equal(put(&changes, "a", "1234567"), TUPLET_LIMIT);
  assert_change(&changes, 0, "a", "123456");
  assert_int_equal(put(&changes, "a", "1"), TUPLET_OK);
  assert_int_equal(put(&changes, "c", NULL), TUPLET_OK);
  assert_int_equal(put(&changes, "d", "12345"), TUPLET_LIMIT);
  assert_int_equal(put(&changes, "d", "123"), TUPLET_OK);
  assert_int_equal(changes.size, 10);
  tp_remote_changes_clear(&changes);
}

/* A key's latest value; an empty one: nothing was told of it, "-": it is gone. */
static void any_changes_in_any_order_are_those_of_a_table(void **state) {
  (void)state;
  enum { KEYS = 40, STEPS = 4000 };
  char table[KEYS][16] = {0};
  tp_remote_changes changes;
  tp_remote_changes_init(&changes, NULL, KEYS, 1 << 20);
  dice d = {20261121};
  for (int step = 0; step < STEPS; step++) {
    uint32_t number = dice_below(&d, KEYS);
    char key[16];
    (void)snprintf(key, sizeof key, "%02u", number);
    bool goes = dice_once_in(&d, 3);
    (void)snprintf(table[number], sizeof table[number], "%s", "-");
    if (!goes) (void)snprintf(table[number], sizeof table[number], "%d", step);
    assert_int_equal(put(&changes, key, goes ? NULL : table[number]), TUPLET_OK);
    if (dice_once_in(&d, 200)) {
      tp_remote_changes_clear(&changes);
      memset(table, 0, sizeof table);
    }
  }
  size_t index = 0, size = 0;
  for (unsigned number = 0; number < KEYS; number++) {
    char key[16];
    (void)snprintf(key, sizeof key, "%02u", number);
    const char *value = table[number];
    if (value[0] == '\0') continue;
    bool is_gone = strcmp(value, "-") == 0;
    assert_change(&changes, index++, key, is_gone ? NULL : value);
    size += 2 + (is_gone ? 0 : strlen(value));
  }
  assert_int_equal(index, changes.count);
  assert_int_equal(size, changes.size);
  tp_remote_changes_clear(&changes);
}

static void out_of_memory_leaves_what_there_was(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tp_remote_changes changes;
    tp_remote_changes_init(&changes, &faults.allocator, COUNT_MAX, SIZE_MAX_OF_ALL);
    size_t well = 0;
    for (int i = 0; i < 40; i++) {
      char key[16];
      (void)snprintf(key, sizeof key, "%d", i % 30);
      tuplet_status status = put(&changes, key, i % 3 == 0 ? NULL : "value");
      assert_true(status == TUPLET_OK || (status == TUPLET_NOMEM && fault_allocator_fired(&faults)));
      if (status == TUPLET_OK) well++;
    }
    assert_in_range(well, 39, 40); /* the one that failed cost no other */
    for (size_t i = 1; i < changes.count; i++) {
      tuplet_bytes a = changes.items[i - 1]->key, b = changes.items[i]->key;
      size_t shared = a.size < b.size ? a.size : b.size;
      int order = memcmp(a.data, b.data, shared);
      assert_true(order < 0 || (order == 0 && a.size < b.size));
    }
    tp_remote_changes_clear(&changes);
    assert_int_equal(faults.live, 0);
    if (!fault_allocator_fired(&faults)) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_key_is_there_once_as_it_is_now),
      cmocka_unit_test(more_keys_than_there_is_room_for_are_refused),
      cmocka_unit_test(more_bytes_than_there_is_room_for_are_refused),
      cmocka_unit_test(any_changes_in_any_order_are_those_of_a_table),
      cmocka_unit_test(out_of_memory_leaves_what_there_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

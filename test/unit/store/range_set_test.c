/* range_set_test.c: the ranges that a key is in, against looking at each. */
#include "store/range_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/dice.h"

enum { RANGES = 300, ROUNDS = 20000, KEY_SIZE_MAX = 3 };

typedef struct item {
  tp_range_node node; /* first, so that the one is found from the other */
  uint8_t start[KEY_SIZE_MAX], end[KEY_SIZE_MAX];
  bool is_in;
  int found;
} item;

static size_t roll_key(dice *random, uint8_t *ret_bytes) {
  size_t size = dice_below(random, KEY_SIZE_MAX + 1);
  for (size_t i = 0; i < size; i++) ret_bytes[i] = (uint8_t)dice_below(random, 6);
  return size;
}

static int compare(tuplet_bytes a, tuplet_bytes b) {
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static void roll_range(dice *random, item *it) {
  it->node.start = (tuplet_bytes){it->start, roll_key(random, it->start)};
  it->node.end = (tuplet_bytes){it->end, roll_key(random, it->end)};
}

static void count_found(void *context, tp_range_node *node) {
  (void)context;
  ((item *)(void *)node)->found++;
}

static void find_and_compare(tp_range_set *set, item *items, tuplet_bytes key) {
  for (size_t i = 0; i < RANGES; i++) items[i].found = 0;
  tp_range_set_find(set, key, count_found, NULL);
  for (size_t i = 0; i < RANGES; i++) {
    bool wanted =
        items[i].is_in && compare(items[i].node.start, key) <= 0 && compare(key, items[i].node.end) < 0;
    assert_int_equal(items[i].found, wanted);
  }
}

static void a_key_finds_each_range_it_is_in_once(void **state) {
  (void)state;
  tp_range_set set;
  tuplet_error error;
  assert_int_equal(tp_range_set_init(&set, &error), TUPLET_OK);
  item *items = calloc(RANGES, sizeof *items);
  assert_non_null(items);
  dice random = {5};
  for (int round = 0; round < ROUNDS; round++) {
    item *it = &items[dice_below(&random, RANGES)];
    if (it->is_in) {
      tp_range_set_remove(&set, &it->node);
    } else {
      roll_range(&random, it);
      tp_range_set_add(&set, &it->node);
    }
    it->is_in = !it->is_in;
    uint8_t bytes[KEY_SIZE_MAX];
    if (round % 20 == 0) find_and_compare(&set, items, (tuplet_bytes){bytes, roll_key(&random, bytes)});
  }
  for (size_t i = 0; i < RANGES; i++)
    if (items[i].is_in) tp_range_set_remove(&set, &items[i].node);
  assert_null(set.root);
  free(items);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_key_finds_each_range_it_is_in_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

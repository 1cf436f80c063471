/* tree_test.c: trees behave as the JavaScript values that they stand for. */
#include "codec/tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"
#include "support/random_tree.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Helpers ---- */

static int set_up(void **state) {
  *state = tuplet_tree_new(NULL);
  return *state == NULL ? -1 : 0;
}

static int tear_down(void **state) {
  tuplet_tree_free(*state);
  return 0;
}

static tuplet_node *number(tuplet_tree *tree, double value) {
  tuplet_node *node = tuplet_node_number(tree, value);
  assert_non_null(node);
  return node;
}

static tuplet_node *text(tuplet_tree *tree, const char *value) {
  tuplet_node *node = tuplet_node_string(tree, value, strlen(value));
  assert_non_null(node);
  return node;
}

static void set(tuplet_tree *tree, tuplet_node *object, const char *name, double value) {
  assert_int_equal(tuplet_node_object_set(tree, object, name, strlen(name), number(tree, value)), TUPLET_OK);
}

static double get(const tuplet_node *object, const char *name) {
  const tuplet_node *value = tuplet_node_object_get(object, name, strlen(name));
  return value == NULL ? -1 : value->as.number;
}

static void put_at(tuplet_tree *tree, tuplet_node *array, uint32_t index) {
  assert_int_equal(tuplet_node_array_set(tree, array, index, number(tree, index)), TUPLET_OK);
}

/* The keys as JavaScript would list them, each followed by a space. */
static void assert_keys(const tuplet_pair *pairs, size_t count, const char *expected) {
  char keys[512] = "";
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    const tuplet_node *key = pairs[i].key;
    int written = key->type == TUPLET_NODE_NUMBER
                      ? snprintf(keys + size, sizeof keys - size, "#%.0f ", key->as.number)
                      : snprintf(keys + size, sizeof keys - size, "%s ", (const char *)key->as.string.data);
    size += (size_t)written;
  }
  assert_string_equal(keys, expected);
}

/* Element `index` however it is kept, or NULL. */
static const tuplet_node *element(const tuplet_node *array, uint32_t index) {
  if (index < array->as.array.count) return array->as.array.items[index];
  for (size_t i = 0; i < array->as.array.property_count; i++) {
    const tuplet_pair *pair = &array->as.array.properties[i];
    if (pair->key->type == TUPLET_NODE_NUMBER && pair->key->as.number == index) return pair->value;
  }
  return NULL;
}

/* ---- Objects ---- */

static void indexes_come_first_and_ascend_names_keep_their_order(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *object = tuplet_node_object(tree);
  static const char *const names[] = {"b",          "10", "a", "2",   "01", "4294967294",
                                      "4294967295", "-1", "0", "1.5", ""};
  for (size_t i = 0; i < COUNT(names); i++) set(tree, object, names[i], (double)i);
  assert_keys(object->as.map.pairs, object->as.map.count, "#0 #2 #10 #4294967294 b a 01 4294967295 -1 1.5  ");
  for (size_t i = 0; i < COUNT(names); i++) assert_true(get(object, names[i]) == (double)i);
  assert_true(get(object, "c") == -1);
  assert_true(get(object, "3") == -1);
}

static void setting_again_replaces_the_value_in_its_place(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *object = tuplet_node_object(tree);
  static const char *const names[] = {"b", "7", "a", "b", "7", "c"};
  for (size_t i = 0; i < COUNT(names); i++) set(tree, object, names[i], (double)i);
  assert_keys(object->as.map.pairs, object->as.map.count, "#7 b a c ");
  assert_true(get(object, "b") == 3);
  assert_true(get(object, "7") == 4);
}

static void a_large_object_finds_each_of_its_names(void **state) {
  enum { NAME_COUNT = 20000 };
  tuplet_tree *tree = *state;
  tuplet_node *object = tuplet_node_object(tree);
  char name[16];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < NAME_COUNT; i++) {
      (void)snprintf(name, sizeof name, i % 5 == 0 ? "%d" : "key%d", i);
      set(tree, object, name, i + round);
    }
    assert_int_equal(object->as.map.count, NAME_COUNT);
  }
  for (int i = 0; i < NAME_COUNT; i++) {
    (void)snprintf(name, sizeof name, i % 5 == 0 ? "%d" : "key%d", i);
    assert_true(get(object, name) == i + 1);
  }
  assert_true(get(object, "key0") == -1);
}

static void names_are_bytes_and_may_hold_nul(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *object = tuplet_node_object(tree);
  assert_int_equal(tuplet_node_object_set(tree, object, "a\0b", 3, number(tree, 1)), TUPLET_OK);
  assert_int_equal(tuplet_node_object_set(tree, object, "a", 1, number(tree, 2)), TUPLET_OK);
  assert_int_equal(object->as.map.count, 2);
  assert_true(tuplet_node_object_get(object, "a\0b", 3)->as.number == 1);
  assert_null(tuplet_node_object_get(object, "a\0", 2));
}

/* ---- Maps and sets ---- */

static void map_keys_are_compared_as_same_value_zero(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *map = tuplet_node_map(tree);
  tuplet_node *object = tuplet_node_object(tree);
  tuplet_node *keys[] = {
      number(tree, -0.0),
      text(tree, "0"),
      number(tree, (double)NAN),
      tuplet_node_signed(tree, 0),
      tuplet_node_bool(tree, 0),
      tuplet_node_bool(tree, 1),
      tuplet_node_null(tree),
      tuplet_node_undefined(tree),
      object,
      tuplet_node_object(tree),
      tuplet_node_signed(tree, 1),
      tuplet_node_signed(tree, -1),
      text(tree, ""),
      number(tree, 1),
  };
  tuplet_node *same[] = {
      number(tree, 0),
      text(tree, "0"),
      number(tree, -(double)NAN),
      tuplet_node_signed(tree, 0),
      tuplet_node_bool(tree, 0),
      tuplet_node_bool(tree, 1),
      tuplet_node_null(tree),
      tuplet_node_undefined(tree),
      object,
  };
  for (size_t i = 0; i < COUNT(keys); i++)
    assert_int_equal(tuplet_node_map_set(tree, map, keys[i], number(tree, 1)), TUPLET_OK);
  assert_int_equal(map->as.map.count, COUNT(keys));
  for (size_t i = 0; i < COUNT(same); i++)
    assert_int_equal(tuplet_node_map_set(tree, map, same[i], number(tree, 2)), TUPLET_OK);
  assert_int_equal(map->as.map.count, COUNT(keys));
  for (size_t i = 0; i < COUNT(keys); i++)
    assert_true(map->as.map.pairs[i].value->as.number == (i < COUNT(same) ? 2 : 1));
  assert_false(signbit(map->as.map.pairs[0].key->as.number)); /* a map has no -0 */
}

static void a_set_holds_nothing_twice(void **state) {
  enum { ITEM_COUNT = 5000 };
  tuplet_tree *tree = *state;
  tuplet_node *set_node = tuplet_node_set(tree);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < ITEM_COUNT; i++) {
      tuplet_node *item = i % 2 == 0 ? number(tree, i) : tuplet_node_signed(tree, i);
      assert_int_equal(tuplet_node_set_add(tree, set_node, item), TUPLET_OK);
    }
    assert_int_equal(set_node->as.set.count, ITEM_COUNT);
  }
  for (int i = 0; i < ITEM_COUNT; i += 2) assert_true(set_node->as.set.items[i]->as.number == i);
  assert_int_equal(tuplet_node_set_add(tree, set_node, set_node), TUPLET_OK);
  assert_int_equal(set_node->as.set.count, ITEM_COUNT + 1);
}

/* ---- Arrays ---- */

static void elements_near_each_other_are_items_far_ones_properties(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *array = tuplet_node_array(tree, 0);
  put_at(tree, array, 3);
  assert_int_equal(array->as.array.count, 4);
  assert_null(array->as.array.items[0]);
  put_at(tree, array, 1000000);
  assert_int_equal(array->as.array.count, 4);
  assert_int_equal(array->as.array.length, 1000001);
  put_at(tree, array, 100);
  assert_keys(array->as.array.properties, array->as.array.property_count, "#100 #1000000 ");
  for (uint32_t i = 4; i < 95; i++) put_at(tree, array, i); /* now 100 is near */
  assert_keys(array->as.array.properties, array->as.array.property_count, "#1000000 ");
  assert_int_equal(array->as.array.count, 101);
  put_at(tree, array, TP_INDEX_MAX);
  assert_int_equal(array->as.array.length, UINT32_MAX);
  static const uint32_t present[] = {3, 50, 94, 100, 1000000, TP_INDEX_MAX};
  for (size_t i = 0; i < COUNT(present); i++)
    assert_true(element(array, present[i])->as.number == present[i]);
  assert_null(element(array, 96));
}

static void pushing_goes_behind_the_length(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *array = tuplet_node_array(tree, 2);
  assert_int_equal(tuplet_node_array_push(tree, array, text(tree, "x")), TUPLET_OK);
  assert_int_equal(array->as.array.length, 3);
  assert_null(element(array, 1));
  assert_non_null(element(array, 2));
  assert_true(tp_array_push_hole(array));
  assert_int_equal(array->as.array.length, 4);
  tuplet_node *full = tuplet_node_array(tree, UINT32_MAX);
  assert_int_equal(tuplet_node_array_push(tree, full, text(tree, "x")), TUPLET_MISUSE);
  assert_false(tp_array_push_hole(full));
}

static void properties_of_arrays_are_named_and_indexes_are_elements(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *array = tuplet_node_array(tree, 0);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "b", 1, number(tree, 1)), TUPLET_OK);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "50", 2, number(tree, 2)), TUPLET_OK);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "a", 1, number(tree, 3)), TUPLET_OK);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "b", 1, number(tree, 4)), TUPLET_OK);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "1", 1, number(tree, 5)), TUPLET_OK);
  assert_keys(array->as.array.properties, array->as.array.property_count, "#50 b a ");
  assert_int_equal(array->as.array.length, 51);
  assert_true(array->as.array.properties[1].value->as.number == 4);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "length", 6, number(tree, 5)), TUPLET_MISUSE);
}

/* ---- What cannot be ---- */

static void what_cannot_be_is_not_made(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *buffer = tuplet_node_buffer(tree, (tuplet_bytes){"12345678", 8});
  tuplet_node *one = number(tree, 1);
  assert_null(tuplet_node_string(tree, "\xFF", 1));
  assert_null(tuplet_node_string(tree, "\xED\xA0\x80\xED\xB0\x80", 6)); /* a pair in two times three bytes */
  assert_null(tuplet_node_boxed(tree, tuplet_node_null(tree)));
  assert_null(tuplet_node_boxed(tree, NULL));
  assert_null(tuplet_node_regexp(tree, "\xC3", 1, 0));
  assert_null(tuplet_node_regexp(tree, "a", 1, 512));
  assert_null(tuplet_node_regexp(tree, "a", 1, TUPLET_REGEXP_U | TUPLET_REGEXP_V));
  assert_null(tuplet_node_resizable_buffer(tree, (tuplet_bytes){"12", 2}, 1));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, NULL, 0, 0, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, one, 0, 0, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 9, 0, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 1, 8, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, SIZE_MAX, 2, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT16, buffer, 1, 2, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT16, buffer, 0, 3, false));
  assert_null(tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, 0, true)); /* nothing to track */
  assert_null(tuplet_node_view(tree, (tuplet_view_type)'z', buffer, 0, 0, false));
  assert_null(tuplet_node_error(tree, TUPLET_ERROR_TYPE, one, NULL, NULL));
  assert_null(tuplet_node_error(tree, TUPLET_ERROR_TYPE, NULL, one, NULL));
  assert_null(tuplet_node_error(tree, (tuplet_error_type)'Q', NULL, NULL, NULL));
}

static void filling_the_wrong_node_is_misuse(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *object = tuplet_node_object(tree);
  tuplet_node *array = tuplet_node_array(tree, 0);
  tuplet_node *one = number(tree, 1);
  assert_int_equal(tuplet_node_object_set(tree, array, "a", 1, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_object_set(tree, object, "\xFF", 1, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_object_set(tree, object, "a", 1, NULL), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_object_set(tree, NULL, "a", 1, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_map_set(tree, object, one, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_map_set(tree, tuplet_node_map(tree), NULL, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_set_add(tree, object, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_array_push(tree, object, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_array_push(tree, array, NULL), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_array_set(tree, array, UINT32_MAX, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_array_set_property(tree, object, "a", 1, one), TUPLET_MISUSE);
  assert_int_equal(tuplet_node_array_set_property(tree, array, "\xFF", 1, one), TUPLET_MISUSE);
  assert_null(tuplet_node_object_get(array, "a", 1));
  assert_null(tuplet_node_object_get(NULL, "a", 1));
}

static void primitives_are_normalized(void **state) {
  tuplet_tree *tree = *state;
  assert_true(tuplet_node_date(tree, 1.9)->as.number == 1);
  assert_true(isnan(tuplet_node_date(tree, 8.64e15 + 1)->as.number));
  assert_true(tuplet_node_date(tree, -8.64e15)->as.number == -8.64e15);
  assert_false(signbit(tuplet_node_date(tree, -0.5)->as.number));
  tuplet_node *zero = tuplet_node_bigint(tree, true, (tuplet_bytes){"\0\0", 2});
  assert_int_equal(zero->as.bigint.little_endian.size, 0);
  assert_false(zero->as.bigint.negative);
  tuplet_node *least = tuplet_node_signed(tree, INT64_MIN);
  assert_true(least->as.bigint.negative);
  assert_int_equal(least->as.bigint.little_endian.size, 8);
  assert_memory_equal(least->as.bigint.little_endian.data, "\0\0\0\0\0\0\0\x80", 8);
  tuplet_node *buffer = tuplet_node_resizable_buffer(tree, (tuplet_bytes){"1234567", 7}, 9);
  assert_int_equal(tuplet_node_view(tree, TUPLET_VIEW_INT16, buffer, 2, 0, true)->as.view.size, 4);
}

/* ---- Equality ---- */

static void numbers_are_equal_by_object_is(void **state) {
  tuplet_tree *tree = *state;
  assert_true(tuplet_node_equal(number(tree, (double)NAN), number(tree, -(double)NAN)));
  assert_false(tuplet_node_equal(number(tree, 0), number(tree, -0.0)));
  assert_false(tuplet_node_equal(number(tree, 1), tuplet_node_signed(tree, 1)));
  assert_false(tuplet_node_equal(number(tree, 1), tuplet_node_boxed(tree, number(tree, 1))));
  assert_false(tuplet_node_equal(number(tree, 1), NULL));
}

static tuplet_node *pair_of(tuplet_tree *tree, tuplet_node *first, tuplet_node *second) {
  tuplet_node *array = tuplet_node_array(tree, 0);
  assert_int_equal(tuplet_node_array_push(tree, array, first), TUPLET_OK);
  assert_int_equal(tuplet_node_array_push(tree, array, second), TUPLET_OK);
  return array;
}

static void sharing_is_part_of_the_value(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *a = tuplet_node_object(tree);
  tuplet_node *b = tuplet_node_object(tree);
  assert_true(tuplet_node_equal(pair_of(tree, a, a), pair_of(tree, b, b)));
  assert_true(tuplet_node_equal(pair_of(tree, a, b), pair_of(tree, b, a)));
  assert_false(tuplet_node_equal(pair_of(tree, a, a), pair_of(tree, a, b)));
  assert_false(tuplet_node_equal(pair_of(tree, a, b), pair_of(tree, a, a)));
  tuplet_node *x = text(tree, "x"); /* primitives have no identity */
  assert_true(tuplet_node_equal(pair_of(tree, x, x), pair_of(tree, x, text(tree, "x"))));
}

/* A ring of `size` arrays. */
static tuplet_node *ring(tuplet_tree *tree, int size) {
  tuplet_node *first = tuplet_node_array(tree, 0);
  tuplet_node *last = first;
  for (int i = 1; i < size; i++) {
    tuplet_node *next = tuplet_node_array(tree, 0);
    assert_int_equal(tuplet_node_array_push(tree, last, next), TUPLET_OK);
    last = next;
  }
  assert_int_equal(tuplet_node_array_push(tree, last, first), TUPLET_OK);
  return first;
}

static void cycles_are_equal_when_they_are_as_long(void **state) {
  tuplet_tree *tree = *state;
  assert_true(tuplet_node_equal(ring(tree, 1), ring(tree, 1)));
  assert_true(tuplet_node_equal(ring(tree, 5), ring(tree, 5)));
  assert_false(tuplet_node_equal(ring(tree, 1), ring(tree, 2)));
  assert_false(tuplet_node_equal(ring(tree, 4), ring(tree, 2)));
}

static void how_an_array_is_kept_does_not_count(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *forward = tuplet_node_array(tree, 0);
  tuplet_node *backward = tuplet_node_array(tree, 0);
  tuplet_node *holes = tuplet_node_array(tree, 31);
  for (uint32_t i = 0; i <= 30; i += 6) put_at(tree, forward, i);
  for (uint32_t i = 30;; i -= 6) {
    put_at(tree, backward, i);
    if (i == 0) break;
  }
  for (uint32_t i = 0; i <= 30; i += 6) put_at(tree, holes, i);
  assert_true(tuplet_node_equal(forward, backward));
  assert_true(tuplet_node_equal(forward, holes));
  assert_true(tp_array_push_hole(holes));
  assert_false(tuplet_node_equal(forward, holes));
  put_at(tree, backward, 1);
  assert_false(tuplet_node_equal(forward, backward));
}

static void the_order_of_names_counts(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *ab = tuplet_node_object(tree);
  tuplet_node *ba = tuplet_node_object(tree);
  set(tree, ab, "a", 1);
  set(tree, ab, "b", 2);
  set(tree, ba, "b", 2);
  set(tree, ba, "a", 1);
  assert_false(tuplet_node_equal(ab, ba));
}

/* Each of these differs from all others in one thing. */
static void values_that_differ_in_one_thing_are_not_equal(void **state) {
  tuplet_tree *tree = *state;
  tuplet_node *x = text(tree, "x");
  tuplet_bytes bytes = {"12345678", 8};
  tuplet_node *buffer = tuplet_node_buffer(tree, bytes);
  tuplet_node *resizable = tuplet_node_resizable_buffer(tree, bytes, 8);
  tuplet_node *nodes[] = {
      tuplet_node_undefined(tree),
      tuplet_node_null(tree),
      tuplet_node_bool(tree, true),
      tuplet_node_bool(tree, false),
      tuplet_node_signed(tree, 1),
      tuplet_node_signed(tree, -1),
      x,
      text(tree, "y"),
      tuplet_node_date(tree, 1),
      tuplet_node_date(tree, (double)NAN),
      tuplet_node_boxed(tree, x),
      tuplet_node_boxed(tree, number(tree, 1)),
      tuplet_node_boxed(tree, tuplet_node_bool(tree, true)),
      tuplet_node_boxed(tree, tuplet_node_signed(tree, 1)),
      tuplet_node_regexp(tree, "x", 1, 0),
      tuplet_node_regexp(tree, "x", 1, TUPLET_REGEXP_G),
      tuplet_node_regexp(tree, "y", 1, 0),
      tuplet_node_array(tree, 0),
      tuplet_node_array(tree, 1),
      tuplet_node_object(tree),
      tuplet_node_map(tree),
      tuplet_node_set(tree),
      buffer,
      resizable,
      tuplet_node_resizable_buffer(tree, bytes, 9),
      tuplet_node_buffer(tree, (tuplet_bytes){"12345679", 8}),
      tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, 4, false),
      tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 1, 4, false),
      tuplet_node_view(tree, TUPLET_VIEW_UINT8, buffer, 0, 5, false),
      tuplet_node_view(tree, TUPLET_VIEW_INT8, buffer, 0, 4, false),
      tuplet_node_view(tree, TUPLET_VIEW_INT8, resizable, 0, 8, false),
      tuplet_node_view(tree, TUPLET_VIEW_INT8, resizable, 0, 8, true),
      tuplet_node_error(tree, TUPLET_ERROR_PLAIN, NULL, NULL, NULL),
      tuplet_node_error(tree, TUPLET_ERROR_TYPE, NULL, NULL, NULL),
      tuplet_node_error(tree, TUPLET_ERROR_PLAIN, x, NULL, NULL),
      tuplet_node_error(tree, TUPLET_ERROR_PLAIN, NULL, x, NULL),
      tuplet_node_error(tree, TUPLET_ERROR_PLAIN, NULL, NULL, x),
      tuplet_node_kvu64(tree, 1),
      tuplet_node_kvu64(tree, 2),
      tuplet_node_opaque(tree, bytes),
  };
  for (size_t i = 0; i < COUNT(nodes); i++) {
    assert_non_null(nodes[i]);
    for (size_t k = 0; k < COUNT(nodes); k++) {
      if (tuplet_node_equal(nodes[i], nodes[k]) != (i == k)) fail_msg("values %zu and %zu", i, k);
    }
  }
}

static void the_same_graph_twice_is_equal_another_is_not(void **state) {
  tuplet_tree *tree = *state;
  size_t equal_count = 0;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    tuplet_node *graph = random_graph(tree, seed, 60);
    assert_true(tuplet_node_equal(graph, random_graph(tree, seed, 60)));
    equal_count += tuplet_node_equal(graph, random_graph(tree, seed + 1000, 60));
  }
  assert_true(equal_count < 30); /* small ones may happen to be the same */
}

/* ---- Out of memory ---- */

static void out_of_memory_is_reported_and_leaks_nothing(void **state) {
  (void)state;
  bool fired = true;
  for (size_t n = 1; fired; n++) {
    fault_allocator faults;
    fault_allocator_init(&faults, n);
    tuplet_tree *tree = tuplet_tree_new(&faults.allocator);
    if (tree != NULL) {
      bool whole = true;
      for (uint64_t seed = 1; whole && seed <= 30; seed++) whole = random_graph(tree, seed, 300) != NULL;
      fired = fault_allocator_fired(&faults);
      assert_int_equal(whole, !fired);
    }
    tuplet_tree_free(tree);
    assert_int_equal(faults.live, 0);
    assert_true(fired || n > 10);
  }
  tuplet_tree_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(indexes_come_first_and_ascend_names_keep_their_order),
      TEST(setting_again_replaces_the_value_in_its_place),
      TEST(a_large_object_finds_each_of_its_names),
      TEST(names_are_bytes_and_may_hold_nul),
      TEST(map_keys_are_compared_as_same_value_zero),
      TEST(a_set_holds_nothing_twice),
      TEST(elements_near_each_other_are_items_far_ones_properties),
      TEST(pushing_goes_behind_the_length),
      TEST(properties_of_arrays_are_named_and_indexes_are_elements),
      TEST(what_cannot_be_is_not_made),
      TEST(filling_the_wrong_node_is_misuse),
      TEST(primitives_are_normalized),
      TEST(numbers_are_equal_by_object_is),
      TEST(sharing_is_part_of_the_value),
      TEST(cycles_are_equal_when_they_are_as_long),
      TEST(how_an_array_is_kept_does_not_count),
      TEST(the_order_of_names_counts),
      TEST(values_that_differ_in_one_thing_are_not_equal),
      TEST(the_same_graph_twice_is_equal_another_is_not),
      cmocka_unit_test(out_of_memory_is_reported_and_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

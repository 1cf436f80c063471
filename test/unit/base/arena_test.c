/* arena_test.c: what an arena gives is aligned, apart, and gone with it. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"

enum { CHUNK_SIZE = 256 };

static void blocks_are_aligned_and_do_not_overlap(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 3, 16, 200, 0, 300, 7, 255, 256, 257, 5000, 2};
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  unsigned char *blocks[COUNT];
  tp_arena arena;
  tp_arena_init(&arena, NULL, CHUNK_SIZE);
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = tp_arena_alloc(&arena, sizes[i]);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
    memset(blocks[i], (int)i + 1, sizes[i]);
  }
  for (size_t i = 0; i < COUNT; i++) {
    for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(blocks[i][j], i + 1);
  }
  tp_arena_done(&arena);
}

static void small_blocks_share_a_chunk(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_arena arena;
  tp_arena_init(&arena, &faults.allocator, CHUNK_SIZE);
  assert_int_equal(faults.count, 0); /* nothing before the first use */
  for (size_t i = 0; i < CHUNK_SIZE / alignof(max_align_t); i++) assert_non_null(tp_arena_alloc(&arena, 1));
  assert_int_equal(faults.count, 1);
  assert_non_null(tp_arena_alloc(&arena, 1));
  assert_int_equal(faults.count, 2);
  tp_arena_done(&arena);
  assert_int_equal(faults.live, 0);
  tp_arena_done(&arena); /* twice is fine */
}

static void clear_keeps_one_chunk_and_uses_it_again(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_arena arena;
  tp_arena_init(&arena, &faults.allocator, CHUNK_SIZE);
  tp_arena_clear(&arena); /* of an unused one */
  for (int i = 0; i < 10; i++) assert_non_null(tp_arena_alloc(&arena, CHUNK_SIZE));
  assert_int_equal(faults.live, 10);
  tp_arena_clear(&arena);
  assert_int_equal(faults.live, 1);
  assert_non_null(tp_arena_alloc(&arena, CHUNK_SIZE));
  assert_int_equal(faults.count, 10);
  tp_arena_done(&arena);
  assert_int_equal(faults.live, 0);
}

static void copies_end_in_a_nul_that_does_not_count(void **state) {
  (void)state;
  tp_arena arena;
  tp_arena_init(&arena, NULL, CHUNK_SIZE);
  tuplet_bytes copy = tp_arena_copy(&arena, (tuplet_bytes){"tuple\0t", 7});
  assert_int_equal(copy.size, 7);
  assert_memory_equal(copy.data, "tuple\0t\0", 8);
  tuplet_bytes empty = tp_arena_copy(&arena, (tuplet_bytes){NULL, 0});
  assert_non_null(empty.data);
  assert_int_equal(empty.size, 0);
  assert_int_equal(*(const char *)empty.data, 0);
  tp_arena_done(&arena);
}

static void arrays_are_zeroed_also_in_memory_used_before(void **state) {
  (void)state;
  static const unsigned char zeros[100];
  tp_arena arena;
  tp_arena_init(&arena, NULL, CHUNK_SIZE);
  memset(tp_arena_alloc(&arena, CHUNK_SIZE), 0xFF, CHUNK_SIZE);
  tp_arena_clear(&arena);
  assert_memory_equal(tp_arena_alloc_array_zeroed(&arena, 25, 4), zeros, 100);
  tp_arena_done(&arena);
}

static void impossible_sizes_and_failing_allocators_give_null(void **state) {
  (void)state;
  fault_allocator faults;
  fault_allocator_init(&faults, 2);
  tp_arena arena;
  tp_arena_init(&arena, &faults.allocator, CHUNK_SIZE);
  assert_null(tp_arena_alloc(&arena, SIZE_MAX));
  assert_null(tp_arena_alloc(&arena, SIZE_MAX - alignof(max_align_t)));
  assert_null(tp_arena_alloc_array_zeroed(&arena, SIZE_MAX / 2, 3));
  assert_null(tp_arena_copy(&arena, (tuplet_bytes){"", SIZE_MAX}).data);
  assert_int_equal(faults.count, 0);

  unsigned char *first = tp_arena_alloc(&arena, CHUNK_SIZE);
  assert_non_null(first);
  memset(first, 7, CHUNK_SIZE);
  assert_null(tp_arena_alloc(&arena, 1)); /* the second allocation */
  assert_int_equal(first[CHUNK_SIZE - 1], 7);
  assert_non_null(tp_arena_alloc(&arena, 1));
  tp_arena_done(&arena);
  assert_int_equal(faults.live, 0);
}

static void lent_room_is_used_first_and_left_to_its_owner(void **state) {
  (void)state;
  alignas(max_align_t) unsigned char room[1024];
  fault_allocator faults;
  fault_allocator_init(&faults, 0);
  tp_arena arena;
  tp_arena_init(&arena, &faults.allocator, CHUNK_SIZE);
  tp_arena_lend(&arena, room, sizeof room);
  unsigned char *lent = tp_arena_alloc(&arena, 900);
  assert_in_range((uintptr_t)lent, (uintptr_t)room, (uintptr_t)room + sizeof room - 900);
  assert_int_equal(faults.count, 0);
  memset(lent, 3, 900);
  unsigned char *own = tp_arena_alloc(&arena, 200); /* more than is left */
  assert_non_null(own);
  memset(own, 4, 200);
  assert_int_equal(faults.live, 1);
  assert_int_equal(lent[899], 3);
  tp_arena_clear(&arena);
  assert_int_equal(faults.live, 0);
  assert_ptr_equal(tp_arena_alloc(&arena, 10), lent);
  tp_arena_done(&arena);
  assert_int_equal(faults.count, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_aligned_and_do_not_overlap),
      cmocka_unit_test(small_blocks_share_a_chunk),
      cmocka_unit_test(clear_keeps_one_chunk_and_uses_it_again),
      cmocka_unit_test(copies_end_in_a_nul_that_does_not_count),
      cmocka_unit_test(arrays_are_zeroed_also_in_memory_used_before),
      cmocka_unit_test(impossible_sizes_and_failing_allocators_give_null),
      cmocka_unit_test(lent_room_is_used_first_and_left_to_its_owner),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
